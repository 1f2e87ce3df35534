//! One connection to one server, and the queue of runs whose replies it awaits.
//!
//! ```text
//! append(run) → out ──write──→ server ──read──→ scan → front run → its session
//!                 ↑ SELECT when the database changes     └─ refused or too old → the run again, on the primary
//!                 ↑ ROLE behind a batch (primary), before reads that need an offset (replica)
//! ```
//!
//! Each connection is driven by one task. Bytes that do not fit the protocol, a reply that nobody awaits, or a push on a shared
//! connection end it: guessing would hand one client's data to another.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::ambassador_redis::command::Class;
use crate::ambassador_redis::consistency::{LaneId, Mark};
use crate::ambassador_redis::resp::reply::{Scanner, Step};
use crate::ambassador_redis::resp::{Version, encode, request};
use crate::ambassador_redis::route::Candidate;
use crate::ambassador_redis::session::Session;
use crate::ambassador_redis::topology::Node;
use crate::ambassador_redis::transport::Transport;
use crate::ambassador_redis::worker::Worker;
use crate::core::backoff::Backoff;

use super::handshake::{Greeting, Identity};
use super::outbound::Outbound;
use super::role::Role;
use super::run::{Observe, Owner, Run, Ticket};

/// Reads in one turn of the task, so that one busy server cannot starve the others.
const READS_A_TURN: usize = 8;
/// The longest reply of our own questions.
const MAX_CARRY: usize = 256 * 1024;
/// Unread bytes of a large reply beyond which its connection is read no further: when nobody else waits on it, and when others do.
const UNREAD: usize = 4 * 1024 * 1024;
const UNREAD_BEFORE_OTHERS: usize = 32 * 1024 * 1024;
/// How much may wait to be sent before a session with a connection of its own is asked to pause.
const HIGH_WATER: usize = 256 * 1024;

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
    pub version: Version,
    pub identity: Rc<Identity>,
    pub purpose: Purpose,
    worker: Rc<Worker>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    transport: Option<Transport>,
    out: Outbound,
    runs: VecDeque<Run>,
    scanner: Scanner,
    /// The beginning of a reply that must be seen whole before it is acted upon.
    carry: Vec<u8>,
    /// The database that the next request would meet.
    db: Option<u32>,
    /// The offset that this server is known to have applied.
    applied: Mark,
    /// Whether a `ROLE` waits unsent before the reads of this turn.
    asks_applied: bool,
    /// Requests were appended since the last `ROLE` behind a batch.
    unmarked: bool,
    /// The last answer about the offset did not suffice.
    behind: bool,
    hello: Option<Rc<[u8]>>,
    /// Why the last attempt to connect failed.
    failure: Option<String>,
    last_up: Option<Instant>,
    in_flight: u32,
    retired: Option<&'static str>,
    spoiled: bool,
    /// Why the stream is given up.
    broken: Option<&'static str>,
    /// The session whose reply is too large for what its client reads, and since when.
    clog: Option<(Rc<Session>, Instant)>,
    /// Another connection carries what comes from now on.
    replaced: bool,
    session: Option<Rc<Session>>,
    waker: Option<Waker>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({}, {:?}, {:?})", self.node.address, self.version, self.purpose)
    }
}

impl Connection {
    /// A shared connection; it connects, and connects again, until it is retired.
    pub fn shared(
        worker: &Rc<Worker>,
        node: &Arc<Node>,
        version: Version,
        identity: &Rc<Identity>,
        purpose: Purpose,
    ) -> Rc<Self> {
        let connection = Connection::new(worker, node, version, identity, purpose);
        let guard = Abandon(connection.clone());
        worker.spawn(async move { guard.0.clone().keep().await });
        connection
    }

    /// A connection of one session's own; it ends with the first failure.
    pub fn private(worker: &Rc<Worker>, node: &Arc<Node>, version: Version, identity: &Rc<Identity>) -> Rc<Self> {
        let connection = Connection::new(worker, node, version, identity, Purpose::Private(worker.private_lane()));
        let guard = Abandon(connection.clone());
        worker.spawn(async move { guard.0.clone().once().await });
        connection
    }

