//! One set of servers as one thread uses it: the sessions, the connections to the servers, and what is known of them.
//!
//! ```text
//! thread.rs → sessions ──requests──→ lines.rs, privates.rs → connections ──→ dial.rs → servers
//!                  ↑                                            │
//!                  └────────── replies; what must wait ← waiting.rs
//! ```
//!
//! A set is a primary with its replicas: they have one replication history, and so one watermark. Nothing here is shared with another
//! thread but numbers.

mod deadlines;
mod dial;
mod lines;
mod outliers;
mod privates;
mod thread;
mod waiting;

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::cluster::Far;
use super::command::{Class, Table};
use super::consistency::{History, LaneId, Watermark};
use super::downstream::Peer;
use super::held;
use super::insight::{Slowlog, has_key};
use super::metrics::Stats;
use super::mirror::Mirror;
use super::resp::Version;
use super::session::{Ended, Session, Wire};
use super::settings::Policy;
use super::shared::{Kind, LANES, Shared};
use super::topology::Topology;
use super::transport::Transport;
use super::upstream::{Connection, Credentials, Identity, Line};
use super::users::Users;

pub use lines::Lines;
pub use thread::run;

/// What is read at a time; more than most pipelines, little enough for the cache.
const SCRATCH: usize = 64 * 1024;
/// How many batches of writes are followed by a `ROLE` after a read was seen.
const INTEREST: u32 = 64;

/// One set of servers on one thread.
pub struct Worker {
    shared: Arc<Shared>,
    number: usize,
    topology: RefCell<Arc<Topology>>,
    table: RefCell<Arc<Table>>,
    policy: RefCell<Arc<Policy>>,
    /// Counts what makes the lines of sessions out of date.
    changes: Cell<u64>,
    connections: RefCell<HashMap<(u32, Line), Rc<Connection>>>,
    lines: RefCell<HashMap<Line, Rc<Lines>>>,
    /// Whose lane each one behind the first is.
    lanes: RefCell<[Option<Line>; LANES - 1]>,
    pool: RefCell<Vec<Rc<Connection>>>,
    /// Of what lines private connections were wanted last.
    wanted: RefCell<Vec<Line>>,
    /// When connections for the pool were last made.
    warmed: Cell<Option<Instant>>,
    /// Every private connection, in the pool or in use.
    privates: RefCell<Vec<Weak<Connection>>>,
    held: RefCell<held::Queue>,
    /// Whether there was a primary to wait for.
    had_primary: Cell<bool>,
    primary_up: Cell<Option<Instant>>,
    /// Shared connections that end when their queue is empty.
    leaving: RefCell<Vec<Rc<Connection>>>,
    sessions: RefCell<HashMap<u64, Rc<Session>>>,
    waiting: RefCell<Vec<Rc<Session>>>,
    identity: Rc<Identity>,
    scratch: Rc<Scratch>,
    second: Cell<u32>,
    ticks: Cell<u32>,
    started: Instant,
    interest: Cell<u32>,
    ejections: RefCell<outliers::Ejections>,
    until_sample: Cell<u32>,
    random: Cell<u32>,
    /// The users by which the sessions were last checked.
    users: RefCell<Option<Arc<Users>>>,
    /// The sessions that were last known to be ended by a client.
    ended: RefCell<Arc<Ended>>,
}

/// Where bytes are read into; one for all sets of a thread.
pub struct Scratch {
    session: RefCell<Box<[u8]>>,
    upstream: RefCell<Box<[u8]>>,
}

impl Scratch {
    pub fn new() -> Rc<Scratch> {
        let buffer = || RefCell::new(vec![0; SCRATCH].into_boxed_slice());
        Rc::new(Scratch { session: buffer(), upstream: buffer() })
    }

    /// For the bytes of clients.
    pub fn session(&self) -> RefMut<'_, Box<[u8]>> {
        self.session.borrow_mut()
    }
}

/// Takes a session out of the books when its task ends, by a panic too.
struct Leaving {
    worker: Rc<Worker>,
    session: Rc<Session>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(session = self.session.id, "a session ended by a defect of ours");
        }
        self.session.close();
        self.worker.sessions.borrow_mut().remove(&self.session.id);
        self.worker.shared.sessions.fetch_sub(1, Relaxed);
    }
}

