//! The metrics page: adds the workers up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{COMMANDS, Count, NodeStats, REDONE, Stats, Sum, TARGETS};
use crate::ambassador_redis::command::Class;
use crate::ambassador_redis::route::Reason;
use crate::ambassador_redis::shared::Shared;
use crate::core::metrics::{Collect, Encoder, FamilyHead, Kind, Point};

/// The page's source: adds the workers up.
pub struct Page(pub Arc<Shared>);

impl Page {
    fn sum(&self, count: impl Fn(&Stats) -> &Count) -> f64 {
        self.0.stats.iter().map(|stats| count(stats).value()).sum::<u64>() as f64
    }

    fn simple(&self, out: &mut dyn Encoder, name: &str, unit: &str, help: &str, count: impl Fn(&Stats) -> &Count) {
        out.family(&FamilyHead { name, kind: Kind::Counter, unit, help });
        out.sample(&[], Point::Value(self.sum(count)));
    }
}

impl Collect for Page {
    fn collect(&self, out: &mut dyn Encoder) {
        let names = self.0.table.load();
        out.family(&head(
            "patterns_ambassador_redis_commands_total",
            Kind::Counter,
            "Commands that clients have sent.",
        ));
        for (number, name) in names.names().iter().enumerate().take(COMMANDS) {
            let count = self.sum(|stats| &stats.commands[number]);
            if count > 0.0 {
                out.sample(&[("command", name)], Point::Value(count));
            }
        }
        out.family(&head(
            "patterns_ambassador_redis_routed_total",
            Kind::Counter,
            "Requests by the place they were sent to, and why.",
        ));
        out.sample(&[("target", "replica"), ("reason", "read")], Point::Value(self.sum(|stats| &stats.replica)));
        for reason in Reason::ALL {
            let count = self.sum(|stats| &stats.primary[reason as usize]);
            out.sample(&[("target", "primary"), ("reason", reason.label())], Point::Value(count));
        }
        out.family(&head(
            "patterns_ambassador_redis_redone_total",
            Kind::Counter,
            "Requests that were sent again, on the primary.",
        ));
        for (place, (label, _)) in REDONE.iter().enumerate() {
            out.sample(&[("reason", label)], Point::Value(self.sum(|stats| &stats.redone[place])));
        }
        self.simple(
            out,
            "patterns_ambassador_redis_failed_total",
            "",
            "Requests answered with an error of the ambassador's own.",
            |s| &s.failed,
        );
        self.simple(
            out,
            "patterns_ambassador_redis_protocol_errors_total",
            "",
            "Clients that broke the protocol.",
            |s| &s.protocol_errors,
        );
        self.simple(out, "patterns_ambassador_redis_received_bytes_total", "bytes", "Bytes from clients.", |s| {
            &s.bytes_in
        });
        self.simple(out, "patterns_ambassador_redis_sent_bytes_total", "bytes", "Bytes to clients.", |s| &s.bytes_out);
        self.simple(out, "patterns_ambassador_redis_sessions_opened_total", "", "Clients that have connected.", |s| {
            &s.opened
        });
        out.family(&head(
            "patterns_ambassador_redis_clients_refused_total",
            Kind::Counter,
            "Clients that got no session, by reason.",
        ));
        for (reason, count) in self.0.refused.counts() {
            out.sample(&[("reason", reason)], Point::Value(count as f64));
        }
        out.family(&head("patterns_ambassador_redis_sessions", Kind::Gauge, "Clients that are connected."));
        out.sample(&[], Point::Value(self.0.sessions.load(Relaxed) as f64));
        if let Some(mirror) = &self.0.mirror {
            out.family(&head(
                "patterns_ambassador_redis_mirrored_total",
                Kind::Counter,
                "Requests for the mirror: copied, or dropped because too much waited for it.",
            ));
            for (result, count) in [("copied", &mirror.sent), ("dropped", &mirror.dropped)] {
                out.sample(&[("result", result)], Point::Value(count.load(Relaxed) as f64));
            }
        }
        self.nodes(out);
        self.latencies(out);
    }
}

