//! What a scrape of a JVM gives: samples of named series, and how it went.

use std::sync::Arc;
use std::time::Duration;

/// One value of one series. The series is shared between scrapes, so its address can serve as a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What it is a value of.
    pub series: Arc<Series>,
    /// Any float, NaN and the infinities included.
    pub value: f64,
}

/// A name, labels and what belongs to them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Series {
    /// The sample's full name; a counter's ends in `_total`.
    pub name: String,
    /// What the value means.
    pub kind: Kind,
    /// One line for people.
    pub help: String,
    /// Names and values, in the order in which the rule or the bean gives them.
    pub labels: Vec<(String, String)>,
}

/// What a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only ever grows, until the JVM restarts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Nobody said.
    Unknown,
    /// Always 1; its labels are the news.
    Info,
    /// The `_count` of a summary without quantiles.
    SummaryCount,
    /// The `_sum` of a summary without quantiles.
    SummarySum,
}

/// One reading of a JVM.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    /// In the order of the beans.
    pub samples: Vec<Sample>,
    /// How it went.
    pub counts: Counts,
    /// Connecting included.
    pub took: Duration,
}

/// How a scrape went. Attributes that gave nothing are counted by the reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// That were there and not excluded.
    pub beans: usize,
    /// That these beans have and that can be read.
    pub attributes: usize,
    /// Of a type that can never be a number; not asked for.
    pub not_numbers: usize,
    /// Their class cannot be serialized; not asked for again until the bean is described anew.
    pub not_serializable: usize,
    /// Their getter threw.
    pub threw: usize,
    /// Excluded by the configuration.
    pub excluded: usize,
    /// Beans that could not be described or read at all.
    pub beans_failed: usize,
    /// Values that no rule wanted.
    pub unmatched: usize,
}
