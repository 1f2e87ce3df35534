//! The options of `patterns ambassador-redis`, and the policy that the data path reads of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::core::secret::SecretFile;
use crate::core::values::{self, ByteSize, Endpoint};

use super::consistency::Consistency;
use super::dial::DialSettings;
use super::downstream::DoorSettings;
use super::faults::{FaultSettings, Faults};
use super::mirror::MirrorSettings;
use super::route::ReadFrom;
use super::standing::Label;
use super::topology::Mapping;

pub use super::topology::AddressMap;

/// The options.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Redis ambassador")]
pub struct Settings {
    /// The primary; whether it is one is verified, and a demotion is noticed
    #[arg(long, value_name = "HOST:PORT", required_unless_present_any = ["upstream", "sentinel", "cluster"])]
    pub primary: Option<Endpoint>,

    /// A replica of that primary; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    pub replica: Vec<Endpoint>,

    /// A server whose role is to be found out; a name may stand for many addresses, and is resolved again and again
    #[arg(long, value_name = "HOST:PORT")]
    pub upstream: Vec<Endpoint>,

    /// A Sentinel; may be given several times
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "upstream")]
    pub sentinel: Vec<Endpoint>,

    /// Servers of a Redis Cluster, a comma between two; the others are found from them. A name may stand for many addresses.
    /// The application uses an ordinary client, not one for a Cluster (CLUSTER and READONLY are refused as by a Redis without one), and
    /// sees one Redis with one database. Keys of several slots at once are refused (CROSSSLOT), except by MGET, MSET (atomic only
    /// within a slot), DEL, UNLINK, EXISTS and TOUCH; a transaction has one slot. CLIENT TRACKING works in RESP3 only (no REDIRECT), and
    /// a client that tracks reads from primaries; MONITOR shows what all primaries do, WAIT counts the replicas of the shard that has
    /// fewest; INFO tells of the shard with slot 0, INFO keyspace of all
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', conflicts_with_all = ["primary", "replica", "upstream", "sentinel"])]
    pub cluster: Vec<Endpoint>,

    /// How an address that Sentinels or a Cluster announce is reached from here, as HOST[:PORT]=HOST[:PORT]; may be given several times
    #[arg(long, value_name = "FROM=TO")]
    pub map_address: Vec<Mapping>,

    /// The name that the Sentinels have for the primary
    #[arg(long, value_name = "NAME", default_value = "mymaster")]
    pub sentinel_primary: String,

    /// File with the password of the Sentinels
    #[arg(long, value_name = "FILE")]
    pub sentinel_password_file: Option<SecretFile>,

    /// The user that the ambassador is to the servers
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub upstream_username: String,

    /// File with the password for the servers; without it clients authenticate themselves
    #[arg(long, value_name = "FILE")]
    pub upstream_password_file: Option<SecretFile>,

    /// File with users of the ambassador's own, in the form of Redis' ACL files: `user NAME on #SHA256 ~* +@all` (or +@read), one a
    /// line. Clients then authenticate here, not at the servers. Read again when it changes
    #[arg(long, value_name = "FILE")]
    pub users_file: Option<PathBuf>,

    /// Who answers reads: primary, prefer-primary, replica, prefer-replica, any, nearest
    #[arg(long, value_name = "POLICY", default_value = "prefer-replica", value_enum)]
    pub read_from: ReadFrom,

    /// What a read may miss: nothing that the primary has told any client of this ambassador (proxy) or the read's own connection
    /// (session), anything (eventual); `primary` reads from the primary only. In proxy and session what a connection reads never goes
    /// back in time; two connections may for a moment see different replicas of what others write
    #[arg(long, value_name = "SCOPE", default_value = "proxy", value_enum)]
    pub consistency: Consistency,

    /// How far a replica may trail behind the primary, in bytes of the replication stream, and still answer
    #[arg(long, value_name = "SIZE", default_value = "16MiB")]
    pub max_replica_lag: ByteSize,

    /// How long a replica may lack what the primary has, and still answer; measured from offsets, to the precision of --probe-period.
    /// 0 for as long as --max-replica-lag allows
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = values::duration)]
    pub max_replica_lag_time: Duration,

    /// The zone of this ambassador: replicas with the same --node-zone answer while one of them can
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,

    /// The zone of a server, as HOST=ZONE or HOST:PORT=ZONE; several with a comma between two, or given several times
    #[arg(long, value_name = "SERVER=ZONE", value_delimiter = ',')]
    pub node_zone: Vec<Label<String>>,

    /// The share of the sessions that a replica gets beside the others, as HOST=COUNT or HOST:PORT=COUNT; without one it is 1
    #[arg(long, value_name = "SERVER=COUNT", value_delimiter = ',')]
    pub node_weight: Vec<Label<u32>>,

    /// At most this part of the replicas is left alone for being far slower than the others; 0 for none
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub max_ejected: u8,

    /// How long requests wait for a primary that was there before, until they are answered with an error
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = values::duration)]
    pub failover_hold: Duration,

    /// How long a connection attempt to a server may take
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = values::duration)]
    pub connect_timeout: Duration,

    /// How long a server may leave a request unanswered before its connection is given up; 0 for ever, as a Redis would
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = values::duration)]
    pub reply_timeout: Duration,

    /// How often the role and the offset of each server are asked for
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = values::duration)]
    pub probe_period: Duration,

    /// How long a server may take to answer a probe
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = values::duration)]
    pub probe_timeout: Duration,

    /// Commands that are refused; a comma between two. What else an application may do to its Redis (REPLICAOF, CONFIG, DEBUG) is for
    /// the ACL of the servers to say; it is done by the primary
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "shutdown,failover")]
    pub deny: Vec<String>,

    /// The longest argument that a client may send
    #[arg(long, value_name = "SIZE", default_value = "512MiB")]
    pub max_bulk: ByteSize,

    /// The most clients at a time
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub max_clients: usize,

    /// Close clients that send nothing for this long; 0 for never
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = values::duration)]
    pub idle_timeout: Duration,

    /// Threads that carry requests. One is as fast as one Redis, and keeps the order in which different clients have sent their
    /// requests; more of them help when several replicas share the reads
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,

    /// Remember requests that take longer than this, from their arrival to their last reply; they are shown on the status page and,
    /// with their arguments, at /debug/slowlog
    #[arg(long, value_name = "DURATION", default_value = "10ms", value_parser = values::duration)]
    pub slowlog_slower_than: Duration,

    /// How many slow requests are remembered
    #[arg(long, value_name = "COUNT", default_value_t = 128)]
    pub slowlog_max_len: usize,

    /// The key of one in so many requests is counted, for /debug/hotkeys; 0 for none
    #[arg(long, value_name = "COUNT", default_value_t = 128)]
    pub key_sampling: u32,

    #[command(flatten)]
    pub doors: DoorSettings,

    #[command(flatten)]
    pub dial: DialSettings,

    #[command(flatten)]
    pub faults: FaultSettings,

    #[command(flatten)]
    pub mirror: MirrorSettings,
}

