//! The table on its way out: heads and series into an encoder, families by name, series by their labels.
//!
//! The caller holds the table for one call only, so that receivers get it in between; what is gone by then is left out.

use std::sync::Arc;

use super::buckets::ZERO_THRESHOLD;
use super::family::unit;
use super::series::{Accumulator, Series, SeriesId};
use super::table::{CREATED, Table};
use super::tick::Tick;
use crate::core::metrics::{Encoder, FamilyHead, Kind, Native, Point};

impl Table {
    /// The names of all families, ascending.
    pub fn family_names(&self) -> Vec<Arc<str>> {
        self.names.keys().cloned().collect()
    }

    /// Writes the head of a family and says which series it has, ascending by their labels.
    pub fn write_head(&mut self, name: &str, out: &mut dyn Encoder) -> Vec<SeriesId> {
        let Some(number) = self.names.get(name).copied() else { return Vec::new() };
        let slots = &self.slots;
        let Some(family) = self.families[number as usize].as_mut() else { return Vec::new() };
        if !family.is_sorted {
            let labels = |id: &SeriesId| slots[id.slot as usize].1.as_ref().map(|series| &series.labels);
            family.order.retain(|id| slots[id.slot as usize].0 == id.generation && labels(id).is_some());
            family.order.sort_by(|a, b| labels(a).cmp(&labels(b)));
            family.is_sorted = true;
        }
        out.family(&FamilyHead { name: &family.name, kind: family.kind, unit: unit(&family.name), help: &family.help });
        family.order.clone()
    }

    /// Writes those of the series that still exist.
    pub fn write_series(&self, ids: &[SeriesId], now: Tick, out: &mut dyn Encoder) {
        let mut labels = Vec::with_capacity(16);
        let mut buckets = Vec::new();
        let tells_created = self.tells_created(ids);
        for id in ids {
            let Some((generation, Some(series))) = self.slots.get(id.slot as usize) else { continue };
            if *generation != id.generation {
                continue;
            }
            labels.clear();
            labels.extend(series.labels.pairs());
            let is_known = tells_created && series.created != Series::UNKNOWN;
            let created = is_known.then(|| self.began + series.created.seconds());
            match &series.value {
                Accumulator::Number(value) => {
                    let kind = self.families[series.family as usize].as_ref().map(|family| family.kind);
                    out.sample(
                        &labels,
                        match kind {
                            Some(Kind::Counter) => Point::Counter { value: *value, created },
                            Some(Kind::Info) => Point::Info,
                            _ => Point::Value(*value),
                        },
                    );
                }
                Accumulator::Members(members) => out.sample(&labels, Point::Value(members.count(now))),
                Accumulator::Summary(summary) => {
                    let quantiles = summary.quantiles(now);
                    let (sum, count) = (summary.sum(), summary.count());
                    out.sample(&labels, Point::Summary { quantiles: &quantiles, sum, count, created });
                }
                Accumulator::Histogram(histogram) => {
                    buckets.clear();
                    buckets.extend(histogram.cumulative());
                    let (sum, count) = (histogram.sum(), histogram.count());
                    let native = histogram.native().map(|native| Native {
                        schema: native.schema(),
                        zero_threshold: ZERO_THRESHOLD,
                        zero: native.zero(),
                        positive: native.positive(),
                        negative: native.negative(),
                    });
                    out.sample(&labels, Point::Histogram { buckets: &buckets, sum, count, created, native });
                }
            }
        }
    }
    /// Whether the series of these, which are of one family, may say since when they count: not where the line that says
    /// so is a family of its own.
    fn tells_created(&self, ids: &[SeriesId]) -> bool {
        if self.created_names == 0 {
            return true;
        }
        let family = ids.iter().find_map(|id| self.slots.get(id.slot as usize)?.1.as_ref()).map(|series| series.family);
        let Some(Some(family)) = family.map(|number| self.families[number as usize].as_ref()) else { return true };
        let stem = family.name.strip_suffix("_total").unwrap_or(&family.name);
        !self.names.contains_key(format!("{stem}{CREATED}").as_str())
    }
}
