//! The raw keys that a receiver has seen: all of a line but its value, and what such a line does.
//!
//! Rules, tags, escaping and limits run once per distinct key; after that a line costs one hash and one comparison. Keys
//! stand in one text that is dropped as a whole when it is full: a flood of new names costs a bounded memory, and the
//! keys that matter are back within a packet or two.

use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::line::Type;
use crate::adapt_metrics::model::SeriesId;

/// What a line with a known key does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// The type of its sample.
    pub kind: Type,
    /// What a counter's value is divided by.
    pub rate: f64,
    /// How often an observation counts.
    pub times: u32,
    /// What the value is multiplied by.
    pub scale: Option<f64>,
    /// Whether a rule drops it.
    pub is_dropped: bool,
    /// Whether it has labels.
    pub has_labels: bool,
    /// Whether a rule matched.
    pub is_mapped: bool,
    /// The number of the conflict that it always ends in.
    pub conflict: Option<u16>,
    /// Tags of it that are malformed and left out.
    pub tag_errors: u16,
}

impl Effect {
    /// How many events a sample is: an observation counts as often as its rate says.
    pub fn events(self) -> u64 {
        if self.kind.is_observer() { u64::from(self.times) } else { 1 }
    }
}

/// How much is remembered.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// The most keys.
    pub keys: usize,
    /// The most bytes of keys.
    pub bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: u32,
    length: u16,
    effect: u16,
    series: Option<SeriesId>,
}

/// A known key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// What a line with it does.
    pub effect: Effect,
    /// To which series.
    pub series: Option<SeriesId>,
    /// The number of the effect, to count it by.
    number: u16,
}

/// The keys of one receiver.
pub struct Keys {
    room: Room,
    entries: HashTable<Entry>,
    text: Vec<u8>,
    effects: Vec<Effect>,
    /// How often each effect came since it was settled: one addition a line, where its counts are a dozen.
    hits: Vec<u64>,
    /// The effects with hits.
    hit: Vec<u16>,
    /// Hits of effects that have been forgotten since.
    left: Vec<(Effect, u64)>,
    hasher: DefaultHashBuilder,
}

