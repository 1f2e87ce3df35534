//! One connection to one server, and the queue of runs whose replies it awaits.
//!
//! ```text
//! append(run) → out ──write──→ server ──read──→ scan → front run → its session
//!                 ↑                                      └─ refused or too old → the run again, on the primary
//!                 ROLE behind a batch (primary), before reads that need an offset (replica)
//! ```
//!
//! Each connection is driven by one task. Bytes that do not fit the protocol, a reply that nobody awaits, or a push on a shared
//! connection end it: guessing would hand one client's data to another.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::ambassador_redis::command::Class;
use crate::ambassador_redis::consistency::LaneId;
use crate::ambassador_redis::metrics::NodeStats;
use crate::ambassador_redis::resp::parse_integer;
use crate::ambassador_redis::route::Candidate;
use crate::ambassador_redis::session::Session;
use crate::ambassador_redis::topology::Node;
use crate::ambassador_redis::worker::Worker;

use super::handshake::Line;
use super::loss::Abandon;
use super::run::{Owner, Run, Ticket};
use super::state::State;

/// How much may wait to be sent before a session with a connection of its own is asked to pause.
const HIGH_WATER: usize = 256 * 1024;
/// How much may wait for a connection to be established again.
const MAX_WAITING: usize = 64 * 1024 * 1024;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Shared, to the primary; its replies are counted in this lane.
    Primary(LaneId),
    /// Shared, to a replica.
    Replica,
    /// Of one session, to the primary.
    Private(LaneId),
}

/// Nothing can be sent to this server now; the text says why.
#[derive(Debug)]
pub struct Unreachable(pub String);

/// One connection, connected or not.
pub struct Connection {
    pub node: Arc<Node>,
    pub line: Line,
    pub purpose: Purpose,
    pub(super) counts: Arc<NodeStats>,
    pub(super) worker: Rc<Worker>,
    pub(super) state: RefCell<State>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({}, {:?}, {:?})", self.node.address, self.line, self.purpose)
    }
}

impl Connection {
    /// A shared connection; it connects, and connects again, until it is retired.
    pub fn shared(worker: &Rc<Worker>, node: &Arc<Node>, line: &Line, purpose: Purpose) -> Rc<Self> {
        let connection = Connection::new(worker, node, line, purpose);
        let guard = Abandon(connection.clone());
        worker.spawn(async move { guard.0.clone().keep().await });
        connection
    }

    /// A connection of one session's own; it ends with the first failure.
    pub fn private(worker: &Rc<Worker>, node: &Arc<Node>, line: &Line) -> Rc<Self> {
        let connection = Connection::new(worker, node, line, Purpose::Private(worker.private_lane()));
        let guard = Abandon(connection.clone());
        worker.spawn(async move { guard.0.clone().once().await });
        connection
    }

    fn new(worker: &Rc<Worker>, node: &Arc<Node>, line: &Line, purpose: Purpose) -> Rc<Self> {
        Rc::new(Connection {
            node: node.clone(),
            line: line.clone(),
            purpose,
            counts: worker.stats().node(&node.address.to_string()),
            worker: worker.clone(),
            state: RefCell::new(State { seat: Some(node.seat()), ..State::default() }),
        })
    }

    /// Queues a run; the task sends it after the other sessions that are ready now have added theirs.
    ///
    /// # Errors
    /// The server cannot be reached, and the time for which requests are held is over: nothing was queued.
    pub fn append(&self, requests: &[u8], ticket: Ticket) -> Result<(), Unreachable> {
        let mut state = self.state.borrow_mut();
        if let Some(failure) = self.refusal(&state) {
            return Err(Unreachable(failure));
        }
        state.push(requests, ticket, || self.worker.generation());
        state.wake();
        Ok(())
    }

    /// Queues bytes that belong to the stream at the end of the queue; opens the stream if there is none.
    pub fn append_stream(&self, bytes: &[u8], session: &Rc<Session>) {
        let mut state = self.state.borrow_mut();
        if !matches!(state.runs.back(), Some(Run { owner: Owner::Stream(_), .. })) {
            state.runs.push_back(Run { owner: Owner::Stream(session.clone()), left: 1, bytes: 0 });
        }
        state.out.end().extend_from_slice(bytes);
        if let Some(run) = state.runs.back_mut() {
            run.bytes += bytes.len();
        }
        state.wake();
    }

    /// Queues more bytes of the request at the end of the queue.
    pub fn append_upload(&self, bytes: &[u8]) {
        let mut state = self.state.borrow_mut();
        state.out.end().extend_from_slice(bytes);
        if let Some(run) = state.runs.back_mut() {
            run.bytes += bytes.len();
            if let Owner::Session(ticket) = &mut run.owner {
                ticket.uploaded = true;
            }
        }
        state.wake();
    }

    /// Queues a command of our own whose reply nobody awaits.
    pub fn append_own(&self, arguments: &[&[u8]]) {
        self.state.borrow_mut().own(arguments, Owner::Nobody);
    }

    /// Something was told elsewhere that a `ROLE` on this connection would cover.
    pub fn want_cover(&self) {
        let mut state = self.state.borrow_mut();
        state.unmarked = true;
        state.wake();
    }

    /// Gives a private connection to a session, or back to the pool.
    pub fn belong_to(&self, session: Option<Rc<Session>>) {
        let mut state = self.state.borrow_mut();
        state.used |= session.is_some();
        state.session = session;
    }

