//! Rules in jmx_exporter's dialect: ordered, the first that matches takes the value.
//!
//! In: readings. Out: what to make of each, and whether that will hold for the next value too. A rule's pattern is
//! matched against the whole of `domain<key=value, …><outer, inner>attribute: value`, open on both sides; where several
//! places match, the last one counts.

use std::sync::Arc;

use super::candidates::{Candidates, Scratch, Verdict};
use super::java_regex::{self, Engine, NotJava};
use super::java_template::Template;
use super::naming;
use super::sample::{Kind, Series};
use super::walk::Reading;

/// What `cache: true` puts in the place of the value.
const NO_VALUE: &str = "<cache>";
/// Values that show whether a group reaches into the value.
const PROBES: [&str; 4] = ["0", "-7.25E-10", "true", "NaN"];

/// The rules of one file.
pub struct Rules {
    rules: Vec<Rule>,
    /// All patterns as they see an attribute's name, and as those with `attrNameSnakeCase` see it.
    plain: Option<Candidates>,
    snake: Option<Candidates>,
    naming: Naming,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rules", self.rules.len())
    }
}

/// How names are written, whichever rule made them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Naming {
    pub(crate) lowercase_names: bool,
    pub(crate) lowercase_labels: bool,
    /// A name that ends in `_total` is a counter's.
    pub(crate) infer_counters: bool,
}

/// A rule as it stands in a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleText {
    pub(crate) pattern: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) factor: Option<f64>,
    pub(crate) help: Option<String>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) kind: Option<Kind>,
    pub(crate) cached: bool,
    pub(crate) snake_case: bool,
}

pub(crate) struct Rule {
    pattern: Option<Pattern>,
    name: Option<Template>,
    value: Option<Template>,
    factor: f64,
    help: Option<Template>,
    labels: Vec<(Template, Template)>,
    kind: Kind,
    cached: bool,
    snake_case: bool,
}

struct Pattern {
    regex: Regex,
    looser: String,
}

enum Regex {
    Linear(regex::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

/// What becomes of one reading.
#[derive(Debug, Clone)]
pub(crate) enum Made {
    Nothing,
    Sample(Arc<Planned>),
}

/// A sample to be: everything but its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Planned {
    pub(crate) series: Arc<Series>,
    /// The bean and the path, to tell apart what a rule threw together.
    pub(crate) origin: String,
    pub(crate) factor: f64,
    /// The rule's own value, in the place of the reading's.
    pub(crate) constant: Option<f64>,
}

/// What becomes of a reading, and of the next ones from its place.
#[derive(Debug, Clone)]
pub(crate) enum Decision {
    /// The same whatever the value.
    Always(Made),
    /// It depends on the value. Rules in front of `first` never match.
    Now { first: usize, made: Made },
}

impl Rule {
    /// # Errors
    /// The key that is wrong, and what is wrong with it.
    pub(crate) fn compile(text: &RuleText) -> Result<Rule, (&'static str, NotJava)> {
        let pattern = text.pattern.as_deref().map(Pattern::compile).transpose().map_err(|error| ("pattern", error))?;
        let groups = pattern.as_ref().map_or_else(|| vec![None], Pattern::groups);
        let groups: Vec<Option<&str>> = groups.iter().map(Option::as_deref).collect();
        let template = |key, text: &String| Template::parse(text, &groups).map_err(|error| (key, error));
        let optional = |key, text: &Option<String>| text.as_ref().map(|text| template(key, text)).transpose();
        let mut labels = text.labels.clone();
        labels.sort();
        Ok(Rule {
            name: optional("name", &text.name)?,
            value: optional("value", &text.value.clone().filter(|value| !value.is_empty()))?,
            factor: text.factor.unwrap_or(1.0),
            help: optional("help", &text.help)?,
            labels: labels
                .iter()
                .map(|(name, value)| Ok((template("labels", name)?, template("labels", value)?)))
                .collect::<Result<_, _>>()?,
            kind: text.kind.unwrap_or(Kind::Unknown),
            cached: text.cached,
            snake_case: text.snake_case,
            pattern,
        })
    }

