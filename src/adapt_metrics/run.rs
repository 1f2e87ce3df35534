//! The adapter as a process: sockets and sources from the settings, tasks, and what people see of them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use hashbrown::DefaultHashBuilder;
use hyper::header::HeaderName;
use hyper::{Method, StatusCode};
use tracing::info;

use super::hub::Hub;
use super::metrics::{Receiver, SourceMetrics, Telemetry};
use super::model::{Source, Tick};
use super::naming::Naming;
use super::page::Page;
use super::rules::{Observer, Rules};
use super::settings::Settings;
use super::source::{self, Runner};
use super::statsd::datagrams::Datagrams;
use super::statsd::desk::Desk;
use super::statsd::intake::Intake;
use super::statsd::keys::Room;
use super::statsd::line::Grammar;
use super::statsd::sockets;
use super::statsd::tags::Dialects;
use crate::core::document::Mistakes;
use crate::core::fault::Fault;
use crate::core::http::{Access, Reply, Request, Section};
use crate::core::lifecycle::{self, Process};
use crate::core::metrics::Format;
use crate::core::mode::Invocation;
use crate::core::values::Bind;

/// All StatsD receivers are one source: a series may come over several of them.
const STATSD: Source = Source(0);
/// How often series that are too old are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// How long a receiver may go without coming round; it does so five times a second.
const STUCK: Duration = Duration::from_secs(10);
/// How long a page waits for sources that are polled on scrape, when the scraper does not say how long it waits.
const SCRAPE: Duration = Duration::from_secs(9);
/// What is left of a scraper's time for writing and carrying the page.
const MARGIN: Duration = Duration::from_millis(500);

/// Runs the adapter until it is told to end.
pub fn run(invocation: &Invocation) -> Result<(), Fault> {
    let settings: Settings = invocation.settings()?;
    let definitions = definitions(invocation)?;
    let rules =
        Rules { naming: settings.statsd_naming, observer: Observer::default(), ttl: Tick::span(settings.statsd_ttl) };
    lifecycle::run(invocation, async |process: &Process| {
        let hub = Hub::new(settings.limits(), rules);
        process.metrics.register(Arc::new(Page(hub.clone())));

        let mut receivers = Vec::new();
        let fallback = definitions.is_empty() && settings.statsd_listen.is_none();
        let bind = settings.statsd_listen.clone().unwrap_or(if fallback { Bind::Any(9125) } else { Bind::Off });
        if let Some(opened) = sockets::udp(&bind, settings.statsd_receive_buffer, "statsd-listen")? {
            info!(address = opened.address, receive_buffer_bytes = opened.buffer, "receiving StatsD over UDP");
            let desk = Desk::new("udp", hub.clone(), process.health.heartbeat("statsd udp", STUCK));
            receivers.push(Receiver { desk: desk.clone(), inode: Some(opened.inode) });
            let intake = intake(&settings, &hub);
            let datagrams = Datagrams::new(opened.socket, opened.buffer);
            receive(process, "statsd udp", desk.clone(), move || datagrams.read(intake, &desk))?;
        }

        let runners: Vec<Arc<Runner>> = definitions
            .into_iter()
            .zip(1..)
            .map(|(definition, number)| {
                let metrics = SourceMetrics::new(&process.metrics, &definition.name);
                Runner::new(definition, Source(number), hub.clone(), metrics)
            })
            .collect();
        for runner in &runners {
            let name = &runner.definition().name;
            let first = process.health.condition(format!("first poll of {name}"));
            let heartbeat = process.health.heartbeat(format!("source {name}"), runner.round());
            process.tasks.spawn("source", runner.clone().run(process.drain.clone(), first, heartbeat));
        }
        process.tasks.spawn("sweep", sweep(hub.clone(), process.clone()));
        status(process, &receivers, &runners);
        scrape(process, runners);
        process.metrics.register(Arc::new(Telemetry { hub, receivers }));
        process.health.condition("listeners").ok();
        Ok(())
    })
}

fn definitions(invocation: &Invocation) -> Result<Vec<source::Definition>, Fault> {
    let Some(node) = invocation.resolved.document(source::KEY) else { return Ok(Vec::new()) };
    let origin = invocation.resolved.common.config.as_deref().unwrap_or_else(|| "the settings file".as_ref());
    let mut mistakes = Mistakes::new(origin.display());
    let read = source::read(node, source::KEY, &mut mistakes);
    mistakes.into_result()?;
    Ok(read)
}

