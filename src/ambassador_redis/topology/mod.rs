//! Which servers there are and what each may be used for.
//!
//! The probe asks every server for its role and offset; `view::decide` makes one picture of the answers; the picture goes to
//! the workers as a `Topology`. Only here is a primary chosen: the data path follows.

mod control;
mod probe;
mod source;
mod view;

pub use probe::Prober;
pub use source::Sources;

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
    facts: Mutex<Facts>,
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

impl Node {
    pub fn new(number: u32, address: Endpoint) -> Arc<Node> {
        let facts = Facts { role: "unknown", state: "not probed yet".to_owned(), ..Facts::default() };
        Arc::new(Node { number, address, fit: AtomicU64::new(0), source: AtomicU64::new(0), facts: Mutex::new(facts) })
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

    pub fn facts(&self) -> Facts {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_facts(&self, facts: Facts) {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = facts;
    }
}
