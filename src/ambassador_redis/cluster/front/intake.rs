//! From bytes to requests, and from requests to the shards that answer them.
//!
//! What it refuses: input that Redis refuses (with Redis' words), keys of several slots where Redis would have to do the work in one go
//! (`CROSSSLOT`), and what cannot work over several servers (with the reason).

use crate::ambassador_redis::command::{Class, Entry, classify};
use crate::ambassador_redis::resp::request::{Client, Frame, Limits, Scanner, Step, Upload as Rest, arguments};
use crate::ambassador_redis::resp::{Version, encode};

use super::super::keys::{Keys, Place};
use super::super::merge::{How, resume};
use super::super::plan::{Plan, Split};
use super::super::slots::{ShardNumber, slot};
use super::legs::{Awaited, Kind, Owner, Target};
use super::{Ending, Front, Then, Told, Upload, is_stranger};

/// Requests of one client that may be awaited at a time.
const WINDOW: usize = 1024;
/// A request with one key that is longer is passed on as it comes.
const SPOOL: usize = 1024 * 1024;
/// The longest request that is taken apart or otherwise seen whole.
const WHOLE: usize = 512 * 1024 * 1024;

pub(super) const CROSSSLOT: &str = "CROSSSLOT Keys in request don't hash to the same slot";
const ALONE: &str = "ERR This instance has cluster support disabled";

/// Whether a request could be taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// It must wait until every earlier one is answered.
    NotYet,
}

impl Front {
    /// Takes new bytes in, behind those that had to wait.
    pub(super) fn take(&mut self, fresh: &[u8]) {
        if self.tail.is_empty() {
            let used = self.requests(fresh);
            self.tail.extend_from_slice(&fresh[used..]);
            return;
        }
        let mut tail = std::mem::take(&mut self.tail);
        tail.extend_from_slice(fresh);
        let used = self.requests(&tail);
        if used < tail.len() {
            tail.drain(..used);
            self.tail = tail;
        }
    }

    fn requests(&mut self, input: &[u8]) -> usize {
        let client = if self.is_stranger { Client::Stranger } else { Client::Known };
        let limits = Limits { bulk: self.fleet.shared.policy.load().max_bulk, client };
        let commands = self.fleet.commands();
        let mut at = 0;
        while at < input.len() && self.ending == Ending::No && !self.paused {
            if self.upload.is_some() {
                let taken = self.continue_upload(&input[at..], limits);
                at += taken;
                if taken == 0 {
                    return at;
                }
                continue;
            }
            if self.order.len() >= WINDOW {
                break;
            }
            match self.scanner.step(&input[at..], limits) {
                Ok(Step::Incomplete) => match self.scanner.expected(&input[at..]).max(input.len() - at) {
                    expected if expected > SPOOL => match self.begin_upload(&input[at..]) {
                        Some(passed_on) => at += passed_on,
                        None if expected > WHOLE && !self.paused => {
                            self.refuse("ERR ambassador: the request is too large to be seen whole, which a Redis Cluster needs");
                            self.ending = Ending::Soon;
                            return input.len();
                        }
                        None => break,
                    },
                    _ => break,
                },
                Ok(Step::Request(frame)) => {
                    let bytes = &input[at..at + frame.len];
                    if self.request(&commands, bytes, &frame) == Taken::NotYet {
                        self.paused = true;
                        break;
                    }
                    at += frame.len;
                }
                Ok(Step::Inline { len, multibulk }) => {
                    if let Ok(Step::Request(frame)) = Scanner::default().step(&multibulk, limits)
                        && self.request(&commands, &multibulk, &frame) == Taken::NotYet
                    {
                        self.paused = true;
                        break;
                    }
                    at += len;
                }
                Ok(Step::Nothing { len }) => at += len,
                Err(error) => {
                    self.refuse(&error.to_string());
                    self.ending = Ending::Soon;
                    return input.len();
                }
            }
        }
        at
    }

