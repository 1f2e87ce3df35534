//! For users of statsd_exporter and graphite_exporter: their command lines, turned into ours, and statsd_exporter's own
//! metrics' names, told beside ours.

use std::ffi::OsString;

use super::metrics::Telemetry;
use super::statsd::line::Reason;
use super::statsd::tally::{Drop, Tally};
use crate::core::metrics::{Collect, Encoder, FamilyHead, Kind, Point};

/// Flags of theirs that set something of ours.
const SAME: &[(&str, &str)] = &[
    ("web.listen-address", "http-bind"),
    ("web.telemetry-path", "metrics-path"),
    ("statsd.listen-udp", "statsd-listen"),
    ("statsd.listen-tcp", "statsd-listen-tcp"),
    ("statsd.listen-unixgram", "statsd-listen-unixgram"),
    ("statsd.unixsocket-mode", "statsd-unix-mode"),
    ("statsd.mapping-config", "statsd-mapping"),
    ("statsd.read-buffer", "statsd-receive-buffer"),
    ("statsd.relay.address", "statsd-relay"),
    ("statsd.relay.packet-length", "statsd-relay-packet-length"),
    ("graphite.listen-address", "graphite-listen"),
    ("graphite.mapping-config", "graphite-mapping"),
    ("graphite.sample-expiry", "sample-expiry"),
    ("config.file", "json-modules"),
    ("log.level", "log"),
];
/// Switches of theirs; without a value they are on, and `--no-` turns them off.
const SWITCHES: &[(&str, &str)] = &[
    ("web.enable-lifecycle", "lifecycle-for-all"),
    ("graphite.mapping-strict-match", "graphite-strict"),
    ("statsd.parse-dogstatsd-tags", "statsd-parse-dogstatsd-tags"),
    ("statsd.parse-influxdb-tags", "statsd-parse-influxdb-tags"),
    ("statsd.parse-librato-tags", "statsd-parse-librato-tags"),
    ("statsd.parse-signalfx-tags", "statsd-parse-signalfx-tags"),
];
/// Flags about queues and caches that we do not have: taken, and without effect.
const IDLE: &[&str] = &[
    "statsd.cache-size",
    "statsd.cache-type",
    "statsd.event-queue-size",
    "statsd.event-flush-threshold",
    "statsd.event-flush-interval",
    "statsd.udp-packet-queue-size",
    "debug.dump-fsm",
    "graphite.cache-size",
    "graphite.cache-type",
];

/// What statsd_exporter does where nothing is said. (It leaves the receive buffer at the kernel's default, and loses what is
/// sent in a burst; nobody would miss that.)
const STATSD_DEFAULTS: &[(&str, &str)] = &[
    ("statsd-listen", ":9125"),
    ("statsd-listen-tcp", ":9125"),
    ("statsd-naming", "exact"),
    ("statsd-exporter-metrics", "true"),
];
/// What graphite_exporter does where nothing is said.
const GRAPHITE_DEFAULTS: &[(&str, &str)] = &[("graphite-listen", ":9109"), ("http-bind", ":9108")];

/// What json_exporter does where nothing is said.
const JSON_DEFAULTS: &[(&str, &str)] = &[("json-modules", "config.yml"), ("http-bind", ":7979")];

/// Rewrites the command line of any of them. One of ours passes through as it is.
pub fn arguments(given: Vec<OsString>) -> Vec<OsString> {
    let is_theirs = |argument: &OsString| {
        let text = argument.to_string_lossy();
        let name = text.trim_start_matches('-').trim_start_matches("no-");
        text.starts_with('-')
            && (name.starts_with("graphite.")
                || name.starts_with("statsd.")
                || name.starts_with("web.")
                || matches!(name.split('=').next(), Some("check-config" | "config.file" | "config.check")))
    };
    if !given.iter().any(is_theirs) {
        return given;
    }
    let has = |prefix: &str| {
        given.iter().any(|argument| argument.to_string_lossy().trim_start_matches('-').starts_with(prefix))
    };
    let defaults = match (has("graphite."), has("config.")) {
        (true, _) => GRAPHITE_DEFAULTS,
        (false, true) => JSON_DEFAULTS,
        (false, false) => STATSD_DEFAULTS,
    };
    let mut reading = Reading { ours: Vec::new(), check: false, mapping: None, defaults };
    let mut rest = given.into_iter();
    while let Some(argument) = rest.next() {
        reading.take(argument, &mut rest);
    }
    reading.finish()
}

struct Reading {
    ours: Vec<(String, String)>,
    check: bool,
    mapping: Option<String>,
    defaults: &'static [(&'static str, &'static str)],
}

