//! Mapping files as they are written for statsd_exporter, and what names become under them.

use super::*;
use crate::core::document::{self, Mistakes};

fn rules(yaml: &str) -> Result<Rules, String> {
    let mut mistakes = Mistakes::new("m.yml");
    let root = document::parse(yaml, &mut mistakes);
    let read = read(&root, Naming::Exact, 0, &mut mistakes);
    mistakes.into_result().map_err(|fault| fault.to_string())?;
    Ok(read)
}

/// What a name becomes: `name{labels}`, `drop`, or nothing when no rule matches.
fn becomes(rules: &Rules, name: &str, kind: Type) -> String {
    match rules.judge(name, kind) {
        Verdict::Drop => "drop".to_owned(),
        Verdict::NoName => "no name".to_owned(),
        Verdict::Family(target) if !target.is_mapped => "unmapped".to_owned(),
        Verdict::Family(target) => {
            let labels: Vec<_> = target.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("{}{{{}}}", target.name, labels.join(","))
        }
    }
}

fn check(yaml: &str, cases: &[(&str, &str)]) {
    let rules = rules(yaml).unwrap();
    for (name, expected) in cases {
        assert_eq!(becomes(&rules, name, Type::Counter), *expected, "{name}");
    }
}

#[test]
fn globs_come_before_regexes_and_capture_segments() {
    check(
        r#"---
mappings:
- match: (.*)\.(.*)-(.*)\.(.*)
  match_type: regex
  name: "proxy_requests_total"
  labels: {job: "$1", protocol: "$2", endpoint: "$3", result: "$4"}
- match: test.dispatcher.*.*.*
  name: "dispatch_events"
  labels: {processor: "$1", action: "$2", result: "$3", job: "test_dispatcher"}
- match: "*.*"
  name: "catchall"
  labels: {first: "$1", second: "$2", third: "$3", job: "$1-$2-$3"}
"#,
        &[
            (
                "test.dispatcher.FooProcessor.send.succeeded",
                "dispatch_events{processor=FooProcessor,action=send,result=succeeded,job=test_dispatcher}",
            ),
            ("foo.bar", "catchall{first=foo,second=bar,third=,job=foo-bar-}"),
            ("foo.bar.baz", "unmapped"),
            ("a-b.c", "catchall{first=a-b,second=c,third=,job=a-b-c-}"),
            (
                "proxy-1.http-goober.success",
                "proxy_requests_total{job=proxy-1,protocol=http,endpoint=goober,result=success}",
            ),
        ],
    );
}

#[test]
fn names_may_be_made_of_captures() {
    check(
        "mappings:\n- {match: test1.*.*, name: $1}\n- {match: 'test2.*.*', name: '${1}_$2'}\n- {match: 'test3\\.(\\w+)\\.(\\w+)', match_type: regex, name: '${2}_$1'}\n- {match: test4.*, name: '${2}'}\n- {match: test5.*, name: 'a_${1}'}\n",
        &[
            ("test1.total_requests.count", "total_requests{}"),
            ("test2.total_requests.count", "total_requests_count{}"),
            ("test3.total_requests.count", "count_total_requests{}"),
            ("test4.x", "no name"),
            ("test5.x-y/z", "a_x_y_z{}"),
        ],
    );
}

#[test]
fn rules_may_be_for_one_type_and_may_drop() {
    let rules = rules(
        "mappings:\n- {match: a.*, match_metric_type: gauge, name: gauges}\n- {match: a.*, match_metric_type: timer, name: timers}\n- {match: '^b', match_type: regex, action: drop, name: x}\n- {match: c.*, name: c, action: drop, match_metric_type: counter}\n",
    )
    .unwrap();
    assert_eq!(becomes(&rules, "a.x", Type::Gauge), "gauges{}");
    assert_eq!(becomes(&rules, "a.x", Type::Distribution), "timers{}");
    assert_eq!(becomes(&rules, "a.x", Type::Counter), "unmapped");
    assert_eq!(becomes(&rules, "bcd", Type::Counter), "drop");
    assert_eq!(becomes(&rules, "c.x", Type::Counter), "drop");
    assert_eq!(becomes(&rules, "c.x", Type::Gauge), "unmapped");
}

#[test]
fn scalars_keep_their_spelling() {
    check(
        "mappings:\n- {match: a, name: yes, labels: {v: 1.10, w: no, x: 010, y: ~, zz: 'null'}}\n",
        &[("a", "yes{v=1.10,w=no,x=010,y=,zz=null}")],
    );
}

