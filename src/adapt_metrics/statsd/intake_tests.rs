//! Packets in, pages out.

use super::*;
use crate::adapt_metrics::model::Limits;
use crate::adapt_metrics::naming::Naming;
use crate::adapt_metrics::statsd::tags::Dialects;
use crate::core::metrics::Text;
use proptest::prelude::*;

struct Bench {
    intake: Intake,
    table: Table,
}

fn bench(naming: Naming) -> Bench {
    let grammar = Grammar { tags: Dialects::ALL, sets_and_packed_numbers: naming == Naming::Uniform };
    let rules = Rules::none(naming, 0);
    let room = Room { keys: 1000, bytes: 100_000 };
    Bench {
        intake: Intake::new(grammar, Arc::new(rules), Source(0), room, DefaultHashBuilder::default()),
        table: Table::new(Limits { total: 1000, family: 100, source: 1000 }, 0.0),
    }
}

impl Bench {
    fn feed(&mut self, packet: &str) -> &mut Self {
        self.intake.packet(packet.as_bytes(), &mut self.table, Tick(0));
        self
    }

    fn samples(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        let mut text = Text::new(&mut out);
        for name in self.table.family_names() {
            let ids = self.table.write_head(&name, &mut text);
            self.table.write_series(&ids, Tick(0), &mut text);
        }
        let page = String::from_utf8(out).unwrap();
        page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }
}

#[test]
fn every_type_becomes_a_series() {
    let mut bench = bench(Naming::Exact);
    bench.feed("c:1|c\nc:2|c|@0.5\ng:5|g\ng:+3|g\ng:-1|g\nneg:-5|g\nt:250|ms\nh:0.5|h\nd:7|d");
    assert_eq!(
        bench.samples(),
        [
            "c 5",
            "d{quantile=\"0.5\"} 7",
            "d{quantile=\"0.9\"} 7",
            "d{quantile=\"0.99\"} 7",
            "d_sum 7",
            "d_count 1",
            "g 7",
            "h{quantile=\"0.5\"} 0.5",
            "h{quantile=\"0.9\"} 0.5",
            "h{quantile=\"0.99\"} 0.5",
            "h_sum 0.5",
            "h_count 1",
            "neg -5",
            "t{quantile=\"0.5\"} 0.25",
            "t{quantile=\"0.9\"} 0.25",
            "t{quantile=\"0.99\"} 0.25",
            "t_sum 0.25",
            "t_count 1",
        ]
    );
}

#[test]
fn the_short_way_says_the_same_as_the_long_way() {
    let mut bench = bench(Naming::Uniform);
    for _ in 0..3 {
        bench.feed("c:1|c|#a:b\nt:10|ms|@0.5\ng:4|g\nu:x|s\nm:1:2|h");
    }
    assert_eq!(
        bench.samples().iter().filter(|line| !line.contains("quantile")).cloned().collect::<Vec<_>>(),
        ["c_total{a=\"b\"} 3", "g 4", "m_sum 9", "m_count 6", "t_seconds_sum 0.06", "t_seconds_count 6", "u 1",]
    );
    let tally = &bench.intake.tally;
    assert_eq!((tally.lines, tally.samples, tally.events), (15, 18, [3, 3, 12, 3]));
}

#[test]
fn samples_of_one_line_do_not_share_labels() {
    let mut bench = bench(Naming::Exact);
    bench.feed("x:1|c|c:abc\nfoo:1|c:5|g");
    assert_eq!(bench.samples(), ["foo 1", "x{container_id=\"abc\"} 1"]);
    assert_eq!(bench.intake.tally.conflicts.get(&("gauge", "foo".to_owned())), Some(&1));
}

#[test]
fn a_conflict_is_remembered_until_the_name_is_free() {
    let mut bench = bench(Naming::Exact);
    bench.intake.adopt(Arc::new(Rules::none(Naming::Exact, 10)));
    bench.feed("x:1|c").feed("x:5|g").feed("x:6|g");
    assert_eq!(bench.intake.tally.conflicts.get(&("gauge", "x".to_owned())), Some(&2));
    assert_eq!(bench.intake.keys.count(), 2);
    bench.table.sweep(Tick(10));
    assert_eq!(bench.feed("x:7|g").samples(), ["x 7"]);
}

