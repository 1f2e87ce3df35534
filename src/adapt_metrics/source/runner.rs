//! One source being polled: when it is time or when a scraper asks, one poll at a time, each with a deadline.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::definition::{Definition, Schedule};
use super::{Poll, Sample, Seen, Series};
use crate::adapt_metrics::hub::Hub;
use crate::adapt_metrics::metrics::SourceMetrics;
use crate::adapt_metrics::model::{Polled, Shape, Source, SummaryOptions};
use crate::adapt_metrics::naming::{self, Naming, Unit};
use crate::core::fault::Fault;
use crate::core::health::{Condition, Heartbeat};
use crate::core::metrics::Kind;

/// A poll that is younger than this answers a scraper, too.
const FRESH: Duration = Duration::from_secs(1);

/// What is known of a source, for the status page.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Why the last poll failed, if it did.
    pub error: Option<String>,
    /// Series on the page.
    pub series: usize,
    /// How long the last poll took.
    pub took: Duration,
    /// When the last good poll ended.
    pub good: Option<Instant>,
    /// A value that could not be taken, or a series that found no place.
    pub example: Option<String>,
    failures: u32,
}

/// A source and its schedule.
pub struct Runner {
    definition: Definition,
    number: Source,
    hub: Arc<Hub>,
    metrics: SourceMetrics,
    ask: Notify,
    polls: watch::Sender<u64>,
    state: Mutex<State>,
    /// What the last poll's samples became: as long as the same series come in the same order, only values change.
    settled: Mutex<Settled>,
    /// A polled summary has no quantiles of ours.
    parts: Arc<SummaryOptions>,
}

impl Runner {
    /// A source that was never polled; `number` is its own among all sources.
    pub fn new(definition: Definition, number: Source, hub: Arc<Hub>, metrics: SourceMetrics) -> Arc<Self> {
        let polls = watch::Sender::new(0);
        let parts = Arc::new(SummaryOptions { quantiles: Box::default(), ..SummaryOptions::default() });
        Arc::new(Self {
            definition,
            number,
            hub,
            metrics,
            ask: Notify::new(),
            polls,
            state: Mutex::default(),
            settled: Mutex::default(),
            parts,
        })
    }

    /// How the source is defined.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// What is known of it.
    pub fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The longest time between two rounds of [`Runner::run`], for its heartbeat.
    pub fn round(&self) -> Duration {
        let waits = match self.definition.schedule {
            Schedule::Every(interval) => interval,
            Schedule::OnScrape => IDLE,
        };
        waits + self.definition.timeout + Duration::from_secs(30)
    }

    /// Asks an on-scrape source to poll, and waits for the end of that poll at most for `within`.
    pub async fn refresh(&self, within: Duration) {
        if self.definition.schedule != Schedule::OnScrape {
            return;
        }
        if self.state().good.is_some_and(|good| good.elapsed() < FRESH) {
            return;
        }
        let mut polls = self.polls.subscribe();
        self.ask.notify_one();
        // Too late: the page shows what the last good poll saw.
        let _ = tokio::time::timeout(within, polls.changed()).await;
    }

    /// Polls until the drain.
    ///
    /// # Errors
    /// None; a source that fails is polled again.
    pub async fn run(
        self: Arc<Self>,
        drain: CancellationToken,
        first: Condition,
        heartbeat: Heartbeat,
    ) -> Result<(), Fault> {
        let mut poll = self.definition.start();
        tokio::select! {
            () = drain.cancelled() => {}
            never = self.rounds(poll.as_mut(), first, heartbeat) => match never {},
        }
        poll.close().await;
        Ok(())
    }

