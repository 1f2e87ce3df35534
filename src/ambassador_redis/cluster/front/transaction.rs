//! Transactions: all of one is done by the shard of its first key.
//!
//! `MULTI` is answered here, and so is what names no key, until a key tells which shard it is about; then that shard's session gets all
//! of it. A key of another slot is refused (`CROSSSLOT`), and `EXEC` with it. If the slot moves while a transaction is open, the whole
//! of it is done at the new place; if keys were watched, `EXEC` says that one of them has changed, which the client must expect anyway.

use std::time::Instant;

use crate::ambassador_redis::command::Class;
use crate::ambassador_redis::resp::Version;
use crate::ambassador_redis::resp::request::Frame;

use super::super::keys::{Keys, Place};
use super::super::plan::{Plan, Split};
use super::super::slots::ShardNumber;
use super::intake::{CROSSSLOT, Taken};
use super::legs::{Awaited, Kind, Owner, Target};
use super::tracking::Caching;
use super::{Ending, Front, Then};

/// The longest transaction that can be done at another place.
const KEPT: usize = 8 * 1024 * 1024;

/// What a client has watched and queued.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    is_open: bool,
    is_watching: bool,
    slot: Option<u16>,
    /// The shard whose session holds it.
    shard: Option<ShardNumber>,
    queued: Vec<Vec<u8>>,
    bytes: usize,
    /// The shard was told `MULTI`.
    is_begun: bool,
    /// Keys are watched at a shard that does not have them any more.
    is_lost: bool,
    /// A request was refused here: `EXEC` must fail.
    is_broken: bool,
    /// A shard has said that another one is right.
    is_redirected: bool,
    /// What was said of all of it before it began.
    caching: Caching,
}

impl Transaction {
    /// Whether `MULTI` was said.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn shard(&self) -> Option<ShardNumber> {
        self.shard
    }

    /// Keeps a request, for the case that the transaction must be done at another place.
    fn keep(&mut self, request: &[u8]) {
        self.bytes += request.len();
        if self.bytes <= KEPT {
            self.queued.push(request.to_vec());
        }
    }
}

impl Front {
    /// `WATCH`, `UNWATCH` and `MULTI`, and `EXEC` and `DISCARD` without it.
    pub(super) fn about_transaction(&mut self, plan: &Plan, bytes: &[u8], frame: &Frame, class: Class) -> Taken {
        match class {
            Class::Multi if frame.arguments == 1 => {
                let transaction = self.transaction.get_or_insert_default();
                (transaction.is_open, transaction.caching) = (true, std::mem::take(&mut self.caching));
                self.answer(b"+OK\r\n");
            }
            Class::Watch if frame.arguments > 1 => {
                if !self.order.is_empty() {
                    return Taken::NotYet;
                }
                let Plan::Keyed(keys) = plan else { return Taken::Yes };
                let Place::Slot(slot) = keys.place(bytes, frame) else {
                    self.refuse(CROSSSLOT);
                    return Taken::Yes;
                };
                if self.transaction.as_ref().and_then(|transaction| transaction.slot).is_some_and(|other| other != slot)
                {
                    self.refuse(CROSSSLOT);
                    return Taken::Yes;
                }
                let transaction = self.transaction.get_or_insert_default();
                transaction.slot = Some(slot);
                let target = transaction.shard.map_or(Target::Slot(slot), Target::Shard);
                self.single(bytes, target);
                self.then = Some(Then::Watched);
                self.paused = true;
            }
            Class::Unwatch if frame.arguments == 1 => {
                let shard = self.transaction.take().and_then(|transaction| transaction.shard);
                self.single(bytes, shard.map_or(Target::Home, Target::Shard));
            }
            // Errors that any server gives.
            _ => self.single(bytes, Target::Home),
        }
        Taken::Yes
    }

