//! Asks the servers, round after round, and publishes what follows from their answers.
//!
//! A round comes each period, at once when a worker suspects something, and quickly while something is wrong. The control plane speaks
//! through the `redis` crate; it has its own connections, so that a probe overtakes what waits on the data path.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;

use crate::ambassador_redis::command::Table;
use crate::ambassador_redis::consistency::History;
use crate::ambassador_redis::route::ReadFrom;
use crate::ambassador_redis::settings::{Servers, Settings};
use crate::ambassador_redis::shared::Shared;
use crate::ambassador_redis::standing::{by_distance, label};
use crate::core::fault::Fault;
use crate::core::health::Condition;
use crate::core::values::Endpoint;

use super::control::{connect, reason};
use super::source::{Found, Sources};
use super::trail::Trail;
use super::view::{Answer, Authority, Before, Observation, Verdict, decide};
use super::{Facts, Node, Seat, Topology};

/// The pause between two rounds while something is wrong.
const HASTE: Duration = Duration::from_millis(100);

/// How long a second server may claim to be the primary before the Sentinels' word counts alone.
const FENCE: Duration = Duration::from_secs(10);
/// How long a server that no source names any more and that does not answer is kept.
const FORGET: Duration = Duration::from_secs(60);

/// The servers, their control connections, and what was decided last.
pub struct Prober {
    shared: Arc<Shared>,
    sources: Sources,
    nodes: Vec<Probed>,
    next_number: u32,
    /// The server that the user called the primary.
    configured: Option<Endpoint>,
    servers: Arc<Servers>,
    primary: Option<u32>,
    history: String,
    /// Since when two servers claim to be the primary, and who was it then.
    rivals_since: Option<(Instant, Option<u32>)>,
    trail: Trail,
    period: Duration,
    epoch: u64,
    learned: String,
}

/// Whether the settings name other servers than in the round before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moved {
    Yes,
    No,
}

struct Probed {
    node: Arc<Node>,
    connection: Option<(MultiplexedConnection, Seat)>,
    named: Instant,
}

impl Prober {
    pub fn new(shared: &Arc<Shared>, sources: Sources, nodes: Vec<Arc<Node>>, settings: &Settings) -> Prober {
        let next_number = nodes.iter().map(|node| node.number + 1).max().unwrap_or(0);
        Prober {
            shared: shared.clone(),
            sources,
            nodes: nodes.into_iter().map(Probed::new).collect(),
            next_number,
            configured: settings.primary.clone(),
            servers: shared.servers.load_full(),
            primary: None,
            history: String::new(),
            rivals_since: None,
            trail: Trail::default(),
            period: settings.probe_period,
            epoch: 0,
            learned: String::new(),
        }
    }