#[test]
fn what_cannot_be_taken_is_counted_by_reason_with_the_last_example() {
    let mut bench = bench(Naming::Exact);
    bench.feed("bad\nworse\nc:-1|c\n\nc:1e400|c\nu:1|s\n\nc:1|c|@x\n..:1|c\n_e{2,2}:hi|yo\n_sc|disk|0");
    let tally = &bench.intake.tally;
    assert_eq!(tally.refused[&Reason::MalformedLine], (2, "worse".to_owned()));
    assert_eq!(tally.refused[&Reason::MalformedValue].0, 1);
    assert_eq!(tally.refused[&Reason::IllegalEvent].0, 1);
    assert_eq!(tally.refused[&Reason::InvalidSampleFactor].0, 1);
    assert_eq!(tally.dropped[&Drop::NegativeCounter], 1);
    assert_eq!((tally.lines, tally.events_and_checks), (11, 2));
    assert_eq!(bench.samples(), ["__ 1", "c 1"]);
}

#[test]
fn what_is_not_finite_counts_where_statsd_exporter_counts_it() {
    let lines = "c:1|c\nc:Inf|c\nc:NaN|c\ng:NaN|g\nt:-Inf|ms";
    let mut exact = bench(Naming::Exact);
    let samples = exact.feed(lines).samples();
    assert!(samples.contains(&"c NaN".to_owned()) && samples.contains(&"t_sum -Inf".to_owned()), "{samples:?}");
    let mut uniform = bench(Naming::Uniform);
    assert_eq!(uniform.feed(lines).samples(), ["c_total 1", "g NaN"]);
    assert_eq!(uniform.intake.tally.dropped[&Drop::NotFinite], 3);
}

#[test]
fn labels_that_belong_to_summaries_are_left_out() {
    let mut bench = bench(Naming::Exact);
    bench.feed("t:1|ms|#quantile:2,a:b");
    assert!(bench.samples().contains(&"t_count{a=\"b\"} 1".to_owned()));
}

#[test]
fn lines_may_end_as_windows_ends_them() {
    assert_eq!(bench(Naming::Exact).feed("a:1|c\r\na:2|c\r\n").samples(), ["a 3"]);
}

#[test]
fn a_timestamp_is_taken_and_not_remembered() {
    let mut bench = bench(Naming::Exact);
    bench.feed("a:1|c|T1656581400\na:1|c|T1656581401");
    assert_eq!(bench.samples(), ["a 2"]);
    assert_eq!(bench.intake.keys.count(), 0);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(packet in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut bench = bench(Naming::Uniform);
        bench.intake.packet(&packet, &mut bench.table, Tick(0));
        bench.intake.packet(&packet, &mut bench.table, Tick(0));
    }

    #[test]
    fn any_order_of_repeats_adds_up(values in proptest::collection::vec(0u32..1000, 1..50)) {
        let mut bench = bench(Naming::Exact);
        for value in &values {
            bench.feed(&format!("a.b,k=v:{value}|c"));
        }
        let sum: u32 = values.iter().sum();
        prop_assert_eq!(bench.samples(), [format!("a_b{{k=\"v\"}} {sum}")]);
    }
}

#[test]
fn several_values_of_a_known_key_count_like_those_of_a_new_one() {
    let mut known = bench(Naming::Uniform);
    known.feed("t:1:2:3|ms|#a:b\nc:1:2|c\ng:5:+2|g\nh:1:x:3|h\nc:1:-1:NaN|c");
    known.intake.tally = Tally::default();
    let mut new = bench(Naming::Uniform);
    for bench in [&mut known, &mut new] {
        bench.feed("t:1:2:3|ms|#a:b\nc:1:2|c\ng:5:+2|g\nh:1:x:3|h\nc:1:-1:NaN|c");
        bench.intake.tally.unmapped_names.clear();
        bench.intake.tally.known = 0;
    }
    assert_eq!(known.intake.tally, new.intake.tally);
    assert!(known.samples().contains(&"c_total 8".to_owned()), "{:?}", known.samples());
    assert!(known.samples().contains(&"t_seconds_count{a=\"b\"} 6".to_owned()));
    assert!(known.samples().contains(&"g 7".to_owned()));
}
