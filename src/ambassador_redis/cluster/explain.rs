//! Where a request goes over the shards, in words, for `explain`.
//!
//! A request and what is known of the Cluster come in; the text, and the shards that would answer, go out. Nothing is sent.

use std::fmt::Write;
use std::sync::Arc;

use crate::ambassador_redis::command::Table;
use crate::ambassador_redis::resp::request::{Frame, arguments};
use crate::ambassador_redis::shared::Shared;

use super::keys::{Keys, Place, place};
use super::merge::How;
use super::plan::{Plan, Plans, Split};
use super::slots::slot;
use super::{Cluster, Shard};

/// What would become of a request.
pub struct Way {
    pub text: String,
    /// The sets of servers that would be asked, each with what to call it.
    pub sets: Vec<(String, Arc<Shared>)>,
}

impl Cluster {
    /// Where a request would go.
    pub fn way(&self, table: &Table, bytes: &[u8], frame: &Frame) -> Way {
        let (name, sub) = (frame.name.of(bytes), frame.second.of(bytes));
        let plan = Plans::new(table, &self.learned.load()).of(table.find(name).number, name, sub);
        let words: Vec<&[u8]> = arguments(bytes).collect();
        let mut way = Way { text: String::new(), sets: Vec::new() };
        match plan {
            Plan::Keyed(keys) => self.keyed(&mut way, &keys.find(&words)),
            Plan::Split(split) => self.split(&mut way, split, &words),
            Plan::Home(_) => self.home_way(&mut way, "its reply says that this Redis stands alone"),
            Plan::All(how) => {
                way.say(format_args!("is asked of every shard that has slots: {}", merging(&how)));
                self.everywhere(&mut way);
            }
            Plan::Scan => {
                way.say(format_args!("goes through the shards one after the other; the cursor names the shard, and is void when slots move"));
                self.everywhere(&mut way);
            }
            Plan::Monitor => {
                way.say(format_args!("listens to every primary at once"));
                self.everywhere(&mut way);
            }
            Plan::Tracking => {
                self.home_way(&mut way, "every other shard is told the same before it is asked for anything");
            }
            Plan::Caching | Plan::Reply => way.say(format_args!("is answered here, for all shards")),
            Plan::Alone => way
                .say(format_args!("is refused as by a Redis that is no part of a Cluster: use a client for one Redis")),
            Plan::Refused(why) => way.say(format_args!("is refused: {why}")),
        }
        way
    }

    fn keyed(&self, way: &mut Way, keys: &[&[u8]]) {
        match (place(keys), keys) {
            (Place::Slot(slot), keys) => self.at_slot(way, slot, keys),
            (Place::Anywhere, _) => self.home_way(way, "it names no key"),
            (Place::Several, keys) => {
                way.say(format_args!(
                    "is refused (CROSSSLOT): it would have to be done in one go, and its keys have different slots"
                ));
                for key in keys {
                    way.say(format_args!("slot {} has {}", slot(key), key.escape_ascii()));
                }
                way.say(format_args!("what is in braces decides alone: {{x}}:a and {{x}}:b have one slot"));
            }
        }
    }

    fn split(&self, way: &mut Way, split: Split, words: &[&[u8]]) {
        let step = if split == Split::Sets { 2 } else { 1 };
        let keys = Keys::Range { first: 1, last: -1, step }.find(words);
        if let Place::Slot(slot) = place(&keys) {
            return self.at_slot(way, slot, &keys);
        }
        let atomic = if split == Split::Sets { "; other clients may see a part of it before the rest" } else { "" };
        way.say(format_args!("is taken apart, one request for each key{atomic}"));
        for key in keys {
            self.at_slot(way, slot(key), &[key]);
        }
    }

    fn at_slot(&self, way: &mut Way, slot: u16, keys: &[&[u8]]) {
        let keys: Vec<String> = keys.iter().map(|key| key.escape_ascii().to_string()).collect();
        match self.owners.shard(slot).and_then(|number| self.shard(number)) {
            Some(shard) => {
                way.say(format_args!("slot {slot} has {}: {}", keys.join(", "), shard.called()));
                way.add(&shard);
            }
            None => way.say(format_args!(
                "slot {slot} has {}, and nobody serves it: it would wait for --failover-hold",
                keys.join(", ")
            )),
        }
    }

    fn home_way(&self, way: &mut Way, why: &str) {
        way.say(format_args!("goes to the shard that has slot 0: {why}"));
        if let Some(shard) = self.home().and_then(|number| self.shard(number)) {
            way.add(&shard);
        }
    }

    fn everywhere(&self, way: &mut Way) {
        self.serving().into_iter().filter_map(|number| self.shard(number)).for_each(|shard| way.add(&shard));
    }

    /// Why the Cluster is not known, if so.
    pub fn why_unknown(&self) -> Option<String> {
        (**self.unknown.load()).clone()
    }

    /// Whether every shard was asked for its roles and offsets.
    pub fn is_surveyed(&self) -> bool {
        let shards = self.shards.load();
        shards.iter().all(|shard| shard.shared.topology.borrow().epoch > 0)
    }
}

impl Shard {
    fn called(&self) -> String {
        format!("shard {}", self.number.0)
    }
}

impl Way {
    fn say(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "  {line}");
    }

    fn add(&mut self, shard: &Shard) {
        let called = shard.called();
        if !self.sets.iter().any(|(other, _)| *other == called) {
            self.sets.push((called, shard.shared.clone()));
        }
    }
}

/// How the replies of all shards become one.
fn merging(how: &How) -> &'static str {
    match how {
        How::Sum => "the reply is the sum",
        How::Min => "the reply is the smallest number",
        How::MinEach | How::And => "each place of the reply is the smallest one",
        How::Concat => "the lists become one",
        How::SumEach => "each place of the reply is the sum",
        How::Newest(_) => "the newest come first",
        How::Keyspace => "the keys are those of all",
        How::Either => "the first that is no error is the reply",
        How::Some => "the first that is not null is the reply, each time beginning with another shard",
        _ => "the first one's words are the reply, or an error if there is one",
    }
}