fn target(yaml: &str, name: &str, kind: Type) -> Target<'static> {
    match Box::leak(Box::new(rules(yaml).unwrap())).judge(Box::leak(name.to_owned().into_boxed_str()), kind) {
        Verdict::Family(target) => target,
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_come_from_the_rule_then_from_the_defaults() {
    let yaml = "
defaults:
  observer_type: histogram
  ttl: 1m
  histogram_options: {buckets: [1, 2.5, 10]}
  summary_options: {quantiles: [{quantile: 0.5, error: 0.1}], max_age: 2m, age_buckets: 3}
mappings:
- {match: plain.*, name: plain}
- {match: own.*, name: own, ttl: 5s, scale: 0.001, histogram_options: {buckets: [7], native_histogram_bucket_factor: 2, native_histogram_max_buckets: 9}}
- {match: off.*, name: off, histogram_options: {buckets: [.inf], native_histogram_bucket_factor: 1}}
- {match: written.*, name: written, observer_type: ''}
- {match: legacy.*, name: legacy, buckets: [3, 4]}
- {match: sum.*, name: sum, observer_type: summary, summary_options: {max_age: 30s}}
- {match: honest.*, name: honest, honor_labels: yes, timer_type: summary, quantiles: [{quantile: 0.9, error: 0.01}, {quantile: 0.1, error: 0.01}]}
";
    let shape = |name: &str| target(yaml, name, Type::Timer);
    let Shape::Histogram(options) = shape("plain.x").shape else { panic!() };
    assert_eq!(*options.bounds, [1.0, 2.5, 10.0]);
    let own = shape("own.x");
    assert_eq!((own.ttl, own.scale), (50, Some(0.001)));
    let Shape::Histogram(options) = own.shape else { panic!() };
    assert_eq!(
        (&*options.bounds, options.native),
        (&[7.0][..], Some(crate::adapt_metrics::model::Native { factor: 2.0, most: 9 }))
    );
    let Shape::Histogram(options) = shape("off.x").shape else { panic!() };
    assert_eq!((&*options.bounds, options.native), (&[][..], None), "a factor of 1 turns native histograms off");
    let Shape::Summary(_) = shape("written.x").shape else { panic!() };
    let Shape::Histogram(options) = shape("legacy.x").shape else { panic!() };
    assert_eq!(*options.bounds, [3.0, 4.0]);
    let sum = shape("sum.x");
    assert_eq!(sum.ttl, 600);
    let Shape::Summary(options) = sum.shape else { panic!() };
    assert_eq!((&*options.quantiles, options.max_age.as_secs(), options.parts), (&[0.5][..], 30, 3));
    let honest = shape("honest.x");
    let Shape::Summary(options) = honest.shape else { panic!() };
    assert_eq!((&*options.quantiles, honest.honor_labels), (&[0.1, 0.9][..], true));
    let Shape::Histogram(options) = shape("nobody.knows").shape else { panic!() };
    assert_eq!(*options.bounds, [1.0, 2.5, 10.0], "defaults hold for unmapped names too");
}

#[test]
fn every_mistake_is_told_at_once() {
    let told = rules(
        "default: {}
defaults: {observer_type: wrong, buckets: [2, 1], match_typ: glob}
mappings:
- {match: bad*.x, name: a}
- {match: a..b, name: 0foo}
- {match: a.b, labels: {this: x}}
- {match: a.c, name: c, labels: {a-b: x, __z: y}}
- {match: '(', match_type: regex, name: d}
- {match: a.d, name: d, observer_type: histogram, summary_options: {}}
- {match: a.e, name: e, ttl: soon, scale: big, honor_labels: maybe, action: keep, match_metric_type: set}
- {match: a.f, name: f, observer_type: summary, histogram_options: {bucket: [1]}}
- {match: a.g, name: g, quantiles: [{quantile: 2, error: 0}], help: [a]}
- just text
",
    )
    .unwrap_err();
    insta::assert_snapshot!(told);
}

#[test]
fn what_stands_in_quotes_is_no_number() {
    for wrong in ["ttl: \"5\"", "scale: '2'", "honor_labels: \"yes\"", "histogram_options: {buckets: [\"1\"]}"] {
        let told = rules(&format!("mappings:\n- {{match: a.*, name: n, {wrong}}}\n")).unwrap_err();
        assert!(told.contains("m.yml:2") && told.contains(wrong.split(':').next().unwrap()), "{told}");
    }
    assert!(
        rules("mappings:\n- {match: \"a.*\", name: 'n', ttl: \"5s\", histogram_options: {buckets: [~, 1]}}\n").is_ok()
    );
}

#[test]
fn what_a_file_leans_on_is_named() {
    let rules = rules("mappings:\n- {match: '^x', match_type: regex, name: x}\n- {match: a.*, name: a, labels: {l: $1_foo, m: $2, nn: '${1}', o: $name}}\n").unwrap();
    let told: Vec<String> = rules.quirks.iter().map(|quirk| format!("{}: {}", quirk.line, quirk.told)).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn our_own_dialect_has_one_order_and_stars_anywhere() {
    check(
        "compat: fixed\nmappings:\n- {match: '^app\\.(.*)', match_type: regex, name: first, labels: {x: $1}}\n- {match: 'web_*.hits', name: web, labels: {host: $1}, unless: ['web_test*.*']}\n- {match: '*.*', name: rest}\n",
        &[
            ("app.x", "first{x=x}"),
            ("web_a.hits", "web{host=a}"),
            ("web_testa.hits", "rest{}"),
            ("web_a.b.hits", "unmapped"),
        ],
    );
    assert!(rules("mappings:\n- {match: a.*, name: a, unless: [a.b]}\n").unwrap_err().contains("unless"));
}

#[test]
fn an_empty_file_has_no_rules() {
    assert!(rules("").unwrap().list().is_empty());
    assert!(rules("---\n").unwrap().list().is_empty());
    assert!(rules("defaults:\nmappings:\n").unwrap().list().is_empty());
}
