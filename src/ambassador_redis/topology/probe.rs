//! Asks the servers, round after round, and publishes what follows from their answers.
//!
//! A round comes each period, at once when a worker suspects something, and quickly while something is wrong. The control plane speaks
//! through the `redis` crate; it has its own connections, so that a probe overtakes what waits on the data path.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;

use crate::ambassador_redis::command::Table;
use crate::ambassador_redis::shared::Shared;
use crate::core::fault::Fault;
use crate::core::health::Condition;
use crate::core::values::Endpoint;

use super::view::{Answer, Before, Observation, Verdict, decide};
use super::{Facts, Node, Topology};

/// The pause between two rounds while something is wrong.
const HASTE: Duration = Duration::from_millis(100);

/// The servers, their control connections, and what was decided last.
pub struct Prober {
    shared: Arc<Shared>,
    nodes: Vec<Probed>,
    configured: Option<usize>,
    before: Before,
    max_lag: u64,
    period: Duration,
    timeout: Duration,
    epoch: u64,
    learned: String,
}

struct Probed {
    node: Arc<Node>,
    connection: Option<MultiplexedConnection>,
}

impl Prober {
    /// The first node is the configured primary.
    pub fn new(
        shared: &Arc<Shared>,
        nodes: Vec<Arc<Node>>,
        max_lag: u64,
        period: Duration,
        timeout: Duration,
    ) -> Prober {
        Prober {
            shared: shared.clone(),
            nodes: nodes.into_iter().map(|node| Probed { node, connection: None }).collect(),
            configured: Some(0),
            before: Before::default(),
            max_lag,
            period,
            timeout,
            epoch: 0,
            learned: String::new(),
        }
    }

    /// Probes until the process drains.
    pub async fn follow(mut self, ready: Condition, drain: tokio_util::sync::CancellationToken) -> Result<(), Fault> {
        loop {
            let calm = self.round(&ready).await;
            let pause = if calm { self.period } else { HASTE.min(self.period) };
            tokio::select! {
                () = drain.cancelled() => return Ok(()),
                () = self.shared.suspicion.notified() => tokio::time::sleep(Duration::from_millis(10)).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One round; whether all is well.
    async fn round(&mut self, ready: &Condition) -> bool {
        let (shared, timeout) = (self.shared.clone(), self.timeout);
        let asked = self.nodes.iter_mut().map(|probed| probed.ask(&shared, timeout));
        let answers: Vec<Answer> = join_all(asked).await;
        let mut verdict = decide(&answers, self.configured, &self.before, self.max_lag);
        let changed = self.note_primary(&answers, &verdict).await;
        if changed {
            // The history is another one now: who follows it is decided by it.
            verdict = decide(&answers, self.configured, &self.before, self.max_lag);
        }
        self.publish(&answers, &verdict);
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

    /// Another primary or another history begins a generation. Whether it did.
    async fn note_primary(&mut self, answers: &[Answer], verdict: &Verdict) -> bool {
        let Ok(place) = verdict.primary else { return false };
        let Ok(seen) = &answers[place] else { return false };
        if self.learned != seen.run_id {
            if let Some(connection) = &mut self.nodes[place].connection
                && let Ok(Some(table)) =
                    tokio::time::timeout(self.timeout * 5, learn_commands(connection, &self.shared.table.load())).await
            {
                self.shared.table.store(Arc::new(table));
                self.epoch += 1;
            }
            self.learned = seen.run_id.clone();
        }
        if self.before.primary == Some(place) && self.before.history == seen.history {
            return false;
        }
        let generation = self.shared.watermark.begin_generation();
        tracing::info!(primary = %self.nodes[place].node.address, generation, "the primary is known");
        self.before = Before { primary: Some(place), history: seen.history.clone() };
        true
    }

    fn publish(&mut self, answers: &[Answer], verdict: &Verdict) {
        let generation = self.shared.watermark.generation();
        let leader =
            verdict.primary.as_ref().ok().and_then(|place| answers[*place].as_ref().ok()).map_or(0, |seen| seen.offset);
        for (place, (probed, answer)) in self.nodes.iter().zip(answers).enumerate() {
            let is_primary = verdict.primary == Ok(place);
            let unfit = verdict.unfit[place].as_ref().filter(|_| !is_primary);
            probed.node.set_fit(if unfit.is_none() && !is_primary { generation } else { 0 });
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
            Some(connection) => connection,
            none => none.insert(connect(&self.node.address, shared).await?),
        };
        let info: String = redis::cmd("INFO").query_async(connection).await.map_err(|error| reason(&error))?;
        Observation::parse(&info).ok_or_else(|| "it is neither a primary nor a replica".to_owned())
    }
}

/// Opens a control connection.
async fn connect(address: &Endpoint, shared: &Shared) -> Result<MultiplexedConnection, String> {
    let address = match address {
        Endpoint::Tcp { host, port } => redis::ConnectionAddr::Tcp(host.clone(), *port),
        Endpoint::Unix(path) => redis::ConnectionAddr::Unix(path.clone()),
    };
    let mut settings = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some((user, password)) = shared.credentials().map_err(|error| format!("{error:#}"))? {
        settings = settings.set_username(user).set_password(password.expose());
    }
    let info = redis::IntoConnectionInfo::into_connection_info(address)
        .map_err(|error| reason(&error))?
        .set_redis_settings(settings);
    let client = redis::Client::open(info).map_err(|error| reason(&error))?;
    client.get_multiplexed_async_connection().await.map_err(|error| reason(&error))
}

fn reason(error: &redis::RedisError) -> String {
    // The crate repeats itself: "I/O error: Connection refused (os error 111)".
    let text = error.to_string();
    text.trim_end_matches('.').to_lowercase()
}

/// Adds what the server's `COMMAND` lists to the known commands; `None` if there is nothing to add.
async fn learn_commands(connection: &mut MultiplexedConnection, known: &Table) -> Option<Table> {
    let reply: Vec<redis::Value> = redis::cmd("COMMAND").query_async(connection).await.ok()?;
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
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
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
