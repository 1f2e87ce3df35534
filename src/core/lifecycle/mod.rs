//! The life of a running mode: set up, run named tasks, drain, end.
//!
//! ```text
//! bind HTTP → set_up → tasks run ──(TERM, INT, finish, a task ends)──→ drain → tasks and connections end → HTTP ends
//!                                                                         └─(drain timeout, second signal)→ cut, exit 1
//! ```
//!
//! Critical tasks have names: if one ends before the drain, the process drains and exits 1, naming it. Connections are
//! tracked apart: a panic in one ends that connection only. Not ready is said first, the HTTP listener ends last, so
//! that a last scrape works.

mod reloading;

use std::future::Future;
use std::sync::Arc;

use anyhow::anyhow;
use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::fault::Fault;
use super::health::Health;
use super::http::{self, Access, Reply, Request, Routes};
use super::log;
use super::metrics::{Counter, Format, Registry};
use super::mode::Invocation;
use super::net::{self, Sharing};
use super::reload::FileWatch;
use reloading::Reloading;

/// What a running mode works with. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Process {
    /// Critical tasks.
    pub tasks: Tasks,
    /// One task per connection.
    pub connections: Connections,
    /// Cancelled when the process shall end: stop accepting, finish what is in flight, return.
    pub drain: CancellationToken,
    /// Probes.
    pub health: Health,
    /// Our own metrics.
    pub metrics: Registry,
    /// The HTTP listener's routes and the status page's sections.
    pub http: Routes,
    /// The settings in force: replaced when they were read again without a mistake, at SIGHUP and when their file has a
    /// new content. Which of them a mode takes in is in [`super::mode::Mode::live`].
    pub settings: watch::Receiver<Invocation>,
    ends: mpsc::UnboundedSender<End>,
}

/// Why the process shall end.
enum End {
    /// The work is done.
    Finished,
    /// A critical task ended by itself.
    Task(&'static str, Result<(), Fault>),
}

impl Process {
    /// The same process, for one of several units that a mode runs in it: its metrics carry the unit's name under `label`,
    /// its conditions begin with the name.
    #[must_use]
    pub fn unit(&self, label: &'static str, name: &str) -> Self {
        Self { metrics: self.metrics.labelled(label, name), health: self.health.unit(name), ..self.clone() }
    }

    /// Begins a drain after which the process exits 0: the work is done.
    pub fn finish(&self) {
        // The receiver lives as long as the process runs.
        let _ = self.ends.send(End::Finished);
    }
}

/// Starts critical tasks.
#[derive(Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    ends: mpsc::UnboundedSender<End>,
}

impl Tasks {
    /// Starts a critical task. If it ends before the drain, or panics, the process drains and exits 1, naming it.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = Result<(), Fault>> + Send + 'static) {
        let ends = self.ends.clone();
        let running = tokio::spawn(task);
        self.tracker.spawn(async move {
            let ended = match running.await {
                Ok(ended) => ended,
                Err(panic) => Err(Fault::bug(anyhow!("{panic}"))),
            };
            // The receiver lives as long as the process runs.
            let _ = ends.send(End::Task(name, ended));
        });
    }
}

/// Starts a task per connection.
#[derive(Clone)]
pub struct Connections {
    tracker: TaskTracker,
    panics: Counter,
}

impl Connections {
    /// Starts a task for one connection. A panic ends that connection, and is counted and logged.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let panics = self.panics.clone();
        let running = tokio::spawn(task);
        self.tracker.spawn(async move {
            if let Err(panic) = running.await {
                panics.increment();
                error!(%panic, "a connection ended by a defect of ours");
            }
        });
    }
}

/// Runs a mode: `set_up` opens its sockets and starts its tasks, then the process lives until it shall end.
///
/// # Errors
/// The fault of `set_up`, of the first critical task that ended, or of a drain that took too long.
pub fn run(invocation: &Invocation, set_up: impl AsyncFnOnce(&Process) -> Result<(), Fault>) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::failed(error).context("cannot start the runtime"))?;
    let common = &invocation.resolved.common;
    let log = log::start(&common.log, common.log_format);
    raise_open_files();
    let ended = runtime.block_on(live(invocation, log, set_up));
    // Tasks that were cut are dropped here; a blocking call that still runs must not hold the exit.
    runtime.shutdown_background();
    ended
}

/// The most open files that are asked for; processes that we start inherit the limit, and some close all that they may.
const OPEN_FILES: u64 = 65_536;

/// Takes as many open files as the system gives. Many give 1024 at first, for programs of the time of `select`, and let a
/// process ask for more: without it a thousand connections would take the last one from the probes.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if current.is_some_and(|current| current < wanted) {
        // Where it is refused, what there is must do.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

