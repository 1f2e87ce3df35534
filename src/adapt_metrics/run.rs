//! The adapter as a process: receivers and sources from the settings, rules that are reloaded, and the page.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::{Method, StatusCode};
use tracing::{error, info, warn};

use super::exporter_names::ExporterNames;
use super::hub::Hub;
use super::json::{Modules, probe};
use super::metrics::{Reloads, SourceMetrics, Telemetry};
use super::model::{Source, Tick};
use super::naming::Naming;
use super::page::{self, Page};
use super::receivers::{self, FIRST_POLLED};
use super::rules::{self, Rules};
use super::settings::Settings;
use super::source::{self, Runner};
use super::status;
use super::verbs::explain_line;
use crate::core::document::{self, Mistakes};
use crate::core::fault::Fault;
use crate::core::http::{Access, Reply, Request};
use crate::core::lifecycle::{self, Process};
use crate::core::mode::Invocation;
use crate::core::reload::FileWatch;

/// How often series that are too old are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// How long a page waits for sources that are polled on scrape, when the scraper does not say how long it waits.
const SCRAPE: Duration = Duration::from_secs(9);
/// How long lines are waited for that shall be shown.
const LINES: Duration = Duration::from_secs(5);
/// What is left of a scraper's time for writing and carrying the page.
const MARGIN: Duration = Duration::from_millis(500);

/// Runs the adapter until it is told to end.
///
/// # Errors
/// Wrong settings, a wrong rule file, a socket that cannot be opened, a receiver that fails.
pub fn run(invocation: &Invocation) -> Result<(), Fault> {
    let settings: Settings = invocation.settings()?;
    let definitions = definitions(invocation)?;
    let rules = load(&settings)?;
    if let Some(path) = &settings.statsd_glob_graph {
        draw(&rules, path);
    }
    let graphite = load_graphite(&settings)?;
    let modules = Arc::new(ArcSwap::from_pointee(load_modules(&settings)?));
    lifecycle::run(invocation, async |process: &Process| {
        let hub = Hub::new(settings.limits(), rules, graphite);
        process.metrics.register(Arc::new(Page(hub.clone())));
        let receivers =
            receivers::start(&settings, !definitions.is_empty() || settings.json_modules.is_some(), &hub, process)?;
        let runners = runners(definitions, &hub, process);
        let reloads = Reloads::new(&process.metrics);
        process.tasks.spawn("sweep", sweep(hub.clone(), process.clone()));
        let reloading = Reloading {
            settings: settings.clone(),
            hub: hub.clone(),
            modules: modules.clone(),
            reloads: reloads.clone(),
        };
        process.tasks.spawn("rules", reloading.clone().follow(process.clone()));
        let telemetry = Arc::new(Telemetry { hub, receivers, reloads });
        process.metrics.register(telemetry.clone());
        if settings.statsd_exporter_metrics {
            let has_relay = settings.statsd_relay.is_some();
            process.metrics.register(Arc::new(ExporterNames::new(telemetry.clone(), &process.metrics, has_relay)));
        }
        status::describe(process, &telemetry, &runners);
        serve(process, &settings.metrics_path, runners, telemetry.hub.clone());
        lines(process, &settings, telemetry.hub.clone());
        if settings.json_modules.is_some() {
            probe::serve(process, modules);
        }
        lifecycle_routes(process, &settings, reloading);
        process.health.condition("listeners").ok();
        Ok(())
    })
}

/// Reads the mapping file of the settings; without one there are no rules.
///
/// # Errors
/// A configuration fault that lists every mistake of the file.
pub fn load(settings: &Settings) -> Result<Rules, Fault> {
    let (naming, ttl) = (settings.naming(), Tick::span(settings.statsd_ttl));
    let Some(path) = &settings.statsd_mapping else { return Ok(Rules::none(naming, ttl)) };
    read_rules(path, naming, ttl)
}

/// Writes the globs as a graph. Nothing else depends on it, so that it cannot be written is only told.
fn draw(rules: &Rules, path: &Path) {
    if let Err(error) = std::fs::write(path, rules.graph()) {
        error!(%error, path = %path.display(), "cannot write the graph of the globs");
    }
}

