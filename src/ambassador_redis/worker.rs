//! One thread: its sessions, its connections to the servers, and nothing that it shares with another thread but numbers.
//!
//! Accepted sockets come in; the thread ends when the process drains and every session is answered. Each worker has its own shared
//! connections, so that a request never crosses threads.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::command::Table;
use super::consistency::{History, LaneId, Watermark};
use super::held;
use super::metrics::Stats;
use super::resp::Version;
use super::session::Session;
use super::settings::Policy;
use super::shared::{LANES, Shared};
use super::topology::{Node, Topology};
use super::transport::Transport;
use super::upstream::{Connection, Greeting, Identity, Purpose, Ticket, greet, unreachable};
use crate::core::values::Endpoint;

/// What is read at a time; more than most pipelines, little enough for the cache.
const SCRATCH: usize = 64 * 1024;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long a client may keep others waiting behind a large reply that it does not read.
const PATIENCE: Duration = Duration::from_secs(5);
/// Private connections that wait for a session.
const POOL: usize = 64;
/// Private connections that are kept connected for those who will need one.
const WARM: usize = 4;
/// How many batches of writes are followed by a `ROLE` after a read was seen.
const INTEREST: u32 = 64;

/// One thread's state.
pub struct Worker {
    shared: Arc<Shared>,
    number: usize,
    topology: RefCell<Arc<Topology>>,
    table: RefCell<Arc<Table>>,
    /// Counts what makes the lines of sessions out of date.
    changes: Cell<u64>,
    connections: RefCell<HashMap<(u32, Line), Rc<Connection>>>,
    lines: RefCell<HashMap<Line, Rc<Lines>>>,
    pool: RefCell<Vec<Rc<Connection>>>,
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
    identity: RefCell<Rc<Identity>>,
    session_scratch: RefCell<Box<[u8]>>,
    upstream_scratch: RefCell<Box<[u8]>>,
    second: Cell<u32>,
    started: Instant,
    interest: Cell<u32>,
    drain: CancellationToken,
}

/// What tells shared connections to one server apart.
type Line = (Version, Rc<Identity>);

/// The shared connections that a session with this version and these credentials uses.
pub struct Lines {
    pub epoch: u64,
    pub primary: Result<Rc<Connection>, String>,
    pub replicas: Vec<Rc<Connection>>,
}

impl Lines {
    pub fn is_primary(&self, connection: &Rc<Connection>) -> bool {
        self.primary.as_ref().is_ok_and(|primary| Rc::ptr_eq(primary, connection))
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

/// Runs a worker until the process drains.
pub fn run(
    shared: Arc<Shared>,
    number: usize,
    accepted: UnboundedReceiver<std::net::TcpStream>,
    drain: CancellationToken,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let worker = Worker::new(shared, number, drain);
        worker.serve(accepted).await;
    });
    Ok(())
}

impl Worker {
    fn new(shared: Arc<Shared>, number: usize, drain: CancellationToken) -> Rc<Worker> {
        let topology = shared.topology.borrow().clone();
        let table = shared.table.load_full();
        let scratch = || RefCell::new(vec![0; SCRATCH].into_boxed_slice());
        let worker = Rc::new(Worker {
            changes: Cell::new(0),
            topology: RefCell::new(topology),
            table: RefCell::new(table),
            connections: RefCell::default(),
            lines: RefCell::default(),
            pool: RefCell::default(),
            leaving: RefCell::default(),
            privates: RefCell::default(),
            held: RefCell::default(),
            had_primary: Cell::new(false),
            primary_up: Cell::new(None),
            sessions: RefCell::default(),
            waiting: RefCell::default(),
            identity: RefCell::new(Rc::new(Identity { credentials: None })),
            session_scratch: scratch(),
            upstream_scratch: scratch(),
            second: Cell::new(0),
            started: Instant::now(),
            interest: Cell::new(0),
            shared,
            number,
            drain,
        });
        worker.read_credentials();
        worker
    }

