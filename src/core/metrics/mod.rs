//! The one metrics model: what we tell about ourselves and what `adapt-metrics` exposes leave through it.
//!
//! A [`Collect`] walks its families and samples into an [`Encoder`]; an encoder writes one text format. Nothing is
//! built in between, so that a page of 100 000 series costs its bytes and no more. Instruments of our own come from a
//! [`Registry`]. Names are given as they shall read (`…_total` included); an encoder adds or takes away only what its
//! format demands.

mod format;
mod number;
mod openmetrics;
mod process;
mod protobuf;
mod registry;
mod text;

pub use format::{Format, Negotiated};
pub use number::write_float;
pub use openmetrics::OpenMetrics;
pub use protobuf::Protobuf;
pub use registry::{Counter, Gauge, Histogram, Registry};
pub use text::Text;

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only grows, until its process starts anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations counted in buckets.
    Histogram,
    /// A histogram whose buckets may also shrink.
    GaugeHistogram,
    /// Observations with quantiles worked out at the source.
    Summary,
    /// Text about the process, in labels.
    Info,
    /// Which of some states hold.
    StateSet,
    /// The source did not say.
    Unknown,
}

/// What is said once about all series of a family.
#[derive(Debug, Clone, Copy)]
pub struct FamilyHead<'a> {
    /// The family's name; a counter's ends in `_total` where it should read so.
    pub name: &'a str,
    /// Its type.
    pub kind: Kind,
    /// Its unit, in the base units of Prometheus (`seconds`, `bytes`, `ratio`), or empty.
    pub unit: &'a str,
    /// One sentence.
    pub help: &'a str,
}

/// The value of one series.
#[derive(Debug, Clone, Copy)]
pub enum Point<'a> {
    /// A gauge's, an unknown's, or a counter's value.
    Value(f64),
    /// A counter's value, with the time since which it counts.
    Counter {
        /// The value.
        value: f64,
        /// Unix time in seconds.
        created: Option<f64>,
    },
    /// A histogram's or a gauge histogram's buckets.
    Histogram {
        /// Upper bounds, ascending, each with the count of observations at or below it. `+Inf` is `count`.
        buckets: &'a [(f64, u64)],
        /// The sum of all observations.
        sum: f64,
        /// Their number.
        count: u64,
        /// Unix time in seconds.
        created: Option<f64>,
        /// The same observations in native buckets; only protobuf carries them.
        native: Option<Native<'a>>,
    },
    /// A summary's quantiles.
    Summary {
        /// Quantiles from 0 to 1, ascending, each with its value.
        quantiles: &'a [(f64, f64)],
        /// The sum of all observations.
        sum: f64,
        /// Their number.
        count: u64,
        /// Unix time in seconds.
        created: Option<f64>,
    },
    /// An info: the labels are all there is.
    Info,
    /// Each state, and whether it holds.
    StateSet(&'a [(&'a str, bool)]),
}

/// A native histogram's buckets: exponential, sparse.
#[derive(Debug, Clone, Copy)]
pub struct Native<'a> {
    /// The resolution: bounds grow by 2^(2^-schema).
    pub schema: i8,
    /// Values up to this distance from zero are in the zero bucket.
    pub zero_threshold: f64,
    /// How many are in the zero bucket.
    pub zero: u64,
    /// Index and count of the buckets above zero, ascending.
    pub positive: &'a [(i32, u64)],
    /// Index and count of the buckets below zero, by ascending magnitude.
    pub negative: &'a [(i32, u64)],
}

/// Label names and values, in the order in which they shall read.
pub type Labels<'a> = [(&'a str, &'a str)];

