//! One reply out of several: what the shards answered to the parts of one request.
//!
//! Whole replies come in, in the order of the parts; the reply that one Redis would have given goes out. An error of any part is the
//! answer, unless the way of merging says otherwise. A reply of another shape than expected is passed on as it is.

use crate::ambassador_redis::resp::reply::{Scanner, Step};
use crate::ambassador_redis::resp::{Version, encode, parse_integer};

use super::slots::ShardNumber;

/// How several replies become one, or one is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// All shards did the same: the first one's words.
    Same,
    /// Integers: their sum.
    Sum,
    /// Integers: the smallest one.
    Min,
    /// Lists: one behind the other.
    Concat,
    /// Lists of 0 and 1: 1 where all have 1.
    And,
    /// Lists of integers: the smallest one of each place.
    MinEach,
    /// Lists of names and integers: their sum at each place (`PUBSUB SHARDNUMSUB`).
    SumEach,
    /// `SLOWLOG GET`: the newest first, as many as were asked for.
    Newest(usize),
    /// `INFO keyspace`: keys of all shards.
    Keyspace,
    /// The first that is no error (`SCRIPT KILL`: only one shard runs it).
    Either,
    /// The first that is not null.
    Some,
    /// The values of `MGET`: null where the key holds something else.
    Values,
    /// The cursor in front names the shard, too.
    Scan { shard: ShardNumber, next: Option<ShardNumber>, changes: u64 },
    /// The beginning of a `SCAN`, asked of all shards: what few keys there are come at once, as from one server.
    ScanFromStart { shards: Vec<ShardNumber>, changes: u64 },
    /// `HELLO`: in stand-alone mode.
    Hello,
    /// `INFO`: in stand-alone mode.
    Info,
}

/// Makes one reply.
pub fn merge(how: &How, parts: Vec<Vec<u8>>, version: Version) -> Vec<u8> {
    let is_error = |part: &Vec<u8>| part.first() == Some(&b'-');
    let failed = match how {
        How::Values => parts.iter().find(|part| is_error(part) && !part.starts_with(b"-WRONGTYPE ")),
        How::Either | How::Some => None,
        _ => parts.iter().find(|part| is_error(part)),
    };
    if let Some(error) = failed {
        return error.clone();
    }
    let merged = match how {
        How::Same => None,
        How::Sum => integers(&parts).map(|all| integer(all.iter().sum())),
        How::Min => integers(&parts).and_then(|all| all.into_iter().min()).map(integer),
        How::Concat => concat(&parts),
        How::And | How::MinEach => each_smallest(&parts),
        How::SumEach => each_sum(&parts),
        How::Newest(count) => newest(&parts, *count),
        How::Keyspace => keyspace(&parts),
        How::Either => parts.iter().find(|part| !is_error(part)).cloned(),
        How::Some => parts.iter().find(|part| !matches!(part.as_slice(), b"$-1\r\n" | b"_\r\n" | b"*-1\r\n")).cloned(),
        How::Values => Some(values(&parts, version)),
        How::Scan { shard, next, changes } => parts.first().and_then(|part| scan(part, *shard, *next, *changes)),
        How::ScanFromStart { shards, changes } => scan_from_start(&parts, shards, *changes),
        How::Hello => parts
            .first()
            .map(|part| replace(part, b"$4\r\nmode\r\n$7\r\ncluster\r\n", b"$4\r\nmode\r\n$10\r\nstandalone\r\n")),
        How::Info => parts.first().and_then(|part| info(part)),
    };
    merged.or_else(|| parts.into_iter().next()).unwrap_or_default()
}

/// The bits of a cursor that name the shard and the state of the Cluster.
const SHARD_BITS: u32 = 10;
const CHANGE_BITS: u32 = 6;
const OWN_BITS: u32 = SHARD_BITS + CHANGE_BITS;