    fn request(&mut self, commands: &super::super::fleet::Commands, bytes: &[u8], frame: &Frame) -> Taken {
        let entry = classify(&commands.table, bytes, frame);
        if entry.denied {
            let name = String::from_utf8_lossy(frame.name.of(bytes)).to_ascii_lowercase();
            self.refuse(&format!("NOPERM ambassador: the command '{name}' is denied here (--deny)"));
            return Taken::Yes;
        }
        if let Some(why) = &**self.fleet.cluster.unknown.load() {
            let text = format!("LOADING ambassador: the Cluster is not known ({why}); nothing was executed, try again");
            self.refuse(&text);
            return Taken::Yes;
        }
        if self.is_stranger
            && !matches!(entry.class, Class::Auth | Class::Hello | Class::Quit | Class::Reset | Class::CrossProtocol)
        {
            self.single(bytes, Target::Home);
            return Taken::Yes;
        }
        if self.is_deaf_to(entry.class) {
            return self.while_listening(bytes, frame);
        }
        let plan = commands.plans.of(entry.number, frame.name.of(bytes), frame.second.of(bytes));
        if self.transaction.as_ref().is_some_and(|transaction| transaction.is_open()) {
            return self.in_transaction(&plan, bytes, frame, entry.class);
        }
        match entry.class {
            Class::Read | Class::ReadScript | Class::PrimaryRead | Class::Write | Class::Script => {
                self.planned(&plan, bytes, frame, entry)
            }
            _ => self.special(&plan, bytes, frame, entry),
        }
    }

    /// A request that changes the client's connection, or keeps it waiting.
    fn special(&mut self, plan: &Plan, bytes: &[u8], frame: &Frame, entry: Entry) -> Taken {
        let is_idle = self.order.is_empty();
        match entry.class {
            Class::CrossProtocol => {
                self.ending = Ending::Soon;
                Taken::Yes
            }
            Class::Multi | Class::Exec | Class::Discard | Class::Watch | Class::Unwatch => {
                self.about_transaction(plan, bytes, frame, entry.class)
            }
            Class::Neutral | Class::Control | Class::Stateful => self.planned(plan, bytes, frame, entry),
            _ if matches!(plan, Plan::Refused(_)) => self.planned(plan, bytes, frame, entry),
            _ if !is_idle => Taken::NotYet,
            Class::Quit => {
                self.answer(b"+OK\r\n");
                self.ending = Ending::Soon;
                Taken::Yes
            }
            Class::Reset => {
                self.reset();
                Taken::Yes
            }
            Class::Stream => self.listen(bytes, frame),
            Class::Hello | Class::Auth | Class::ClientName | Class::ClientInfo => self.about_client(bytes, entry.class),
            _ => {
                let taken = self.planned(plan, bytes, frame, entry);
                self.waits = matches!(entry.class, Class::Blocking | Class::Wait);
                self.paused = !self.order.is_empty();
                taken
            }
        }
    }

    /// Sends a request where its plan says.
    fn planned(&mut self, plan: &Plan, bytes: &[u8], frame: &Frame, entry: Entry) -> Taken {
        match plan {
            Plan::Keyed(keys) => match keys.place(bytes, frame) {
                Place::Slot(slot) => self.single(bytes, Target::Slot(slot)),
                Place::Anywhere => self.single(bytes, Target::Home),
                Place::Several => self.refuse(CROSSSLOT),
            },
            Plan::Home(how) => {
                let place = self.order.open_gathering(how.clone(), 1);
                self.send(bytes, Awaited::new(Owner::Place(place, 0), Target::Home), Kind::Requests);
            }
            Plan::All(how) => {
                let shards = self.fleet.cluster.serving();
                match shards.is_empty() {
                    true => self.single(bytes, Target::Home),
                    false => self.everywhere(how.clone(), bytes, &shards),
                }
            }
            Plan::Split(split) => self.split(*split, bytes, frame, entry),
            Plan::Scan => self.scan(bytes),
            Plan::Alone => self.refuse(ALONE),
            Plan::Refused(why) => self.refuse(&format!("ERR ambassador: {why}")),
        }
        Taken::Yes
    }

    pub(super) fn single(&mut self, bytes: &[u8], target: Target) {
        let place = self.order.open();
        self.send(bytes, Awaited::new(Owner::Place(place, 0), target), Kind::Requests);
    }

