//! Rules: what a StatsD name becomes. A name and a type in; a family, labels and an accumulator out.
//!
//! Rules come from mapping files of statsd_exporter, read as it reads them: all globs before all regexes, the earliest glob
//! that matches, the first regex that does. A file may say `compat: fixed` at its top and gets our own dialect instead: one
//! order for both kinds, stars within a segment (`prefix_*`), and names that a rule shall not take (`unless`). A name that
//! no rule matches is its own rule: escaped, with the defaults.

pub mod file;
pub mod glob;
mod options;
pub mod pattern;
mod remarks;
pub mod scalar;
pub mod template;

use std::borrow::Cow;
use std::sync::Arc;

use regex::Regex;

use super::model::{HistogramOptions, Shape, SummaryOptions};
use super::naming::{self, Naming, Unit};
use super::statsd::line::Type;
pub use file::read;
use glob::Tree;
pub use template::{Captured, Template};

/// How observations (timers, histograms, distributions) are kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Observer {
    /// As quantiles over a window.
    Summary(Arc<SummaryOptions>),
    /// In buckets.
    Histogram(Arc<HistogramOptions>),
}

impl Default for Observer {
    fn default() -> Self {
        Self::Summary(Arc::default())
    }
}

impl Observer {
    fn shape(&self) -> Shape {
        match self {
            Self::Summary(options) => Shape::Summary(options.clone()),
            Self::Histogram(options) => Shape::Histogram(options.clone()),
        }
    }
}

/// The classes of samples that a rule may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// `c`.
    Counter,
    /// `g`, and `s`.
    Gauge,
    /// `ms`, `h` and `d`.
    Observer,
}

impl Class {
    /// How many there are.
    pub const COUNT: usize = 3;
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [Self::Counter, Self::Gauge, Self::Observer];
}

impl From<Type> for Class {
    fn from(kind: Type) -> Self {
        match kind {
            Type::Counter => Self::Counter,
            Type::Gauge | Type::Set => Self::Gauge,
            Type::Timer | Type::Histogram | Type::Distribution => Self::Observer,
        }
    }
}

/// One rule of a file.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What it matches, as it is written.
    pub matches: String,
    /// The line of the file where it begins.
    pub line: usize,
    /// The class that it is for, if not all.
    pub class: Option<Class>,
    /// `None` for a glob that the tree finds.
    regex: Option<Regex>,
    /// Names that it does not take, for all that it matches.
    unless: Vec<Regex>,
    action: Action,
    name: Template,
    labels: Vec<(String, Template)>,
    honor_labels: bool,
    help: Option<String>,
    observer: Observer,
    scale: Option<f64>,
    ttl: u32,
}

/// What a rule does with a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Map,
    Drop,
}

/// What becomes of a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict<'a> {
    /// It is dropped, by a rule.
    Drop,
    /// A template left nothing of the name.
    NoName,
    /// It goes to this family.
    Family(Target<'a>),
}

/// Where a name goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Target<'a> {
    /// The family's name.
    pub name: Cow<'a, str>,
    /// Its help.
    pub help: Cow<'a, str>,
    /// Its accumulator.
    pub shape: Shape,
    /// Labels that the rule adds.
    pub labels: Vec<(String, String)>,
    /// Whether a sample's own label stands against the rule's.
    pub honor_labels: bool,
    /// What each value is multiplied by.
    pub scale: Option<f64>,
    /// Ticks without a sample after which the series goes; 0 is never.
    pub ttl: u32,
    /// Whether a rule matched.
    pub is_mapped: bool,
}

/// All rules of the receivers.
#[derive(Debug, Clone)]
pub struct Rules {
    naming: Naming,
    observer: Observer,
    ttl: u32,
    list: Vec<Rule>,
    globs: Tree,
    /// Rules that are tried one after another once no glob of the tree matches.
    in_order: Vec<usize>,
    /// What a file leans on that another tool's quirks make of it, for `check`.
    pub quirks: Vec<Quirk>,
}

/// Something in a file that works otherwise than it reads, because statsd_exporter does it so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quirk {
    /// Where.
    pub line: usize,
    /// What.
    pub told: String,
}

impl Rules {
    /// No rule: names are formed by `naming`, and series go after `ttl` ticks without a sample (0 is never).
    pub fn none(naming: Naming, ttl: u32) -> Self {
        Self {
            naming,
            observer: Observer::default(),
            ttl,
            list: Vec::new(),
            globs: Tree::new(glob::Precedence::Earliest),
            in_order: Vec::new(),
            quirks: Vec::new(),
        }
    }

    /// The rules in the order of their file.
    pub fn list(&self) -> &[Rule] {
        &self.list
    }

    /// Rules that no name can reach, with the line of the one that takes all of theirs.
    pub fn unreached(&self) -> Vec<(usize, String)> {
        let mut told = Vec::new();
        if self.globs.precedence() == glob::Precedence::MostSpecific {
            return told;
        }
        for (at, rule) in self.list.iter().enumerate() {
            if let Some(before) = self.list[..at].iter().find(|before| before.covers(rule)) {
                told.push((
                    rule.line,
                    format!(
                        "{} is never reached: {} in line {} takes every such name",
                        rule.matches, before.matches, before.line
                    ),
                ));
            }
        }
        told
    }

