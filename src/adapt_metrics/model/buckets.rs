//! Exponential buckets: numbers in, counts by magnitude out, in bounded space.
//!
//! These are Prometheus' native histogram buckets (standard schemas, factor 2^(2^-schema)). They serve twice: as a native
//! histogram, and, at a fine schema, as the sketch from which a summary's quantiles are read. When more buckets are in
//! use than allowed, neighbours are merged in pairs (the schema goes down by one); nothing is ever dropped.

use std::sync::LazyLock;

/// The finest schema: neighbouring bounds differ by 0.27 %.
pub const FINEST: i8 = 8;
/// The coarsest schema: a bucket spans 16 powers of two.
pub const COARSEST: i8 = -4;
/// Values nearer to zero than this go to the zero bucket.
pub const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// The upper bounds of one octave's buckets at the finest schema, as fractions in [0.5, 1).
static OCTAVE: LazyLock<[f64; 256]> = LazyLock::new(|| std::array::from_fn(|i| 0.5 * (i as f64 / 256.0).exp2()));

/// Counts by magnitude. `NaN` is in no bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Buckets {
    schema: i8,
    most: u32,
    zero: u64,
    positive: Vec<(i32, u64)>,
    negative: Vec<(i32, u64)>,
}

impl Buckets {
    /// No observation yet; at most `most` buckets beside the zero bucket (0: no limit).
    pub fn new(schema: i8, most: u32) -> Self {
        Self { schema: schema.clamp(COARSEST, FINEST), most, zero: 0, positive: Vec::new(), negative: Vec::new() }
    }

    /// The schema whose factor is at most the given one.
    pub fn schema_for(factor: f64) -> i8 {
        let floor = factor.log2().log2().floor();
        if floor <= -f64::from(FINEST) {
            FINEST
        } else if floor >= -f64::from(COARSEST) {
            COARSEST
        } else {
            -(floor as i8)
        }
    }

    /// The current schema.
    pub fn schema(&self) -> i8 {
        self.schema
    }

    /// Observations at zero.
    pub fn zero(&self) -> u64 {
        self.zero
    }

    /// Index and count of the buckets above zero, ascending.
    pub fn positive(&self) -> &[(i32, u64)] {
        &self.positive
    }

    /// Index and count of the buckets below zero, by ascending magnitude.
    pub fn negative(&self) -> &[(i32, u64)] {
        &self.negative
    }

    /// Counts a value `times` times.
    pub fn observe(&mut self, value: f64, times: u64) {
        if value.is_nan() || times == 0 {
            return;
        }
        if value.abs() <= ZERO_THRESHOLD {
            self.zero += times;
            return;
        }
        let index = index(value.abs(), self.schema);
        let side = if value > 0.0 { &mut self.positive } else { &mut self.negative };
        match side.binary_search_by_key(&index, |(known, _)| *known) {
            Ok(at) => side[at].1 += times,
            Err(at) => {
                side.insert(at, (index, times));
                self.hold_limit();
            }
        }
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        while self.schema > other.schema {
            self.coarsen();
        }
        self.zero += other.zero;
        let shift = other.schema - self.schema;
        for (mine, theirs) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
            for (index, count) in theirs {
                let index = (0..shift).fold(*index, |index, _| halved(index));
                match mine.binary_search_by_key(&index, |(known, _)| *known) {
                    Ok(at) => mine[at].1 += count,
                    Err(at) => mine.insert(at, (index, *count)),
                }
            }
        }
        self.hold_limit();
    }

    /// The value at a rank (counted from 1) in ascending order: the geometric middle of its bucket.
    pub fn at_rank(&self, rank: u64) -> f64 {
        let mut seen = 0;
        for (index, count) in self.negative.iter().rev() {
            seen += count;
            if seen >= rank {
                return -middle(*index, self.schema);
            }
        }
        seen += self.zero;
        if seen >= rank && self.zero > 0 {
            return 0.0;
        }
        for (index, count) in &self.positive {
            seen += count;
            if seen >= rank {
                return middle(*index, self.schema);
            }
        }
        f64::NAN
    }

    /// How many values have been counted.
    pub fn count(&self) -> u64 {
        self.zero + self.positive.iter().chain(&self.negative).map(|(_, count)| count).sum::<u64>()
    }

    fn hold_limit(&mut self) {
        while self.most > 0 && self.positive.len() + self.negative.len() > self.most as usize && self.schema > COARSEST
        {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        for side in [&mut self.positive, &mut self.negative] {
            for (index, _) in side.iter_mut() {
                *index = halved(*index);
            }
            side.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                if same {
                    kept.1 += next.1;
                }
                same
            });
        }
        self.schema -= 1;
    }
}

