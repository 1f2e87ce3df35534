//! A client's sessions, one for each shard that it needs, and what is awaited of each.
//!
//! Requests go out with what becomes of their replies; replies come in, are matched, and go to the order of the client.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use crate::ambassador_redis::downstream::unread::KEEP;
use crate::ambassador_redis::resp::encode;
use crate::ambassador_redis::resp::reply::{Scanner, Step};

use super::super::pipe::Pipe;
use super::super::slots::ShardNumber;
use super::{Ending, Front};

/// One session.
pub(super) struct Leg {
    pub shard: ShardNumber,
    pub kind: Kind,
    pub pipe: Rc<Pipe>,
    pub awaited: VecDeque<Awaited>,
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
        Awaited { owner, bytes: 0, target, tries: 0, since: None }
    }
}

impl Front {
    /// Sends a request; if there is no shard for it now, it is sent later.
    pub(super) fn send(&mut self, request: &[u8], awaited: Awaited, kind: Kind) {
        let shard = self.shard(awaited.target);
        let leg = shard.and_then(|shard| self.leg(shard, kind));
        let Some(leg) = leg else {
            return self.send_later(request.to_vec(), awaited, kind, b"-CLUSTERDOWN Hash slot not served\r\n");
        };
        if let Target::Asking(..) = awaited.target {
            self.own(leg, &[b"ASKING"]);
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
        let mut leg =
            Leg { shard, kind, pipe, awaited: VecDeque::new(), scanner: Scanner::default(), replies: Vec::new() };
        for (_, said) in &self.preamble {
            leg.pipe.push(said);
            let awaited = Awaited::new(Owner::Nobody, Target::Shard(shard));
            leg.awaited.push_back(Awaited { bytes: said.len(), ..awaited });
        }
        self.legs.push(leg);
        Some(self.legs.len() - 1)
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

    /// Takes in what the sessions have answered.
    pub(super) fn collect(&mut self) {
        let mut at = 0;
        while at < self.legs.len() {
            let mut replies = std::mem::take(&mut self.legs[at].replies);
            self.legs[at].pipe.take(&mut replies);
            let used = match replies.is_empty() {
                true => 0,
                false => self.match_replies(at, &replies),
            };
            replies.drain(..used);
            if replies.is_empty() {
                replies.shrink_to(KEEP);
            }
            let leg = &mut self.legs[at];
            leg.replies = replies;
            if !leg.pipe.is_over() {
                at += 1;
            } else if self.upload.as_ref().is_some_and(|upload| Rc::ptr_eq(&upload.pipe, &leg.pipe)) {
                // It has said why; the rest of the large request can be told from nothing.
                self.ending = Ending::Soon;
                return;
            } else if leg.awaited.is_empty() && !self.needs(at) {
                // It held nothing: another one takes its place when it is needed.
                self.legs.remove(at);
            } else {
                self.ending = Ending::Now;
                return;
            }
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
                Ok(Step::Push { len }) => {
                    self.pushes.extend_from_slice(&rest[..len]);
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
            // The session says why it ends.
            self.out.end().extend_from_slice(reply);
            self.ending = Ending::Soon;
            return;
        };
        let redirect = (is_whole && reply[0] == b'-').then(|| self.redirect(at, reply)).flatten();
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
                self.order.complete(place, self.version, self.out.end());
                self.then(self.legs[at].shard, reply);
            }
            Owner::Queued(place) => {
                self.order.append(place, 0, reply, self.out.end());
                self.order.complete(place, self.version, self.out.end());
            }
            Owner::Exec(place) => self.executed(place, reply, &awaited),
            Owner::Replayed | Owner::Nobody | Owner::Confirmations(..) => {}
        }
    }
}
