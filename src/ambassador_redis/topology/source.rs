//! Where the servers' addresses come from: the settings, a DNS name that stands for several, or Sentinels.
//!
//! Settings come in; each round, the addresses to probe and, with Sentinels, whom they name as the primary go out. Of several Sentinels
//! the one with the highest configuration epoch is believed: after a failover the others still tell the old view for seconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tokio::sync::watch;

use crate::ambassador_redis::settings::AddressMap;
use crate::ambassador_redis::shared::Shared;
use crate::core::backoff::Backoff;
use crate::core::values::Endpoint;

use super::control::{connect, reason};

/// How often names are resolved again.
const RESOLVE: Duration = Duration::from_secs(5);
/// Addresses that one source may bring; more are no one's replicas.
const MAX_ADDRESSES: usize = 64;

/// What a round works with.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub addresses: Vec<Endpoint>,
    /// Whom the Sentinels name; `None` if no Sentinel is asked, an error if none knows.
    pub named: Option<Result<Endpoint, String>>,
    /// Whether only these servers belong to the set.
    pub closed: bool,
}

/// The sources of one ambassador.
pub struct Sources {
    shared: Arc<Shared>,
    fixed: Vec<Endpoint>,
    names: Vec<Endpoint>,
    resolved: Vec<Endpoint>,
    resolved_at: Option<Instant>,
    sentinels: Vec<Sentinel>,
    primary_name: String,
    timeout: Duration,
    map: AddressMap,
    /// What the Cluster says of this shard.
    told: Option<watch::Receiver<Found>>,
}

struct Sentinel {
    address: Endpoint,
    connection: Option<MultiplexedConnection>,
}

/// The view of one Sentinel.
struct View {
    /// Its configuration epoch, and whether it is done with that: the leader of a failover has the new epoch while it still tells the
    /// old primary.
    standing: (u64, bool),
    primary: Endpoint,
    replicas: Vec<Endpoint>,
}

impl Sources {
    pub fn new(
        shared: &Arc<Shared>,
        fixed: Vec<Endpoint>,
        names: Vec<Endpoint>,
        sentinels: Vec<Endpoint>,
        primary_name: String,
        timeout: Duration,
        map: AddressMap,
    ) -> Sources {
        Sources {
            shared: shared.clone(),
            fixed,
            names,
            resolved: Vec::new(),
            resolved_at: None,
            sentinels: sentinels.into_iter().map(|address| Sentinel { address, connection: None }).collect(),
            primary_name,
            timeout,
            map,
            told: None,
        }
    }

    /// The source of a shard: whoever follows the Cluster tells its servers.
    pub fn told(shared: &Arc<Shared>, told: watch::Receiver<Found>) -> Sources {
        let none = Vec::new;
        let map = AddressMap::default();
        let sources = Sources::new(shared, none(), none(), none(), String::new(), Duration::ZERO, map);
        Sources { told: Some(told), ..sources }
    }

    /// The addresses of the Sentinels, for those who listen to their events, and the name to listen for.
    pub fn sentinels(&self) -> (Vec<Endpoint>, String) {
        (self.sentinels.iter().map(|sentinel| sentinel.address.clone()).collect(), self.primary_name.clone())
    }

    /// The settings name other servers.
    pub fn replace(&mut self, fixed: Vec<Endpoint>, names: Vec<Endpoint>) {
        (self.fixed, self.names) = (fixed, names);
        (self.resolved, self.resolved_at) = (Vec::new(), None);
    }

    /// Looks for servers.
    pub async fn find(&mut self) -> Found {
        if let Some(told) = &self.told {
            return told.borrow().clone();
        }
        self.resolve().await;
        let addresses = [self.fixed.as_slice(), &self.resolved].concat();
        let mut found = Found { addresses, ..Found::default() };
        if self.sentinels.is_empty() {
            return found;
        }
        let (shared, name, timeout) = (&self.shared, self.primary_name.as_str(), self.timeout);
        let asked = self.sentinels.iter_mut().map(|sentinel| sentinel.ask(shared, name, timeout));
        let mut best: Option<View> = None;
        let mut why = Vec::new();
        for answer in super::probe::join_all(asked).await {
            match answer {
                Ok(view) if best.as_ref().is_none_or(|best| view.standing > best.standing) => best = Some(view),
                Ok(_) => {}
                Err(reason) => why.push(reason),
            }
        }
        match best {
            Some(view) => {
                let primary = self.map.apply(&view.primary);
                found.addresses.push(primary.clone());
                found.addresses.extend(view.replicas.iter().take(MAX_ADDRESSES).map(|replica| self.map.apply(replica)));
                found.named = Some(Ok(primary));
            }
            None => found.named = Some(Err(format!("no Sentinel answers: {}", why.join("; ")))),
        }
        found
    }

