//! Health: named conditions, each fine or failing with a reason, and heartbeats of the loops that must not stand still.
//!
//! *Ready* means that every condition is fine and no drain has begun. *Started* latches at the first moment at which all
//! were fine. *Live* looks at heartbeats only, never at the network: a remote that is down must not restart the Pod.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The health of one process.
#[derive(Clone)]
pub struct Health {
    inner: Arc<Inner>,
    /// What stands before the names of conditions and heartbeats.
    prefix: String,
}

struct Inner {
    conditions: Mutex<Vec<Named>>,
    heartbeats: Mutex<Vec<Heartbeat>>,
    started: AtomicBool,
    draining: AtomicBool,
    epoch: Instant,
}

struct Named {
    name: String,
    failing: Option<String>,
}

/// A condition of readiness; it begins failing, with the reason "not yet".
#[derive(Clone)]
pub struct Condition {
    health: Health,
    index: usize,
}

/// A loop that promises to come round within a time.
#[derive(Clone)]
pub struct Heartbeat(Arc<Beat>);

struct Beat {
    name: String,
    within: Duration,
    epoch: Instant,
    last_millis: AtomicU64,
}

/// What a probe is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether the probe passes.
    pub passes: bool,
    /// A line for each thing that keeps it from passing, or one that says that all is well.
    pub text: String,
}

impl Default for Health {
    fn default() -> Self {
        let inner = Inner {
            conditions: Mutex::default(),
            heartbeats: Mutex::default(),
            started: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            epoch: Instant::now(),
        };
        Self { inner: Arc::new(inner), prefix: String::new() }
    }
}

impl Health {
    /// The same health; conditions and heartbeats that are added through this handle are named after `unit`, too.
    #[must_use]
    pub fn unit(&self, unit: &str) -> Self {
        Self { inner: self.inner.clone(), prefix: format!("{}{unit} ", self.prefix) }
    }

    /// Adds a condition that readiness waits for.
    pub fn condition(&self, name: impl Into<String>) -> Condition {
        let mut conditions = self.inner.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("{}{}", self.prefix, name.into());
        conditions.push(Named { name, failing: Some("not yet".to_owned()) });
        Condition { health: self.clone(), index: conditions.len() - 1 }
    }

    /// Adds a loop that promises to beat at least once in `within`.
    pub fn heartbeat(&self, name: impl Into<String>, within: Duration) -> Heartbeat {
        let name = format!("{}{}", self.prefix, name.into());
        let beat = Beat { name, within, epoch: self.inner.epoch, last_millis: AtomicU64::new(0) };
        let heartbeat = Heartbeat(Arc::new(beat));
        heartbeat.beat();
        self.inner.heartbeats.lock().unwrap_or_else(PoisonError::into_inner).push(heartbeat.clone());
        heartbeat
    }

    /// Not ready from now on: the process is ending.
    pub fn drain(&self) {
        self.inner.draining.store(true, Relaxed);
    }

    /// Whether the process is ending.
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Relaxed)
    }

    /// The answer of `/readyz`.
    pub fn ready(&self) -> Answer {
        let mut text = String::new();
        if self.is_draining() {
            text.push_str("draining: the process is ending\n");
        }
        for condition in self.inner.conditions.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Some(reason) = &condition.failing {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{}: {reason}", condition.name);
            }
        }
        Answer::from_reasons(text, "ready")
    }

    /// The answer of `/startupz`.
    pub fn started(&self) -> Answer {
        if self.inner.started.load(Relaxed) {
            return Answer { passes: true, text: "started\n".to_owned() };
        }
        self.ready()
    }

    /// The answer of `/livez`.
    pub fn live(&self) -> Answer {
        let now = Instant::now();
        let mut text = String::new();
        for Heartbeat(beat) in self.inner.heartbeats.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let silent =
                now.duration_since(beat.epoch).saturating_sub(Duration::from_millis(beat.last_millis.load(Relaxed)));
            if silent > beat.within {
                let _ = writeln!(
                    text,
                    "{}: has not come round for {silent:.0?}, and promised {:.0?}",
                    beat.name, beat.within
                );
            }
        }
        Answer::from_reasons(text, "alive")
    }

    fn latch(&self) {
        let conditions = self.inner.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        if conditions.iter().all(|condition| condition.failing.is_none()) {
            self.inner.started.store(true, Relaxed);
        }
    }
}

impl Answer {
    fn from_reasons(reasons: String, fine: &str) -> Self {
        if reasons.is_empty() {
            Self { passes: true, text: format!("{fine}\n") }
        } else {
            Self { passes: false, text: reasons }
        }
    }
}

impl Condition {
    /// The condition is fine.
    pub fn ok(&self) {
        self.set(None);
        self.health.latch();
    }

    /// The condition fails, for a reason that a person can act upon.
    pub fn failing(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    fn set(&self, failing: Option<String>) {
        let mut conditions = self.health.inner.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(condition) = conditions.get_mut(self.index) {
            condition.failing = failing;
        }
    }
}

impl Heartbeat {
    /// The loop came round.
    pub fn beat(&self) {
        let millis = u64::try_from(self.0.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last_millis.store(millis, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_needs_every_condition_and_startup_latches() {
        let health = Health::default();
        let (first, second) = (health.condition("primary"), health.condition("listener"));
        first.ok();
        assert_eq!(health.ready(), Answer { passes: false, text: "listener: not yet\n".to_owned() });
        assert!(!health.started().passes);
        second.ok();
        assert!(health.ready().passes && health.started().passes);
        first.failing("connection refused");
        assert_eq!(health.ready().text, "primary: connection refused\n");
        assert!(health.started().passes);
        first.ok();
        health.drain();
        assert!(!health.ready().passes && health.live().passes);
    }

    #[test]
    fn a_loop_that_stands_still_is_not_alive() {
        let health = Health::default();
        let beat = health.heartbeat("sync", Duration::from_secs(3600));
        assert!(health.live().passes);
        let stuck = health.heartbeat("worker", Duration::ZERO);
        while health.live().passes {
            std::hint::spin_loop();
        }
        assert!(health.live().text.starts_with("worker: has not come round"));
        drop((beat, stuck));
    }
}
