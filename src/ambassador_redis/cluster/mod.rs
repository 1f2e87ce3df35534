//! A Redis Cluster that looks like one Redis.
//!
//! ```text
//!            plan.rs, keys.rs       slots.rs         pipe.rs
//! client → front → which shard? → its owner now → a session of that shard → replies → order.rs → client
//!                                     ↑                                        │
//!                        discovery.rs, view.rs ←──── redirect.rs (MOVED, ASK) ──┘
//! ```
//!
//! Each shard is a set of servers like any other: its own probe, its own watermark, and on each thread a worker of its own. A client's
//! [`front`] splits what the client sends by slots, gives each part to a session of that shard's worker, and puts the replies in order.
//! So each shard splits reads, keeps consistency, holds writes in a failover and carries transactions as a single set does.
//!
//! What a single Redis does atomically over several slots is refused in Redis' words (`CROSSSLOT`), except where taking it apart is what
//! every Cluster client does: `MGET`, `MSET`, `DEL`, `UNLINK`, `EXISTS`, `TOUCH` (then `MSET` is atomic only within one slot).

mod discovery;
mod explain;
mod fleet;
mod front;
mod keys;
mod merge;
mod order;
mod pipe;
mod plan;
mod redirect;
mod slots;
mod view;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::settings::AddressMap;
use super::shared::Shared;
use super::topology::Found;
use crate::core::health::Health;
use crate::core::values::Endpoint;

pub use discovery::Discovery;
pub use explain::Way;
pub use fleet::Fleet;
pub use pipe::Far;

use keys::Keys;
use slots::{Owners, ShardNumber};

/// What is known of a Cluster; one per process.
pub struct Cluster {
    owners: Owners,
    shards: ArcSwap<Vec<Arc<Shard>>>,
    map: AddressMap,
    /// Key positions of commands that are not Redis' own.
    learned: ArcSwap<HashMap<String, Keys>>,
    /// Why the Cluster is not known, if so.
    unknown: ArcSwap<Option<String>>,
    /// Told when a server has said that the picture is wrong.
    refresh: Notify,
    /// Counts the changes of the shards.
    changes: watch::Sender<u64>,
}

/// A primary with its replicas.
pub struct Shard {
    number: ShardNumber,
    pub shared: Arc<Shared>,
    /// What the Cluster says of its servers.
    told: watch::Sender<Found>,
    /// The names that the Cluster has for its servers, the primary first.
    ids: ArcSwap<Vec<String>>,
    /// Whether it has slots.
    serves: AtomicBool,
    health: Health,
    /// Cancelled when the Cluster knows it no more.
    gone: CancellationToken,
}

impl Cluster {
    /// A Cluster of which nothing is known; `map` tells how the addresses that it announces are reached.
    pub fn new(map: AddressMap) -> Cluster {
        Cluster {
            map,
            owners: Owners::default(),
            shards: ArcSwap::default(),
            learned: ArcSwap::default(),
            unknown: ArcSwap::from_pointee(Some("no server of it was asked yet".to_owned())),
            refresh: Notify::new(),
            changes: watch::Sender::new(0),
        }
    }

    /// The sets of servers, for the pages.
    pub fn sets(&self) -> Vec<Arc<Shared>> {
        self.shards.load().iter().map(|shard| shard.shared.clone()).collect()
    }

    fn shard(&self, number: ShardNumber) -> Option<Arc<Shard>> {
        self.shards.load().iter().find(|shard| shard.number == number).cloned()
    }

    /// The shards that have slots.
    fn serving(&self) -> Vec<ShardNumber> {
        self.shards.load().iter().filter(|shard| shard.serves.load(Relaxed)).map(|shard| shard.number).collect()
    }

    /// The shard that answers what concerns no key.
    fn home(&self) -> Option<ShardNumber> {
        self.owners.shard(0).or_else(|| self.serving().first().copied())
    }

    /// The shard of which this server is one.
    fn shard_at(&self, address: &Endpoint) -> Option<Arc<Shard>> {
        let shards = self.shards.load();
        let leads = |shard: &&Arc<Shard>| matches!(&shard.told.borrow().named, Some(Ok(primary)) if primary == address);
        shards
            .iter()
            .find(leads)
            .or_else(|| shards.iter().find(|shard| shard.told.borrow().addresses.contains(address)))
            .cloned()
    }

    /// A server has said that the picture is wrong: a new one is fetched soon.
    fn suspect(&self) {
        self.refresh.notify_one();
    }

    /// A server has said that a slot belongs to another one: that counts at once.
    fn moved(&self, slot: u16, to: &Endpoint) -> Option<ShardNumber> {
        self.suspect();
        let shard = self.shard_at(to)?;
        self.assign(slot, &shard);
        Some(shard.number)
    }

    fn assign(&self, slot: u16, shard: &Shard) {
        if self.owners.shard(slot) != Some(shard.number) {
            shard.receive();
            self.owners.assign(slot, Some(shard.number));
        }
    }
}

impl Shard {
    /// Slots are about to be given to the shard: what comes with them is in its history, and its replicas must be proved to have that.
    fn receive(&self) {
        self.shared.unsettle();
        self.serves.store(true, Relaxed);
    }
}
