//! Polls: all that a source has now replaces all that it had.
//!
//! Refused, by the sample: what belongs to another source or type, and what is over a limit, since a state cannot be added
//! up in an overflow series.

use super::family::{Refusal, Shape};
use super::series::Part;
use super::table::{Placed, Source, Spec, Table};
use super::tick::Tick;

/// One series of a poll.
#[derive(Debug, Clone, PartialEq)]
pub struct Polled {
    /// The family's name, legal.
    pub name: String,
    /// What it is; a poll knows no histograms, and of summaries count and sum.
    pub shape: Shape,
    /// The family's help.
    pub help: String,
    /// The labels, sorted by name.
    pub labels: Vec<(String, String)>,
    /// The value now.
    pub value: f64,
    /// What of the series the value is.
    pub part: Part,
}

/// What became of a poll.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replaced {
    /// Series on the page from this source.
    pub series: usize,
    /// Series that came twice with the same name and labels; the last value stands.
    pub duplicates: usize,
    /// Samples without a place, with the reason, by name.
    pub refused: Vec<(String, Refusal)>,
}

impl Table {
    /// Replaces all that a source had by what a poll saw.
    pub fn replace(&mut self, source: Source, polled: &[Polled], now: Tick) -> Replaced {
        self.rounds = self.rounds.wrapping_add(1);
        let round = self.rounds;
        let mut outcome = Replaced::default();
        let mut seen = Vec::with_capacity(polled.len());
        for sample in polled {
            let spec = Spec {
                name: &sample.name,
                shape: &sample.shape,
                help: &sample.help,
                labels: &sample.labels,
                ttl: 0,
                source,
            };
            let id = match self.place(&spec, now) {
                Ok(Placed::Series(id)) => id,
                // A state cannot be added up, so an overflow series would say nothing.
                Ok(Placed::Overflow(_)) => {
                    outcome.refused.push((sample.name.clone(), Refusal::Full));
                    continue;
                }
                Err(refusal) => {
                    outcome.refused.push((sample.name.clone(), refusal));
                    continue;
                }
            };
            let Some((_, Some(series))) = self.slots.get_mut(id.slot as usize) else { continue };
            if series.round != round {
                seen.push(id);
            } else if sample.part == Part::Whole {
                outcome.duplicates += 1;
            }
            series.take_state(sample.value, sample.part, round, sample.shape.kind(), now);
        }
        let entry = self.source(source);
        let before = std::mem::take(&mut entry.1);
        for id in before {
            let is_stale = matches!(self.slots.get(id.slot as usize), Some((generation, Some(series))) if *generation == id.generation && series.round != round);
            if is_stale {
                self.remove(id.slot);
            }
        }
        outcome.series = seen.len();
        self.source(source).1 = seen;
        outcome
    }
}
