//! Where the keys of a request stand, and so which slot it belongs to.
//!
//! A request comes in, its [`Place`] goes out. The positions are those of Redis 7.0's `COMMAND` reply and of the `src/commands/*.json`
//! of later ones; what a server's own `COMMAND` adds (modules) comes beside them. A command that nobody knows is taken to have one key,
//! as its first argument. A request whose key positions make no sense has no place: any server will say what is wrong with it.

use std::collections::HashMap;

use crate::ambassador_redis::command::Table;
use crate::ambassador_redis::resp::parse_integer;
use crate::ambassador_redis::resp::request::{Frame, arguments};

use super::slots::slot;

/// Which slot a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It names no key.
    Anywhere,
    Slot(u16),
    /// Its keys belong to different slots.
    Several,
}

/// Where the keys of a command stand. The command's name is argument 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    None,
    /// From `first` to `last` (from the end if negative), each `step`th.
    Range {
        first: u8,
        last: i8,
        step: u8,
    },
    /// The argument `count` tells how many follow, each `step`th; `also` may be one more.
    Counted {
        count: u8,
        step: u8,
        also: Option<u8>,
    },
    /// Behind the subcommand, if that is no `HELP` and none without a key.
    Subcommand,
    /// The first half of what follows `STREAMS`.
    Streams,
    /// The first argument, and what follows `STORE` or `STOREDIST`.
    Stored,
    /// The third argument, or what follows `KEYS` if that is empty.
    Migrate,
}

const fn range(first: u8, last: i8, step: u8) -> Keys {
    Keys::Range { first, last, step }
}

const fn counted(count: u8) -> Keys {
    Keys::Counted { count, step: 1, also: None }
}

/// The commands whose keys are not just the first argument.
const UNUSUAL: &[(Keys, &str)] = &[
    (
        Keys::None,
        "acl asking auth bgrewriteaof bgsave client cluster command config dbsize discard echo exec failover flushall flushdb function \
         hello info keys lastsave latency lolwut module monitor multi pfselftest ping psubscribe psync publish pubsub punsubscribe quit \
         randomkey readonly readwrite replconf replicaof reset role save scan script select shutdown slaveof slowlog subscribe swapdb \
         sync time unsubscribe unwatch wait waitaof sflush post host:",
    ),
    (
        range(1, -1, 1),
        "del exists mget pfcount pfmerge sdiff sdiffstore sinter sinterstore ssubscribe sunion sunionstore sunsubscribe touch unlink \
         watch",
    ),
    (range(1, -1, 2), "mset msetnx"),
    (range(1, -2, 1), "blpop brpop bzpopmax bzpopmin"),
    (range(1, 2, 1), "blmove brpoplpush copy geosearchstore lcs lmove rename renamenx rpoplpush smove zrangestore"),
    (range(2, -1, 1), "bitop"),
    (range(2, 2, 1), "pfdebug"),
    (counted(1), "lmpop sintercard zdiff zinter zintercard zmpop zunion"),
    (counted(2), "blmpop bzmpop eval eval_ro evalsha evalsha_ro fcall fcall_ro"),
    (Keys::Counted { count: 2, step: 1, also: Some(1) }, "zdiffstore zinterstore zunionstore"),
    (Keys::Counted { count: 1, step: 2, also: None }, "msetex"),
    (Keys::Subcommand, "debug memory object xgroup xinfo"),
    (Keys::Streams, "xread xreadgroup"),
    (Keys::Stored, "sort sort_ro georadius georadiusbymember"),
    (Keys::Migrate, "migrate"),
];

const FIRST: Keys = range(1, 1, 1);

/// The key positions of all known commands, by their numbers in the command table.
#[derive(Debug, Default)]
pub struct KeyTable(Vec<Keys>);

impl KeyTable {
    /// `learned`: what a server tells of the commands that are not Redis' own.
    pub fn new(table: &Table, learned: &HashMap<String, Keys>) -> KeyTable {
        let unusual: HashMap<&str, Keys> =
            UNUSUAL.iter().flat_map(|(keys, names)| names.split_whitespace().map(|name| (name, *keys))).collect();
        let keys = |name: &String| unusual.get(name.as_str()).or_else(|| learned.get(name)).copied().unwrap_or(FIRST);
        KeyTable(table.names().iter().map(keys).collect())
    }