    /// A request between `MULTI` and `EXEC`.
    pub(super) fn in_transaction(&mut self, plan: &Plan, bytes: &[u8], frame: &Frame, class: Class) -> Taken {
        match class {
            Class::Exec if frame.arguments == 1 => return self.exec(),
            Class::Discard if frame.arguments == 1 => {
                self.abandon();
                self.answer(b"+OK\r\n");
                return Taken::Yes;
            }
            Class::Multi if frame.arguments == 1 => {
                self.refuse("ERR MULTI calls can not be nested");
                return Taken::Yes;
            }
            Class::Watch if frame.arguments > 1 => {
                self.refuse("ERR WATCH inside MULTI is not allowed");
                return Taken::Yes;
            }
            Class::Quit | Class::Reset => {
                if !self.order.is_empty() {
                    return Taken::NotYet;
                }
                self.abandon();
                if class == Class::Reset {
                    self.reset();
                } else {
                    self.answer(b"+OK\r\n");
                    self.ending = Ending::Soon;
                }
                return Taken::Yes;
            }
            _ => {}
        }
        let place = match plan {
            Plan::Keyed(keys) => keys.place(bytes, frame),
            Plan::Split(split) => {
                let step = if *split == Split::Sets { 2 } else { 1 };
                Keys::Range { first: 1, last: -1, step }.place(bytes, frame)
            }
            Plan::Home(_) => Place::Anywhere,
            Plan::Reply | Plan::Tracking | Plan::Caching | Plan::Monitor => {
                return self.break_off(
                    "ERR ambassador: this command is not possible inside a transaction over a Redis Cluster",
                );
            }
            Plan::Alone => return self.break_off("ERR This instance has cluster support disabled"),
            Plan::Refused(why) => return self.break_off(&format!("ERR ambassador: {why}")),
            Plan::All(_) | Plan::Scan => {
                return self
                    .break_off("ERR ambassador: this command concerns all shards, and a transaction is done by one");
            }
        };
        if matches!(class, Class::Stream | Class::Hello | Class::Auth | Class::Replication) {
            return self
                .break_off("ERR ambassador: this command is not possible inside a transaction over a Redis Cluster");
        }
        let Some(transaction) = &mut self.transaction else { return Taken::Yes };
        match (place, transaction.slot) {
            (Place::Several, _) => return self.break_off(CROSSSLOT),
            (Place::Slot(slot), Some(other)) if slot != other => return self.break_off(CROSSSLOT),
            (Place::Slot(slot), None) => transaction.slot = Some(slot),
            _ => {}
        }
        let Some(slot) = transaction.slot else {
            transaction.keep(bytes);
            self.answer(b"+QUEUED\r\n");
            return Taken::Yes;
        };
        let target = transaction.shard.map_or(Target::Slot(slot), Target::Shard);
        self.begin(target);
        if let Some(transaction) = &mut self.transaction {
            transaction.keep(bytes);
        }
        let place = self.order.open();
        self.send(bytes, Awaited::new(Owner::Queued(place), target), Kind::Requests);
        Taken::Yes
    }

    /// Tells the shard's session of the transaction, and all that was queued before.
    fn begin(&mut self, target: Target) {
        let shard = self.shard(target);
        let Some(transaction) = &mut self.transaction else { return };
        transaction.shard = shard;
        if std::mem::replace(&mut transaction.is_begun, true) {
            return;
        }
        let (queued, caching) = (transaction.queued.clone(), transaction.caching);
        self.send(MULTI, Awaited { caching, ..Awaited::new(Owner::Replayed, target) }, Kind::Requests);
        for request in queued {
            self.send(&request, Awaited::new(Owner::Replayed, target), Kind::Requests);
        }
    }

