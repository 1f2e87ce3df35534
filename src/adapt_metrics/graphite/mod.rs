//! Graphite and InfluxDB lines in: readings of gauges, with tags, as they are sent to Carbon and to InfluxDB.
//!
//! A reading replaces what its series showed, and the series goes when no reading came for the expiry: these protocols tell
//! states, not changes. The reading's own time only decides whether it is too old to be shown.

pub mod influx;
pub mod line;
pub mod pickle;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr_iter;

use super::model::{Change, Placed, Refusal, Shape, Source, Spec, Table, Tick};
use super::naming;
use super::rules::{EXACT_HELP, Rules, Verdict};
use super::statsd::desk::Reads;
use super::statsd::line::{MAX_LABELS, MAX_TEXT, Reason, Type};
use super::statsd::tally::{Drop, Tally};

/// One value of one gauge.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading<'a> {
    /// The dotted name, or measurement and field.
    pub name: Cow<'a, str>,
    /// The tags, in any order.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The value.
    pub value: f64,
    /// Its time, in seconds since 1970, if it says so.
    pub time: Option<f64>,
}

/// How the packets of a receiver are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `name;tag=value value time`, line by line.
    Graphite,
    /// Carbon's pickles, one a packet.
    Pickle,
    /// InfluxDB's lines.
    Influx,
}

/// A receiver's reading half.
pub struct Gauges {
    dialect: Dialect,
    rules: Arc<Rules>,
    source: Source,
    expiry: Duration,
    /// Whether a name without a rule is dropped.
    is_strict: bool,
    /// Unix time at tick 0, in seconds.
    began: f64,
    tally: Tally,
}

impl Gauges {
    /// A receiver that has seen nothing; `began` is the Unix time of tick 0.
    pub fn new(
        dialect: Dialect,
        rules: Arc<Rules>,
        source: Source,
        expiry: Duration,
        is_strict: bool,
        began: f64,
    ) -> Self {
        Self { dialect, rules, source, expiry, is_strict, began, tally: Tally::default() }
    }

    fn line(&mut self, line: &[u8], table: &mut Table, now: Tick) {
        self.tally.lines += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(text) = std::str::from_utf8(line) else { return self.tally.refuse(Reason::MalformedLine, line) };
        let text = text.trim();
        if text.is_empty() || (self.dialect == Dialect::Influx && text.starts_with('#')) {
            return;
        }
        let readings = match self.dialect {
            Dialect::Influx => influx::parse(text),
            _ => line::parse(text).map(|(reading, refused)| {
                self.tally.tag_errors += refused;
                vec![reading]
            }),
        };
        match readings {
            Ok(readings) => readings.iter().for_each(|reading| self.reading(reading, line, table, now)),
            Err(reason) => self.tally.refuse(reason, line),
        }
    }

    fn reading(&mut self, reading: &Reading<'_>, line: &[u8], table: &mut Table, now: Tick) {
        self.tally.samples += 1;
        if reading.name.len() > MAX_TEXT || reading.tags.iter().any(|(_, value)| value.len() > MAX_TEXT) {
            return self.tally.refuse(Reason::TooLong, line);
        }
        if reading.tags.len() > MAX_LABELS {
            return self.tally.refuse(Reason::TooManyLabels, line);
        }
        let unix = self.began + now.seconds();
        if reading.time.is_some_and(|time| time >= 0.0 && time + self.expiry.as_secs_f64() < unix) {
            return self.tally.drop_event(Drop::TooOld);
        }
        let rules = self.rules.clone();
        let target = match rules.judge(&reading.name, Type::Gauge) {
            Verdict::Drop => return self.tally.dropped_by_rule += 1,
            Verdict::NoName => return self.tally.drop_event(Drop::EmptyName),
            Verdict::Family(target) if self.is_strict && !target.is_mapped => {
                self.tally.unmapped(&reading.name);
                return self.tally.unmapped += 1;
            }
            Verdict::Family(target) => target,
        };
        let name = if target.is_mapped {
            self.tally.mapped += 1;
            target.name.clone()
        } else {
            self.tally.unmapped += 1;
            self.tally.unmapped(&reading.name);
            Cow::Owned(naming::replace_illegal(&reading.name))
        };
        let mut labels: Vec<(Cow<'_, str>, Cow<'_, str>)> =
            Vec::with_capacity(reading.tags.len() + target.labels.len());
        let rules_labels =
            target.labels.iter().map(|(label, value)| (Cow::Borrowed(label.as_str()), Cow::Borrowed(value.as_str())));
        let own =
            reading.tags.iter().map(|(label, value)| (Cow::Owned(naming::escape(label).into_owned()), value.clone()));
        // The first of a name stands.
        let ordered: Vec<_> =
            if target.honor_labels { own.chain(rules_labels).collect() } else { rules_labels.chain(own).collect() };
        for (label, value) in ordered {
            if !value.is_empty() && naming::is_label_name(&label) && !labels.iter().any(|(known, _)| *known == label) {
                labels.push((label, value));
            }
        }
        labels.sort();
        self.tally.tagged += u64::from(!labels.is_empty());
        let ttl = if target.ttl > 0 { target.ttl } else { Tick::span(self.expiry) };
        let help = if target.is_mapped && target.help != EXACT_HELP {
            target.help.clone()
        } else if self.dialect == Dialect::Influx {
            Cow::Owned(format!("The gauge {}.", reading.name))
        } else {
            // graphite_exporter's words.
            Cow::Owned(format!("Graphite metric {name}"))
        };
        let spec = Spec { name: &name, shape: &Shape::Gauge, help: &help, labels: &labels, ttl, source: self.source };
        match table.place(&spec, now) {
            Ok(Placed::Series(id) | Placed::Overflow(id)) => {
                table.apply(id, Change::Set(reading.value * target.scale.unwrap_or(1.0)), now);
                self.tally.events[1] += 1;
            }
            Err(Refusal::Full) => self.tally.over_limit(&name),
            Err(_) => self.tally.conflict(Type::Gauge, &name, 1),
        }
    }
}

