//! One client of a Cluster: its bytes come in, go to the sessions of the shards, and the replies leave in order.
//!
//! ```text
//! client ──read──→ intake.rs ──requests──→ legs.rs (a session of each shard that it needs)
//!    ↑                 │                        │
//!    └──── order ←─────┴──── replies ←──────────┘── redirects → asked again elsewhere
//! ```
//!
//! Requests for one shard are executed in the order in which they were sent; those for different shards at the same time. While a
//! request has to be asked again, nothing further is taken in, so that none overtakes it. What concerns the whole connection (`HELLO`,
//! `AUTH`, `CLIENT SETNAME`) is done by the home shard's session first, and repeated to each session that is opened later.

mod aside;
mod attention;
mod ears;
mod identity;
mod intake;
mod legs;
mod redirects;
mod tracking;
mod transaction;
mod upload;

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::time::Sleep;

use crate::ambassador_redis::downstream::unread::CLOGGED;
use crate::ambassador_redis::downstream::{Peer, Unread};
use crate::ambassador_redis::resp::{Version, encode, request};
use crate::ambassador_redis::transport::Transport;
use crate::ambassador_redis::users::Access;

use super::fleet::{Fleet, Handle};
use super::order::Order;
use super::pipe::Pipe;
use aside::Silence;
use attention::Attention;
use ears::Ears;
use legs::{Leg, Retry};
use tracking::{Caching, Tracking};
use transaction::Transaction;

/// Reads in one turn of the task.
const READS_A_TURN: usize = 4;
/// Requests that are read ahead while the client waits.
const READ_AHEAD: usize = 64 * 1024;

/// One client.
pub struct Front {
    fleet: Rc<Fleet>,
    id: u64,
    handle: Rc<Handle>,
    transport: Transport,
    peer: Peer,
    /// Requests that are not complete, or must wait.
    tail: Vec<u8>,
    scanner: request::Scanner,
    out: Unread,
    order: Order,
    /// What answers no request, until no reply is half written.
    pushes: Vec<u8>,
    legs: Vec<Leg>,
    retries: Vec<Retry>,
    sleep: Option<Pin<Box<Sleep>>>,
    waker: Waker,
    version: Version,
    /// What the client may, with users of the ambassador's own; its sessions see to it.
    access: Access,
    /// What new sessions are told first.
    preamble: Vec<(Told, Vec<u8>)>,
    /// Nothing further is taken until everything is answered.
    paused: bool,
    /// The last request may wait at the server for something to happen.
    waits: bool,
    /// The next request was looked at before, and had to wait.
    is_seen: bool,
    silence: Silence,
    transaction: Option<Box<Transaction>>,
    ears: Option<Box<Ears>>,
    tracking: Option<Box<Tracking>>,
    /// What was said of the next request that is no `CLIENT` command.
    caching: Caching,
    attention: Attention,
    upload: Option<Box<Upload>>,
    /// What follows when the only request that is awaited is answered.
    then: Option<Then>,
    ended: bool,
    ending: Ending,
}

/// A large request that is passed on as it comes.
struct Upload {
    rest: request::Upload,
    pipe: Rc<Pipe>,
}

/// What a session must be told to be in the state of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Auth,
    Hello,
    Name,
    /// The library's name, or its version.
    Info(u8),
}

/// What a reply changes that is no error.
enum Then {
    Tell(Told, Vec<u8>, Option<Version>),
    Track(Vec<u8>),
    Watched,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    /// Answer what is awaited, then close.
    Soon,
    /// Close at once.
    Now,
}

impl Front {
    pub fn new(fleet: &Rc<Fleet>, id: u64, transport: Transport, peer: Peer, handle: Rc<Handle>) -> Front {
        Front {
            fleet: fleet.clone(),
            id,
            handle,
            transport,
            peer,
            tail: Vec::new(),
            scanner: request::Scanner::default(),
            out: Unread::default(),
            order: Order::default(),
            pushes: Vec::new(),
            legs: Vec::new(),
            retries: Vec::new(),
            sleep: None,
            waker: Waker::noop().clone(),
            version: Version::Resp2,
            access: access_at_first(fleet),
            preamble: Vec::new(),
            paused: false,
            waits: false,
            is_seen: false,
            silence: Silence::No,
            transaction: None,
            ears: None,
            tracking: None,
            caching: Caching::Unsaid,
            attention: Attention::default(),
            upload: None,
            then: None,
            ended: false,
            ending: Ending::No,
        }
    }

