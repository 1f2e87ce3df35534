//! A mapping file: YAML with the position of every key in, rules out, and every mistake told at once.

use std::sync::Arc;

use super::glob::{self, Precedence, Tree};
use super::options::{Own, OwnHistogram, OwnSummary, floats, histogram_options, quantiles, summary_options};
use super::pattern;
use super::remarks;
use super::scalar::{boolean, duration, float, typed};
use super::template::Template;
use super::{Action, Class, Observer, Quirk, Rule, Rules};
use crate::adapt_metrics::model::{HistogramOptions, SummaryOptions, Tick};
use crate::adapt_metrics::naming::{self, Naming};
use crate::core::document::{Fields, Mistakes, Node, Value};

/// The most rules of one file.
const MAX_RULES: usize = 10_000;

/// Whose rules the file follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compat {
    /// statsd_exporter's.
    Exact,
    /// Our own: one order for globs and regexes, stars within segments, `unless`.
    Fixed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Summary,
    Histogram,
}

/// How a rule finds its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matching {
    /// Segment by segment.
    Glob,
    /// By a regex.
    Regex,
}

/// What holds where a rule does not say.
struct Defaults {
    observer: Option<Kind>,
    matching: Matching,
    precedence: Precedence,
    ttl: u32,
    summary: SummaryOptions,
    histogram: HistogramOptions,
}

/// Reads a file's tree. `naming` and `ttl` are for names that no rule matches and for rules without a ttl.
pub fn read(root: &Node, naming: Naming, ttl: u32, mistakes: &mut Mistakes) -> Rules {
    let mut rules = Rules::none(naming, ttl);
    let Some(mut fields) = root.fields("", mistakes) else { return rules };
    let compat = fields.read("compat", compat).unwrap_or(Compat::Exact);
    let defaults = match fields.take("defaults") {
        Some(node) => {
            let path = fields.path("defaults");
            node.fields(&path, fields.mistakes()).map(|fields| read_defaults(fields, ttl))
        }
        None => None,
    };
    let defaults = defaults.unwrap_or_else(|| Defaults::new(ttl));
    let items = fields.list("mappings");
    if items.len() > MAX_RULES {
        let (at, path) = (fields.at(), fields.path("mappings"));
        fields.mistakes().add(at, path, format!("has {} rules, more than the {MAX_RULES} that are read", items.len()));
    }
    rules.observer = defaults.observer(None, None);
    rules.ttl = defaults.ttl;
    rules.globs = Tree::new(defaults.precedence);
    for (path, item) in items.into_iter().take(MAX_RULES) {
        let line = item.at.line;
        let Some(rule) = item.fields(&path, fields.mistakes()) else { continue };
        if let Some(rule) = read_rule(rule, line, compat, &defaults, &mut rules.quirks) {
            rules.add(rule);
        }
    }
    fields.finish();
    if compat == Compat::Exact {
        let globs = rules.list.iter().filter(|rule| rule.regex.is_none()).map(|rule| rule.matches.as_str());
        if defaults.precedence == Precedence::MostSpecific && !glob::needs_patience(&globs.collect::<Vec<_>>()) {
            rules.globs.hurry();
            remarks::hurry(&mut rules);
        }
        remarks::repeated(&mut rules);
        remarks::order(&mut rules);
    }
    rules
}

impl Rules {
    fn add(&mut self, rule: Rule) {
        let number = self.list.len();
        if rule.regex.is_some() {
            self.in_order.push(number);
        } else {
            self.globs.insert(&rule.matches, rule.class, number);
        }
        self.list.push(rule);
    }
}

impl Defaults {
    fn new(ttl: u32) -> Self {
        Self {
            observer: None,
            matching: Matching::Glob,
            precedence: Precedence::Earliest,
            ttl,
            summary: SummaryOptions::default(),
            histogram: HistogramOptions::default(),
        }
    }

    fn observer(&self, kind: Option<Kind>, own: Option<Own>) -> Observer {
        let own = own.unwrap_or_default();
        match kind.or(self.observer).unwrap_or(Kind::Summary) {
            Kind::Summary => {
                let mut options = self.summary.clone();
                own.summary.apply(&mut options);
                Observer::Summary(Arc::new(options))
            }
            Kind::Histogram => {
                let mut options = self.histogram.clone();
                own.histogram.apply(&mut options);
                Observer::Histogram(Arc::new(options))
            }
        }
    }
}