    pub fn of(&self, number: u16) -> Keys {
        self.0.get(usize::from(number)).copied().unwrap_or(FIRST)
    }
}

impl Keys {
    /// What a `COMMAND` reply says: first key, last key, step.
    pub fn from_command(first: i64, last: i64, step: i64) -> Option<Keys> {
        match (u8::try_from(first).ok()?, i8::try_from(last).ok()?, u8::try_from(step).ok()?) {
            (0, _, _) => Some(Keys::None),
            (first, last, step) => Some(range(first, last, step.max(1))),
        }
    }

    /// The slot of a request.
    pub fn place(self, bytes: &[u8], frame: &Frame) -> Place {
        match self {
            Keys::None => Place::Anywhere,
            FIRST if frame.arguments > 1 => Place::Slot(slot(frame.second.of(bytes))),
            FIRST => Place::Anywhere,
            _ => {
                let arguments: Vec<&[u8]> = arguments(bytes).collect();
                place(&self.find(&arguments))
            }
        }
    }

    /// The keys among the arguments.
    pub fn find<'a>(self, arguments: &[&'a [u8]]) -> Vec<&'a [u8]> {
        let at = |place: usize| arguments.get(place).copied();
        match self {
            Keys::None => Vec::new(),
            Keys::Range { first, last, step } => {
                let end = match usize::try_from(last) {
                    Ok(last) => last + 1,
                    Err(_) => (arguments.len() + 1).saturating_sub(usize::from(last.unsigned_abs())),
                };
                let range = usize::from(first)..end.min(arguments.len());
                range.step_by(usize::from(step)).filter_map(at).collect()
            }
            Keys::Counted { count, step, also } => {
                let first = usize::from(count) + 1;
                let step = usize::from(step);
                let Some(count) = at(first - 1).and_then(parse_integer).and_then(|count| usize::try_from(count).ok())
                else {
                    return Vec::new();
                };
                if count > arguments.len().saturating_sub(first).div_ceil(step) {
                    return Vec::new();
                }
                let also = also.and_then(|place| at(usize::from(place)));
                also.into_iter().chain((0..count).filter_map(|number| at(first + number * step))).collect()
            }
            Keys::Subcommand => match at(1) {
                Some(sub) if is_keyless(sub) => Vec::new(),
                _ => at(2).into_iter().collect(),
            },
            Keys::Streams => {
                let Some(streams) = streams(arguments) else { return Vec::new() };
                arguments[streams..streams + (arguments.len() - streams) / 2].to_vec()
            }
            Keys::Stored => {
                let stores =
                    |word: &[u8]| word.eq_ignore_ascii_case(b"store") || word.eq_ignore_ascii_case(b"storedist");
                let stored = (2..arguments.len()).rfind(|place| stores(arguments[*place]));
                at(1).into_iter().chain(stored.and_then(|place| at(place + 1))).collect()
            }
            Keys::Migrate => match at(3) {
                Some(b"") => {
                    let keys = arguments.iter().skip(6).position(|word| word.eq_ignore_ascii_case(b"keys"));
                    keys.map_or(Vec::new(), |place| arguments[place + 7..].to_vec())
                }
                key => key.into_iter().collect(),
            },
        }
    }
}

/// The slot that all keys share.
pub fn place(keys: &[&[u8]]) -> Place {
    let Some((first, rest)) = keys.split_first() else { return Place::Anywhere };
    let first = slot(first);
    if rest.iter().all(|key| slot(key) == first) { Place::Slot(first) } else { Place::Several }
}

/// The place behind `STREAMS`, which may also be the name of a group or of a consumer before it.
fn streams(arguments: &[&[u8]]) -> Option<usize> {
    let is = |place: usize, word: &[u8]| arguments.get(place).is_some_and(|text| text.eq_ignore_ascii_case(word));
    let mut place = 1;
    while place < arguments.len() {
        if is(place, b"streams") {
            return Some(place + 1);
        }
        place += match () {
            () if is(place, b"group") => 3,
            () if is(place, b"count") || is(place, b"block") => 2,
            () => 1,
        };
    }
    None
}

