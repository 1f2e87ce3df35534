//! The pause before the next try: doubling from a first pause to a longest one, with jitter.
//!
//! Jitter takes up to half of each pause away, so that many clients of one failed server do not come back together.

use std::time::Duration;

/// A row of growing pauses; it starts over after a success.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    random: u64,
}

impl Backoff {
    /// Pauses from `first` to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0, random: seed() }
    }

    /// The next pause: between half of and the whole of `first · 2ⁿ`, never above `longest`.
    pub fn next_pause(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        whole / 2 + jitter(whole / 2, &mut self.random)
    }

    /// Starts over: the last try succeeded.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many pauses were given since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// A random part of `span`, for spreading polls.
pub fn spread(span: Duration) -> Duration {
    jitter(span, &mut seed())
}

fn jitter(span: Duration, random: &mut u64) -> Duration {
    // splitmix64: no secret hangs on it, and it needs no state but one word.
    *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *random;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    span.mul_f64(((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64)
}

fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_over_after_a_success() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(2));
        let mut backoff = Backoff::new(first, longest);
        for n in 0..40 {
            let whole = first.saturating_mul(1 << n.min(20)).min(longest);
            let pause = backoff.next_pause();
            assert!(pause >= whole / 2 && pause <= whole, "pause {n}: {pause:?}");
        }
        backoff.reset();
        assert!(backoff.next_pause() <= first);
    }
}
