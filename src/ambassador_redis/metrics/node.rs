//! What one worker has seen of one server.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Count, Latency};

/// Servers whose counts are kept although nobody is connected to them any more.
const KEPT: usize = 256;

/// Counts with one writer.
#[derive(Debug, Default)]
pub struct NodeStats {
    pub errors: Count,
    pub latency: Latency,
    /// How slow it is beside the best replica; 0 and 1: not at all.
    pub slowness: Count,
    pub ejections: Count,
    ejected: Count,
    /// Smoothed nanoseconds, and how many runs they stand on.
    smoothed: Count,
    evidence: Count,
}

impl NodeStats {
    /// A run was answered within this time.
    #[inline]
    pub fn note(&self, nanos: u64) {
        let (before, evidence) = (self.smoothed.value(), self.evidence.value());
        self.evidence.set(evidence + 1);
        self.smoothed.set(if evidence == 0 { nanos } else { before - before / 8 + nanos / 8 });
    }

    pub fn times(&self) -> (u64, u64) {
        (self.smoothed.value(), self.evidence.value())
    }

    /// It is left alone from now on.
    pub fn eject(&self) {
        self.ejected.set(1);
        self.ejections.add(1);
    }

    /// It is used again, and judged anew.
    pub fn admit(&self) {
        self.ejected.set(0);
        self.evidence.set(0);
    }

    pub fn is_ejected(&self) -> bool {
        self.ejected.value() == 1
    }
}

/// The servers of one worker. The lock is taken when a connection is made, and at a scrape.
#[derive(Debug, Default)]
pub struct Nodes(Mutex<Vec<(String, Arc<NodeStats>)>>);

impl Nodes {
    /// The counts of the server with this address.
    pub fn find(&self, address: &str) -> Arc<NodeStats> {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, stats)) = nodes.iter().find(|(known, _)| known == address) {
            return stats.clone();
        }
        if nodes.len() >= KEPT {
            nodes.retain(|(_, stats)| Arc::strong_count(stats) > 1);
        }
        let stats = Arc::new(NodeStats::default());
        nodes.push((address.to_owned(), stats.clone()));
        stats
    }

    pub fn all(&self) -> Vec<(String, Arc<NodeStats>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
