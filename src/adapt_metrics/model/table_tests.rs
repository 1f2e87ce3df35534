//! The table as its sources see it.

use super::*;
use crate::adapt_metrics::model::{HistogramOptions, Part, Polled, Replaced, SummaryOptions};
use crate::core::metrics::{OpenMetrics, Text};

const LIMITS: Limits = Limits { total: 100, family: 5, source: 50 };

fn table() -> Table {
    Table::new(LIMITS, 1000.0)
}

fn spec<'a>(name: &'a str, shape: &'a Shape, labels: &'a [(&'a str, &'a str)]) -> Spec<'a, &'a str, &'a str> {
    Spec { name, shape, help: "Help.", labels, ttl: 0, source: Source(0) }
}

fn put(table: &mut Table, spec: &Spec<'_, &str, &str>, change: Change, now: Tick) {
    match table.place(spec, now).unwrap() {
        Placed::Series(id) | Placed::Overflow(id) => assert!(table.apply(id, change, now)),
    }
}

fn page(table: &mut Table, now: Tick) -> String {
    let mut out = Vec::new();
    let mut text = Text::new(&mut out);
    for name in table.family_names() {
        let ids = table.write_head(&name, &mut text);
        table.write_series(&ids, now, &mut text);
    }
    String::from_utf8(out).unwrap()
}

