//! Slots: which of the 16384 a key belongs to, and which shard has each of them.
//!
//! The hash is CRC16 (XMODEM) over the key, or over the part between its first `{` and the next `}` if that is not empty (Redis Cluster
//! specification, "Hash tags"). The table is one number a slot, read without a lock; a `MOVED` changes one of them at once.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// How many slots every Redis Cluster has.
pub const SLOTS: u16 = 16384;
/// The shard of a slot that nobody serves.
const NOBODY: u16 = u16::MAX;

/// The number of a shard; it keeps it as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardNumber(pub u16);

/// Which shard has which slot.
#[derive(Debug)]
pub struct Owners {
    shards: Box<[AtomicU16]>,
    changes: AtomicU64,
}

/// The slot of a key.
#[inline]
pub fn slot(key: &[u8]) -> u16 {
    crc16(tag(key)) & (SLOTS - 1)
}

/// The part of a key that is hashed.
fn tag(key: &[u8]) -> &[u8] {
    let Some(open) = memchr::memchr(b'{', key) else { return key };
    let rest = &key[open + 1..];
    match memchr::memchr(b'}', rest) {
        Some(close) if close > 0 => &rest[..close],
        _ => key,
    }
}

#[inline]
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

const TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

impl Default for Owners {
    fn default() -> Owners {
        Owners { shards: (0..SLOTS).map(|_| AtomicU16::new(NOBODY)).collect(), changes: AtomicU64::new(0) }
    }
}

impl Owners {
    /// The shard that has this slot; `None` if nobody is known to serve it.
    #[inline]
    pub fn shard(&self, slot: u16) -> Option<ShardNumber> {
        let number = self.shards[usize::from(slot & (SLOTS - 1))].load(Ordering::Acquire);
        (number != NOBODY).then_some(ShardNumber(number))
    }

    /// Gives the slot to a shard, or to nobody; whether that is new.
    pub fn assign(&self, slot: u16, shard: Option<ShardNumber>) -> bool {
        let number = shard.map_or(NOBODY, |shard| shard.0);
        let place = &self.shards[usize::from(slot & (SLOTS - 1))];
        let changed = place.load(Ordering::Relaxed) != number;
        if changed {
            self.note_change();
            place.store(number, Ordering::Release);
        }
        changed
    }

    /// Something has changed that makes the cursors of a `SCAN` over several servers worthless.
    pub fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts the changes.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        // As `CLUSTER KEYSLOT` of Redis 7.0 answers.
        for (key, expected) in
            [("", 0), ("foo", 12182), ("somekey", 11058), ("foo{hash_tag}", 2515), ("bar{hash_tag}", 2515)]
        {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn only_the_first_tag_that_is_not_empty_is_hashed() {
        for (key, hashed) in [
            ("{user1000}.following", "user1000"),
            ("foo{}{bar}", "foo{}{bar}"),
            ("foo{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"),
            ("{", "{"),
            ("a{b", "a{b"),
            ("}a{b}", "b"),
        ] {
            assert_eq!(tag(key.as_bytes()), hashed.as_bytes(), "{key}");
        }
    }

    #[test]
    fn an_owner_changes_once() {
        let owners = Owners::default();
        assert_eq!(owners.shard(7), None);
        assert!(owners.assign(7, Some(ShardNumber(2))));
        assert!(!owners.assign(7, Some(ShardNumber(2))));
        assert_eq!((owners.shard(7), owners.shard(8), owners.changes()), (Some(ShardNumber(2)), None, 1));
    }
}
