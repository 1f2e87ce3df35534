//! What became of a reading, remembered: the next scrape of the same value only looks it up.

use std::sync::Arc;

use hashbrown::HashMap;

use super::rules::{Decision, Made, Planned, Rules, RulesScratch};
use super::walk::Reading;

/// Plans that a bean may have beyond twice its readings, before those of vanished table rows are thrown away.
const SLACK: usize = 16;

/// The plans for the readings of one bean.
#[derive(Default)]
pub(crate) struct Plans {
    plans: HashMap<String, Plan>,
    generation: u32,
    seen: usize,
}

struct Plan {
    made: Made,
    /// Where the rules' decision hangs on the value: that value, and the first rule that it may hang on.
    hangs_on: Option<(String, usize)>,
    used: u32,
}

/// What making plans takes besides the rules.
#[derive(Default)]
pub(crate) struct Planner {
    key: String,
    scratch: RulesScratch,
    /// Plans made since the scratch memory was last dropped.
    planned: usize,
}

impl Planner {
    /// Ends a scrape: one that had nothing new needs no memory for deciding.
    pub(crate) fn rest(&mut self) {
        if self.planned == 0 {
            self.scratch = RulesScratch::default();
        }
        self.planned = 0;
    }
}

impl Plans {
    /// The sample that this reading is, if it is one, and its value.
    pub(crate) fn sample(
        &mut self,
        reading: &Reading<'_>,
        rules: &Rules,
        planner: &mut Planner,
    ) -> Option<(Arc<Planned>, f64)> {
        let Planner { key, scratch, planned } = planner;
        spell(reading, key);
        self.seen += 1;
        let used = self.generation;
        let plan = self.plans.entry_ref(key.as_str()).or_insert_with(|| {
            *planned += 1;
            match rules.decide(reading, scratch) {
                Decision::Always(made) => Plan { made, hangs_on: None, used },
                Decision::Now { first, made } => {
                    Plan { made, hangs_on: Some((reading.value.text().unwrap_or_default(), first)), used }
                }
            }
        });
        plan.used = used;
        if let Some((decided, first)) = &mut plan.hangs_on {
            let value = reading.value.text().unwrap_or_default();
            if *decided != value {
                plan.made = rules.make_now(reading, *first);
                *decided = value;
            }
        }
        let Made::Sample(planned) = &plan.made else { return None };
        let value = planned.constant.or_else(|| reading.value.number());
        // A boolean of the bean's own is not scaled, as it never was.
        let factor = match (planned.constant, reading.value) {
            (None, super::value::JmxValue::Bool(_)) => 1.0,
            _ => planned.factor,
        };
        value.map(|value| (Arc::clone(planned), value * factor))
    }

    /// Ends a scrape: plans for readings that no longer come must not pile up.
    pub(crate) fn sweep(&mut self) {
        if self.plans.len() > 2 * self.seen + SLACK {
            let current = self.generation;
            self.plans.retain(|_, plan| plan.used == current);
        }
        self.seen = 0;
        self.generation = self.generation.wrapping_add(1);
    }
}

/// The reading's place in its bean. Separators are characters that no sane name has.
fn spell(reading: &Reading<'_>, key: &mut String) {
    key.clear();
    key.push_str(reading.attribute);
    for outer in reading.keys {
        key.extend(["\u{1f}", outer]);
    }
    for (name, value) in reading.extra.iter().chain(reading.labels) {
        key.extend(["\u{1e}", name, "\u{1f}", value]);
    }
}