/// Where a `SCAN` goes on: the shard, and the cursor that this shard gave.
///
/// A cursor means something on the server that gave it, as long as it has the same slots. If a slot or a primary has changed since, the
/// iteration begins anew: elements may come twice (which `SCAN` allows), but none is missed.
pub fn resume(cursor: &[u8], changes: u64) -> Option<(Option<ShardNumber>, u64)> {
    let cursor: u64 = std::str::from_utf8(cursor).ok()?.parse().ok()?;
    let own = cursor & ((1 << OWN_BITS) - 1);
    let (shard, since) = (own >> CHANGE_BITS, own & ((1 << CHANGE_BITS) - 1));
    if cursor == 0 || since != changes & ((1 << CHANGE_BITS) - 1) {
        return Some((None, 0));
    }
    // Zero is the end; so the number of a shard is counted from one.
    let shard = shard.checked_sub(1).and_then(|shard| u16::try_from(shard).ok()).map(ShardNumber);
    Some((shard, cursor >> OWN_BITS))
}

/// The cursor that a client gets; `None` if it does not fit.
fn cursor(shard: ShardNumber, raw: u64, changes: u64) -> Option<u64> {
    let shard = u64::from(shard.0) + 1;
    (shard < 1 << SHARD_BITS && raw.leading_zeros() >= OWN_BITS)
        .then_some(raw << OWN_BITS | shard << CHANGE_BITS | (changes & ((1 << CHANGE_BITS) - 1)))
}

/// The cursor of a server, and the list of keys.
fn scanned(part: &[u8]) -> Option<(u64, &[u8])> {
    let rest = part.strip_prefix(b"*2\r\n$")?;
    let start = rest.iter().position(|byte| *byte == b'\n')? + 1;
    let end = start + rest[start..].iter().position(|byte| *byte == b'\r')?;
    Some((std::str::from_utf8(&rest[start..end]).ok()?.parse().ok()?, &rest[end + 2..]))
}

/// The keys of the first shards up to one that has more.
fn scan_from_start(parts: &[Vec<u8>], shards: &[ShardNumber], changes: u64) -> Option<Vec<u8>> {
    let mut keys = Vec::new();
    for (part, shard) in parts.iter().zip(shards) {
        let (raw, list) = scanned(part)?;
        keys.push(list.to_vec());
        if raw != 0 || keys.len() == parts.len() {
            let mut joined = b"*2\r\n".to_vec();
            encode::bulk(&mut joined, itoa::Buffer::new().format(raw).as_bytes());
            joined.extend(concat(&keys)?);
            return scan(&joined, *shard, shards.get(keys.len()).copied(), changes);
        }
    }
    None
}

fn scan(part: &[u8], shard: ShardNumber, next: Option<ShardNumber>, changes: u64) -> Option<Vec<u8>> {
    let (raw, keys) = scanned(part)?;
    let told = match (raw, next) {
        (0, None) => Some(0),
        (0, Some(next)) => cursor(next, 0, changes),
        (raw, _) => cursor(shard, raw, changes),
    };
    let mut out = b"*2\r\n".to_vec();
    match told {
        Some(told) => encode::bulk(&mut out, itoa::Buffer::new().format(told).as_bytes()),
        None => {
            out.clear();
            encode::error(
                &mut out,
                "ERR ambassador: the cursor of this server is too large to be told apart from others'",
            );
            return Some(out);
        }
    }
    out.extend_from_slice(keys);
    Some(out)
}

fn integers(parts: &[Vec<u8>]) -> Option<Vec<i64>> {
    parts.iter().map(|part| parse_integer(part.strip_prefix(b":")?.strip_suffix(b"\r\n")?)).collect()
}

fn integer(value: i64) -> Vec<u8> {
    format!(":{value}\r\n").into_bytes()
}

/// The number of items of a list, and the items.
fn list(part: &[u8]) -> Option<(usize, &[u8])> {
    let end = part.iter().position(|byte| *byte == b'\n')?;
    let digits = part.get(1..end.checked_sub(1)?)?;
    matches!(part.first(), Some(b'*' | b'~')).then_some(())?;
    Some((usize::try_from(parse_integer(digits)?).ok()?, &part[end + 1..]))
}

