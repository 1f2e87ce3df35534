//! The adapter's settings: where StatsD comes in, by which rules it is named, and how many series there may be.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};

use super::model::Limits;
use super::naming::Naming;
use super::statsd::line::Grammar;
use super::statsd::tags::Dialects;
use crate::core::values::{self, Bind, ByteSize, Endpoint, ValueError};

/// The options of `patterns adapt-metrics`.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// UDP address for StatsD; `off` for none. Without any listener and any source it is :9125
    #[arg(long, value_name = "HOST:PORT")]
    pub statsd_listen: Option<Bind>,

    /// TCP address for StatsD lines; `off` for none
    #[arg(long, value_name = "HOST:PORT")]
    pub statsd_listen_tcp: Option<Bind>,

    /// Unix datagram socket to make for StatsD
    #[arg(long, value_name = "PATH")]
    pub statsd_listen_unixgram: Option<PathBuf>,

    /// Unix stream socket to make for StatsD: lines, or DogStatsD packets with their length in front
    #[arg(long, value_name = "PATH")]
    pub statsd_listen_unix: Option<PathBuf>,

    /// Permissions of the unix sockets, in octal
    #[arg(long, value_name = "MODE", default_value = "755", value_parser = octal)]
    pub statsd_unix_mode: u32,

    /// Receive buffer that is asked of the kernel for StatsD datagrams; 0 leaves its default
    #[arg(long, value_name = "SIZE", default_value = "4MiB")]
    pub statsd_receive_buffer: ByteSize,

    /// Mapping file in the dialect of statsd_exporter; reloaded when it changes, and at SIGHUP
    #[arg(long, value_name = "FILE")]
    pub statsd_mapping: Option<PathBuf>,

    /// Where to write the globs of the mapping file as a graph in the language of Graphviz, once, at the start
    #[arg(long, value_name = "FILE")]
    pub statsd_glob_graph: Option<PathBuf>,

    /// How StatsD names are formed: exact as statsd_exporter does, uniform with base units and _total. Without it: exact
    /// with a mapping file, else uniform
    #[arg(long, value_name = "NAMING", value_enum)]
    pub statsd_naming: Option<Naming>,

    /// How long a StatsD series without samples stays on the page; 0 is for ever
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = values::duration)]
    pub statsd_ttl: Duration,

    /// Where to send all StatsD lines on, as they came
    #[arg(long, value_name = "HOST:PORT")]
    pub statsd_relay: Option<Endpoint>,

    /// The longest datagram that is sent on
    #[arg(long, value_name = "SIZE", default_value = "1400")]
    pub statsd_relay_packet_length: ByteSize,

    /// Whether to read DogStatsD tags (`|#k:v`)
    #[arg(long, value_name = "BOOL", default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub statsd_parse_dogstatsd_tags: bool,

    /// Whether to read InfluxDB tags (`name,k=v`)
    #[arg(long, value_name = "BOOL", default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub statsd_parse_influxdb_tags: bool,

    /// Whether to read Librato tags (`name#k=v`)
    #[arg(long, value_name = "BOOL", default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub statsd_parse_librato_tags: bool,

    /// Whether to read SignalFx tags (`name[k=v]`)
    #[arg(long, value_name = "BOOL", default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub statsd_parse_signalfx_tags: bool,

    /// UDP and TCP address for Graphite's plaintext, tagged or not; `off` for none
    #[arg(long, value_name = "HOST:PORT")]
    pub graphite_listen: Option<Bind>,

    /// TCP address for Graphite's pickles; `off` for none
    #[arg(long, value_name = "HOST:PORT")]
    pub graphite_listen_pickle: Option<Bind>,

    /// Mapping file for Graphite names, in the dialect of graphite_exporter; reloaded when it changes, and at SIGHUP
    #[arg(long, value_name = "FILE")]
    pub graphite_mapping: Option<PathBuf>,

    /// Whether Graphite names that no mapping matches are dropped
    #[arg(long, value_name = "BOOL", default_value = "false", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub graphite_strict: bool,

    /// UDP address for InfluxDB's line protocol; `off` for none
    #[arg(long, value_name = "HOST:PORT")]
    pub influx_listen: Option<Bind>,

    /// Whether to take InfluxDB's lines over HTTP, at /write and /api/v2/write
    #[arg(long, value_name = "BOOL", default_value = "false", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub influx_http: bool,

    /// How long a Graphite or InfluxDB series without readings stays on the page
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = values::duration)]
    pub sample_expiry: Duration,

    /// Whether to tell our own counts under the names of statsd_exporter as well
    #[arg(long, value_name = "BOOL", default_value = "false", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub statsd_exporter_metrics: bool,

    /// Modules file of json_exporter; with it /probe?module=NAME&target=URL is served. Reloaded when it changes, and at SIGHUP
    #[arg(long, value_name = "FILE")]
    pub json_modules: Option<PathBuf>,

    /// Where to serve the page, beside /metrics
    #[arg(long, value_name = "PATH", default_value = "/metrics", value_parser = path)]
    pub metrics_path: String,

    /// Whether peers from elsewhere may POST to /-/reload and /-/quit; peers on this machine always may
    #[arg(long, value_name = "BOOL", default_value = "false", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
    pub lifecycle_for_all: bool,

    /// The most series in all, with 512 bytes of names and labels for each; further ones go to the overflow series of their
    /// family, or are dropped and counted. A flood of new names takes at most about 1 KiB of memory for each: 200 MiB
    #[arg(long, value_name = "COUNT", default_value = "200000")]
    pub series_limit: usize,

    /// The most series of one family
    #[arg(long, value_name = "COUNT", default_value = "100000")]
    pub series_limit_per_family: usize,

    /// The most series of one source
    #[arg(long, value_name = "COUNT", default_value = "200000")]
    pub series_limit_per_source: usize,
}