/// The index at half the resolution: the bucket that contains this one.
fn halved(index: i32) -> i32 {
    (index + 1) >> 1
}

/// The index of the bucket that a positive number falls into; its upper bound is 2^(index / 2^schema), inclusive.
fn index(value: f64, schema: i8) -> i32 {
    let (fraction, exponent) = if value.is_infinite() { split(f64::MAX) } else { split(value) };
    let index = if schema > 0 {
        let step = 256usize >> schema;
        let size = 1usize << schema;
        first_not_below(size, |i| OCTAVE[i * step] < fraction) as i32 + (exponent - 1) * size as i32
    } else {
        let whole = if fraction == 0.5 { exponent - 1 } else { exponent };
        let size = 1 << -schema;
        (whole + size - 1) >> -schema
    };
    index + i32::from(value.is_infinite())
}

/// The first index below `size` for which the predicate fails, found by halving.
fn first_not_below(size: usize, is_below: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = usize::midpoint(low, high);
        if is_below(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// A positive finite number as fraction in [0.5, 1) and a power of two.
fn split(value: f64) -> (f64, i32) {
    let (value, shift) = if value < f64::MIN_POSITIVE { (value * 2f64.powi(64), -64) } else { (value, 0) };
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1022;
    (f64::from_bits((bits & !(0x7ff << 52)) | (1022 << 52)), exponent + shift)
}

fn middle(index: i32, schema: i8) -> f64 {
    let factor = f64::from(-i32::from(schema)).exp2();
    ((f64::from(index) - 0.5) * factor).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_schema_is_the_one_that_prometheus_picks() {
        assert_eq!(Buckets::schema_for(1.1), 3);
        assert_eq!(Buckets::schema_for(2.0), 0);
        assert_eq!(Buckets::schema_for(1.0001), 8);
        assert_eq!(Buckets::schema_for(1e9), -4);
    }

    #[test]
    fn powers_of_two_are_upper_bounds() {
        for schema in [-4i8, -1, 0, 1, 3, 8] {
            let mut buckets = Buckets::new(schema, 0);
            buckets.observe(1.0, 1);
            assert_eq!(buckets.positive(), [(0, 1)], "schema {schema}");
        }
        assert_eq!(index(2.0, 3), 8);
        assert_eq!(index(2.0001, 3), 9);
        assert_eq!(index(1.9, 0), 1);
        assert_eq!(index(f64::MAX, 0), 1024);
        assert_eq!(index(f64::INFINITY, 0), 1025);
        assert_eq!(index(4.9e-324, 0), -1074);
    }

    #[test]
    fn a_limit_merges_neighbours_and_loses_nothing() {
        let mut buckets = Buckets::new(3, 16);
        for i in 1..=1000 {
            buckets.observe(f64::from(i), 1);
            buckets.observe(-f64::from(i), 2);
        }
        buckets.observe(0.0, 5);
        buckets.observe(f64::NAN, 5);
        assert!(buckets.positive().len() + buckets.negative().len() <= 16);
        assert_eq!(buckets.count(), 3005);
        assert_eq!(buckets.zero(), 5);
    }

    #[test]
    fn merged_halves_equal_the_whole() {
        let (mut whole, mut left, mut right) = (Buckets::new(5, 0), Buckets::new(5, 0), Buckets::new(5, 40));
        for i in 1..500u32 {
            let value = f64::from(i) * 0.37 - 60.0;
            whole.observe(value, 1);
            if i % 2 == 0 { &mut left } else { &mut right }.observe(value, 1);
        }
        left.merge(&right);
        while whole.schema() > left.schema() {
            whole.coarsen();
        }
        assert_eq!(left.positive(), whole.positive());
        assert_eq!(left.negative(), whole.negative());
    }

    proptest! {
        #[test]
        fn a_value_lies_within_its_bucket(value in 1e-30f64..1e30, schema in -4i8..=8) {
            let upper = (f64::from(index(value, schema)) * f64::from(-i32::from(schema)).exp2()).exp2();
            let lower = (f64::from(index(value, schema) - 1) * f64::from(-i32::from(schema)).exp2()).exp2();
            prop_assert!(value <= upper * (1.0 + 1e-9) && value > lower * (1.0 - 1e-9));
        }

        #[test]
        fn ranks_are_right_within_half_a_bucket(mut values in proptest::collection::vec(-1e6f64..1e6, 1..200)) {
            let mut buckets = Buckets::new(7, 0);
            values.iter().for_each(|value| buckets.observe(*value, 1));
            values.sort_by(f64::total_cmp);
            for (rank, value) in values.iter().enumerate() {
                let read = buckets.at_rank(rank as u64 + 1);
                prop_assert!((read - value).abs() <= value.abs() * 0.003 + 1e-30, "{read} for {value}");
            }
        }
    }
}
