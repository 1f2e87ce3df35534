//! Rules: what a StatsD name becomes. A name and a type in; a family, labels and an accumulator out.
//!
//! Without a mapping file every name is its own rule: escaped, with the defaults.

use std::borrow::Cow;
use std::sync::Arc;

use super::model::{HistogramOptions, Shape, SummaryOptions};
use super::naming::{self, Naming, Unit};
use super::statsd::line::Type;

/// How observations (timers, histograms, distributions) are kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Observer {
    /// As quantiles over a window.
    Summary(Arc<SummaryOptions>),
    /// In buckets.
    Histogram(Arc<HistogramOptions>),
}

impl Default for Observer {
    fn default() -> Self {
        Self::Summary(Arc::default())
    }
}

impl Observer {
    fn shape(&self) -> Shape {
        match self {
            Self::Summary(options) => Shape::Summary(options.clone()),
            Self::Histogram(options) => Shape::Histogram(options.clone()),
        }
    }
}

/// What becomes of a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict<'a> {
    /// It is dropped, by a rule.
    Drop,
    /// A template left nothing of the name.
    NoName,
    /// It goes to this family.
    Family(Target<'a>),
}

/// Where a name goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Target<'a> {
    /// The family's name, legal.
    pub name: Cow<'a, str>,
    /// Its help.
    pub help: Cow<'a, str>,
    /// Its accumulator.
    pub shape: Shape,
    /// Labels that the rule adds.
    pub labels: Vec<(String, String)>,
    /// Whether a sample's own label stands against the rule's.
    pub honor_labels: bool,
    /// What each value is multiplied by.
    pub scale: Option<f64>,
    /// Ticks without a sample after which the series goes; 0 is never.
    pub ttl: u32,
    /// Whether a rule matched.
    pub is_mapped: bool,
}

/// All rules of a receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// How names are formed.
    pub naming: Naming,
    /// How observations are kept where no rule says so.
    pub observer: Observer,
    /// Ticks without a sample after which a series goes where no rule says so; 0 is never.
    pub ttl: u32,
}

impl Rules {
    /// What a name of this type becomes.
    pub fn judge<'a>(&'a self, name: &'a str, kind: Type) -> Verdict<'a> {
        let shape = match kind {
            Type::Counter => Shape::Counter,
            Type::Gauge => Shape::Gauge,
            Type::Set => Shape::Set,
            Type::Timer | Type::Histogram | Type::Distribution => self.observer.shape(),
        };
        let escaped = naming::escape(name);
        if escaped.is_empty() {
            return Verdict::NoName;
        }
        let unit = if kind == Type::Timer { Unit::Seconds } else { Unit::None };
        let family = match escaped {
            Cow::Borrowed(escaped) => self.naming.family(escaped, shape.kind(), unit),
            Cow::Owned(escaped) => Cow::Owned(self.naming.family(&escaped, shape.kind(), unit).into_owned()),
        };
        Verdict::Family(Target {
            name: family,
            help: Cow::Owned(format!("The StatsD {} {name}.", noun(kind))),
            shape,
            labels: Vec::new(),
            honor_labels: false,
            scale: None,
            ttl: self.ttl,
            is_mapped: false,
        })
    }
}

fn noun(kind: Type) -> &'static str {
    match kind {
        Type::Counter => "counter",
        Type::Gauge => "gauge",
        Type::Timer => "timer",
        Type::Histogram => "histogram",
        Type::Distribution => "distribution",
        Type::Set => "set, as the number of its members",
    }
}
