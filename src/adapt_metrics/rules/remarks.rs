//! What in a sound file works otherwise than it reads, told for `check`.

use super::file::Matching;
use super::{Quirk, Rules, glob};
use crate::core::document::Fields;

/// References that are not what they look like.
pub(super) fn references<'t>(
    matches: &str,
    matching: Matching,
    stars: usize,
    templates: impl Iterator<Item = &'t String>,
    line: usize,
    quirks: &mut Vec<Quirk>,
) {
    for text in templates {
        let mut rest = text.as_str();
        while let Some(at) = rest.find('$') {
            let word = &rest[at + 1..];
            let open = word.strip_prefix('{').unwrap_or(word);
            let length =
                open.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')).count();
            let (reference, after) = open.split_at(length);
            rest = after;
            if reference.is_empty() || (matching == Matching::Regex && reference.starts_with('$')) {
                continue;
            }
            let told = match reference.parse::<usize>() {
                Ok(number) if matching == Matching::Glob && number > stars => {
                    format!("`${reference}` in {text:?} is empty: {matches} has {stars} stars")
                }
                Err(_) if reference.starts_with(|c: char| c.is_ascii_digit()) => {
                    format!(
                        "`${reference}` in {text:?} is one reference, and empty; write ${{{}}}",
                        reference.trim_end_matches(|c: char| !c.is_ascii_digit())
                    )
                }
                Err(_) if matching == Matching::Glob => {
                    format!("`${reference}` in {text:?} is empty: a glob has no names")
                }
                _ => continue,
            };
            quirks.push(Quirk { line, told });
        }
    }
}

/// Keys of files that were written for statsd_exporter before 0.31, and what they are called now.
const LEGACY: [(&str, &str); 3] = [
    ("timer_type", "observer_type"),
    ("quantiles", "summary_options.quantiles"),
    ("buckets", "histogram_options.buckets"),
];

/// Keys that ours takes and statsd_exporter does not any more.
pub(super) fn legacy(fields: &mut Fields<'_, '_>, line: usize, quirks: &mut Vec<Quirk>) {
    for (key, now) in LEGACY {
        if fields.take(key).is_some() {
            quirks.push(Quirk { line, told: format!("statsd_exporter refuses `{key}` since 0.31; it is `{now}` now") });
        }
    }
}

/// Globs that are written again further down, with other globs between the two.
pub(super) fn repeated(rules: &mut Rules) {
    let globs: Vec<_> = rules.list.iter().enumerate().filter(|(_, rule)| rule.regex.is_none()).collect();
    let mut told = Vec::new();
    for (at, (_, rule)) in globs.iter().enumerate() {
        let is_same = |other: &super::Rule| {
            other.matches == rule.matches
                && (other.class.is_none() || rule.class.is_none() || other.class == rule.class)
        };
        let Some(again) = globs.iter().rposition(|(_, other)| is_same(other)).filter(|again| *again > at + 1) else {
            continue;
        };
        told.push(Quirk {
            line: rule.line,
            told: format!(
                "{} is written again in line {}, which puts this rule behind those between",
                rule.matches, globs[again].1.line
            ),
        });
    }
    rules.quirks.extend(told);
}

/// Without order and without going back, globs that lose names to the beginning of a narrower one.
pub(super) fn hurry(rules: &mut Rules) {
    let globs: Vec<_> = rules.list.iter().filter(|rule| rule.regex.is_none()).collect();
    let mut told = Vec::new();
    for (at, rule) in globs.iter().enumerate() {
        let narrower = globs.iter().enumerate().find(|(other, narrower)| {
            *other != at && narrower.matches != rule.matches && glob::covers(&rule.matches, &narrower.matches)
        });
        if let Some((_, narrower)) = narrower.filter(|(_, narrower)| narrower.matches.contains('*')) {
            told.push(Quirk {
                line: rule.line,
                told: format!(
                    "without order, a name that begins like {} in line {} and does not match it may not reach {}",
                    narrower.matches, narrower.line, rule.matches
                ),
            });
        }
    }
    rules.quirks.extend(told);
}

/// Rules whose place in the file is not their place in the search.
pub(super) fn order(rules: &mut Rules) {
    let last_glob = rules.list.iter().rposition(|rule| rule.regex.is_none());
    let regexes = rules
        .list
        .iter()
        .enumerate()
        .filter(|(at, rule)| rule.regex.is_some() && last_glob.is_some_and(|last| *at < last));
    let told: Vec<Quirk> = regexes
        .map(|(_, rule)| Quirk {
            line: rule.line,
            told: format!("the regex {:?} is tried after every glob, also after those below it", rule.matches),
        })
        .collect();
    rules.quirks.extend(told);
    rules.quirks.sort_by_key(|quirk| quirk.line);
}
