//! How long ago the primary was where a replica is now: lag in time, from offsets.
//!
//! What the primary's offset was, and when, comes in, round after round; the age of the offset that a replica has reached goes out.
//! No clock of its own.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Rounds that are remembered; an older lag is known to be at least so old.
const REMEMBERED: usize = 1024;

/// The primary's offsets, oldest first.
#[derive(Debug, Default)]
pub struct Trail(VecDeque<(Instant, u64)>);

impl Trail {
    /// The primary is there now. An offset that goes back is another history: what was known is forgotten.
    pub fn note(&mut self, now: Instant, offset: u64) {
        if self.0.back().is_some_and(|(_, last)| *last > offset) {
            self.0.clear();
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((now, offset));
    }

    /// How long the primary has been beyond this offset.
    pub fn lag(&self, now: Instant, offset: u64) -> Duration {
        // The first time at which more was there than the replica has.
        let beyond = self.0.partition_point(|(_, primary)| *primary <= offset);
        self.0.get(beyond).map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_the_age_of_the_first_thing_that_is_missing() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut trail = Trail::default();
        for (second, offset) in [(0, 100), (1, 100), (2, 200), (3, 300)] {
            trail.note(at(second), offset);
        }
        assert_eq!(trail.lag(at(4), 300), Duration::ZERO);
        assert_eq!(trail.lag(at(4), 250), Duration::from_secs(1));
        assert_eq!(trail.lag(at(4), 100), Duration::from_secs(2));
        assert_eq!(trail.lag(at(4), 99), Duration::from_secs(4));
        trail.note(at(5), 10);
        assert_eq!(trail.lag(at(6), 10), Duration::ZERO);
    }
}
