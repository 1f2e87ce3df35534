//! One client: its bytes come in, the replies leave in order.
//!
//! ```text
//! client ──read──→ intake ──runs──→ connections
//!    ↑                                 │
//!    └──write── slots (order) ←────────┘
//! ```
//!
//! A session's unanswered requests are on one connection at a time, so that the server executes them in the order in which they were
//! sent; a request that needs another connection waits until the earlier ones are answered. Replies are written from the task of the
//! connection that received them; the session's own task reads, and writes only when the socket was full.
//!
//! What it refuses: input that Redis refuses (with Redis' words), commands that the policy denies, and more awaited replies or more
//! unread bytes than the limits allow: then it stops reading until the client has caught up.

mod access;
mod again;
mod aside;
mod census;
mod farewell;
mod greeting;
mod intake;
mod own;
mod sending;
mod slots;
mod state;
mod upload;
mod wire;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::ambassador_redis::downstream::Peer;
use crate::ambassador_redis::downstream::unread::{self, Unread};
use crate::ambassador_redis::resp::{Version, encode, request};
use crate::ambassador_redis::upstream::{Greeted, Line, Observe};
use crate::ambassador_redis::users::Access;
use crate::ambassador_redis::worker::{Lines, Worker};

pub use census::{Ended, recounted, with_clients};
use slots::Slots;
pub use state::Position;
use state::{Ending, Mode, State};
pub use wire::Wire;

/// Reads in one turn of the task.
const READS_A_TURN: usize = 4;
/// Requests that are read ahead while the session waits.
const READ_AHEAD: usize = 64 * 1024;

/// One client's connection.
pub struct Session {
    pub id: u64,
    /// Who the client is, as far as anybody tells.
    pub peer: Peer,
    worker: Rc<Worker>,
    state: RefCell<State>,
    waker: RefCell<Option<Waker>>,
    /// The second in which the client last sent something.
    pub active: Cell<u32>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({})", self.id)
    }
}

impl Session {
    pub fn new(worker: &Rc<Worker>, id: u64, transport: Wire, peer: Peer) -> Rc<Session> {
        let line = worker.usual_line(Version::Resp2);
        let users = worker.users();
        let state = State {
            transport,
            tail: Vec::new(),
            scanner: request::Scanner::default(),
            out: Unread::default(),
            slots: Slots::default(),
            lines: worker.lines(&line),
            line,
            access: users.as_ref().map_or(Access::All, |users| users.access_at_first()),
            users,
            current: None,
            sticky: None,
            operates: false,
            told: false,
            private: None,
            mode: Mode::Plain,
            paused: false,
            delayed: false,
            waits: false,
            counted: 0,
            ended: false,
            draining: false,
            position: Position::Between,
            ending: Ending::No,
            extra: None,
            window: intake::FIRST_WINDOW,
            measured_replies: 0,
            measured_bytes: 0,
            upload: None,
        };
        Rc::new(Session {
            id,
            peer,
            worker: worker.clone(),
            state: RefCell::new(state),
            waker: RefCell::new(None),
            active: Cell::new(worker.second()),
        })
    }