fn concat(parts: &[Vec<u8>]) -> Option<Vec<u8>> {
    let lists: Vec<(usize, &[u8])> = parts.iter().map(|part| list(part)).collect::<Option<_>>()?;
    let mut out = format!("*{}\r\n", lists.iter().map(|(count, _)| count).sum::<usize>()).into_bytes();
    lists.iter().for_each(|(_, items)| out.extend_from_slice(items));
    Some(out)
}

fn each_smallest(parts: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut smallest: Vec<i64> = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let (_, items) = list(part)?;
        let items: Vec<i64> = items
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| parse_integer(line.strip_prefix(b":")?.strip_suffix(b"\r")?))
            .collect::<Option<_>>()?;
        match place {
            0 => smallest = items,
            _ => smallest.iter_mut().zip(items).for_each(|(least, item)| *least = item.min(*least)),
        }
    }
    let mut out = format!("*{}\r\n", smallest.len()).into_bytes();
    smallest.into_iter().for_each(|item| out.extend(integer(item)));
    Some(out)
}

fn each_sum(parts: &[Vec<u8>]) -> Option<Vec<u8>> {
    let lists: Vec<Vec<&[u8]>> = parts.iter().map(|part| items(part)).collect();
    let first = lists.first()?;
    let mut out = format!("*{}\r\n", first.len()).into_bytes();
    for (place, item) in first.iter().enumerate() {
        match item.first() {
            Some(b':') => {
                let here = lists.iter().map(|list| number(list.get(place)?)).collect::<Option<Vec<_>>>()?;
                out.extend(integer(here.iter().sum()));
            }
            _ => out.extend_from_slice(item),
        }
    }
    Some(out)
}

fn number(item: &[u8]) -> Option<i64> {
    parse_integer(item.strip_prefix(b":")?.strip_suffix(b"\r\n")?)
}

/// Entries that begin with a number of their server's own and the second in which they happened.
fn newest(parts: &[Vec<u8>], count: usize) -> Option<Vec<u8>> {
    let mut entries = Vec::new();
    for part in parts {
        list(part)?;
        for entry in items(part) {
            entries.push((number(items(entry).get(1)?)?, entry));
        }
    }
    // Those of one second stay as their servers have told them.
    entries.sort_by_key(|(second, _)| std::cmp::Reverse(*second));
    entries.truncate(count);
    let mut out = format!("*{}\r\n", entries.len()).into_bytes();
    entries.iter().for_each(|(_, entry)| out.extend_from_slice(entry));
    Some(out)
}

