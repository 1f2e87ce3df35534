//! From bytes to requests, and from requests to the shards that answer them.
//!
//! What it refuses: input that Redis refuses (with Redis' words), keys of several slots where Redis would have to do the work in one go
//! (`CROSSSLOT`), and what cannot work over several servers (with the reason).

use crate::ambassador_redis::command::{Class, Entry, classify};
use crate::ambassador_redis::faults::Fault;
use crate::ambassador_redis::resp::request::{Client, Frame, Limits, Scanner, Step, arguments};
use crate::ambassador_redis::resp::{encode, parse_integer};
use crate::ambassador_redis::users::Access;

use super::super::fleet::Commands;
use super::super::keys::Place;
use super::super::merge::{How, resume};
use super::super::plan::{Plan, Split};
use super::super::slots::{ShardNumber, slot};
use super::legs::{Awaited, Kind, Owner, Target};
use super::tracking::Caching;
use super::{Ending, Front};

/// Requests of one client that may be awaited at a time.
const WINDOW: usize = 1024;
/// A request with one key that is longer is passed on as it comes.
const SPOOL: usize = 1024 * 1024;
/// The longest request that is taken apart or otherwise seen whole.
const WHOLE: usize = 512 * 1024 * 1024;

pub(super) const CROSSSLOT: &str = "CROSSSLOT Keys in request don't hash to the same slot; ambassador: over a Redis Cluster their names \
                                    must have the same part in braces, as {x}a and {x}b have";
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
        let client = if self.access == Access::Stranger { Client::Stranger } else { Client::Known };
        let limits = Limits { bulk: self.fleet.shared.policy.load().max_bulk, client };
        let commands = self.fleet.commands();
        let mut at = 0;
        while at < input.len() && self.ending == Ending::No && !self.paused && !self.handle.delayed.get() {
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

    fn request(&mut self, commands: &Commands, bytes: &[u8], frame: &Frame) -> Taken {
        let entry = classify(&commands.table, bytes, frame);
        let fault = match std::mem::replace(&mut self.is_seen, true) {
            true => None,
            false => {
                self.mirror(&entry, bytes);
                self.strike(bytes, frame)
            }
        };
        if let Some(Fault::Delay(delay)) = fault {
            self.delay(delay);
            return Taken::NotYet;
        }
        let silence = self.begin_silence();
        let taken = match fault {
            Some(_) => self.err_on_purpose(),
            None => self.known(commands, bytes, frame, entry),
        };
        self.end_silence(silence, taken);
        if taken == Taken::Yes {
            self.is_seen = false;
            // It was about this request, unless that is another word about the connection.
            if !frame.name.of(bytes).eq_ignore_ascii_case(b"client") {
                self.caching = Caching::Unsaid;
            }
        }
        taken
    }

    fn known(&mut self, commands: &Commands, bytes: &[u8], frame: &Frame, entry: Entry) -> Taken {
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
        if self.access == Access::Stranger
            && !matches!(entry.class, Class::Auth | Class::Hello | Class::Quit | Class::Reset | Class::CrossProtocol)
        {
            self.single(bytes, Target::Home);
            return Taken::Yes;
        }
        let plan = commands.plans.of(entry.number, frame.name.of(bytes), frame.second.of(bytes));
        if self.is_deaf_to(entry.class, &plan) {
            return self.while_listening(bytes, frame);
        }
        if self.transaction.as_ref().is_some_and(|transaction| transaction.is_open()) {
            return self.in_transaction(&plan, bytes, frame, entry.class);
        }
        match entry.class {
            Class::Read | Class::ReadScript | Class::PrimaryRead | Class::Write | Class::Script => {
                self.planned(&plan, bytes, frame)
            }
            _ => self.special(&plan, bytes, frame, entry.class),
        }
    }

    /// A request that changes the client's connection, or keeps it waiting.
    fn special(&mut self, plan: &Plan, bytes: &[u8], frame: &Frame, class: Class) -> Taken {
        let is_idle = self.order.is_empty();
        match class {
            Class::CrossProtocol => {
                self.ending = Ending::Soon;
                Taken::Yes
            }
            Class::Multi | Class::Exec | Class::Discard | Class::Watch | Class::Unwatch => {
                self.about_transaction(plan, bytes, frame, class)
            }
            Class::Neutral | Class::Control | Class::Stateful => self.planned(plan, bytes, frame),
            _ if matches!(plan, Plan::Refused(_) | Plan::Reply) => self.planned(plan, bytes, frame),
            _ if !is_idle => Taken::NotYet,
            Class::Stream if matches!(plan, Plan::Tracking) => self.track(bytes),
            Class::Stream if matches!(plan, Plan::Monitor) => {
                self.monitor();
                Taken::Yes
            }
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
            Class::Hello | Class::Auth | Class::ClientName | Class::ClientInfo => self.about_client(bytes, class),
            _ => {
                let taken = self.planned(plan, bytes, frame);
                self.waits = matches!(class, Class::Blocking | Class::Wait);
                self.paused = !self.order.is_empty();
                taken
            }
        }
    }

    /// Sends a request where its plan says.
    fn planned(&mut self, plan: &Plan, bytes: &[u8], frame: &Frame) -> Taken {
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
                let how = &match how {
                    How::Newest(usual) => How::Newest(wanted(bytes, *usual)),
                    how => how.clone(),
                };
                let shards = self.fleet.cluster.serving();
                match shards.is_empty() {
                    true => self.single(bytes, Target::Home),
                    false => self.everywhere(how.clone(), bytes, &shards),
                }
            }
            Plan::Split(split) => self.split(*split, bytes),
            Plan::Scan => self.scan(bytes),
            Plan::Reply => self.set_silence(bytes),
            Plan::Caching => return self.cache(bytes),
            Plan::Tracking => return self.track(bytes),
            Plan::Monitor => self.monitor(),
            Plan::Alone => self.refuse(ALONE),
            Plan::Refused(why) => self.refuse(&format!("ERR ambassador: {why}")),
        }
        Taken::Yes
    }

    pub(super) fn single(&mut self, bytes: &[u8], target: Target) {
        let place = self.order.open();
        self.ask(bytes, Awaited::new(Owner::Place(place, 0), target));
    }

    /// Sends a request of the client's, with what it has said of it before.
    fn ask(&mut self, bytes: &[u8], awaited: Awaited) {
        self.send(bytes, Awaited { caching: self.caching, ..awaited }, Kind::Requests);
    }

    fn everywhere(&mut self, how: How, bytes: &[u8], shards: &[ShardNumber]) {
        let place = self.order.open_gathering(how.clone(), shards.len());
        // Which one is asked first is another one each time: a random key comes from all of them in turn.
        let turn = if how == How::Some { place as usize ^ self.id as usize } else { 0 };
        for part in 0..shards.len() {
            let shard = shards[(part + turn) % shards.len()];
            self.ask(bytes, Awaited::new(Owner::Place(place, part), Target::Shard(shard)));
        }
    }

    fn split(&mut self, split: Split, bytes: &[u8]) {
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
            self.ask(&request, awaited);
        }
    }

    fn scan(&mut self, bytes: &[u8]) {
        let mut words: Vec<&[u8]> = arguments(bytes).collect();
        let changes = self.fleet.cluster.owners.changes();
        let Some((shard, cursor)) = words.get(1).and_then(|cursor| resume(cursor, changes)) else {
            return self.single(bytes, Target::Home);
        };
        let shards = self.fleet.cluster.serving();
        let Some(shard) = shard.filter(|shard| shards.contains(shard)) else {
            words[1] = b"0";
            let mut request = Vec::new();
            encode::command(&mut request, &words);
            return match shards.is_empty() {
                true => self.single(bytes, Target::Home),
                false => self.everywhere(How::ScanFromStart { shards: shards.clone(), changes }, &request, &shards),
            };
        };
        let next = shards.iter().copied().find(|other| *other > shard);
        let cursor = cursor.to_string();
        words[1] = cursor.as_bytes();
        let mut request = Vec::new();
        encode::command(&mut request, &words);
        let place = self.order.open_gathering(How::Scan { shard, next, changes }, 1);
        self.send(&request, Awaited::new(Owner::Place(place, 0), Target::Shard(shard)), Kind::Requests);
    }
}

/// How many entries of `SLOWLOG GET` are wanted.
fn wanted(bytes: &[u8], usual: usize) -> usize {
    match arguments(bytes).nth(2).map(parse_integer) {
        None => usual,
        // All of them, or no number: each server says what is wrong with that.
        Some(count) => count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX),
    }
}
