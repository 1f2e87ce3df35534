//! What all sources of the process share: the table, the rules, and the time since the beginning.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use super::model::{Limits, Table, Tick};
use super::rules::Rules;

/// The middle of the process.
pub struct Hub {
    table: Mutex<Table>,
    rules: Arc<ArcSwap<Rules>>,
    graphite: Arc<ArcSwap<Rules>>,
    /// Unix time at tick 0, in seconds.
    unix: f64,
    began: Instant,
    tap: Tap,
}

/// Lets the next lines be seen as they come in; closed, it costs a receiver one look per packet.
#[derive(Default)]
pub struct Tap {
    is_open: AtomicBool,
    lines: Mutex<(usize, Vec<String>)>,
}

impl Tap {
    /// Begins to gather lines, at most so many. What was gathered for another is gone.
    pub fn open(&self, most: usize) {
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = (most, Vec::new());
        self.is_open.store(true, Relaxed);
    }

    /// Whether as many lines as asked for have come.
    pub fn is_full(&self) -> bool {
        !self.is_open.load(Relaxed)
    }

    /// Ends the gathering, and gives what has come.
    pub fn close(&self) -> Vec<String> {
        self.is_open.store(false, Relaxed);
        std::mem::take(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// A packet goes by.
    pub fn see(&self, packet: &[u8]) {
        if !self.is_open.load(Relaxed) {
            return;
        }
        let mut gathered = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let room = gathered.0.saturating_sub(gathered.1.len());
        let lines = packet.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(room);
        gathered.1.extend(lines.map(|line| String::from_utf8_lossy(line).into_owned()));
        if gathered.1.len() >= gathered.0 {
            self.is_open.store(false, Relaxed);
        }
    }
}

impl Hub {
    /// An empty table; StatsD's names and Graphite's stand under rules of their own.
    pub fn new(limits: Limits, rules: Rules, graphite: Rules) -> Arc<Self> {
        // A clock before 1970 can only make the times of creation wrong.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Arc::new(Self {
            table: Mutex::new(Table::new(limits, unix.as_secs_f64())),
            rules: Arc::new(ArcSwap::from_pointee(rules)),
            graphite: Arc::new(ArcSwap::from_pointee(graphite)),
            unix: unix.as_secs_f64(),
            began: Instant::now(),
            tap: Tap::default(),
        })
    }

    /// The table, for as long as the guard lives: a batch, a chunk of a page.
    pub fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// The place of the rules for StatsD, which receivers look at for each batch.
    pub fn rules_place(&self) -> Arc<ArcSwap<Rules>> {
        self.rules.clone()
    }

    /// The place of the rules for Graphite.
    pub fn graphite_place(&self) -> Arc<ArcSwap<Rules>> {
        self.graphite.clone()
    }

    /// The Unix time of tick 0, in seconds.
    pub fn began(&self) -> f64 {
        self.unix
    }

    /// Puts other rules in force; receivers take them up with their next batch.
    pub fn adopt(&self, rules: Rules, graphite: Rules) {
        self.rules.store(Arc::new(rules));
        self.graphite.store(Arc::new(graphite));
    }

    /// Where the next lines can be seen as they come in.
    pub fn tap(&self) -> &Tap {
        &self.tap
    }

    /// This moment.
    pub fn now(&self) -> Tick {
        Tick::after(self.began.elapsed())
    }
}
