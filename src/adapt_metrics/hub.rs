//! What all sources of the process share: the table, the rules, and the time since the beginning.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use super::model::{Limits, Table, Tick};
use super::rules::Rules;

/// The middle of the process.
pub struct Hub {
    table: Mutex<Table>,
    rules: ArcSwap<Rules>,
    began: Instant,
}

impl Hub {
    /// An empty table under these rules.
    pub fn new(limits: Limits, rules: Rules) -> Arc<Self> {
        // A clock before 1970 can only make the times of creation wrong.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Arc::new(Self {
            table: Mutex::new(Table::new(limits, unix.as_secs_f64())),
            rules: ArcSwap::from_pointee(rules),
            began: Instant::now(),
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

    /// Puts other rules in force; receivers take them up with their next batch.
    pub fn adopt(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }

    /// This moment.
    pub fn now(&self) -> Tick {
        Tick::after(self.began.elapsed())
    }
}