    fn everywhere(&mut self, how: How, bytes: &[u8], shards: &[ShardNumber]) {
        let place = self.order.open_gathering(how.clone(), shards.len());
        // Which one is asked first is another one each time: a random key comes from all of them in turn.
        let turn = if how == How::Some { place as usize ^ self.id as usize } else { 0 };
        for part in 0..shards.len() {
            let shard = shards[(part + turn) % shards.len()];
            self.send(bytes, Awaited::new(Owner::Place(place, part), Target::Shard(shard)), Kind::Requests);
        }
    }

    fn split(&mut self, split: Split, bytes: &[u8], frame: &Frame, entry: Entry) {
        let arguments: Vec<&[u8]> = arguments(bytes).collect();
        let step = if split == Split::Sets { 2 } else { 1 };
        let keys: Vec<&[u8]> = arguments[1..].iter().copied().step_by(step).collect();
        let is_malformed = keys.is_empty() || step == 2 && arguments.len().is_multiple_of(2);
        let place = super::super::keys::place(&keys);
        let is_whole = match split {
            Split::Values => keys.len() > 1,
            Split::CountEach => keys.len() == 1,
            Split::Count | Split::Sets => true,
        };
        match place {
            // With its keys, a server of a Cluster would speak of their slots first.
            _ if is_malformed => {
                let mut request = Vec::new();
                encode::command(&mut request, &arguments[..1]);
                return self.single(&request, Target::Home);
            }
            Place::Slot(slot) if is_whole => return self.single(bytes, Target::Slot(slot)),
            _ => {}
        }
        debug_assert!(frame.arguments == arguments.len() && !entry.denied, "what is split was looked at");
        let how = match split {
            Split::Values => How::Values,
            Split::Sets => How::Same,
            Split::Count | Split::CountEach => How::Sum,
        };
        let place = self.order.open_gathering(how, keys.len());
        let mut request = Vec::new();
        for (part, words) in arguments[1..].chunks(step).enumerate() {
            request.clear();
            match (split, words) {
                (Split::Values, [key]) => encode::command(&mut request, &[b"GET", key]),
                (Split::Sets, [key, value]) => encode::command(&mut request, &[b"SET", key, value]),
                (_, words) => encode::command(&mut request, &[arguments[0], words[0]]),
            }
            let awaited = Awaited::new(Owner::Place(place, part), Target::Slot(slot(words[0])));
            self.send(&request, awaited, Kind::Requests);
        }
    }

    fn scan(&mut self, bytes: &[u8]) {
        let mut words: Vec<&[u8]> = arguments(bytes).collect();
        let changes = self.fleet.cluster.owners.changes();
        let Some((shard, cursor)) = words.get(1).and_then(|cursor| resume(cursor, changes)) else {
            return self.single(bytes, Target::Home);
        };
        let shards = self.fleet.cluster.serving();
        let Some(first) = shards.first() else { return self.single(bytes, Target::Home) };
        let (shard, cursor) = match shard.filter(|shard| shards.contains(shard)) {
            Some(shard) => (shard, cursor),
            None => (*first, 0),
        };
        let next = shards.iter().copied().find(|other| *other > shard);
        let cursor = cursor.to_string();
        words[1] = cursor.as_bytes();
        let mut request = Vec::new();
        encode::command(&mut request, &words);
        let place = self.order.open_gathering(How::Scan { shard, next, changes }, 1);
        self.send(&request, Awaited::new(Owner::Place(place, 0), Target::Shard(shard)), Kind::Requests);
    }

