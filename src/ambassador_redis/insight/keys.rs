//! The keys that are asked for most, and those with the largest values.
//!
//! A sample of the requests comes in; the counts of a few dozen keys go out. The hot ones are kept by space-saving: a key that is not
//! among them takes the place, and the count, of the least. So a count is never too small, and what is asked for often is never missed.

use crate::ambassador_redis::command::Class;

const HOT: usize = 64;
const LARGE: usize = 32;
/// A longer key is known by its beginning.
const KEY_SHOWN: usize = 128;
/// After so many samples all counts are halved: what was hot yesterday cools down.
const HALVE_AFTER: u64 = 1 << 16;

/// The keys that one worker has seen.
#[derive(Debug, Default)]
pub struct KeyStats {
    hot: Vec<(Box<[u8]>, u64)>,
    samples: u64,
    /// Key, command and bytes.
    large: Vec<(Box<[u8]>, u16, usize)>,
}

impl KeyStats {
    /// Counts a key of the sample.
    pub fn note(&mut self, key: &[u8]) {
        let key = &key[..key.len().min(KEY_SHOWN)];
        self.samples += 1;
        if self.samples >= HALVE_AFTER {
            self.samples /= 2;
            self.hot.iter_mut().for_each(|(_, count)| *count /= 2);
        }
        if let Some((_, count)) = self.hot.iter_mut().find(|(known, _)| **known == *key) {
            *count += 1;
        } else if self.hot.len() < HOT {
            self.hot.push((key.into(), 1));
        } else if let Some(least) = self.hot.iter_mut().min_by_key(|(_, count)| *count) {
            *least = (key.into(), least.1 + 1);
        }
    }

    /// Remembers a large request or reply.
    pub fn note_large(&mut self, key: &[u8], command: u16, bytes: usize) {
        let key = &key[..key.len().min(KEY_SHOWN)];
        if let Some(known) = self.large.iter_mut().find(|(known, ..)| **known == *key) {
            (known.1, known.2) = (command, bytes);
        } else if self.large.len() < LARGE {
            self.large.push((key.into(), command, bytes));
        } else if let Some(least) = self.large.iter_mut().min_by_key(|(.., bytes)| *bytes)
            && least.2 < bytes
        {
            *least = (key.into(), command, bytes);
        }
    }

    /// Adds what another worker has seen.
    pub fn merge(&mut self, other: &KeyStats) {
        self.samples += other.samples;
        for (key, count) in &other.hot {
            match self.hot.iter_mut().find(|(known, _)| known == key) {
                Some((_, sum)) => *sum += count,
                None => self.hot.push((key.clone(), *count)),
            }
        }
        self.large.extend(other.large.iter().cloned());
    }

    /// The hottest first, with their share of the sample.
    pub fn hottest(&self) -> Vec<(&[u8], f64)> {
        let mut sorted: Vec<_> = self.hot.iter().collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let share = |count: u64| count as f64 / self.samples.max(1) as f64;
        sorted.into_iter().take(HOT).map(|(key, count)| (&**key, share(*count))).collect()
    }

    /// The largest first, with the command's number and the bytes.
    pub fn largest(&self) -> Vec<(&[u8], u16, usize)> {
        let mut sorted: Vec<_> = self.large.iter().map(|(key, command, bytes)| (&**key, *command, *bytes)).collect();
        sorted.sort_by_key(|(.., bytes)| std::cmp::Reverse(*bytes));
        sorted.truncate(LARGE);
        sorted
    }

    pub fn samples(&self) -> u64 {
        self.samples
    }
}

/// Whether the first argument of a command is a key.
pub fn has_key(class: Class, name: &[u8]) -> bool {
    const OTHERS: &[&str] = &[
        "bitop",
        "blmpop",
        "bzmpop",
        "dbsize",
        "flushall",
        "flushdb",
        "keys",
        "lmpop",
        "lolwut",
        "migrate",
        "object",
        "pfdebug",
        "publish",
        "randomkey",
        "scan",
        "sintercard",
        "spublish",
        "swapdb",
        "unknown",
        "xgroup",
        "xinfo",
        "xread",
        "xreadgroup",
        "zdiff",
        "zinter",
        "zintercard",
        "zmpop",
        "zunion",
    ];
    matches!(class, Class::Read | Class::PrimaryRead | Class::Write | Class::Blocking)
        && !OTHERS.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hot_key_is_found_among_many_and_the_room_is_bounded() {
        let mut seen = KeyStats::default();
        for n in 0..20_000 {
            seen.note(if n % 4 == 0 { b"hot".to_vec() } else { format!("cold:{n}").into_bytes() }.as_slice());
        }
        let hottest = seen.hottest();
        assert_eq!((hottest[0].0, hottest.len()), (b"hot".as_slice(), HOT));
        assert!((0.25..0.3).contains(&hottest[0].1), "{}", hottest[0].1);
        assert!(hottest[1].1 < 0.05);
    }

    #[test]
    fn the_largest_values_stay() {
        let mut seen = KeyStats::default();
        for n in 0..1000usize {
            seen.note_large(format!("k{n}").as_bytes(), 1, n);
        }
        seen.note_large(b"k999", 2, 5000);
        let largest = seen.largest();
        assert_eq!((largest[0], largest[1], largest.len()), ((&b"k999"[..], 2, 5000), (&b"k998"[..], 1, 998), LARGE));
    }

    #[test]
    fn only_commands_that_begin_with_a_key_are_looked_at() {
        assert!(has_key(Class::Read, b"GET") && has_key(Class::Write, b"lpush"));
        assert!(!has_key(Class::Read, b"ZUNION") && !has_key(Class::Script, b"eval") && !has_key(Class::Auth, b"auth"));
    }
}
