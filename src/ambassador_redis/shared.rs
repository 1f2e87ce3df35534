//! What the workers, the probe and the pages share: policy, topology, watermark, command table, statistics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use super::command::Table;
use super::consistency::Watermark;
use super::metrics::Stats;
use super::settings::{Policy, Settings};
use super::topology::Topology;
use crate::core::secret::{Secret, SecretFile};

/// Lanes of a worker: its shared RESP2 connection, its shared RESP3 connection, everything else.
pub const LANES: usize = 3;

/// One per process.
pub struct Shared {
    pub policy: Policy,
    pub topology: watch::Sender<Arc<Topology>>,
    pub watermark: Watermark,
    pub table: ArcSwap<Table>,
    /// Told when a worker has seen something that the probe should look at.
    pub suspicion: Notify,
    /// One for each worker.
    pub stats: Vec<Arc<Stats>>,
    pub sessions: AtomicUsize,
    pub next_session: AtomicU64,
    username: String,
    password_file: Option<SecretFile>,
}

impl Shared {
    pub fn new(settings: &Settings, topology: Topology) -> Arc<Shared> {
        let workers = settings.worker_count();
        let mut table = Table::built_in();
        for name in settings.deny.iter().filter(|name| !name.is_empty()) {
            table.deny(name.trim());
        }
        Arc::new(Shared {
            policy: Policy::new(settings),
            topology: watch::Sender::new(Arc::new(topology)),
            watermark: Watermark::new(workers * LANES),
            table: ArcSwap::from_pointee(table),
            suspicion: Notify::new(),
            stats: (0..workers).map(|_| Arc::new(Stats::default())).collect(),
            sessions: AtomicUsize::new(0),
            next_session: AtomicU64::new(1),
            username: settings.upstream_username.clone(),
            password_file: settings.upstream_password_file.clone(),
        })
    }

    /// User and password for the servers, read now.
    ///
    /// # Errors
    /// The password file cannot be read.
    pub fn credentials(&self) -> anyhow::Result<Option<(String, Secret)>> {
        let Some(file) = &self.password_file else { return Ok(None) };
        Ok(Some((self.username.clone(), file.read()?)))
    }
}