    /// What the client says about itself: the home shard's session answers, and those that come later are told the same.
    fn about_client(&mut self, bytes: &[u8], class: Class) -> Taken {
        let words: Vec<&[u8]> = arguments(bytes).collect();
        let is = |place: usize, word: &[u8]| words.get(place).is_some_and(|text| text.eq_ignore_ascii_case(word));
        let told = match class {
            Class::Hello => Some((
                Told::Hello,
                words.get(1).map(|version| match *version {
                    b"3" => Version::Resp3,
                    _ => Version::Resp2,
                }),
            )),
            Class::Auth => Some((Told::Auth, None)),
            Class::ClientInfo => Some((Told::Info(u8::from(is(2, b"lib-ver"))), None)),
            Class::ClientName if is(1, b"setname") => Some((Told::Name, None)),
            _ => None,
        };
        match class {
            Class::Hello => {
                let place = self.order.open_gathering(How::Hello, 1);
                self.send(bytes, Awaited::new(Owner::Place(place, 0), Target::Home), Kind::Requests);
            }
            _ => self.single(bytes, Target::Home),
        }
        self.then = told.map(|(told, version)| Then::Tell(told, bytes.to_vec(), version));
        self.paused = true;
        Taken::Yes
    }

    /// Acts on the reply to the only request that was awaited.
    pub(super) fn then(&mut self, shard: ShardNumber, reply: &[u8]) {
        let Some(then) = self.then.take().filter(|_| reply.first() != Some(&b'-')) else { return };
        let (told, said, version) = match then {
            Then::Tell(told, said, version) => (told, said, version),
            Then::Watched => return self.watched(shard),
        };
        self.is_stranger &= !matches!(told, Told::Auth | Told::Hello);
        self.version = version.unwrap_or(self.version);
        self.preamble.retain(|(before, _)| *before != told);
        self.preamble.push((told, said));
        // The others are opened again when they are needed, and told then.
        let home = self.fleet.cluster.home();
        self.keep_legs(|leg| Some(leg.shard) == home && leg.kind == Kind::Requests);
    }

    pub(super) fn reset(&mut self) {
        self.keep_legs(|_| false);
        self.preamble.clear();
        (self.transaction, self.ears) = (None, None);
        (self.version, self.is_stranger) = (Version::Resp2, is_stranger(&self.fleet));
        self.answer(b"+RESET\r\n");
    }

    /// Begins to pass a large request with one key on; returns how much was passed on. Later if something is awaited.
    fn begin_upload(&mut self, input: &[u8]) -> Option<usize> {
        let (name, key) = (self.scanner.name()?, self.scanner.second()?);
        let commands = self.fleet.commands();
        let entry = commands.table.find(name.of(input));
        let has_one_key = matches!(
            commands.plans.of(entry.number, name.of(input), b""),
            Plan::Keyed(Keys::Range { first: 1, last: 1, .. })
        );
        let is_plain = matches!(entry.class, Class::Write) && !entry.denied;
        if !has_one_key || !is_plain || self.transaction.is_some() {
            return None;
        }
        let slot = slot(key.of(input));
        let leg = self.fleet.cluster.owners.shard(slot).filter(|_| self.order.is_empty());
        let Some(leg) = leg.and_then(|shard| self.leg(shard, Kind::Requests)) else {
            self.paused = true;
            self.scanner = Scanner::default();
            return None;
        };
        let place = self.order.open();
        let leg = &mut self.legs[leg];
        if !leg.awaited.is_empty() {
            self.paused = true;
            self.scanner = Scanner::default();
            return None;
        }
        let (rest, passed_on) = Rest::begin(std::mem::take(&mut self.scanner));
        leg.pipe.upload(true);
        leg.pipe.push(&input[..passed_on]);
        leg.awaited.push_back(Awaited::new(Owner::Place(place, 0), Target::Slot(slot)));
        self.upload = Some(Box::new(Upload { rest, pipe: leg.pipe.clone() }));
        Some(passed_on)
    }

    /// Passes on what belongs to the large request; returns how much that is.
    fn continue_upload(&mut self, input: &[u8], limits: Limits) -> usize {
        let Some(upload) = &mut self.upload else { return 0 };
        if upload.pipe.is_full() {
            return 0;
        }
        match upload.rest.feed(input, limits) {
            Ok(taken) => {
                upload.pipe.push(&input[..taken]);
                if upload.rest.is_complete() {
                    // What is read from now on is read after all of it: nothing further is taken before it is answered.
                    self.upload = None;
                    self.paused = true;
                }
                taken
            }
            Err(_) => {
                // Half of the request is on its way: only closing ends it.
                self.ending = Ending::Now;
                input.len()
            }
        }
    }
}
