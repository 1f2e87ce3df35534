//! Follows a Cluster: asks several of its servers, believes one picture, and makes it the shards that the threads work with.
//!
//! A round comes each probe period (with jitter), soon after a server has said `MOVED` or the like, and quickly while a shard is in
//! trouble; never more often than each [`AT_MOST`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::ambassador_redis::settings::{AddressMap, Settings};
use crate::ambassador_redis::shared::Shared;
use crate::ambassador_redis::topology::{Found, Node, Prober, Sources, Topology, connect, join_all, reason, resolve};
use crate::core::backoff::spread;
use crate::core::fault::Fault;
use crate::core::health::{Condition, Health};
use crate::core::values::Endpoint;

use super::keys::Keys;
use super::slots::{SLOTS, ShardNumber};
use super::view::{Member, Port, ShardView, View, choose};
use super::{Cluster, Shard};

/// The pause between two rounds while a shard is in trouble.
const HASTE: Duration = Duration::from_millis(100);
/// The shortest pause between two rounds.
const AT_MOST: Duration = Duration::from_millis(50);
/// How many servers are asked in a round.
const ASKED: usize = 8;
/// How long a shard that the Cluster does not name any more is kept.
const FORGET: Duration = Duration::from_secs(30);

/// The task that follows one Cluster.
pub struct Discovery {
    cluster: Arc<Cluster>,
    shared: Arc<Shared>,
    settings: Settings,
    connections: HashMap<Endpoint, MultiplexedConnection>,
    /// When each shard was last named.
    named: HashMap<ShardNumber, Instant>,
    next_number: u16,
    /// Which of the servers are asked next.
    turn: usize,
    drain: CancellationToken,
}

impl Discovery {
    pub fn new(cluster: &Arc<Cluster>, shared: &Arc<Shared>, settings: &Settings, drain: &CancellationToken) -> Self {
        Discovery {
            cluster: cluster.clone(),
            shared: shared.clone(),
            settings: settings.clone(),
            connections: HashMap::new(),
            named: HashMap::new(),
            next_number: 0,
            turn: 0,
            drain: drain.clone(),
        }
    }

