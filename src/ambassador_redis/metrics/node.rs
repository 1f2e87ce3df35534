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