/// The servers that the settings name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    pub primary: Option<Endpoint>,
    /// The primary, if it is named, and the replicas.
    pub fixed: Vec<Endpoint>,
    pub names: Vec<Endpoint>,
}

impl Servers {
    pub fn new(settings: &Settings) -> Servers {
        Servers {
            primary: settings.primary.clone(),
            fixed: settings.primary.iter().chain(&settings.replica).cloned().collect(),
            names: settings.upstream.clone(),
        }
    }
}

/// What the settings may change while the process runs; the rest needs a new start.
pub const LIVE: &[&str] = &[
    "connect-timeout",
    "deny",
    "failover-hold",
    "fault-delay",
    "fault-error",
    "idle-timeout",
    "key-sampling",
    "max-bulk",
    "max-clients",
    "max-ejected",
    "max-replica-lag",
    "max-replica-lag-time",
    "node-weight",
    "node-zone",
    "primary",
    "probe-timeout",
    "read-from",
    "replica",
    "reply-timeout",
    "slowlog-slower-than",
    "upstream",
    "zone",
];

/// What the data path reads of the settings.
#[derive(Clone, Debug)]
pub struct Policy {
    pub read_from: ReadFrom,
    pub consistency: Consistency,
    pub failover_hold: Duration,
    pub connect_timeout: Duration,
    pub reply_timeout: Option<Duration>,
    pub idle_timeout: Option<Duration>,
    pub max_bulk: i64,
    /// How long a replica may leave a read unanswered before it is probed.
    pub replica_patience: Duration,
    /// In bytes.
    pub max_replica_lag: u64,
    pub max_replica_lag_time: Option<Duration>,
    pub probe_timeout: Duration,
    pub max_clients: usize,
    pub zone: Option<String>,
    pub node_zones: Vec<Label<String>>,
    pub node_weights: Vec<Label<u32>>,
    pub max_ejected: u8,
    /// From when on a request is slow.
    pub slow: Duration,
    pub key_sampling: u32,
    pub faults: Option<Arc<Faults>>,
    pub reconnect_first: Duration,
    pub reconnect_longest: Duration,
}

impl Policy {
    pub fn new(settings: &Settings) -> Policy {
        let some = |duration: Duration| (!duration.is_zero()).then_some(duration);
        Policy {
            read_from: settings.read_from,
            consistency: settings.consistency,
            failover_hold: settings.failover_hold,
            connect_timeout: settings.connect_timeout,
            reply_timeout: some(settings.reply_timeout),
            idle_timeout: some(settings.idle_timeout),
            max_bulk: i64::try_from(settings.max_bulk.0).unwrap_or(i64::MAX),
            replica_patience: settings.probe_timeout / 2,
            max_replica_lag: settings.max_replica_lag.0,
            probe_timeout: settings.probe_timeout,
            max_clients: settings.max_clients,
            max_replica_lag_time: some(settings.max_replica_lag_time),
            zone: settings.zone.clone(),
            node_zones: settings.node_zone.clone(),
            node_weights: settings.node_weight.clone(),
            max_ejected: settings.max_ejected,
            slow: settings.slowlog_slower_than,
            key_sampling: settings.key_sampling,
            faults: Faults::new(&settings.faults).map(Arc::new),
            reconnect_first: Duration::from_millis(10),
            reconnect_longest: Duration::from_secs(1),
        }
    }

    /// The same for a shard of a Cluster: its sessions are those of the ambassador as a whole, which closes them and strikes them with
    /// faults.
    pub fn of_shard(&self) -> Policy {
        Policy { idle_timeout: None, faults: None, ..self.clone() }
    }

    /// Whether a replica's answer must be proved to be new enough.
    pub fn is_guarded(&self) -> bool {
        self.counts_replies() && self.read_from != ReadFrom::Primary
    }

    /// Whether the primary's replies are counted: even while nobody reads from replicas, since that may change at any time.
    pub fn counts_replies(&self) -> bool {
        matches!(self.consistency, Consistency::Session | Consistency::Proxy)
    }
}