    /// Keeps a private connection from being used by another session: it was told who its client is.
    pub fn spoil(&self) {
        self.state.borrow_mut().spoiled = true;
    }

    /// Whether another session may use this private connection.
    pub fn is_clean(&self) -> bool {
        let state = self.state.borrow();
        !state.spoiled && state.retired.is_none()
    }

    /// Whether no session has had this private connection yet.
    pub fn is_unused(&self) -> bool {
        !self.state.borrow().used
    }

    /// Why nothing can be sent, if so.
    pub fn why_not(&self) -> Option<String> {
        self.refusal(&self.state.borrow())
    }

    /// What the router must know of a replica.
    pub fn candidate(&self, generation: u64) -> Candidate {
        let state = self.state.borrow();
        Candidate {
            number: self.node.number,
            fit: state.transport.is_some() && self.node.is_fit(generation),
            applied: state.applied,
            behind: state.behind,
            in_flight: state.in_flight,
            tier: self.node.tier(),
            weight: self.node.weight(),
            slowness: u32::try_from(self.counts.slowness.value()).unwrap_or(u32::MAX),
            ejected: self.counts.is_ejected(),
        }
    }

    pub fn is_ready(&self) -> bool {
        self.state.borrow().transport.is_some()
    }

    /// Whether the connection has ended for good.
    pub fn is_over(&self) -> bool {
        self.state.borrow().retired.is_some()
    }

    /// Replies that are awaited.
    pub fn in_flight(&self) -> u32 {
        self.state.borrow().in_flight
    }

    /// Whether so much waits to be sent that its session should pause.
    pub fn is_full(&self) -> bool {
        self.state.borrow().out.unsent().len() > HIGH_WATER
    }

    /// The reply that the server gave to `HELLO`.
    pub fn hello(&self) -> Option<Rc<[u8]>> {
        self.state.borrow().hello.clone()
    }

    /// The number that the server has given to this connection.
    pub fn number_at_server(&self) -> Option<u64> {
        let state = self.state.borrow();
        let hello = state.hello.as_deref()?;
        let at = memchr::memmem::find(hello, b"$2\r\nid\r\n:")? + b"$2\r\nid\r\n:".len();
        let end = memchr::memchr(b'\r', &hello[at..])?;
        u64::try_from(parse_integer(&hello[at..at + end])?).ok()
    }

    /// Asks a replica that was behind how far it is now, unless the question is on its way.
    pub fn ask_applied(&self) {
        let mut state = self.state.borrow_mut();
        if !state.runs.iter().any(|run| matches!(run.owner, Owner::Applied(_))) {
            state.ask_applied(self.worker.generation());
            state.wake();
        }
    }

    /// When the oldest request of a session was sent that the server leaves unanswered. A reply that goes on, or that we do not read
    /// because its client does not, is no silence.
    pub fn waits_since(&self) -> Option<Instant> {
        let state = self.state.borrow();
        let goes_on = state.runs.front().is_some_and(|run| match &run.owner {
            Owner::Session(ticket) => ticket.torn && self.worker.second() <= state.heard + 1,
            _ => false,
        });
        if state.clog.is_some() || goes_on {
            return None;
        }
        state.runs.iter().find_map(|run| match &run.owner {
            Owner::Session(ticket) if ticket.class != Class::Blocking && ticket.class != Class::Wait => {
                Some(ticket.started)
            }
            _ => None,
        })
    }

    /// Ends the session that has kept the connection waiting for so long that others should not wait any more.
    pub fn unclog(&self, patience: std::time::Duration) {
        let state = self.state.borrow();
        if let Some((session, since)) = &state.clog
            && since.elapsed() > patience
            && state.others_wait(session)
        {
            tracing::warn!(
                session = session.id,
                peer = %session.peer,
                "a client does not read its reply, which others wait behind; it is closed"
            );
            session.abort();
        }
    }

    /// Ends the connection: what it carries is failed or sent elsewhere.
    pub fn retire(&self, why: &'static str) {
        let mut state = self.state.borrow_mut();
        state.retired.get_or_insert(why);
        state.wake();
    }

    /// Takes nothing more, and ends when what was asked is answered.
    pub fn leave(&self) {
        let mut state = self.state.borrow_mut();
        state.replaced = true;
        state.wake();
    }

    /// Ends this stream; a shared connection connects anew.
    pub fn reset(&self, why: &'static str) {
        let mut state = self.state.borrow_mut();
        state.broken = Some(why);
        state.wake();
    }

    /// Lets the task look again: its session has taken what it could not take before.
    pub fn wake(&self) {
        self.state.borrow_mut().wake();
    }

    /// Why nothing may be queued, if so.
    pub(super) fn refusal(&self, state: &State) -> Option<String> {
        if let Some(why) = state.retired {
            return Some(why.to_owned());
        }
        if state.transport.is_none() && state.out.unsent().len() > MAX_WAITING {
            return Some("too many requests wait for it".to_owned());
        }
        let failure = state.failure.as_ref()?;
        // A connection that takes the place of another has not been up itself.
        let up = state.last_up.or(self.worker.primary_up().filter(|_| matches!(self.purpose, Purpose::Primary(_))));
        let held = up.is_some_and(|up| up.elapsed() < self.worker.policy().failover_hold);
        (!held).then(|| failure.clone())
    }
}
