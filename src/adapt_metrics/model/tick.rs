//! Moments as the model counts them: tenths of a second since the program began, in four bytes.

use std::time::Duration;

/// Tenths of a second since the program began; lasts 13 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Tick(pub u32);

impl Tick {
    /// A duration in ticks, rounded up, so that nothing lives shorter than it was promised.
    pub fn span(duration: Duration) -> u32 {
        u32::try_from(duration.as_nanos().div_ceil(100_000_000)).unwrap_or(u32::MAX)
    }

    /// The moment a duration after the beginning.
    pub fn after(since_start: Duration) -> Self {
        Self(u32::try_from(since_start.as_millis() / 100).unwrap_or(u32::MAX))
    }

    /// Seconds since the beginning.
    pub fn seconds(self) -> f64 {
        f64::from(self.0) / 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_round_up_and_moments_down() {
        assert_eq!(Tick::span(Duration::from_nanos(10)), 1);
        assert_eq!(Tick::span(Duration::from_secs(1)), 10);
        assert_eq!(Tick::after(Duration::from_millis(199)), Tick(1));
    }
}