    fn exec(&mut self) -> Taken {
        let Some(transaction) = &mut self.transaction else { return Taken::Yes };
        if transaction.is_broken {
            self.abandon();
            self.refuse("EXECABORT Transaction discarded because of previous errors.");
            return Taken::Yes;
        }
        if transaction.is_lost {
            self.abandon();
            let conflict = self.conflict();
            self.answer(conflict);
            return Taken::Yes;
        }
        let target = match (transaction.shard, transaction.slot) {
            (Some(shard), _) => Target::Shard(shard),
            (None, Some(slot)) => Target::Slot(slot),
            (None, None) => Target::Home,
        };
        self.begin(target);
        let place = self.order.open();
        self.send(EXEC, Awaited::new(Owner::Exec(place), target), Kind::Requests);
        // What follows may have another shard.
        self.paused = true;
        Taken::Yes
    }

    /// `EXEC` was answered: passes that on, or does the transaction again where the Cluster says.
    pub(super) fn executed(&mut self, place: u64, reply: &[u8], awaited: &Awaited) {
        let Some(transaction) = &mut self.transaction else {
            self.order.append(place, 0, reply, self.out.end());
            return self.order.complete(place, self.version, self.out.end());
        };
        if transaction.is_redirected && reply.first() == Some(&b'-') {
            if transaction.is_watching {
                // As if a watched key had changed: the client reads again, and finds the new place.
                let conflict = self.conflict();
                self.transaction = None;
                self.order.append(place, 0, conflict, self.out.end());
                return self.order.complete(place, self.version, self.out.end());
            }
            if transaction.bytes <= KEPT {
                self.paused = true;
                let awaited = Awaited {
                    owner: Owner::Exec(place),
                    target: transaction.slot.map_or(Target::Home, Target::Slot),
                    since: Some(awaited.since.unwrap_or_else(Instant::now)),
                    ..*awaited
                };
                return self.send_later(Vec::new(), awaited, Kind::Requests, reply);
            }
        }
        self.transaction = None;
        self.order.append(place, 0, reply, self.out.end());
        self.order.complete(place, self.version, self.out.end());
    }

    /// Does the whole transaction at the place where its slot is now.
    pub(super) fn replay(&mut self, place: u64, awaited: Awaited) {
        let shard = self.shard(awaited.target);
        let Some(transaction) = &mut self.transaction else { return };
        let Some(shard) = shard else {
            return self.send_later(Vec::new(), awaited, Kind::Requests, b"-CLUSTERDOWN Hash slot not served\r\n");
        };
        (transaction.is_redirected, transaction.shard) = (false, Some(shard));
        transaction.is_begun = false;
        let target = Target::Shard(shard);
        self.begin(target);
        self.send(EXEC, Awaited { owner: Owner::Exec(place), target, ..awaited }, Kind::Requests);
    }

    pub(super) fn note_redirected_transaction(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.is_redirected = true;
        }
    }

    /// Refuses a request, and the transaction with it.
    pub(super) fn break_off(&mut self, text: &str) -> Taken {
        if let Some(transaction) = &mut self.transaction {
            transaction.is_broken = true;
        }
        self.refuse(text);
        Taken::Yes
    }

    /// Forgets the transaction, here and at its shard.
    fn abandon(&mut self) {
        let Some(transaction) = self.transaction.take() else { return };
        let Some(leg) = transaction.shard.and_then(|shard| self.leg(shard, Kind::Requests)) else { return };
        match transaction.is_begun {
            true => self.own(leg, &[b"DISCARD"]),
            false => self.own(leg, &[b"UNWATCH"]),
        }
    }

    /// What `EXEC` says if a watched key has changed.
    fn conflict(&self) -> &'static [u8] {
        match self.version {
            Version::Resp2 => b"*-1\r\n",
            Version::Resp3 => b"_\r\n",
        }
    }

    /// Keys are watched at this shard now.
    pub(super) fn watched(&mut self, shard: ShardNumber) {
        if let Some(transaction) = &mut self.transaction {
            // What was watched at another one is not any more.
            transaction.is_lost |= transaction.shard.is_some_and(|before| before != shard);
            (transaction.shard, transaction.is_watching) = (Some(shard), true);
        }
    }
}

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";
