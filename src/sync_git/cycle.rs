//! The cycle: sync, tell, wait, again; when to give up, and when to stop.
//!
//! In: a syncer, the pace of the settings, signals, the drain. Out: the process' health, marks, metrics and log. The process
//! ends with an error after too many failures in a row, and without one when it is told to stop (what was under way is then
//! dropped, never half published) or when one sync was all that was asked for.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::budget::Budget;
use super::hooks::Hook;
use super::marks::Marks;
use super::metrics::{Metrics, Status as Ended};
use super::outcome::{Outcome, SyncError};
use super::settings::Pace;
use super::status::Status;
use super::sync::Syncer;
use super::trigger::Trigger;
use super::turns::Turns;
use crate::core::backoff::spread;
use crate::core::fault::Fault;
use crate::core::health::{Condition, Heartbeat};
use crate::core::lifecycle::Process;

/// The hooks whose result decides the exit code of `--one-time`.
#[derive(Default)]
pub(crate) struct Hooks {
    /// The pre-publish hook, where it is told and not asked.
    pub before: Option<Hook>,
    pub after: Vec<Hook>,
}

impl Hooks {
    /// Waits for every hook that was told, once; the first failure is the process'.
    async fn settle(&self) -> Result<(), Fault> {
        let mut failed = false;
        for hook in self.before.iter().chain(&self.after) {
            failed |= !hook.settled().await;
        }
        match failed {
            true => Err(Fault::failed(anyhow!("a hook failed; what it was told of is published"))),
            false => Ok(()),
        }
    }
}

/// The loop and all that it reports to.
pub(crate) struct Cycle {
    pub syncer: Syncer,
    pub pace: Pace,
    pub marks: Marks,
    pub hooks: Hooks,
    pub trigger: Trigger,
    pub turns: Turns,
    pub metrics: Metrics,
    pub status: Status,
    /// Whether something is published that may be served.
    pub published: Condition,
    pub heartbeat: Heartbeat,
    pub wake: Option<Signal>,
    failures: u64,
    has_succeeded: bool,
    /// When the last success was, or the start.
    fresh: Instant,
}

/// Who sees the touch file finds the work of quick hooks done: it waits this long for them, once their commit is published.
const HEAD_START: Duration = Duration::from_millis(500);

const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A wait is this long at most between two heartbeats.
pub(crate) const BEAT: Duration = Duration::from_secs(10);

impl Cycle {
    /// # Errors
    /// When the signal of `--sync-on-signal` cannot be listened for.
    pub(crate) fn new(
        syncer: Syncer,
        hooks: Hooks,
        trigger: Trigger,
        pace: Pace,
        marks: Marks,
        status: Status,
        process: &Process,
    ) -> Result<Self, Fault> {
        let wake = pace.sync_on_signal.map(|number| {
            signal(SignalKind::from_raw(number))
                .map_err(|error| Fault::usage(error).context(format!("cannot listen for signal {number}")))
        });
        // A blocking step asks its budget between two files; a sync that outlives its deadline by this has hung.
        let heartbeat = process.health.heartbeat("sync", pace.sync_timeout + 6 * BEAT);
        Ok(Self {
            marks,
            hooks,
            trigger,
            turns: Turns::new(1),
            metrics: syncer.metrics.clone(),
            syncer,
            status,
            published: process.health.condition("published"),
            heartbeat,
            wake: wake.transpose()?,
            pace,
            failures: 0,
            has_succeeded: false,
            fresh: Instant::now(),
        })
    }

    /// Runs until the drain, the last failure, or the one sync that was asked for.
    ///
    /// # Errors
    /// After `--max-failures` failures in a row.
    pub(crate) async fn run(mut self, process: Process) -> Result<(), Fault> {
        self.serve_what_is_there(&process).await;
        while let Some(turn) = self.turns.next(&self.heartbeat, &process.drain).await {
            self.trigger.begin();
            let started = Instant::now();
            let budget = Budget::new(self.pace.sync_timeout, process.drain.clone());
            match self.syncer.sync(&budget).await {
                Ok(outcome) => {
                    self.succeeded(&outcome, started, &budget).await;
                    if self.pace.one_time {
                        self.hooks.settle().await?;
                        return Ok(());
                    }
                }
                Err(error) if error.is_stop() => {
                    self.syncer.ended().await;
                    return Ok(());
                }
                Err(error) => self.failed(&error, started)?,
            }
            drop(turn);
            self.wait(&process).await;
        }
        Ok(())
    }

    /// A tree that an earlier run published is served at once, whatever the remote does.
    async fn serve_what_is_there(&mut self, process: &Process) {
        let budget = Budget::new(self.pace.sync_timeout, process.drain.clone());
        if let Some(commit) = self.syncer.already_published(&budget).await {
            self.published.ok();
            self.status.tell(|news| news.commit = Some(commit));
            tracing::info!(%commit, "an earlier run's tree is whole and is served");
        } else {
            self.published.failing("nothing has been published yet");
        }
    }

