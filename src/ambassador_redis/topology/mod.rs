//! Which servers there are and what each may be used for.
//!
//! The probe asks every server for its role and offset; `view::decide` makes one picture of the answers; the picture goes to
//! the workers as a `Topology`. Only here is a primary chosen: the data path follows.

mod control;
mod mapping;
mod probe;
mod source;
mod trail;
mod view;

pub use control::{connect, reason};
pub use mapping::{AddressMap, Mapping};
pub use probe::{Prober, join_all};
pub use source::{Found, Sources, resolve};

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::core::values::Endpoint;

/// One server.
#[derive(Debug)]
pub struct Node {
    pub number: u32,
    pub address: Endpoint,
    /// The generation in which the server is in step with the primary; zero if it is not.
    fit: AtomicU64,
    /// Whom it followed when that was found.
    source: AtomicU64,
    /// Smoothed time of a probe, in nanoseconds; 0 if none was answered.
    round_trip: AtomicU64,
    tier: AtomicU8,
    weight: AtomicU32,
    facts: Mutex<Facts>,
    /// Of the ambassador to it.
    connections: AtomicU64,
}

/// Whom a replica follows, by the address that it uses itself. The offset of a replica that has begun to follow another server counts
/// in another history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source(u64);

impl Source {
    pub fn new(host: &[u8], port: i64) -> Source {
        let mut hasher = std::hash::DefaultHasher::new();
        (host, port).hash(&mut hasher);
        Source(hasher.finish())
    }
}

/// What people want to know of a server.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub role: &'static str,
    /// Why it is not used, or "in use".
    pub state: String,
    pub version: String,
    pub offset: u64,
    pub lag_bytes: u64,
    /// How long the primary has been beyond what this server has.
    pub lag: Duration,
}

/// The servers as they are used now.
#[derive(Clone, Debug)]
pub struct Topology {
    /// Counts the changes.
    pub epoch: u64,
    /// The primary, or why there is none.
    pub primary: Result<Arc<Node>, String>,
    pub replicas: Vec<Arc<Node>>,
}

/// One connection to a server is counted while this is there.
#[derive(Debug)]
pub struct Seat(Arc<Node>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Node {
    pub fn new(number: u32, address: Endpoint) -> Arc<Node> {
        let facts = Facts { role: "unknown", state: "not probed yet".to_owned(), ..Facts::default() };
        Arc::new(Node {
            number,
            address,
            fit: AtomicU64::new(0),
            source: AtomicU64::new(0),
            round_trip: AtomicU64::new(0),
            tier: AtomicU8::new(0),
            weight: AtomicU32::new(1),
            facts: Mutex::new(facts),
            connections: AtomicU64::new(0),
        })
    }

    /// Whether the server may answer reads in this generation.
    pub fn is_fit(&self, generation: u64) -> bool {
        self.fit.load(Ordering::Acquire) == generation
    }

    /// Whether the server still followed this one when it was last found to be in step.
    pub fn follows(&self, source: Source) -> bool {
        self.source.load(Ordering::Acquire) == source.0
    }

    fn set_fit(&self, generation: u64, source: Source) {
        self.source.store(source.0, Ordering::Release);
        self.fit.store(generation, Ordering::Release);
    }

    /// Its zone or its distance among the servers: lower is better.
    pub fn tier(&self) -> u8 {
        self.tier.load(Ordering::Relaxed)
    }

    /// Its share of the sessions beside the other replicas.
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    fn set_standing(&self, tier: u8, weight: u32) {
        self.tier.store(tier, Ordering::Relaxed);
        self.weight.store(weight.max(1), Ordering::Relaxed);
    }

    /// A probe was answered within this time.
    fn note_round_trip(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        let before = self.round_trip.load(Ordering::Relaxed);
        self.round_trip.store(if before == 0 { nanos } else { before - before / 4 + nanos / 4 }, Ordering::Relaxed);
    }

    fn round_trip(&self) -> Option<u64> {
        Some(self.round_trip.load(Ordering::Relaxed)).filter(|nanos| *nanos > 0)
    }

    /// How many connections to it the ambassador has, or is about to have.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts one connection, until what is returned is dropped.
    pub fn seat(self: &Arc<Self>) -> Seat {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Seat(self.clone())
    }

    pub fn facts(&self) -> Facts {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_facts(&self, facts: Facts) {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = facts;
    }
}
