//! What became of a reading, remembered: the next scrape of the same value only looks it up.

use std::sync::Arc;

use hashbrown::HashMap;

use super::sample::{Sample, Series};
use super::walk::Reading;

/// Plans that a bean may have beyond twice its readings, before those of vanished table rows are thrown away.
const SLACK: usize = 16;

/// The plans for the readings of one bean.
#[derive(Default)]
pub(crate) struct Plans {
    plans: HashMap<String, Remembered>,
    generation: u32,
    seen: usize,
}

struct Remembered {
    plan: Plan,
    used: u32,
}

/// The reading's number, times a factor, is a sample of this series.
pub(crate) struct Plan {
    pub(crate) series: Arc<Series>,
    pub(crate) factor: f64,
}

impl Plan {
    pub(crate) fn carry_out(&self, reading: &Reading<'_>) -> Option<Sample> {
        Some(Sample { series: Arc::clone(&self.series), value: reading.value.number()? * self.factor })
    }
}

impl Plans {
    /// The plan for this reading, made by `plan` at first sight. `key` is scratch space.
    pub(crate) fn look_up(&mut self, reading: &Reading<'_>, key: &mut String, plan: impl FnOnce() -> Plan) -> &Plan {
        spell(reading, key);
        self.seen += 1;
        let used = self.generation;
        let remembered = self.plans.entry_ref(key.as_str()).or_insert_with(|| Remembered { plan: plan(), used });
        remembered.used = used;
        &remembered.plan
    }

    /// Ends a scrape: plans for readings that no longer come must not pile up.
    pub(crate) fn sweep(&mut self) {
        if self.plans.len() > 2 * self.seen + SLACK {
            let current = self.generation;
            self.plans.retain(|_, remembered| remembered.used == current);
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
        key.push('\u{1f}');
        key.push_str(outer);
    }
    for (property, value) in reading.extra {
        key.push('\u{1e}');
        key.push_str(property);
        key.push('\u{1f}');
        key.push_str(value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::bean::ObjectName;
    use super::super::sample::Kind;
    use super::super::value::JmxValue;
    use super::*;

    fn plan() -> Plan {
        let series = Series { name: "x".into(), kind: Kind::Gauge, help: String::new(), labels: Vec::new() };
        Plan { series: Arc::new(series), factor: 1.0 }
    }

    fn reading<'a>(bean: &'a ObjectName, extra: &'a [(String, String)]) -> Reading<'a> {
        Reading { bean, extra, keys: &[], attribute: "A", description: "", value: &JmxValue::Null }
    }

    #[test]
    fn a_plan_is_made_once() {
        let bean = ObjectName::parse("d:type=T").unwrap();
        let (mut plans, mut key) = (Plans::default(), String::new());
        plans.look_up(&reading(&bean, &[]), &mut key, plan);
        plans.sweep();
        plans.look_up(&reading(&bean, &[]), &mut key, || panic!("planned twice"));
    }

    #[test]
    fn plans_for_rows_that_went_are_forgotten() {
        let bean = ObjectName::parse("d:type=T").unwrap();
        let (mut plans, mut key) = (Plans::default(), String::new());
        for row in 0..100 {
            let extra = [("thread".to_owned(), row.to_string())];
            plans.look_up(&reading(&bean, &extra), &mut key, plan);
            plans.sweep();
        }
        assert!(plans.plans.len() <= 2 + SLACK);
    }
}