/// Reads the mapping file for Graphite; without one there are no rules.
///
/// # Errors
/// A configuration fault that lists every mistake of the file.
fn load_graphite(settings: &Settings) -> Result<Rules, Fault> {
    match &settings.graphite_mapping {
        Some(path) => read_rules(path, Naming::Exact, 0),
        None => Ok(Rules::none(Naming::Exact, 0)),
    }
}

/// Reads json_exporter's modules; without a file there are none. What has no effect in it is logged, a line each.
///
/// # Errors
/// A configuration fault that lists every mistake of the file.
fn load_modules(settings: &Settings) -> Result<Modules, Fault> {
    let Some(path) = &settings.json_modules else { return Ok(Modules::default()) };
    let root = document::read(path)?;
    let (mut mistakes, mut notes) = (Mistakes::new(path.display()), Mistakes::new(path.display()));
    let modules = Modules::read(&root, &mut mistakes, &mut notes);
    mistakes.into_result()?;
    for note in notes.sorted() {
        let line = note.at.unwrap_or_default().line;
        warn!(file = %path.display(), line, key = note.key, note = note.reason, "a key of the modules file has no effect");
    }
    Ok(modules)
}

/// Reads a mapping file.
///
/// # Errors
/// A configuration fault that lists every mistake of the file.
pub fn read_rules(path: &Path, naming: Naming, ttl: u32) -> Result<Rules, Fault> {
    let root = document::read(path)?;
    let mut mistakes = Mistakes::new(path.display());
    let rules = rules::read(&root, naming, ttl, &mut mistakes);
    mistakes.into_result()?;
    Ok(rules)
}

fn definitions(invocation: &Invocation) -> Result<Vec<source::Definition>, Fault> {
    let Some(node) = invocation.resolved.document(source::KEY) else { return Ok(Vec::new()) };
    let origin = invocation.resolved.common.config.as_deref().unwrap_or_else(|| "the settings file".as_ref());
    let mut mistakes = Mistakes::new(origin.display());
    let read = source::read(node, source::KEY, &mut mistakes);
    mistakes.into_result()?;
    Ok(read)
}

fn runners(definitions: Vec<source::Definition>, hub: &Arc<Hub>, process: &Process) -> Vec<Arc<Runner>> {
    let mut runners = Vec::with_capacity(definitions.len());
    for (definition, number) in definitions.into_iter().zip(FIRST_POLLED..) {
        let name = definition.name.clone();
        let runner = Runner::new(definition, Source(number), hub.clone(), SourceMetrics::new(&process.metrics, &name));
        let first = process.health.condition(format!("first poll of {name}"));
        let heartbeat = process.health.heartbeat(format!("source {name}"), runner.round());
        process.tasks.spawn("source", runner.clone().run(process.drain.clone(), first, heartbeat));
        runners.push(runner);
    }
    runners
}

/// Takes away what is too old.
async fn sweep(hub: Arc<Hub>, process: Process) -> Result<(), Fault> {
    let expired = process.metrics.counter(
        "patterns_adapt_metrics_expired_series_total",
        "Series that had no sample for their time to live.",
        &[],
    );
    loop {
        tokio::select! {
            () = process.drain.cancelled() => return Ok(()),
            () = tokio::time::sleep(SWEEP) => {}
        }
        let gone = hub.table().sweep(hub.now());
        expired.add(gone as u64);
    }
}

/// Reads the rules again; the last good ones stay when the file is wrong.
#[derive(Clone)]
struct Reloading {
    settings: Settings,
    hub: Arc<Hub>,
    modules: Arc<ArcSwap<Modules>>,
    reloads: Reloads,
}

impl Reloading {
    /// Reads the rules at SIGHUP and when a file changes.
    async fn follow(self, process: Process) -> Result<(), Fault> {
        let watch = |path: &Option<PathBuf>| path.clone().map(FileWatch::new);
        let mut statsd = watch(&self.settings.statsd_mapping);
        let mut graphite = watch(&self.settings.graphite_mapping);
        let mut modules = watch(&self.settings.json_modules);
        let mut signal = process.settings.clone();
        loop {
            tokio::select! {
                () = process.drain.cancelled() => return Ok(()),
                () = changed(statsd.as_mut()) => {}
                () = changed(graphite.as_mut()) => {}
                () = changed(modules.as_mut()) => {}
                told = signal.changed() => if told.is_err() { return Ok(()) },
            }
            // What went wrong is logged and counted; the page goes on by the last good rules.
            let _ = self.reload();
        }
    }

