//! What a receiver does with a packet: lines in, changes to the table out, everything counted.
//!
//! No socket and no clock: the moment is an argument. A known key takes the short way (a hash, a number, a change); all
//! else is read in full, judged by the rules, and placed.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use memchr::{memchr, memchr_iter};

use super::desk::Reads;
use super::keys::{Effect, Keys, Known, Room};
use super::line::{self, Grammar, Line, Lost, Raw, Reason, Type};
use super::number;
use super::tally::{Drop, Tally};
use crate::adapt_metrics::model::{Change, Placed, Refusal, SeriesId, Source, Spec, Table, Tick};
use crate::adapt_metrics::rules::{Rules, Target, Verdict};

/// A receiver's reading half.
pub struct Intake {
    grammar: Grammar,
    rules: Arc<Rules>,
    source: Source,
    keys: Keys,
    /// Types and names of conflicts that keys are known to end in.
    conflicts: Vec<(Type, String)>,
    /// How many families the table had let go when the conflicts were found: one more, and a name may be free again.
    freed: u64,
    /// Members of sets are told apart by this hash.
    members: DefaultHashBuilder,
    /// What was seen since it was taken last.
    pub tally: Tally,
}

impl Intake {
    /// A receiver that has seen nothing.
    pub fn new(grammar: Grammar, rules: Arc<Rules>, source: Source, room: Room, members: DefaultHashBuilder) -> Self {
        let keys = Keys::new(room);
        Self { grammar, rules, source, keys, conflicts: Vec::new(), freed: 0, members, tally: Tally::default() }
    }

