//! Prometheus text 0.0.4, which knows four types: the others are told in the nearest of them.

use super::{Encoder, FamilyHead, Kind, Labels, Point, escape, write_float, write_labels};

/// Writes Prometheus text 0.0.4 into a buffer.
pub struct Text<'o> {
    out: &'o mut Vec<u8>,
    name: String,
    kind: Kind,
    time: Option<i64>,
}

impl<'o> Text<'o> {
    /// Appends to `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, name: String::new(), kind: Kind::Unknown, time: None }
    }

    fn line(&mut self, suffix: &str, labels: &Labels<'_>, extra: Option<(&str, &[u8])>, value: f64) {
        self.out.extend_from_slice(self.name.as_bytes());
        self.out.extend_from_slice(suffix.as_bytes());
        write_labels(self.out, labels, extra);
        self.out.push(b' ');
        write_float(self.out, value);
        if let Some(time) = self.time {
            self.out.push(b' ');
            self.out.extend_from_slice(itoa::Buffer::new().format(time).as_bytes());
        }
        self.out.push(b'\n');
    }
}

impl Encoder for Text<'_> {
    fn family(&mut self, head: &FamilyHead<'_>) {
        self.name.clear();
        self.name.push_str(head.name);
        if head.kind == Kind::Info && !head.name.ends_with("_info") {
            self.name.push_str("_info");
        }
        self.kind = head.kind;
        let kind = match head.kind {
            Kind::Counter => "counter",
            Kind::Gauge | Kind::Info | Kind::StateSet => "gauge",
            Kind::Histogram | Kind::GaugeHistogram => "histogram",
            Kind::Summary => "summary",
            Kind::Unknown => "untyped",
        };
        if !head.help.is_empty() {
            self.out.extend_from_slice(b"# HELP ");
            self.out.extend_from_slice(self.name.as_bytes());
            self.out.push(b' ');
            escape(self.out, head.help.as_bytes(), false);
            self.out.push(b'\n');
        }
        self.out.extend_from_slice(b"# TYPE ");
        self.out.extend_from_slice(self.name.as_bytes());
        self.out.push(b' ');
        self.out.extend_from_slice(kind.as_bytes());
        self.out.push(b'\n');
    }

    fn sample(&mut self, labels: &Labels<'_>, point: Point<'_>) {
        match point {
            Point::Value(value) | Point::Counter { value, .. } => self.line("", labels, None, value),
            Point::Info => self.line("", labels, None, 1.0),
            Point::Histogram { buckets, sum, count, .. } => {
                let mut bound = Vec::with_capacity(24);
                for (upper, at_or_below) in buckets.iter().filter(|(upper, _)| upper.is_finite()) {
                    bound.clear();
                    write_float(&mut bound, *upper);
                    self.line("_bucket", labels, Some(("le", &bound)), *at_or_below as f64);
                }
                self.line("_bucket", labels, Some(("le", b"+Inf")), count as f64);
                self.line("_sum", labels, None, sum);
                self.line("_count", labels, None, count as f64);
            }
            Point::Summary { quantiles, sum, count, .. } => {
                let mut rank = Vec::with_capacity(24);
                for (quantile, value) in quantiles {
                    rank.clear();
                    write_float(&mut rank, *quantile);
                    self.line("", labels, Some(("quantile", &rank)), *value);
                }
                self.line("_sum", labels, None, sum);
                self.line("_count", labels, None, count as f64);
            }
            Point::StateSet(states) => {
                let name = self.name.clone();
                for (state, holds) in states {
                    self.line("", labels, Some((&name, state.as_bytes())), f64::from(u8::from(*holds)));
                }
            }
        }
    }

    fn at(&mut self, time: Option<i64>) {
        self.time = time;
    }

    fn written(&mut self) -> Option<&mut Vec<u8>> {
        Some(self.out)
    }
}