impl Keys {
    /// No key yet.
    pub fn new(room: Room) -> Self {
        Self {
            room,
            entries: HashTable::new(),
            text: Vec::new(),
            effects: Vec::new(),
            hits: Vec::new(),
            hit: Vec::new(),
            left: Vec::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// What a line of this name and this suffix does, and to which series.
    #[inline]
    pub fn find(&self, name: &[u8], suffix: &[u8]) -> Option<Known> {
        let entry = self.entries.find(self.hash(name, suffix), |entry| self.is(entry, name, suffix))?;
        Some(Known { effect: self.effects[entry.effect as usize], series: entry.series, number: entry.effect })
    }

    /// Counts a line whose key was found.
    #[inline]
    pub fn hit(&mut self, known: Known) {
        let hits = &mut self.hits[usize::from(known.number)];
        if *hits == 0 {
            self.hit.push(known.number);
        }
        *hits += 1;
    }

    /// Hands over what was counted since the last time.
    pub fn settle(&mut self, mut each: impl FnMut(Effect, u64)) {
        self.left.drain(..).for_each(|(effect, hits)| each(effect, hits));
        for number in self.hit.drain(..).map(usize::from) {
            each(self.effects[number], std::mem::take(&mut self.hits[number]));
        }
    }

    /// Remembers a key, or replaces what it does.
    pub fn insert(&mut self, name: &[u8], suffix: &[u8], effect: Effect, series: Option<SeriesId>) {
        let length = name.len() + 1 + suffix.len();
        let Ok(length) = u16::try_from(length) else { return };
        if self.entries.len() >= self.room.keys || self.text.len() + usize::from(length) > self.room.bytes {
            self.clear();
        }
        let Some(effect) = self.effect(effect) else { return };
        let hash = self.hash(name, suffix);
        let (entries, text) = (&mut self.entries, &mut self.text);
        if let Some(entry) = entries.find_mut(hash, |entry| is(text, entry, name, suffix)) {
            entry.effect = effect;
            entry.series = series;
            return;
        }
        let at = text.len() as u32;
        text.extend_from_slice(name);
        // A name has no colon, so what is before the first one is the name, whatever it holds.
        text.push(b':');
        text.extend_from_slice(suffix);
        let (text, hasher) = (&self.text, &self.hasher);
        entries.insert_unique(hash, Entry { at, length, effect, series }, |entry| {
            let key = &text[entry.at as usize..][..usize::from(entry.length)];
            let colon = memchr::memchr(b':', key).unwrap_or(key.len());
            hash_of(hasher, &key[..colon], &key[(colon + 1).min(key.len())..])
        });
    }

    /// Forgets everything: the rules have changed, or there is no room.
    pub fn clear(&mut self) {
        let (effects, hits) = (&self.effects, &self.hits);
        self.left.extend(self.hit.drain(..).map(usize::from).map(|number| (effects[number], hits[number])));
        self.entries.clear();
        self.text.clear();
        self.effects.clear();
        self.hits.clear();
    }

    /// How many keys are remembered.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// The number of an effect; there are few different ones, unless a client makes up rates.
    fn effect(&mut self, effect: Effect) -> Option<u16> {
        if let Some(known) = self.effects.iter().position(|known| *known == effect) {
            return u16::try_from(known).ok();
        }
        if self.effects.len() >= 1024 {
            return None;
        }
        self.effects.push(effect);
        self.hits.push(0);
        u16::try_from(self.effects.len() - 1).ok()
    }

    #[inline]
    fn hash(&self, name: &[u8], suffix: &[u8]) -> u64 {
        hash_of(&self.hasher, name, suffix)
    }

    #[inline]
    fn is(&self, entry: &Entry, name: &[u8], suffix: &[u8]) -> bool {
        is(&self.text, entry, name, suffix)
    }
}

#[inline]
fn hash_of(hasher: &DefaultHashBuilder, name: &[u8], suffix: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(name);
    hasher.write(suffix);
    hasher.finish()
}

#[inline]
fn is(text: &[u8], entry: &Entry, name: &[u8], suffix: &[u8]) -> bool {
    let key = &text[entry.at as usize..][..usize::from(entry.length)];
    key.len() == name.len() + 1 + suffix.len()
        && key[..name.len()] == *name
        && key[name.len()] == b':'
        && key[name.len() + 1..] == *suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    const EFFECT: Effect = Effect {
        kind: Type::Counter,
        rate: 1.0,
        times: 1,
        scale: None,
        is_dropped: false,
        has_labels: false,
        is_mapped: false,
        conflict: None,
        tag_errors: 0,
    };

    #[test]
    fn keys_that_read_alike_are_told_apart() {
        let mut keys = Keys::new(Room { keys: 100, bytes: 1000 });
        keys.insert(b"a|b", b"|c", EFFECT, None);
        keys.insert(b"a", b"|b|c", Effect { kind: Type::Gauge, ..EFFECT }, None);
        assert_eq!(keys.find(b"a|b", b"|c").unwrap().effect.kind, Type::Counter);
        assert_eq!(keys.find(b"a", b"|b|c").unwrap().effect.kind, Type::Gauge);
        assert!(keys.find(b"a|", b"b|c").is_none());
    }

    #[test]
    fn a_key_is_found_after_growth_and_replaced_in_place() {
        let mut keys = Keys::new(Room { keys: 10_000, bytes: 1 << 20 });
        for i in 0..5000 {
            keys.insert(format!("name.{i}").as_bytes(), b"|c|#a:b", EFFECT, None);
        }
        keys.insert(b"name.7", b"|c|#a:b", Effect { is_dropped: true, ..EFFECT }, None);
        assert_eq!(keys.count(), 5000);
        assert!(keys.find(b"name.7", b"|c|#a:b").unwrap().effect.is_dropped);
        assert!((0..5000).all(|i| keys.find(format!("name.{i}").as_bytes(), b"|c|#a:b").is_some()));
    }

    #[test]
    fn hits_are_handed_over_once_even_of_keys_that_were_forgotten() {
        let mut keys = Keys::new(Room { keys: 100, bytes: 1000 });
        let gauge = Effect { kind: Type::Gauge, ..EFFECT };
        keys.insert(b"a", b"|c", EFFECT, None);
        keys.insert(b"b", b"|g", gauge, None);
        for (name, suffix) in [(b"a", b"|c"), (b"b", b"|g"), (b"a", b"|c")] {
            keys.hit(keys.find(name, suffix).unwrap());
        }
        keys.clear();
        keys.insert(b"b", b"|g", gauge, None);
        keys.hit(keys.find(b"b", b"|g").unwrap());
        let mut told = Vec::new();
        keys.settle(|effect, hits| told.push((effect.kind, hits)));
        assert_eq!(told, [(Type::Counter, 2), (Type::Gauge, 1), (Type::Gauge, 1)]);
        keys.settle(|_, _| panic!("told twice"));
    }

    #[test]
    fn a_flood_of_names_and_rates_stays_in_its_room() {
        let mut keys = Keys::new(Room { keys: 64, bytes: 500 });
        for i in 0..10_000u32 {
            keys.insert(format!("n{i}").as_bytes(), b"|c", Effect { rate: f64::from(i), ..EFFECT }, None);
            assert!(keys.count() <= 64 && keys.text.len() <= 500);
        }
    }
}
