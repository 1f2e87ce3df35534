//! The table of all series: placed once by name and labels, then changed by their number.
//!
//! Two kinds of sources share it. A stream (StatsD) asks for the place of a series once and then applies changes; a poll (JMX,
//! JSON) replaces all that its source had. A name has one type and a series has one owner: the first wins, the other is
//! told why. Over a limit, new series of a family go to its one overflow series, so that sums stay right.
//!
//! One table serves all receivers, behind one lock that is taken once per batch of packets. A table per receiver, merged
//! for the page, would save that lock, but a relative gauge (`+3|g`) sent over two sockets has no right answer then.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::family::{Family, Refusal, Shape, suffixes};
use super::labels::Packed;
use super::series::{Change, Series, SeriesId};
use super::tick::Tick;
use crate::adapt_metrics::naming;
use crate::core::metrics::Kind;

/// The label of the series that takes what is over a limit.
const OVERFLOW: (&str, &str) = ("overflow", "true");
/// Names that start so are our own.
const RESERVED: &str = "patterns_";
/// The suffix of the time since when a series counts.
pub(super) const CREATED: &str = "_created";

/// How much text (names, help, labels) there may be for each series of the limit, in bytes: what most take is a quarter.
const TEXT: usize = 512;

/// How many series there may be. Their text is limited with them, so that long names cannot take what few series leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub total: usize,
    /// In one family.
    pub family: usize,
    /// From one source.
    pub source: usize,
}

/// A source by its number: who may change a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(pub u16);

/// What a series shall be.
#[derive(Debug, Clone, Copy)]
pub struct Spec<'a, K, V> {
    /// The family's name.
    pub name: &'a str,
    /// The accumulator.
    pub shape: &'a Shape,
    /// The family's help; the first one stays.
    pub help: &'a str,
    /// The labels, sorted by name.
    pub labels: &'a [(K, V)],
    /// Ticks without a sample after which the series goes; 0 is never.
    pub ttl: u32,
    /// Whose it is.
    pub source: Source,
}

/// Where a sample goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// To its own series.
    Series(SeriesId),
    /// To the overflow series of its family: not to be remembered under the sample's key.
    Overflow(SeriesId),
}

/// All families and series.
pub struct Table {
    limits: Limits,
    /// Unix time at tick 0, in seconds.
    pub(super) began: f64,
    pub(super) families: Vec<Option<Family>>,
    free_families: Vec<u32>,
    pub(super) names: BTreeMap<Arc<str>, u32>,
    pub(super) slots: Vec<(u32, Option<Series>)>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    scratch: String,
    live: usize,
    /// Bytes of names, help and labels.
    text: usize,
    mortal: usize,
    pub(super) rounds: u32,
    freed: u64,
    /// How many names end in `_created`, which is what the time of another family's beginning is called.
    pub(super) created_names: usize,
    /// Per source: how many series, and those of its last poll.
    sources: Vec<(usize, Vec<SeriesId>)>,
}