    /// Reads one line, without its line break.
    #[inline]
    pub fn line(&mut self, line: &[u8], table: &mut Table, now: Tick) {
        self.tally.lines += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return;
        }
        if let Some(cut) = line::cut(line)
            && let Some(known) = self.keys.find(cut.name, cut.suffix)
            && self.repeat(cut.value, known, table, now)
        {
            return;
        }
        self.read(line, table, now);
    }

    /// A sample whose key is known; false when the long way must be gone.
    #[inline]
    fn repeat(&mut self, value: &[u8], known: Known, table: &mut Table, now: Tick) -> bool {
        let effect = known.effect;
        let is_taken = match known.series {
            Some(id) if effect.kind == Type::Set => {
                memchr(b':', value).is_none() && table.apply(id, Change::Member(self.members.hash_one(value)), now)
            }
            Some(id) => match number::parse(value) {
                Some(number) => {
                    change(effect, value, number, self.grammar).is_ok_and(|change| table.apply(id, change, now))
                }
                None => return self.repeat_several(value, known, id, table, now),
            },
            None => number::parse(value).is_some() && (effect.is_dropped || self.conflicts_again(effect)),
        };
        if is_taken && effect.conflict.is_none() {
            self.keys.hit(known);
        }
        is_taken
    }

    /// Several values of a known key (`1:2:3`); false when the long way must be gone, for all of them.
    fn repeat_several(&mut self, values: &[u8], known: Known, id: SeriesId, table: &mut Table, now: Tick) -> bool {
        let effect = known.effect;
        let takes_many = match effect.kind {
            Type::Timer | Type::Histogram | Type::Distribution => true,
            Type::Counter | Type::Gauge => self.grammar.sets_and_packed_numbers,
            Type::Set => false,
        };
        let (values, grammar) = (values.split(|byte| *byte == b':'), self.grammar);
        let sound = |value: &[u8]| number::parse(value).and_then(|number| change(effect, value, number, grammar).ok());
        if !takes_many || values.clone().any(|value| sound(value).is_none()) {
            return false;
        }
        for change in values.filter_map(sound) {
            if !table.apply(id, change, now) {
                // The series is gone, which the first one finds: nothing has been counted yet.
                return false;
            }
            self.keys.hit(known);
        }
        true
    }

    /// A sample whose key is known to end in a conflict; false when it is not, or not any more.
    fn conflicts_again(&mut self, effect: Effect) -> bool {
        let conflict = effect.conflict.and_then(|conflict| self.conflicts.get(usize::from(conflict)));
        let Some((kind, name)) = conflict else { return false };
        self.tally.samples += 1;
        self.tally.tag_errors += u64::from(effect.tag_errors);
        self.tally.judged(effect);
        self.tally.conflict(*kind, name, effect.events());
        true
    }

    /// Reads a line in full.
    fn read(&mut self, line: &[u8], table: &mut Table, now: Tick) {
        if self.grammar.tags.dogstatsd && (line.starts_with(b"_e{") || line.starts_with(b"_sc|")) {
            self.tally.events_and_checks += 1;
            return;
        }
        let parsed = match line::parse(line, self.grammar) {
            Ok(parsed) => parsed,
            Err(reason) => return self.tally.refuse(reason, line),
        };
        self.tally.tag_errors += parsed.labels.refused;
        for raw in &parsed.samples {
            self.tally.samples += 1;
            if let Err(reason) = self.sample(&parsed, *raw, line, table, now) {
                self.tally.refuse(reason, line);
            }
        }
    }

    fn sample(
        &mut self,
        line: &Line<'_>,
        raw: Raw<'_>,
        text: &[u8],
        table: &mut Table,
        now: Tick,
    ) -> Result<(), Reason> {
        let is_set = self.grammar.sets_and_packed_numbers && raw.suffix.split('|').nth(1) == Some("s");
        let number = if is_set { 0.0 } else { line::value(raw)? };
        let fields = match line::fields(raw, &line.labels, self.grammar) {
            Ok(fields) => fields,
            Err(reason) => {
                let is_empty_component = reason == Reason::MalformedComponent;
                let lost = if is_empty_component { Lost::default() } else { line::lost(raw, self.grammar) };
                let is_judged = reason == Reason::IllegalEvent;
                self.tally.tagged += u64::from(is_judged && (lost.has_labels || !line.labels.is_empty()));
                self.tally.tag_errors += lost.tag_errors;
                (0..lost.unreadable_rates).for_each(|_| self.tally.refuse(Reason::InvalidSampleFactor, text));
                return Err(reason);
            }
        };
        self.tally.tag_errors += fields.labels.refused;
        if fields.unreadable_rate {
            self.tally.refuse(Reason::InvalidSampleFactor, text);
        }
        if fields.kind.is_observer() && fields.repeats() == 0 {
            // A rate above one observes nothing, so it makes no series either.
            return Ok(());
        }
        let mut effect = Effect {
            kind: fields.kind,
            rate: fields.rate,
            times: fields.repeats(),
            scale: None,
            is_dropped: false,
            has_labels: !fields.labels.is_empty(),
            is_mapped: false,
            conflict: None,
            tag_errors: u16::try_from(line.labels.refused + fields.labels.refused).unwrap_or(u16::MAX),
        };
        // A key that repeats would not be told again that its rate cannot be read.
        let is_worth_remembering = !fields.has_timestamp && !fields.unreadable_rate;
        let rules = self.rules.clone();
        let target = match rules.judge(&line.name, fields.kind) {
            Verdict::Family(target) => target,
            Verdict::NoName => {
                self.tally.drop_event(Drop::EmptyName);
                return Ok(());
            }
            Verdict::Drop => {
                effect.is_dropped = true;
                effect.is_mapped = true;
                self.tally.dropped_by_rule += effect.events();
                self.tally.judged(effect);
                self.keys.insert(line.raw_name.as_bytes(), raw.suffix.as_bytes(), effect, None);
                return Ok(());
            }
        };
        effect.scale = target.scale;
        effect.is_mapped = target.is_mapped;
        if !target.is_mapped {
            self.tally.unmapped(&line.name);
        }
        self.tally.judged(effect);
        let change = if is_set {
            Change::Member(self.members.hash_one(raw.value.as_bytes()))
        } else {
            match change(effect, raw.value.as_bytes(), number, self.grammar) {
                Ok(change) => change,
                Err(drop) => {
                    self.tally.drop_event(drop);
                    return Ok(());
                }
            }
        };
        match self.place(&target, fields.labels.pairs(), table, now) {
            Ok(Placed::Series(id)) => {
                table.apply(id, change, now);
                self.tally.changed(effect);
                if is_worth_remembering {
                    self.keys.insert(line.raw_name.as_bytes(), raw.suffix.as_bytes(), effect, Some(id));
                }
            }
            Ok(Placed::Overflow(id)) => {
                table.apply(id, change, now);
                self.tally.changed(effect);
                self.tally.over_limit(&target.name);
            }
            Err(Refusal::Full) => self.tally.over_limit(&target.name),
            Err(_) => {
                self.tally.conflict(fields.kind, &target.name, effect.events());
                if let Some(conflict) = self.conflict(fields.kind, &target.name).filter(|_| is_worth_remembering) {
                    effect.conflict = Some(conflict);
                    self.keys.insert(line.raw_name.as_bytes(), raw.suffix.as_bytes(), effect, None);
                }
            }
        }
        Ok(())
    }

    /// The number of a conflict; few are told apart, since each is a mistake of somebody's.
    fn conflict(&mut self, kind: Type, name: &str) -> Option<u16> {
        let known = self.conflicts.iter().position(|(known, of)| *known == kind && of == name);
        let number = known.or_else(|| {
            (self.conflicts.len() < 256).then(|| {
                self.conflicts.push((kind, name.to_owned()));
                self.conflicts.len() - 1
            })
        })?;
        u16::try_from(number).ok()
    }

    fn place<K: AsRef<str>, V: AsRef<str>>(
        &self,
        target: &Target<'_>,
        own: &[(K, V)],
        table: &mut Table,
        now: Tick,
    ) -> Result<Placed, Refusal> {
        let mut labels: Vec<(&str, &str)> = own.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        for (name, value) in &target.labels {
            match labels.binary_search_by(|(known, _)| (*known).cmp(name)) {
                Ok(_) if target.honor_labels => {}
                Ok(at) => labels[at].1 = value,
                Err(at) => labels.insert(at, (name, value)),
            }
        }
        let reserved = target.shape.reserved_label();
        labels.retain(|(name, _)| Some(*name) != reserved);
        let spec = Spec {
            name: &target.name,
            shape: &target.shape,
            help: &target.help,
            labels: &labels,
            ttl: target.ttl,
            source: self.source,
        };
        table.place(&spec, now)
    }
}