impl Page {
    fn nodes(&self, out: &mut dyn Encoder) {
        let mut nodes = Vec::new();
        for set in self.0.sets() {
            let topology = set.topology.borrow().clone();
            let generation = set.watermark.generation();
            let primary = topology.primary.iter().map(|node| (node, "primary", true));
            let replicas = topology.replicas.iter().map(|node| (node, "replica", node.is_fit(generation)));
            let all = primary.chain(replicas);
            nodes.extend(all.map(|(node, role, used)| (node.address.to_string(), role, used, node.facts())));
        }
        out.family(&head(
            "patterns_ambassador_redis_node_used",
            Kind::Gauge,
            "Whether the server is used, by its role.",
        ));
        for (address, role, used, _) in &nodes {
            out.sample(&[("node", address), ("role", role)], Point::Value(f64::from(u8::from(*used))));
        }
        out.family(&FamilyHead {
            name: "patterns_ambassador_redis_node_lag_bytes",
            kind: Kind::Gauge,
            unit: "bytes",
            help: "How far the server is behind the primary in the replication stream, as last probed.",
        });
        for (address, _, _, facts) in &nodes {
            out.sample(&[("node", address)], Point::Value(facts.lag_bytes as f64));
        }
        out.family(&FamilyHead {
            name: "patterns_ambassador_redis_node_lag_seconds",
            kind: Kind::Gauge,
            unit: "seconds",
            help: "How long the primary has been beyond what the server had when it was last probed.",
        });
        for (address, _, _, facts) in &nodes {
            out.sample(&[("node", address)], Point::Value(facts.lag.as_secs_f64()));
        }
    }

    fn latencies(&self, out: &mut dyn Encoder) {
        out.family(&FamilyHead {
            name: "patterns_ambassador_redis_request_duration_seconds",
            kind: Kind::Histogram,
            unit: "seconds",
            help: "From the arrival of a request to its last reply, by class and by the connection it took.",
        });
        for (target, target_label) in TARGETS.iter().enumerate() {
            for (class, class_label) in Class::LABELS.iter().enumerate() {
                let sum = Sum::of(self.0.stats.iter().map(|stats| &stats.latency[target][class]));
                sum.write(out, &[("target", target_label), ("class", class_label)]);
            }
        }
        out.family(&FamilyHead {
            name: "patterns_ambassador_redis_command_duration_seconds",
            kind: Kind::Histogram,
            unit: "seconds",
            help: "The same by command, for requests that were sent alone or with others of the same command.",
        });
        for (command, sum) in self.commands() {
            sum.write(out, &[("command", &command)]);
        }
        let nodes = self.answers();
        out.family(&FamilyHead {
            name: "patterns_ambassador_redis_node_request_duration_seconds",
            kind: Kind::Histogram,
            unit: "seconds",
            help: "The same by the server that answered.",
        });
        for (node, sum, _) in &nodes {
            sum.write(out, &[("node", node)]);
        }
        out.family(&head(
            "patterns_ambassador_redis_node_errors_total",
            Kind::Counter,
            "Error replies, by the server that gave them.",
        ));
        for (node, _, errors) in &nodes {
            out.sample(&[("node", node)], Point::Value(*errors as f64));
        }
        out.family(&head(
            "patterns_ambassador_redis_node_ejections_total",
            Kind::Counter,
            "How often a replica was left alone for being far slower than the others, over all threads.",
        ));
        for (node, stats) in self.0.stats.iter().flat_map(|stats| stats.nodes.all()).fold(
            BTreeMap::<String, u64>::new(),
            |mut sums, (address, stats)| {
                *sums.entry(address).or_default() += stats.ejections.value();
                sums
            },
        ) {
            out.sample(&[("node", &node)], Point::Value(stats as f64));
        }
        out.family(&head(
            "patterns_ambassador_redis_slow_requests_total",
            Kind::Counter,
            "Runs of requests that took longer than --slowlog-slower-than.",
        ));
        out.sample(&[], Point::Value(self.0.slowlog.last().0 as f64));
    }

    /// The commands that were answered, and how long they took.
    pub fn commands(&self) -> Vec<(String, Sum)> {
        let table = self.0.table.load();
        let names = table.names().iter().enumerate().take(COMMANDS);
        let sums = names.map(|(number, name)| {
            let latencies = self.0.stats.iter().filter_map(|stats| stats.command_latency[number].get());
            (name.clone(), Sum::of(latencies.map(|latency| &**latency)))
        });
        sums.filter(|(_, sum)| sum.count() > 0).collect()
    }

    /// The servers that answered, how long they took, and their errors.
    fn answers(&self) -> Vec<(String, Sum, u64)> {
        let mut nodes: BTreeMap<String, Vec<Arc<NodeStats>>> = BTreeMap::new();
        for (address, stats) in self.0.stats.iter().flat_map(|stats| stats.nodes.all()) {
            nodes.entry(address).or_default().push(stats);
        }
        let sums = nodes.into_iter().map(|(address, stats)| {
            let errors = stats.iter().map(|stats| stats.errors.value()).sum();
            (address, Sum::of(stats.iter().map(|stats| &stats.latency)), errors)
        });
        sums.collect()
    }
}

fn head<'a>(name: &'a str, kind: Kind, help: &'a str) -> FamilyHead<'a> {
    FamilyHead { name, kind, unit: "", help }
}
