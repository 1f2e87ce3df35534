//! What each command becomes over several shards.
//!
//! A command comes in, a [`Plan`] goes out: one shard, all of them, taken apart by keys, or refused. The application believes that it
//! speaks to one Redis: what asks about a Cluster is answered as by a Redis without one.

use std::collections::HashMap;

use crate::ambassador_redis::command::Table;

use super::keys::{KeyTable, Keys};
use super::merge::How;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// To the shard that has its keys; without keys, to the home shard.
    Keyed(Keys),
    /// One request for each key.
    Split(Split),
    /// To every shard that has slots.
    All(How),
    /// To the home shard, its reply changed.
    Home(How),
    Scan,
    /// `CLIENT REPLY`, `CLIENT TRACKING`, `CLIENT CACHING` and `MONITOR`: about the client's whole connection, and so for its front.
    Reply,
    Tracking,
    Caching,
    Monitor,
    /// As a Redis answers that is part of no Cluster.
    Alone,
    /// It cannot work over several servers; the text says why.
    Refused(&'static str),
}

/// A request with several keys, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// `MGET` to `GET`.
    Values,
    /// `MSET` to `SET`.
    Sets,
    /// Counting commands; whole if all keys have one slot.
    Count,
    /// Counting commands that replicas may answer.
    CountEach,
}

/// The plans of all known commands.
#[derive(Debug)]
pub struct Plans {
    plans: Vec<Plan>,
    keys: KeyTable,
}

const REPLICATION: &str = "a Redis Cluster has one replication stream per shard; connect to a server of it";

impl Plans {
    pub fn new(table: &Table, learned: &HashMap<String, Keys>) -> Plans {
        let keys = KeyTable::new(table, learned);
        let plan = |(number, name): (usize, &String)| {
            by_name(name).unwrap_or(Plan::Keyed(keys.of(u16::try_from(number).unwrap_or(0))))
        };
        Plans { plans: table.names().iter().enumerate().map(plan).collect(), keys }
    }

    /// The plan of a command by its number in the table, refined by its subcommand.
    pub fn of(&self, number: u16, name: &[u8], sub: &[u8]) -> Plan {
        match self.plans.get(usize::from(number)) {
            Some(Plan::Keyed(keys)) if *keys != Keys::None => Plan::Keyed(*keys),
            Some(Plan::Keyed(Keys::None)) => container(name, sub),
            Some(Plan::Home(How::Info)) if sub.eq_ignore_ascii_case(b"keyspace") => Plan::All(How::Keyspace),
            Some(plan) => plan.clone(),
            None => Plan::Keyed(self.keys.of(number)),
        }
    }
}

fn by_name(name: &str) -> Option<Plan> {
    Some(match name {
        "mget" => Plan::Split(Split::Values),
        "mset" => Plan::Split(Split::Sets),
        "del" | "unlink" | "touch" => Plan::Split(Split::Count),
        "exists" => Plan::Split(Split::CountEach),
        "dbsize" => Plan::All(How::Sum),
        "keys" => Plan::All(How::Concat),
        "randomkey" => Plan::All(How::Some),
        "flushall" | "flushdb" | "save" | "bgsave" | "bgrewriteaof" => Plan::All(How::Same),
        "wait" => Plan::All(How::Min),
        "waitaof" => Plan::All(How::MinEach),
        "scan" => Plan::Scan,
        "info" => Plan::Home(How::Info),
        "hello" => Plan::Home(How::Hello),
        "cluster" | "readonly" | "readwrite" | "asking" => Plan::Alone,
        "monitor" => Plan::Monitor,
        "sync" | "psync" | "replconf" => Plan::Refused(REPLICATION),
        _ => return None,
    })
}

/// Commands without keys whose subcommand decides.
fn container(name: &[u8], sub: &[u8]) -> Plan {
    let mut word = name.to_ascii_lowercase();
    word.push(b' ');
    word.extend(sub.iter().take(16).map(u8::to_ascii_lowercase));
    match word.as_slice() {
        b"script exists" => Plan::All(How::And),
        b"script load" | b"script flush" | b"function load" | b"function delete" | b"function flush"
        | b"function restore" | b"config set" | b"config resetstat" | b"config rewrite" | b"acl setuser"
        | b"acl deluser" | b"acl save" | b"acl load" | b"slowlog reset" | b"client pause" | b"client unpause"
        | b"client no-evict" | b"client no-touch" => Plan::All(How::Same),
        b"script kill" | b"function kill" => Plan::All(How::Either),
        b"latency reset" | b"slowlog len" => Plan::All(How::Sum),
        b"pubsub shardchannels" => Plan::All(How::Concat),
        b"pubsub shardnumsub" => Plan::All(How::SumEach),
        // As many as a server tells that is not told how many; the request may say.
        b"slowlog get" => Plan::All(How::Newest(10)),
        b"script debug" => Plan::Refused("SCRIPT DEBUG works on one server; connect to that server"),
        b"client tracking" => Plan::Tracking,
        b"client caching" => Plan::Caching,
        b"client reply" => Plan::Reply,
        _ => Plan::Keyed(Keys::None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Plan {
        let table = Table::built_in();
        let words: Vec<&str> = line.split(' ').collect();
        let number = table.find(words[0].as_bytes()).number;
        let sub = words.get(1).map_or(&b""[..], |word| word.as_bytes());
        Plans::new(&table, &HashMap::new()).of(number, words[0].as_bytes(), sub)
    }

    #[test]
    fn what_concerns_all_keys_goes_to_all_shards() {
        assert_eq!(plan("DBSIZE"), Plan::All(How::Sum));
        assert_eq!(plan("flushall"), Plan::All(How::Same));
        assert_eq!(plan("SCRIPT LOAD x"), Plan::All(How::Same));
        assert_eq!(plan("script EXISTS x"), Plan::All(How::And));
        assert_eq!(plan("SCAN 0"), Plan::Scan);
    }

    #[test]
    fn one_shard_answers_what_concerns_no_key_or_one_slot() {
        for line in ["PING", "SCRIPT HELP", "PUBLISH a b", "CONFIG GET x", "CLIENT ID"] {
            assert_eq!(plan(line), Plan::Keyed(Keys::None), "{line}");
        }
        assert!(matches!(plan("GET k"), Plan::Keyed(Keys::Range { first: 1, .. })));
        assert!(matches!(plan("JSON.SET k $ 1"), Plan::Keyed(Keys::Range { first: 1, .. })));
    }

    #[test]
    fn the_application_does_not_see_a_cluster() {
        for line in ["CLUSTER INFO", "READONLY", "ASKING"] {
            assert_eq!(plan(line), Plan::Alone, "{line}");
        }
        assert_eq!(plan("client tracking ON"), Plan::Tracking);
        assert_eq!(plan("CLIENT TRACKINGINFO"), Plan::Keyed(Keys::None));
    }
}