fn read_defaults(mut fields: Fields<'_, '_>, ttl: u32) -> Defaults {
    let mut defaults = Defaults::new(ttl);
    let timer = fields.read("timer_type", observer);
    defaults.observer = fields.read("observer_type", observer).or(timer).flatten();
    defaults.matching = fields.read("match_type", matching).flatten().unwrap_or(Matching::Glob);
    if typed(&mut fields, "glob_disable_ordering", boolean).unwrap_or(false) {
        defaults.precedence = Precedence::MostSpecific;
    }
    if let Some(own) = duration(&mut fields, "ttl").filter(|ttl| !ttl.is_zero()) {
        defaults.ttl = Tick::span(own);
    }
    let quantiles = quantiles(&mut fields);
    let bounds = floats(&mut fields, "buckets");
    let mut summary = summary_options(&mut fields).unwrap_or_default();
    summary.quantiles = summary.quantiles.or(quantiles);
    summary.apply(&mut defaults.summary);
    let mut histogram = histogram_options(&mut fields).unwrap_or_default();
    histogram.bounds = histogram.bounds.or(bounds);
    histogram.apply(&mut defaults.histogram);
    fields.finish();
    defaults
}

fn read_rule(
    mut fields: Fields<'_, '_>,
    line: usize,
    compat: Compat,
    defaults: &Defaults,
    quirks: &mut Vec<Quirk>,
) -> Option<Rule> {
    let matching = fields.read("match_type", matching).flatten().unwrap_or(defaults.matching);
    let matches = fields.require("match", |text| match (matching, compat) {
        (Matching::Regex, _) => pattern::compile(text).map(|_| text.to_owned()),
        (Matching::Glob, Compat::Exact) if !glob::is_strict(text) => Err(not_strict(text)),
        (Matching::Glob, _) => Ok(text.to_owned()),
    });
    let name = fields.require("name", name_template);
    let labels = read_labels(&mut fields);
    for (label, _) in &labels {
        if !naming::is_label_name(label) {
            let (at, path) = (fields.at(), fields.path("labels"));
            fields.mistakes().add(at, path, format!("{label:?} is no label name: letters, digits and underscores, no digit first, and no two underscores first"));
        }
    }
    let honor_labels = typed(&mut fields, "honor_labels", boolean).unwrap_or(false);
    let timer = fields.read("timer_type", observer);
    let kind = fields.read("observer_type", observer).or(timer).flatten().or(defaults.observer);
    let help = fields.text("help").filter(|help| !help.is_empty());
    let action = fields.read("action", action).unwrap_or(Action::Map);
    let class = fields.read("match_metric_type", class).flatten();
    let ttl = duration(&mut fields, "ttl").filter(|ttl| !ttl.is_zero()).map_or(defaults.ttl, Tick::span);
    let scale = typed(&mut fields, "scale", float);
    let legacy_quantiles = quantiles(&mut fields);
    let legacy_buckets = floats(&mut fields, "buckets");
    remarks::legacy(&mut fields, line, quirks);
    let summary = summary_options(&mut fields);
    let histogram = histogram_options(&mut fields);
    let unless = if compat == Compat::Fixed { unless(&mut fields) } else { Vec::new() };
    conflicts(
        &mut fields,
        kind,
        summary.as_ref(),
        histogram.as_ref(),
        legacy_quantiles.as_ref(),
        legacy_buckets.as_ref(),
    );
    fields.finish();

    let mut own = Own { summary: summary.unwrap_or_default(), histogram: histogram.unwrap_or_default() };
    own.summary.quantiles = own.summary.quantiles.or(legacy_quantiles);
    own.histogram.bounds = own.histogram.bounds.or(legacy_buckets);
    let (matches, name) = (matches?, name?);
    let stars = matches.matches('*').count();
    let template = |text: &str| match matching {
        Matching::Glob => Template::for_stars(text, stars),
        Matching::Regex => Template::for_groups(text),
    };
    remarks::references(
        &matches,
        matching,
        stars,
        std::iter::once(&name).chain(labels.iter().map(|(_, value)| value)),
        line,
        quirks,
    );
    // What was compiled to judge it was dropped with the judgement; compiling twice is once at load.
    let regex = match (matching, compat) {
        (Matching::Regex, _) => Some(pattern::compile(&matches).ok()?),
        (Matching::Glob, Compat::Fixed) => Some(pattern::compile(&glob::to_regex(&matches)).ok()?),
        (Matching::Glob, Compat::Exact) => None,
    };
    Some(Rule {
        line,
        class,
        regex,
        unless,
        action,
        name: template(&name),
        labels: labels.iter().map(|(label, value)| (label.clone(), template(value))).collect(),
        honor_labels,
        help,
        observer: defaults.observer(kind, Some(own)),
        scale,
        ttl,
        matches,
    })
}