impl Reading {
    fn take(&mut self, argument: OsString, rest: &mut impl Iterator<Item = OsString>) {
        let text = argument.to_string_lossy().into_owned();
        let bare = text.strip_prefix("--").or_else(|| text.strip_prefix('-')).unwrap_or(&text);
        let (name, value) = match bare.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (bare, None),
        };
        let mut value_of = |value: Option<String>| {
            value.or_else(|| rest.next().map(|next| next.to_string_lossy().into_owned())).unwrap_or_default()
        };
        if let Some((_, ours)) = SAME.iter().find(|(theirs, _)| *theirs == name) {
            let value = value_of(value);
            if matches!(*ours, "statsd-mapping" | "graphite-mapping" | "json-modules") {
                self.mapping = Some(value.clone());
            }
            // Theirs turn a listener or a relay off with an empty text; a path of ours cannot be empty.
            if !(value.is_empty()
                && matches!(*ours, "statsd-listen-unixgram" | "statsd-mapping" | "graphite-mapping" | "statsd-relay"))
            {
                self.ours.push(((*ours).to_owned(), value));
            }
        } else if let Some((_, ours)) = SWITCHES.iter().find(|(theirs, _)| *theirs == name) {
            self.ours.push(((*ours).to_owned(), value.unwrap_or_else(|| "true".to_owned())));
        } else if let Some((_, ours)) = SWITCHES.iter().find(|(theirs, _)| name.strip_prefix("no-") == Some(theirs)) {
            self.ours.push(((*ours).to_owned(), "false".to_owned()));
        } else if IDLE.contains(&name) {
            value_of(value);
        } else if matches!(name, "check-config" | "config.check") {
            self.check = value.is_none_or(|value| value != "false");
        } else if name == "log.format" {
            let format = if value_of(value) == "json" { "json" } else { "text" };
            self.ours.push(("log-format".to_owned(), format.to_owned()));
        } else {
            // One of ours among theirs, or a mistake that the parser names.
            self.ours.push((String::new(), text));
        }
    }

    fn finish(mut self) -> Vec<OsString> {
        if self.check {
            return ["check".to_owned()].into_iter().chain(self.mapping).map(OsString::from).collect();
        }
        let is_set = |ours: &[(String, String)], name: &str| ours.iter().any(|(set, _)| set == name);
        for &(name, value) in self.defaults {
            if !is_set(&self.ours, name) {
                self.ours.push((name.to_owned(), value.to_owned()));
            }
        }
        self.ours
            .into_iter()
            .map(|(name, value)| OsString::from(if name.is_empty() { value } else { format!("--{name}={value}") }))
            .collect()
    }
}

/// Our counts under their names.
pub struct ExporterNames {
    /// Our counts.
    pub telemetry: std::sync::Arc<Telemetry>,
}

impl Collect for ExporterNames {
    fn collect(&self, out: &mut dyn Encoder) {
        let mut all = Tally::default();
        let mut packets = [("udp", 0), ("unixgram", 0)];
        for receiver in &self.telemetry.receivers {
            let tally = receiver.desk.tally();
            if let Some((_, count)) = packets.iter_mut().find(|(name, _)| *name == receiver.desk.name) {
                *count = tally.packets;
            }
            all.absorb(tally);
        }
        let mut counter = |noun: &str, help: &str, samples: &[(&[(&str, &str)], u64)]| {
            let name = format!("statsd_exporter_{noun}_total");
            out.family(&FamilyHead { name: &name, kind: Kind::Counter, unit: "", help });
            samples.iter().for_each(|(labels, count)| out.sample(labels, Point::Value(*count as f64)));
        };
        counter("lines", "StatsD lines received.", &[(&[], all.lines)]);
        counter("samples", "StatsD samples received.", &[(&[], all.samples)]);
        counter("tags", "Samples with tags.", &[(&[], all.tagged)]);
        counter("tag_errors", "Tags that were malformed.", &[(&[], all.tag_errors)]);
        counter("udp_packets", "StatsD packets received over UDP.", &[(&[], packets[0].1)]);
        counter("unixgram_packets", "StatsD packets received over a unix datagram socket.", &[(&[], packets[1].1)]);
        counter("events_unmapped", "Samples that no mapping matched.", &[(&[], all.unmapped)]);
        let [counters, gauges, observers, _] = all.events;
        counter(
            "events",
            "Samples taken, by type.",
            &[(&[("type", "counter")], counters), (&[("type", "gauge")], gauges), (&[("type", "observer")], observers)],
        );
        counter(
            "events_actions",
            "Samples that a mapping matched, by action.",
            &[(&[("action", "drop")], all.dropped_by_rule), (&[("action", "map")], all.mapped)],
        );
        let reasons: Vec<(&str, u64)> = Reason::ALL
            .iter()
            .map(|reason| (reason.name(), all.refused.get(reason).map_or(0, |(count, _)| *count)))
            .collect();
        by(&mut counter, "sample_errors", "Lines and samples refused, by reason.", &reasons);
        let reasons: Vec<(&str, u64)> =
            Drop::ALL.iter().map(|why| (why.name(), all.dropped.get(why).copied().unwrap_or_default())).collect();
        by(&mut counter, "events_error", "Samples discarded, by reason.", &reasons);
        let conflicts: Vec<([(&str, &str); 2], u64)> = all
            .conflicts
            .iter()
            .map(|((kind, name), count)| ([("metric_name", name.as_str()), ("type", *kind)], *count))
            .collect();
        let conflicts: Vec<(&[(&str, &str)], u64)> =
            conflicts.iter().map(|(labels, count)| (&labels[..], *count)).collect();
        counter("events_conflict", "Samples whose name belongs to a metric of another type.", &conflicts);
        let reloads = &self.telemetry.reloads;
        counter(
            "config_reloads",
            "Reloads of the mapping file, by outcome.",
            &[(&[("outcome", "failure")], reloads.failed.value()), (&[("outcome", "success")], reloads.good.value())],
        );
        let loaded = self.telemetry.hub.rules().list().len();
        out.family(&FamilyHead {
            name: "statsd_exporter_loaded_mappings",
            kind: Kind::Gauge,
            unit: "",
            help: "Mappings in force.",
        });
        out.sample(&[], Point::Value(loaded as f64));
    }
}