    async fn succeeded(&mut self, outcome: &Outcome, started: Instant, budget: &Budget) {
        let is_first = !self.has_succeeded;
        let is_change = is_first || !matches!(outcome, Outcome::Unchanged { .. });
        let took = started.elapsed();
        let commit = outcome.commit();
        let elapsed_seconds = took.as_secs_f64();
        match outcome {
            Outcome::Published { before, .. } => {
                let before = before.map(|before| before.to_string()).unwrap_or_default();
                tracing::info!(%commit, before, elapsed_seconds, "published");
            }
            Outcome::Repaired { .. } => tracing::info!(%commit, elapsed_seconds, "repaired"),
            Outcome::Unchanged { .. } => tracing::debug!(%commit, elapsed_seconds, "unchanged"),
        }
        self.published.ok();
        self.status.tell(|news| {
            news.commit = Some(commit);
            news.signer = self.syncer.signer().map(str::to_owned);
            news.last_success = Some(Instant::now());
            news.published =
                if matches!(outcome, Outcome::Unchanged { .. }) { news.published } else { news.last_success };
            news.last_error = None;
            news.failures = 0;
            news.syncs += 1;
        });
        self.failures = 0;
        self.has_succeeded = true;
        self.metrics.failures_in_a_row.set(0.0);
        self.metrics.synced(if is_change { Ended::Success } else { Ended::Noop }, took);
        if is_change && !self.hooks.after.is_empty() {
            let before = match outcome {
                Outcome::Published { before, .. } => *before,
                _ => None,
            };
            let event = self.syncer.event(before, commit).await;
            self.hooks.after.iter().for_each(|hook| hook.tell(event.clone()));
        }
        self.fresh = Instant::now();
        self.retire(budget).await;
        self.trigger.tell(Ok(commit.to_string()));
        self.marks.succeeded();
        if is_change {
            // Failed and slow hooks are none of the touch file's business.
            let _ = tokio::time::timeout(HEAD_START, self.hooks.settle()).await;
            self.marks.changed();
        }
    }

    async fn retire(&mut self, budget: &Budget) {
        match self.syncer.retire(budget).await {
            Ok(retired) => {
                for error in retired.refused {
                    tracing::warn!(%error, "an old tree does not go away yet");
                }
                if let Err(error) = self.syncer.collect_garbage(retired.removed, budget).await
                    && !error.is_stop()
                {
                    tracing::warn!(%error, "the store cannot be packed anew");
                }
            }
            Err(error) => tracing::warn!(%error, "old trees cannot be removed"),
        }
        self.syncer.rest().await;
    }

    fn failed(&mut self, error: &SyncError, started: Instant) -> Result<(), Fault> {
        self.failures += 1;
        let most = match (self.has_succeeded, self.pace.init_max_failures) {
            (false, Some(most)) => most,
            _ => self.pace.max_failures,
        };
        let is_last = most >= 0 && self.failures >= most.unsigned_abs();
        self.metrics.synced(Ended::Error, started.elapsed());
        self.metrics.failures_in_a_row.set(self.failures as f64);
        let text = error.to_string();
        self.trigger.tell(Err(text.clone()));
        let message = if is_last { "too many failures, aborting" } else { "error syncing repo, will retry" };
        self.marks.failed(message, &text, self.failures);
        let failures = self.failures;
        self.status.tell(|news| {
            news.last_error = Some((Instant::now(), text.clone()));
            news.failures = failures;
        });
        if !self.has_succeeded && self.status.nothing_published() {
            self.published.failing(format!("nothing has been published yet: {text}"));
        }
        if is_last {
            let fault = Fault::failed(anyhow!("{text}")).context(format!("the sync failed {failures} times in a row"));
            return Err(fault.hint("--max-failures=-1 tries for ever"));
        }
        tracing::warn!(error = text, failures, "the sync failed and is tried again");
        Ok(())
    }

    /// Not ready any more when what is served is older than `--max-staleness` allows.
    fn judge_freshness(&self) {
        let (limit, age) = (self.pace.max_staleness, self.fresh.elapsed());
        if !limit.is_zero() && age > limit && !self.status.nothing_published() {
            self.published.failing(format!("the last success was {age:.0?} ago, more than --max-staleness={limit:?}"));
        }
    }

    /// Waits for the next sync: the period, the signal, or the drain, whichever is first.
    async fn wait(&mut self, process: &Process) {
        let pause = self.pace.pause(self.has_succeeded, self.failures);
        let pause = pause + spread(self.pace.jitter(pause));
        let now = tokio::time::Instant::now();
        // Nobody waits for what a clock cannot tell.
        let next = now.checked_add(pause).unwrap_or(now + CENTURY);
        let beat = if self.pace.max_staleness.is_zero() { BEAT } else { BEAT.min(self.pace.max_staleness) };
        self.status.tell(|news| news.next = Some(next.into_std()));
        loop {
            self.heartbeat.beat();
            self.judge_freshness();
            let woken = async {
                match &mut self.wake {
                    Some(signal) => signal.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = process.drain.cancelled() => break,
                _ = woken => {
                    tracing::debug!("woken by a signal");
                    break;
                }
                () = self.trigger.asked() => {
                    tracing::debug!("woken by a request");
                    break;
                }
                () = tokio::time::sleep_until(next) => break,
                () = tokio::time::sleep(beat) => {}
            }
        }
        self.status.tell(|news| news.next = None);
    }
}