    /// The groups that any of its templates refers to.
    fn groups(&self) -> impl Iterator<Item = usize> {
        let labels = self.labels.iter().flat_map(|(name, value)| [name, value]);
        [&self.name, &self.value, &self.help].into_iter().flatten().chain(labels).flat_map(Template::groups)
    }
}

impl Pattern {
    fn compile(java: &str) -> Result<Pattern, NotJava> {
        let translated = java_regex::translate(java)?;
        let whole = format!("^.*(?:{}).*$", translated.pattern);
        let regex = match translated.engine {
            Engine::Linear => regex::RegexBuilder::new(&whole).crlf(true).build().map(Regex::Linear).map_err(reason)?,
            Engine::Backtracking => {
                fancy_regex::Regex::new(&whole).map(|regex| Regex::Backtracking(Box::new(regex))).map_err(reason)?
            }
        };
        Ok(Pattern { regex, looser: translated.looser })
    }

    /// The names of the groups, the whole match first.
    fn groups(&self) -> Vec<Option<String>> {
        match &self.regex {
            Regex::Linear(regex) => regex.capture_names().map(|name| name.map(str::to_owned)).collect(),
            Regex::Backtracking(regex) => regex.capture_names().map(|name| name.map(str::to_owned)).collect(),
        }
    }

    /// The places of the groups in a text that matches.
    fn captures(&self, text: &str) -> Option<Vec<Option<(usize, usize)>>> {
        match &self.regex {
            Regex::Linear(regex) => {
                let captures = regex.captures(text)?;
                Some(captures.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect())
            }
            // A pattern that backtracks beyond the limit is one that does not match.
            Regex::Backtracking(regex) => {
                let captures = regex.captures(text).ok().flatten()?;
                Some(captures.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect())
            }
        }
    }
}

/// The engine's own words end in the reason; what stands in front is the pattern, which the user knows.
fn reason(error: impl std::fmt::Display) -> NotJava {
    NotJava(error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned())
}

impl Default for Rules {
    /// One rule that matches everything and names it after its bean.
    fn default() -> Self {
        Rules::new(Rule::compile(&RuleText::default()).into_iter().collect(), Naming::default())
    }
}

impl Rules {
    pub(crate) fn new(rules: Vec<Rule>, naming: Naming) -> Rules {
        let candidates = |snake_case: bool| {
            let wanted = rules.iter().any(|rule| rule.pattern.is_some() && rule.snake_case == snake_case);
            // One pattern for each rule, so that their numbers agree.
            let patterns: Vec<String> = rules
                .iter()
                .map(|rule| rule.pattern.as_ref().map_or_else(String::new, |pattern| pattern.looser.clone()))
                .collect();
            wanted.then(|| Candidates::new(&patterns)).flatten()
        };
        Rules { plain: candidates(false), snake: candidates(true), rules, naming }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.rules.len()
    }

    /// Whether a rule makes numbers of text.
    pub(crate) fn want_text(&self) -> bool {
        self.rules.iter().any(|rule| rule.value.is_some())
    }