impl Reads for Intake {
    fn adopt(&mut self, rules: Arc<Rules>) {
        // What is known of keys stands while the rules are the same.
        if !Arc::ptr_eq(&self.rules, &rules) {
            self.rules = rules;
            self.conflicts.clear();
            self.keys.clear();
        }
    }

    fn packet(&mut self, packet: &[u8], table: &mut Table, now: Tick) {
        if self.freed != table.freed() {
            self.freed = table.freed();
            if !self.conflicts.is_empty() {
                self.conflicts.clear();
                self.keys.clear();
            }
        }
        self.tally.packets += 1;
        self.tally.bytes += packet.len() as u64;
        let mut start = 0;
        for end in memchr_iter(b'\n', packet) {
            self.line(&packet[start..end], table, now);
            start = end + 1;
        }
        self.line(&packet[start..], table, now);
        let tally = &mut self.tally;
        self.keys.settle(|effect, samples| tally.count(effect, samples));
        tally.remembered = self.keys.count() as u64;
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}

/// What a value does.
///
/// # Errors
/// The value is one that a series of this type cannot take.
#[inline]
fn change(effect: Effect, text: &[u8], value: f64, grammar: Grammar) -> Result<Change, Drop> {
    let value = match effect.kind {
        Type::Counter => value / effect.rate,
        Type::Timer => value / 1000.0,
        _ => value,
    };
    let value = effect.scale.map_or(value, |scale| value * scale);
    match effect.kind {
        Type::Gauge if matches!(text.first(), Some(b'+' | b'-')) => Ok(Change::Add(value)),
        Type::Gauge => Ok(Change::Set(value)),
        _ if !value.is_finite() && !grammar.takes_what_is_not_finite() => Err(Drop::NotFinite),
        Type::Counter if value < 0.0 => Err(Drop::NegativeCounter),
        Type::Counter => Ok(Change::Add(value)),
        _ => Ok(Change::Observe(value, effect.times)),
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