    /// Looks once, and lets each shard be probed for a moment; for `explain`.
    pub async fn survey(&mut self) {
        self.round().await;
        let patience = Instant::now() + self.settings.probe_timeout * 2;
        while !self.cluster.is_surveyed() && Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Follows the Cluster until the process drains.
    pub async fn follow(mut self, ready: Condition) -> Result<(), Fault> {
        loop {
            self.round().await;
            let next = Instant::now() + self.settings.probe_period - spread(self.settings.probe_period / 5);
            tokio::time::sleep(AT_MOST).await;
            loop {
                let healthy = self.tell(&ready);
                if Instant::now() >= next || !healthy {
                    break;
                }
                tokio::select! {
                    () = self.drain.cancelled() => return Ok(()),
                    () = self.cluster.refresh.notified() => break,
                    () = tokio::time::sleep(HASTE) => {}
                }
            }
            if self.drain.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Says whether every shard that has slots is well.
    fn tell(&self, ready: &Condition) -> bool {
        if let Some(why) = &**self.cluster.unknown.load() {
            ready.failing(why.clone());
            return false;
        }
        let unserved = (0..SLOTS).filter(|slot| self.cluster.owners.shard(*slot).is_none()).count();
        if unserved > 0 {
            ready.failing(format!("nobody serves {unserved} of the {SLOTS} slots"));
            return false;
        }
        let shards = self.cluster.shards.load();
        let serving = shards.iter().filter(|shard| shard.serves.load(Relaxed));
        let ill: Vec<String> = serving
            .map(|shard| shard.health.ready())
            .filter(|answer| !answer.passes)
            .map(|answer| answer.text)
            .collect();
        match ill.first() {
            None => ready.ok(),
            Some(why) => ready.failing(format!("{} of {} shards: {}", ill.len(), shards.len(), why.trim())),
        }
        ill.is_empty()
    }

    async fn round(&mut self) {
        let mut why = Vec::new();
        let mut views = Vec::new();
        for (address, answer) in self.ask().await {
            match answer {
                Ok((connection, view)) => {
                    self.connections.insert(address, connection);
                    views.push(view);
                }
                Err(reason) => {
                    self.connections.remove(&address);
                    why.push(format!("{address}: {reason}"));
                }
            }
        }
        match choose(views) {
            Some(view) => {
                if self.cluster.unknown.load().is_some() {
                    self.learn_keys().await;
                }
                self.adopt(&view);
                self.cluster.unknown.store(Arc::new(None));
            }
            None if self.cluster.shards.load().is_empty() => {
                let why = if why.is_empty() { "no server of it knows its slots".to_owned() } else { why.join("; ") };
                tracing::warn!(reason = %why, "the Cluster is not known");
                self.cluster.unknown.store(Arc::new(Some(why)));
            }
            // What was known holds until somebody says otherwise.
            None => tracing::warn!(reason = %why.join("; "), "no server of the Cluster tells how it looks"),
        }
    }

    /// Asks some of the known servers, and the seeds while none of them answers.
    async fn ask(&mut self) -> Vec<(Endpoint, Result<(MultiplexedConnection, View), String>)> {
        let mut known: Vec<Endpoint> = Vec::new();
        for shard in self.cluster.shards.load().iter() {
            known.extend(shard.told.borrow().addresses.iter().cloned());
        }
        let mut seeds = Vec::new();
        if self.connections.is_empty() {
            seeds = resolve(&self.settings.cluster, self.settings.probe_timeout * 4).await;
        }
        self.turn += 1;
        let count = known.len().max(1);
        known.rotate_left(self.turn % count);
        known.truncate(ASKED);
        known.extend(seeds.into_iter().take(ASKED));
        known.sort();
        known.dedup();
        let (shared, timeout) = (&self.shared, self.settings.probe_timeout);
        let map = &self.cluster.map;
        let port = if self.settings.dial.upstream_tls { Port::Tls } else { Port::Plain };
        let connections = &self.connections;
        let asked = known.into_iter().map(|address| {
            let connection = connections.get(&address).cloned();
            async move {
                let answer = tokio::time::timeout(timeout, ask(shared, &address, connection, map, port)).await;
                (address, answer.unwrap_or_else(|_| Err(format!("no answer within {timeout:?}"))))
            }
        });
        join_all(asked).await
    }

    /// Makes the shards those of this view.
    fn adopt(&mut self, view: &View) {
        let before = self.cluster.shards.load_full();
        let mut shards: Vec<Arc<Shard>> = before.to_vec();
        let mut taken = HashSet::new();
        let mut changed = false;
        for (view, primary, same) in recognise(view, &before) {
            let shard = same.unwrap_or_else(|| {
                changed = true;
                let shard = self.begin(view, primary);
                shards.push(shard.clone());
                shard
            });
            taken.insert(shard.number);
            self.named.insert(shard.number, Instant::now());
            self.tell_shard(&shard, view, primary);
        }
        shards.retain(|shard| {
            let named = self.named.get(&shard.number).is_some_and(|at| at.elapsed() < FORGET);
            if !taken.contains(&shard.number) {
                shard.serves.store(false, Relaxed);
            }
            if !named {
                tracing::info!(shard = shard.number.0, "a shard is forgotten: the Cluster names it no more");
                shard.gone.cancel();
                changed = true;
            }
            named
        });
        if changed {
            self.cluster.shards.store(Arc::new(shards));
        }
        self.assign(view);
        if changed {
            self.cluster.changes.send_modify(|changes| *changes += 1);
        }
    }

    fn assign(&self, view: &View) {
        let mut owned = vec![false; usize::from(SLOTS)];
        for shard in &view.shards {
            let Some(owner) = shard.primary.as_ref().and_then(|primary| self.cluster.shard_at(&primary.address)) else {
                continue;
            };
            let slots = || shard.slots.iter().flat_map(|(first, last)| *first..=*last);
            if slots().any(|slot| self.cluster.owners.shard(slot) != Some(owner.number)) {
                owner.receive();
            }
            owner.serves.store(!shard.slots.is_empty(), Relaxed);
            for slot in slots() {
                self.cluster.owners.assign(slot, Some(owner.number));
                owned[usize::from(slot)] = true;
            }
        }
        for slot in (0..SLOTS).filter(|slot| !owned[usize::from(*slot)]) {
            self.cluster.owners.assign(slot, None);
        }
    }

    /// Tells a shard's probe which servers belong to it.
    fn tell_shard(&self, shard: &Shard, view: &ShardView, primary: &Member) {
        let members = || std::iter::once(primary).chain(&view.replicas);
        let addresses: Vec<Endpoint> = members().filter(|member| !member.failed).map(|m| m.address.clone()).collect();
        let found = Found { addresses, named: Some(Ok(primary.address.clone())), closed: true };
        let ids: Vec<String> = members().map(|member| member.id.clone()).collect();
        let leads = |ids: &[String]| ids.first() != Some(&primary.id);
        if leads(&shard.ids.load()) {
            self.cluster.owners.note_change();
        }
        shard.ids.store(Arc::new(ids));
        let changed = shard.told.send_if_modified(|told| {
            let changed = told.addresses != found.addresses || told.named != found.named;
            *told = found;
            changed
        });
        if changed {
            shard.shared.suspicion.notify_one();
        }
    }

    /// Begins to probe a shard.
    fn begin(&mut self, view: &ShardView, primary: &Member) -> Arc<Shard> {
        let number = ShardNumber(self.next_number);
        self.next_number += 1;
        tracing::info!(shard = number.0, primary = %primary.address, replicas = view.replicas.len(), "a shard is known");
        let members = std::iter::once(primary).chain(&view.replicas);
        let nodes: Vec<Arc<Node>> =
            (0..).zip(members).map(|(place, member)| Node::new(place, member.address.clone())).collect();
        let topology = Topology { epoch: 0, primary: Ok(nodes[0].clone()), replicas: nodes[1..].to_vec() };
        let shared = self.shared.of_shard(topology);
        let (told, listens) = watch::channel(Found::default());
        let shard = Arc::new(Shard {
            number,
            shared: shared.clone(),
            told,
            ids: ArcSwap::default(),
            serves: AtomicBool::new(!view.slots.is_empty()),
            health: Health::default(),
            gone: CancellationToken::new(),
        });
        self.tell_shard(&shard, view, primary);
        let sources = Sources::told(&shared, listens);
        let prober = Prober::new(&shared, sources, nodes, &self.settings);
        tokio::spawn(prober.follow(shard.health.condition("primary"), shard.gone.clone()));
        shard
    }

    /// Asks one server where the keys of commands stand that are not Redis' own.
    async fn learn_keys(&mut self) {
        let Some(connection) = self.connections.values_mut().next() else { return };
        let command = redis::cmd("COMMAND");
        let answer = tokio::time::timeout(self.settings.probe_timeout * 5, command.query_async(connection)).await;
        let Ok(Ok(Value::Array(entries))) = answer else { return };
        let learned = entries.iter().filter_map(|entry| match entry {
            Value::Array(fields) => match (fields.first()?, fields.get(3..6)?) {
                (Value::BulkString(name), [Value::Int(first), Value::Int(last), Value::Int(step)]) => Some((
                    String::from_utf8_lossy(name).to_ascii_lowercase(),
                    Keys::from_command(*first, *last, *step)?,
                )),
                _ => None,
            },
            _ => None,
        });
        self.cluster.learned.store(Arc::new(learned.collect()));
    }
}

/// Which of the known shards those of a view are: a shard is recognised by its primary, and after a failover by the replica that has
/// become it. Primaries without slots count last, and only if they are not members of another shard: one that has just been replaced
/// does not know whom to follow yet.
fn recognise<'a>(view: &'a View, known: &[Arc<Shard>]) -> Vec<(&'a ShardView, &'a Member, Option<Arc<Shard>>)> {
    let leads = |shard: &Shard, id: &str| shard.ids.load().first().is_some_and(|first| first == id);
    let belongs = |shard: &Shard, id: &str| shard.ids.load().iter().any(|member| member == id);
    let (serving, empty): (Vec<_>, Vec<_>) = view
        .shards
        .iter()
        .filter_map(|shard| Some((shard, shard.primary.as_ref()?)))
        .partition(|(shard, _)| !shard.slots.is_empty());
    let mut taken: HashSet<ShardNumber> = HashSet::new();
    let mut find = |id: &str, fits: &dyn Fn(&Shard, &str) -> bool| {
        let found = known.iter().find(|shard| !taken.contains(&shard.number) && fits(shard, id)).cloned();
        taken.extend(found.as_ref().map(|shard| shard.number));
        found
    };
    let mut recognised: Vec<_> =
        serving.into_iter().map(|(shard, primary)| (shard, primary, find(&primary.id, &leads))).collect();
    for (_, primary, same) in &mut recognised {
        if same.is_none() {
            *same = find(&primary.id, &belongs);
        }
    }
    for (shard, primary) in empty {
        let same = find(&primary.id, &leads);
        if same.is_some() || !primary.failed && !known.iter().any(|other| belongs(other, &primary.id)) {
            recognised.push((shard, primary, same));
        }
    }
    recognised
}

/// What one server says of its Cluster.
async fn ask(
    shared: &Shared,
    address: &Endpoint,
    connection: Option<MultiplexedConnection>,
    map: &AddressMap,
    port: Port,
) -> Result<(MultiplexedConnection, View), String> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => connect(&shared.dialer, address, shared.credentials().map_err(|error| format!("{error:#}"))?).await?,
    };
    let host = match address {
        Endpoint::Tcp { host, .. } => host.as_str(),
        Endpoint::Unix(_) => "localhost",
    };
    let shards: Result<Value, _> = redis::cmd("CLUSTER").arg("SHARDS").query_async(&mut connection).await;
    let view = match shards {
        Ok(reply) => View::from_shards(&reply, host, port),
        // Before 7.0.
        Err(error) if error.is_connection_dropped() || error.is_io_error() => return Err(reason(&error)),
        Err(_) => {
            let reply = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await;
            View::from_slots(&reply.map_err(|error| reason(&error))?, host)
        }
    };
    let mut view = view.ok_or("its description of the Cluster cannot be understood")?;
    let info: String =
        redis::cmd("CLUSTER").arg("INFO").query_async(&mut connection).await.map_err(|error| reason(&error))?;
    for shard in &mut view.shards {
        for member in shard.primary.iter_mut().chain(&mut shard.replicas) {
            member.address = map.apply(&member.address);
        }
    }
    Ok((connection, view.with_info(&info)))
}