impl Worker {
    /// A set on the thread with this number.
    pub fn new(shared: Arc<Shared>, number: usize, scratch: Rc<Scratch>) -> Rc<Worker> {
        let topology = shared.topology.borrow().clone();
        let table = shared.table.load_full();
        Rc::new(Worker {
            changes: Cell::new(0),
            topology: RefCell::new(topology),
            table: RefCell::new(table),
            policy: RefCell::new(shared.policy.load_full()),
            connections: RefCell::default(),
            lines: RefCell::default(),
            lanes: RefCell::default(),
            pool: RefCell::default(),
            leaving: RefCell::default(),
            warmed: Cell::new(None),
            wanted: RefCell::default(),
            privates: RefCell::default(),
            held: RefCell::default(),
            had_primary: Cell::new(false),
            primary_up: Cell::new(None),
            sessions: RefCell::default(),
            waiting: RefCell::default(),
            identity: Rc::new(Identity::Own),
            scratch,
            second: Cell::new(0),
            ticks: Cell::new(0),
            started: Instant::now(),
            interest: Cell::new(0),
            ejections: RefCell::default(),
            until_sample: Cell::new(0),
            random: Cell::new(0x9e37_79b9),
            users: RefCell::default(),
            ended: RefCell::default(),
            shared,
            number,
        })
    }

    /// Follows the picture of the servers and looks at the deadlines, for as long as the thread runs.
    pub async fn live(self: Rc<Self>) {
        let mut topology = self.shared.topology.subscribe();
        let mut tick = tokio::time::interval(deadlines::TICK);
        // Connected before the first client comes.
        self.lines(&self.usual_line(Version::Resp2));
        loop {
            tokio::select! {
                changed = topology.changed() => match changed {
                    Ok(()) => self.follow(topology.borrow_and_update().clone()),
                    Err(_) => break,
                },
                _ = tick.tick() => self.tick(),
            }
        }
    }

    /// Serves one client until its session ends.
    pub fn adopt(self: &Rc<Self>, transport: Transport, peer: Peer) {
        self.stats().opened();
        self.serve(Wire::Client(transport), peer);
    }

    /// Serves one client's part that concerns this set.
    pub fn lend(self: &Rc<Self>, far: Far, peer: Peer) {
        self.shared.sessions.fetch_add(1, Relaxed);
        self.serve(Wire::Front(far), peer);
    }

    fn serve(self: &Rc<Self>, transport: Wire, peer: Peer) {
        let id = self.shared.next_session.fetch_add(1, Relaxed);
        let session = Session::new(self, id, transport, peer);
        self.sessions.borrow_mut().insert(id, session.clone());
        let leaving = Leaving { worker: self.clone(), session: session.clone() };
        self.spawn(async move {
            let _leaving = leaving;
            std::future::poll_fn(|cx| session.drive(cx)).await;
        });
    }

    /// Lets go of the servers: the set is gone.
    pub fn dismantle(self: &Rc<Self>) {
        let topology = self.topology.borrow().clone();
        let primary = Err("the Cluster names this shard no more".to_owned());
        self.follow(Arc::new(Topology { epoch: topology.epoch + 1, primary, replicas: Vec::new() }));
    }

    /// Whether a replica's answer that it has no such key must be confirmed by the primary.
    pub fn confirms_missing(&self) -> bool {
        self.shared.kind == Kind::Shard && self.policy().is_guarded()
    }

    /// Lets every session end when what it has asked is answered.
    pub fn drain(&self) {
        for session in self.sessions.borrow().values() {
            session.drain();
        }
    }

    /// Ends the sessions that still wait at a server which does not let them go.
    pub fn cut(&self) {
        for session in self.sessions.borrow().values() {
            session.cut();
        }
    }

    /// Whether every session has ended.
    pub fn is_empty(&self) -> bool {
        self.sessions.borrow().is_empty()
    }

    /// Whether a batch for the primary should be followed by `ROLE`.
    pub fn wants_mark(&self) -> bool {
        if self.interest.get() == 0 || !self.policy().is_guarded() {
            return false;
        }
        self.interest.set(self.interest.get() - 1);
        true
    }

    /// A read was seen that a replica might answer.
    pub fn note_read(&self) {
        self.interest.set(INTEREST);
    }

    pub fn acknowledge(&self, lane: LaneId) {
        if self.policy().counts_replies() {
            self.shared.watermark.acknowledge(lane);
        }
    }

    pub fn watermark(&self) -> &Watermark {
        &self.shared.watermark
    }

    pub fn generation(&self) -> u64 {
        self.shared.watermark.generation()
    }

    /// A primary is connected and has told its history, if it tells that; which one is in force for its connection. If it is another
    /// one than before, nothing that was known of the replicas holds any more; nor if it does not tell, and the connection was lost.
    pub fn enter_history(&self, history: Option<History>, lost: Option<Instant>) -> History {
        let watermark = &self.shared.watermark;
        match (history, lost) {
            (Some(history), _) if !watermark.enter(history) => return history,
            (Some(_), _) => {}
            (None, Some(_)) => watermark.begin_generation(),
            (None, None) => return watermark.history(),
        }
        self.suspect();
        history.unwrap_or_else(|| watermark.history())
    }