    fn reload(&self) -> Result<(), Fault> {
        let settings = &self.settings;
        let read = load(settings).and_then(|rules| Ok((rules, load_graphite(settings)?, load_modules(settings)?)));
        match read {
            Ok((rules, graphite, modules)) => {
                info!(
                    statsd_rules = rules.list().len(),
                    graphite_rules = graphite.list().len(),
                    json_modules = modules.len(),
                    "the rules are in force"
                );
                self.hub.adopt(rules, graphite);
                self.modules.store(Arc::new(modules));
                self.reloads.good.increment();
                Ok(())
            }
            Err(fault) => {
                error!(error = fault.one_line(), "the rules are wrong; the last good ones stay");
                self.reloads.failed.increment();
                Err(fault)
            }
        }
    }
}

async fn changed(file: Option<&mut FileWatch>) {
    match file {
        Some(file) => file.changed().await,
        None => std::future::pending().await,
    }
}

/// Serves the page, after sources that are polled on scrape have been.
fn serve(process: &Process, path: &str, runners: Vec<Arc<Runner>>, hub: Arc<Hub>) {
    let metrics = process.metrics.clone();
    let runners: Arc<[Arc<Runner>]> = runners.into();
    let answer = move |request: Request| {
        let (metrics, runners, hub) = (metrics.clone(), runners.clone(), hub.clone());
        async move {
            let asked = request.header("x-prometheus-scrape-timeout-seconds");
            let within =
                asked.and_then(|seconds| Duration::try_from_secs_f64(seconds.parse().ok()?).ok()).unwrap_or(SCRAPE);
            let within = within.saturating_sub(MARGIN);
            let mut refreshing = tokio::task::JoinSet::new();
            for runner in runners.iter() {
                let runner = runner.clone();
                refreshing.spawn(async move { runner.refresh(within).await });
            }
            refreshing.join_all().await;
            page::answer(&request, metrics, &hub).await
        }
    };
    process.http.route(Method::GET, "/metrics", Access::Public, answer.clone());
    if path != "/metrics" {
        process.http.route(Method::GET, path, Access::Public, answer);
    }
}

/// Shows the next lines that come in, each with what becomes of it.
fn lines(process: &Process, settings: &Settings, hub: Arc<Hub>) {
    let grammar = settings.grammar();
    process.http.route(Method::GET, "/lines", Access::Loopback, move |request: Request| {
        let hub = hub.clone();
        async move {
            let asked = request.query.split('&').find_map(|pair| pair.strip_prefix("count=")?.parse().ok());
            hub.tap().open(asked.unwrap_or(20).clamp(1, 1000));
            let end = tokio::time::Instant::now() + LINES;
            while !hub.tap().is_full() && tokio::time::Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let rules = hub.rules();
            let told: Vec<String> = hub.tap().close().iter().map(|line| explain_line(line, &rules, grammar)).collect();
            let told = if told.is_empty() { "no line has come in\n".to_owned() } else { told.join("\n") };
            Reply::text(StatusCode::OK, told)
        }
    });
}

/// The routes that users of statsd_exporter know.
fn lifecycle_routes(process: &Process, settings: &Settings, reloading: Reloading) {
    for (path, text) in [("/-/healthy", "alive"), ("/-/ready", "ready")] {
        let health = process.health.clone();
        process.http.route(Method::GET, path, Access::Public, move |_| {
            let answer = if text == "alive" { health.live() } else { health.ready() };
            let status = if answer.passes { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            std::future::ready(Reply::text(status, answer.text))
        });
    }
    let access = if settings.lifecycle_for_all { Access::Public } else { Access::Loopback };
    for method in [Method::POST, Method::PUT] {
        let reloading = reloading.clone();
        process.http.route(method.clone(), "/-/reload", access, move |_| {
            std::future::ready(match reloading.reload() {
                Ok(()) => Reply::text(StatusCode::OK, "reloaded\n"),
                Err(fault) => Reply::text(StatusCode::INTERNAL_SERVER_ERROR, fault.to_string()),
            })
        });
        let ending = process.clone();
        process.http.route(method, "/-/quit", access, move |_| {
            ending.finish();
            std::future::ready(Reply::text(StatusCode::OK, "ending\n"))
        });
    }
}
