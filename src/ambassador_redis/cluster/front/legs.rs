//! A client's sessions, one for each shard that it needs, and what is awaited of each.
//!
//! Requests go out with what becomes of their replies; replies come in, are matched, and go to the order of the client.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use crate::ambassador_redis::downstream::unread::{CLOGGED, KEEP};
use crate::ambassador_redis::resp::encode;
use crate::ambassador_redis::resp::reply::{Scanner, Step};

use super::super::pipe::Pipe;
use super::super::slots::ShardNumber;
use super::attention::monitor;
use super::tracking::Caching;
use super::{Ending, Front};

/// One session.
pub(super) struct Leg {
    pub shard: ShardNumber,
    pub kind: Kind,
    pub pipe: Rc<Pipe>,
    pub awaited: VecDeque<Awaited>,
    /// What it must confirm before anything is asked of it.
    pub unconfirmed: usize,
    /// It is of no use any more.
    pub is_over: bool,
    scanner: Scanner,
    /// Replies that are not matched yet.
    replies: Vec<u8>,
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
        if let Some(at) = self.legs.iter().position(|leg| leg.shard == shard && leg.kind == kind) {
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
        self.legs.retain(|leg| {
            let kept = keep(leg);
            if !kept {
                leg.pipe.close();
            }
            kept
        });
    }

    /// Takes in what the sessions have answered, as far as the client reads it.
    pub(super) fn collect(&mut self) {
        // One that had to wait may be next as soon as the first reply is complete.
        while self.collect_once() && self.ending != Ending::Now {}
    }

    /// Asks each session once; whether one that had to wait may have more now.
    fn collect_once(&mut self) -> bool {
        let (mut at, mut waits, mut has_taken) = (0, false, false);
        while at < self.legs.len() {
            if !self.may_collect(at) {
                waits = true;
                at += 1;
                continue;
            }
            let mut replies = std::mem::take(&mut self.legs[at].replies);
            self.legs[at].pipe.take(&mut replies);
            let used = match replies.is_empty() {
                true => 0,
                false => self.match_replies(at, &replies),
            };
            replies.drain(..used);
            has_taken |= used > 0;
            if replies.is_empty() {
                replies.shrink_to(KEEP);
            }
            let leg = &mut self.legs[at];
            leg.replies = replies;
            if !leg.pipe.is_over() && !leg.is_over {
                at += 1;
            } else if self.upload.as_ref().is_some_and(|upload| Rc::ptr_eq(&upload.pipe, &leg.pipe)) {
                // It has said why; the rest of the large request can be told from nothing.
                self.ending = Ending::Soon;
                return false;
            } else if !leg.is_owed() && !self.needs(at) {
                // It held nothing: another one takes its place when it is needed.
                self.lost(at);
            } else {
                self.ending = Ending::Now;
                return false;
            }
        }
        waits && has_taken
    }

    /// Whether there is room for what a session has to say. If too much waits for an earlier reply, only that one is let in.
    fn may_collect(&self, at: usize) -> bool {
        if self.out.len() > CLOGGED {
            return false;
        }
        match self.legs[at].awaited.front() {
            Some(Awaited { owner: Owner::Place(place, _) | Owner::Queued(place) | Owner::Exec(place), .. }) => {
                self.order.parked() <= CLOGGED || self.order.is_first(*place)
            }
            _ => true,
        }
    }

    /// A session has ended of which nothing is awaited.
    fn lost(&mut self, at: usize) {
        let leg = self.legs.remove(at);
        if leg.kind == Kind::Requests {
            self.forget_all();
        }
        if !leg.is_over {
            self.without_attention(leg.kind, LOST);
        }
    }

    /// Whether a session holds what another one cannot take over.
    fn needs(&self, leg: usize) -> bool {
        let leg = &self.legs[leg];
        let holds = self.transaction.as_ref().is_some_and(|transaction| transaction.shard() == Some(leg.shard));
        leg.kind == Kind::Ears || holds
    }