    /// Probes until the process drains.
    pub async fn follow(mut self, ready: Condition, drain: tokio_util::sync::CancellationToken) -> Result<(), Fault> {
        let (sentinels, name) = self.sources.sentinels();
        for sentinel in sentinels {
            let (shared, drain, name) = (self.shared.clone(), drain.clone(), name.clone());
            tokio::spawn(async move { drain.run_until_cancelled(super::source::listen(shared, sentinel, name)).await });
        }
        loop {
            let calm = self.round(&ready).await && !self.shared.is_alarmed();
            let pause = if calm { self.period } else { HASTE.min(self.period) };
            tokio::select! {
                () = drain.cancelled() => return Ok(()),
                () = self.shared.suspicion.notified() => tokio::time::sleep(Duration::from_millis(10)).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One round; whether all is well.
    pub async fn round(&mut self, ready: &Condition) -> bool {
        let moved = self.follow_settings();
        let found = self.sources.find().await;
        self.know(&found, moved);
        // Whoever begins a generation while the servers are asked makes their answers worth nothing for it.
        let generation = self.shared.watermark.generation();
        let (shared, timeout) = (self.shared.clone(), self.shared.policy.load().probe_timeout);
        let asked = self.nodes.iter_mut().map(|probed| probed.ask(&shared, timeout));
        let answers: Vec<Answer> = join_all(asked).await;
        let authority = self.authority(&answers, found.named.as_ref());
        let mut verdict = decide(&answers, &authority, &self.before(), self.shared.policy.load().max_replica_lag);
        let begun = self.note_primary(&answers, &verdict).await;
        if begun {
            // The history is another one now: who follows it is decided by it.
            verdict = decide(&answers, &authority, &self.before(), self.shared.policy.load().max_replica_lag);
        }
        let now = self.shared.watermark.generation();
        let generation = if now == generation + u64::from(begun) { now } else { 0 };
        self.judge_lag(&answers, &mut verdict);
        self.rank();
        self.publish(&answers, &verdict, generation);
        let primary = verdict
            .primary
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|place| answers[*place].as_ref().map(|_| ()).map_err(Clone::clone));
        match &primary {
            Ok(()) => ready.ok(),
            Err(why) => ready.failing(why.clone()),
        }
        primary.is_ok()
            && verdict.unfit.iter().enumerate().all(|(place, why)| why.is_none() || verdict.primary == Ok(place))
    }

    /// Takes out who is behind for too long, counted from when what it lacks was first seen on the primary.
    fn judge_lag(&mut self, answers: &[Answer], verdict: &mut Verdict) {
        let now = Instant::now();
        if let Some(Ok(leader)) = verdict.primary.as_ref().ok().map(|place| &answers[*place]) {
            self.trail.note(now, leader.offset);
        }
        let Some(longest) = self.shared.policy.load().max_replica_lag_time else { return };
        for (unfit, answer) in verdict.unfit.iter_mut().zip(answers) {
            let (None, Ok(seen)) = (&unfit, answer) else { continue };
            let lag = self.trail.lag(now, seen.offset);
            if lag > longest && !seen.is_primary {
                *unfit = Some(format!("it is {:.1} s behind the primary", lag.as_secs_f64()));
            }
        }
    }

    /// Tells each server's zone or distance, and its weight.
    fn rank(&self) {
        let policy = self.shared.policy.load();
        let nodes: Vec<&Node> = self.nodes.iter().map(|probed| &*probed.node).collect();
        let tiers: Vec<u8> = match (&policy.zone, policy.read_from) {
            (_, ReadFrom::Nearest) => {
                let before: Vec<u8> = nodes.iter().map(|node| node.tier()).collect();
                by_distance(&nodes.iter().map(|node| node.round_trip()).collect::<Vec<_>>(), &before)
            }
            (Some(zone), _) => {
                let is_here =
                    |node: &&Node| label(&policy.node_zones, &node.address).is_some_and(|found| found == zone);
                nodes.iter().map(|node| u8::from(!is_here(node))).collect()
            }
            (None, _) => vec![0; nodes.len()],
        };
        for (node, tier) in nodes.into_iter().zip(tiers) {
            node.set_standing(tier, label(&policy.node_weights, &node.address).copied().unwrap_or(1));
        }
    }

    /// Takes in which servers the settings name now.
    fn follow_settings(&mut self) -> Moved {
        let servers = self.shared.servers.load_full();
        if Arc::ptr_eq(&servers, &self.servers) {
            return Moved::No;
        }
        tracing::info!("the settings name other servers");
        if self.configured != servers.primary {
            // The new one is believed, if it says that it is a primary.
            (self.primary, self.configured) = (None, servers.primary.clone());
        }
        self.sources.replace(servers.fixed.clone(), servers.names.clone());
        self.servers = servers;
        Moved::Yes
    }

    /// Adds servers that are named for the first time, and forgets those that are gone.
    fn know(&mut self, found: &Found, moved: Moved) {
        let now = Instant::now();
        for address in &found.addresses {
            match self.nodes.iter_mut().find(|probed| probed.node.address == *address) {
                Some(probed) => probed.named = now,
                None => {
                    tracing::info!(node = %address, "a server is known");
                    let node = Node::new(self.next_number, address.clone());
                    self.nodes.push(Probed { named: now, ..Probed::new(node) });
                    self.next_number += 1;
                }
            }
        }
        let primary = self.primary;
        self.nodes.retain(|probed| {
            let kept = probed.named == now
                || moved == Moved::No && probed.connection.is_some() && !found.closed
                || Some(probed.node.number) == primary
                || moved == Moved::No && now.duration_since(probed.named) < FORGET;
            if !kept {
                tracing::info!(node = %probed.node.address, "a server is forgotten: nobody names it any more");
            }
            kept
        });
    }

    fn before(&self) -> Before {
        let place = |number| self.nodes.iter().position(|probed| probed.node.number == number);
        Before { primary: self.primary.and_then(place), history: self.history.clone() }
    }

    fn authority(&mut self, answers: &[Answer], named: Option<&Result<Endpoint, String>>) -> Authority {
        let place = |address: &Endpoint| self.nodes.iter().position(|probed| probed.node.address == *address);
        let Some(named) = named else {
            return Authority::Roles { configured: self.configured.as_ref().and_then(place) };
        };
        let named = named.as_ref().map_err(Clone::clone).map(place);
        let rivals = answers.iter().filter(|answer| answer.as_ref().is_ok_and(|seen| seen.is_primary)).count() > 1;
        let primary = self.primary;
        self.rivals_since = rivals.then(|| self.rivals_since.unwrap_or_else(|| (Instant::now(), primary)));
        // Once the Sentinels have named another one, the old claim means nothing.
        let fenced = self.rivals_since.is_some_and(|(since, then)| since.elapsed() < FENCE && then == primary)
            || self.shared.is_fenced();
        Authority::Sentinels { named, fenced }
    }

    /// Another primary, or another history of the same one, begins a generation. Whether that happened here.
    async fn note_primary(&mut self, answers: &[Answer], verdict: &Verdict) -> bool {
        let Ok(place) = verdict.primary else { return false };
        let Ok(seen) = &answers[place] else { return false };
        if self.learned != seen.run_id {
            if let Some((connection, _)) = &mut self.nodes[place].connection
                && let Ok(Some(table)) = tokio::time::timeout(
                    self.shared.policy.load().probe_timeout * 5,
                    learn_commands(connection, &self.shared.table.load()),
                )
                .await
            {
                self.shared.table.store(Arc::new(table));
                self.epoch += 1;
            }
            self.learned = seen.run_id.clone();
        }
        let number = self.nodes[place].node.number;
        let is_new = self.primary != Some(number) || self.history != seen.history;
        if is_new {
            tracing::info!(primary = %self.nodes[place].node.address, "the primary is known");
            (self.primary, self.history) = (Some(number), seen.history.clone());
            self.shared.lift_fence();
        }
        match History::parse(&seen.history) {
            // Said in each round: a worker that was late may have heard the old primary last.
            Some(history) => self.shared.watermark.enter(history),
            None => {
                if is_new {
                    self.shared.watermark.begin_generation();
                }
                is_new
            }
        }
    }

    fn publish(&mut self, answers: &[Answer], verdict: &Verdict, generation: u64) {
        let leader =
            verdict.primary.as_ref().ok().and_then(|place| answers[*place].as_ref().ok()).map_or(0, |seen| seen.offset);
        for (place, (probed, answer)) in self.nodes.iter().zip(answers).enumerate() {
            let is_primary = verdict.primary == Ok(place);
            let unfit = verdict.unfit[place].as_ref().filter(|_| !is_primary);
            let source = answer.as_ref().map(|seen| seen.source).unwrap_or_default();
            probed.node.set_fit(if unfit.is_none() && !is_primary { generation } else { 0 }, source);
            let before = probed.node.facts();
            let state = match (answer, unfit) {
                (Err(why), _) => why.clone(),
                (Ok(_), Some(why)) => why.clone(),
                (Ok(_), None) => "in use".to_owned(),
            };
            if before.state != state {
                tracing::info!(node = %probed.node.address, %state, "a server has changed");
            }
            probed.node.set_facts(match answer {
                Ok(seen) => Facts {
                    role: if seen.is_primary { "primary" } else { "replica" },
                    state,
                    version: seen.version.clone(),
                    offset: seen.offset,
                    lag_bytes: leader.saturating_sub(seen.offset),
                    lag: self.trail.lag(Instant::now(), seen.offset),
                },
                Err(_) => Facts { state, ..before },
            });
        }
        let topology = Topology {
            epoch: self.epoch,
            primary: verdict.primary.clone().map(|place| self.nodes[place].node.clone()),
            replicas: self.replicas(verdict),
        };
        self.shared.topology.send_if_modified(|current| {
            let number = |topology: &Topology| topology.primary.as_ref().map(|node| node.number).map_err(Clone::clone);
            let numbers = |topology: &Topology| topology.replicas.iter().map(|node| node.number).collect::<Vec<_>>();
            let changed = number(current) != number(&topology)
                || numbers(current) != numbers(&topology)
                || current.epoch < topology.epoch;
            if changed {
                self.epoch += 1;
                *current = Arc::new(Topology { epoch: self.epoch, ..topology });
            }
            changed
        });
    }

    fn replicas(&self, verdict: &Verdict) -> Vec<Arc<Node>> {
        let others = self.nodes.iter().enumerate().filter(|(place, _)| verdict.primary != Ok(*place));
        others.map(|(_, probed)| probed.node.clone()).collect()
    }
}

impl Probed {
    fn new(node: Arc<Node>) -> Probed {
        Probed { node, connection: None, named: Instant::now() }
    }

    async fn ask(&mut self, shared: &Shared, timeout: Duration) -> Answer {
        match tokio::time::timeout(timeout, self.ask_now(shared)).await {
            Ok(Ok(observation)) => Ok(observation),
            Ok(Err(why)) => {
                self.connection = None;
                Err(format!("{}: {why}", self.node.address))
            }
            Err(_) => {
                self.connection = None;
                Err(format!("{}: no answer within {timeout:?}", self.node.address))
            }
        }
    }

    async fn ask_now(&mut self, shared: &Shared) -> Result<Observation, String> {
        let connection = match &mut self.connection {
            Some((connection, _)) => connection,
            none => {
                let credentials = shared.credentials().map_err(|error| format!("{error:#}"))?;
                let seat = self.node.seat();
                &mut none.insert((connect(&shared.dialer, &self.node.address, credentials).await?, seat)).0
            }
        };
        let asked = Instant::now();
        // Spelled so that it can be told from what clients ask.
        let info: String = redis::cmd("iNFO").query_async(connection).await.map_err(|error| reason(&error))?;
        self.node.note_round_trip(asked.elapsed());
        Observation::parse(&info).ok_or_else(|| "it is neither a primary nor a replica".to_owned())
    }
}

/// Adds what the server's `COMMAND` lists to the known commands; `None` if there is nothing to add.
async fn learn_commands(connection: &mut MultiplexedConnection, known: &Table) -> Option<Table> {
    let reply: Vec<redis::Value> = redis::cmd("cOMMAND").query_async(connection).await.ok()?;
    let mut table = known.clone();
    for entry in &reply {
        let redis::Value::Array(fields) = entry else { continue };
        let (Some(name), Some(redis::Value::Array(flags) | redis::Value::Set(flags))) = (fields.first(), fields.get(2))
        else {
            continue;
        };
        let Some(name) = text(name) else { continue };
        table.learn(name, flags.iter().filter_map(text));
    }
    (table.names().len() > known.names().len()).then_some(table)
}

fn text(value: &redis::Value) -> Option<&str> {
    match value {
        redis::Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        redis::Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// Awaits all, at the same time.
pub async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in &mut running {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(cx)
            {
                *done = Some(output);
            }
        }
        if running.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    running.into_iter().filter_map(|(_, done)| done).collect()
}
