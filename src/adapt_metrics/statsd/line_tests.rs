//! The grammar, line by line: what statsd_exporter accepts and refuses, and the lines that it gets wrong.

use super::*;
use proptest::prelude::*;

const EXPORTER: Grammar = Grammar { tags: Dialects::ALL, sets_and_packed_numbers: false };
const OPEN: Grammar = Grammar { tags: Dialects::ALL, sets_and_packed_numbers: true };

/// A line written out: `name type value rate {labels}` per sample, or `!reason`.
fn read(line: &str, grammar: Grammar) -> Vec<String> {
    let parsed = match parse(line.as_bytes(), grammar) {
        Ok(parsed) => parsed,
        Err(reason) => return vec![format!("!{}", reason.name())],
    };
    let sample = |raw: &Raw<'_>| -> Result<String, Reason> {
        let value = if raw.suffix.starts_with("|s") { f64::NAN } else { value(*raw)? };
        let fields = fields(*raw, &parsed.labels, grammar)?;
        let labels: Vec<_> = fields.labels.pairs().iter().map(|(k, v)| format!("{k}={v}")).collect();
        Ok(format!("{} {:?} {value} @{} {{{}}}", parsed.name, fields.kind, fields.rate, labels.join(",")))
    };
    parsed.samples.iter().map(|raw| sample(raw).unwrap_or_else(|reason| format!("!{}", reason.name()))).collect()
}

fn check(cases: &[(&str, &[&str])]) {
    for (line, expected) in cases {
        assert_eq!(read(line, EXPORTER), *expected, "{line}");
    }
}

#[test]
fn sound_lines_become_samples() {
    check(&[
        ("foo:2|c", &["foo Counter 2 @1 {}"]),
        ("foo:3|g|@0.2", &["foo Gauge 3 @0.2 {}"]),
        ("foo:-10|g", &["foo Gauge -10 @1 {}"]),
        ("foo:200|ms", &["foo Timer 200 @1 {}"]),
        ("foo:200|h", &["foo Histogram 200 @1 {}"]),
        ("foo:200|d", &["foo Distribution 200 @1 {}"]),
        ("foo:0.01|d|@0.2|#tag1:bar,#tag2:baz", &["foo Distribution 0.01 @0.2 {tag1=bar,tag2=baz}"]),
        ("foo#tag1=bar:100|c", &["foo Counter 100 @1 {tag1=bar}"]),
        ("foo:100|c|#tag_without_a_value,tag:value", &["foo Counter 100 @1 {tag=value}"]),
        ("foo:100|c|@0.1|#tag1:foo:bar", &["foo Counter 100 @0.1 {tag1=foo:bar}"]),
        ("foo:100|c|#a:b|@0.5", &["foo Counter 100 @0.5 {a=b}"]),
        ("foo:1|c|@0", &["foo Counter 1 @1 {}"]),
        ("foo:1|c|@0.5|@0.5", &["foo Counter 1 @0.25 {}"]),
        ("foo:1|ms|@0.5|@0.25", &["foo Timer 1 @0.25 {}"]),
        ("foo:1|c|@bar", &["foo Counter 1 @1 {}"]),
        ("foo.[tag1=bar]test:1|g", &["foo.test Gauge 1 @1 {tag1=bar}"]),
    ]);
}

#[test]
fn several_samples_stand_in_one_line() {
    check(&[
        ("foo:1|c:5|g", &["foo Counter 1 @1 {}", "foo Gauge 5 @1 {}"]),
        (
            "foo:200|ms:300|ms:5|c|@0.1:6|g",
            &["foo Timer 200 @1 {}", "foo Timer 300 @1 {}", "foo Counter 5 @0.1 {}", "foo Gauge 6 @1 {}"],
        ),
        (
            "foo:200|ms:300|ms:5||c|@0.1:6|g",
            &["foo Timer 200 @1 {}", "foo Timer 300 @1 {}", "!malformed_container_id", "foo Gauge 6 @1 {}"],
        ),
        ("foo:0.5:120|ms|#a:b", &["foo Timer 0.5 @1 {a=b}", "foo Timer 120 @1 {a=b}"]),
        ("foo:1:x:3|h", &["foo Histogram 1 @1 {}", "!malformed_value", "foo Histogram 3 @1 {}"]),
        ("foo:1|c:2:3|g", &["foo Counter 1 @1 {}", "!malformed_component", "foo Gauge 3 @1 {}"]),
        ("foo:1|c:", &["foo Counter 1 @1 {}", "!malformed_component"]),
    ]);
}