async fn live(
    invocation: &Invocation,
    log: log::Handle,
    set_up: impl AsyncFnOnce(&Process) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let unwatched = |error| Fault::failed(error).context("cannot watch for signals");
    let mut stops = Stops::new().map_err(unwatched)?;
    let hangup = signal(SignalKind::hangup()).map_err(unwatched)?;
    let (ends, mut ended) = mpsc::unbounded_channel();
    let (replace, settings) = watch::channel(invocation.clone());
    let metrics = Registry::with_process();
    let panics = metrics.counter("patterns_connection_panics_total", "Connections that a defect of ours ended.", &[]);
    let process = Process {
        tasks: Tasks { tracker: TaskTracker::new(), ends: ends.clone() },
        connections: Connections { tracker: TaskTracker::new(), panics },
        drain: CancellationToken::new(),
        health: Health::default(),
        metrics,
        http: Routes::default(),
        settings,
        ends,
    };
    let mode = invocation.mode.name;
    let common = &invocation.resolved.common;
    let listener = net::listen(&common.http_bind, Sharing::Exclusive, "http-bind")?;
    // With port 0 the kernel chooses: the log is where the choice can be read.
    let http = match listener.as_ref().map(std::net::TcpListener::local_addr) {
        Some(Ok(address)) => address.to_string(),
        Some(Err(_)) | None => common.http_bind.to_string(),
    };
    routes(mode, &process, log.clone());
    let server = match listener {
        Some(listener) => Some(http::serve(listener, process.http.clone()).map_err(Fault::failed)?),
        None => None,
    };
    let file = common.config.clone().map(FileWatch::new);
    let reloading = Reloading::new(replace, log, &process.metrics);
    for warning in &invocation.resolved.warnings {
        warn!("{warning}");
    }
    info!(mode, version = env!("CARGO_PKG_VERSION"), http, "starting");

    let watching = tokio::spawn(reloading.follow(hangup, file));
    let result = tokio::select! {
        set = set_up(&process) => match set {
            Err(fault) => Err(fault),
            Ok(()) => tokio::select! {
                end = ended.recv() => verdict(end),
                signal = stops.next() => { info!(signal, "ending"); Ok(()) }
            },
        },
        signal = stops.next() => { info!(signal, "ending before the start was complete"); Ok(()) }
    };
    watching.abort();

    let drained = drain(&process, &mut ended, &mut stops, common.drain_timeout).await;
    if let Some(server) = server {
        server.stop().await;
    }
    if result.is_ok() && drained.is_ok() {
        info!("ended");
    }
    result.and(drained)
}

fn verdict(end: Option<End>) -> Result<(), Fault> {
    match end {
        Some(End::Finished) | None => Ok(()),
        Some(End::Task(name, Ok(()))) => Err(Fault::failed(anyhow!("the task {name} ended"))),
        Some(End::Task(_, Err(fault))) => Err(fault),
    }
}

/// Ends all tasks and connections, within the time that they have for it.
async fn drain(
    process: &Process,
    ended: &mut mpsc::UnboundedReceiver<End>,
    stops: &mut Stops,
    within: std::time::Duration,
) -> Result<(), Fault> {
    process.health.drain();
    process.drain.cancel();
    process.tasks.tracker.close();
    process.connections.tracker.close();
    let all = async {
        process.tasks.tracker.wait().await;
        process.connections.tracker.wait().await;
    };
    let left = || process.tasks.tracker.len() + process.connections.tracker.len();
    tokio::select! {
        () = all => {}
        () = tokio::time::sleep(within) => {
            return Err(Fault::failed(anyhow!("{} tasks were still busy after {within:?} and are cut", left())).hint("raise --drain-timeout"));
        }
        signal = stops.next() => {
            return Err(Fault::failed(anyhow!("a second signal ({signal}) cut {} tasks that were still busy", left())));
        }
    }
    // A task may have failed while it drained: that is no clean end either.
    while let Ok(end) = ended.try_recv() {
        if let End::Task(_, Err(fault)) = end {
            return Err(fault);
        }
    }
    Ok(())
}

/// The routes that every mode has.
fn routes(mode: &'static str, process: &Process, log: log::Handle) {
    let probe = |answer: super::health::Answer| {
        let status = if answer.passes { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        Reply::text(status, answer.text)
    };
    let health = process.health.clone();
    process.http.route(Method::GET, "/livez", Access::Public, move |_| std::future::ready(probe(health.live())));
    let health = process.health.clone();
    process.http.route(Method::GET, "/readyz", Access::Public, move |_| std::future::ready(probe(health.ready())));
    let health = process.health.clone();
    process.http.route(Method::GET, "/startupz", Access::Public, move |_| std::future::ready(probe(health.started())));
    let metrics = process.metrics.clone();
    process.http.route(Method::GET, "/metrics", Access::Public, move |request: Request| {
        let negotiated = Format::negotiate(request.header("accept"));
        // What is echoed are tokens that are known here, so it is always a header's value.
        let content_type =
            HeaderValue::try_from(negotiated.content_type).unwrap_or(HeaderValue::from_static("text/plain"));
        std::future::ready(Reply::typed(StatusCode::OK, content_type, metrics.render(negotiated.format)))
    });
    let (health, http) = (process.health.clone(), process.http.clone());
    process.http.route(Method::GET, "/", Access::Public, move |_| {
        let (ready, live) = (health.ready(), health.live());
        let status = if ready.passes { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        std::future::ready(Reply::new(
            status,
            "text/html; charset=utf-8",
            http::page(mode, &ready, &live, &http.sections()),
        ))
    });
    let log = Arc::new(log);
    process.http.route(Method::PUT, "/log", Access::Loopback, move |request: Request| {
        let reply = match log.set(String::from_utf8_lossy(&request.body).trim()) {
            Ok(()) => Reply::text(StatusCode::OK, "the filter is in force\n"),
            Err(error) => Reply::text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        };
        std::future::ready(reply)
    });
}

/// The signals that end the process.
struct Stops {
    term: Signal,
    interrupt: Signal,
}

impl Stops {
    fn new() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