/// Writes one exposition format. Call [`Encoder::family`] once, then [`Encoder::sample`] for each of its series.
pub trait Encoder {
    /// Begins a family.
    fn family(&mut self, head: &FamilyHead<'_>);
    /// Writes one series of the family that was begun last.
    fn sample(&mut self, labels: &Labels<'_>, point: Point<'_>);
    /// The time of the samples from here on, in milliseconds of Unix time; none is that of the scrape.
    fn at(&mut self, time: Option<i64>);
    /// The writer holds nothing that others wait for: what is written may be sent or packed now.
    fn pause(&mut self) {}
    /// The part of the page that is finished and still here.
    fn written(&mut self) -> Option<&mut Vec<u8>> {
        None
    }
}

/// Something that has families to tell.
pub trait Collect: Send + Sync {
    /// Walks the families, each with all its series, into the encoder. Families come ascending by their names.
    fn collect(&self, out: &mut dyn Encoder);
    /// Whether it has a family of this name, or one that would be taken for it: sources behind it then leave theirs out.
    /// Only needed where names come from outside.
    fn holds(&self, _family: &str) -> bool {
        false
    }
}

/// Writes `{a="b",c="d"}`, with further labels behind the given ones; nothing when there are none.
fn write_labels(out: &mut Vec<u8>, labels: &Labels<'_>, extra: Option<(&str, &[u8])>) {
    if labels.is_empty() && extra.is_none() {
        return;
    }
    let mut separator = b'{';
    for (name, value) in labels {
        out.push(separator);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        escape(out, value.as_bytes(), true);
        out.push(b'"');
        separator = b',';
    }
    if let Some((name, value)) = extra {
        out.push(separator);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        escape(out, value, true);
        out.push(b'"');
    }
    out.push(b'}');
}

/// Escapes a label's value, or a help text (where quotes stand as they are).
fn escape(out: &mut Vec<u8>, text: &[u8], quotes: bool) {
    let mut rest = text;
    while let Some(i) = rest.iter().position(|b| matches!(b, b'\\' | b'\n') || (quotes && *b == b'"')) {
        out.extend_from_slice(&rest[..i]);
        out.push(b'\\');
        out.push(if rest[i] == b'\n' { b'n' } else { rest[i] });
        rest = &rest[i + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// One family of every kind.
    struct Zoo;

    impl Collect for Zoo {
        fn collect(&self, out: &mut dyn Encoder) {
            let head = |name, kind, unit, help| FamilyHead { name, kind, unit, help };
            out.family(&head("requests_total", Kind::Counter, "", "Requests \\ by\npath."));
            out.sample(&[("path", "/a\"b\\c\nd")], Point::Counter { value: 3.0, created: Some(1.5) });
            out.family(&head("plain_count", Kind::Counter, "", "A counter without the suffix."));
            out.sample(&[], Point::Value(1e6));
            out.family(&head("queue_bytes", Kind::Gauge, "bytes", "Bytes queued."));
            out.sample(&[], Point::Value(f64::NEG_INFINITY));
            let histogram = Point::Histogram {
                buckets: &[(0.5, 1), (1.0, 2)],
                sum: 3.25,
                count: 4,
                created: Some(2.0),
                native: None,
            };
            out.family(&head("wait_seconds", Kind::Histogram, "seconds", "Waits."));
            out.sample(&[("q", "x")], histogram);
            out.family(&head("sizes", Kind::GaugeHistogram, "", "Sizes now."));
            out.sample(&[], histogram);
            out.family(&head("took_seconds", Kind::Summary, "seconds", "Takes."));
            out.sample(&[], Point::Summary { quantiles: &[(0.5, 1.5)], sum: 9.0, count: 3, created: None });
            out.family(&head("build_info", Kind::Info, "", "Build."));
            out.sample(&[("version", "1")], Point::Info);
            out.family(&head("phase", Kind::StateSet, "", "Phase."));
            out.sample(&[("id", "7")], Point::StateSet(&[("up", true), ("down", false)]));
            out.family(&head("thing", Kind::Unknown, "", ""));
            out.sample(&[], Point::Value(f64::NAN));
        }
    }

    #[test]
    fn text_page_of_every_kind() {
        insta::assert_snapshot!(String::from_utf8(Format::Text.render(&[Arc::new(Zoo)])).unwrap());
    }

    #[test]
    fn openmetrics_page_of_every_kind() {
        insta::assert_snapshot!(String::from_utf8(Format::OpenMetrics.render(&[Arc::new(Zoo)])).unwrap());
    }
}