    async fn serve(self: &Rc<Self>, mut accepted: UnboundedReceiver<std::net::TcpStream>) {
        let mut topology = self.shared.topology.subscribe();
        let mut tick = tokio::time::interval(TICK);
        // Connected before the first client comes.
        self.lines(Version::Resp2, &self.default_identity());
        loop {
            tokio::select! {
                socket = accepted.recv() => match socket {
                    Some(socket) => self.accept(socket),
                    None => break,
                },
                changed = topology.changed() => {
                    if changed.is_ok() {
                        self.follow(topology.borrow_and_update().clone());
                    }
                }
                _ = tick.tick() => self.tick(),
                () = self.drain.cancelled() => break,
            }
        }
        for session in self.sessions.borrow().values() {
            session.drain();
        }
        while !self.sessions.borrow().is_empty() {
            tick.tick().await;
            self.tick();
        }
    }

    fn accept(self: &Rc<Self>, socket: std::net::TcpStream) {
        let transport = match TcpStream::from_std(socket) {
            Ok(stream) => Transport::Tcp(stream),
            Err(error) => {
                self.shared.sessions.fetch_sub(1, Relaxed);
                tracing::warn!(%error, "cannot take a client's socket over");
                return;
            }
        };
        self.stats().opened();
        let id = self.shared.next_session.fetch_add(1, Relaxed);
        let session = Session::new(self, id, transport);
        self.sessions.borrow_mut().insert(id, session.clone());
        let leaving = Leaving { worker: self.clone(), session: session.clone() };
        self.spawn(async move {
            let _leaving = leaving;
            std::future::poll_fn(|cx| session.drive(cx)).await;
        });
    }

    /// Uses another picture of the servers from now on.
    fn follow(self: &Rc<Self>, topology: Arc<Topology>) {
        self.changes.set(self.changes.get() + 1);
        *self.table.borrow_mut() = self.shared.table.load_full();
        *self.topology.borrow_mut() = topology;
        self.lines.borrow_mut().clear();
        self.read_credentials();
        let topology = self.topology.borrow().clone();
        let is_used = |connection: &Connection| match connection.purpose {
            Purpose::Primary(_) => topology.primary.as_ref().is_ok_and(|node| node.number == connection.node.number),
            Purpose::Replica => topology.replicas.iter().any(|node| node.number == connection.node.number),
            Purpose::Private(_) => true,
        };
        self.connections.borrow_mut().retain(|_, connection| {
            let used = is_used(connection);
            if !used {
                // What it was asked is still answered.
                connection.leave();
                self.leaving.borrow_mut().push(connection.clone());
            }
            used
        });
        if let Ok(primary) = &topology.primary {
            // The state that they hold is lost with the old primary, and only closing their sessions says so.
            for connection in self.privates.borrow().iter().filter_map(Weak::upgrade) {
                if connection.node.number != primary.number {
                    connection.retire("the server has another role now");
                }
            }
        }
        self.lines(Version::Resp2, &self.default_identity());
        self.became_ready();
        self.release_held();
    }

