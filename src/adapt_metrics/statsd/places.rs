//! Places for the connections of a listener: as many as it may have at once.
//!
//! A client that opens connections and sends half lines must not lock out the others. When all places are taken, one
//! connection is told to leave, and whoever comes is let in: the oldest of those that never had a whole line, else the one
//! that had none for longest.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// What the moment of a whole line stands above.
const HELD: u64 = 1 << 63;

/// The places of one listener.
#[derive(Debug)]
pub struct Places {
    most: usize,
    /// Counts what happens, to tell what was before what.
    moment: AtomicU64,
    taken: Mutex<Vec<Arc<Seat>>>,
}

#[derive(Debug)]
struct Seat {
    /// The moment of its last whole line, above all moments of those that had none and count from their beginning.
    last: AtomicU64,
    leave: CancellationToken,
}

/// A place that is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    seat: Arc<Seat>,
}

/// Whether somebody had to leave for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// There was room.
    Nothing,
    /// Another connection leaves.
    Eviction,
}

impl Places {
    /// So many places, none of them taken.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), moment: AtomicU64::new(0), taken: Mutex::default() })
    }

    /// Takes a place.
    pub fn take(self: &Arc<Self>) -> (Place, Cost) {
        let seat = Arc::new(Seat { last: AtomicU64::new(self.now()), leave: CancellationToken::new() });
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cost = Cost::Nothing;
        if taken.len() >= self.most
            && let Some(silent) = (0..taken.len()).min_by_key(|at| taken[*at].last.load(Relaxed))
        {
            taken.swap_remove(silent).leave.cancel();
            cost = Cost::Eviction;
        }
        taken.push(seat.clone());
        (Place { places: self.clone(), seat }, cost)
    }

    fn now(&self) -> u64 {
        self.moment.fetch_add(1, Relaxed)
    }
}

impl Place {
    /// A whole line has come.
    pub fn hold(&self) {
        self.seat.last.store(HELD | self.places.now(), Relaxed);
    }

    /// Waits until the place is another's. Cancel safe.
    pub fn lost(&self) -> WaitForCancellationFuture<'_> {
        self.seat.leave.cancelled()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = taken.iter().position(|seat| Arc::ptr_eq(seat, &self.seat)) {
            taken.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_had_no_whole_line_leaves_first() {
        let places = Places::new(2);
        let ((first, _), (second, cost)) = (places.take(), places.take());
        assert_eq!(cost, Cost::Nothing);
        first.hold();
        let (third, cost) = places.take();
        assert_eq!(cost, Cost::Eviction);
        assert!(second.seat.leave.is_cancelled() && !first.seat.leave.is_cancelled());
        drop(second);
        drop(first);
        let (_fourth, cost) = places.take();
        assert_eq!(cost, Cost::Nothing, "a place that was given up is free");
        assert!(!third.seat.leave.is_cancelled());
    }
}