    async fn rounds(&self, poll: &mut dyn Poll, first: Condition, heartbeat: Heartbeat) -> Infallible {
        let within = self.definition.timeout;
        loop {
            let began = Instant::now();
            let outcome = tokio::time::timeout(within, poll.poll(within)).await;
            let outcome = outcome.unwrap_or_else(|_| Err(anyhow!("no whole answer within {within:?}")));
            self.settle(outcome, began.elapsed());
            first.ok();
            self.polls.send_modify(|polls| *polls += 1);
            heartbeat.beat();
            match self.definition.schedule {
                Schedule::Every(interval) => tokio::time::sleep(interval.saturating_sub(began.elapsed())).await,
                Schedule::OnScrape => loop {
                    tokio::select! {
                        () = self.ask.notified() => break,
                        () = tokio::time::sleep(IDLE) => heartbeat.beat(),
                    }
                },
            }
        }
    }

    fn settle(&self, outcome: anyhow::Result<Seen>, took: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.took = took;
        match outcome {
            Ok(seen) => {
                if state.failures > 0 {
                    info!(source = self.definition.name, failed_polls = state.failures, "the source answers again");
                }
                let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
                settled.follow(&seen.samples, |series| self.polled(series));
                let replaced = self.hub.table().replace(self.number, &settled.polled, self.hub.now());
                drop(settled);
                self.metrics.polled(took, seen.skipped, &replaced);
                let refused = replaced.refused.first().map(|(name, why)| format!("{name}: {why}"));
                state.example = refused.or(seen.example);
                state.series = replaced.series;
                state.good = Some(Instant::now());
                state.error = None;
                state.failures = 0;
            }
            Err(error) => {
                state.failures += 1;
                let told = format!("{error:#}");
                if state.failures == 1 {
                    warn!(
                        source = self.definition.name,
                        error = told,
                        "the source cannot be read; its last good series stay for a while"
                    );
                }
                self.metrics.failed(took);
                if state.failures == self.definition.keep + 1 {
                    self.hub.table().replace(self.number, &[], self.hub.now());
                    self.metrics.gone();
                    state.series = 0;
                    warn!(
                        source = self.definition.name,
                        failed_polls = state.failures,
                        "the source's last good series are too old and leave the page"
                    );
                }
                state.error = Some(told);
            }
        }
    }

    fn polled(&self, sample: &Series) -> Polled {
        let definition = &self.definition;
        let raw = format!("{}{}", definition.prefix, sample.name);
        let escaped = naming::escape_with_colons(&raw);
        let name = match definition.naming {
            Naming::Exact => escaped.into_owned(),
            Naming::Uniform => definition.naming.family(&escaped, sample.kind, Unit::None).into_owned(),
        };
        let mut labels: Vec<(String, String)> =
            sample.labels.iter().map(|(name, value)| (naming::escape(name).into_owned(), value.clone())).collect();
        for (name, value) in &definition.labels {
            if !labels.iter().any(|(known, _)| known == name) {
                labels.push((name.clone(), value.clone()));
            }
        }
        labels.retain(|(name, value)| !value.is_empty() && naming::is_label_name(name));
        labels.sort();
        labels.dedup_by(|next, kept| next.0 == kept.0);
        let shape = match sample.kind {
            Kind::Counter => Shape::Counter,
            Kind::Gauge => Shape::Gauge,
            Kind::Info => Shape::Info,
            Kind::Summary => Shape::Summary(self.parts.clone()),
            _ => Shape::Unknown,
        };
        Polled { name, shape, help: sample.help.clone(), labels, value: 0.0, part: sample.part }
    }
}

/// Series as they came, and as they stand on the page.
#[derive(Default)]
struct Settled {
    series: Vec<Arc<Series>>,
    polled: Vec<Polled>,
}

impl Settled {
    fn follow(&mut self, samples: &[Sample], polled: impl Fn(&Series) -> Polled) {
        let same = samples.iter().zip(&self.series).take_while(|(sample, known)| Arc::ptr_eq(&sample.series, known));
        let same = same.count();
        self.series.truncate(same);
        self.polled.truncate(same);
        for sample in &samples[same..] {
            self.series.push(sample.series.clone());
            self.polled.push(polled(&sample.series));
        }
        self.polled.iter_mut().zip(samples).for_each(|(polled, sample)| polled.value = sample.value);
    }
}

/// How often a source that is polled on scrape shows that it is alive.
const IDLE: Duration = Duration::from_secs(30);
