//! How long things took, in log-linear buckets: two for each doubling, from 8 µs to 17 s.
//!
//! Counting is a shift, a count of leading zeros and one addition; the exposition shows the bounds of the doublings.

use super::Count;
use crate::core::metrics::{Encoder, Labels, Point};

/// The first bucket holds what took up to 2^13 ns (8.192 µs).
const SHIFT: u32 = 13;
const DOUBLINGS: usize = 21;
const BUCKETS: usize = 2 + 2 * DOUBLINGS;

/// A histogram with one writer.
#[derive(Debug)]
pub struct Latency {
    buckets: [Count; BUCKETS],
    sum_nanos: Count,
}

/// Several histograms added up.
#[derive(Debug, Clone)]
pub struct Sum {
    buckets: [u64; BUCKETS],
    sum_nanos: u64,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency { buckets: std::array::from_fn(|_| Count::default()), sum_nanos: Count::default() }
    }
}

impl Latency {
    /// Counts `times` things that took so long each.
    #[inline]
    pub fn add(&self, nanos: u64, times: u64) {
        self.buckets[place(nanos)].add(times);
        self.sum_nanos.add(nanos.saturating_mul(times));
    }
}

impl Sum {
    pub fn of<'a>(all: impl IntoIterator<Item = &'a Latency>) -> Sum {
        let mut sum = Sum { buckets: [0; BUCKETS], sum_nanos: 0 };
        for latency in all {
            for (total, bucket) in sum.buckets.iter_mut().zip(&latency.buckets) {
                *total += bucket.value();
            }
            sum.sum_nanos = sum.sum_nanos.wrapping_add(latency.sum_nanos.value());
        }
        sum
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The time within which this part (0 to 1) was done, in seconds: the upper bound of its bucket.
    pub fn quantile(&self, part: f64) -> f64 {
        let wanted = (self.count() as f64 * part).ceil() as u64;
        let mut seen = 0;
        let at = self.buckets.iter().position(|bucket| {
            seen += bucket;
            seen >= wanted
        });
        upper_bound(at.unwrap_or(BUCKETS - 1))
    }

    /// Writes the series, unless nothing was counted.
    pub fn write(&self, out: &mut dyn Encoder, labels: &Labels<'_>) {
        let mut count = 0;
        let mut buckets = [(0.0, 0); DOUBLINGS + 1];
        for (place, bucket) in self.buckets[..BUCKETS - 1].iter().enumerate() {
            count += bucket;
            buckets[place.div_ceil(2)] = (upper_bound(place), count);
        }
        count += self.buckets[BUCKETS - 1];
        if count > 0 {
            let sum = self.sum_nanos as f64 / 1e9;
            out.sample(labels, Point::Histogram { buckets: &buckets, native: None, sum, count, created: None });
        }
    }
}

/// The bucket: 0, then for each doubling its lower and its upper half, then whatever is longer.
#[inline]
fn place(nanos: u64) -> usize {
    // The bounds belong to the buckets below them.
    let units = nanos.saturating_sub(1) >> SHIFT;
    if units == 0 {
        return 0;
    }
    let doubling = units.ilog2();
    // Below one unit there is nothing to tell the halves apart by: the first doubling is one bucket, its upper half.
    let half = if doubling == 0 { 1 } else { (units >> (doubling - 1)) & 1 };
    (1 + 2 * doubling as usize + half as usize).min(BUCKETS - 1)
}

/// In seconds; that of the last bucket is where it begins.
fn upper_bound(place: usize) -> f64 {
    let unit = f64::from(1 << SHIFT) / 1e9;
    match place {
        0 => unit,
        place => {
            let place = place.min(BUCKETS - 2);
            let start = unit * f64::from(1u32 << ((place - 1) / 2));
            if place % 2 == 1 { start * 1.5 } else { start * 2.0 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_the_bucket_that_bounds_it() {
        for exponent in 0..46 {
            for nanos in [1u64 << exponent, (1 << exponent) + 1, (3 << exponent) / 2, (3 << exponent) / 2 + 1] {
                let at = place(nanos);
                let seconds = nanos as f64 / 1e9;
                assert!(at == BUCKETS - 1 || seconds <= upper_bound(at) + 1e-15, "{nanos} in {at}");
                assert!(at == 0 || seconds > upper_bound(at) / 2.0 - 1e-15, "{nanos} in {at}");
            }
        }
    }

    #[test]
    fn quantiles_are_the_bounds_of_their_buckets() {
        let (fast, slow) = (Latency::default(), Latency::default());
        fast.add(100_000, 99);
        slow.add(1_000_000_000, 1);
        let sum = Sum::of([&fast, &slow]);
        assert_eq!(sum.count(), 100);
        assert!((100e-6..150e-6).contains(&sum.quantile(0.5)) && (100e-6..150e-6).contains(&sum.quantile(0.99)));
        assert!((1.0..1.5).contains(&sum.quantile(1.0)));
    }
}