impl Settings {
    /// The limits of the table.
    pub fn limits(&self) -> Limits {
        Limits { total: self.series_limit, family: self.series_limit_per_family, source: self.series_limit_per_source }
    }

    /// How StatsD names are formed.
    pub fn naming(&self) -> Naming {
        let exact = self.statsd_mapping.is_some();
        self.statsd_naming.unwrap_or(if exact { Naming::Exact } else { Naming::Uniform })
    }

    /// What is read in a line.
    pub fn grammar(&self) -> Grammar {
        let tags = Dialects {
            dogstatsd: self.statsd_parse_dogstatsd_tags,
            influxdb: self.statsd_parse_influxdb_tags,
            librato: self.statsd_parse_librato_tags,
            signalfx: self.statsd_parse_signalfx_tags,
        };
        Grammar { tags, sets_and_packed_numbers: self.naming() == Naming::Uniform }
    }

    /// The UDP address: the default one where nothing at all is given.
    pub fn udp(&self, has_sources: bool) -> Bind {
        let is_given = self.graphite_listen.is_some()
            || self.graphite_listen_pickle.is_some()
            || self.influx_listen.is_some()
            || self.influx_http
            || self.statsd_listen_tcp.is_some()
            || self.statsd_listen_unixgram.is_some()
            || self.statsd_listen_unix.is_some();
        let fallback = if has_sources || is_given { Bind::Off } else { Bind::Any(9125) };
        self.statsd_listen.clone().unwrap_or(fallback)
    }
}

fn octal(text: &str) -> Result<u32, ValueError> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| ValueError::new("permissions are three octal digits, such as 755 or 666"))
}

fn path(text: &str) -> Result<String, ValueError> {
    let is_path = text.starts_with('/') && !text.contains(['?', '#', ' ']);
    is_path.then(|| text.to_owned()).ok_or_else(|| ValueError::new("a path begins with a slash, such as /metrics"))
}