/// The subcommands of `OBJECT`, `MEMORY`, `DEBUG`, `XGROUP` and `XINFO` that name no key.
fn is_keyless(sub: &[u8]) -> bool {
    let with_key: [&[u8]; 14] = [
        b"usage",
        b"encoding",
        b"freq",
        b"idletime",
        b"refcount",
        b"object",
        b"create",
        b"createconsumer",
        b"delconsumer",
        b"destroy",
        b"setid",
        b"consumers",
        b"groups",
        b"stream",
    ];
    !with_key.iter().any(|word| sub.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(line: &str) -> String {
        let table = Table::built_in();
        let words: Vec<&[u8]> = line.split(' ').map(|word| if word == "''" { "" } else { word }.as_bytes()).collect();
        let number = table.find(words[0]).number;
        let found = KeyTable::new(&table, &HashMap::new()).of(number).find(&words);
        found.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect::<Vec<_>>().join(" ")
    }

    /// As `COMMAND GETKEYS` of Redis 7.0.15 finds them.
    #[test]
    fn keys_are_where_redis_finds_them() {
        for (line, expected) in [
            ("GET k", "k"),
            ("MGET a b c", "a b c"),
            ("MSET a 1 b 2", "a b"),
            ("DEL a b", "a b"),
            ("BLPOP a b 0", "a b"),
            ("RENAME a b", "a b"),
            ("SMOVE a b m", "a b"),
            ("BITOP AND d a b", "d a b"),
            ("LMPOP 2 a b LEFT", "a b"),
            ("BLMPOP 0 2 a b LEFT", "a b"),
            ("ZUNION 2 a b WEIGHTS 1 2", "a b"),
            ("ZUNIONSTORE d 2 a b", "d a b"),
            ("EVAL script 2 a b x", "a b"),
            ("EVAL script 0 x", ""),
            ("EVALSHA_RO sha 1 a x", "a"),
            ("FCALL f 1 a x", "a"),
            ("XREAD COUNT 2 BLOCK 0 STREAMS a b 0 0", "a b"),
            ("XREADGROUP GROUP streams streams STREAMS a >", "a"),
            ("SORT a BY nosort STORE d", "a d"),
            ("SORT a", "a"),
            ("GEORADIUS a 0 0 1 m STORE d", "a d"),
            ("GEORADIUSBYMEMBER a m 1 m STOREDIST d", "a d"),
            ("GEOSEARCHSTORE d a FROMMEMBER m BYRADIUS 1 m", "d a"),
            ("MIGRATE host 1 k 0 100", "k"),
            ("MIGRATE host 1 '' 0 100 REPLACE KEYS a b", "a b"),
            ("OBJECT ENCODING k", "k"),
            ("MEMORY USAGE k", "k"),
            ("XGROUP CREATE k g $", "k"),
            ("XINFO STREAM k", "k"),
            ("LCS a b", "a b"),
            ("SINTERCARD 2 a b LIMIT 1", "a b"),
        ] {
            assert_eq!(keys(line), expected, "{line}");
        }
    }

    #[test]
    fn what_has_no_key_or_makes_no_sense_has_none() {
        for line in ["PING", "KEYS *", "PUBLISH ch m", "XGROUP HELP", "MEMORY DOCTOR", "DEBUG SLEEP 0", "EVAL s x a"] {
            assert_eq!(keys(line), "", "{line}");
        }
        for line in ["EVAL s 5 a", "LMPOP -1 a", "LMPOP 99999999999999999999 a", "XREAD COUNT 1", "ZUNION", "GET"] {
            assert_eq!(keys(line), "", "{line}");
        }
    }

    #[test]
    fn an_unknown_command_has_its_first_argument_as_key() {
        assert_eq!(keys("JSON.GET k $"), "k");
        assert_eq!(keys("WHATEVER"), "");
    }

    #[test]
    fn keys_of_several_slots_are_told() {
        assert_eq!(place(&[b"{a}1", b"{a}2"]), Place::Slot(slot(b"a")));
        assert_eq!(place(&[b"a", b"b"]), Place::Several);
        assert_eq!(place(&[]), Place::Anywhere);
    }
}
