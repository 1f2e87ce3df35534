//! What the adapter tells about itself: what came in, what was refused and why, and how each source does.

use std::sync::Arc;
use std::time::Duration;

use super::hub::Hub;
use super::model::Replaced;
use super::statsd::desk::Desk;
use super::statsd::line::Reason;
use super::statsd::sockets;
use super::statsd::tally::{Drop, Tally};
use crate::core::metrics::{Collect, Counter, Encoder, FamilyHead, Gauge, Kind, Labels, Point, Registry};

/// One polled source.
pub struct SourceMetrics {
    up: Gauge,
    series: Gauge,
    took: Gauge,
    good: Counter,
    failed: Counter,
    skipped: Counter,
    refused: Counter,
    duplicates: Counter,
}

impl SourceMetrics {
    /// The instruments of the source of this name.
    pub fn new(registry: &Registry, source: &str) -> Self {
        let labels = [("source", source)];
        let polls = |outcome| {
            registry.counter(
                "patterns_adapt_metrics_source_polls_total",
                "Polls of a source, by outcome.",
                &[("source", source), ("outcome", outcome)],
            )
        };
        let dropped = |reason| {
            registry.counter(
                "patterns_adapt_metrics_source_dropped_total",
                "Values of a source that are not on the page, by reason.",
                &[("source", source), ("reason", reason)],
            )
        };
        Self {
            up: registry.gauge(
                "patterns_adapt_metrics_source_up",
                "Whether the last poll of the source was good.",
                &labels,
            ),
            series: registry.gauge(
                "patterns_adapt_metrics_source_series",
                "Series on the page from the source.",
                &labels,
            ),
            took: registry.gauge(
                "patterns_adapt_metrics_source_poll_duration_seconds",
                "How long the last poll took.",
                &labels,
            ),
            good: polls("good"),
            failed: polls("failed"),
            skipped: dropped("not_taken"),
            refused: dropped("no_place"),
            duplicates: dropped("duplicate"),
        }
    }

    /// A good poll.
    pub fn polled(&self, took: Duration, skipped: u64, replaced: &Replaced) {
        self.up.set(1.0);
        self.good.increment();
        self.took.set(took.as_secs_f64());
        self.series.set(replaced.series as f64);
        self.skipped.add(skipped);
        self.refused.add(replaced.refused.len() as u64);
        self.duplicates.add(replaced.duplicates as u64);
    }

    /// A failed poll.
    pub fn failed(&self, took: Duration) {
        self.up.set(0.0);
        self.failed.increment();
        self.took.set(took.as_secs_f64());
    }

    /// The last good series left the page.
    pub fn gone(&self) {
        self.series.set(0.0);
    }
}

/// A StatsD receiver as the metrics see it.
pub struct Receiver {
    /// Its place.
    pub desk: Arc<Desk>,
    /// The inode of its UDP socket, by which the kernel tells its drops.
    pub inode: Option<u64>,
}

/// How reloads of the rules went.
#[derive(Clone)]
pub struct Reloads {
    /// Good ones.
    pub good: Counter,
    /// Failed ones; the last good rules stayed.
    pub failed: Counter,
}

impl Reloads {
    /// The instruments.
    pub fn new(registry: &Registry) -> Self {
        let reloads = |outcome| {
            registry.counter(
                "patterns_adapt_metrics_rules_reloads_total",
                "Reloads of the rules, by outcome.",
                &[("outcome", outcome)],
            )
        };
        Self { good: reloads("good"), failed: reloads("failed") }
    }
}

/// The families about all StatsD receivers and the table.
pub struct Telemetry {
    /// The table.
    pub hub: Arc<Hub>,
    /// The receivers.
    pub receivers: Vec<Receiver>,
    /// How reloads of the rules went.
    pub reloads: Reloads,
}

