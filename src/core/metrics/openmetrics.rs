//! OpenMetrics 1.0.0: all eight types, units, creation times, and an end that tells a cut page from a whole one.
//!
//! A series has the same name here as in every other format, whatever OpenMetrics says about suffixes: a scraper that is
//! upgraded must not rename what it reads. A counter whose name does not end in `_total` is therefore told as *unknown*, and
//! so is `foo_total` beside a family `foo`, which would be two families of one name.

use std::collections::HashSet;

use super::{Encoder, FamilyHead, Kind, Labels, Point, escape, write_float, write_labels};

/// Writes OpenMetrics text 1.0.0 into a buffer; [`OpenMetrics::finish`] ends the page.
pub struct OpenMetrics<'o> {
    out: &'o mut Vec<u8>,
    /// The family's name without the suffix of its type.
    name: String,
    kind: Kind,
    time: Option<i64>,
    before: Before,
    /// Names that infos have without their suffix.
    infos: HashSet<String>,
}

impl<'o> OpenMetrics<'o> {
    /// Appends to `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            name: String::new(),
            kind: Kind::Unknown,
            time: None,
            before: Before::default(),
            infos: HashSet::new(),
        }
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
        if let Some(time) = self.time {
            self.out.push(b' ');
            // In seconds; a millisecond of our days is a double's to tell exactly.
            write_float(self.out, time as f64 / 1000.0);
        }
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
        self.before.next(head.name);
        self.kind = head.kind;
        let suffix = match head.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            _ => "",
        };
        let stem = head.name.strip_suffix(suffix).filter(|stem| !stem.is_empty());
        let is_free = stem.is_some_and(|stem| {
            suffix.is_empty() || (!self.before.has_beginning(stem.len()) && !self.infos.contains(stem))
        });
        self.name.clear();
        match stem.filter(|_| is_free) {
            Some(stem) => self.name.push_str(stem),
            None => {
                self.name.push_str(head.name);
                self.kind = match head.kind {
                    Kind::Counter => Kind::Unknown,
                    // One without the suffix gets it; one that has it and must not be parted from it is a gauge.
                    Kind::Info if stem.is_some() => Kind::Gauge,
                    kind => kind,
                };
            }
        }
        if self.kind == Kind::Info {
            self.infos.insert(self.name.clone());
        }
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::GaugeHistogram => "gaugehistogram",
            Kind::Summary => "summary",
            Kind::Info => "info",
            Kind::StateSet => "stateset",
            Kind::Unknown => "unknown",
        };
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
            Point::Counter { value, created } if self.kind == Kind::Counter => {
                self.line("_total", labels, None, value);
                self.created(labels, created);
            }
            Point::Counter { value, .. } => self.line("", labels, None, value),
            Point::Info => self.line(if self.kind == Kind::Info { "_info" } else { "" }, labels, None, 1.0),
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

    fn at(&mut self, time: Option<i64>) {
        self.time = time;
    }

    fn written(&mut self) -> Option<&mut Vec<u8>> {
        Some(self.out)
    }
}

/// The names before the present one that it begins with. Names come ascending, so all that stands between a name and a
/// longer one begins with it too: the last name and the lengths of its beginnings are all that must be kept.
#[derive(Default)]
struct Before {
    last: String,
    lengths: Vec<usize>,
}

impl Before {
    fn next(&mut self, name: &str) {
        if !self.last.is_empty() {
            self.lengths.push(self.last.len());
        }
        while self.lengths.last().is_some_and(|length| !name.starts_with(&self.last[..*length])) {
            self.lengths.pop();
        }
        self.last.clear();
        self.last.push_str(name);
    }

    /// Whether the first bytes of the present name were a name before it.
    fn has_beginning(&self, length: usize) -> bool {
        self.lengths.contains(&length)
    }
}

/// A bound as OpenMetrics wants it in `le` and `quantile`: always with a point or an exponent (`1.0`, not `1`).
fn write_bound(out: &mut Vec<u8>, value: f64) {
    write_float(out, value);
    if value.is_finite() && !out.iter().any(|b| matches!(b, b'.' | b'e')) {
        out.extend_from_slice(b".0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(families: &[(&str, Kind)]) -> String {
        let mut out = Vec::new();
        let mut encoder = OpenMetrics::new(&mut out);
        for (name, kind) in families {
            encoder.family(&FamilyHead { name, kind: *kind, unit: "", help: "" });
            let point = match kind {
                Kind::Counter => Point::Counter { value: 1.0, created: Some(2.0) },
                Kind::Info => Point::Info,
                _ => Point::Value(1.0),
            };
            encoder.sample(&[], point);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_counter_keeps_the_name_that_it_has_in_other_formats() {
        assert_eq!(page(&[("hits", Kind::Counter)]), "# TYPE hits unknown\nhits 1\n");
        assert_eq!(page(&[("hits_total", Kind::Counter)]), "# TYPE hits counter\nhits_total 1\nhits_created 2\n");
    }

    #[test]
    fn two_families_never_share_a_name() {
        let families = [
            ("a", Kind::Counter),
            ("a_b", Kind::Gauge),
            ("a_b_total", Kind::Counter),
            ("a_info", Kind::Info),
            ("a_total", Kind::Counter),
            ("ab_info", Kind::Info),
            ("ab_total", Kind::Counter),
            ("b_total", Kind::Counter),
        ];
        assert_eq!(
            page(&families),
            "# TYPE a unknown\na 1\n\
             # TYPE a_b gauge\na_b 1\n\
             # TYPE a_b_total unknown\na_b_total 1\n\
             # TYPE a_info gauge\na_info 1\n\
             # TYPE a_total unknown\na_total 1\n\
             # TYPE ab info\nab_info 1\n\
             # TYPE ab_total unknown\nab_total 1\n\
             # TYPE b counter\nb_total 1\nb_created 2\n"
        );
    }
}