    fn new(
        worker: &Rc<Worker>,
        node: &Arc<Node>,
        version: Version,
        identity: &Rc<Identity>,
        purpose: Purpose,
    ) -> Rc<Self> {
        Rc::new(Connection {
            node: node.clone(),
            version,
            identity: identity.clone(),
            purpose,
            worker: worker.clone(),
            state: RefCell::new(State { db: Some(0), ..State::default() }),
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
        state.push(requests, ticket, self.worker.generation());
        state.wake();
        Ok(())
    }

    /// Queues bytes that belong to the stream at the end of the queue; opens the stream, in database `db`, if there is none.
    pub fn append_stream(&self, bytes: &[u8], session: &Rc<Session>, db: u32) {
        let mut state = self.state.borrow_mut();
        if !matches!(state.runs.back(), Some(Run { owner: Owner::Stream(_), .. })) {
            state.select(db);
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

    /// Gives a private connection to a session, or back to the pool.
    pub fn belong_to(&self, session: Option<Rc<Session>>) {
        self.state.borrow_mut().session = session;
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

    /// Asks a replica that was behind how far it is now, unless the question is on its way.
    pub fn ask_applied(&self) {
        let mut state = self.state.borrow_mut();
        if !state.runs.iter().any(|run| matches!(run.owner, Owner::Applied(_))) {
            state.ask_applied(self.worker.generation());
            state.wake();
        }
    }

    /// When the oldest awaited request of a session was sent.
    pub fn waits_since(&self) -> Option<Instant> {
        let state = self.state.borrow();
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
    fn refusal(&self, state: &State) -> Option<String> {
        if let Some(why) = state.retired {
            return Some(why.to_owned());
        }
        let failure = state.failure.as_ref()?;
        let held = state.last_up.is_some_and(|up| up.elapsed() < self.worker.policy().failover_hold);
        (!held).then(|| failure.clone())
    }

    /// The life of a shared connection.
    async fn keep(self: Rc<Self>) {
        let mut backoff = Backoff::new(self.worker.policy().reconnect_first, self.worker.policy().reconnect_longest);
        while !self.is_over() && !self.state.borrow().replaced {
            match self.open().await {
                Ok(()) => {
                    backoff.reset();
                    let why = poll_fn(|cx| self.drive(cx)).await;
                    self.lose(&why);
                    self.worker.suspect(&self.node);
                }
                Err(why) => {
                    self.worker.suspect(&self.node);
                    self.fail_to_open(why);
                }
            }
            if self.is_over() || self.state.borrow().replaced {
                break;
            }
            self.worker.pause(backoff.next_pause()).await;
        }
        self.retire("another connection has taken its place");
        self.give_up();
    }

    /// The life of a private connection.
    async fn once(self: Rc<Self>) {
        match self.open().await {
            Ok(()) => {
                let why = poll_fn(|cx| self.drive(cx)).await;
                self.lose(&why);
            }
            Err(why) => self.state.borrow_mut().failure = Some(why),
        }
        self.state.borrow_mut().retired.get_or_insert("the connection is closed");
        self.give_up();
    }

    async fn open(&self) -> Result<(), String> {
        let (transport, greeting) = self.worker.connect(&self.node, self.version, &self.identity).await?;
        match (self.purpose, greeting.role) {
            (Purpose::Primary(_), Some(Role::Replica { .. })) => {
                return Err(format!("{} is a replica now, not the primary", self.node.address));
            }
            (Purpose::Replica, Some(Role::Primary { .. })) => {
                return Err(format!("{} is a primary now, not a replica", self.node.address));
            }
            _ => {}
        }
        let mut state = self.state.borrow_mut();
        let Greeting { hello, .. } = greeting;
        state.hello = Some(hello.into());
        state.transport = Some(transport);
        state.scanner = Scanner::default();
        state.carry.clear();
        state.applied = Mark::default();
        (state.asks_applied, state.unmarked, state.behind) = (false, false, false);
        state.failure = None;
        if matches!(self.purpose, Purpose::Primary(_)) && state.last_up.is_some() {
            // It may be another server now, with another history: the replicas must be proved anew.
            self.worker.begin_generation(&self.node);
        }
        state.last_up = Some(Instant::now());
        // What waited while there was no connection is queued again, so that SELECT and ROLE stand where this connection needs them.
        let waiting = std::mem::take(&mut state.runs);
        let bytes = std::mem::take(&mut state.out);
        state.in_flight = 0;
        state.db = Some(0);
        state.requeue(waiting, bytes.unanswered(), self.worker.generation());
        self.worker.became_ready();
        Ok(())
    }

    /// Sends and receives until the connection is lost; the text says why.
    fn drive(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<String> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        for _ in 0..READS_A_TURN {
            if let Some(why) = state.retired.or(state.broken.take()) {
                return Poll::Ready(why.to_owned());
            }
            if let Err(error) = self.send(state, cx) {
                return Poll::Ready(error.to_string());
            }
            let Some(transport) = &mut state.transport else { return Poll::Ready("it is not connected".to_owned()) };
            if state.session.as_ref().is_some_and(|session| session.is_clogged()) {
                return Poll::Pending;
            }
            if let Some((session, _)) = &state.clog {
                if session.is_clogged() {
                    return Poll::Pending;
                }
                state.clog = None;
            }
            if state.replaced && state.runs.is_empty() {
                return Poll::Ready("another connection has taken its place".to_owned());
            }
            let mut scratch = self.worker.upstream_scratch();
            let read = match transport.poll_read(cx, &mut scratch) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready("it closed the connection".to_owned()),
                Poll::Ready(Ok(read)) => read,
                Poll::Ready(Err(error)) => return Poll::Ready(error.to_string()),
            };
            if let Err(why) = self.receive(state, &scratch[..read]) {
                return Poll::Ready(why);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn send(&self, state: &mut State, cx: &mut Context<'_>) -> std::io::Result<()> {
        if matches!(self.purpose, Purpose::Primary(_)) && state.unmarked && self.worker.wants_mark() {
            state.unmarked = false;
            let pending = self.worker.watermark().mark();
            state.own(&[b"ROLE"], Owner::Watermark(pending));
        }
        let Some(transport) = &mut state.transport else { return Ok(()) };
        while !state.out.unsent().is_empty() {
            match transport.poll_write(cx, state.out.unsent()) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(std::io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => state.out.mark_sent(written),
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        state.asks_applied = false;
        // What is never sent again need not be kept.
        if let Some(Run {
            owner: Owner::Stream(session) | Owner::Session(Ticket { session, uploaded: true, .. }),
            bytes,
            ..
        }) = state.runs.front_mut()
        {
            let sent = state.out.in_flight().min(*bytes);
            *bytes -= sent;
            state.out.mark_answered(sent);
            if sent > 0 {
                session.wake();
            }
        }
        Ok(())
    }

    fn receive(self: &Rc<Self>, state: &mut State, data: &[u8]) -> Result<(), String> {
        if state.carry.is_empty() {
            return self.scan(state, data);
        }
        let mut joined = std::mem::take(&mut state.carry);
        joined.extend_from_slice(data);
        if joined.len() > MAX_CARRY + data.len() {
            return Err("a reply to the ambassador itself is too long".to_owned());
        }
        self.scan(state, &joined)
    }

    fn scan(self: &Rc<Self>, state: &mut State, data: &[u8]) -> Result<(), String> {
        let mut at = 0;
        while at < data.len() {
            let Some(run) = state.runs.front_mut() else {
                return self.unexpected(state, &data[at..]);
            };
            match &mut run.owner {
                Owner::Stream(session) => {
                    if let Purpose::Private(lane) = self.purpose {
                        self.worker.acknowledge(lane);
                    }
                    session.stream(&data[at..]);
                    return Ok(());
                }
                Owner::Session(_) => at = self.scan_session(state, data, at)?,
                Owner::Nobody | Owner::Watermark(_) | Owner::Applied(_) => {
                    match state.scanner.step(&data[at..]).map_err(|e| e.to_string())? {
                        Step::Partial if matches!(run.owner, Owner::Nobody) => return Ok(()),
                        Step::Partial => {
                            state.scanner = Scanner::default();
                            state.carry = data[at..].to_vec();
                            return Ok(());
                        }
                        Step::Push { .. } => return Err("it pushed what nobody subscribed to".to_owned()),
                        Step::Reply { len, .. } => {
                            self.own_reply(state, &data[at..at + len]);
                            at += len;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Acts on a reply to a question of our own.
    fn own_reply(&self, state: &mut State, reply: &[u8]) {
        let Some(run) = state.runs.front_mut() else { return };
        run.left -= 1;
        match (&run.owner, Role::parse(reply)) {
            (Owner::Watermark(pending), Some(Role::Primary { offset })) => {
                let lane = match self.purpose {
                    Purpose::Primary(lane) if !state.replaced && lane != self.worker.private_lane() => Some(lane),
                    _ => None,
                };
                self.worker.watermark().cover(pending, lane, offset);
            }
            (Owner::Watermark(_), _) => self.worker.suspect(&self.node),
            (Owner::Applied(generation), Some(Role::Replica { offset, linked: true })) => {
                state.applied = Mark::new(*generation, offset);
                state.behind = state.applied < self.worker.watermark().mark_to_reach();
            }
            (Owner::Applied(_), _) => {
                state.applied = Mark::default();
                state.behind = true;
                self.worker.suspect(&self.node);
            }
            _ => {}
        }
        state.finish_front();
    }

    /// Hands the replies of the front run to its session; returns the place behind them.
    fn scan_session(self: &Rc<Self>, state: &mut State, data: &[u8], start: usize) -> Result<usize, String> {
        let State { runs, scanner, carry, applied, behind, session, replaced, .. } = state;
        let Some(Run { owner: Owner::Session(ticket), left, .. }) = runs.front_mut() else { return Ok(start) };
        if ticket.needs.take().is_some_and(|needs| *applied < needs) {
            *behind = true;
            self.redo_front(state, "it is behind what the application has seen");
            return Ok(start);
        }
        let (mut at, mut replies, mut refused) = (start, 0, false);
        let mut torn = None;
        while at < data.len() && replies < *left {
            let whole = scanner.is_between();
            match scanner.step(&data[at..]).map_err(|error| error.to_string())? {
                Step::Reply { len, kind } => {
                    if kind == b'-' && self.is_refusal(&data[at..at + len], ticket) {
                        refused = true;
                        *scanner = Scanner::default();
                        break;
                    }
                    if let Some(observe) = ticket.observe.take() {
                        ticket.session.observe(observe, &data[at..at + len]);
                    }
                    at += len;
                    replies += 1;
                    ticket.torn = false;
                }
                // Errors are looked at whole, as are replies that the session learns from.
                Step::Partial if whole && (data[at] == b'-' || ticket.observe.is_some()) => {
                    *scanner = Scanner::default();
                    *carry = data[at..].to_vec();
                    break;
                }
                Step::Partial => {
                    at = data.len();
                    ticket.torn = true;
                }
                Step::Push { len } if matches!(self.purpose, Purpose::Private(_)) => at += len,
                Step::Push { .. } => return Err("it pushed what nobody subscribed to".to_owned()),
            }
        }
        if at > start {
            match self.purpose {
                // Two connections must not count in one lane.
                Purpose::Primary(_) if *replaced => self.worker.acknowledge(self.worker.private_lane()),
                Purpose::Primary(lane) | Purpose::Private(lane) => self.worker.acknowledge(lane),
                Purpose::Replica => {}
            }
            ticket.session.deliver(ticket.slot, &data[start..at], replies);
            torn = (ticket.torn && session.is_none()).then(|| ticket.session.clone());
        }
        *left -= replies;
        if let Some(session) = torn {
            self.check_clog(state, &session);
            return Ok(at);
        }
        if refused {
            self.redo_front(state, "it refused a read");
        } else if *left == 0 {
            self.worker.stats().replied(ticket.class, self.purpose, ticket.requests, ticket.started);
            state.finish_front();
        } else if !carry.is_empty() {
            return Ok(data.len());
        }
        Ok(at)
    }

    /// Stops reading while the client of a large reply does not keep up. What comes from now on takes another connection.
    fn check_clog(self: &Rc<Self>, state: &mut State, session: &Rc<Session>) {
        let allowed = if state.others_wait(session) { UNREAD_BEFORE_OTHERS } else { UNREAD };
        if session.unread() <= allowed {
            return;
        }
        state.clog.get_or_insert_with(|| (session.clone(), Instant::now()));
        if !std::mem::replace(&mut state.replaced, true) {
            self.worker.replace(self);
        }
    }

    /// Whether this error means that another server may well answer.
    fn is_refusal(&self, error: &[u8], ticket: &Ticket) -> bool {
        if self.purpose != Purpose::Replica {
            if error.starts_with(b"-READONLY") {
                self.worker.suspect(&self.node);
            }
            return false;
        }
        let retry = error.starts_with(b"-LOADING ")
            || error.starts_with(b"-MASTERDOWN ")
            || (ticket.class == Class::ReadScript && error.starts_with(b"-NOSCRIPT "));
        if retry && ticket.class != Class::ReadScript {
            self.worker.suspect(&self.node);
        }
        retry && ticket.repeatable
    }

    /// Sends what the front run still awaits to the primary, and forgets the replies that come here.
    fn redo_front(&self, state: &mut State, why: &'static str) {
        let Some(run) = state.runs.front_mut() else { return };
        let Owner::Session(ticket) = std::mem::replace(&mut run.owner, Owner::Nobody) else { return };
        let requests = &state.out.unanswered()[..run.bytes];
        self.worker.redo(remaining(requests, ticket.requests - run.left), ticket, run.left, why);
    }

    fn unexpected(&self, state: &mut State, data: &[u8]) -> Result<(), String> {
        match (&state.session, state.scanner.step(data)) {
            (Some(session), Ok(Step::Push { len })) if matches!(self.purpose, Purpose::Private(_)) => {
                session.stream(&data[..len]);
                if len < data.len() { Err("it answered without being asked".to_owned()) } else { Ok(()) }
            }
            _ => Err("it answered without being asked".to_owned()),
        }
    }

    /// The connection is gone: keep what was not sent and what may be sent again, fail the rest.
    fn lose(&self, why: &str) {
        let mut state = self.state.borrow_mut();
        tracing::debug!(node = %self.node.address, why, "connection lost");
        state.transport = None;
        state.last_up = Some(Instant::now());
        state.failure = Some(format!("{}: {why}", self.node.address));
        let runs = std::mem::take(&mut state.runs);
        let out = std::mem::take(&mut state.out);
        let (mut at, in_flight) = (0, out.in_flight());
        state.in_flight = 0;
        for mut run in runs {
            let requests = &out.unanswered()[at..at + run.bytes];
            let unsent = at >= in_flight;
            at += run.bytes;
            match run.owner {
                Owner::Stream(session) => session.abort(),
                Owner::Nobody | Owner::Watermark(_) | Owner::Applied(_) => {}
                Owner::Session(ticket) if ticket.torn => ticket.session.abort(),
                Owner::Session(ticket) if matches!(self.purpose, Purpose::Private(_)) => {
                    ticket.session.fail(ticket.slot, run.left, &lost(&self.node.address.to_string(), why));
                }
                Owner::Session(ticket) if unsent || ticket.repeatable => {
                    let requests = remaining(requests, ticket.requests - run.left);
                    match self.purpose {
                        Purpose::Replica => self.worker.redo(requests, ticket, run.left, "the connection was lost"),
                        _ => {
                            run.bytes = requests.len();
                            state.in_flight += run.left;
                            state.out.end().extend_from_slice(requests);
                            state.runs.push_back(Run {
                                owner: Owner::Session(Ticket { requests: run.left, ..ticket }),
                                ..run
                            });
                        }
                    }
                }
                Owner::Session(ticket) => {
                    ticket.session.fail(ticket.slot, run.left, &lost(&self.node.address.to_string(), why));
                }
            }
        }
    }

    /// Connecting failed: what has waited too long is answered.
    fn fail_to_open(&self, why: String) {
        let mut state = self.state.borrow_mut();
        if state.failure.as_ref() != Some(&why) {
            tracing::warn!(node = %self.node.address, reason = %why, "cannot connect");
        }
        state.failure = Some(why);
        if self.purpose == Purpose::Replica || self.refusal(&state).is_some() {
            drop(state);
            self.give_up();
        }
    }

    /// Answers everything that waits with an error.
    fn give_up(&self) {
        let mut state = self.state.borrow_mut();
        let runs = std::mem::take(&mut state.runs);
        let out = std::mem::take(&mut state.out);
        state.in_flight = 0;
        let why = state.failure.clone().unwrap_or_else(|| "the connection is closed".to_owned());
        let session = state.session.take();
        drop(state);
        let mut at = 0;
        for run in runs {
            let requests = &out.unanswered()[at..at + run.bytes];
            at += run.bytes;
            match run.owner {
                Owner::Session(ticket) if self.purpose == Purpose::Replica => {
                    self.worker.redo(requests, ticket, run.left, "the replica cannot be reached");
                }
                Owner::Session(ticket) => ticket.session.fail(ticket.slot, run.left, &unreachable(&why)),
                Owner::Stream(session) => session.abort(),
                _ => {}
            }
        }
        if let (Purpose::Private(_), Some(session)) = (self.purpose, session) {
            session.private_closed();
        }
    }
}

/// Ends the sessions of a connection whose task ended by a defect of ours: what they were to receive is not known any more.
struct Abandon(Rc<Connection>);

impl Drop for Abandon {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        tracing::error!(node = %self.0.node.address, "a connection ended by a defect of ours, and its sessions with it");
        let Ok(mut state) = self.0.state.try_borrow_mut() else { return };
        state.retired = Some("a defect of the ambassador ended the connection");
        let runs = std::mem::take(&mut state.runs);
        drop(state);
        for run in runs {
            match run.owner {
                Owner::Session(Ticket { session, .. }) | Owner::Stream(session) => session.abort(),
                _ => {}
            }
        }
    }
}

impl State {
    /// Whether replies to other sessions come behind those to this one.
    fn others_wait(&self, session: &Rc<Session>) -> bool {
        self.runs
            .iter()
            .any(|run| matches!(&run.owner, Owner::Session(ticket) if !Rc::ptr_eq(session, &ticket.session)))
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    fn push(&mut self, requests: &[u8], ticket: Ticket, generation: u64) {
        self.select(ticket.db);
        if ticket.needs.is_some() && !self.asks_applied {
            self.ask_applied(generation);
        }
        // A client's own SELECT leaves the connection where we can only guess.
        if matches!(ticket.observe, Some(Observe::Select(_))) {
            self.db = None;
        }
        self.unmarked = true;
        self.in_flight += ticket.requests;
        self.out.end().extend_from_slice(requests);
        self.runs.push_back(Run { left: ticket.requests, bytes: requests.len(), owner: Owner::Session(ticket) });
    }

    /// Puts a `SELECT` in the queue unless the connection is in that database already. A fresh one is in 0.
    fn select(&mut self, db: u32) {
        if self.db != Some(db) {
            self.own(&[b"SELECT", itoa::Buffer::new().format(db).as_bytes()], Owner::Nobody);
            self.db = Some(db);
        }
    }

    fn own(&mut self, arguments: &[&[u8]], owner: Owner) {
        let buffer = self.out.end();
        let before = buffer.len();
        encode::command(buffer, arguments);
        let bytes = buffer.len() - before;
        self.runs.push_back(Run { owner, left: 1, bytes });
    }

    fn ask_applied(&mut self, generation: u64) {
        self.asks_applied = true;
        self.own(&[b"ROLE"], Owner::Applied(generation));
    }

    fn requeue(&mut self, runs: VecDeque<Run>, bytes: &[u8], generation: u64) {
        let mut at = 0;
        for run in runs {
            let requests = &bytes[at..at + run.bytes];
            at += run.bytes;
            match run.owner {
                Owner::Session(ticket) => self.push(requests, ticket, generation),
                owner => {
                    self.out.end().extend_from_slice(requests);
                    self.runs.push_back(Run { owner, ..run });
                }
            }
        }
    }

    /// The front run has its last reply.
    fn finish_front(&mut self) {
        let Some(run) = self.runs.front() else { return };
        if run.left > 0 {
            return;
        }
        self.out.mark_answered(run.bytes);
        if let Owner::Session(ticket) = &run.owner {
            self.in_flight -= ticket.requests.min(self.in_flight);
        }
        self.runs.pop_front();
    }
}

/// The requests behind the first `answered` ones.
fn remaining(mut requests: &[u8], answered: u32) -> &[u8] {
    let limits = request::Limits { bulk: i64::MAX >> 1, client: request::Client::Known };
    for _ in 0..answered {
        match request::Scanner::default().step(requests, limits) {
            Ok(request::Step::Request(frame)) => requests = &requests[frame.len..],
            _ => return &[],
        }
    }
    requests
}

fn lost(node: &str, why: &str) -> String {
    format!(
        "ERR ambassador: the connection to {node} was lost before the reply ({why}); the command may or may not have been executed"
    )
}

/// The error for a command that was not sent.
pub fn unreachable(why: &str) -> String {
    format!("LOADING ambassador: the primary cannot be reached ({why}); nothing was executed, try again")
}
