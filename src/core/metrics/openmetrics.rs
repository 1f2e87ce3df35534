//! OpenMetrics 1.0.0: all eight types, units, creation times, and an end that tells a cut page from a whole one.

use super::{Encoder, FamilyHead, Kind, Labels, Point, escape, write_float, write_labels};

/// Writes OpenMetrics text 1.0.0 into a buffer; [`OpenMetrics::finish`] ends the page.
pub struct OpenMetrics<'o> {
    out: &'o mut Vec<u8>,
    name: String,
    kind: Kind,
}

impl<'o> OpenMetrics<'o> {
    /// Appends to `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, name: String::new(), kind: Kind::Unknown }
    }

    /// Writes the end of the page.
    pub fn finish(self) {
        self.out.extend_from_slice(b"# EOF\n");
    }

    fn line(&mut self, suffix: &str, labels: &Labels<'_>, extra: Option<(&str, &[u8])>, value: f64) {
        self.out.extend_from_slice(self.name.as_bytes());
        self.out.extend_from_slice(suffix.as_bytes());
        write_labels(self.out, labels, extra);
        self.out.push(b' ');
        write_float(self.out, value);
        self.out.push(b'\n');
    }

    fn created(&mut self, labels: &Labels<'_>, created: Option<f64>) {
        if let Some(time) = created {
            self.line("_created", labels, None, time);
        }
    }
}

impl Encoder for OpenMetrics<'_> {
    fn family(&mut self, head: &FamilyHead<'_>) {
        let (suffix, kind) = match head.kind {
            Kind::Counter => ("_total", "counter"),
            Kind::Gauge => ("", "gauge"),
            Kind::Histogram => ("", "histogram"),
            Kind::GaugeHistogram => ("", "gaugehistogram"),
            Kind::Summary => ("", "summary"),
            Kind::Info => ("_info", "info"),
            Kind::StateSet => ("", "stateset"),
            Kind::Unknown => ("", "unknown"),
        };
        self.name.clear();
        self.name.push_str(head.name.strip_suffix(suffix).filter(|name| !name.is_empty()).unwrap_or(head.name));
        self.kind = head.kind;
        let unit = head.unit;
        let has_unit = !unit.is_empty() && self.name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
        for (keyword, text) in [("TYPE", kind), ("UNIT", if has_unit { unit } else { "" }), ("HELP", head.help)] {
            if text.is_empty() {
                continue;
            }
            self.out.extend_from_slice(b"# ");
            self.out.extend_from_slice(keyword.as_bytes());
            self.out.push(b' ');
            self.out.extend_from_slice(self.name.as_bytes());
            self.out.push(b' ');
            escape(self.out, text.as_bytes(), true);
            self.out.push(b'\n');
        }
    }

    fn sample(&mut self, labels: &Labels<'_>, point: Point<'_>) {
        match point {
            Point::Value(value) if self.kind == Kind::Counter => self.line("_total", labels, None, value),
            Point::Value(value) => self.line("", labels, None, value),
            Point::Counter { value, created } => {
                self.line("_total", labels, None, value);
                self.created(labels, created);
            }
            Point::Info => self.line("_info", labels, None, 1.0),
            Point::Histogram { buckets, sum, count, created, .. } => {
                let gauge = self.kind == Kind::GaugeHistogram;
                let mut bound = Vec::with_capacity(24);
                for (upper, at_or_below) in buckets.iter().filter(|(upper, _)| upper.is_finite()) {
                    bound.clear();
                    write_bound(&mut bound, *upper);
                    self.line("_bucket", labels, Some(("le", &bound)), *at_or_below as f64);
                }
                self.line("_bucket", labels, Some(("le", b"+Inf")), count as f64);
                self.line(if gauge { "_gsum" } else { "_sum" }, labels, None, sum);
                self.line(if gauge { "_gcount" } else { "_count" }, labels, None, count as f64);
                self.created(labels, created.filter(|_| !gauge));
            }
            Point::Summary { quantiles, sum, count, created } => {
                let mut rank = Vec::with_capacity(24);
                for (quantile, value) in quantiles {
                    rank.clear();
                    write_bound(&mut rank, *quantile);
                    self.line("", labels, Some(("quantile", &rank)), *value);
                }
                self.line("_sum", labels, None, sum);
                self.line("_count", labels, None, count as f64);
                self.created(labels, created);
            }
            Point::StateSet(states) => {
                let name = self.name.clone();
                for (state, holds) in states {
                    self.line("", labels, Some((&name, state.as_bytes())), f64::from(u8::from(*holds)));
                }
            }
        }
    }
}

/// A bound as OpenMetrics wants it in `le` and `quantile`: always with a point or an exponent (`1.0`, not `1`).
fn write_bound(out: &mut Vec<u8>, value: f64) {
    write_float(out, value);
    if value.is_finite() && !out.iter().any(|b| matches!(b, b'.' | b'e')) {
        out.extend_from_slice(b".0");
    }
}