    async fn resolve(&mut self) {
        if self.names.is_empty() || self.resolved_at.is_some_and(|at| at.elapsed() < RESOLVE) {
            return;
        }
        let mut resolved = resolve(&self.names, self.timeout * 4).await;
        self.resolved_at = Some(Instant::now());
        // A failing name server must not take the servers away that are known.
        if !resolved.is_empty() {
            resolved.sort();
            resolved.dedup();
            self.resolved = resolved;
        }
    }
}

/// The addresses that these names stand for now; a name that cannot be resolved is left out.
pub async fn resolve(names: &[Endpoint], timeout: Duration) -> Vec<Endpoint> {
    let mut resolved = Vec::new();
    for name in names {
        let Endpoint::Tcp { host, port } = name else {
            resolved.push(name.clone());
            continue;
        };
        match tokio::time::timeout(timeout, tokio::net::lookup_host((host.as_str(), *port))).await {
            Ok(Ok(addresses)) => resolved.extend(
                addresses.take(MAX_ADDRESSES).map(|at| Endpoint::Tcp { host: at.ip().to_string(), port: at.port() }),
            ),
            Ok(Err(error)) => tracing::warn!(name = %name, %error, "a name cannot be resolved"),
            Err(_) => tracing::warn!(name = %name, "a name is not resolved in time"),
        }
    }
    resolved
}

impl Sentinel {
    async fn ask(&mut self, shared: &Shared, name: &str, timeout: Duration) -> Result<View, String> {
        let answer = match tokio::time::timeout(timeout, self.ask_now(shared, name)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {timeout:?}")),
        };
        if answer.is_err() {
            self.connection = None;
        }
        answer.map_err(|why| format!("{}: {why}", self.address))
    }

    async fn ask_now(&mut self, shared: &Shared, name: &str) -> Result<View, String> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(&shared.dialer, &self.address, shared.sentinel_credentials()?).await?),
        };
        let ask = |what: &'static str| {
            let mut command = redis::cmd("SENTINEL");
            command.arg(what).arg(name);
            command
        };
        let primary: HashMap<String, String> =
            ask("MASTER").query_async(connection).await.map_err(|error| reason(&error))?;
        let replicas: Vec<HashMap<String, String>> =
            ask("REPLICAS").query_async(connection).await.map_err(|error| reason(&error))?;
        let epoch = primary.get("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
        let settled = primary.get("flags").is_none_or(|flags| !flags.contains("failover_in_progress"));
        Ok(View {
            standing: (epoch, settled),
            primary: address(&primary).ok_or("it tells no address of the primary")?,
            replicas: replicas.iter().filter_map(address).collect(),
        })
    }
}

fn address(fields: &HashMap<String, String>) -> Option<Endpoint> {
    Some(Endpoint::Tcp { host: fields.get("ip")?.clone(), port: fields.get("port")?.parse().ok()? })
}

/// Listens to the events of one Sentinel: each is a reason to probe now; that it has selected the next primary is one to hold writes.
pub async fn listen(shared: Arc<Shared>, address: Endpoint, primary_name: String) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        if let Err(why) = follow_events(&shared, &address, &primary_name, &mut backoff).await {
            tracing::debug!(sentinel = %address, %why, "the events of a Sentinel are not heard");
        }
        tokio::time::sleep(backoff.next_pause()).await;
    }
}

async fn follow_events(
    shared: &Shared,
    address: &Endpoint,
    primary_name: &str,
    backoff: &mut Backoff,
) -> Result<(), String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = shared.dialer.dial(address).await.map_err(|error| error.to_string())?;
    let mut hello = Vec::new();
    if let Some((user, password)) = shared.sentinel_credentials()? {
        let words: [&[u8]; 3] = [b"AUTH", user.as_bytes(), password.expose().as_bytes()];
        crate::ambassador_redis::resp::encode::command(&mut hello, &words);
    }
    let channels: [&[u8]; 6] =
        [b"PSUBSCRIBE", b"+*switch*", b"+*selected*", b"+*promoted*", b"*odown*", b"-failover-abort*"];
    let about = format!(" @ {primary_name} ");
    crate::ambassador_redis::resp::encode::command(&mut hello, &channels);
    stream.write_all(&hello).await.map_err(|error| error.to_string())?;
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("it closed the connection".to_owned());
        }
        backoff.reset();
        let says = |text: &[u8]| memchr::memmem::find(&buffer[..read], text).is_some();
        if says(b"\r\n-failover-abort") {
            shared.lift_fence();
        } else if says(b"\r\n+selected-slave\r\n") && says(about.as_bytes()) {
            shared.fence();
        }
        shared.suspicion.notify_one();
        shared.alarm();
    }
}
