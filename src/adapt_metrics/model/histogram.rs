//! A histogram: observations in, classic and native buckets out.

use std::sync::Arc;

use super::buckets::Buckets;

/// How a histogram counts.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramOptions {
    /// The upper bounds of the classic buckets, ascending, without `+Inf`.
    pub bounds: Box<[f64]>,
    /// The native buckets, if any.
    pub native: Option<Native>,
}

/// How native buckets are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Native {
    /// The growth from bound to bound, above 1.
    pub factor: f64,
    /// The most buckets; 0 is no limit.
    pub most: u32,
}

impl Default for HistogramOptions {
    fn default() -> Self {
        Self {
            bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0].into(),
            native: Some(Native { factor: 1.1, most: 256 }),
        }
    }
}

/// One series' observations since it began.
#[derive(Debug, Clone)]
pub struct Histogram {
    options: Arc<HistogramOptions>,
    counts: Box<[u64]>,
    native: Option<Buckets>,
    sum: f64,
    count: u64,
}

impl Histogram {
    /// No observation yet.
    pub fn new(options: Arc<HistogramOptions>) -> Self {
        let native = options.native.map(|native| Buckets::new(Buckets::schema_for(native.factor), native.most));
        Self { counts: vec![0; options.bounds.len()].into(), native, options, sum: 0.0, count: 0 }
    }

    /// What it was made with.
    pub fn options(&self) -> &Arc<HistogramOptions> {
        &self.options
    }

    /// Counts a value `times` times.
    pub fn observe(&mut self, value: f64, times: u32) {
        let bucket = self.options.bounds.partition_point(|bound| *bound < value);
        // NaN is below no bound, so it falls into the first bucket by comparison; it belongs to none.
        if let Some(count) = self.counts.get_mut(bucket).filter(|_| !value.is_nan()) {
            *count += u64::from(times);
        }
        if let Some(native) = &mut self.native {
            native.observe(value, u64::from(times));
        }
        self.count += u64::from(times);
        self.sum += value * f64::from(times);
    }

    /// Each classic bound with the count of observations at or below it; `+Inf` (the whole count) is left to the page.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.options.bounds.iter().zip(&self.counts).scan(0, |below, (bound, count)| {
            *below += count;
            Some((*bound, *below))
        })
    }

    /// The native buckets, if they are kept.
    pub fn native(&self) -> Option<&Buckets> {
        self.native.as_ref()
    }

    /// The sum of the observations.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// How many observations there were.
    pub fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_counts_cumulative() {
        let options = HistogramOptions { bounds: [1.0, 2.0, 5.0].into(), native: None };
        let mut histogram = Histogram::new(Arc::new(options));
        for (value, times) in [(0.5, 1), (1.0, 2), (1.5, 1), (5.0, 1), (9.0, 3), (f64::NAN, 1)] {
            histogram.observe(value, times);
        }
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(1.0, 3), (2.0, 4), (5.0, 5)]);
        assert_eq!(histogram.count(), 9);
        assert!(histogram.sum().is_nan() && histogram.native().is_none());
    }

    #[test]
    fn native_buckets_count_beside_the_classic_ones() {
        let mut histogram = Histogram::new(Arc::default());
        histogram.observe(0.3, 4);
        histogram.observe(0.0, 1);
        let native = histogram.native().unwrap();
        assert_eq!((native.schema(), native.zero(), native.count()), (3, 1, 5));
        assert_eq!(histogram.cumulative().find(|(bound, _)| *bound == 0.5), Some((0.5, 5)));
    }
}
