//! Subscriptions: sessions of their own, one for each shard that is listened to.
//!
//! What is published reaches every server of a Cluster, so that one of them, the home shard's primary, is listened to. Sharded channels
//! belong to slots: each is listened to at its own shard, and again at the next one when its slot moves. Keyspace events do not leave
//! the server where they happen: channels and patterns that begin with `__key` are listened to on the primaries of all shards. The
//! number of subscriptions in each confirmation is that of the client, over all shards.

use std::collections::HashSet;

use crate::ambassador_redis::command::Class;
use crate::ambassador_redis::resp::request::{Frame, arguments};
use crate::ambassador_redis::resp::{Version, encode};

use super::super::merge::items;
use super::super::plan::Plan;
use super::super::slots::{ShardNumber, slot};
use super::intake::Taken;
use super::legs::{Awaited, Kind, Owner, Target};
use super::{Ending, Front};

/// What a client listens to.
#[derive(Debug, Default)]
pub(super) struct Ears {
    channels: HashSet<Vec<u8>>,
    patterns: HashSet<Vec<u8>>,
    sharded: HashSet<Vec<u8>>,
    /// Sharded channels that the client has asked to leave.
    leaving: HashSet<Vec<u8>>,
    /// Where classic channels are listened to.
    home: Option<ShardNumber>,
}

impl Ears {
    pub(super) fn is_listening(&self) -> bool {
        !self.channels.is_empty() || !self.patterns.is_empty() || !self.sharded.is_empty()
    }

    /// The names of one kind.
    fn names(&mut self, kind: &[u8]) -> &mut HashSet<Vec<u8>> {
        match kind {
            b"psubscribe" | b"punsubscribe" => &mut self.patterns,
            b"ssubscribe" | b"sunsubscribe" => &mut self.sharded,
            _ => &mut self.channels,
        }
    }

    /// The number that a confirmation tells.
    fn count(&self, kind: &[u8]) -> usize {
        match kind {
            b"ssubscribe" | b"sunsubscribe" => self.sharded.len(),
            _ => self.channels.len() + self.patterns.len(),
        }
    }
}

impl Front {
    /// Whether the client may only speak of subscriptions: the rule of RESP2.
    pub(super) fn is_deaf_to(&self, class: Class, plan: &Plan) -> bool {
        let is_heard = matches!(class, Class::Stream | Class::Quit | Class::Reset) && matches!(plan, Plan::Keyed(_));
        self.version == Version::Resp2 && !is_heard && self.ears.as_ref().is_some_and(|ears| ears.is_listening())
    }

    /// Whether a change of subscriptions is not confirmed yet.
    pub(super) fn is_confirming(&self) -> bool {
        let confirms = |awaited: &Awaited| matches!(awaited.owner, Owner::Confirmations(..));
        self.legs.iter().any(|leg| leg.kind == Kind::Ears && leg.awaited.iter().any(confirms))
    }

    /// What a listening client asks in RESP2. Only `PING` is for a server; a server of a Cluster would look at the keys first, and say
    /// where they are.
    pub(super) fn while_listening(&mut self, bytes: &[u8], frame: &Frame) -> Taken {
        let name = frame.name.of(bytes).to_ascii_lowercase();
        if name != b"ping" {
            let name = String::from_utf8_lossy(&name);
            self.refuse(&format!("ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"));
            return Taken::Yes;
        }
        let leg = self.legs.iter().find(|leg| leg.kind == Kind::Ears);
        let target = leg.map_or(Target::Home, |leg| Target::Shard(leg.shard));
        self.confirmed_by(bytes, 1, true, target);
        Taken::Yes
    }

    /// `SUBSCRIBE` and its kin. Nothing further is taken before the confirmations have come.
    pub(super) fn listen(&mut self, bytes: &[u8], frame: &Frame) -> Taken {
        let kind = frame.name.of(bytes).to_ascii_lowercase();
        let names: Vec<&[u8]> = arguments(bytes).skip(1).collect();
        let home = self.fleet.cluster.home();
        let ears = self.ears.get_or_insert_default();
        let home = *ears.home.get_or_insert_with(|| home.unwrap_or(ShardNumber(0)));
        let home = Target::Shard(home);
        let leaves = kind.windows(2).any(|pair| pair == b"un");
        let known = ears.names(&kind).clone();
        match (kind.starts_with(b"ss") || kind.starts_with(b"su") && kind.len() > 11, leaves) {
            (true, false) if !names.is_empty() => {
                for name in names {
                    self.one_name(&kind, name, Target::Slot(slot(name)));
                }
            }
            (true, true) if !names.is_empty() || !known.is_empty() => {
                let all: Vec<Vec<u8>> = match names.is_empty() {
                    true => known.into_iter().collect(),
                    false => names.iter().map(|name| name.to_vec()).collect(),
                };
                for name in all {
                    ears_of(&mut self.ears).leaving.insert(name.clone());
                    self.one_name(&kind, &name, Target::Slot(slot(&name)));
                }
            }
            (_, true) => {
                let expected = if names.is_empty() { known.len().max(1) } else { names.len() };
                self.confirmed_by(bytes, expected, true, home);
                let others: Vec<ShardNumber> =
                    self.legs.iter().filter(|leg| leg.kind == Kind::Ears).map(|leg| leg.shard).collect();
                let keyspace = names.is_empty() || names.iter().any(|name| name.starts_with(KEYSPACE));
                for shard in others.into_iter().filter(|shard| keyspace && Target::Shard(*shard) != home) {
                    // Without names it confirms what it has, and at least one thing.
                    let here = known.iter().filter(|name| name.starts_with(KEYSPACE)).count().max(1);
                    self.confirmed_by(
                        bytes,
                        if names.is_empty() { here } else { expected },
                        false,
                        Target::Shard(shard),
                    );
                }
            }
            _ => {
                for name in &names {
                    if name.starts_with(KEYSPACE) {
                        let shards = self.fleet.cluster.serving();
                        let mut one = Vec::new();
                        encode::command(&mut one, &[&kind, name]);
                        for shard in shards.into_iter().filter(|shard| Target::Shard(*shard) != home) {
                            self.confirmed_by(&one, 1, false, Target::Shard(shard));
                        }
                    }
                }
                self.confirmed_by(bytes, names.len().max(1), true, home);
            }
        }
        self.paused = true;
        Taken::Yes
    }

