//! Prometheus' protobuf: a `MetricFamily` after the other, each with its length in front.
//!
//! Field numbers are those of `io.prometheus.client` (metrics.proto). It is the only format that carries native
//! histograms, and the start of counting of everything that counts.

use super::{Encoder, FamilyHead, Kind, Labels, Native, Point};

/// Writes delimited protobuf into a buffer; [`Protobuf::finish`] writes the last family.
pub struct Protobuf<'o> {
    out: &'o mut Vec<u8>,
    family: Vec<u8>,
    metrics: usize,
    name: String,
    kind: Kind,
    time: Option<i64>,
    metric: Vec<u8>,
    inner: Vec<u8>,
}

impl<'o> Protobuf<'o> {
    /// Appends to `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        let empty = Vec::new;
        Self {
            out,
            family: empty(),
            metrics: 0,
            name: String::new(),
            kind: Kind::Unknown,
            time: None,
            metric: empty(),
            inner: empty(),
        }
    }

    /// Writes the family that was begun last.
    pub fn finish(mut self) {
        self.end_family();
    }

    fn end_family(&mut self) {
        if self.metrics > 0 {
            varint(self.out, self.family.len() as u64);
            self.out.extend_from_slice(&self.family);
        }
        self.family.clear();
        self.metrics = 0;
    }

    /// Adds a metric whose value is written by `fill` into a message that goes to `field`.
    fn metric(
        &mut self,
        labels: &Labels<'_>,
        extra: Option<(&str, &str)>,
        field: u32,
        fill: impl FnOnce(&mut Vec<u8>),
    ) {
        self.metric.clear();
        for (name, value) in labels.iter().copied().chain(extra) {
            self.inner.clear();
            text(&mut self.inner, 1, name);
            text(&mut self.inner, 2, value);
            bytes(&mut self.metric, 1, &self.inner);
        }
        self.inner.clear();
        fill(&mut self.inner);
        bytes(&mut self.metric, field, &self.inner);
        if let Some(time) = self.time.and_then(|time| u64::try_from(time).ok()) {
            number(&mut self.metric, 6, time);
        }
        bytes(&mut self.family, 4, &self.metric);
        self.metrics += 1;
    }

    fn value(&mut self, labels: &Labels<'_>, extra: Option<(&str, &str)>, value: f64, created: Option<f64>) {
        let field = match self.kind {
            Kind::Counter => 3,
            Kind::Unknown => 5,
            _ => 2,
        };
        self.metric(labels, extra, field, |out| {
            double(out, 1, value);
            timestamp(out, 3, created);
        });
    }
}

impl Encoder for Protobuf<'_> {
    fn family(&mut self, head: &FamilyHead<'_>) {
        self.end_family();
        self.kind = head.kind;
        self.name.clear();
        self.name.push_str(head.name);
        if head.kind == Kind::Info && !head.name.ends_with("_info") {
            self.name.push_str("_info");
        }
        text(&mut self.family, 1, &self.name);
        if !head.help.is_empty() {
            text(&mut self.family, 2, head.help);
        }
        let kind = match head.kind {
            Kind::Counter => 0,
            Kind::Gauge | Kind::Info | Kind::StateSet => 1,
            Kind::Summary => 2,
            Kind::Unknown => 3,
            Kind::Histogram => 4,
            Kind::GaugeHistogram => 5,
        };
        number(&mut self.family, 3, kind);
        if !head.unit.is_empty() {
            text(&mut self.family, 5, head.unit);
        }
    }

    fn sample(&mut self, labels: &Labels<'_>, point: Point<'_>) {
        match point {
            Point::Value(value) => self.value(labels, None, value, None),
            Point::Counter { value, created } => self.value(labels, None, value, created),
            Point::Info => self.value(labels, None, 1.0, None),
            Point::StateSet(states) => {
                let name = self.name.clone();
                for (state, holds) in states {
                    self.value(labels, Some((&name, state)), f64::from(u8::from(*holds)), None);
                }
            }
            Point::Summary { quantiles, sum, count, created } => self.metric(labels, None, 4, |out| {
                number(out, 1, count);
                double(out, 2, sum);
                for (quantile, value) in quantiles {
                    let mut inner = Vec::with_capacity(18);
                    double(&mut inner, 1, *quantile);
                    double(&mut inner, 2, *value);
                    bytes(out, 3, &inner);
                }
                timestamp(out, 4, created);
            }),
            Point::Histogram { buckets, sum, count, created, native } => self.metric(labels, None, 7, |out| {
                number(out, 1, count);
                double(out, 2, sum);
                for (upper, at_or_below) in buckets {
                    let mut inner = Vec::with_capacity(20);
                    number(&mut inner, 1, *at_or_below);
                    double(&mut inner, 2, *upper);
                    bytes(out, 3, &inner);
                }
                if let Some(native) = native {
                    write_native(out, native);
                }
                timestamp(out, 15, created);
            }),
        }
    }

    fn at(&mut self, time: Option<i64>) {
        self.time = time;
    }

    fn written(&mut self) -> Option<&mut Vec<u8>> {
        Some(self.out)
    }
}

