//! Read-your-writes, exactly: which replication offset a replica must have reached before it may answer.
//!
//! The rule: *no reply of a replica is older than a reply that the primary has already given to this application*. Every reply of the
//! primary is counted before its first byte leaves ([`Watermark::acknowledge`]). A `ROLE` that travels on the same connection behind a
//! batch of commands returns an offset that covers all of them, and everything that was counted before it was sent
//! ([`Watermark::mark`], [`Watermark::cover`]). While something is counted but not covered, reads go to the primary; otherwise a replica
//! may answer whose own offset, seen on the very connection that carries the read, has reached [`Watermark::mark_to_reach`].
//!
//! Offsets compare only within one replication history, so that each carries the generation of the topology in its upper bits: an
//! offset of an earlier generation never suffices. Each lane (one shared connection to the primary, or a worker's private connections
//! together) has a single writer: plain loads and stores, no lock.

use std::sync::atomic::{AtomicU64, Ordering};

const OFFSET_BITS: u32 = 48;

/// How far reads may trail behind the replies that the application has already seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Consistency {
    /// A replica may answer whatever it has.
    Eventual,
    /// A client connection sees all that it has seen or written before.
    Session,
    /// Every client of this ambassador sees what any of them was told before.
    Proxy,
    /// Only the primary answers.
    Primary,
}

/// A replication offset with the generation of its history; larger is later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

impl Mark {
    #[cfg(test)]
    pub const fn in_first_generation(offset: u64) -> Mark {
        Mark(1 << OFFSET_BITS | offset)
    }

    pub fn new(generation: u64, offset: u64) -> Mark {
        Mark(generation << OFFSET_BITS | offset.min((1 << OFFSET_BITS) - 1))
    }

    fn generation(self) -> u64 {
        self.0 >> OFFSET_BITS
    }
}

/// What the clients of the whole process have been told, and which offset covers it.
#[derive(Debug)]
pub struct Watermark {
    generation: AtomicU64,
    covering: AtomicU64,
    lanes: Box<[Lane]>,
}

/// The place of one counting connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneId(usize);

#[derive(Debug, Default)]
#[repr(align(64))]
struct Lane {
    told: AtomicU64,
    covered: AtomicU64,
}

/// A `ROLE` on its way: what it will cover.
#[derive(Debug)]
pub struct Pending {
    generation: u64,
    told: Box<[u64]>,
}

impl Watermark {
    pub fn new(lanes: usize) -> Watermark {
        Watermark {
            generation: AtomicU64::new(1),
            covering: AtomicU64::new(0),
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
        }
    }

    pub fn lane(&self, number: usize) -> LaneId {
        LaneId(number % self.lanes.len())
    }

    /// Counts a reply of the primary, before its first byte leaves.
    pub fn acknowledge(&self, lane: LaneId) {
        let told = &self.lanes[lane.0].told;
        told.store(told.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Whether an offset is known that covers all that was told.
    pub fn is_settled(&self) -> bool {
        Mark(self.covering.load(Ordering::Acquire)).generation() == self.generation.load(Ordering::Acquire)
            && self.lanes.iter().all(|lane| lane.covered.load(Ordering::Acquire) >= lane.told.load(Ordering::Acquire))
    }

    /// What a replica must have reached, when all is settled.
    pub fn mark_to_reach(&self) -> Mark {
        Mark(self.covering.load(Ordering::Acquire))
    }

    /// To be called when `ROLE` is put on the way to the primary.
    pub fn mark(&self) -> Pending {
        Pending {
            generation: self.generation.load(Ordering::Acquire),
            told: self.lanes.iter().map(|lane| lane.told.load(Ordering::Acquire)).collect(),
        }
    }

    /// To be called with the reply of that `ROLE`. All that `own` has told until now was asked before the `ROLE`, on its connection;
    /// a private connection has no such order and passes `None`.
    pub fn cover(&self, pending: &Pending, own: Option<LaneId>, offset: u64) {
        if pending.generation != self.generation.load(Ordering::Acquire) {
            return;
        }
        self.covering.fetch_max(Mark::new(pending.generation, offset).0, Ordering::AcqRel);
        for (number, (lane, told)) in self.lanes.iter().zip(&pending.told).enumerate() {
            let covered = if own == Some(LaneId(number)) { lane.told.load(Ordering::Acquire) } else { *told };
            lane.covered.fetch_max(covered, Ordering::AcqRel);
        }
    }

    /// Another primary, or another history: nothing that was known holds any more.
    pub fn begin_generation(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_told_write_unsettles_until_a_role_covers_it() {
        let watermark = Watermark::new(2);
        let (lane, other) = (watermark.lane(0), watermark.lane(1));
        watermark.cover(&watermark.mark(), Some(lane), 10);
        assert!(watermark.is_settled());
        let pending = watermark.mark();
        watermark.acknowledge(lane);
        assert!(!watermark.is_settled());
        watermark.cover(&pending, Some(lane), 20);
        assert!(watermark.is_settled(), "asked before the ROLE on the same connection");
        assert_eq!(watermark.mark_to_reach(), Mark::new(1, 20));
        let pending = watermark.mark();
        watermark.acknowledge(other);
        watermark.cover(&pending, Some(lane), 30);
        assert!(!watermark.is_settled(), "told by another connection after the ROLE was sent");
        watermark.cover(&watermark.mark(), Some(lane), 31);
        assert!(watermark.is_settled());
    }

    #[test]
    fn an_offset_of_an_old_history_never_suffices() {
        let watermark = Watermark::new(1);
        let lane = watermark.lane(0);
        watermark.cover(&watermark.mark(), Some(lane), 1_000_000);
        let old = watermark.mark();
        assert_eq!(watermark.begin_generation(), 2);
        assert!(!watermark.is_settled());
        watermark.cover(&old, Some(lane), 2_000_000);
        assert!(!watermark.is_settled());
        watermark.cover(&watermark.mark(), Some(lane), 5);
        assert!(watermark.is_settled());
        assert!(Mark::new(1, 3_000_000) < watermark.mark_to_reach());
    }
}
