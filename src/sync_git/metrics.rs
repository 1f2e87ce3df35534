//! What sync-git tells about itself: its own families, and git-sync's beside them for the dashboards that exist.
//!
//! In: the result of each sync, and what its phases cost. Out: `patterns_sync_git_*`, and `git_sync_*`/`git_fetch_*` with
//! git-sync's labels and types. Labels are fixed words; no hash, URL or error text becomes one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::several::LABEL;
use super::trust::Why;
use crate::core::metrics::{Collect, Counter, Encoder, FamilyHead, Gauge, Histogram, Kind, Point, Registry};

/// How a sync ended, in git-sync's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    Error,
    Noop,
}

impl Status {
    const ALL: [Self; 3] = [Self::Success, Self::Error, Self::Noop];

    fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Noop => "noop",
        }
    }
}

/// The parts of a sync that take time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Resolve,
    Fetch,
    Build,
    Inspect,
    Retire,
    Gc,
}

impl Phase {
    const ALL: [Self; 6] = [Self::Resolve, Self::Fetch, Self::Build, Self::Inspect, Self::Retire, Self::Gc];

    fn label(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Fetch => "fetch",
            Self::Build => "build",
            Self::Inspect => "inspect",
            Self::Retire => "retire",
            Self::Gc => "gc",
        }
    }
}

/// The instruments.
#[derive(Clone)]
pub(crate) struct Metrics {
    phases: [Histogram; 6],
    counts: [Counter; 3],
    durations: Arc<Line>,
    updates: Counter,
    pub fetched_bytes: Counter,
    pub damages: Counter,
    pub retired: Counter,
    pub failures_in_a_row: Gauge,
    distrusts: [Counter; Why::LABELS.len()],
    last_success: Gauge,
    published: Gauge,
}

impl Metrics {
    /// The instruments of one repository; `name` where there are several.
    pub(crate) fn new(registry: &Registry, durations: &Durations, name: Option<&str>) -> Self {
        let seconds = "patterns_sync_git_phase_seconds";
        let phases = Phase::ALL.map(|phase| {
            registry.histogram(
                seconds,
                "Time spent in the phases of syncs.",
                Histogram::SECONDS,
                &[("phase", phase.label())],
            )
        });
        let help = "Syncs by how they ended (success: something was published).";
        let counts =
            Status::ALL.map(|status| registry.counter("git_sync_count_total", help, &[("status", status.label())]));
        let counter = |name, help| registry.counter(name, help, &[]);
        let gauge = |name, help| registry.gauge(name, help, &[]);
        Self {
            phases,
            counts,
            durations: durations.of(name),
            updates: counter("git_fetch_count_total", "Syncs that had something to bring or to repair."),
            fetched_bytes: counter("patterns_sync_git_fetched_bytes_total", "Bytes of packs received."),
            damages: counter("patterns_sync_git_damages_total", "Times the published tree was found damaged."),
            retired: counter("patterns_sync_git_retired_trees_total", "Trees removed after they were replaced."),
            failures_in_a_row: gauge(
                "patterns_sync_git_failures_in_a_row",
                "Syncs that failed since the last success.",
            ),
            distrusts: Why::LABELS.map(|reason| {
                let help = "Syncs that ended because a signature was not trusted, by reason.";
                registry.counter("patterns_sync_git_untrusted_total", help, &[("reason", reason)])
            }),
            last_success: gauge("patterns_sync_git_last_success_timestamp_seconds", "When a sync last succeeded."),
            published: gauge("patterns_sync_git_published_timestamp_seconds", "When the link last turned."),
        }
    }

    /// Counts a sync that has ended.
    pub(crate) fn synced(&self, status: Status, took: Duration) {
        self.counts[status as usize].increment();
        self.durations.observe(status, took);
        match status {
            Status::Success => {
                self.updates.increment();
                self.last_success.set(now());
                self.published.set(now());
            }
            Status::Noop => self.last_success.set(now()),
            Status::Error => {}
        }
    }

    /// Counts a signature that was not trusted.
    pub(crate) fn distrusted(&self, why: &Why) {
        let at = Why::LABELS.iter().position(|label| *label == why.label());
        at.into_iter().for_each(|at| self.distrusts[at].increment());
    }

    /// Observes what a phase took.
    pub(crate) fn spent(&self, phase: Phase, took: Duration) {
        self.phases[phase as usize].observe(took.as_secs_f64());
    }
}

/// git-sync's `git_sync_duration_seconds`: a summary without quantiles, of every repository.
#[derive(Clone, Default)]
pub(crate) struct Durations(Arc<Mutex<Vec<Arc<Line>>>>);

/// The part of one repository.
struct Line {
    name: Option<String>,
    sums: Mutex<[(f64, u64); 3]>,
}

impl Durations {
    /// The durations of one process, on its page of metrics.
    pub(crate) fn served(registry: &Registry) -> Self {
        let durations = Self::default();
        registry.register(Arc::new(durations.clone()));
        durations
    }

    fn of(&self, name: Option<&str>) -> Arc<Line> {
        let line = Arc::new(Line { name: name.map(str::to_owned), sums: Mutex::default() });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
        line
    }
}

impl Line {
    fn observe(&self, status: Status, took: Duration) {
        let (sum, count) = &mut self.sums.lock().unwrap_or_else(PoisonError::into_inner)[status as usize];
        *sum += took.as_secs_f64();
        *count += 1;
    }
}

impl Collect for Durations {
    fn collect(&self, out: &mut dyn Encoder) {
        let help = "Time of syncs by how they ended.";
        out.family(&FamilyHead { name: "git_sync_duration_seconds", kind: Kind::Summary, unit: "seconds", help });
        for line in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let sums = *line.sums.lock().unwrap_or_else(PoisonError::into_inner);
            for (status, (sum, count)) in Status::ALL.into_iter().zip(sums) {
                let labels = [(LABEL, line.name.as_deref().unwrap_or_default()), ("status", status.label())];
                let labels = if line.name.is_some() { &labels[..] } else { &labels[1..] };
                out.sample(labels, Point::Summary { quantiles: &[], sum, count, created: None });
            }
        }
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
