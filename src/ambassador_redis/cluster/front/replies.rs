//! What the sessions of a client have answered: matched with what is awaited, and handed to the order of its replies.
//!
//! As much is taken in as the client reads; what is told unasked is passed on behind the replies that came before it. A session that ends
//! while a reply of it is awaited ends the client: nothing else tells what became of the request.

use std::rc::Rc;

use crate::ambassador_redis::downstream::unread::{CLOGGED, KEEP};
use crate::ambassador_redis::resp::reply::{Scanner, Step};

use super::legs::{Awaited, Kind, Owner, Target};
use super::tracking::Caching;
use super::{Ending, Front};

/// What a client is told whose request needs every shard, if one of them is lost meanwhile.
const LOST: &[u8] = b"-CLUSTERDOWN ambassador: the connection to a shard was lost; nothing was done, try again\r\n";

impl Front {
    /// Takes in what the sessions have answered, as far as the client reads it.
    pub(super) fn collect(&mut self) {
        // One that had to wait may be next as soon as the first reply is complete.
        while self.collect_once() && self.ending != Ending::Now {}
        self.legs.retain(|leg| !leg.is_over);
    }

    /// Asks each session once; whether one that had to wait may have more now.
    fn collect_once(&mut self) -> bool {
        let (mut at, mut waits, mut has_taken) = (0, false, false);
        while at < self.legs.len() {
            if self.legs[at].is_over || !self.may_collect(at) {
                waits |= !self.legs[at].is_over;
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
            at += 1;
            if !leg.pipe.is_over() || leg.is_over {
                continue;
            } else if self.upload.as_ref().is_some_and(|upload| Rc::ptr_eq(&upload.pipe, &leg.pipe)) {
                // It has said why; the rest of the large request can be told from nothing.
                self.ending = Ending::Soon;
                return false;
            } else if !leg.is_owed() && !self.needs(at - 1) {
                // It held nothing: another one takes its place when it is needed.
                self.lost(at - 1);
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
        self.refused(at, LOST);
    }

    /// A session of which nothing is awaited is of no use, and why.
    pub(super) fn refused(&mut self, at: usize, why: &[u8]) {
        let kind = self.legs[at].kind;
        self.legs[at].end();
        if kind == Kind::Requests {
            self.forget_all();
        }
        self.without_attention(kind, why);
    }

    /// Whether a session holds what another one cannot take over.
    fn needs(&self, leg: usize) -> bool {
        let leg = &self.legs[leg];
        let holds = self.transaction.as_ref().is_some_and(|transaction| transaction.shard() == Some(leg.shard));
        leg.kind == Kind::Ears || holds
    }

    fn match_replies(&mut self, at: usize, replies: &[u8]) -> usize {
        let mut used = 0;
        while used < replies.len() && self.ending != Ending::Now && !self.legs[at].is_over {
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