    /// Reads, takes requests in, hands them on and writes the replies, until the client has gone.
    pub fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waker.will_wake(cx.waker()) {
            self.waker = cx.waker().clone();
            *self.handle.waker.borrow_mut() = Some(cx.waker().clone());
        }
        for _ in 0..READS_A_TURN {
            if self.handle.cut.get() && self.only_waits() {
                self.ending = Ending::Now;
            }
            if self.handle.idle.take() && !self.only_waits() {
                self.handle.draining.set(true);
            }
            self.collect();
            if self.handle.attends.get() {
                self.attend();
            }
            self.retry(cx);
            self.settle();
            if !self.tail.is_empty() && self.may_take() {
                self.take(&[]);
            }
            let was_clogged = self.out.len() > CLOGGED;
            self.flush(cx);
            if self.is_over() {
                return Poll::Ready(());
            }
            if was_clogged && self.out.len() <= CLOGGED {
                // There is room for what the sessions have kept back.
                continue;
            }
            if self.ended || self.ending != Ending::No || self.tail.len() >= READ_AHEAD && !self.may_take() {
                return Poll::Pending;
            }
            let fleet = self.fleet.clone();
            let mut scratch = fleet.scratch();
            match self.transport.poll_read(cx, &mut scratch) {
                Poll::Pending if self.handle.draining.get() && self.is_idle() && !self.only_waits() => {
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(read)) if read > 0 => {
                    self.handle.active.set(self.fleet.second());
                    self.take(&scratch[..read]);
                }
                // Half-closed or gone: what is awaited is still answered, unless it could wait for ever.
                Poll::Ready(_) => {
                    self.ended = true;
                    if self.only_waits() {
                        self.ending = Ending::Now;
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether the client only waits for something to happen.
    fn only_waits(&self) -> bool {
        self.waits || self.attention.monitors || self.ears.as_ref().is_some_and(|ears| ears.is_listening())
    }

    /// When nothing is awaited: ends the pause.
    fn settle(&mut self) {
        if !self.order.is_empty() || !self.retries.is_empty() || self.is_confirming() {
            return;
        }
        (self.paused, self.waits) = (false, false);
        self.order.shrink();
    }

    fn flush(&mut self, cx: &mut Context<'_>) {
        if !self.pushes.is_empty() && !self.order.is_torn() {
            self.out.end().append(&mut self.pushes);
        }
        if self.out.flush(|bytes| self.transport.poll_write(cx, bytes)).is_err() {
            self.ending = Ending::Now;
        }
    }

    fn is_clogged(&self) -> bool {
        self.out.len() + self.order.parked() > CLOGGED
    }

    /// Whether further requests may be taken in.
    fn may_take(&self) -> bool {
        let full = self.upload.as_ref().is_some_and(|upload| upload.pipe.is_full());
        !self.paused && !self.handle.delayed.get() && !full && !self.is_clogged()
    }

    /// Answers out of what the ambassador itself knows, in order.
    fn answer(&mut self, reply: &[u8]) {
        if self.order.is_empty() && !self.order.is_mute() {
            self.out.end().extend_from_slice(reply);
        } else if !self.order.is_empty() {
            self.order.answer(reply);
        }
    }

    fn refuse(&mut self, text: &str) {
        let mut reply = Vec::new();
        encode::error(&mut reply, text);
        self.answer(&reply);
    }

    fn is_idle(&self) -> bool {
        self.order.is_empty() && self.out.is_empty() && self.pushes.is_empty() && !self.paused && self.upload.is_none()
    }

    fn is_over(&self) -> bool {
        match self.ending {
            Ending::Now => true,
            Ending::Soon => self.order.is_empty() && self.out.is_empty() && self.pushes.is_empty(),
            Ending::No => self.ended && self.is_idle(),
        }
    }
}

/// What a client may that has not said who it is.
fn access_at_first(fleet: &Fleet) -> Access {
    fleet.shared.users.as_ref().map_or(Access::All, |users| users.current().access_at_first())
}

impl Drop for Front {
    fn drop(&mut self) {
        self.legs.iter().for_each(|leg| leg.pipe.close());
    }
}
