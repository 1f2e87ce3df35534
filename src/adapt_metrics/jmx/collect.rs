//! Samples that rules threw together, made fit for one page.
//!
//! Where samples of one name have different kinds, all become unknown; where two have the same labels, all of that
//! name get the label `_objectname` with the bean and the path that they came from, as jmx_exporter does it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::naming::without_reserved_suffix;
use super::rules::Planned;
use super::sample::{Kind, Sample, Series};

/// The label that tells apart what nothing else does.
const ORIGIN: &str = "_objectname";

/// Remembers the outcome: as long as the same samples come in the same order, it is the same.
#[derive(Default)]
pub(crate) struct Collection {
    planned: Vec<Arc<Planned>>,
    outcome: Vec<Arc<Series>>,
}

impl Collection {
    pub(crate) fn settle(&mut self, made: Vec<(Arc<Planned>, f64)>) -> Vec<Sample> {
        let is_known = made.len() == self.planned.len()
            && made.iter().zip(&self.planned).all(|((planned, _), known)| Arc::ptr_eq(planned, known));
        if !is_known {
            self.planned = made.iter().map(|(planned, _)| Arc::clone(planned)).collect();
            self.outcome = settle(&self.planned);
        }
        let series = self.outcome.iter().cloned();
        made.into_iter().zip(series).map(|((_, value), series)| Sample { series, value }).collect()
    }
}

fn settle(planned: &[Arc<Planned>]) -> Vec<Arc<Series>> {
    let mut families: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, planned) in planned.iter().enumerate() {
        families.entry(without_reserved_suffix(&planned.series.name)).or_default().push(at);
    }
    let mut outcome: Vec<Arc<Series>> = planned.iter().map(|planned| Arc::clone(&planned.series)).collect();
    for (name, members) in families {
        let kinds: HashSet<Kind> = members.iter().map(|at| planned[*at].series.kind).collect();
        let mut labels = HashSet::new();
        let is_unique = members.iter().all(|at| {
            let mut sorted: Vec<_> = planned[*at].series.labels.iter().collect();
            sorted.sort();
            labels.insert(sorted)
        });
        if kinds.len() == 1 && is_unique {
            continue;
        }
        for at in members {
            let mut series = Series::clone(&planned[at].series);
            if kinds.len() > 1 {
                (series.kind, series.name) = (Kind::Unknown, name.to_owned());
            }
            if !is_unique {
                series.labels.retain(|(label, _)| label != ORIGIN);
                series.labels.push((ORIGIN.to_owned(), planned[at].origin.clone()));
            }
            outcome[at] = Arc::new(series);
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(name: &str, kind: Kind, label: &str, origin: &str) -> (Arc<Planned>, f64) {
        let labels = vec![("l".to_owned(), label.to_owned())];
        let series = Series { name: name.to_owned(), kind, help: String::new(), labels };
        (Arc::new(Planned { series: Arc::new(series), origin: origin.to_owned(), factor: 1.0, constant: None }), 1.0)
    }

    fn settled(made: Vec<(Arc<Planned>, f64)>) -> Vec<String> {
        let samples = Collection::default().settle(made);
        samples
            .iter()
            .map(|sample| format!("{} {:?} {:?}", sample.series.name, sample.series.kind, sample.series.labels))
            .collect()
    }

    #[test]
    fn several_kinds_of_one_name_become_unknown() {
        let made = vec![
            planned("x_total", Kind::Counter, "a", "d<><>A"),
            planned("x", Kind::Gauge, "b", "d<><>B"),
            planned("y_total", Kind::Counter, "b", "d<><>C"),
        ];
        assert_eq!(
            settled(made),
            [r#"x Unknown [("l", "a")]"#, r#"x Unknown [("l", "b")]"#, r#"y_total Counter [("l", "b")]"#]
        );
    }

    #[test]
    fn equal_labels_get_the_origin_in_the_whole_family() {
        let made = vec![
            planned("x", Kind::Gauge, "a", "d<><>A"),
            planned("x", Kind::Gauge, "a", "d<><>B"),
            planned("x", Kind::Gauge, "c", "d<><>C"),
        ];
        assert_eq!(
            settled(made),
            [
                r#"x Gauge [("l", "a"), ("_objectname", "d<><>A")]"#,
                r#"x Gauge [("l", "a"), ("_objectname", "d<><>B")]"#,
                r#"x Gauge [("l", "c"), ("_objectname", "d<><>C")]"#
            ]
        );
    }
}