#[test]
fn broken_lines_are_refused_with_the_peers_reason() {
    check(&[
        ("foo", &["!malformed_line"]),
        (":1|c", &["!malformed_line"]),
        ("foo:1", &["!not_enough_parts_after_colon"]),
        ("foo:", &["!not_enough_parts_after_colon"]),
        ("foo:1|", &["!illegal_event"]),
        ("foo:|c", &["!malformed_value"]),
        ("foo:bar|c", &["!malformed_value"]),
        ("foo:1e400|c", &["!malformed_value"]),
        ("foo:1|x", &["!illegal_event"]),
        ("foo:1|s", &["!illegal_event"]),
        ("foo:1|c|", &["!malformed_component"]),
        ("foo:1|c||@0.1", &["!malformed_component"]),
        ("foo:1|c|x", &["!invalid_sample_factor"]),
        ("foo:1|c|é", &["!invalid_sample_factor"]),
        ("foo:1|c|cabc", &["!malformed_container_id"]),
        ("foo:1|c|T", &["foo Counter 1 @1 {}"]),
        ("foo:1|c|Tnow", &["foo Counter 1 @1 {}"]),
        ("foo:1:2|c", &["!invalid_extended_aggregate_type"]),
        ("foo:1:2|ms:3|g", &["!invalid_extended_aggregate_type"]),
        ("foo:1|c|@1|@1|@1|@1", &["foo Counter 1 @1 {}"]),
        ("foo:1|c|@1|@1|@1|@1|@1", &["!malformed_component"]),
        ("foo:1|c|@1|@1|@1|@1|@1|e:x|card:y", &["!malformed_component"]),
        ("foo#a=b:100|c|#tag1:bar", &["!mixed_tagging_styles"]),
        ("foo[a=b]:100|c|#tag1:bar", &["!mixed_tagging_styles"]),
        ("foo:1|c:2|g|#a:b", &["!invalid_sample_factor"]),
    ]);
    assert_eq!(parse(b"foo:1|c|#tag:\xc3\x28x", EXPORTER), Err(Reason::MalformedLine));
}

#[test]
fn newer_dogstatsd_fields_are_taken_with_and_without_tags() {
    check(&[
        ("x:1|c|c:abc", &["x Counter 1 @1 {container_id=abc}"]),
        ("x:1|c|#a:b|c:ci-83c0a99c0a54", &["x Counter 1 @1 {a=b,container_id=ci-83c0a99c0a54}"]),
        ("x:1|c|c:in-1234|e:it-false,cn-app|card:high", &["x Counter 1 @1 {container_id=in-1234}"]),
        ("x:1|c|@0.5|T1656581400", &["x Counter 1 @0.5 {}"]),
        ("x:1|c|@0.5|#a:b|c:id|T1656581400|e:y|card:low", &["x Counter 1 @0.5 {a=b,container_id=id}"]),
        ("x:1|c|c:", &["!malformed_container_id"]),
        ("x:1|c|c:abc:2|g", &["!invalid_sample_factor"]),
    ]);
}

#[test]
fn sets_and_packed_numbers_are_ours() {
    assert_eq!(read("u:alice|s", OPEN), ["u Set NaN @1 {}"]);
    assert_eq!(read("c:1:2|c|#a:b", OPEN), ["c Counter 1 @1 {a=b}", "c Counter 2 @1 {a=b}"]);
}

#[test]
fn hostile_sizes_are_refused() {
    let tags: Vec<String> = (0..65).map(|i| format!("t{i}:v")).collect();
    assert_eq!(read(&format!("x:1|c|#{}", tags.join(",")), EXPORTER), ["!too_many_labels"]);
    assert_eq!(read(&format!("x:1|c|#a:{}", "v".repeat(MAX_TEXT + 1)), EXPORTER), ["!too_long"]);
    assert_eq!(read(&format!("{}:1|c", "n".repeat(MAX_TEXT + 1)), EXPORTER), ["!too_long"]);
}

#[test]
fn rates_repeat_observations_within_a_bound() {
    let repeats = |line: &str| {
        let parsed = parse(line.as_bytes(), EXPORTER).unwrap();
        fields(parsed.samples[0], &parsed.labels, EXPORTER).unwrap().repeats()
    };
    assert_eq!(repeats("x:1|h|@0.2"), 5);
    assert_eq!(repeats("x:1|h|@0.3"), 3);
    assert_eq!(repeats("x:1|h|@2"), 0);
    assert_eq!(repeats("x:1|h|@-1"), 0);
    assert_eq!(repeats("x:1|h|@1e-30"), 1_000_000);
    assert_eq!(repeats("x:1|h|@NaN"), 0);
}

#[test]
fn a_cut_keeps_every_byte() {
    let cut = cut(b"a.b,x=y:1|c|#t:u").unwrap();
    assert_eq!((cut.name, cut.value, cut.suffix), (&b"a.b,x=y"[..], &b"1"[..], &b"|c|#t:u"[..]));
    assert!(super::cut(b"a:1").is_none() && super::cut(b"a|c").is_none());
}

proptest! {
    #[test]
    fn never_panics(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(parsed) = parse(&line, OPEN) {
            for raw in &parsed.samples {
                let _ = value(*raw);
                let _ = fields(*raw, &parsed.labels, OPEN);
            }
        }
    }

    #[test]
    fn never_panics_on_almost_sound_lines(line in "[a-c.\\[\\],#=]{0,8}[:|]?[0-9.e+-]{0,4}[|:]?(c|g|ms|h|s|d)?([|:][@#cTe]?[a-z0-9:,.]{0,6}){0,5}") {
        read(&line, EXPORTER);
        read(&line, OPEN);
    }

    #[test]
    fn separated_samples_join_to_the_line(rest in "[0-9]{1,3}\\|(c|g|ms)((:[0-9]{1,3}\\|(c|g))|(\\|@0\\.5)){0,4}") {
        let joined: Vec<String> = separate(&rest).iter().map(|raw| format!("{}{}", raw.value, raw.suffix)).collect();
        prop_assert_eq!(joined.join(":"), rest);
    }
}