impl Reads for Gauges {
    fn adopt(&mut self, rules: Arc<Rules>) {
        self.rules = rules;
    }

    fn packet(&mut self, packet: &[u8], table: &mut Table, now: Tick) {
        self.tally.packets += 1;
        self.tally.bytes += packet.len() as u64;
        if self.dialect == Dialect::Pickle {
            match pickle::parse(packet) {
                Ok(points) => {
                    for (path, time, value) in points {
                        self.tally.lines += 1;
                        match line::name_and_tags(&path) {
                            Ok((name, tags, refused)) => {
                                self.tally.tag_errors += refused;
                                self.reading(
                                    &Reading { name, tags, value, time: Some(time) },
                                    path.as_bytes(),
                                    table,
                                    now,
                                );
                            }
                            Err(reason) => self.tally.refuse(reason, path.as_bytes()),
                        }
                    }
                }
                Err(error) => self.tally.refuse(Reason::MalformedLine, error.to_string().as_bytes()),
            }
            return;
        }
        let mut start = 0;
        for end in memchr_iter(b'\n', packet) {
            self.line(&packet[start..end], table, now);
            start = end + 1;
        }
        self.line(&packet[start..], table, now);
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt_metrics::model::Limits;
    use crate::adapt_metrics::naming::Naming;
    use crate::core::metrics::Text;
    use proptest::prelude::*;

    fn page(dialect: Dialect, packets: &[&[u8]]) -> (Vec<String>, Tally) {
        let rules = Arc::new(Rules::none(Naming::Exact, 0));
        let mut gauges = Gauges::new(dialect, rules, Source(0), Duration::from_secs(300), false, 1000.0);
        let mut table = Table::new(Limits { total: 100, family: 100, source: 100 }, 1000.0);
        packets.iter().for_each(|packet| gauges.packet(packet, &mut table, Tick(0)));
        let mut out = Vec::new();
        let mut text = Text::new(&mut out);
        for name in table.family_names() {
            let ids = table.write_head(&name, &mut text);
            table.write_series(&ids, Tick(0), &mut text);
        }
        let page = String::from_utf8(out).unwrap();
        (page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect(), gauges.tally)
    }

    #[test]
    fn graphite_lines_become_gauges() {
        let (samples, tally) = page(Dialect::Graphite, &[b"my.simple.metric 9001 1000\nrack.net:eth0;dc=a;rack=b1 5 1001\nbad line\nold 1 10\nnow 3 -1\n7up 1 1000\n\nx 1 y"]);
        assert_eq!(samples, ["_7up 1", "my_simple_metric 9001", "now 3", "rack_net:eth0{dc=\"a\",rack=\"b1\"} 5"]);
        assert_eq!(tally.dropped[&Drop::TooOld], 1);
        assert_eq!(tally.refused.values().map(|(count, _)| count).sum::<u64>(), 2);
    }

    #[test]
    fn influx_lines_become_gauges() {
        let (samples, tally) = page(Dialect::Influx, &[b"# a comment\ncpu,host=a\\ b,cpu=0 usage=0.5,idle=99i,on=t,name=\"x, y\" 1000000000000\nweather temperature=82\nbad\n"]);
        assert_eq!(
            samples,
            [
                "cpu_idle{cpu=\"0\",host=\"a b\"} 99",
                "cpu_on{cpu=\"0\",host=\"a b\"} 1",
                "cpu_usage{cpu=\"0\",host=\"a b\"} 0.5",
                "weather_temperature 82",
            ]
        );
        assert_eq!(tally.refused[&Reason::MalformedLine].0, 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(packet in proptest::collection::vec(any::<u8>(), 0..200)) {
            for dialect in [Dialect::Graphite, Dialect::Pickle, Dialect::Influx] {
                page(dialect, &[&packet]);
            }
        }
    }
}