type Samples<'a> = &'a [(&'a [(&'a str, &'a str)], u64)];

fn by(counter: &mut impl FnMut(&str, &str, Samples<'_>), noun: &str, help: &str, values: &[(&str, u64)]) {
    let labels: Vec<([(&str, &str); 1], u64)> =
        values.iter().map(|(value, count)| ([("reason", *value)], *count)).collect();
    let samples: Vec<(&[(&str, &str)], u64)> = labels.iter().map(|(labels, count)| (&labels[..], *count)).collect();
    counter(noun, help, &samples);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(given: &[&str]) -> Vec<String> {
        arguments(given.iter().map(OsString::from).collect())
            .into_iter()
            .map(|argument| argument.into_string().unwrap())
            .collect()
    }

    #[test]
    fn their_command_line_becomes_ours_with_their_defaults() {
        let given = [
            "--statsd.listen-udp=:8125",
            "--statsd.mapping-config",
            "m.yml",
            "--web.listen-address=:9999",
            "--statsd.cache-size",
            "10",
            "--no-statsd.parse-librato-tags",
            "--web.enable-lifecycle",
            "--log.level=debug",
        ];
        assert_eq!(
            rewritten(&given),
            [
                "--statsd-listen=:8125",
                "--statsd-mapping=m.yml",
                "--http-bind=:9999",
                "--statsd-parse-librato-tags=false",
                "--lifecycle-for-all=true",
                "--log=debug",
                "--statsd-listen-tcp=:9125",
                "--statsd-naming=exact",
                "--statsd-exporter-metrics=true",
            ]
        );
    }

    #[test]
    fn an_empty_text_turns_a_listener_off() {
        let ours = rewritten(&["--statsd.listen-tcp=", "--statsd.listen-unixgram=", "--statsd.relay.address="]);
        assert!(ours.contains(&"--statsd-listen-tcp=".to_owned()));
        assert!(!ours.iter().any(|argument| argument.contains("unixgram") || argument.contains("relay")));
    }

    #[test]
    fn a_check_becomes_the_verb() {
        assert_eq!(rewritten(&["--check-config", "--statsd.mapping-config=m.yml"]), ["check", "m.yml"]);
    }

    #[test]
    fn graphite_exporters_command_line_has_its_own_defaults() {
        let given =
            ["--graphite.mapping-config=g.yml", "--graphite.mapping-strict-match", "--graphite.sample-expiry", "1m"];
        assert_eq!(
            rewritten(&given),
            [
                "--graphite-mapping=g.yml",
                "--graphite-strict=true",
                "--sample-expiry=1m",
                "--graphite-listen=:9109",
                "--http-bind=:9108",
            ]
        );
    }

    #[test]
    fn json_exporters_command_line_has_its_own_defaults() {
        assert_eq!(rewritten(&["--config.file", "m.yml"]), ["--json-modules=m.yml", "--http-bind=:7979"]);
        assert_eq!(rewritten(&["--config.check", "--config.file=m.yml"]), ["check", "m.yml"]);
    }

    #[test]
    fn ours_pass_through_as_they_are() {
        assert_eq!(rewritten(&["--statsd-listen", ":1", "--config=x"]), ["--statsd-listen", ":1", "--config=x"]);
        assert!(rewritten(&["--statsd.listen-udp=:1", "--nonsense"]).contains(&"--nonsense".to_owned()));
    }
}
