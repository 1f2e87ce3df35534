//! Requests that are asked again: where the Cluster says, or later.
//!
//! A redirect means that nothing was executed, so that any request may be asked again; the pipe still has it. What has to be asked again
//! for too long is answered with the last reason.

use std::task::Context;
use std::time::{Duration, Instant};

use crate::ambassador_redis::resp::encode;
use crate::core::values::Endpoint;

use super::super::redirect::Redirect;
use super::Front;
use super::legs::{Awaited, Kind, Owner, Retry, Target};

/// Redirections that are followed without a pause.
const AT_ONCE: u8 = 3;
/// The first pause before a request is asked again, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

impl Front {
    /// Reads a reply as a redirect.
    pub(super) fn redirect(&self, at: usize, reply: &[u8]) -> Option<Redirect> {
        let shard = self.fleet.cluster.shard(self.legs[at].shard);
        let host = shard.and_then(|shard| match &shard.told.borrow().named {
            Some(Ok(Endpoint::Tcp { host, .. })) => Some(host.clone()),
            _ => None,
        });
        let map = |to| self.fleet.cluster.map.apply(&to);
        Some(match Redirect::parse(reply, host.as_deref().unwrap_or("localhost"))? {
            Redirect::Moved { slot, to } => Redirect::Moved { slot, to: map(to) },
            Redirect::Ask { slot, to } => Redirect::Ask { slot, to: map(to) },
            other => other,
        })
    }

    /// Acts on a redirect: of one request alone, or of the transaction that it is part of.
    pub(super) fn redirected(&mut self, at: usize, awaited: Awaited, redirect: &Redirect, reply: &[u8]) {
        let request = self.legs[at].pipe.oldest(awaited.bytes);
        self.legs[at].pipe.forget(awaited.bytes);
        let from = self.legs[at].shard;
        let kind = self.legs[at].kind;
        let cluster = self.fleet.cluster.clone();
        let mut awaited = awaited;
        let mut at_once = awaited.tries < AT_ONCE;
        match redirect {
            Redirect::Moved { slot, to } => {
                let owner = cluster.moved(*slot, to);
                awaited.target = Target::Slot(*slot);
                // Its probe has not seen the change yet.
                at_once &= owner.is_some_and(|owner| owner != from);
                if owner == Some(from)
                    && let Some(shard) = cluster.shard(from)
                {
                    shard.shared.suspicion.notify_one();
                }
            }
            Redirect::Ask { slot, to } => {
                cluster.suspect();
                match cluster.shard_at(to) {
                    Some(shard) if matches!(awaited.owner, Owner::Place(..)) && !self.waits => {
                        awaited.target = Target::Asking(shard.number, *slot);
                    }
                    _ => (awaited.target, at_once) = (Target::Slot(*slot), false),
                }
            }
            Redirect::TryAgain => at_once = false,
            Redirect::Down => {
                cluster.suspect();
                at_once = false;
            }
        }
        if let Target::Asking(shard, slot) = awaited.target
            && shard == from
        {
            // The receiving shard does not have it (yet): ask whoever is the owner.
            awaited.target = Target::Slot(slot);
        }
        match awaited.owner {
            Owner::Queued(place) => {
                self.note_redirected_transaction();
                self.order.append(place, 0, b"+QUEUED\r\n", self.out.end());
                self.order.complete(place, self.version, self.out.end());
            }
            Owner::Replayed => self.note_redirected_transaction(),
            Owner::Exec(place) => {
                self.note_redirected_transaction();
                self.executed(place, reply, &awaited);
            }
            Owner::Nobody | Owner::Confirms => {}
            _ if request.is_empty() => self.fail(
                &awaited,
                "CLUSTERDOWN ambassador: the slot is being moved, and the request is too large to be kept; nothing was executed, try again",
            ),
            _ => {
                self.paused = true;
                awaited.since.get_or_insert_with(Instant::now);
                awaited.tries = awaited.tries.saturating_add(1);
                match at_once {
                    true => self.send(&request, awaited, kind),
                    false => self.send_later(request, awaited, kind, reply),
                }
            }
        }
    }

    /// Asks again after a pause, or passes the error on if that has gone on for too long.
    pub(super) fn send_later(&mut self, request: Vec<u8>, mut awaited: Awaited, kind: Kind, error: &[u8]) {
        let now = Instant::now();
        let since = *awaited.since.get_or_insert(now);
        awaited.tries = awaited.tries.saturating_add(1);
        let policy = self.fleet.shared.policy.load();
        let patience = policy.reply_timeout.map_or(policy.failover_hold, |timeout| timeout.min(policy.failover_hold));
        if now.duration_since(since) >= patience {
            let text = String::from_utf8_lossy(error);
            let text = match text.trim_start_matches('-').trim_end() {
                moved if moved.starts_with("MOVED") => format!(
                    "CLUSTERDOWN ambassador: the servers of the Cluster do not agree on who has the slot ({moved}); nothing was executed, try again"
                ),
                ask if ask.starts_with("ASK") => format!(
                    "TRYAGAIN ambassador: the slot is being moved, and not all keys are at one place ({ask}); nothing was executed, try again"
                ),
                other => other.to_owned(),
            };
            return self.fail(&awaited, &text);
        }
        self.paused = true;
        let pause = FIRST_PAUSE.saturating_mul(1 << awaited.tries.min(6)).min(LONGEST_PAUSE);
        self.retries.push(Retry { request, kind, awaited, due: now + pause });
    }

    /// Asks again what is due.
    pub(super) fn retry(&mut self, cx: &mut Context<'_>) {
        while let Some(first) = self.retries.iter().map(|retry| retry.due).chain(self.attention.due()).min() {
            if first > Instant::now() {
                let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(first.into())));
                sleep.as_mut().reset(first.into());
                if sleep.as_mut().poll(cx).is_pending() {
                    return;
                }
                continue;
            }
            self.attend();
            // All that wait go in the order in which they came: a later one must not overtake.
            for retry in std::mem::take(&mut self.retries) {
                self.again(retry);
            }
        }
    }

    fn again(&mut self, retry: Retry) {
        match retry.awaited.owner {
            Owner::Exec(place) => self.replay(place, retry.awaited),
            _ => self.send(&retry.request, retry.awaited, retry.kind),
        }
    }

    /// Answers a request with an error of our own.
    pub(super) fn fail(&mut self, awaited: &Awaited, text: &str) {
        let mut reply = Vec::new();
        encode::error(&mut reply, text);
        match awaited.owner {
            Owner::Place(place, part) => {
                self.order.append(place, part, &reply, self.out.end());
                self.order.complete(place, self.version, self.out.end());
                self.then = None;
            }
            Owner::Queued(place) | Owner::Exec(place) | Owner::Tracking(place) => {
                if !matches!(awaited.owner, Owner::Tracking(_)) {
                    self.transaction = None;
                }
                self.order.append(place, 0, &reply, self.out.end());
                self.order.complete(place, self.version, self.out.end());
            }
            Owner::Confirmations(..) => self.deaf(&reply),
            Owner::Replayed | Owner::Confirms | Owner::Nobody => {}
        }
    }
}
