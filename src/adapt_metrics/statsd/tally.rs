//! What a receiver has counted and seen: plain numbers, taken over by the metrics once per batch.

use std::collections::BTreeMap;

use super::keys::Effect;
use super::line::{Reason, Type};

/// How many names are told apart in lists that a sender could make long.
const NAMES: usize = 64;
/// How much of a line is kept as an example, in bytes.
const EXAMPLE: usize = 200;

/// Why a sample that was read did not become a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drop {
    /// A counter cannot go back.
    NegativeCounter,
    /// `NaN` or an infinity, where it would stay for ever.
    NotFinite,
    /// A rule left nothing of the name.
    EmptyName,
    /// The sample's own time lies too far back.
    TooOld,
}

impl Drop {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::NegativeCounter, Self::NotFinite, Self::EmptyName, Self::TooOld];

    /// The label value.
    pub fn name(self) -> &'static str {
        match self {
            Self::NegativeCounter => "illegal_negative_counter",
            Self::NotFinite => "not_finite",
            Self::EmptyName => "empty_metric_name",
            Self::TooOld => "too_old",
        }
    }
}

/// Counts since they were taken last.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Tally {
    /// Datagrams, or reads of a stream.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Lines, empty ones included.
    pub lines: u64,
    /// Samples that had the shape of one.
    pub samples: u64,
    /// Tags that were left out.
    pub tag_errors: u64,
    /// Samples that have labels.
    pub tagged: u64,
    /// DogStatsD events and service checks, which are no metrics.
    pub events_and_checks: u64,
    /// Samples that a rule drops.
    pub dropped_by_rule: u64,
    /// Samples that a rule maps.
    pub mapped: u64,
    /// Samples that no rule matches.
    pub unmapped: u64,
    /// Batches, each read under one lock of the table.
    pub batches: u64,
    /// Samples whose key was known.
    pub known: u64,
    /// Keys that are remembered now; that of the newest batch stands.
    pub remembered: u64,
    /// Changes by type: counter, gauge, observer, set.
    pub events: [u64; 4],
    /// Lines and samples refused, by reason, with the last example.
    pub refused: BTreeMap<Reason, (u64, String)>,
    /// Samples dropped after they were read.
    pub dropped: BTreeMap<Drop, u64>,
    /// Samples whose family is of another type, by type and name.
    pub conflicts: BTreeMap<(&'static str, String), u64>,
    /// Samples over a limit, by family.
    pub over_limit: BTreeMap<String, u64>,
    /// Names that no rule matched, as they came; the last few.
    pub unmapped_names: BTreeMap<String, u64>,
}

impl Tally {
    /// Samples of a known effect.
    pub fn count(&mut self, effect: Effect, samples: u64) {
        self.samples += samples;
        self.known += samples;
        self.tag_errors += samples * u64::from(effect.tag_errors);
        self.judged_some(effect, samples);
        if effect.is_dropped {
            self.dropped_by_rule += samples * effect.events();
        } else {
            self.changed_some(effect, samples);
        }
    }

    /// A sample has been judged by the rules.
    pub fn judged(&mut self, effect: Effect) {
        self.judged_some(effect, 1);
    }

    fn judged_some(&mut self, effect: Effect, samples: u64) {
        self.tagged += samples * u64::from(effect.has_labels);
        if effect.is_mapped {
            self.mapped += if effect.is_dropped { 0 } else { samples * effect.events() };
        } else {
            self.unmapped += samples * effect.events();
        }
    }

    /// A sample has changed its series.
    pub fn changed(&mut self, effect: Effect) {
        self.changed_some(effect, 1);
    }

    fn changed_some(&mut self, effect: Effect, samples: u64) {
        match effect.kind {
            Type::Counter => self.events[0] += samples,
            Type::Gauge => self.events[1] += samples,
            Type::Set => self.events[3] += samples,
            _ => self.events[2] += samples * u64::from(effect.times),
        }
    }

    /// A line or a sample is refused.
    pub fn refuse(&mut self, reason: Reason, line: &[u8]) {
        let entry = self.refused.entry(reason).or_default();
        entry.0 += 1;
        entry.1.clear();
        entry.1.push_str(&String::from_utf8_lossy(&line[..line.len().min(EXAMPLE)]));
    }

    /// A sample that was read is dropped.
    pub fn drop_event(&mut self, why: Drop) {
        *self.dropped.entry(why).or_default() += 1;
    }

    /// A sample's family is of another type.
    pub fn conflict(&mut self, kind: Type, name: &str, events: u64) {
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Set => "set",
            _ => "observer",
        };
        let known = self.conflicts.len() < NAMES || self.conflicts.contains_key(&(kind, name.to_owned()));
        *self.conflicts.entry((kind, if known { name } else { "other" }.to_owned())).or_default() += events;
    }

    /// A sample is over a limit.
    pub fn over_limit(&mut self, name: &str) {
        let known = self.over_limit.len() < NAMES || self.over_limit.contains_key(name);
        *self.over_limit.entry(if known { name } else { "other" }.to_owned()).or_default() += 1;
    }

    /// A name that no rule matched.
    pub fn unmapped(&mut self, name: &str) {
        if self.unmapped_names.len() < NAMES || self.unmapped_names.contains_key(name) {
            *self.unmapped_names.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// Adds another's counts to these.
    pub fn absorb(&mut self, other: Self) {
        for (mine, theirs) in [
            (&mut self.packets, other.packets),
            (&mut self.bytes, other.bytes),
            (&mut self.lines, other.lines),
            (&mut self.samples, other.samples),
            (&mut self.tag_errors, other.tag_errors),
            (&mut self.tagged, other.tagged),
            (&mut self.events_and_checks, other.events_and_checks),
            (&mut self.dropped_by_rule, other.dropped_by_rule),
            (&mut self.mapped, other.mapped),
            (&mut self.unmapped, other.unmapped),
            (&mut self.batches, other.batches),
            (&mut self.known, other.known),
        ] {
            *mine += theirs;
        }
        self.remembered = other.remembered;
        self.events.iter_mut().zip(other.events).for_each(|(mine, theirs)| *mine += theirs);
        for (reason, (count, example)) in other.refused {
            let entry = self.refused.entry(reason).or_default();
            *entry = (entry.0 + count, example);
        }
        for (why, count) in other.dropped {
            *self.dropped.entry(why).or_default() += count;
        }
        for ((kind, name), count) in other.conflicts {
            let known = self.conflicts.len() < NAMES || self.conflicts.contains_key(&(kind, name.clone()));
            *self.conflicts.entry((kind, if known { name } else { "other".to_owned() })).or_default() += count;
        }
        for (name, count) in other.over_limit {
            let known = self.over_limit.len() < NAMES || self.over_limit.contains_key(&name);
            *self.over_limit.entry(if known { name } else { "other".to_owned() }).or_default() += count;
        }
        for (name, count) in other.unmapped_names {
            if self.unmapped_names.len() < NAMES || self.unmapped_names.contains_key(&name) {
                *self.unmapped_names.entry(name).or_default() += count;
            }
        }
    }
}
