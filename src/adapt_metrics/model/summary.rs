//! A summary: observations in, quantiles over a sliding window out.
//!
//! The window is a ring of parts; a part that is too old goes as a whole, so the quantiles span the last
//! `max_age - max_age / parts` to `max_age`. A part keeps its observations as they are while they are few, so that small
//! counts are answered exactly, and turns into fine exponential buckets (within 0.3 % of the value) when they are many.

use std::sync::Arc;
use std::time::Duration;

use super::buckets::Buckets;
use super::tick::Tick;

/// Up to this many observations, a part of the window answers exactly. They take one KiB; the buckets of most timers
/// take less from there on.
const EXACT: usize = 128;
/// Beyond them, values are told apart at 0.5 %: the middle of a bucket is within 0.3 % of what it holds.
const SKETCH_SCHEMA: i8 = 7;
/// As many buckets as 32 powers of two have at that schema; a wider spread is told apart less finely.
const SKETCH_BUCKETS: u32 = 4096;

/// Which quantiles are shown, and over how long.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryOptions {
    /// The quantiles, ascending.
    pub quantiles: Box<[f64]>,
    /// How old an observation may be.
    pub max_age: Duration,
    /// How many parts the window has.
    pub parts: u32,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        Self { quantiles: [0.5, 0.9, 0.99].into(), max_age: Duration::from_secs(600), parts: 5 }
    }
}

impl SummaryOptions {
    /// The number of the part that a moment falls into.
    fn part(&self, now: Tick) -> u32 {
        let length = Tick::span(self.max_age / self.parts.max(1)).max(1);
        now.0 / length
    }
}

/// One series' observations: all of them in sum and count, the recent ones in the window.
#[derive(Debug, Clone)]
pub struct Summary {
    options: Arc<SummaryOptions>,
    parts: Vec<Part>,
    sum: f64,
    count: u64,
}

#[derive(Debug, Clone)]
struct Part {
    number: u32,
    kept: Kept,
}

#[derive(Debug, Clone)]
enum Kept {
    Values(Vec<f64>),
    Sketch(Box<Buckets>),
}

impl Summary {
    /// No observation yet.
    pub fn new(options: Arc<SummaryOptions>) -> Self {
        Self { options, parts: Vec::new(), sum: 0.0, count: 0 }
    }

    /// What it was made with.
    pub fn options(&self) -> &Arc<SummaryOptions> {
        &self.options
    }

    /// Counts a value `times` times.
    pub fn observe(&mut self, value: f64, times: u32, now: Tick) {
        if times == 0 {
            return;
        }
        self.sum += value * f64::from(times);
        self.count += u64::from(times);
        let number = self.options.part(now);
        if self.parts.last().is_none_or(|part| part.number != number) {
            let oldest = (number + 1).saturating_sub(self.options.parts);
            self.parts.retain(|part| part.number >= oldest);
            if let Some(Part { kept: Kept::Values(values), .. }) = self.parts.last_mut() {
                values.shrink_to_fit();
            }
            self.parts.push(Part { number, kept: Kept::Values(Vec::new()) });
        }
        if let Some(part) = self.parts.last_mut() {
            part.kept.observe(value, times);
        }
    }

    /// The quantiles over the window, in the order of the options; `NaN` when the window is empty.
    pub fn quantiles(&self, now: Tick) -> Vec<(f64, f64)> {
        let oldest = (self.options.part(now) + 1).saturating_sub(self.options.parts);
        let live = || self.parts.iter().filter(|part| part.number >= oldest);
        let few = live().map(|part| part.kept.values().map_or(usize::MAX, <[f64]>::len)).fold(0, usize::saturating_add);
        if few <= 2 * EXACT {
            let mut values: Vec<f64> = live().filter_map(|part| part.kept.values()).flatten().copied().collect();
            values.sort_by(f64::total_cmp);
            let at = |q: f64| values.get(rank(q, values.len() as u64).saturating_sub(1) as usize).copied();
            return self.options.quantiles.iter().map(|q| (*q, at(*q).unwrap_or(f64::NAN))).collect();
        }
        let mut all = Buckets::new(SKETCH_SCHEMA, SKETCH_BUCKETS);
        for part in live() {
            match &part.kept {
                Kept::Values(values) => values.iter().for_each(|value| all.observe(*value, 1)),
                Kept::Sketch(buckets) => all.merge(buckets),
            }
        }
        let count = all.count();
        self.options.quantiles.iter().map(|q| (*q, all.at_rank(rank(*q, count).max(1)))).collect()
    }