    /// Looks at the deadlines.
    fn tick(self: &Rc<Self>) {
        self.second.set(u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX));
        if let Some(timeout) = self.shared.policy.reply_timeout {
            for connection in self.connections.borrow().values() {
                if connection.waits_since().is_some_and(|since| since.elapsed() > timeout) {
                    tracing::warn!(node = %connection.node.address, "a server leaves requests unanswered; its connection is given up");
                    connection.reset("it left a request unanswered for too long");
                }
            }
        }
        if let Some(timeout) = self.shared.policy.idle_timeout {
            for session in self.sessions.borrow().values() {
                if Duration::from_secs(u64::from(self.second.get() - session.active.get())) > timeout {
                    session.drain();
                }
            }
        }
        let expired = self.held.borrow_mut().expire(self.shared.policy.failover_hold);
        for held in expired {
            held.ticket.session.fail(held.ticket.slot, held.replies, &unreachable(&held.why));
        }
        self.leave_silent_replicas();
        self.pool.borrow_mut().retain(|connection| !connection.is_over());
        self.privates.borrow_mut().retain(|connection| connection.strong_count() > 0);
        self.warm();
        self.leaving.borrow_mut().retain(|connection| {
            connection.unclog(PATIENCE);
            let is_primary =
                self.topology.borrow().primary.as_ref().is_ok_and(|node| node.number == connection.node.number);
            if !is_primary && connection.waits_since().is_some_and(|since| since.elapsed() > PATIENCE) {
                connection.retire("the server has another role now, and leaves a request unanswered");
            }
            !connection.is_over()
        });
    }

    /// The shared connections for a version and credentials.
    pub fn lines(self: &Rc<Self>, version: Version, identity: &Rc<Identity>) -> Rc<Lines> {
        if let Some(lines) = self.lines.borrow().get(&(version, identity.clone())) {
            return lines.clone();
        }
        let topology = self.topology.borrow().clone();
        let lane = match version {
            _ if **identity != **self.identity.borrow() => 2,
            Version::Resp2 => 0,
            Version::Resp3 => 1,
        };
        let primary = Purpose::Primary(self.lane(lane));
        let lines = Rc::new(Lines {
            epoch: self.changes.get(),
            primary: topology
                .primary
                .as_ref()
                .map_err(Clone::clone)
                .map(|node| self.connection(node, version, identity, primary)),
            replicas: match self.shared.policy.consistency {
                super::consistency::Consistency::Primary => Vec::new(),
                _ => topology
                    .replicas
                    .iter()
                    .map(|node| self.connection(node, version, identity, Purpose::Replica))
                    .collect(),
            },
        });
        self.lines.borrow_mut().insert((version, identity.clone()), lines.clone());
        lines
    }

    fn connection(
        self: &Rc<Self>,
        node: &Arc<Node>,
        version: Version,
        identity: &Rc<Identity>,
        purpose: Purpose,
    ) -> Rc<Connection> {
        let key = (node.number, (version, identity.clone()));
        if let Some(connection) = self.connections.borrow().get(&key)
            && connection.purpose == purpose
            && !connection.is_over()
        {
            return connection.clone();
        }
        let connection = Connection::shared(self, node, version, identity, purpose);
        self.connections.borrow_mut().insert(key, connection.clone());
        connection
    }

    /// Lets another connection carry what comes from now on: this one must wait for a slow client.
    pub fn replace(&self, connection: &Rc<Connection>) {
        self.leaving.borrow_mut().push(connection.clone());
        self.connections.borrow_mut().retain(|_, kept| !Rc::ptr_eq(kept, connection));
        self.lines.borrow_mut().clear();
        self.changes.set(self.changes.get() + 1);
    }

    /// A connection to the primary for one session alone.
    ///
    /// # Errors
    /// There is no primary; the text says why.
    pub fn private(
        self: &Rc<Self>,
        version: Version,
        identity: &Rc<Identity>,
        db: u32,
    ) -> Result<Rc<Connection>, String> {
        let topology = self.topology.borrow().clone();
        let node = topology.primary.as_ref().map_err(Clone::clone)?;
        let mut pool = self.pool.borrow_mut();
        let fits = |connection: &Rc<Connection>| {
            connection.version == version
                && connection.identity == *identity
                && connection.node.number == node.number
                && !connection.is_over()
        };
        // One that is in the right database already needs no SELECT.
        let at =
            pool.iter().position(|connection| fits(connection) && connection.is_in(db)).or(pool.iter().position(fits));
        if let Some(at) = at {
            return Ok(pool.remove(at));
        }
        drop(pool);
        self.fresh(version, identity)
    }

    /// Takes reads back from replicas that leave them unanswered while they do not answer the probe either.
    fn leave_silent_replicas(&self) {
        let generation = self.generation();
        for connection in self.connections.borrow().values() {
            if connection.purpose != Purpose::Replica {
                continue;
            }
            let Some(since) = connection.waits_since() else { continue };
            if since.elapsed() < self.shared.policy.replica_patience {
                continue;
            }
            self.suspect(&connection.node);
            if !connection.node.is_fit(generation) {
                connection.reset("it answers neither reads nor the probe");
            }
        }
    }

    /// When the primary was last known to be up.
    pub fn primary_up(&self) -> Option<Instant> {
        self.primary_up.get()
    }

    /// Keeps a few private connections connected before they are needed: a command that blocks must reach the server before what
    /// another client sends right behind it.
    fn warm(self: &Rc<Self>) {
        let identity = self.default_identity();
        if !self.lines(Version::Resp2, &identity).primary.as_ref().is_ok_and(|primary| primary.is_ready()) {
            return;
        }
        let is_warm =
            |connection: &&Rc<Connection>| connection.version == Version::Resp2 && connection.identity == identity;
        let have = self.pool.borrow().iter().filter(is_warm).count();
        for _ in have..WARM {
            if let Ok(connection) = self.fresh(Version::Resp2, &identity) {
                self.pool.borrow_mut().push(connection);
            }
        }
    }

    /// A new connection to the primary for one session alone.
    ///
    /// # Errors
    /// There is no primary; the text says why.
    pub fn fresh(self: &Rc<Self>, version: Version, identity: &Rc<Identity>) -> Result<Rc<Connection>, String> {
        let topology = self.topology.borrow().clone();
        let node = topology.primary.as_ref().map_err(Clone::clone)?;
        let connection = Connection::private(self, node, version, identity);
        self.privates.borrow_mut().push(Rc::downgrade(&connection));
        Ok(connection)
    }

    /// Takes a private connection back that holds no state any more.
    pub fn give_back(&self, connection: Rc<Connection>) {
        let mut pool = self.pool.borrow_mut();
        if connection.is_clean() && pool.len() < POOL {
            pool.push(connection);
        } else {
            connection.retire("no session needs it");
        }
    }

    /// Sends requests that another connection could not answer to the primary.
    pub fn redo(self: &Rc<Self>, requests: &[u8], ticket: Ticket, replies: u32, why: &'static str) {
        self.stats().redone(why, replies);
        ticket.session.detour();
        self.to_primary(requests, Ticket { requests: replies, needs: None, torn: false, ..ticket });
    }

    /// Keeps a request that a server refused because it is no primary any more, until there is another one.
    pub fn wait_for_other(self: &Rc<Self>, refused_by: &Node, requests: &[u8], ticket: Ticket) {
        ticket.session.detour();
        let ticket = Ticket { needs: None, ..ticket };
        let is_other = self.topology.borrow().primary.as_ref().is_ok_and(|primary| primary.number != refused_by.number);
        match is_other {
            true => self.to_primary(requests, ticket),
            false => self.hold(requests, ticket, "it is read-only now"),
        }
    }

    /// Sends requests to the primary, or holds them until there is one.
    fn to_primary(self: &Rc<Self>, requests: &[u8], ticket: Ticket) {
        let (session, slot, replies) = (ticket.session.clone(), ticket.slot, ticket.requests);
        match &session.lines().primary {
            Ok(primary) => {
                if let Err(why) = primary.append(requests, ticket) {
                    session.fail(slot, replies, &unreachable(&why.0));
                }
            }
            Err(why) => self.hold(requests, ticket, why),
        }
    }

    /// Whether requests without a primary wait for one.
    pub fn may_hold(&self, bytes: usize) -> bool {
        self.had_primary.get() && !self.shared.policy.failover_hold.is_zero() && self.held.borrow().has_room(bytes)
    }

    /// Keeps requests until the roles change. They fail if that takes too long, or if there was never a primary.
    pub fn hold(&self, requests: &[u8], ticket: Ticket, why: &str) {
        let (replies, change) = (ticket.requests, self.changes.get());
        let refused = match self.may_hold(requests.len()) {
            true => self.held.borrow_mut().push(requests, ticket, replies, why, change).err(),
            false => Some(ticket),
        };
        if let Some(ticket) = refused {
            ticket.session.fail(ticket.slot, replies, &unreachable(why));
        }
    }

    /// Sends what waited for another picture of the servers.
    fn release_held(self: &Rc<Self>) {
        let released = self.held.borrow_mut().release(self.changes.get());
        for held in released {
            self.to_primary(&held.requests, held.ticket);
        }
    }

    /// Opens a stream to a server and greets it.
    ///
    /// # Errors
    /// Why it cannot be used, with its address.
    pub async fn connect(
        &self,
        node: &Node,
        version: Version,
        identity: &Identity,
    ) -> Result<(Transport, Greeting), String> {
        let timeout = self.shared.policy.connect_timeout;
        let attempt = async {
            let mut transport = match &node.address {
                Endpoint::Tcp { host, port } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| error.to_string())?;
                    let socket = socket2::SockRef::from(&stream);
                    // Both only make a dead peer known sooner.
                    let _ = socket.set_tcp_nodelay(true);
                    let _ = socket.set_tcp_keepalive(
                        &socket2::TcpKeepalive::new()
                            .with_time(Duration::from_secs(30))
                            .with_interval(Duration::from_secs(5)),
                    );
                    Transport::Tcp(stream)
                }
                Endpoint::Unix(path) => {
                    Transport::Unix(UnixStream::connect(path).await.map_err(|error| error.to_string())?)
                }
            };
            let greeting = greet(&mut transport, version, identity).await.map_err(|error| error.to_string())?;
            Ok::<_, String>((transport, greeting))
        };
        match tokio::time::timeout(timeout, attempt).await {
            Ok(Ok(greeted)) => Ok(greeted),
            Ok(Err(why)) => Err(format!("{}: {why}", node.address)),
            Err(_) => Err(format!("{}: no answer within {timeout:?}", node.address)),
        }
    }

    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        // The tasks bound their own turns.
        tokio::task::spawn_local(tokio::task::coop::unconstrained(task));
    }

    /// Pauses, but not beyond a change of the servers' roles.
    pub async fn pause(&self, duration: Duration) {
        let mut topology = self.shared.topology.subscribe();
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            _ = topology.changed() => {}
        }
    }

    /// Something is wrong with a server: it should be probed now.
    pub fn suspect(&self, _node: &Node) {
        self.shared.suspicion.notify_one();
    }

    /// A primary is connected and has told its history, if it tells that; which one is in force for its connection. If it is another
    /// one than before, nothing that was known of the replicas holds any more; nor if it does not tell, and the connection was lost.
    pub fn enter_history(&self, node: &Node, history: Option<History>, lost: Option<Instant>) -> History {
        let watermark = &self.shared.watermark;
        match (history, lost) {
            (Some(history), _) if !watermark.enter(history) => return history,
            (Some(_), _) => {}
            (None, Some(_)) => watermark.begin_generation(),
            (None, None) => return watermark.history(),
        }
        self.suspect(node);
        history.unwrap_or_else(|| watermark.history())
    }

    /// A connection is up, or the roles have changed: those who waited for that look again.
    pub fn became_ready(&self) {
        let had = self.had_primary.get()
            || self.lines.borrow().values().any(|lines| lines.primary.as_ref().is_ok_and(|primary| primary.is_ready()));
        self.had_primary.set(had);
        if had {
            self.primary_up.set(Some(Instant::now()));
        }
        for session in self.waiting.borrow_mut().drain(..) {
            session.wake();
        }
    }

    pub fn wake_when_ready(&self, session: &Rc<Session>) {
        self.waiting.borrow_mut().push(session.clone());
    }

    /// Whether a batch for the primary should be followed by `ROLE`.
    pub fn wants_mark(&self) -> bool {
        if self.interest.get() == 0 || !self.shared.policy.is_guarded() {
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
        if self.shared.policy.is_guarded() {
            self.shared.watermark.acknowledge(lane);
        }
    }

    pub fn watermark(&self) -> &Watermark {
        &self.shared.watermark
    }

    pub fn generation(&self) -> u64 {
        self.shared.watermark.generation()
    }

    /// The lane of everything but the two usual shared connections.
    pub fn private_lane(&self) -> LaneId {
        self.lane(2)
    }

    fn lane(&self, place: usize) -> LaneId {
        self.shared.watermark.lane(self.number * LANES + place)
    }

    pub fn policy(&self) -> &Policy {
        &self.shared.policy
    }

    pub fn stats(&self) -> &Stats {
        &self.shared.stats[self.number]
    }

    pub fn table(&self) -> std::cell::Ref<'_, Arc<Table>> {
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
        self.identity.borrow().clone()
    }

    /// The identity of credentials that a client has sent.
    pub fn identity(&self, credentials: Option<(Vec<u8>, Vec<u8>)>) -> Rc<Identity> {
        Rc::new(Identity { credentials })
    }

    pub fn session_scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.session_scratch.borrow_mut()
    }

    pub fn upstream_scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.upstream_scratch.borrow_mut()
    }

    fn read_credentials(&self) {
        match self.shared.credentials() {
            Ok(credentials) => {
                let credentials =
                    credentials.map(|(user, password)| (user.into_bytes(), password.expose().as_bytes().to_vec()));
                if self.identity.borrow().credentials != credentials {
                    *self.identity.borrow_mut() = Rc::new(Identity { credentials });
                }
            }
            Err(error) => tracing::error!(error = format!("{error:#}"), "the password for the servers cannot be read"),
        }
    }
}
