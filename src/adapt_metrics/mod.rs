//! adapt-metrics: StatsD, JSON and JMX in, one page of typed and named families out.
//!
//! ```text
//! StatsD   datagram → line → event → rule ─┐
//! JSON     poll → document → samples ──────┼→ table (family → series → accumulator) → page → scraper
//! JMX      poll → beans → rule → samples ──┘
//! ```
//!
//! A stream's lines are changes to a series, a poll's samples are its state; both stand in one table, in which a name has
//! one type and a series one owner. `/metrics` writes the table in chunks, so that no receiver waits for a scraper.

pub mod exporter;
pub mod exporter_names;
pub mod graphite;
#[cfg(test)]
mod hostile;
pub mod hub;
pub mod jmx;
pub mod json;
pub mod metrics;
pub mod model;
pub mod naming;
pub mod page;
pub mod receivers;
pub mod rules;
pub mod run;
pub mod settings;
pub mod source;
pub mod statsd;
pub mod status;
pub mod verbs;

use clap::Args;

use crate::core::mode::{Document, Foreign, Mode};

/// The adapter.
pub const MODE: Mode = Mode {
    name: "adapt-metrics",
    links: &[],
    about: "Turns StatsD, JMX and application statistics into one page of Prometheus metrics",
    description: "Receives StatsD in every dialect, polls JSON endpoints and JVMs (over JMX/RMI, without Java), and serves \
                  all of it on /metrics as one consistent page: one type, one unit and one name per family.",
    examples: "patterns adapt-metrics --statsd-listen :9125\n\
               patterns adapt-metrics --config adapt-metrics.yaml",
    http_bind: ":9102",
    arguments: settings::Settings::augment_args,
    documents: &[Document {
        key: source::KEY,
        help: "What is polled: a list of JSON endpoints and JVMs, each with a name, a schedule and the metrics to take",
        check: source::check,
        units: None,
    }],
    live: &[],
    verbs: verbs::ALL,
    foreign: Foreign { environment: |_| Vec::new(), arguments: exporter::arguments },
    starts_processes: |_| false,
    run: run::run,
};
