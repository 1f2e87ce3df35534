//! Sessions at every shard: of a client that monitors, and of one that is told of all changes (`CLIENT TRACKING … BCAST`).
//!
//! The request that begins it is answered when every shard has confirmed. A shard that comes later gets such a session too, and a lost
//! one is made anew; whoever keeps values is then told to forget them all, since what changed meanwhile was not heard.

use std::time::{Duration, Instant};

use crate::ambassador_redis::resp::encode;

use super::Front;
use super::legs::{Awaited, Kind, Owner, Target};

/// The pause before a session is made anew.
const PAUSE: Duration = Duration::from_millis(100);

/// What is heard of every shard.
#[derive(Debug, Default)]
pub(super) struct Attention {
    pub monitors: bool,
    pub broadcasts: bool,
    /// The place of the request that began it, until every shard has confirmed, and which sessions it is about.
    begun: Option<(u64, Kind)>,
    /// When lost sessions are made anew.
    again: Option<Instant>,
}

impl Attention {
    /// When something is to be done.
    pub(super) fn due(&self) -> Option<Instant> {
        self.again
    }

    fn is_of(&self, kind: Kind) -> bool {
        match kind {
            Kind::Monitor => self.monitors,
            Kind::Requests => self.broadcasts,
            Kind::Ears => false,
        }
    }
}

impl Front {
    /// `MONITOR`.
    pub(super) fn monitor(&mut self) {
        let place = self.order.open();
        self.attention.monitors = true;
        self.begin_attention(place, Kind::Monitor);
    }

    /// Begins to listen to every shard; the place is answered when all have confirmed.
    pub(super) fn begin_attention(&mut self, place: u64, kind: Kind) {
        self.attention.begun = Some((place, kind));
        self.handle.attends.set(true);
        self.paused = true;
        self.attend();
        self.note_attention();
    }

    /// Opens the sessions that are missing.
    pub(super) fn attend(&mut self) {
        if self.attention.again.is_some_and(|again| again > Instant::now()) {
            return;
        }
        self.attention.again = None;
        for kind in [Kind::Monitor, Kind::Requests] {
            if !self.attention.is_of(kind) {
                continue;
            }
            for shard in self.fleet.cluster.serving() {
                if self.leg(shard, kind).is_none() {
                    self.attend_later();
                }
            }
        }
    }

    pub(super) fn attend_later(&mut self) {
        self.attention.again = Some(Instant::now() + PAUSE);
    }

    /// A session has confirmed something of ours, or has refused it; whether it is still there.
    pub(super) fn confirmed_ours(&mut self, at: usize, reply: &[u8]) {
        let (shard, kind) = (self.legs[at].shard, self.legs[at].kind);
        if reply.first() == Some(&b'-') {
            // Nothing was asked of it before it confirmed: it can go.
            self.legs[at].pipe.close();
            self.legs[at].is_over = true;
            tracing::debug!(session = self.id, shard = shard.0, "a session at a shard could not be prepared");
            return self.without_attention(kind, reply);
        }
        self.legs[at].unconfirmed -= 1;
        if self.legs[at].unconfirmed > 0 {
            return;
        }
        let now = Instant::now();
        self.retries.iter_mut().for_each(|retry| retry.due = now);
        if kind == Kind::Requests && self.attention.broadcasts && self.attention.begun.is_none() {
            self.forget_all();
        }
        self.note_attention();
    }

    /// A session that was to be at every shard is lost, or could not be made.
    pub(super) fn without_attention(&mut self, kind: Kind, error: &[u8]) {
        match self.attention.begun {
            Some((place, begun)) if begun == kind => {
                self.attention.begun = None;
                match kind {
                    Kind::Monitor => self.attention.monitors = false,
                    _ => self.end_tracking(),
                }
                self.keep_legs(|leg| leg.kind != kind);
                self.order.append(place, 0, error, self.out.end());
                self.order.complete(place, self.version, self.out.end());
            }
            _ if self.attention.is_of(kind) => self.attend_later(),
            _ => {}
        }
    }

    /// Answers the request that began it, if every shard has confirmed.
    fn note_attention(&mut self) {
        let Some((place, kind)) = self.attention.begun else { return };
        let is_there =
            |shard| self.legs.iter().any(|leg| leg.shard == shard && leg.kind == kind && leg.unconfirmed == 0);
        if self.fleet.cluster.serving().into_iter().all(is_there) {
            self.attention.begun = None;
            self.order.append(place, 0, b"+OK\r\n", self.out.end());
            self.order.complete(place, self.version, self.out.end());
        }
    }

    /// One line of a session that monitors.
    pub(super) fn monitored(&mut self, at: usize, line: &[u8]) {
        let Some(awaited) = self.legs[at].awaited.pop_front() else {
            return match line.first() {
                Some(b'-') => self.told_to_go(line),
                // Behind the confirmation of all of them only.
                _ if self.attention.begun.is_some() => {}
                _ => self.pushes.extend_from_slice(line),
            };
        };
        self.legs[at].pipe.forget(awaited.bytes);
        if awaited.owner == Owner::Confirms {
            self.confirmed_ours(at, line);
        }
    }

    /// Asks a session for something of ours that it must confirm before anything else is asked of it.
    pub(super) fn demand(&mut self, at: usize, request: &[u8]) {
        let leg = &mut self.legs[at];
        leg.pipe.push(request);
        leg.unconfirmed += 1;
        let awaited = Awaited::new(Owner::Confirms, Target::Shard(leg.shard));
        leg.awaited.push_back(Awaited { bytes: request.len(), ..awaited });
    }
}

/// `MONITOR` as it is sent.
pub(super) fn monitor() -> Vec<u8> {
    let mut request = Vec::new();
    encode::command(&mut request, &[b"MONITOR"]);
    request
}
