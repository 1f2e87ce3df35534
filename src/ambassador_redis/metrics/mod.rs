//! What the ambassador counts. Each worker has its own [`Stats`] with itself as the only writer, so that counting is a plain load and a
//! store; a scrape adds them up.

mod latency;
mod node;
mod page;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::command::Class;
use super::insight::KeyStats;
use super::route::Reason;
use super::upstream::{Purpose, Ticket};

pub use latency::{Latency, Sum};
pub use node::{NodeStats, Nodes};
pub use page::Page;

/// The number of a run whose requests are not all the same command.
pub const MIXED: u16 = u16::MAX;

/// Commands that have a counter of their own.
const COMMANDS: usize = 1024;
const TARGETS: [&str; 3] = ["primary", "replica", "private"];

/// A number that one thread writes and any may read.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counts of one worker.
#[derive(Debug)]
pub struct Stats {
    commands: Box<[Count]>,
    primary: [Count; Reason::ALL.len()],
    replica: Count,
    redone: [Count; REDONE.len()],
    failed: Count,
    protocol_errors: Count,
    bytes_in: Count,
    bytes_out: Count,
    opened: Count,
    latency: [[Latency; Class::LABELS.len()]; TARGETS.len()],
    /// Made when the command is answered for the first time.
    command_latency: Box<[OnceLock<Box<Latency>>]>,
    nodes: Nodes,
    keys: Mutex<KeyStats>,
}

/// Clients that got no session, by reason. Seldom, so that any thread may count.
#[derive(Debug, Default)]
pub struct Refused([AtomicU64; Refused::REASONS.len()]);

impl Refused {
    const REASONS: [&str; 5] = ["max_clients", "proxy_header", "tls", "late", "socket"];

    pub fn add(&self, reason: &str) {
        if let Some(place) = Refused::REASONS.iter().position(|known| *known == reason) {
            self.0[place].fetch_add(1, Relaxed);
        }
    }

    fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refused::REASONS.into_iter().zip(self.0.iter().map(|count| count.load(Relaxed)))
    }
}

/// Why a read was sent again.
const REDONE: [(&str, &str); 5] = [
    ("behind", "it is behind what the application has seen"),
    ("refused", "it refused a read"),
    ("clogged", "it stood behind a client that does not read"),
    ("missing", "it has no such key"),
    ("lost", ""),
];

impl Default for Stats {
    fn default() -> Stats {
        Stats {
            commands: (0..COMMANDS).map(|_| Count::default()).collect(),
            primary: Default::default(),
            replica: Count::default(),
            redone: Default::default(),
            failed: Count::default(),
            protocol_errors: Count::default(),
            bytes_in: Count::default(),
            bytes_out: Count::default(),
            opened: Count::default(),
            latency: Default::default(),
            command_latency: (0..COMMANDS).map(|_| OnceLock::new()).collect(),
            nodes: Nodes::default(),
            keys: Mutex::default(),
        }
    }
}

impl Stats {
    pub fn command(&self, number: u16) {
        self.commands[if usize::from(number) < COMMANDS { usize::from(number) } else { 0 }].add(1);
    }

    pub fn routed_to_primary(&self, reason: Reason, requests: u32) {
        self.primary[reason as usize].add(u64::from(requests));
    }

    pub fn routed_to_replica(&self, requests: u32) {
        self.replica.add(u64::from(requests));
    }

    pub fn redone(&self, why: &str, requests: u32) {
        let place = REDONE.iter().position(|(_, text)| *text == why).unwrap_or(REDONE.len() - 1);
        self.redone[place].add(u64::from(requests));
    }

    pub fn failed(&self, requests: u32) {
        self.failed.add(u64::from(requests));
    }

    pub fn protocol_error(&self) {
        self.protocol_errors.add(1);
    }

    pub fn received(&self, bytes: usize) {
        self.bytes_in.add(bytes as u64);
    }

    pub fn sent(&self, bytes: usize) {
        self.bytes_out.add(bytes as u64);
    }

    pub fn opened(&self) {
        self.opened.add(1);
    }

    /// A run of requests has its last reply, after this time.
    pub fn replied(&self, ticket: &Ticket, took: Duration, purpose: Purpose, node: &NodeStats) {
        let target = match purpose {
            Purpose::Primary(_) => 0,
            Purpose::Replica => 1,
            Purpose::Private(_) => 2,
        };
        let (nanos, requests) = (u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), u64::from(ticket.requests));
        self.latency[target][ticket.class.label_place()].add(nanos, requests);
        node.latency.add(nanos, requests);
        node.note(nanos);
        if let Some(latency) = self.command_latency.get(usize::from(ticket.command)) {
            latency.get_or_init(Box::default).add(nanos, requests);
        }
    }

    /// The counts of a server.
    pub fn node(&self, address: &str) -> Arc<NodeStats> {
        self.nodes.find(address)
    }

    /// The keys that were sampled.
    pub fn keys(&self) -> MutexGuard<'_, KeyStats> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