    fn one_name(&mut self, kind: &[u8], name: &[u8], target: Target) {
        let mut one = Vec::new();
        encode::command(&mut one, &[kind, name]);
        self.confirmed_by(&one, 1, true, target);
    }

    fn confirmed_by(&mut self, bytes: &[u8], confirmations: usize, is_heard: bool, target: Target) {
        self.send(bytes, Awaited::new(Owner::Confirmations(confirmations, is_heard), target), Kind::Ears);
    }

    /// One frame of a session that listens.
    pub(super) fn heard(&mut self, at: usize, frame: &[u8]) {
        let awaited = self.legs[at].awaited.front().copied();
        let parts = if matches!(frame[0], b'*' | b'>') { items(frame) } else { Vec::new() };
        let kind = parts.first().and_then(|kind| bulk(kind)).unwrap_or_default();
        if matches!(kind, b"message" | b"pmessage" | b"smessage") {
            return self.pushes.extend_from_slice(frame);
        }
        if let Some(Awaited { owner: Owner::Nobody, bytes, .. }) = awaited {
            self.legs[at].awaited.pop_front();
            self.legs[at].pipe.forget(bytes);
            return;
        }
        match kind {
            b"subscribe" | b"psubscribe" | b"ssubscribe" | b"unsubscribe" | b"punsubscribe" | b"sunsubscribe" => {
                return self.confirmed(at, frame, &parts, kind, awaited);
            }
            _ => {}
        }
        // An error, or what PING says to a listener.
        let Some(awaited) = awaited else { return self.pushes.extend_from_slice(frame) };
        self.legs[at].awaited.pop_front();
        if let Some(redirect) = (frame[0] == b'-').then(|| self.redirect(at, frame)).flatten() {
            return self.redirected(at, awaited, &redirect, frame);
        }
        self.legs[at].pipe.forget(awaited.bytes);
        if let Owner::Confirmations(_, true) = awaited.owner {
            self.pushes.extend_from_slice(frame);
        }
    }

    fn confirmed(&mut self, at: usize, frame: &[u8], parts: &[&[u8]], kind: &[u8], awaited: Option<Awaited>) {
        let name = parts.get(1).and_then(|name| bulk(name)).map(<[u8]>::to_vec);
        let ears = ears_of(&mut self.ears);
        if kind == b"sunsubscribe"
            && let Some(name) = &name
            && ears.sharded.contains(name)
            && !ears.leaving.contains(name)
        {
            // Its slot moves: listen at the next shard.
            let mut again = Vec::new();
            encode::command(&mut again, &[b"SSUBSCRIBE", name]);
            self.fleet.cluster.suspect();
            let awaited = Awaited::new(Owner::Confirmations(1, false), Target::Slot(slot(name)));
            return self.send_later(again, awaited, Kind::Ears, b"-CLUSTERDOWN Hash slot not served\r\n");
        }
        let Some(Awaited { owner: Owner::Confirmations(left, is_heard), bytes, .. }) = awaited else {
            return self.pushes.extend_from_slice(frame);
        };
        if left > 1 {
            if let Some(awaited) = self.legs[at].awaited.front_mut() {
                awaited.owner = Owner::Confirmations(left - 1, is_heard);
            }
        } else {
            self.legs[at].awaited.pop_front();
            self.legs[at].pipe.forget(bytes);
        }
        if !is_heard {
            return;
        }
        if let Some(name) = name {
            ears.leaving.remove(&name);
            match kind.windows(2).any(|pair| pair == b"un") {
                true => ears.names(kind).remove(&name),
                false => ears.names(kind).insert(name),
            };
        }
        let count = ears.count(kind);
        let header = frame.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.pushes.extend_from_slice(&frame[..header]);
        parts.iter().take(2).for_each(|part| self.pushes.extend_from_slice(part));
        encode::integer(&mut self.pushes, count as u64);
    }

    /// A subscription could not be made.
    pub(super) fn deaf(&mut self, reply: &[u8]) {
        self.pushes.extend_from_slice(reply);
        // Whoever listened already hears no more of it, and only closing says so.
        self.ending = Ending::Soon;
    }
}

/// What the names of keyspace events begin with.
const KEYSPACE: &[u8] = b"__key";

fn ears_of(ears: &mut Option<Box<Ears>>) -> &mut Ears {
    ears.get_or_insert_default()
}

/// The text of a bulk.
fn bulk(item: &[u8]) -> Option<&[u8]> {
    item.first().filter(|kind| **kind == b'$')?;
    let start = item.iter().position(|byte| *byte == b'\n')? + 1;
    item.get(start..item.len().checked_sub(2)?)
}