    fn match_replies(&mut self, at: usize, replies: &[u8]) -> usize {
        let mut used = 0;
        while used < replies.len() && self.ending != Ending::Now {
            let rest = &replies[used..];
            let leg = &mut self.legs[at];
            let is_whole = leg.scanner.is_between();
            let must_be_whole = leg.kind == Kind::Ears
                || rest[0] == b'-'
                || !matches!(leg.awaited.front(), Some(Awaited { owner: Owner::Place(..), .. }));
            match leg.scanner.step(rest) {
                Ok(Step::Partial) if is_whole && must_be_whole => {
                    leg.scanner = Scanner::default();
                    return used;
                }
                Ok(Step::Partial) => {
                    if let Some(Awaited { owner: Owner::Place(place, part), .. }) = leg.awaited.front() {
                        self.order.append(*place, *part, rest, self.out.end());
                    }
                    return replies.len();
                }
                Ok(Step::Reply { len, .. } | Step::Push { len }) if leg.kind == Kind::Ears => {
                    self.heard(at, &rest[..len]);
                    used += len;
                }
                Ok(Step::Reply { len, .. } | Step::Push { len }) if leg.kind == Kind::Monitor => {
                    self.monitored(at, &rest[..len]);
                    used += len;
                }
                Ok(Step::Push { len }) => {
                    self.order.tell(&rest[..len], self.out.end());
                    used += len;
                }
                Ok(Step::Reply { len, .. }) => {
                    self.replied(at, &rest[..len], is_whole);
                    used += len;
                }
                Err(error) => {
                    tracing::error!(session = self.id, %error, "a session of ours does not speak RESP");
                    self.ending = Ending::Now;
                }
            }
        }
        used
    }

    /// A reply is complete; of one that is not whole the beginning was passed on before.
    fn replied(&mut self, at: usize, reply: &[u8], is_whole: bool) {
        let leg = &mut self.legs[at];
        let Some(awaited) = leg.awaited.pop_front() else {
            return self.told_to_go(reply);
        };
        let is_ours = awaited.owner == Owner::Confirms;
        let redirect = (is_whole && reply[0] == b'-' && !is_ours).then(|| self.redirect(at, reply)).flatten();
        if let Some(redirect) = redirect {
            return self.redirected(at, awaited, &redirect, reply);
        }
        self.legs[at].pipe.forget(awaited.bytes);
        if awaited.bytes == 0 {
            self.legs[at].pipe.upload(false);
        }
        match awaited.owner {
            Owner::Place(place, part) => {
                self.order.append(place, part, reply, self.out.end());
                if awaited.caching == Caching::Yes && matches!(awaited.target, Target::Asking(..)) {
                    // Its key is not tracked, and must not be kept.
                    self.forget_all();
                }
                self.order.complete(place, self.version, self.out.end());
                self.then(self.legs[at].shard, reply);
            }
            Owner::Queued(place) => {
                self.order.append(place, 0, reply, self.out.end());
                self.order.complete(place, self.version, self.out.end());
            }
            Owner::Exec(place) => self.executed(place, reply, &awaited),
            Owner::Tracking(place) => self.tracked(at, place, reply),
            Owner::Confirms => self.confirmed_ours(at, reply),
            Owner::Replayed | Owner::Nobody | Owner::Confirmations(..) => {}
        }
    }

    /// A session says unasked why it ends, and that ends the client.
    pub(super) fn told_to_go(&mut self, why: &[u8]) {
        if self.ending == Ending::No {
            self.out.end().extend_from_slice(why);
            self.ending = Ending::Soon;
        }
    }
}

impl Leg {
    /// Whether the client awaits a reply of it.
    fn is_owed(&self) -> bool {
        self.awaited.iter().any(|awaited| !matches!(awaited.owner, Owner::Nobody | Owner::Confirms))
    }
}

/// What a client is told whose request needs every shard, if one of them is lost meanwhile.
const LOST: &[u8] = b"-CLUSTERDOWN ambassador: the connection to a shard was lost; nothing was done, try again\r\n";