impl Table {
    /// An empty table; `began` is the Unix time of tick 0.
    pub fn new(limits: Limits, began: f64) -> Self {
        Self {
            limits,
            began,
            families: Vec::new(),
            free_families: Vec::new(),
            names: BTreeMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            scratch: String::new(),
            live: 0,
            text: 0,
            mortal: 0,
            rounds: 0,
            freed: 0,
            created_names: 0,
            sources: Vec::new(),
        }
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// How many families have been let go, each of whose names is free again.
    pub fn freed(&self) -> u64 {
        self.freed
    }

    /// Whether there is a family of this name, or one that reads like it where suffixes are taken off.
    pub fn holds(&self, name: &str) -> bool {
        let stem = name.strip_suffix("_total").unwrap_or(name);
        self.names.contains_key(name)
            || self.names.contains_key(stem)
            || (!self.names.is_empty() && self.names.contains_key(format!("{stem}_total").as_str()))
    }

    /// How many families there are of each kind that StatsD has, by the kind's name.
    pub fn kinds(&self) -> [(&'static str, usize); 4] {
        let mut counts = [("counter", 0), ("gauge", 0), ("histogram", 0), ("summary", 0)];
        for family in self.families.iter().flatten() {
            let at = match family.kind {
                Kind::Counter => 0,
                Kind::Gauge => 1,
                Kind::Histogram => 2,
                Kind::Summary => 3,
                _ => continue,
            };
            counts[at].1 += 1;
        }
        counts
    }

    /// How many families there are.
    pub fn families(&self) -> usize {
        self.names.len()
    }

    /// Finds or makes a series.
    ///
    /// # Errors
    /// Why there is no place for it.
    pub fn place<K: AsRef<str>, V: AsRef<str>>(&mut self, spec: &Spec<'_, K, V>, now: Tick) -> Result<Placed, Refusal> {
        let known = self.names.get(spec.name).copied();
        if let Some(family) = known {
            if self.families[family as usize].as_ref().is_some_and(|found| found.kind != spec.shape.kind()) {
                return Err(Refusal::Conflict);
            }
            Packed::write(spec.labels, &mut self.scratch);
            if let Some(slot) = self.find(family) {
                return self.renew(slot, spec, now).map(Placed::Series);
            }
        } else {
            self.check_name(spec)?;
        }
        let from_source = self.sources.get(spec.source.0 as usize).map_or(0, |(count, _)| *count);
        let in_family =
            known.and_then(|family| self.families[family as usize].as_ref()).map_or(0, |family| family.live);
        let is_full = self.live >= self.limits.total
            || self.text >= self.limits.total.saturating_mul(TEXT)
            || from_source >= self.limits.source
            || in_family as usize >= self.limits.family;
        if is_full {
            let family = known.ok_or(Refusal::Full)?;
            return self.overflow(family, spec, now).map(Placed::Overflow);
        }
        let family = match known {
            Some(family) => family,
            None => self.found(spec),
        };
        Packed::write(spec.labels, &mut self.scratch);
        Ok(Placed::Series(self.insert(family, spec, now)))
    }

    /// Applies a change; false when the series is gone and must be placed again.
    #[inline]
    pub fn apply(&mut self, id: SeriesId, change: Change, now: Tick) -> bool {
        match self.slots.get_mut(id.slot as usize) {
            Some((generation, Some(series))) if *generation == id.generation => {
                series.apply(change, now);
                true
            }
            _ => false,
        }
    }

    /// Takes away what has had no sample for longer than it may; how many series went.
    pub fn sweep(&mut self, now: Tick) -> usize {
        if self.mortal == 0 {
            return 0;
        }
        let mut gone = 0;
        for slot in 0..self.slots.len() {
            if self.slots[slot].1.as_ref().is_some_and(|series| series.is_expired(now)) {
                self.remove(slot as u32);
                gone += 1;
            }
        }
        gone
    }

    fn check_name<K, V>(&self, spec: &Spec<'_, K, V>) -> Result<(), Refusal> {
        if spec.name.starts_with(RESERVED) {
            return Err(Refusal::Reserved);
        }
        if !naming::is_metric_name(spec.name) {
            return Err(Refusal::Name);
        }
        let is_part = ["_bucket", "_sum", "_count", "_gsum", "_gcount", "_info"].iter().any(|suffix| {
            spec.name
                .strip_suffix(suffix)
                .and_then(|stem| self.kind_of(stem))
                .is_some_and(|kind| suffixes(kind).contains(suffix))
        });
        let has_part_taken = suffixes(spec.shape.kind())
            .iter()
            .any(|suffix| self.names.contains_key(format!("{}{suffix}", spec.name).as_str()));
        if is_part || has_part_taken { Err(Refusal::Conflict) } else { Ok(()) }
    }

    fn kind_of(&self, name: &str) -> Option<Kind> {
        let number = self.names.get(name)?;
        Some(self.families[*number as usize].as_ref()?.kind)
    }

    /// Makes a family.
    fn found<K, V>(&mut self, spec: &Spec<'_, K, V>) -> u32 {
        let name: Arc<str> = spec.name.into();
        let family = Family {
            name: name.clone(),
            help: spec.help.into(),
            kind: spec.shape.kind(),
            order: Vec::new(),
            is_sorted: true,
            live: 0,
        };
        let number = match self.free_families.pop() {
            Some(number) => {
                self.families[number as usize] = Some(family);
                number
            }
            None => {
                self.families.push(Some(family));
                (self.families.len() - 1) as u32
            }
        };
        self.created_names += usize::from(name.ends_with(CREATED));
        self.text += name.len() + spec.help.len();
        self.names.insert(name, number);
        number
    }

    /// The slot of the family's series whose labels are in the scratch text.
    fn find(&self, family: u32) -> Option<u32> {
        let hash = self.hasher.hash_one((family, self.scratch.as_str()));
        let is_it = |slot: &u32| {
            self.slots[*slot as usize]
                .1
                .as_ref()
                .is_some_and(|series| series.family == family && series.labels.as_str() == self.scratch)
        };
        self.index.find(hash, is_it).copied()
    }

    /// A series that exists is asked for again: by a new key, or after a reload.
    fn renew<K, V>(&mut self, slot: u32, spec: &Spec<'_, K, V>, now: Tick) -> Result<SeriesId, Refusal> {
        let (generation, series) = &mut self.slots[slot as usize];
        let Some(series) = series else { return Err(Refusal::Conflict) };
        if series.source != spec.source.0 {
            return Err(Refusal::Taken);
        }
        if !spec.shape.fits(&series.value) {
            series.value = spec.shape.accumulator();
            series.created = now;
        }
        self.mortal = self.mortal + usize::from(spec.ttl > 0) - usize::from(series.ttl > 0);
        series.ttl = spec.ttl;
        Ok(SeriesId { slot, generation: *generation })
    }

    fn overflow<K: AsRef<str>, V: AsRef<str>>(
        &mut self,
        family: u32,
        spec: &Spec<'_, K, V>,
        now: Tick,
    ) -> Result<SeriesId, Refusal> {
        Packed::write(&[OVERFLOW], &mut self.scratch);
        match self.find(family) {
            Some(slot) => self.renew(slot, spec, now),
            None => Ok(self.insert(family, spec, now)),
        }
    }

    /// Makes the series whose labels are in the scratch text.
    fn insert<K, V>(&mut self, family: u32, spec: &Spec<'_, K, V>, now: Tick) -> SeriesId {
        let series = Series {
            family,
            source: spec.source.0,
            labels: Packed::keep(&self.scratch),
            value: spec.shape.accumulator(),
            created: now,
            touched: now,
            ttl: spec.ttl,
            round: 0,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize].1 = Some(series);
                slot
            }
            None => {
                self.slots.push((0, Some(series)));
                (self.slots.len() - 1) as u32
            }
        };
        let id = SeriesId { slot, generation: self.slots[slot as usize].0 };
        let hash = self.hasher.hash_one((family, self.scratch.as_str()));
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index.insert_unique(hash, slot, |slot| hash_of(slots, hasher, *slot));
        if let Some(family) = &mut self.families[family as usize] {
            // Those that are gone leave when a page is written; where nobody asks for one, they leave here.
            if family.order.len() > 2 * family.live as usize + 64 {
                family.order.retain(|id| slots[id.slot as usize].0 == id.generation);
            }
            family.order.push(id);
            family.is_sorted = false;
            family.live += 1;
        }
        self.live += 1;
        self.text += self.scratch.len();
        self.mortal += usize::from(spec.ttl > 0);
        self.source(spec.source).0 += 1;
        id
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let hash = hash_of(&self.slots, &self.hasher, slot);
        if let Ok(entry) = self.index.find_entry(hash, |found| *found == slot) {
            entry.remove();
        }
        let Some(series) = self.slots[slot as usize].1.take() else { return };
        self.slots[slot as usize].0 += 1;
        self.free.push(slot);
        self.live -= 1;
        self.text -= series.labels.as_str().len();
        self.mortal -= usize::from(series.ttl > 0);
        self.source(Source(series.source)).0 -= 1;
        let Some(family) = &mut self.families[series.family as usize] else { return };
        family.live -= 1;
        family.is_sorted = false;
        if family.live == 0 {
            self.names.remove(&family.name);
            self.text -= family.name.len() + family.help.len();
            self.created_names -= usize::from(family.name.ends_with(CREATED));
            self.families[series.family as usize] = None;
            self.free_families.push(series.family);
            self.freed += 1;
        }
    }

    pub(super) fn source(&mut self, source: Source) -> &mut (usize, Vec<SeriesId>) {
        let at = source.0 as usize;
        if self.sources.len() <= at {
            self.sources.resize_with(at + 1, Default::default);
        }
        &mut self.sources[at]
    }
}

fn hash_of(slots: &[(u32, Option<Series>)], hasher: &DefaultHashBuilder, slot: u32) -> u64 {
    slots[slot as usize].1.as_ref().map_or(0, |series| hasher.hash_one((series.family, series.labels.as_str())))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
