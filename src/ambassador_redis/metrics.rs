//! What the ambassador counts. Each worker has its own [`Stats`] with itself as the only writer, so that counting is a plain load and a
//! store; a scrape adds them up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::command::Class;
use super::route::Reason;
use super::shared::Shared;
use super::upstream::Purpose;
use crate::core::metrics::{Collect, Encoder, FamilyHead, Kind, Point};

/// Commands that have a counter of their own.
const COMMANDS: usize = 1024;
/// Upper bounds of the latency buckets, in seconds.
const BOUNDS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 10.0];
const CLASSES: [&str; 8] =
    ["read", "primary_read", "write", "neutral", "blocking", "control", "stateful", "transaction"];
const TARGETS: [&str; 3] = ["primary", "replica", "private"];

/// A number that one thread writes and any may read.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counts of one worker.
#[derive(Debug)]
pub struct Stats {
    commands: Box<[Count]>,
    primary: [Count; Reason::ALL.len()],
    replica: Count,
    redone: [Count; REDONE.len()],
    failed: Count,
    protocol_errors: Count,
    bytes_in: Count,
    bytes_out: Count,
    opened: Count,
    latency: [[Latency; CLASSES.len()]; TARGETS.len()],
}

/// Clients that got no session, by reason. Seldom, so that any thread may count.
#[derive(Debug, Default)]
pub struct Refused([AtomicU64; Refused::REASONS.len()]);

impl Refused {
    const REASONS: [&str; 5] = ["max_clients", "proxy_header", "tls", "late", "socket"];

    pub fn add(&self, reason: &str) {
        if let Some(place) = Refused::REASONS.iter().position(|known| *known == reason) {
            self.0[place].fetch_add(1, Relaxed);
        }
    }

    fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refused::REASONS.into_iter().zip(self.0.iter().map(|count| count.load(Relaxed)))
    }
}

/// Why a read was sent again.
const REDONE: [(&str, &str); 3] =
    [("behind", "it is behind what the application has seen"), ("refused", "it refused a read"), ("lost", "")];

#[derive(Debug, Default)]
struct Latency {
    buckets: [Count; BOUNDS.len() + 1],
    sum_nanos: Count,
}

impl Default for Stats {
    fn default() -> Stats {
        Stats {
            commands: (0..COMMANDS).map(|_| Count::default()).collect(),
            primary: Default::default(),
            replica: Count::default(),
            redone: Default::default(),
            failed: Count::default(),
            protocol_errors: Count::default(),
            bytes_in: Count::default(),
            bytes_out: Count::default(),
            opened: Count::default(),
            latency: Default::default(),
        }
    }
}

impl Stats {
    pub fn command(&self, number: u16) {
        self.commands[if usize::from(number) < COMMANDS { usize::from(number) } else { 0 }].add(1);
    }

    pub fn routed_to_primary(&self, reason: Reason, requests: u32) {
        self.primary[reason as usize].add(u64::from(requests));
    }

    pub fn routed_to_replica(&self, requests: u32) {
        self.replica.add(u64::from(requests));
    }

    pub fn redone(&self, why: &str, requests: u32) {
        let place = REDONE.iter().position(|(_, text)| *text == why).unwrap_or(REDONE.len() - 1);
        self.redone[place].add(u64::from(requests));
    }

    pub fn failed(&self, requests: u32) {
        self.failed.add(u64::from(requests));
    }

    pub fn protocol_error(&self) {
        self.protocol_errors.add(1);
    }

    pub fn received(&self, bytes: usize) {
        self.bytes_in.add(bytes as u64);
    }

    pub fn sent(&self, bytes: usize) {
        self.bytes_out.add(bytes as u64);
    }

    pub fn opened(&self) {
        self.opened.add(1);
    }

    /// A run of requests has its last reply.
    pub fn replied(&self, class: Class, purpose: Purpose, requests: u32, started: Instant) {
        let took = started.elapsed();
        let target = match purpose {
            Purpose::Primary(_) => 0,
            Purpose::Replica => 1,
            Purpose::Private(_) => 2,
        };
        let class = CLASSES.iter().position(|label| *label == class.label()).unwrap_or(3);
        let latency = &self.latency[target][class];
        let seconds = took.as_secs_f64();
        latency.buckets[BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len())]
            .add(u64::from(requests));
        latency.sum_nanos.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).saturating_mul(u64::from(requests)));
    }
}

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
        self.nodes(out);
        self.latencies(out);
    }
}

impl Page {
    fn nodes(&self, out: &mut dyn Encoder) {
        let topology = self.0.topology.borrow().clone();
        let generation = self.0.watermark.generation();
        let primary = topology.primary.iter().map(|node| (node, "primary", true));
        let replicas = topology.replicas.iter().map(|node| (node, "replica", node.is_fit(generation)));
        let nodes: Vec<_> = primary
            .chain(replicas)
            .map(|(node, role, used)| (node.address.to_string(), role, used, node.facts()))
            .collect();
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
    }

    fn latencies(&self, out: &mut dyn Encoder) {
        out.family(&FamilyHead {
            name: "patterns_ambassador_redis_request_duration_seconds",
            kind: Kind::Histogram,
            unit: "seconds",
            help: "From the arrival of a request to its last reply, by class and by the connection it took.",
        });
        for (target, target_label) in TARGETS.iter().enumerate() {
            for (class, class_label) in CLASSES.iter().enumerate() {
                let mut count = 0;
                let mut buckets = Vec::with_capacity(BOUNDS.len());
                for place in 0..=BOUNDS.len() {
                    count += self
                        .0
                        .stats
                        .iter()
                        .map(|stats| stats.latency[target][class].buckets[place].value())
                        .sum::<u64>();
                    buckets.extend(BOUNDS.get(place).map(|bound| (*bound, count)));
                }
                if count == 0 {
                    continue;
                }
                let sum = self.sum(|stats| &stats.latency[target][class].sum_nanos) / 1e9;
                out.sample(
                    &[("target", target_label), ("class", class_label)],
                    Point::Histogram { buckets: &buckets, native: None, sum, count, created: None },
                );
            }
        }
    }
}

fn head<'a>(name: &'a str, kind: Kind, help: &'a str) -> FamilyHead<'a> {
    FamilyHead { name, kind, unit: "", help }
}
