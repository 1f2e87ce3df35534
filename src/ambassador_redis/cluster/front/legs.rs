//! A client's sessions, one for each shard that it needs, and what is awaited of each.
//!
//! Requests go out with what becomes of their replies; `replies.rs` takes those in.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use crate::ambassador_redis::resp::encode;
use crate::ambassador_redis::resp::reply::Scanner;

use super::super::pipe::Pipe;
use super::super::slots::ShardNumber;
use super::Front;
use super::attention::monitor;
use super::tracking::Caching;

/// One session.
pub(super) struct Leg {
    pub shard: ShardNumber,
    pub kind: Kind,
    pub pipe: Rc<Pipe>,
    pub awaited: VecDeque<Awaited>,
    /// What it must confirm before anything is asked of it.
    pub unconfirmed: usize,
    /// It is of no use any more, and leaves when nobody counts on its place.
    pub is_over: bool,
    pub scanner: Scanner,
    /// Replies that are not matched yet.
    pub replies: Vec<u8>,
}

/// What a session is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Requests,
    /// Subscriptions: what comes is not the answer to a request.
    Ears,
    /// `MONITOR`.
    Monitor,
}

/// Where a request is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Slot(u16),
    Shard(ShardNumber),
    /// The shard that is receiving the slot.
    Asking(ShardNumber, u16),
    /// The shard that answers what concerns no key.
    Home,
}

/// A request whose reply is awaited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaited {
    pub owner: Owner,
    /// How long the request is in the pipe; zero if it is not kept.
    pub bytes: usize,
    pub target: Target,
    pub tries: u8,
    /// When it was first redirected.
    pub since: Option<Instant>,
    pub caching: Caching,
}

/// What becomes of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A part of the reply at this place of the client's order.
    Place(u64, usize),
    /// Likewise; the request was queued in a transaction, where a redirect is not followed alone.
    Queued(u64),
    /// The reply to a part of a transaction that is asked again, which the client has had before.
    Replayed,
    /// The reply of `EXEC` at this place.
    Exec(u64),
    /// So many confirmations of subscriptions; the client hears of them or not.
    Confirmations(usize, bool),
    /// The home shard's reply to `CLIENT TRACKING`, whose place this is.
    Tracking(u64),
    /// What a session must confirm before anything is asked of it.
    Confirms,
    Nobody,
}

/// A request that is to be asked again.
pub(super) struct Retry {
    pub request: Vec<u8>,
    pub kind: Kind,
    pub awaited: Awaited,
    pub due: Instant,
}

impl Awaited {
    pub fn new(owner: Owner, target: Target) -> Awaited {
        Awaited { owner, bytes: 0, target, tries: 0, since: None, caching: Caching::Unsaid }
    }
}

impl Front {
    /// Sends a request; if there is no shard for it now, it is sent later.
    pub(super) fn send(&mut self, request: &[u8], awaited: Awaited, kind: Kind) {
        let shard = self.shard(awaited.target);
        let leg = shard.and_then(|shard| self.leg(shard, kind)).filter(|leg| self.legs[*leg].unconfirmed == 0);
        let Some(leg) = leg else {
            return self.send_later(request.to_vec(), awaited, kind, b"-CLUSTERDOWN Hash slot not served\r\n");
        };
        match awaited.target {
            // Both are about the very next command, so that there is room for one of them.
            Target::Asking(..) => self.own(leg, &[b"ASKING"]),
            _ => self.repeat_caching(leg, awaited.caching),
        }
        let leg = &mut self.legs[leg];
        leg.pipe.push(request);
        leg.awaited.push_back(Awaited { bytes: request.len(), ..awaited });
    }

    /// Sends a command of our own whose reply nobody awaits.
    pub(super) fn own(&mut self, leg: usize, arguments: &[&[u8]]) {
        let mut bytes = Vec::new();
        encode::command(&mut bytes, arguments);
        let leg = &mut self.legs[leg];
        leg.pipe.push(&bytes);
        let awaited = Awaited::new(Owner::Nobody, Target::Shard(leg.shard));
        leg.awaited.push_back(Awaited { bytes: bytes.len(), ..awaited });
    }

    pub(super) fn shard(&self, target: Target) -> Option<ShardNumber> {
        match target {
            Target::Slot(slot) => self.fleet.cluster.owners.shard(slot),
            Target::Shard(shard) | Target::Asking(shard, _) => Some(shard),
            Target::Home => self.fleet.cluster.home(),
        }
    }

    /// The session of this shard; a new one is told first what the client has said about itself.
    pub(super) fn leg(&mut self, shard: ShardNumber, kind: Kind) -> Option<usize> {
        if let Some(at) = self.legs.iter().position(|leg| !leg.is_over && leg.shard == shard && leg.kind == kind) {
            return Some(at);
        }
        let pipe = self.fleet.session(shard, self.peer, &self.waker)?;
        let mut leg = Leg {
            shard,
            kind,
            pipe,
            awaited: VecDeque::new(),
            unconfirmed: 0,
            is_over: false,
            scanner: Scanner::default(),
            replies: Vec::new(),
        };
        for (_, said) in &self.preamble {
            leg.pipe.push(said);
            let awaited = Awaited::new(Owner::Nobody, Target::Shard(shard));
            leg.awaited.push_back(Awaited { bytes: said.len(), ..awaited });
        }
        self.legs.push(leg);
        let at = self.legs.len() - 1;
        let demands = match (kind, &self.tracking) {
            (Kind::Monitor, _) => vec![monitor()],
            (Kind::Requests, Some(tracking)) => tracking.said.clone(),
            _ => Vec::new(),
        };
        demands.iter().for_each(|demand| self.demand(at, demand));
        Some(at)
    }

    /// Lets every session go but those for which `keep` holds.
    pub(super) fn keep_legs(&mut self, keep: impl Fn(&Leg) -> bool) {
        self.legs.iter_mut().filter(|leg| !keep(leg)).for_each(Leg::end);
    }

    /// The places of the sessions of other kinds than requests.
    pub(super) fn listeners(&self) -> Vec<usize> {
        let listens = |at: &usize| !self.legs[*at].is_over && self.legs[*at].kind != Kind::Requests;
        (0..self.legs.len()).filter(listens).collect()
    }
}

impl Leg {
    /// Lets the session go.
    pub(super) fn end(&mut self) {
        self.pipe.close();
        self.is_over = true;
        self.awaited.clear();
        self.replies = Vec::new();
    }

    /// Whether the client awaits a reply of it.
    pub(super) fn is_owed(&self) -> bool {
        self.awaited.iter().any(|awaited| !matches!(awaited.owner, Owner::Nobody | Owner::Confirms))
    }
}