    /// The rule that a name of this class falls under.
    pub fn find<'n>(&self, name: &'n str, class: Class) -> Option<(&Rule, Captured<'n>)> {
        if let Some((rule, stars)) = self.globs.find(name, class) {
            return Some((&self.list[rule], Captured::Stars(name, stars)));
        }
        self.in_order.iter().find_map(|rule| {
            let rule = &self.list[*rule];
            rule.try_regex(name, class).map(|captured| (rule, captured))
        })
    }

    /// What a name of this type becomes.
    pub fn judge<'a>(&'a self, name: &'a str, kind: Type) -> Verdict<'a> {
        match self.find(name, kind.into()) {
            Some((rule, captured)) => rule.judge(&captured, kind),
            None => self.default(name, kind),
        }
    }

    fn default<'a>(&'a self, name: &'a str, kind: Type) -> Verdict<'a> {
        let shape = shape(kind, &self.observer);
        let escaped = naming::escape(name);
        if escaped.is_empty() {
            return Verdict::NoName;
        }
        let unit = if kind == Type::Timer { Unit::Seconds } else { Unit::None };
        let family = match escaped {
            Cow::Borrowed(escaped) => self.naming.family(escaped, shape.kind(), unit),
            Cow::Owned(escaped) => Cow::Owned(self.naming.family(&escaped, shape.kind(), unit).into_owned()),
        };
        Verdict::Family(Target {
            name: family,
            help: Cow::Owned(format!("The StatsD {} {name}.", noun(kind))),
            shape,
            labels: Vec::new(),
            honor_labels: false,
            scale: None,
            ttl: self.ttl,
            is_mapped: false,
        })
    }
}

impl Rule {
    /// Whether it would take a name of this class if it stood alone.
    pub fn would_match(&self, name: &str, class: Class) -> bool {
        if self.regex.is_some() {
            return self.try_regex(name, class).is_some();
        }
        let (own, given) = (self.matches.split('.'), name.split('.'));
        self.class.is_none_or(|own| own == class)
            && own.clone().count() == given.clone().count()
            && own.zip(given).all(|(own, given)| own == "*" || own == given)
    }

    /// Whether it takes everything that another one would.
    fn covers(&self, other: &Self) -> bool {
        let is_wider = self.class.is_none() || self.class == other.class;
        let takes_all = match (&self.regex, &other.regex) {
            (None, None) => {
                let (own, theirs) = (self.matches.split('.'), other.matches.split('.'));
                own.clone().count() == theirs.clone().count()
                    && own.zip(theirs).all(|(own, theirs)| own == "*" || own == theirs)
            }
            (Some(_), Some(_)) => {
                self.matches == other.matches
                    || matches!(self.matches.as_str(), "" | ".*" | "^.*$" | ".*$" | "^.*" | "(.*)")
            }
            _ => false,
        };
        is_wider && takes_all && self.unless.is_empty()
    }

    /// Whether it drops what it matches.
    pub fn is_drop(&self) -> bool {
        self.action == Action::Drop
    }

    fn try_regex<'n>(&self, name: &'n str, class: Class) -> Option<Captured<'n>> {
        if self.class.is_some_and(|own| own != class) || self.unless.iter().any(|unless| unless.is_match(name)) {
            return None;
        }
        self.regex.as_ref()?.captures(name).map(Captured::Groups)
    }

    fn judge<'a>(&'a self, captured: &Captured<'_>, kind: Type) -> Verdict<'a> {
        if self.action == Action::Drop {
            return Verdict::Drop;
        }
        let name = self.name.expand(captured);
        if name.is_empty() {
            return Verdict::NoName;
        }
        let help = match &self.help {
            Some(help) => Cow::Borrowed(help.as_str()),
            None => Cow::Owned(format!("StatsD samples whose names match {}.", self.matches)),
        };
        Verdict::Family(Target {
            name: Cow::Owned(naming::escape(&name).into_owned()),
            help,
            shape: shape(kind, &self.observer),
            labels: self.labels.iter().map(|(label, value)| (label.clone(), value.expand(captured))).collect(),
            honor_labels: self.honor_labels,
            scale: self.scale,
            ttl: self.ttl,
            is_mapped: true,
        })
    }
}

fn shape(kind: Type, observer: &Observer) -> Shape {
    match kind {
        Type::Counter => Shape::Counter,
        Type::Gauge => Shape::Gauge,
        Type::Set => Shape::Set,
        Type::Timer | Type::Histogram | Type::Distribution => observer.shape(),
    }
}

fn noun(kind: Type) -> &'static str {
    match kind {
        Type::Counter => "counter",
        Type::Gauge => "gauge",
        Type::Timer => "timer",
        Type::Histogram => "histogram",
        Type::Distribution => "distribution",
        Type::Set => "set, as the number of its members",
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