    /// Something is wrong with a server: it should be probed now.
    pub fn suspect(&self) {
        self.shared.suspicion.notify_one();
    }

    /// The lane of everything that has none of its own.
    pub fn private_lane(&self) -> LaneId {
        self.lane(0)
    }

    fn lane(&self, place: usize) -> LaneId {
        self.shared.watermark.lane(self.number, place)
    }

    /// Whether the primary keeps writes waiting because a client of ours has asked for that.
    pub fn is_paused(&self) -> bool {
        self.shared.is_paused()
    }

    pub fn pause_primary(&self, duration: Duration) {
        self.shared.pause(duration);
    }

    /// Whether a client of ours debugs the primary.
    pub fn is_debugged(&self) -> bool {
        self.shared.is_debugged()
    }

    pub fn debug_primary(&self) {
        self.shared.debug();
        self.interest.set(0);
    }

    /// Whether the set is all there is, and no shard of a Cluster.
    pub fn is_alone(&self) -> bool {
        self.shared.kind == Kind::Alone
    }

    /// How many sessions there are, those of the other threads included.
    pub fn everybody(&self) -> u64 {
        self.shared.sessions.load(Relaxed) as u64
    }

    /// Ends the sessions of all clients that are there now, but that of the client who wants it.
    pub fn end_everybody(&self, by: u64) {
        let below = self.shared.next_session.load(Relaxed);
        self.shared.ended.store(Arc::new(Ended { below, by }));
        self.follow_ended();
    }

    /// When the primary was last known to be up.
    pub fn primary_up(&self) -> Option<Instant> {
        self.primary_up.get()
    }

    pub fn slowlog(&self) -> &Slowlog {
        &self.shared.slowlog
    }

    /// Whether this request belongs to the sample.
    #[inline]
    pub fn is_sampled(&self) -> bool {
        let left = self.until_sample.get();
        self.until_sample.set(left.wrapping_sub(1));
        left == 0
    }

    /// Counts the key of a request of the sample, and draws when the next one comes: on average after `--key-sampling` requests.
    #[cold]
    pub fn note_key(&self, class: Class, name: &[u8], key: &[u8]) {
        let every = self.policy().key_sampling;
        if every == 0 {
            self.until_sample.set(u32::MAX);
            return;
        }
        self.until_sample.set(every / 2 + self.random() % every);
        if has_key(class, name) && !key.is_empty() {
            self.stats().keys().note(key);
        }
    }

    fn random(&self) -> u32 {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random.set(random);
        random
    }

    /// A number from 0 up to 1.
    pub fn random_part(&self) -> f64 {
        f64::from(self.random()) / (f64::from(u32::MAX) + 1.0)
    }

    pub fn mirror(&self) -> Option<&Mirror> {
        self.shared.mirror.as_ref()
    }

    pub fn policy(&self) -> Ref<'_, Arc<Policy>> {
        self.policy.borrow()
    }

    /// Takes settings in that were read again.
    fn follow_policy(&self) {
        let policy = self.shared.policy.load_full();
        if !Arc::ptr_eq(&policy, &self.policy.borrow()) {
            *self.policy.borrow_mut() = policy;
            *self.table.borrow_mut() = self.shared.table.load_full();
            self.until_sample.set(0);
        }
    }

    pub fn stats(&self) -> &Stats {
        &self.shared.stats[self.number]
    }

    pub fn table(&self) -> Ref<'_, Arc<Table>> {
        self.table.borrow()
    }

    pub fn epoch(&self) -> u64 {
        self.changes.get()
    }

    /// Seconds since the worker began.
    pub fn second(&self) -> u32 {
        self.second.get()
    }

    pub fn default_identity(&self) -> Rc<Identity> {
        self.identity.clone()
    }

    pub fn session_scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.scratch.session()
    }

    pub fn upstream_scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.scratch.upstream.borrow_mut()
    }

    /// The ambassador's own users, if it has some.
    pub fn users(&self) -> Option<Arc<Users>> {
        self.shared.users.as_ref().map(|users| users.current())
    }

    /// The ambassador's own credentials for the servers, as its settings have them now.
    ///
    /// # Errors
    /// The password cannot be read; the text says why.
    pub fn own_credentials(&self) -> Result<Option<Credentials>, String> {
        let credentials = self.shared.credentials().map_err(|error| format!("{error:#}"))?;
        Ok(credentials.map(|(user, password)| Credentials {
            user: user.into_bytes(),
            password: password.expose().as_bytes().to_vec(),
        }))
    }

    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        // The tasks bound their own turns.
        tokio::task::spawn_local(tokio::task::coop::unconstrained(task));
    }
}