    /// What becomes of a reading, and whether that holds for other values.
    pub(crate) fn decide(&self, reading: &Reading<'_>, scratch: &mut RulesScratch) -> Decision {
        let Some(value) = reading.value.text() else { return Decision::Always(Made::Nothing) };
        let is_number = reading.value.number().is_some();
        if !is_number {
            return match self.want_text() {
                true => Decision::Now { first: 0, made: self.make_now(reading, 0) },
                false => Decision::Always(Made::Nothing),
            };
        }
        let plain = Seen::new(reading, reading.attribute, &value, self.plain.as_ref(), &mut scratch.plain);
        let snake = self.rules.iter().any(|rule| rule.snake_case).then(|| {
            let attribute = naming::snake_case(reading.attribute);
            Seen::new(reading, &attribute, &value, self.snake.as_ref(), &mut scratch.snake)
        });
        // The first rule that is not ruled out, once there is one whose match hangs on the value.
        let mut first = None;
        for (number, rule) in self.rules.iter().enumerate() {
            let seen = if rule.snake_case { snake.as_ref().unwrap_or(&plain) } else { &plain };
            match seen.status(number, rule) {
                Status::Never => {}
                Status::Depends if !seen.matches_now(rule) => {
                    first.get_or_insert(number);
                }
                status => {
                    let (made, steady) = self.make(reading, rule, seen);
                    return match first {
                        None if status == Status::Always && steady => Decision::Always(made),
                        first => Decision::Now { first: first.unwrap_or(number), made },
                    };
                }
            }
        }
        match first {
            None => Decision::Always(Made::Nothing),
            Some(first) => Decision::Now { first, made: Made::Nothing },
        }
    }

    /// What becomes of a reading with the value that it has; rules in front of `first` are known not to match.
    pub(crate) fn make_now(&self, reading: &Reading<'_>, first: usize) -> Made {
        let Some(value) = reading.value.text() else { return Made::Nothing };
        let plain = Seen::new(reading, reading.attribute, &value, None, &mut None);
        let snake = Seen::new(reading, &naming::snake_case(reading.attribute), &value, None, &mut None);
        let matching = self.rules.iter().skip(first).find_map(|rule| {
            let seen = if rule.snake_case { &snake } else { &plain };
            seen.matches_now(rule).then_some((rule, seen))
        });
        matching.map_or(Made::Nothing, |(rule, seen)| self.make(reading, rule, seen).0)
    }

    /// A matching rule's sample, and whether its names would be the same for another value.
    fn make(&self, reading: &Reading<'_>, rule: &Rule, seen: &Seen<'_>) -> (Made, bool) {
        let text = seen.text(rule);
        let Some(groups) = rule.pattern.as_ref().map_or_else(|| Some(Vec::new()), |pattern| pattern.captures(&text))
        else {
            return (Made::Nothing, false);
        };
        let steady = seen.is_steady(rule, &groups);
        let expand = |template: &Template| {
            template.expand(|number| groups.get(number).copied().flatten().map(|(start, end)| &text[start..end]))
        };
        let constant = match rule.value.as_ref().map(|value| java_double(&expand(value))) {
            Some(None) => return (Made::Nothing, steady),
            constant => constant.flatten(),
        };
        let name = match &rule.name {
            Some(name) => naming::safe_name(&expand(name)),
            None => naming::default_name(reading, &seen.attribute),
        };
        if name.is_empty() {
            return (Made::Nothing, steady);
        }
        let name = if self.naming.lowercase_names { name.to_lowercase() } else { name };
        let kind = if self.naming.infer_counters && name.ends_with("_total") { Kind::Counter } else { rule.kind };
        let mut labels = Labels { list: Vec::new(), naming: self.naming };
        reading.labels.iter().for_each(|(name, value)| labels.add(name, value.clone()));
        match rule.name {
            None => naming::default_labels(reading).for_each(|(name, value)| labels.add(name, value.to_owned())),
            Some(_) => rule.labels.iter().for_each(|(name, value)| labels.add(&expand(name), expand(value))),
        }
        let help = rule.help.as_ref().map_or_else(|| naming::default_help(reading), expand);
        let series = Series { name: naming::exposed_name(&name, kind), kind, help, labels: labels.list };
        let origin = seen.path.trim_end_matches(": ").to_owned();
        let planned = Planned { series: Arc::new(series), origin, factor: rule.factor, constant };
        (Made::Sample(Arc::new(planned)), steady)
    }
}

/// Working memory for [`Rules::decide`]. Large; drop it when nothing is left to decide.
#[derive(Default)]
pub(crate) struct RulesScratch {
    plain: Option<Scratch>,
    snake: Option<Scratch>,
}

struct Labels {
    list: Vec<(String, String)>,
    naming: Naming,
}

impl Labels {
    fn add(&mut self, name: &str, value: String) {
        let name = naming::safe_label(name);
        let name = if self.naming.lowercase_labels { name.to_lowercase() } else { name };
        // A label without a value is none, and there is one of each name.
        if !name.is_empty() && !value.is_empty() && self.list.iter().all(|(known, _)| *known != name) {
            self.list.push((name, value));
        }
    }
}

/// A reading as rules see it.
struct Seen<'a> {
    attribute: String,
    /// Up to the value.
    path: String,
    value: &'a str,
    verdict: Option<Verdict>,
    /// Which patterns match in the absence of the value.
    cached: Option<regex_automata::PatternSet>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Never,
    Depends,
    Always,
}