fn write_native(out: &mut Vec<u8>, native: Native<'_>) {
    number(out, 5, zigzag(i64::from(native.schema)));
    double(out, 6, native.zero_threshold);
    number(out, 7, native.zero);
    spans(out, 9, 10, native.negative);
    spans(out, 12, 13, native.positive);
}

/// Buckets as runs of neighbours, and each count as the difference from the one before.
fn spans(out: &mut Vec<u8>, span_field: u32, delta_field: u32, buckets: &[(i32, u64)]) {
    let mut end = 0;
    let mut rest = buckets;
    while let Some((first, _)) = rest.first() {
        let length = rest.iter().zip(*first..).take_while(|((index, _), expected)| index == expected).count();
        let mut span = Vec::with_capacity(12);
        number(&mut span, 1, zigzag(i64::from(*first) - end));
        number(&mut span, 2, length as u64);
        bytes(out, span_field, &span);
        end = i64::from(*first) + length as i64;
        rest = &rest[length..];
    }
    let mut before = 0;
    for (_, count) in buckets {
        number(out, delta_field, zigzag(count.cast_signed() - before));
        before = count.cast_signed();
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    varint(out, u64::from(field << 3));
    varint(out, value);
}

fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    varint(out, u64::from(field << 3 | 1));
    out.extend_from_slice(&value.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    varint(out, u64::from(field << 3 | 2));
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn text(out: &mut Vec<u8>, field: u32, value: &str) {
    bytes(out, field, value.as_bytes());
}

/// A `google.protobuf.Timestamp`.
fn timestamp(out: &mut Vec<u8>, field: u32, unix: Option<f64>) {
    let Some(unix) = unix.filter(|unix| *unix >= 0.0) else { return };
    let mut inner = Vec::with_capacity(12);
    number(&mut inner, 1, unix as u64);
    number(&mut inner, 2, (unix.fract() * 1e9) as u64);
    bytes(out, field, &inner);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(write: impl FnOnce(&mut Protobuf<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = Protobuf::new(&mut out);
        write(&mut encoder);
        encoder.finish();
        out
    }

    #[test]
    fn a_counter_is_written_byte_by_byte() {
        let head = FamilyHead { name: "a_total", kind: Kind::Counter, unit: "", help: "A." };
        let page = encoded(|out| {
            out.family(&head);
            out.sample(&[("k", "v")], Point::Counter { value: 1.0, created: Some(2.5) });
        });
        let mut expected =
            b"\x33\x0a\x07a_total\x12\x02A.\x18\x00\x22\x22\x0a\x06\x0a\x01k\x12\x01v\x1a\x18\x09".to_vec();
        expected.extend_from_slice(&1f64.to_le_bytes());
        expected.extend_from_slice(b"\x1a\x08\x08\x02\x10\x80\xca\xb5\xee\x01");
        // The outer lengths follow from the parts.
        let body = expected.len() - 1;
        expected[0] = body as u8;
        let metric = expected.iter().position(|byte| *byte == 0x22).unwrap();
        expected[metric + 1] = (expected.len() - metric - 2) as u8;
        let counter = metric + 2 + 8;
        expected[counter + 1] = (expected.len() - counter - 2) as u8;
        assert_eq!(page, expected);
    }

    #[test]
    fn a_family_without_series_is_left_out() {
        let head = FamilyHead { name: "a", kind: Kind::Gauge, unit: "", help: "" };
        assert!(encoded(|out| out.family(&head)).is_empty());
    }

    #[test]
    fn neighbours_share_a_span() {
        let mut out = Vec::new();
        spans(&mut out, 12, 13, &[(-2, 5), (-1, 3), (4, 3)]);
        // Two spans (offset -2, length 2; gap 4, length 1), then the deltas 5, -2, 0.
        assert_eq!(out, [0x62, 4, 8, 3, 0x10, 2, 0x62, 4, 8, 8, 0x10, 1, 0x68, 10, 0x68, 3, 0x68, 0]);
    }
}
