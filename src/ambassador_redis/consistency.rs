//! Read-your-writes, exactly: which replication offset a replica must have reached before it may answer.
//!
//! The rule: *no reply of a replica is older than a reply that the primary has already given to this application*. Every reply of the
//! primary is counted before its first byte leaves ([`Watermark::acknowledge`]). A `ROLE` that travels on the same connection behind a
//! batch of commands returns an offset that covers all of them, and everything that was counted before it was sent
//! ([`Watermark::mark`], [`Watermark::cover`]). While something is counted but not covered, reads go to the primary; otherwise a replica
//! may answer whose own offset, seen on the very connection that carries the read, has reached [`Watermark::mark_to_reach`].
//!
//! Offsets compare only within one replication history. The history that is in force has a generation; each offset carries the
//! generation in which it was taken, one of an earlier generation never suffices, and a `ROLE` counts only if the server that answers
//! it has told that very history. Each lane (one shared connection to the primary, or a worker's private connections together) has a
//! single writer: plain loads and stores, no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;

/// How far reads may trail behind the replies that the application has already seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Consistency {
    /// A replica may answer whatever it has.
    Eventual,
    /// A client connection sees all that it has written, and all that it has seen.
    Session,
    /// Every client of this ambassador sees what the primary has told any of them, and each all that it has seen itself.
    Proxy,
    /// Only the primary answers.
    Primary,
}

/// A replication offset with the generation of its history; larger is later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    generation: u64,
    offset: u64,
}

impl Mark {
    #[cfg(test)]
    pub const fn in_first_generation(offset: u64) -> Mark {
        Mark { generation: 1, offset }
    }

    /// What no replica ever reaches.
    pub const BEYOND: Mark = Mark { generation: u64::MAX, offset: u64::MAX };

    pub fn new(generation: u64, offset: u64) -> Mark {
        Mark { generation, offset }
    }
}

/// The identity of a replication history, as far as it tells one from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History(u64);

impl History {
    /// From the forty hexadecimal digits of `master_replid`; `None` if that is none.
    pub fn parse(replid: &str) -> Option<History> {
        u64::from_str_radix(replid.get(..16)?, 16).ok().map(History)
    }
}

/// What the clients of the whole process have been told, and which offset covers it.
#[derive(Debug)]
pub struct Watermark {
    /// Replaced as a whole: no reader sees the offset of one history with the generation of another.
    current: ArcSwap<Current>,
    /// Those of all workers with the same place stand together, so that the places that nobody has used yet need not be looked at.
    lanes: Box<[Lane]>,
    workers: usize,
    used: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    generation: u64,
    history: History,
    /// The offset that covers what was covered; `None` until a `ROLE` has answered in this generation.
    covering: Option<u64>,
}