fn samples(table: &mut Table, now: Tick) -> Vec<String> {
    page(table, now).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn families_and_labels_leave_in_order() {
    let mut table = table();
    put(&mut table, &spec("b_total", &Shape::Counter, &[("x", "2")]), Change::Add(1.0), Tick(0));
    put(&mut table, &spec("a", &Shape::Gauge, &[]), Change::Set(7.0), Tick(0));
    put(&mut table, &spec("b_total", &Shape::Counter, &[("x", "1")]), Change::Add(2.0), Tick(0));
    put(&mut table, &spec("b_total", &Shape::Counter, &[("x", "2")]), Change::Add(3.0), Tick(0));
    insta::assert_snapshot!(page(&mut table, Tick(0)), @r#"
    # HELP a Help.
    # TYPE a gauge
    a 7
    # HELP b_total Help.
    # TYPE b_total counter
    b_total{x="1"} 2
    b_total{x="2"} 4
    "#);
}

#[test]
fn a_name_keeps_its_first_type() {
    let mut table = table();
    put(&mut table, &spec("a", &Shape::Gauge, &[]), Change::Set(1.0), Tick(0));
    assert_eq!(table.place(&spec("a", &Shape::Counter, &[]), Tick(0)), Err(Refusal::Conflict));
    assert_eq!(table.len(), 1);
}

#[test]
fn the_parts_of_a_summary_belong_to_it() {
    let mut table = table();
    let summary = Shape::Summary(Arc::<SummaryOptions>::default());
    put(&mut table, &spec("s", &summary, &[]), Change::Observe(1.0, 1), Tick(0));
    assert_eq!(table.place(&spec("s_sum", &Shape::Gauge, &[]), Tick(0)), Err(Refusal::Conflict));
    put(&mut table, &spec("s_bucket", &Shape::Gauge, &[]), Change::Set(1.0), Tick(0));
    put(&mut table, &spec("h_count", &Shape::Gauge, &[]), Change::Set(1.0), Tick(0));
    let histogram = Shape::Histogram(Arc::<HistogramOptions>::default());
    assert_eq!(table.place(&spec("h", &histogram, &[]), Tick(0)), Err(Refusal::Conflict));
    assert_eq!(table.place(&spec("s", &histogram, &[]), Tick(0)), Err(Refusal::Conflict));
}

#[test]
fn our_own_and_illegal_names_are_refused() {
    let mut table = table();
    assert_eq!(table.place(&spec("patterns_x", &Shape::Gauge, &[]), Tick(0)), Err(Refusal::Reserved));
    assert_eq!(table.place(&spec("1x", &Shape::Gauge, &[]), Tick(0)), Err(Refusal::Name));
}

#[test]
fn what_is_over_a_limit_adds_up_in_one_series() {
    let mut table = table();
    for i in 0..9 {
        let value = i.to_string();
        put(&mut table, &spec("a_total", &Shape::Counter, &[("i", &value)]), Change::Add(1.0), Tick(0));
    }
    let lines = samples(&mut table, Tick(0));
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[5], "a_total{overflow=\"true\"} 4");
    for i in 0..44 {
        put(&mut table, &spec(&format!("g{i}"), &Shape::Gauge, &[]), Change::Set(1.0), Tick(0));
    }
    assert_eq!(table.place(&spec("new", &Shape::Gauge, &[]), Tick(0)), Err(Refusal::Full));
}

#[test]
fn a_silent_series_goes_after_its_ttl_and_begins_anew() {
    let mut table = table();
    let mortal = Spec { ttl: 10, ..spec("a_total", &Shape::Counter, &[]) };
    put(&mut table, &mortal, Change::Add(5.0), Tick(0));
    put(&mut table, &spec("b_total", &Shape::Counter, &[]), Change::Add(1.0), Tick(0));
    let Ok(Placed::Series(id)) = table.place(&mortal, Tick(0)) else { panic!("no place") };
    assert_eq!(table.sweep(Tick(9)), 0);
    assert_eq!(table.sweep(Tick(10)), 1);
    assert!(!table.apply(id, Change::Add(1.0), Tick(10)), "the old number must not reach another series");
    assert_eq!(samples(&mut table, Tick(10)), ["b_total 1"]);
    put(&mut table, &mortal, Change::Add(2.0), Tick(20));
    assert_eq!(samples(&mut table, Tick(20)), ["a_total 2", "b_total 1"]);
}

#[test]
fn a_family_without_series_frees_its_name() {
    let mut table = table();
    put(&mut table, &Spec { ttl: 1, ..spec("a", &Shape::Gauge, &[]) }, Change::Set(1.0), Tick(0));
    table.sweep(Tick(5));
    assert_eq!(table.families(), 0);
    put(&mut table, &spec("a", &Shape::Counter, &[]), Change::Add(1.0), Tick(5));
}

#[test]
fn changed_options_begin_the_series_anew_and_leave_others_alone() {
    let mut table = table();
    let old = Shape::Histogram(Arc::new(HistogramOptions { bounds: [1.0].into(), native: None }));
    let new = Shape::Histogram(Arc::new(HistogramOptions { bounds: [2.0].into(), native: None }));
    put(&mut table, &spec("h", &old, &[]), Change::Observe(1.5, 1), Tick(0));
    put(&mut table, &spec("g", &Shape::Gauge, &[]), Change::Set(1.0), Tick(0));
    put(&mut table, &spec("h", &new, &[]), Change::Observe(1.5, 1), Tick(1));
    assert_eq!(
        samples(&mut table, Tick(1)),
        ["g 1", "h_bucket{le=\"2\"} 1", "h_bucket{le=\"+Inf\"} 1", "h_sum 1.5", "h_count 1"]
    );
}

fn polled(name: &str, labels: &[(&str, &str)], value: f64) -> Polled {
    let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Polled { name: name.to_owned(), shape: Shape::Gauge, help: "Polled.".to_owned(), labels, value, part: Part::Whole }
}

#[test]
fn a_poll_replaces_what_its_source_had() {
    let mut table = table();
    let first = table.replace(Source(1), &[polled("a", &[], 1.0), polled("b", &[], 2.0)], Tick(0));
    assert_eq!(first, Replaced { series: 2, ..Replaced::default() });
    put(&mut table, &spec("c", &Shape::Gauge, &[]), Change::Set(3.0), Tick(0));
    let second =
        table.replace(Source(1), &[polled("b", &[], 5.0), polled("b", &[], 6.0), polled("c", &[], 9.0)], Tick(1));
    assert_eq!((second.series, second.duplicates), (1, 1));
    assert_eq!(second.refused, [("c".to_owned(), Refusal::Taken)]);
    assert_eq!(samples(&mut table, Tick(1)), ["b 6", "c 3"]);
    table.replace(Source(1), &[], Tick(2));
    assert_eq!(samples(&mut table, Tick(2)), ["c 3"]);
}

#[test]
fn sets_show_how_many_members_they_have() {
    let mut table = table();
    for member in [1u64, 2, 2, 3] {
        put(&mut table, &spec("users", &Shape::Set, &[]), Change::Member(member), Tick(0));
    }
    assert_eq!(samples(&mut table, Tick(0)), ["users 3"]);
}

fn openmetrics(table: &mut Table, now: Tick) -> String {
    let mut out = Vec::new();
    let mut encoder = OpenMetrics::new(&mut out);
    for name in table.family_names() {
        let ids = table.write_head(&name, &mut encoder);
        table.write_series(&ids, now, &mut encoder);
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn a_series_that_comes_back_counts_from_a_new_beginning() {
    let mut table = table();
    let mortal = Spec { ttl: 10, ..spec("a_total", &Shape::Counter, &[]) };
    put(&mut table, &mortal, Change::Add(5.0), Tick(20));
    assert!(openmetrics(&mut table, Tick(20)).contains("\na_total 5\na_created 1002\n"));
    table.sweep(Tick(30));
    put(&mut table, &mortal, Change::Add(1.0), Tick(50));
    assert!(openmetrics(&mut table, Tick(50)).contains("\na_total 1\na_created 1005\n"));
}

#[test]
fn a_family_that_is_named_like_the_beginning_of_another_stands_alone() {
    let mut table = table();
    put(&mut table, &spec("a_total", &Shape::Counter, &[]), Change::Add(5.0), Tick(0));
    put(&mut table, &Spec { ttl: 1, ..spec("a_created", &Shape::Gauge, &[]) }, Change::Set(7.0), Tick(0));
    let page = openmetrics(&mut table, Tick(0));
    assert_eq!(page.matches("\na_created").count(), 1, "{page}");
    assert!(page.contains("\na_created 7\n"), "{page}");
    table.sweep(Tick(1));
    assert!(openmetrics(&mut table, Tick(1)).contains("\na_created 1000\n"));
}

#[test]
fn a_name_is_held_with_and_without_its_suffix() {
    let mut table = table();
    put(&mut table, &spec("a_total", &Shape::Counter, &[]), Change::Add(5.0), Tick(0));
    put(&mut table, &spec("b", &Shape::Gauge, &[]), Change::Set(7.0), Tick(0));
    assert!(["a", "a_total", "b", "b_total"].into_iter().all(|name| table.holds(name)));
    assert!(!table.holds("c") && !table.holds("a_b"));
}

#[test]
fn long_labels_fill_the_table_as_many_series_do() {
    let mut table = Table::new(Limits { total: 10, family: 10, source: 10 }, 0.0);
    let long = "x".repeat(1500);
    let placed = |table: &mut Table, i: usize| {
        table.place(&spec("a", &Shape::Gauge, &[("i", &i.to_string()), ("long", &long)]), Tick(0)).unwrap()
    };
    let own = (0..8).filter(|i| matches!(placed(&mut table, *i), Placed::Series(_))).count();
    assert_eq!(own, 4, "four of 1500 bytes are more than ten of 512");
}
