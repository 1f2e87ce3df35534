//! What a session knows of itself between two requests.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

use crate::ambassador_redis::downstream::unread::{CLOGGED, Unread};
use crate::ambassador_redis::resp::request;
use crate::ambassador_redis::upstream::{Connection, Line};
use crate::ambassador_redis::users::{Access, Users};
use crate::ambassador_redis::worker::Lines;

use super::intake;
use super::slots::Slots;
use super::wire::Wire;

/// One session's state.
pub(super) struct State {
    pub(super) transport: Wire,
    /// Requests that are not complete, or must wait.
    pub(super) tail: Vec<u8>,
    pub(super) scanner: request::Scanner,
    pub(super) out: Unread,
    pub(super) slots: Slots,
    pub(super) line: Line,
    /// The ambassador's own users, if it has some: those that were in force when the session began.
    pub(super) users: Option<Arc<Users>>,
    pub(super) access: Access,
    pub(super) lines: Rc<Lines>,
    /// Where the unanswered requests are.
    pub(super) current: Option<Rc<Connection>>,
    /// The replica that answered last.
    pub(super) sticky: Option<u32>,
    /// The session has changed settings of the primary, or debugs it: how its keys are stored and when they expire is asked there.
    pub(super) operates: bool,
    /// Whether the primary has told this session anything.
    pub(super) told: bool,
    pub(super) private: Option<Rc<Connection>>,
    pub(super) mode: Mode,
    /// No further request is taken until every earlier one is answered.
    pub(super) paused: bool,
    /// A fault on purpose keeps the next request waiting.
    pub(super) delayed: bool,
    /// Whether the last request waits at the server for something to happen.
    pub(super) waits: bool,
    /// Bytes at the start of the tail whose requests are counted already.
    pub(super) counted: usize,
    /// The client sends nothing more.
    pub(super) ended: bool,
    /// The process is ending: close as soon as nothing is awaited.
    pub(super) draining: bool,
    /// Whether what the client has got so far ends with a whole reply; while replies are not counted only.
    pub(super) position: Position,
    pub(super) ending: Ending,
    pub(super) extra: Option<Box<Extra>>,
    /// How many requests may be awaited, and the replies by which that is measured.
    pub(super) window: u32,
    pub(super) measured_replies: u32,
    pub(super) measured_bytes: usize,
    /// The large request that is being passed on.
    pub(super) upload: Option<Box<request::Upload>>,
}

/// What few sessions have.
#[derive(Default)]
pub(super) struct Extra {
    pub(super) name: Vec<u8>,
    /// `CLIENT SETINFO` commands to repeat on a connection of its own.
    pub(super) infos: Vec<Vec<u8>>,
    /// The user of ours that the client has proved to be.
    pub(super) user: Option<Vec<u8>>,
}

/// What the session's own connection is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Nothing: a private connection that is still there goes back as soon as nothing is awaited.
    Plain,
    Transaction {
        multi: bool,
        watch: bool,
    },
    /// Everything goes to the private connection, for good.
    Pinned {
        multi: bool,
    },
    /// The same, and replies are no longer counted.
    Stream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    No,
    /// Answer what is awaited, then close.
    Soon,
    /// Close at once.
    Now,
}

/// Where a stream of replies stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Between two replies.
    Between,
    /// In one, or in something that is no reply.
    Within,
}

impl State {
    /// Writes what waits.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        if self.out.is_empty() {
            self.slots.shrink();
            return;
        }
        let clogged = self.is_clogged();
        if self.out.flush(|bytes| self.transport.poll_write(cx, bytes)).is_err() {
            self.ending = Ending::Now;
            return;
        }
        if self.out.is_empty() {
            self.slots.shrink();
        }
        if clogged && !self.is_clogged() {
            self.private
                .iter()
                .chain(&self.current)
                .chain(&self.lines.primary)
                .for_each(|connection| connection.wake());
        }
    }

    /// Whether the client has a name: it keeps a connection that bears it, so that the server's list of clients shows it. Its writes
    /// go there; its reads are shared like anybody's.
    pub(super) fn is_named(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| !extra.name.is_empty())
    }

    /// Whether everything must go to the session's own connection.
    pub(super) fn is_apart(&self) -> bool {
        self.private.is_some() && !(self.is_named() && self.mode == Mode::Plain && self.upload.is_none())
    }

    pub(super) fn is_clogged(&self) -> bool {
        self.out.len() + self.slots.parked() > CLOGGED
    }

    /// Whether further requests may be taken in.
    pub(super) fn may_take(&self) -> bool {
        let full = (self.upload.is_some() || self.mode == Mode::Stream)
            && self.private.as_ref().is_some_and(|private| private.is_full());
        !self.paused && !self.delayed && !full && !self.is_clogged()
    }

    /// Sets the window by the replies since it was set last.
    pub(super) fn measure(&mut self) {
        if self.measured_replies > 0 {
            self.window = intake::window(self.window, self.measured_replies, self.measured_bytes);
            (self.measured_replies, self.measured_bytes) = (0, 0);
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.slots.is_empty() && self.out.is_empty() && !self.paused
    }

    pub(super) fn is_over(&self) -> bool {
        match self.ending {
            Ending::Now => true,
            Ending::Soon => self.slots.is_empty() && self.out.is_empty(),
            Ending::No => self.ended && self.is_idle(),
        }
    }
}
