//! Replicas that are far slower than the others are left alone for a while, and then tried again.
//!
//! A connection that fails takes its replica out at once; this is about those that answer, but late. At most `--max-ejected` of the
//! replicas are left alone at a time: each one adds to the load of the rest.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Worker;
use crate::ambassador_redis::metrics::NodeStats;
use crate::ambassador_redis::standing::{outliers, slowness};

/// How long a replica is left alone for the first time; each further time doubles it, up to sixteen times that.
const FIRST: Duration = Duration::from_secs(10);

/// How often, and until when.
#[derive(Debug)]
pub(super) struct Ejection {
    until: Option<Instant>,
    times: u32,
}

pub(super) type Ejections = HashMap<u32, Ejection>;

impl Worker {
    /// Compares the replicas.
    pub(super) fn weigh_replicas(&self) {
        let topology = self.topology.borrow().clone();
        let now = Instant::now();
        let mut ejections = self.ejections.borrow_mut();
        ejections.retain(|number, _| topology.replicas.iter().any(|node| node.number == *number));
        let stats: Vec<Arc<NodeStats>> =
            topology.replicas.iter().map(|node| self.stats().node(&node.address.to_string())).collect();
        for (node, stats) in topology.replicas.iter().zip(&stats) {
            if let Some(ejection) = ejections.get_mut(&node.number)
                && ejection.until.is_some_and(|until| until <= now)
            {
                ejection.until = None;
                stats.admit();
                tracing::info!(node = %node.address, "a slow replica is tried again");
            }
        }
        let factors = slowness(&stats.iter().map(|stats| stats.times()).collect::<Vec<_>>());
        for (stats, factor) in stats.iter().zip(&factors) {
            stats.slowness.set(u64::from(*factor));
        }
        let out: Vec<bool> = stats.iter().map(|stats| stats.is_ejected()).collect();
        let at_most = stats.len() * usize::from(self.policy().max_ejected) / 100;
        for place in outliers(&factors, &out, at_most) {
            let node = &topology.replicas[place];
            let ejection = ejections.entry(node.number).or_insert(Ejection { until: None, times: 0 });
            let pause = FIRST * (1 << ejection.times.min(4));
            (ejection.until, ejection.times) = (Some(now + pause), ejection.times + 1);
            stats[place].eject();
            tracing::warn!(node = %node.address, ?pause, "a replica is far slower than the others and is left alone");
        }
    }
}