    /// Reads, takes requests in, and writes what could not be written before, until the session ends.
    pub fn drive(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waker.borrow().as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *self.waker.borrow_mut() = Some(cx.waker().clone());
        }
        for _ in 0..READS_A_TURN {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            state.flush(cx);
            self.settle(state);
            self.resume(state);
            if state.is_over() {
                return Poll::Ready(());
            }
            if state.ended || state.ending != Ending::No || state.tail.len() >= READ_AHEAD && !state.may_take() {
                return Poll::Pending;
            }
            let mut scratch = self.worker.session_scratch();
            match state.transport.poll_read(cx, &mut scratch) {
                Poll::Pending if state.draining && state.is_idle() => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(read)) if read > 0 => {
                    self.active.set(self.worker.second());
                    self.worker.stats().received(read);
                    self.take(state, &scratch[..read]);
                }
                // Half-closed or gone: what is awaited is still answered, unless it could wait for ever.
                Poll::Ready(_) => {
                    state.ended = true;
                    if state.waits || state.mode == Mode::Stream {
                        state.ending = Ending::Now;
                    }
                }
            }
        }
        self.wake();
        Poll::Pending
    }

    /// Lets go of everything, when the task has ended.
    pub fn close(&self) {
        let Ok(mut state) = self.state.try_borrow_mut() else { return };
        state.ending = Ending::Now;
        if let Some(private) = state.private.take() {
            private.retire("its session has ended");
            private.belong_to(None);
        }
        // Replies may still come for it: they go nowhere.
        state.transport = Wire::Closed;
        (state.out, state.tail) = (Unread::default(), Vec::new());
        let current = state.current.take();
        let lines = state.lines.clone();
        drop(state);
        current.iter().chain(&lines.primary).for_each(|connection| connection.wake());
    }

    /// Bytes of the replies of a slot, and how many replies end in them.
    pub fn deliver(&self, slot: u64, bytes: &[u8], replies: u32) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let bytes = if state.draining { farewell::translated(bytes) } else { bytes };
        state.measured_bytes += bytes.len();
        state.measured_replies += replies;
        if state.slots.is_first(slot) {
            self.write(state, bytes);
        } else {
            state.slots.park(slot, bytes);
        }
        if replies == 0 {
            return;
        }
        state.slots.answered(slot, replies);
        while let Some(parked) = state.slots.next_ready() {
            self.write(state, &parked);
        }
        if state.slots.is_empty()
            && (state.paused || state.private.is_some() || state.draining || state.ended || state.ending != Ending::No)
        {
            self.wake();
        }
    }

    /// Bytes that answer no request, and where they end.
    pub fn stream(&self, bytes: &[u8], position: Position) {
        let mut state = self.state.borrow_mut();
        state.position = position;
        self.write(&mut state, bytes);
    }

    /// Answers the last `replies` replies of a slot with an error.
    pub fn fail(&self, slot: u64, replies: u32, text: &str) {
        let mut out = Vec::new();
        for _ in 0..replies {
            encode::error(&mut out, text);
        }
        self.worker.stats().failed(replies);
        self.deliver(slot, &out, replies);
    }

    /// Ends the session at once: its replies can no longer be told apart.
    pub fn abort(&self) {
        if let Ok(mut state) = self.state.try_borrow_mut() {
            state.ending = Ending::Now;
        }
        self.wake();
    }

    /// The session's own connection has ended; what it held is lost, and only closing says so.
    pub fn private_closed(&self) {
        let mut state = self.state.borrow_mut();
        state.private = None;
        state.current = None;
        if state.mode != Mode::Plain {
            state.ending = Ending::Soon;
        }
        drop(state);
        self.wake();
    }

    /// Whether nothing but a name is lost with the session's own connection.
    pub fn is_plain(&self) -> bool {
        let state = self.state.borrow();
        state.mode == Mode::Plain && state.is_named() && state.upload.is_none()
    }

    /// Whether what the session's own connection was asked can be asked again on another one.
    pub fn holds_nothing(&self) -> bool {
        let state = self.state.borrow();
        state.mode == Mode::Plain && state.upload.is_none() && !state.draining
    }

    /// Requests go another way than the one they were sent. What follows must not overtake them: it waits until they are answered.
    pub fn detour(&self) {
        self.state.borrow_mut().paused = true;
    }

    /// What the session has learned from a reply.
    pub fn observe(&self, observe: Observe, reply: &[u8]) {
        if reply.first() == Some(&b'-') {
            return;
        }
        let mut state = self.state.borrow_mut();
        match observe {
            Observe::Select(db) => state.line.db = db,
            Observe::Greeted(greeted) => {
                let Greeted { identity, version, name } = *greeted;
                (state.line.identity, state.line.version) = (identity, version);
                if let Some(name) = name {
                    state.extra.get_or_insert_default().name = name;
                }
            }
            Observe::Nothing | Observe::Clients | Observe::Killed { .. } => return,
        }
        state.lines = self.worker.lines(&state.line);
    }

    /// Version, credentials and database of this session.
    pub fn line(&self) -> Line {
        self.state.borrow().line.clone()
    }

    /// Bytes that the client has not read yet.
    pub fn unread(&self) -> usize {
        let state = self.state.borrow();
        state.out.len()
    }

    /// Whether the client leaves so much unread that nothing more should be fetched for it.
    pub fn is_clogged(&self) -> bool {
        self.state.borrow().is_clogged()
    }

    /// The connections that this session shares.
    pub fn lines(&self) -> Rc<Lines> {
        let mut state = self.state.borrow_mut();
        if state.lines.epoch != self.worker.epoch() {
            state.lines = self.worker.lines(&state.line);
        }
        state.lines.clone()
    }

    pub fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Writes at once if it can; the rest waits in `out` for the session's task.
    fn write(&self, state: &mut State, bytes: &[u8]) {
        let mut bytes = bytes;
        self.worker.stats().sent(bytes.len());
        if state.out.is_empty()
            && let Some(waker) = &*self.waker.borrow()
        {
            let mut cx = Context::from_waker(waker);
            let Ok(taken) = unread::taken(bytes, |bytes| state.transport.poll_write(&mut cx, bytes)) else {
                state.ending = Ending::Now;
                waker.wake_by_ref();
                return;
            };
            bytes = &bytes[taken..];
        }
        if state.ending != Ending::Now {
            state.out.end().extend_from_slice(bytes);
        }
    }

    /// When nothing is awaited: ends the pause, and gives back a connection that is no longer needed.
    fn settle(&self, state: &mut State) {
        if !state.slots.is_empty() {
            return;
        }
        state.paused = false;
        state.measure();
        state.waits = false;
        state.current = None;
        let named = state.is_named();
        if state.mode == Mode::Plain
            && let Some(private) = state.private.take_if(|private| !named || !private.is_clean())
        {
            private.belong_to(None);
            self.worker.give_back(private);
        }
    }

    /// Takes in what had to wait.
    fn resume(self: &Rc<Self>, state: &mut State) {
        if !state.tail.is_empty() && state.may_take() {
            self.take(state, &[]);
        }
    }

    /// Answers out of what the ambassador itself knows, in order.
    fn answer(&self, state: &mut State, reply: &[u8]) {
        if state.slots.is_empty() {
            self.write(state, reply);
        } else {
            state.slots.open_answered(reply);
        }
    }
}