fn intake(settings: &Settings, hub: &Arc<Hub>) -> Intake {
    let grammar = Grammar { tags: Dialects::ALL, sets_and_packed_numbers: settings.statsd_naming == Naming::Uniform };
    // Each series is mostly reached by one key. Twice as many leave room for other spellings.
    let room = Room {
        keys: settings.series_limit.saturating_mul(2),
        bytes: settings.series_limit.saturating_mul(256).min(1 << 30),
    };
    Intake::new(grammar, hub.rules(), STATSD, room, DefaultHashBuilder::default())
}

/// Runs a receiver on a thread of its own, as a critical task.
fn receive(
    process: &Process,
    name: &'static str,
    desk: Arc<Desk>,
    read: impl FnOnce() -> Result<(), Fault> + Send + 'static,
) -> Result<(), Fault> {
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name(name.replace(' ', "-"))
        // The task below may be gone when the thread ends, and then nobody asks.
        .spawn(move || drop(ended.send(read())))
        .map_err(|error| Fault::failed(error).context(format!("cannot start the thread {name}")))?;
    let drain = process.drain.clone();
    process.tasks.spawn(name, async move {
        tokio::pin!(end);
        let ended = tokio::select! {
            ended = &mut end => ended,
            () = drain.cancelled() => {
                desk.drain();
                end.await
            }
        };
        desk.report();
        ended.unwrap_or_else(|_| Err(Fault::bug(anyhow!("the receiver panicked"))))
    });
    Ok(())
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

/// Serves the page, after sources that are polled on scrape have been.
fn scrape(process: &Process, runners: Vec<Arc<Runner>>) {
    let metrics = process.metrics.clone();
    let runners: Arc<[Arc<Runner>]> = runners.into();
    process.http.route(Method::GET, "/metrics", Access::Public, move |request: Request| {
        let (metrics, runners) = (metrics.clone(), runners.clone());
        async move {
            let asked = request.header(HeaderName::from_static("x-prometheus-scrape-timeout-seconds").as_str());
            let within =
                asked.and_then(|seconds| Duration::try_from_secs_f64(seconds.parse().ok()?).ok()).unwrap_or(SCRAPE);
            let within = within.saturating_sub(MARGIN);
            let mut refreshing = tokio::task::JoinSet::new();
            for runner in runners.iter() {
                let runner = runner.clone();
                refreshing.spawn(async move { runner.refresh(within).await });
            }
            refreshing.join_all().await;
            let format = Format::negotiate(request.header("accept"));
            Reply::new(StatusCode::OK, format.content_type(), metrics.render(format))
        }
    });
}

/// What a person on call wants to see first.
fn status(process: &Process, receivers: &[Receiver], runners: &[Arc<Runner>]) {
    let desks: Vec<Arc<Desk>> = receivers.iter().map(|receiver| receiver.desk.clone()).collect();
    process.http.status(move || {
        let rows = desks.iter().map(|desk| {
            let tally = desk.tally();
            let refused: u64 = tally.refused.values().map(|(count, _)| count).sum();
            vec![
                desk.name.to_owned(),
                tally.packets.to_string(),
                tally.lines.to_string(),
                tally.samples.to_string(),
                refused.to_string(),
            ]
        });
        Section::table("StatsD", &["receiver", "packets", "lines", "samples", "refused"], rows.collect())
    });
    let desks: Vec<Arc<Desk>> = receivers.iter().map(|receiver| receiver.desk.clone()).collect();
    process.http.status(move || {
        let mut rows = Vec::new();
        for desk in &desks {
            for (reason, (count, example)) in desk.tally().refused {
                rows.push(vec![reason.name().to_owned(), count.to_string(), example]);
            }
        }
        Section::table("Refused StatsD lines", &["reason", "count", "last example"], rows)
    });
    let runners = runners.to_vec();
    process.http.status(move || {
        let rows = runners.iter().map(|runner| {
            let state = runner.state();
            let good = state.good.map_or_else(|| "never".to_owned(), |good| format!("{:.0?} ago", good.elapsed()));
            let told = state.error.or(state.example).unwrap_or_default();
            vec![runner.definition().name.clone(), good, state.series.to_string(), format!("{:.1?}", state.took), told]
        });
        Section::table("Sources", &["source", "last good poll", "series", "took", "trouble"], rows.collect())
    });
}