/// What the router needs to know, seen at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    pub generation: u64,
    /// What a replica must have reached; `None` while something was told that no known offset covers.
    pub mark: Option<Mark>,
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
    pub fn new(workers: usize, places: usize) -> Watermark {
        let current = Current { generation: 1, history: History::default(), covering: None };
        Watermark {
            current: ArcSwap::from_pointee(current),
            lanes: (0..workers * places).map(|_| Lane::default()).collect(),
            workers,
            used: AtomicUsize::new(0),
        }
    }

    /// The lane of a worker at a place.
    pub fn lane(&self, worker: usize, place: usize) -> LaneId {
        let end = ((place + 1) * self.workers).min(self.lanes.len());
        self.used.fetch_max(end, Ordering::AcqRel);
        LaneId((place * self.workers + worker) % self.lanes.len())
    }

    fn used(&self) -> &[Lane] {
        &self.lanes[..self.used.load(Ordering::Acquire)]
    }

    /// Counts a reply of the primary, before its first byte leaves.
    pub fn acknowledge(&self, lane: LaneId) {
        let told = &self.lanes[lane.0].told;
        told.store(told.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// What a replica must have reached now.
    pub fn reach(&self) -> Reach {
        let Current { generation, covering, .. } = **self.current.load();
        let is_settled =
            self.used().iter().all(|lane| lane.covered.load(Ordering::Acquire) >= lane.told.load(Ordering::Acquire));
        Reach { generation, mark: covering.filter(|_| is_settled).map(|offset| Mark { generation, offset }) }
    }

    /// Whether a replica at this offset lacks something that is covered.
    pub fn is_behind(&self, applied: Mark) -> bool {
        let Current { generation, covering, .. } = **self.current.load();
        covering.is_none_or(|offset| applied < Mark { generation, offset })
    }

    /// To be called when `ROLE` is put on the way to a primary that told this history; `None` if another one is in force.
    pub fn mark(&self, history: History) -> Option<Pending> {
        let current = self.current.load();
        (current.history == history).then(|| Pending {
            generation: current.generation,
            told: self.used().iter().map(|lane| lane.told.load(Ordering::Acquire)).collect(),
        })
    }

    /// To be called with the reply of that `ROLE`. All that `own` has told until now was asked before the `ROLE`, on its connection;
    /// a private connection has no such order and passes `None`.
    pub fn cover(&self, pending: &Pending, own: Option<LaneId>, offset: u64) {
        let before = self.current.rcu(|current| match current.generation == pending.generation {
            true => Current { covering: current.covering.max(Some(offset)), ..**current },
            false => **current,
        });
        if before.generation != pending.generation {
            return;
        }
        for (number, (lane, told)) in self.lanes.iter().zip(&pending.told).enumerate() {
            let covered = if own == Some(LaneId(number)) { lane.told.load(Ordering::Acquire) } else { *told };
            lane.covered.fetch_max(covered, Ordering::AcqRel);
        }
    }

    /// A primary tells its history. If that is another one than the one in force, nothing that was known holds any more. Whether it is.
    pub fn enter(&self, history: History) -> bool {
        let before = self.current.rcu(|current| match current.history == history {
            true => current.clone(),
            false => Arc::new(Current { generation: current.generation + 1, history, covering: None }),
        });
        before.history != history
    }

    /// Nothing that was known holds any more, and nobody can say what the history is called.
    pub fn begin_generation(&self) {
        self.current.rcu(|current| Current { generation: current.generation + 1, covering: None, ..**current });
    }

    pub fn generation(&self) -> u64 {
        self.current.load().generation
    }

    /// The history in force.
    pub fn history(&self) -> History {
        self.current.load().history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: History = History(1);
    const OTHER: History = History(2);

    fn pending(watermark: &Watermark) -> Pending {
        watermark.mark(FIRST).expect("the history in force")
    }

    fn watermark(lanes: usize) -> Watermark {
        let watermark = Watermark::new(1, lanes);
        assert!(watermark.enter(FIRST));
        watermark
    }

    #[test]
    fn a_told_write_unsettles_until_a_role_covers_it() {
        let watermark = watermark(2);
        let (lane, other) = (watermark.lane(0, 0), watermark.lane(0, 1));
        assert_eq!(watermark.reach().mark, None);
        watermark.cover(&pending(&watermark), Some(lane), 10);
        assert_eq!(watermark.reach().mark, Some(Mark::new(2, 10)));
        let role = pending(&watermark);
        watermark.acknowledge(lane);
        assert_eq!(watermark.reach().mark, None);
        watermark.cover(&role, Some(lane), 20);
        assert_eq!(watermark.reach().mark, Some(Mark::new(2, 20)), "asked before the ROLE on the same connection");
        let role = pending(&watermark);
        watermark.acknowledge(other);
        watermark.cover(&role, Some(lane), 30);
        assert_eq!(watermark.reach().mark, None, "told by another connection after the ROLE was sent");
        watermark.cover(&pending(&watermark), Some(lane), 31);
        assert_eq!(watermark.reach().mark, Some(Mark::new(2, 31)));
    }

    #[test]
    fn an_offset_of_an_old_history_never_suffices() {
        let watermark = watermark(1);
        let lane = watermark.lane(0, 0);
        watermark.cover(&pending(&watermark), Some(lane), 1_000_000);
        let old = pending(&watermark);
        assert!(watermark.enter(OTHER));
        assert_eq!(watermark.reach().mark, None);
        watermark.cover(&old, Some(lane), 2_000_000);
        assert_eq!(watermark.reach().mark, None);
        watermark.cover(&watermark.mark(OTHER).expect("in force"), Some(lane), 5);
        assert_eq!(watermark.reach().mark, Some(Mark::new(3, 5)));
        assert!(watermark.is_behind(Mark::new(2, 3_000_000)) && !watermark.is_behind(Mark::new(3, 5)));
    }

    #[test]
    fn the_old_primary_covers_nothing_of_the_new_ones_history() {
        let watermark = watermark(2);
        assert!(watermark.enter(OTHER));
        watermark.acknowledge(watermark.lane(0, 1));
        assert!(watermark.mark(FIRST).is_none(), "the worker of lane 0 still speaks to the old primary");
    }

    #[test]
    fn a_primary_that_tells_the_same_history_again_changes_nothing() {
        let watermark = watermark(1);
        watermark.cover(&pending(&watermark), None, 7);
        assert!(!watermark.enter(FIRST));
        assert_eq!(watermark.reach().mark, Some(Mark::new(2, 7)));
        watermark.begin_generation();
        assert_eq!((watermark.reach().mark, watermark.generation()), (None, 3));
    }

    #[test]
    fn a_history_is_told_by_its_digits() {
        let id = "8371b4fb1155b71f4a04d3e1bc3e18c4a990aeeb";
        assert_eq!(History::parse(id), Some(History(0x8371_b4fb_1155_b71f)));
        assert_eq!(History::parse("?"), None);
    }
}
