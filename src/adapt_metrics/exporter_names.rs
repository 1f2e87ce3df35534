//! Our counts under the names of statsd_exporter's own metrics, for dashboards and alerts that know them.
//!
//! As there, a value of a label is told once it has been counted. Its queue between receiving and mapping is our batch, its
//! cache of mappings is what a receiver remembers of keys.

use std::sync::Arc;

use super::metrics::Telemetry;
use super::statsd::line::Reason;
use super::statsd::relay::RelayCounts;
use super::statsd::sockets;
use super::statsd::streams::StreamCounts;
use super::statsd::tally::{Drop, Tally};
use crate::core::metrics::{Collect, Encoder, FamilyHead, Kind, Point, Registry};

/// The names.
pub struct ExporterNames {
    telemetry: Arc<Telemetry>,
    connections: StreamCounts,
    relay: Option<RelayCounts>,
}

impl ExporterNames {
    /// The names for these counts; those of a relay if there is one.
    pub fn new(telemetry: Arc<Telemetry>, registry: &Registry, has_relay: bool) -> Self {
        let relay = has_relay.then(|| RelayCounts::new(registry));
        Self { telemetry, connections: StreamCounts::new(registry, "tcp"), relay }
    }
}

impl Collect for ExporterNames {
    fn collect(&self, out: &mut dyn Encoder) {
        let mut all = Tally::default();
        let mut packets = [("udp", 0), ("unixgram", 0)];
        let (mut remembered, mut drops) = (0, 0);
        for receiver in &self.telemetry.receivers {
            let tally = receiver.desk.tally();
            if let Some((_, count)) = packets.iter_mut().find(|(name, _)| *name == receiver.desk.name) {
                *count = tally.packets;
            }
            remembered += tally.remembered;
            drops += receiver.inode.and_then(sockets::kernel_drops).unwrap_or(0);
            all.absorb(tally);
        }
        let [counters, gauges, observers, _] = all.events;
        let mut table = Names(out);
        table.total("lines", "StatsD lines received.", all.lines);
        table.total("samples", "StatsD samples received.", all.samples);
        table.total("tags", "Samples with tags.", all.tagged);
        table.total("tag_errors", "Tags that were malformed.", all.tag_errors);
        table.total("udp_packets", "StatsD packets received over UDP.", packets[0].1);
        table.total("udp_packet_drops", "StatsD packets that the kernel dropped for want of room.", drops);
        table.total("unixgram_packets", "StatsD packets received over a unix datagram socket.", packets[1].1);
        table.total("tcp_connections", "TCP connections accepted.", self.connections.accepted.value());
        table.total("tcp_connection_errors", "TCP connections that broke off.", self.connections.broken.value());
        table.total("tcp_too_long_lines", "Lines over TCP that were too long.", self.connections.too_long.value());
        table.total("events_unmapped", "Samples that no mapping matched.", all.unmapped);
        table.total("event_queue_flushed", "Batches of packets that went to the page.", all.batches);
        table.by(
            "events",
            "Samples taken, by type.",
            "type",
            &[("counter", counters), ("gauge", gauges), ("observer", observers)],
        );
        table.by(
            "events_actions",
            "Samples that a mapping matched, by action.",
            "action",
            &[("drop", all.dropped_by_rule), ("map", all.mapped)],
        );
        let mut reasons: Vec<(&str, u64)> = Reason::ALL
            .iter()
            .map(|reason| (reason.name(), all.refused.get(reason).map_or(0, |(count, _)| *count)))
            .collect();
        reasons.sort_unstable();
        table.by("sample_errors", "Lines and samples refused, by reason.", "reason", &reasons);
        let mut reasons: Vec<(&str, u64)> =
            Drop::ALL.iter().map(|why| (why.name(), all.dropped.get(why).copied().unwrap_or_default())).collect();
        reasons.sort_unstable();
        table.by("events_error", "Samples discarded, by reason.", "reason", &reasons);
        let mut conflicts: Vec<(&str, &str, u64)> =
            all.conflicts.iter().map(|((kind, name), count)| (name.as_str(), *kind, *count)).collect();
        conflicts.sort_unstable();
        table.head("events_conflict_total", Kind::Counter, "Samples whose name belongs to a metric of another type.");
        for (name, kind, count) in conflicts {
            table.0.sample(&[("metric_name", name), ("type", kind)], Point::Value(count as f64));
        }
        let reloads = &self.telemetry.reloads;
        table.by(
            "config_reloads",
            "Reloads of the mapping file, by outcome.",
            "outcome",
            &[("failure", reloads.failed.value()), ("success", reloads.good.value())],
        );
        if let Some(relay) = &self.relay {
            table.total("relay_packets", "Datagrams sent on.", relay.packets.value());
            table.total("relay_lines_relayed", "Lines sent on.", relay.lines.value());
            table.total("relay_long_lines", "Lines too long to be sent on.", relay.too_long.value());
        }
        table.gauge("statsd_exporter_loaded_mappings", "Mappings in force.", self.telemetry.hub.rules().list().len());
        let kinds = self.telemetry.hub.table().kinds();
        table.head("metrics_total", Kind::Gauge, "Families on the page, by type.");
        for (kind, count) in kinds.into_iter().filter(|(_, count)| *count > 0) {
            table.0.sample(&[("type", kind)], Point::Value(count as f64));
        }
        table.plain("statsd_metric_mapper_cache_gets_total", "Samples whose key was looked up.", all.samples);
        table.plain("statsd_metric_mapper_cache_hits_total", "Samples whose key was known.", all.known);
        let help = "Keys that are remembered, each with its series.";
        table.gauge("statsd_metric_mapper_cache_length", help, remembered as usize);
    }
}

/// Families without a unit.
struct Names<'o>(&'o mut dyn Encoder);

impl Names<'_> {
    fn head(&mut self, noun: &str, kind: Kind, help: &str) {
        let name = format!("statsd_exporter_{noun}");
        self.0.family(&FamilyHead { name: &name, kind, unit: "", help });
    }

    fn total(&mut self, noun: &str, help: &str, count: u64) {
        self.plain(&format!("statsd_exporter_{noun}_total"), help, count);
    }

    fn plain(&mut self, name: &str, help: &str, count: u64) {
        self.0.family(&FamilyHead { name, kind: Kind::Counter, unit: "", help });
        self.0.sample(&[], Point::Value(count as f64));
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) {
        self.0.family(&FamilyHead { name, kind: Kind::Gauge, unit: "", help });
        self.0.sample(&[], Point::Value(value as f64));
    }

    /// A series for each value that has been counted.
    fn by(&mut self, noun: &str, help: &str, label: &str, counts: &[(&str, u64)]) {
        self.head(&format!("{noun}_total"), Kind::Counter, help);
        for (value, count) in counts.iter().filter(|(_, count)| *count > 0) {
            self.0.sample(&[(label, value)], Point::Value(*count as f64));
        }
    }
}