impl<'a> Seen<'a> {
    fn new(
        reading: &Reading<'_>,
        attribute: &str,
        value: &'a str,
        candidates: Option<&Candidates>,
        scratch: &mut Option<Scratch>,
    ) -> Seen<'a> {
        let path = naming::match_name(reading, attribute) + ": ";
        let (mut verdict, mut cached) = (None, None);
        if let Some(candidates) = candidates {
            let scratch = scratch.get_or_insert_with(|| candidates.scratch());
            verdict = candidates.verdict(scratch, &path, value);
            cached = candidates.matching(scratch, &format!("{path}{NO_VALUE}"));
        }
        Seen { attribute: attribute.to_owned(), path, value, verdict, cached }
    }

    fn text(&self, rule: &Rule) -> String {
        format!("{}{}", self.path, if rule.cached { NO_VALUE } else { self.value })
    }

    fn matches_now(&self, rule: &Rule) -> bool {
        rule.pattern.as_ref().is_none_or(|pattern| pattern.captures(&self.text(rule)).is_some())
    }

    fn status(&self, number: usize, rule: &Rule) -> Status {
        let Some(pattern) = &rule.pattern else { return Status::Always };
        let contains =
            |set: &regex_automata::PatternSet| set.contains(regex_automata::PatternID::new_unchecked(number));
        if rule.cached {
            let ruled_out = self.cached.as_ref().is_some_and(|cached| !contains(cached));
            return if !ruled_out && self.matches_now(rule) { Status::Always } else { Status::Never };
        }
        match (&self.verdict, &pattern.regex) {
            (Some(verdict), _) if !contains(&verdict.ever) && !contains(&verdict.now) => Status::Never,
            (Some(verdict), Regex::Linear(_)) if contains(&verdict.always) => Status::Always,
            _ => Status::Depends,
        }
    }

    /// Whether the groups that count would be the same with another value.
    fn is_steady(&self, rule: &Rule, groups: &[Option<(usize, usize)>]) -> bool {
        let Some(pattern) = &rule.pattern else { return true };
        let mut wanted = rule.groups().peekable();
        if rule.cached || wanted.peek().is_none() {
            return true;
        }
        let probes: Vec<_> = PROBES.iter().map(|probe| pattern.captures(&format!("{}{probe}", self.path))).collect();
        wanted.all(|number| {
            let group = groups.get(number).copied().flatten();
            group.is_none_or(|(_, end)| end <= self.path.len())
                && probes
                    .iter()
                    .all(|probe| probe.as_ref().is_some_and(|groups| groups.get(number).copied().flatten() == group))
        })
    }
}

/// `Double.valueOf`: surrounding space and a trailing `d` or `f` are allowed, hexadecimal is not worth it.
pub(crate) fn java_double(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    match digits.trim_start_matches(['+', '-']) {
        "NaN" | "Infinity" => digits.parse().ok(),
        // Rust also reads "inf" and "nan".
        plain if plain.starts_with(|first: char| first.is_ascii_digit() || first == '.') => digits.parse().ok(),
        _ => None,
    }
}