    /// Takes over the count of a summary that is kept elsewhere.
    pub fn set_count(&mut self, count: f64) {
        self.count = count as u64;
    }

    /// Takes over the sum of a summary that is kept elsewhere.
    pub fn set_sum(&mut self, sum: f64) {
        self.sum = sum;
    }

    /// The sum of all observations.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The count of all observations.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// The rank, from 1, of a quantile among `count` values.
fn rank(quantile: f64, count: u64) -> u64 {
    ((quantile * count as f64).ceil() as u64).min(count)
}

impl Kept {
    fn values(&self) -> Option<&[f64]> {
        match self {
            Self::Values(values) => Some(values),
            Self::Sketch(_) => None,
        }
    }

    fn observe(&mut self, value: f64, times: u32) {
        match self {
            Self::Values(values) if values.len() + times as usize <= EXACT => {
                values.extend(std::iter::repeat_n(value, times as usize));
            }
            Self::Values(values) => {
                let mut buckets = Buckets::new(SKETCH_SCHEMA, SKETCH_BUCKETS);
                values.iter().for_each(|value| buckets.observe(*value, 1));
                buckets.observe(value, u64::from(times));
                *self = Self::Sketch(Box::new(buckets));
            }
            Self::Sketch(buckets) => buckets.observe(value, u64::from(times)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        Summary::new(Arc::default())
    }

    fn at(seconds: u32) -> Tick {
        Tick(seconds * 10)
    }

    #[test]
    fn few_values_are_answered_exactly() {
        let mut summary = summary();
        assert!(summary.quantiles(at(0)).iter().all(|(_, value)| value.is_nan()));
        summary.observe(0.2, 1, at(0));
        assert_eq!(summary.quantiles(at(0)), [(0.5, 0.2), (0.9, 0.2), (0.99, 0.2)]);
        for value in 1..=100 {
            summary.observe(f64::from(value), 1, at(1));
        }
        assert_eq!(summary.quantiles(at(1)), [(0.5, 50.0), (0.9, 90.0), (0.99, 99.0)]);
    }

    #[test]
    fn many_values_are_answered_within_a_third_of_a_percent() {
        let mut summary = summary();
        for value in 1..=100_000 {
            summary.observe(f64::from(value), 1, at(0));
        }
        for (quantile, value) in summary.quantiles(at(0)) {
            let exact = quantile * 100_000.0;
            assert!((value - exact).abs() < exact * 0.003, "{quantile}: {value}");
        }
        assert_eq!(summary.count(), 100_000);
    }

    #[test]
    fn old_parts_leave_the_window_and_stay_in_the_count() {
        let mut summary = summary();
        summary.observe(1.0, 1, at(0));
        summary.observe(5.0, 1, at(300));
        assert_eq!(summary.quantiles(at(590))[0].1, 1.0);
        assert_eq!(summary.quantiles(at(610))[0].1, 5.0);
        assert!(summary.quantiles(at(1000))[0].1.is_nan());
        assert_eq!((summary.count(), summary.sum()), (2, 6.0));
    }

    #[test]
    fn a_sampled_observation_counts_as_often_as_its_rate_says() {
        let mut summary = summary();
        summary.observe(2.0, 700, at(0));
        summary.observe(1.0, 1, at(0));
        assert_eq!((summary.count(), summary.sum()), (701, 1401.0));
        let median = summary.quantiles(at(0))[0].1;
        assert!((median - 2.0).abs() < 0.006, "{median}");
    }
}
