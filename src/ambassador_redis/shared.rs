//! What the workers, the probe and the pages share: policy, topology, watermark, command table, statistics.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use super::cluster::Cluster;
use super::command::{Class, Table};
use super::consistency::Watermark;
use super::dial::Dialer;
use super::insight::Slowlog;
use super::metrics::{Refused, Stats};
use super::mirror::Mirror;
use super::session::Ended;
use super::settings::{AddressMap, Policy, Servers, Settings};
use super::topology::Topology;
use super::users::Users;
use crate::core::rotating::Rotating;
use crate::core::secret::{Secret, SecretFile};

/// Lanes of a worker: one for all that has none of its own, and one each for its shared connections to the primary.
pub const LANES: usize = 16;

/// How long a Sentinel's event makes the probe hasten.
const ALARM: Duration = Duration::from_secs(15);
/// How long writes wait after a Sentinel has selected the next primary, unless that one shows itself: the promotion takes a few
/// milliseconds, and what the old primary acknowledges from then on is lost.
const SELECTED: Duration = Duration::from_secs(3);

/// For how long after a `DEBUG` every read goes to the primary: what is debugged there would otherwise happen to nobody.
const DEBUGGED: Duration = Duration::from_secs(5);

/// Reads of several keys, and scripts: while a slot is being moved, a replica of its old shard lacks some of the keys without knowing it,
/// and what it answers does not show that.
const WHOLE_READS: [&str; 13] = [
    "mget",
    "sdiff",
    "sinter",
    "sintercard",
    "sunion",
    "zdiff",
    "zinter",
    "zintercard",
    "zunion",
    "pfcount",
    "lcs",
    "eval_ro",
    "fcall_ro",
];

/// What a set of servers is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: it is all there is.
    Alone,
    /// A Cluster.
    Shard,
}

/// One per process, and one for each shard of a Cluster.
pub struct Shared {
    pub kind: Kind,
    /// The Cluster whose shards have the servers, if it is one.
    pub cluster: Option<Arc<Cluster>>,
    /// Replaced when the settings are read again.
    pub policy: ArcSwap<Policy>,
    /// Where the servers' addresses come from; replaced likewise.
    pub servers: ArcSwap<Servers>,
    pub topology: watch::Sender<Arc<Topology>>,
    pub watermark: Watermark,
    pub table: ArcSwap<Table>,
    /// Told when a worker has seen something that the probe should look at.
    pub suspicion: Notify,
    /// One for each worker.
    pub stats: Vec<Arc<Stats>>,
    pub sessions: AtomicUsize,
    pub refused: Refused,
    pub slowlog: Arc<Slowlog>,
    pub dialer: Dialer,
    /// The ambassador's own users, if it has some.
    pub users: Option<Arc<Rotating<Users>>>,
    pub mirror: Option<Mirror>,
    pub next_session: AtomicU64,
    username: String,
    password_file: Option<SecretFile>,
    sentinel_password_file: Option<SecretFile>,
    /// Until when the servers are probed in haste, in milliseconds since the start.
    alarmed_until: AtomicU64,
    /// Until when the primary is not written to, counted alike.
    fenced_until: AtomicU64,
    /// Until when a client has paused the primary.
    paused_until: AtomicU64,
    /// Whose sessions a client has ended last, for the workers to follow.
    pub ended: ArcSwap<Ended>,
    /// Until when the primary is looked at closely by a client.
    debugged_until: AtomicU64,
    started: Instant,
}

impl Shared {
    pub fn new(
        settings: &Settings,
        dialer: Dialer,
        users: Option<Arc<Rotating<Users>>>,
        mirror: Option<Mirror>,
        topology: Topology,
    ) -> Arc<Shared> {
        let workers = usize::from(settings.workers);
        let table = Table::with_policy(&settings.deny);
        Arc::new(Shared {
            kind: Kind::Alone,
            cluster: (!settings.cluster.is_empty())
                .then(|| Arc::new(Cluster::new(AddressMap::new(&settings.map_address)))),
            policy: ArcSwap::from_pointee(Policy::new(settings)),
            servers: ArcSwap::from_pointee(Servers::new(settings)),
            topology: watch::Sender::new(Arc::new(topology)),
            watermark: Watermark::new(workers, LANES),
            table: ArcSwap::from_pointee(table),
            suspicion: Notify::new(),
            stats: (0..workers).map(|_| Arc::new(Stats::default())).collect(),
            sessions: AtomicUsize::new(0),
            refused: Refused::default(),
            slowlog: Arc::new(Slowlog::new(settings.slowlog_max_len)),
            dialer,
            users,
            mirror,
            next_session: AtomicU64::new(1),
            username: settings.upstream_username.clone(),
            password_file: settings.upstream_password_file.clone(),
            sentinel_password_file: settings.sentinel_password_file.clone(),
            alarmed_until: AtomicU64::new(0),
            fenced_until: AtomicU64::new(0),
            paused_until: AtomicU64::new(0),
            ended: ArcSwap::default(),
            debugged_until: AtomicU64::new(0),
            started: Instant::now(),
        })
    }