impl Collect for Telemetry {
    fn collect(&self, out: &mut dyn Encoder) {
        let (series, families) = {
            let table = self.hub.table();
            (table.len(), table.families())
        };
        gauge(out, "patterns_adapt_metrics_families", "Families on the page from all sources.", families as f64);
        gauge(out, "patterns_adapt_metrics_series", "Series on the page from all sources.", series as f64);
        if self.receivers.is_empty() {
            return;
        }
        let tallies: Vec<(&Receiver, Tally)> =
            self.receivers.iter().map(|receiver| (receiver, receiver.desk.tally())).collect();
        let mut counter = |noun: &str, help: &str, value: fn(&Tally) -> u64| {
            head(out, &format!("patterns_adapt_metrics_{noun}_total"), Kind::Counter, help);
            for (receiver, tally) in &tallies {
                out.sample(&[("receiver", receiver.desk.name)], Point::Value(value(tally) as f64));
            }
        };
        counter("bytes", "Bytes received.", |tally| tally.bytes);
        counter("events_and_checks", "DogStatsD events and service checks, which are no metrics.", |tally| {
            tally.events_and_checks
        });
        counter("lines", "Lines received, empty ones included.", |tally| tally.lines);
        counter("packets", "Datagrams received, or reads of a stream.", |tally| tally.packets);
        counter("rule_drops", "Samples that a rule drops.", |tally| tally.dropped_by_rule);
        counter("samples", "Samples received.", |tally| tally.samples);
        counter("tag_errors", "Tags that were malformed and left out.", |tally| tally.tag_errors);
        counter("unmapped", "Samples that no rule matched.", |tally| tally.unmapped);
        by_label(out, &tallies, "sample_errors", "Lines and samples refused, by reason.", "reason", |tally| {
            Reason::ALL
                .iter()
                .map(|reason| (reason.name().to_owned(), tally.refused.get(reason).map_or(0, |(count, _)| *count)))
                .collect()
        });
        by_label(
            out,
            &tallies,
            "event_errors",
            "Samples that were read and could not be taken, by reason.",
            "reason",
            |tally| {
                Drop::ALL
                    .iter()
                    .map(|why| (why.name().to_owned(), tally.dropped.get(why).copied().unwrap_or_default()))
                    .collect()
            },
        );
        by_label(out, &tallies, "limit_hits", "Samples over a limit of series, by family.", "family", |tally| {
            tally.over_limit.iter().map(|(name, count)| (name.clone(), *count)).collect()
        });
        by_label(
            out,
            &tallies,
            "conflicts",
            "Samples whose name belongs to a family of another type, by family.",
            "family",
            |tally| {
                let mut names: Vec<(String, u64)> = Vec::new();
                for ((_, name), count) in &tally.conflicts {
                    match names.iter_mut().find(|(known, _)| known == name) {
                        Some((_, total)) => *total += count,
                        None => names.push((name.clone(), *count)),
                    }
                }
                names
            },
        );
        head(
            out,
            "patterns_adapt_metrics_kernel_drops_total",
            Kind::Counter,
            "Datagrams that the kernel dropped because the socket's buffer was full.",
        );
        for receiver in &self.receivers {
            if let Some(drops) = receiver.inode.and_then(sockets::kernel_drops) {
                out.sample(&[("receiver", receiver.desk.name)], Point::Value(drops as f64));
            }
        }
    }
}

fn head(out: &mut dyn Encoder, name: &str, kind: Kind, help: &str) {
    out.family(&FamilyHead { name, kind, unit: "", help });
}

fn gauge(out: &mut dyn Encoder, name: &str, help: &str, value: f64) {
    head(out, name, Kind::Gauge, help);
    out.sample(&[], Point::Value(value));
}

fn by_label(
    out: &mut dyn Encoder,
    tallies: &[(&Receiver, Tally)],
    noun: &str,
    help: &str,
    label: &str,
    values: impl Fn(&Tally) -> Vec<(String, u64)>,
) {
    head(out, &format!("patterns_adapt_metrics_{noun}_total"), Kind::Counter, help);
    for (receiver, tally) in tallies {
        for (value, count) in values(tally) {
            let labels: &Labels<'_> = &[("receiver", receiver.desk.name), (label, &value)];
            out.sample(labels, Point::Value(count as f64));
        }
    }
}
