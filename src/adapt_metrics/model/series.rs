//! One series: whose it is, its labels, when it was last touched, and the accumulator that owns its value.

use super::histogram::Histogram;
use super::labels::Packed;
use super::members::Members;
use super::summary::Summary;
use super::tick::Tick;
use crate::core::metrics::Kind;

/// A series of a table. It outlives its series: the generation tells a slot that was given to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeriesId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// What a sample does to a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Adds to a counter or a gauge.
    Add(f64),
    /// Replaces a gauge.
    Set(f64),
    /// Observes a value some times.
    Observe(f64, u32),
    /// Remembers a set's member by its hash.
    Member(u64),
}

/// What a polled value is to its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// The number of a summary's observations.
    Count,
    /// The sum of a summary's observations.
    Sum,
}

#[derive(Debug)]
pub(super) struct Series {
    pub(super) family: u32,
    pub(super) source: u16,
    pub(super) labels: Packed,
    pub(super) value: Accumulator,
    /// When it began to count; [`Series::UNKNOWN`] when only its source knows.
    pub(super) created: Tick,
    pub(super) touched: Tick,
    /// Ticks without a sample after which it goes; 0 is never.
    pub(super) ttl: u32,
    /// The poll that saw it last.
    pub(super) round: u32,
}

#[derive(Debug)]
pub(super) enum Accumulator {
    Number(f64),
    Summary(Box<Summary>),
    Histogram(Box<Histogram>),
    Members(Box<Members>),
}

impl Series {
    pub(super) const UNKNOWN: Tick = Tick(u32::MAX);

    pub(super) fn apply(&mut self, change: Change, now: Tick) {
        self.touched = now;
        match (&mut self.value, change) {
            (Accumulator::Number(number), Change::Add(value)) => *number += value,
            (Accumulator::Number(number), Change::Set(value)) => *number = value,
            (Accumulator::Summary(summary), Change::Observe(value, times)) => summary.observe(value, times, now),
            (Accumulator::Histogram(histogram), Change::Observe(value, times)) => histogram.observe(value, times),
            (Accumulator::Members(members), Change::Member(hash)) => members.insert(hash, now),
            // The caller placed the series by the sample's own type, so the two always fit.
            _ => debug_assert!(false, "a change of another kind"),
        }
    }

    /// Takes over the state that a poll saw. A counter that was seen for the first time began who knows when; one that
    /// went back began now.
    pub(super) fn take_state(&mut self, value: f64, part: Part, round: u32, kind: Kind, now: Tick) {
        if self.round == 0 {
            self.created = Self::UNKNOWN;
        }
        match (&mut self.value, part) {
            (Accumulator::Number(number), _) => {
                if kind == Kind::Counter && self.round != 0 && value < *number {
                    self.created = now;
                }
                *number = value;
            }
            (Accumulator::Summary(summary), Part::Count) => summary.set_count(value),
            (Accumulator::Summary(summary), Part::Sum) => summary.set_sum(value),
            _ => {}
        }
        self.round = round;
        self.touched = now;
    }

    pub(super) fn is_expired(&self, now: Tick) -> bool {
        self.ttl > 0 && now.0.saturating_sub(self.touched.0) >= self.ttl
    }
}