/// Label names and templates; what is null is a text of no length.
fn read_labels(fields: &mut Fields<'_, '_>) -> Vec<(String, String)> {
    let nulls: Vec<&str> = match fields.take("labels").map(|node| &node.value) {
        Some(Value::Mapping(entries)) => {
            entries.iter().filter(|(_, value)| value.is_null()).map(|(key, _)| key.text.as_str()).collect()
        }
        _ => Vec::new(),
    };
    let labels = fields.text_map("labels").into_iter();
    labels
        .map(|(label, text)| if nulls.contains(&label.as_str()) { (label, String::new()) } else { (label, text) })
        .collect()
}

fn conflicts(
    fields: &mut Fields<'_, '_>,
    kind: Option<Kind>,
    summary: Option<&OwnSummary>,
    histogram: Option<&OwnHistogram>,
    quantiles: Option<&Vec<f64>>,
    buckets: Option<&Vec<f64>>,
) {
    let mut wrong = |key: &str, reason: &str| {
        let (at, path) = (fields.at(), fields.path(key));
        fields.mistakes().add(at, path, reason);
    };
    if kind == Some(Kind::Histogram) && summary.is_some() {
        wrong("summary_options", "cannot stand beside `observer_type: histogram`");
    }
    if kind == Some(Kind::Summary) && histogram.is_some() {
        wrong("histogram_options", "cannot stand beside `observer_type: summary`");
    }
    if summary.is_some_and(|summary| summary.quantiles.is_some()) && quantiles.is_some() {
        wrong("quantiles", "stands in summary_options already");
    }
    if histogram.is_some_and(|histogram| histogram.bounds.is_some()) && buckets.is_some() {
        wrong("buckets", "stands in histogram_options already");
    }
}

fn unless(fields: &mut Fields<'_, '_>) -> Vec<regex::Regex> {
    let mut read = Vec::new();
    for (path, item) in fields.list("unless") {
        match item.text().map(|glob| pattern::compile(&glob::to_regex(glob))) {
            Some(Ok(regex)) => read.push(regex),
            Some(Err(error)) => fields.mistakes().add(item.at, path, error),
            None => fields.mistakes().add(item.at, path, "must be a glob"),
        }
    }
    read
}

fn compat(text: &str) -> Result<Compat, &'static str> {
    match text {
        "exact" => Ok(Compat::Exact),
        "fixed" => Ok(Compat::Fixed),
        _ => Err("it is exact (as statsd_exporter) or fixed (our own dialect)"),
    }
}

fn observer(text: &str) -> Result<Option<Kind>, &'static str> {
    match text {
        // Written and empty, it is a summary whatever the defaults are.
        "summary" | "" => Ok(Some(Kind::Summary)),
        "histogram" => Ok(Some(Kind::Histogram)),
        _ => Err("it is summary or histogram"),
    }
}

fn matching(text: &str) -> Result<Option<Matching>, &'static str> {
    match text {
        "glob" | "" => Ok(Some(Matching::Glob)),
        "regex" => Ok(Some(Matching::Regex)),
        _ => Err("it is glob or regex"),
    }
}

fn action(text: &str) -> Result<Action, &'static str> {
    match text {
        "map" | "" => Ok(Action::Map),
        "drop" => Ok(Action::Drop),
        _ => Err("it is map or drop"),
    }
}

fn class(text: &str) -> Result<Option<Class>, &'static str> {
    match text {
        "counter" => Ok(Some(Class::Counter)),
        "gauge" => Ok(Some(Class::Gauge)),
        "observer" | "timer" => Ok(Some(Class::Observer)),
        _ => Err("it is counter, gauge or observer"),
    }
}

/// A name's template: letters, digits, underscores and references by number.
fn name_template(text: &str) -> Result<String, String> {
    let mut rest = text;
    let mut first = true;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = if c == '$' {
            let braced = after.strip_prefix('{').unwrap_or(after);
            let digits = braced.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return Err("a reference in a name is a number, such as ${1}".to_owned());
            }
            let after = &braced[digits..];
            after.strip_prefix('}').unwrap_or(after)
        } else if c.is_ascii_alphabetic() || c == '_' || (!first && c.is_ascii_digit()) {
            after
        } else {
            return Err(format!(
                "a metric's name has letters, digits, underscores and references only, and no digit first; {c:?} is none"
            ));
        };
        first = false;
    }
    if text.is_empty() { Err("a name is required, also for what is dropped".to_owned()) } else { Ok(text.to_owned()) }
}

fn not_strict(glob: &str) -> String {
    let has_inner_star = glob.split('.').any(|segment| segment.len() > 1 && segment.contains('*'));
    let help = if has_inner_star {
        "; stars within a segment need `compat: fixed` at the top of the file, or `match_type: regex`"
    } else {
        ""
    };
    format!(
        "a glob has segments of letters, digits, `_` and `-` with dots between, and whole segments that are `*`{help}"
    )
}
