//! A family: the series of one name, which all have one type, one unit and one help text.

use std::sync::Arc;

use thiserror::Error;

use super::histogram::{Histogram, HistogramOptions};
use super::members::Members;
use super::series::{Accumulator, SeriesId};
use super::summary::{Summary, SummaryOptions};
use crate::core::metrics::Kind;

/// What kind of accumulator a series has, and how it counts.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Deltas are added.
    Counter,
    /// Set and moved.
    Gauge,
    /// A number whose source does not say more.
    Unknown,
    /// Text in labels; its value is 1.
    Info,
    /// Quantiles over a window.
    Summary(Arc<SummaryOptions>),
    /// Counts in buckets.
    Histogram(Arc<HistogramOptions>),
    /// How many different members.
    Set,
}

impl Shape {
    /// The type of the family on the page.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Counter => Kind::Counter,
            Self::Gauge | Self::Set => Kind::Gauge,
            Self::Unknown => Kind::Unknown,
            Self::Info => Kind::Info,
            Self::Summary(_) => Kind::Summary,
            Self::Histogram(_) => Kind::Histogram,
        }
    }

    /// The label that the page itself sets on series of this kind, so that no sample may.
    pub fn reserved_label(&self) -> Option<&'static str> {
        match self {
            Self::Summary(_) => Some("quantile"),
            Self::Histogram(_) => Some("le"),
            _ => None,
        }
    }

    pub(super) fn accumulator(&self) -> Accumulator {
        match self {
            Self::Counter | Self::Gauge | Self::Unknown => Accumulator::Number(0.0),
            Self::Info => Accumulator::Number(1.0),
            Self::Summary(options) => Accumulator::Summary(Box::new(Summary::new(options.clone()))),
            Self::Histogram(options) => Accumulator::Histogram(Box::new(Histogram::new(options.clone()))),
            Self::Set => Accumulator::Members(Box::<Members>::default()),
        }
    }

    /// Whether an accumulator counts as this shape says; if not, a reload changed the rules under it.
    pub(super) fn fits(&self, value: &Accumulator) -> bool {
        match (self, value) {
            (Self::Summary(options), Accumulator::Summary(summary)) => same(options, summary.options()),
            (Self::Histogram(options), Accumulator::Histogram(histogram)) => same(options, histogram.options()),
            (Self::Set, Accumulator::Members(_)) => true,
            (Self::Counter | Self::Gauge | Self::Unknown | Self::Info, Accumulator::Number(_)) => true,
            _ => false,
        }
    }
}

fn same<T: PartialEq>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// Why a sample found no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The name belongs to a family of another type, or to a part of a histogram or summary.
    #[error("the name belongs to a family of another type")]
    Conflict,
    /// Another source has a series of this name and these labels.
    #[error("another source has a series of this name and these labels")]
    Taken,
    /// All series that are allowed exist, and there is no family whose overflow could take it.
    #[error("the limit of series is reached")]
    Full,
    /// The name is kept for the program's own metrics.
    #[error("the name is kept for the program's own metrics")]
    Reserved,
    /// No metric may be named like this.
    #[error("the name is not legal")]
    Name,
}

#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: Arc<str>,
    pub(super) help: Box<str>,
    pub(super) kind: Kind,
    /// Its series; sorted up to where the page was last written.
    pub(super) order: Vec<SeriesId>,
    pub(super) is_sorted: bool,
    pub(super) live: u32,
}

/// The suffixes under which a family of this kind has further samples.
pub(super) fn suffixes(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Histogram => &["_bucket", "_sum", "_count"],
        Kind::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
        Kind::Summary => &["_sum", "_count"],
        Kind::Info => &["_info"],
        _ => &[],
    }
}

/// The unit in which a well-made name ends.
pub(super) fn unit(name: &str) -> &'static str {
    let stem = name.strip_suffix("_total").unwrap_or(name);
    let ends = |unit: &str| stem.strip_suffix(unit).is_some_and(|rest| rest.len() > 1 && rest.ends_with('_'));
    ["seconds", "bytes", "ratio", "meters", "volts", "amperes", "joules", "grams", "celsius"]
        .into_iter()
        .find(|unit| ends(unit))
        .unwrap_or("")
}