    /// Takes in settings that were read again, as far as that goes without a new start.
    pub fn reload(&self, settings: &Settings) {
        // What was told is counted, or not, from the start.
        let policy = Policy { consistency: self.policy.load().consistency, ..Policy::new(settings) };
        for set in self.cluster.iter().flat_map(|cluster| cluster.sets()) {
            set.policy.store(Arc::new(policy.of_shard()));
            set.suspicion.notify_one();
        }
        self.policy.store(Arc::new(policy));
        let servers = Servers::new(settings);
        if **self.servers.load() != servers {
            self.servers.store(Arc::new(servers));
        }
        self.table.store(Arc::new(self.table.load().denying(&settings.deny)));
        self.suspicion.notify_one();
    }

    /// The same for one shard of a Cluster: a set of its own, with the policy, the credentials and the counters of the process.
    pub fn of_shard(&self, topology: Topology) -> Arc<Shared> {
        let mut table = Table::clone(&self.table.load());
        let policy = self.policy.load().of_shard();
        if policy.is_guarded() {
            for name in WHOLE_READS {
                table.reclass(name, Class::PrimaryRead);
            }
        }
        Arc::new(Shared {
            kind: Kind::Shard,
            cluster: None,
            policy: ArcSwap::from_pointee(policy),
            servers: ArcSwap::new(self.servers.load_full()),
            topology: watch::Sender::new(Arc::new(topology)),
            watermark: Watermark::new(self.stats.len(), LANES),
            table: ArcSwap::from_pointee(table),
            suspicion: Notify::new(),
            stats: self.stats.clone(),
            sessions: AtomicUsize::new(0),
            refused: Refused::default(),
            slowlog: self.slowlog.clone(),
            dialer: self.dialer.clone(),
            users: self.users.clone(),
            mirror: None,
            next_session: AtomicU64::new(1),
            username: self.username.clone(),
            password_file: self.password_file.clone(),
            sentinel_password_file: None,
            alarmed_until: AtomicU64::new(0),
            paused_until: AtomicU64::new(0),
            ended: ArcSwap::default(),
            debugged_until: AtomicU64::new(0),
            fenced_until: AtomicU64::new(0),
            started: Instant::now(),
        })
    }

    /// The sets of servers: this one, or those of the Cluster's shards.
    pub fn sets(self: &Arc<Self>) -> Vec<Arc<Shared>> {
        self.cluster.as_ref().map_or_else(|| vec![self.clone()], |cluster| cluster.sets())
    }

    /// Data has come into the set that its replicas may lack: they must be proved anew.
    pub fn unsettle(&self) {
        self.watermark.begin_generation();
        self.suspicion.notify_one();
    }

    /// User and password for the servers, read now.
    ///
    /// # Errors
    /// The password file cannot be read.
    pub fn credentials(&self) -> anyhow::Result<Option<(String, Secret)>> {
        let Some(file) = &self.password_file else { return Ok(None) };
        Ok(Some((self.username.clone(), file.read()?)))
    }

    /// User and password for the Sentinels, read now.
    ///
    /// # Errors
    /// The password file cannot be read.
    pub fn sentinel_credentials(&self) -> Result<Option<(String, Secret)>, String> {
        let Some(file) = &self.sentinel_password_file else { return Ok(None) };
        Ok(Some(("default".to_owned(), file.read().map_err(|error| format!("{error:#}"))?)))
    }

    /// A Sentinel tells that something happens: for a while the servers are probed in haste.
    pub fn alarm(&self) {
        self.alarmed_until.store(self.millis(ALARM), Relaxed);
    }

    pub fn is_alarmed(&self) -> bool {
        self.millis(Duration::ZERO) < self.alarmed_until.load(Relaxed)
    }

    /// A Sentinel has selected another server as the next primary.
    pub fn fence(&self) {
        self.fenced_until.store(self.millis(SELECTED), Relaxed);
    }

    /// The next primary is known, or there will be none.
    pub fn lift_fence(&self) {
        self.fenced_until.store(0, Relaxed);
    }

    pub fn is_fenced(&self) -> bool {
        self.millis(Duration::ZERO) < self.fenced_until.load(Relaxed)
    }

    /// A client lets the primary pause for so long (`CLIENT PAUSE`), or ends that.
    pub fn pause(&self, duration: Duration) {
        self.paused_until.store(self.millis(duration), Relaxed);
    }

    pub fn is_paused(&self) -> bool {
        let until = self.paused_until.load(Relaxed);
        until > 0 && self.millis(Duration::ZERO) < until
    }

    /// A client debugs the primary: for a while it is that server that everybody talks to.
    pub fn debug(&self) {
        self.debugged_until.store(self.millis(DEBUGGED), Relaxed);
    }

    pub fn is_debugged(&self) -> bool {
        let until = self.debugged_until.load(Relaxed);
        until > 0 && self.millis(Duration::ZERO) < until
    }

    /// Milliseconds since the start, so much from now.
    fn millis(&self, ahead: Duration) -> u64 {
        u64::try_from((self.started.elapsed() + ahead).as_millis()).unwrap_or(u64::MAX)
    }
}
