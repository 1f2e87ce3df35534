//! Places for the connections of a listener: as many as it may have at once, with as much of half lines as they may hold
//! together.
//!
//! A client that opens connections and sends half lines must not lock out the others. When all places are taken, or too
//! much is held, one connection is told to leave: the oldest of those that never had a whole line, else the one that had
//! none for longest.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// What the moment of a whole line stands above.
const HELD: u64 = 1 << 63;

/// The places of one listener.
#[derive(Debug)]
pub struct Places {
    most: usize,
    most_bytes: usize,
    /// Bytes that the connections hold together.
    bytes: AtomicUsize,
    /// Counts what happens, to tell what was before what.
    moment: AtomicU64,
    taken: Mutex<Vec<Arc<Seat>>>,
}

#[derive(Debug)]
struct Seat {
    /// The moment of its last whole line, above all moments of those that had none and count from their beginning.
    last: AtomicU64,
    bytes: AtomicUsize,
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
    /// So many places, none of them taken, whose connections may hold so many bytes.
    pub fn new(most: usize, most_bytes: usize) -> Arc<Self> {
        let (bytes, moment) = (AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(Self { most: most.max(1), most_bytes, bytes, moment, taken: Mutex::default() })
    }

    /// Takes a place.
    pub fn take(self: &Arc<Self>) -> (Place, Cost) {
        let last = AtomicU64::new(self.now());
        let seat = Arc::new(Seat { last, bytes: AtomicUsize::new(0), leave: CancellationToken::new() });
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = if taken.len() >= self.most { self.evict(&mut taken, |_| true) } else { Cost::Nothing };
        taken.push(seat.clone());
        (Place { places: self.clone(), seat }, cost)
    }

    /// Tells the most silent one of some to leave.
    fn evict(&self, taken: &mut Vec<Arc<Seat>>, among: impl Fn(&Seat) -> bool) -> Cost {
        let silent = (0..taken.len()).filter(|at| among(&taken[*at])).min_by_key(|at| taken[*at].last.load(Relaxed));
        let Some(silent) = silent else { return Cost::Nothing };
        let seat = taken.swap_remove(silent);
        self.bytes.fetch_sub(seat.bytes.swap(0, Relaxed), Relaxed);
        seat.leave.cancel();
        Cost::Eviction
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

    /// So many bytes are held now, waiting for their line to be whole.
    pub fn holds(&self, bytes: usize) -> Cost {
        let before = self.seat.bytes.swap(bytes, Relaxed);
        let places = &self.places;
        if bytes <= before {
            places.bytes.fetch_sub(before - bytes, Relaxed);
            return Cost::Nothing;
        }
        let together = places.bytes.fetch_add(bytes - before, Relaxed) + bytes - before;
        if together <= places.most_bytes {
            return Cost::Nothing;
        }
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        places.evict(&mut taken, |seat| seat.bytes.load(Relaxed) > 0)
    }

    /// Waits until the place is another's. Cancel safe.
    pub fn lost(&self) -> WaitForCancellationFuture<'_> {
        self.seat.leave.cancelled()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.bytes.fetch_sub(self.seat.bytes.swap(0, Relaxed), Relaxed);
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
        let places = Places::new(2, 100);
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

    #[test]
    fn who_holds_half_lines_in_silence_leaves_when_they_are_too_many() {
        let places = Places::new(9, 100);
        let [(idle, _), (first, _), (second, _)] = [places.take(), places.take(), places.take()];
        assert_eq!(first.holds(60), Cost::Nothing);
        assert_eq!(first.holds(50), Cost::Nothing);
        assert_eq!(second.holds(50), Cost::Nothing);
        assert_eq!(second.holds(51), Cost::Eviction);
        assert!(
            first.seat.leave.is_cancelled() && !second.seat.leave.is_cancelled() && !idle.seat.leave.is_cancelled()
        );
        assert_eq!(second.holds(100), Cost::Nothing, "what the other held is not counted any more");
        drop((first, second));
        assert_eq!(places.bytes.load(Relaxed), 0);
    }
}
