//! Hostile input for every parser of outside bytes: sound samples, broken at random, from a seed, so that every run is alike.
//!
//! `PATTERNS_FUZZ_ROUNDS` says how many inputs each parser gets, `PATTERNS_FUZZ_SEED` where they begin; without them a run
//! takes seconds. A parser may refuse whatever it likes; it may not panic, hang, or make much out of little.

use super::graphite::{influx, line as carbon, pickle};
use super::json::hostile as json;
use super::naming::Naming;
use super::rules;
use super::source;
use super::statsd::line::{self, Grammar, Type};
use super::statsd::tags::Dialects;
use crate::core::document::{self, Mistakes, Node};

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// Gives a parser many broken inputs that are made of the samples.
pub(crate) fn feed(samples: &[&[u8]], mut parser: impl FnMut(&[u8])) {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let rounds = setting("PATTERNS_FUZZ_ROUNDS").unwrap_or(300);
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ setting("PATTERNS_FUZZ_SEED").unwrap_or(1u64));
    samples.iter().for_each(|sample| parser(sample));
    for _ in 0..rounds {
        let mut input = samples[random.below(samples.len())].to_vec();
        for _ in 0..=random.below(6) {
            spoil(&mut input, samples, &mut random);
        }
        parser(&input);
    }
}

/// The same, for a parser of text.
pub(crate) fn feed_text(samples: &[&str], mut parser: impl FnMut(&str)) {
    let samples: Vec<&[u8]> = samples.iter().map(|sample| sample.as_bytes()).collect();
    feed(&samples, |input| parser(&String::from_utf8_lossy(input)));
}

fn spoil(input: &mut Vec<u8>, samples: &[&[u8]], random: &mut Random) {
    const TELLING: &[u8] = b"\0\x01\x7f\x80\xff{}[]()|:#@,.=*$\\\"'\n-+0e";
    let at = random.below(input.len() + 1);
    match random.below(7) {
        0 if at < input.len() => input[at] = random.below(256) as u8,
        1 if at < input.len() => input[at] = TELLING[random.below(TELLING.len())],
        2 => input.insert(at, TELLING[random.below(TELLING.len())]),
        3 => input.truncate(at),
        4 => drop(input.drain(at..(at + random.below(8)).min(input.len()))),
        5 => {
            let piece = input[at..(at + random.below(16)).min(input.len())].repeat(1 + random.below(12));
            input.splice(at..at, piece);
        }
        _ => {
            let other = samples[random.below(samples.len())];
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
    input.truncate(8192);
}

/// The tree of a document, however broken it is.
pub(crate) fn tree(text: &str) -> (Node, Mistakes) {
    let mut mistakes = Mistakes::new("f.yml");
    (document::parse(text, &mut mistakes), mistakes)
}

const MAPPING: &str = "defaults: {observer_type: histogram, ttl: 1m, glob_disable_ordering: true}\nmappings:\n- match: a.*.c\n  name: n_$1\n  labels: {l: '${1}x', m: $0}\n  summary_options: {quantiles: [{quantile: 0.5, error: 0.05}], max_age: 1m}\n- {match: '(a|b)\\.(?P<x>\\d+)[[:alpha:]]', match_type: regex, name: r, labels: {y: '$x'}, scale: 1e3, action: map}\n";

#[test]
fn statsd_lines() {
    let samples: [&[u8]; 6] = [
        b"web.hits,host=a:1|c|@0.5",
        b"a[b=c,d=e].f:1:2.5:-3|ms|#x:y,z:u|c:id|T12|e:x|card:low",
        b"a#b=c:+1|g:2|c:3|h|@0.1",
        b"u:alice|s",
        b"x:1e400|c|@1e-30",
        "n\u{e4}me:0x1p4|d".as_bytes(),
    ];
    let (root, mut mistakes) = tree(MAPPING);
    let rules = rules::read(&root, Naming::Exact, 0, &mut mistakes);
    feed(&samples, |input| {
        for grammar in [true, false].map(|open| Grammar { tags: Dialects::ALL, sets_and_packed_numbers: open }) {
            let Ok(parsed) = line::parse(input, grammar) else { continue };
            assert!(parsed.samples.len() <= input.len());
            for raw in &parsed.samples {
                let (_, fields) = (line::value(*raw), line::fields(*raw, &parsed.labels, grammar));
                let _ = rules.judge(&parsed.name, fields.map_or(Type::Timer, |fields| fields.kind));
            }
        }
    });
}

#[test]
fn graphite_and_influx_lines() {
    feed_text(&["a.b.c 1.5 1000", "a.b;x=y;z=u -1e5 1000", "a\u{e4} nan -1"], |text| {
        let _ = carbon::parse(text);
        let _ = carbon::name_and_tags(text);
    });
    feed_text(&["cpu,host=a\\ b,x=y idle=1.5,n=3i,t=true,s=\"x\\\"y\" 1000", "m f=1"], |text| {
        assert!(influx::parse(text).map_or(0, |readings| readings.len()) <= text.len());
    });
}

#[test]
fn pickles() {
    let samples: [&[u8]; 2] = [
        b"\x80\x02]q\x00(X\x03\x00\x00\x00a.bq\x01M\xe8\x03K\x05\x86q\x02\x86q\x03h\x01h\x02\x86e.",
        b"(lp0\n(Va.b\np1\n(I1000\nF5.5\ntp2\ntp3\na.",
    ];
    feed(&samples, |input| {
        assert!(pickle::parse(input).map_or(0, |points| points.len()) <= input.len());
    });
}

#[test]
fn rule_files() {
    feed_text(&[MAPPING, "compat: fixed\nmappings:\n- {match: 'a_*.b', name: x, unless: [a.*]}\n"], |text| {
        let (root, mut mistakes) = tree(text);
        let rules = rules::read(&root, Naming::Exact, 0, &mut mistakes);
        for name in ["a.b.c", "a.1x", "", "..", "a_1.b"] {
            let _ = rules.judge(name, Type::Timer);
        }
        let _ = rules.unreached();
    });
    let sources = "- {name: a, type: json, url: 'http://h/x', interval: on-scrape, metrics: [{name: q, path: '.a[*]'}]}\n- {name: b, type: jmx, address: 'h:1', tls: never, labels: {x: y}}\n";
    feed_text(&[sources], |text| {
        let (root, mut mistakes) = tree(text);
        let _ = source::read(&root, source::KEY, &mut mistakes);
    });
}

#[test]
fn json_paths_bodies_and_modules() {
    json::run();
}
