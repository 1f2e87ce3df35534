//! The shards as one thread uses them: a worker each, and the clients of the thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::ambassador_redis::command::Table;
use crate::ambassador_redis::downstream::Peer;
use crate::ambassador_redis::shared::Shared;
use crate::ambassador_redis::transport::Transport;
use crate::ambassador_redis::worker::{Scratch, Worker};

use super::front::Front;
use super::pipe::Pipe;
use super::plan::Plans;
use super::slots::ShardNumber;
use super::{Cluster, Shard};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(100);

/// All shards on one thread.
pub struct Fleet {
    pub(super) cluster: Arc<Cluster>,
    pub(super) shared: Arc<Shared>,
    number: usize,
    scratch: Rc<Scratch>,
    workers: RefCell<HashMap<ShardNumber, Rc<Worker>>>,
    commands: RefCell<Rc<Commands>>,
    clients: RefCell<HashMap<u64, Rc<Handle>>>,
    /// Which changes of the owners those who attend were told of.
    told: Cell<u64>,
    started: Instant,
}

/// What is known of commands.
pub struct Commands {
    pub table: Arc<Table>,
    pub plans: Plans,
}

/// What others may tell a front.
#[derive(Default)]
pub struct Handle {
    pub draining: Cell<bool>,
    /// It has said nothing for too long; one that waits or listens may.
    pub idle: Cell<bool>,
    /// It must end now.
    pub cut: Cell<bool>,
    /// A fault on purpose keeps its next request waiting.
    pub delayed: Cell<bool>,
    /// It has a session at every shard, and must know of new ones.
    pub attends: Cell<bool>,
    /// The second in which the client last sent something.
    pub active: Cell<u32>,
    pub waker: RefCell<Option<Waker>>,
}

impl Handle {
    pub fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// Takes a client out of the books when its task ends, by a panic too.
struct Leaving {
    fleet: Rc<Fleet>,
    id: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(session = self.id, "a session ended by a defect of ours");
        }
        self.fleet.clients.borrow_mut().remove(&self.id);
        self.fleet.shared.sessions.fetch_sub(1, Relaxed);
    }
}

impl Fleet {
    /// The shards of a Cluster on the thread with this number.
    pub fn new(cluster: &Arc<Cluster>, shared: &Arc<Shared>, number: usize) -> Rc<Fleet> {
        let table = shared.table.load_full();
        let plans = Plans::new(&table, &cluster.learned.load());
        Rc::new(Fleet {
            cluster: cluster.clone(),
            shared: shared.clone(),
            number,
            scratch: Scratch::new(),
            workers: RefCell::default(),
            commands: RefCell::new(Rc::new(Commands { table, plans })),
            clients: RefCell::default(),
            told: Cell::new(0),
            started: Instant::now(),
        })
    }

    /// Follows the shards and looks at the deadlines, for as long as the thread runs.
    pub async fn live(self: Rc<Self>) {
        let mut changes = self.cluster.changes.subscribe();
        let mut tick = tokio::time::interval(TICK);
        self.follow();
        loop {
            tokio::select! {
                changed = changes.changed() => match changed {
                    Ok(()) => self.follow(),
                    Err(_) => break,
                },
                _ = tick.tick() => self.tick(),
            }
        }
    }

    /// Serves one client until its session ends.
    pub fn adopt(self: &Rc<Self>, transport: Transport, peer: Peer) {
        self.shared.stats[self.number].opened();
        let id = self.shared.next_session.fetch_add(1, Relaxed);
        let handle = Rc::new(Handle::default());
        handle.active.set(self.second());
        self.clients.borrow_mut().insert(id, handle.clone());
        let leaving = Leaving { fleet: self.clone(), id };
        let mut front = Front::new(self, id, transport, peer, handle);
        tokio::task::spawn_local(tokio::task::coop::unconstrained(async move {
            let _leaving = leaving;
            std::future::poll_fn(|cx| front.drive(cx)).await;
        }));
    }

    /// Lets every client end when what it has asked is answered.
    pub fn drain(&self) {
        // Their sessions tell those who wait or listen why that ends.
        self.workers.borrow().values().for_each(|worker| worker.drain());
        for handle in self.clients.borrow().values() {
            handle.draining.set(true);
            handle.wake();
        }
    }

    /// Ends the clients that still wait at a server which does not let them go.
    pub fn cut(&self) {
        self.workers.borrow().values().for_each(|worker| worker.cut());
        for handle in self.clients.borrow().values() {
            handle.cut.set(true);
            handle.wake();
        }
    }

    /// Whether every client has ended.
    pub fn is_empty(&self) -> bool {
        self.clients.borrow().is_empty()
    }

    pub(super) fn scratch(&self) -> std::cell::RefMut<'_, Box<[u8]>> {
        self.scratch.session()
    }

    /// Seconds since the thread began.
    pub(super) fn second(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    pub(super) fn commands(&self) -> Rc<Commands> {
        self.commands.borrow().clone()
    }

    /// A session of this shard for a client, and the way to it.
    pub(super) fn session(&self, shard: ShardNumber, peer: Peer, front: &Waker) -> Option<Rc<Pipe>> {
        let worker = self.worker(shard)?;
        let (pipe, far) = Pipe::new(front);
        worker.lend(far, peer);
        Some(pipe)
    }

    fn worker(&self, shard: ShardNumber) -> Option<Rc<Worker>> {
        if let Some(worker) = self.workers.borrow().get(&shard) {
            return Some(worker.clone());
        }
        Some(self.begin(&*self.cluster.shard(shard)?))
    }

    fn begin(&self, shard: &Shard) -> Rc<Worker> {
        let worker = Worker::new(shard.shared.clone(), self.number, self.scratch.clone());
        let (living, gone) = (worker.clone(), shard.gone.clone());
        worker.spawn(async move {
            gone.run_until_cancelled(living.clone().live()).await;
            living.dismantle();
        });
        self.workers.borrow_mut().insert(shard.number, worker.clone());
        worker
    }

    fn follow(&self) {
        let shards = self.cluster.shards.load_full();
        self.workers.borrow_mut().retain(|number, _| shards.iter().any(|shard| shard.number == *number));
        for shard in shards.iter() {
            if !self.workers.borrow().contains_key(&shard.number) {
                self.begin(shard);
            }
        }
        self.tick();
    }

    fn tick(&self) {
        let home = self.cluster.home().and_then(|home| self.cluster.shard(home));
        if let Some(home) = home {
            let table = home.shared.table.load_full();
            if !Arc::ptr_eq(&table, &self.commands.borrow().table) {
                let plans = Plans::new(&table, &self.cluster.learned.load());
                *self.commands.borrow_mut() = Rc::new(Commands { table, plans });
            }
        }
        let changes = self.cluster.owners.changes();
        if self.told.replace(changes) != changes {
            self.clients.borrow().values().filter(|handle| handle.attends.get()).for_each(|handle| handle.wake());
        }
        if let Some(timeout) = self.shared.policy.load().idle_timeout {
            for handle in self.clients.borrow().values() {
                if Duration::from_secs(u64::from(self.second() - handle.active.get())) > timeout {
                    handle.idle.set(true);
                    handle.wake();
                }
            }
        }
    }
}
