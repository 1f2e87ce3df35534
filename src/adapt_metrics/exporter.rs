//! For users of statsd_exporter, graphite_exporter and json_exporter: their command lines, turned into ours.
//!
//! What their parser does with arguments is done here too: `--no-` before a switch, a value behind `=` or behind a space,
//! `@FILE` for arguments that stand in a file, a line each.

use std::ffi::OsString;

use crate::core::values;

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
    ("debug.dump-fsm", "statsd-glob-graph"),
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
/// Whether a value is one that the flag takes.
type Check = fn(&str) -> bool;
/// Flags about queues and caches that we do not have: taken if their value is one, and without effect.
const IDLE: &[(&str, Check)] = &[
    ("statsd.cache-size", is_count),
    ("statsd.cache-type", is_cache),
    ("statsd.event-queue-size", is_count),
    ("statsd.event-flush-threshold", is_count),
    ("statsd.event-flush-interval", |text| values::duration(text).is_ok()),
    ("statsd.udp-packet-queue-size", is_count),
    ("graphite.cache-size", is_count),
    ("graphite.cache-type", is_cache),
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
    let given: Vec<OsString> = given.into_iter().flat_map(from_file).collect();
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

/// The arguments that stand in the file of `@FILE`. One that cannot be read stays what it is, and the parser refuses it.
fn from_file(argument: OsString) -> Vec<OsString> {
    let text = argument.to_str().and_then(|argument| argument.strip_prefix('@'));
    match text.and_then(|path| std::fs::read_to_string(path).ok()) {
        Some(lines) => lines.lines().filter(|line| !line.starts_with('#')).map(OsString::from).collect(),
        None => vec![argument],
    }
}

fn is_count(text: &str) -> bool {
    text.parse::<u64>().is_ok()
}

fn is_cache(text: &str) -> bool {
    matches!(text, "lru" | "random")
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
        let needs_value = SAME.iter().any(|(theirs, _)| *theirs == name)
            || IDLE.iter().any(|(theirs, _)| *theirs == name)
            || name == "log.format";
        let value = match value {
            None if needs_value => rest.next().map(|next| next.to_string_lossy().into_owned()),
            value => value,
        };
        if needs_value && value.is_none() {
            // The parser says what is missing.
            let ours = SAME.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| ours);
            self.ours.push((String::new(), format!("--{ours}")));
            return;
        }
        let is_idle = |value: &str| IDLE.iter().any(|(theirs, is_sound)| *theirs == name && is_sound(value));
        if value.as_deref().is_some_and(is_idle) {
            return;
        }
        if let Some((_, ours)) = SAME.iter().find(|(theirs, _)| *theirs == name) {
            let value = value.unwrap_or_default();
            if matches!(*ours, "statsd-mapping" | "graphite-mapping" | "json-modules") {
                self.mapping = Some(value.clone());
            }
            // Theirs turn a listener or a relay off with an empty text; a path of ours cannot be empty.
            if !(value.is_empty()
                && matches!(
                    *ours,
                    "statsd-listen-unixgram"
                        | "statsd-mapping"
                        | "graphite-mapping"
                        | "statsd-relay"
                        | "statsd-glob-graph"
                ))
            {
                self.ours.push(((*ours).to_owned(), value));
            }
        } else if let Some((_, ours)) = SWITCHES.iter().find(|(theirs, _)| *theirs == name) {
            self.ours.push(((*ours).to_owned(), value.unwrap_or_else(|| "true".to_owned())));
        } else if let Some((_, ours)) = SWITCHES.iter().find(|(theirs, _)| name.strip_prefix("no-") == Some(theirs)) {
            self.ours.push(((*ours).to_owned(), "false".to_owned()));
        } else if matches!(name, "check-config" | "config.check") {
            self.check = value.is_none_or(|value| value != "false");
        } else if matches!(name, "no-check-config" | "no-config.check") {
            self.check = false;
        } else if name == "log.format" {
            let format = value.unwrap_or_default();
            self.ours.push(("log-format".to_owned(), if format == "logfmt" { "text".to_owned() } else { format }));
        } else {
            // One of ours among theirs, or a mistake that the parser names.
            self.ours.push((String::new(), text));
        }
    }

    fn finish(mut self) -> Vec<OsString> {
        if self.check {
            // Without a file there is nothing to be wrong.
            let fallback = if self.defaults == JSON_DEFAULTS { "config.yml" } else { "/dev/null" };
            let file = self.mapping.unwrap_or_else(|| fallback.to_owned());
            return ["check".to_owned(), file].map(OsString::from).to_vec();
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
    fn arguments_may_stand_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("arguments");
        std::fs::write(&path, "# their defaults but one\n--statsd.listen-udp=:8125\n--no-statsd.parse-librato-tags\n")
            .unwrap();
        let given = format!("@{}", path.display());
        let ours = rewritten(&[&given]);
        assert_eq!(ours[..2], ["--statsd-listen=:8125", "--statsd-parse-librato-tags=false"]);
        assert_eq!(rewritten(&["@/nowhere"]), ["@/nowhere"]);
    }

    #[test]
    fn a_check_becomes_the_verb() {
        assert_eq!(rewritten(&["--check-config", "--statsd.mapping-config=m.yml"]), ["check", "m.yml"]);
        assert_eq!(rewritten(&["--check-config"]), ["check", "/dev/null"]);
        assert_eq!(rewritten(&["--no-check-config", "--statsd.listen-tcp=:1"])[0], "--statsd-listen-tcp=:1");
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
    fn what_is_no_value_there_is_none_here() {
        for wrong in ["--statsd.cache-type=fifo", "--statsd.cache-size=x", "--statsd.event-flush-interval=soon"] {
            assert!(rewritten(&[wrong]).contains(&wrong.to_owned()), "{wrong} is left to the parser, which refuses it");
        }
        assert_eq!(rewritten(&["--statsd.mapping-config"])[0], "--statsd-mapping");
        assert!(rewritten(&["--statsd.listen-udp=:1", "--log.format=x"]).contains(&"--log-format=x".to_owned()));
    }

    #[test]
    fn ours_pass_through_as_they_are() {
        assert_eq!(rewritten(&["--statsd-listen", ":1", "--config=x"]), ["--statsd-listen", ":1", "--config=x"]);
        assert!(rewritten(&["--statsd.listen-udp=:1", "--nonsense"]).contains(&"--nonsense".to_owned()));
    }
}