/// The text of `INFO keyspace` with the sums of all shards; the time to live is the average of keys that expire.
fn keyspace(parts: &[Vec<u8>]) -> Option<Vec<u8>> {
    let (mut keys, mut expires, mut lives) = (0u64, 0u64, 0u128);
    for part in parts {
        let text = std::str::from_utf8(part).ok()?;
        let Some(fields) = text.lines().find_map(|line| line.strip_prefix("db0:")) else { continue };
        let field = |name: &str| {
            let of = fields.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            of.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        keys += field("keys");
        expires += field("expires");
        lives += u128::from(field("expires")) * u128::from(field("avg_ttl"));
    }
    let average = lives.checked_div(u128::from(expires)).unwrap_or(0);
    let mut text = "# Keyspace\r\n".to_owned();
    if keys > 0 {
        text += &format!("db0:keys={keys},expires={expires},avg_ttl={average}\r\n");
    }
    // As each server tells it: verbatim in RESP3.
    let (head, prefix) = if parts.first()?.first() == Some(&b'=') { ('=', "txt:") } else { ('$', "") };
    Some(format!("{head}{}\r\n{prefix}{text}\r\n", prefix.len() + text.len()).into_bytes())
}

fn values(parts: &[Vec<u8>], version: Version) -> Vec<u8> {
    let mut out = format!("*{}\r\n", parts.len()).into_bytes();
    for part in parts {
        match part.first() {
            Some(b'-') => encode::null(&mut out, version),
            _ => out.extend_from_slice(part),
        }
    }
    out
}

/// The text of `INFO`, with the two lines changed that tell of a Cluster.
fn info(part: &[u8]) -> Option<Vec<u8>> {
    let end = part.iter().position(|byte| *byte == b'\n')?;
    let (head, text) = (&part[..1], part.get(end + 1..part.len().checked_sub(2)?)?);
    let text = replace(text, b"\r\nredis_mode:cluster\r\n", b"\r\nredis_mode:standalone\r\n");
    let text = replace(&text, b"\r\ncluster_enabled:1\r\n", b"\r\ncluster_enabled:0\r\n");
    matches!(head, b"$" | b"=").then(|| {
        let mut out = head.to_vec();
        out.extend_from_slice(format!("{}\r\n", text.len()).as_bytes());
        out.extend_from_slice(&text);
        out.extend_from_slice(b"\r\n");
        out
    })
}

fn replace(text: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    match memchr::memmem::find(text, what) {
        Some(at) => [&text[..at], by, &text[at + what.len()..]].concat(),
        None => text.to_vec(),
    }
}

/// The items of a list, each whole.
pub fn items(part: &[u8]) -> Vec<&[u8]> {
    let Some(end) = part.iter().position(|byte| *byte == b'\n') else { return Vec::new() };
    let mut rest = &part[end + 1..];
    let mut items = Vec::new();
    while let Ok(Step::Reply { len, .. } | Step::Push { len }) = Scanner::default().step(rest) {
        items.push(&rest[..len]);
        rest = &rest[len..];
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(how: &How, parts: &[&str]) -> String {
        let parts = parts.iter().map(|part| part.as_bytes().to_vec()).collect();
        String::from_utf8(merge(how, parts, Version::Resp2)).expect("text")
    }

    #[test]
    fn numbers_lists_and_values_become_those_of_one_server() {
        assert_eq!(merged(&How::Sum, &[":1\r\n", ":2\r\n", ":-1\r\n"]), ":2\r\n");
        assert_eq!(merged(&How::Min, &[":2\r\n", ":1\r\n"]), ":1\r\n");
        assert_eq!(
            merged(&How::Concat, &["*1\r\n$1\r\na\r\n", "*0\r\n", "*1\r\n$1\r\nb\r\n"]),
            "*2\r\n$1\r\na\r\n$1\r\nb\r\n"
        );
        assert_eq!(merged(&How::And, &["*2\r\n:1\r\n:1\r\n", "*2\r\n:1\r\n:0\r\n"]), "*2\r\n:1\r\n:0\r\n");
        assert_eq!(merged(&How::Some, &["$-1\r\n", "$1\r\na\r\n"]), "$1\r\na\r\n");
        assert_eq!(merged(&How::Either, &["-NOTBUSY x\r\n", "+OK\r\n"]), "+OK\r\n");
        assert_eq!(
            merged(&How::Values, &["$1\r\na\r\n", "-WRONGTYPE x\r\n", "$-1\r\n"]),
            "*3\r\n$1\r\na\r\n$-1\r\n$-1\r\n"
        );
    }

    #[test]
    fn what_servers_tell_of_themselves_becomes_what_one_would_tell() {
        let entry = |id: u32, second: u32| format!("*3\r\n:{id}\r\n:{second}\r\n:9\r\n");
        let (one, other) = (format!("*2\r\n{}{}", entry(8, 30), entry(7, 10)), format!("*1\r\n{}", entry(1, 20)));
        assert_eq!(
            merged(&How::Newest(2), &[&one, &other]),
            format!("*2\r\n{}{}", entry(8, 30), entry(1, 20)),
            "the newest of all"
        );
        assert_eq!(
            merged(&How::SumEach, &["*2\r\n$1\r\nc\r\n:1\r\n", "*2\r\n$1\r\nc\r\n:2\r\n"]),
            "*2\r\n$1\r\nc\r\n:3\r\n"
        );
        let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        let [empty, one, other] = ["", "db0:keys=3,expires=1,avg_ttl=900\r\n", "db0:keys=1,expires=2,avg_ttl=300\r\n"]
            .map(|line| bulk(&format!("# Keyspace\r\n{line}")));
        assert_eq!(
            merged(&How::Keyspace, &[&empty, &one, &other]),
            bulk("# Keyspace\r\ndb0:keys=4,expires=3,avg_ttl=500\r\n")
        );
        assert_eq!(merged(&How::Keyspace, &[&empty, &empty]), empty);
    }

    #[test]
    fn an_error_of_one_part_is_the_answer() {
        assert_eq!(merged(&How::Sum, &[":1\r\n", "-ERR x\r\n"]), "-ERR x\r\n");
        assert_eq!(merged(&How::Values, &["$1\r\na\r\n", "-NOAUTH x\r\n"]), "-NOAUTH x\r\n");
        assert_eq!(merged(&How::Either, &["-NOTBUSY x\r\n", "-NOTBUSY y\r\n"]), "-NOTBUSY x\r\n");
    }

    #[test]
    fn a_cursor_leads_back_to_its_shard_unless_the_cluster_has_changed() {
        let how = |next| How::Scan { shard: ShardNumber(3), next, changes: 65 };
        let reply = merged(&how(Some(ShardNumber(7))), &["*2\r\n$4\r\n1234\r\n*1\r\n$1\r\na\r\n"]);
        let cursor = reply.split("\r\n").nth(2).expect("a cursor").to_owned();
        assert!(reply.ends_with("\r\n*1\r\n$1\r\na\r\n"), "{reply}");
        assert_eq!(resume(cursor.as_bytes(), 65), Some((Some(ShardNumber(3)), 1234)));
        assert_eq!(resume(cursor.as_bytes(), 66), Some((None, 0)));
        let reply = merged(&how(Some(ShardNumber(7))), &["*2\r\n$1\r\n0\r\n*0\r\n"]);
        let cursor = reply.split("\r\n").nth(2).expect("a cursor").to_owned();
        assert_eq!(resume(cursor.as_bytes(), 65), Some((Some(ShardNumber(7)), 0)));
        assert_eq!(merged(&how(None), &["*2\r\n$1\r\n0\r\n*0\r\n"]), "*2\r\n$1\r\n0\r\n*0\r\n");
        assert_eq!(resume(b"0", 65), Some((None, 0)));
        let start = How::ScanFromStart { shards: vec![ShardNumber(3), ShardNumber(7)], changes: 65 };
        let few = ["*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n"];
        assert_eq!(merged(&start, &few), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
        let many = ["*2\r\n$1\r\n5\r\n*1\r\n$1\r\na\r\n", few[1]];
        let reply = merged(&start, &many);
        let cursor = reply.split("\r\n").nth(2).expect("a cursor").to_owned();
        assert_eq!(resume(cursor.as_bytes(), 65), Some((Some(ShardNumber(3)), 5)));
        assert!(reply.ends_with("\r\n*1\r\n$1\r\na\r\n"), "the other shard is asked later: {reply}");
        assert_eq!(resume(b"x", 65), None);
        let large = format!("*2\r\n$20\r\n{}\r\n*0\r\n", u64::MAX);
        assert!(merged(&how(None), &[&large]).starts_with("-ERR ambassador: the cursor"));
    }

    #[test]
    fn a_server_of_a_cluster_says_that_it_stands_alone() {
        let hello = "*4\r\n$4\r\nmode\r\n$7\r\ncluster\r\n$4\r\nrole\r\n$6\r\nmaster\r\n";
        assert!(merged(&How::Hello, &[hello]).contains("$10\r\nstandalone\r\n"));
        let text = "# Server\r\nredis_mode:cluster\r\nos:x\r\n# Cluster\r\ncluster_enabled:1\r\n";
        let changed = text.replace("cluster\r\nos", "standalone\r\nos").replace("enabled:1", "enabled:0");
        let reply = merged(&How::Info, &[&format!("${}\r\n{text}\r\n", text.len())]);
        assert_eq!(reply, format!("${}\r\n{changed}\r\n", changed.len()));
    }

    #[test]
    fn items_are_whole() {
        let reply = b"*3\r\n$1\r\na\r\n*1\r\n:1\r\n:2\r\n";
        assert_eq!(items(reply), [&b"$1\r\na\r\n"[..], b"*1\r\n:1\r\n", b":2\r\n"]);
    }
}
