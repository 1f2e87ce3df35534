//! The `sources:` key of the settings file: a list of what is polled, how often, and what is taken from it.

use std::time::Duration;

use super::Poll;
use super::jvm::Jvm;
use crate::adapt_metrics::json::Endpoint;
use crate::adapt_metrics::naming::{self, Naming};
use crate::core::document::{Fields, Mistakes, Node};
use crate::core::values::duration;

/// The structured key of the mode's section.
pub const KEY: &str = "sources";
/// How often a source is polled that does not say.
const INTERVAL: Duration = Duration::from_secs(15);
/// How long a poll may take that does not say.
const TIMEOUT: Duration = Duration::from_secs(10);
/// For how many failed polls the last good series stay.
const KEEP: u32 = 3;
/// The most sources of one process.
const MAX_SOURCES: usize = 100;

/// When a source is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Again and again.
    Every(Duration),
    /// When a scraper asks for the page.
    OnScrape,
}

/// A source as it is written.
#[derive(Debug, Clone)]
pub struct Definition {
    /// What it is called in metrics, logs and on the status page.
    pub name: String,
    /// When it is polled.
    pub schedule: Schedule,
    /// How long a poll may take.
    pub timeout: Duration,
    /// For how many failed polls its last good series stay.
    pub keep: u32,
    /// Labels of all its series; a label that a sample has itself stands.
    pub labels: Vec<(String, String)>,
    /// What is put before every name.
    pub prefix: String,
    /// How names are formed.
    pub naming: Naming,
    /// What is polled.
    pub from: From,
}

/// The kinds of sources.
#[derive(Debug, Clone)]
pub enum From {
    /// A JSON document over HTTP.
    Json(Box<Endpoint>),
    /// A JVM's beans, over JMX.
    Jvm(Box<Jvm>),
}

impl Definition {
    /// Begins to poll it.
    pub fn start(&self) -> Box<dyn Poll> {
        match &self.from {
            From::Json(endpoint) => endpoint.as_ref().clone().poll(),
            From::Jvm(jvm) => jvm.poll(self.timeout),
        }
    }
}

/// The kinds by their names.
#[derive(Debug, Clone, Copy)]
enum Type {
    Jmx,
    Json,
}

/// Reads the list; what is wrong goes to the mistakes.
pub fn read(node: &Node, path: &str, mistakes: &mut Mistakes) -> Vec<Definition> {
    let Some(items) = node.items(path, mistakes) else { return Vec::new() };
    if items.len() > MAX_SOURCES {
        mistakes.add(
            node.at,
            path,
            format!("has {} sources, more than the {MAX_SOURCES} that one process polls", items.len()),
        );
    }
    let mut read: Vec<Definition> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let Some(definition) = item.fields(&path, mistakes).and_then(one) else { continue };
        if read.iter().any(|other| other.name == definition.name) {
            mistakes.add(
                item.at,
                format!("{path}.name"),
                format!("{:?} is the name of another source", definition.name),
            );
        }
        read.push(definition);
    }
    read
}

/// Finds everything that is wrong with the list.
pub fn check(node: &Node, path: &str, mistakes: &mut Mistakes) {
    read(node, path, mistakes);
}

fn one(mut fields: Fields<'_, '_>) -> Option<Definition> {
    let name = fields.require("name", source_name);
    let kind = fields.require("type", kind);
    let schedule = fields.read("interval", schedule).unwrap_or(Schedule::Every(INTERVAL));
    let timeout = fields.read("timeout", positive).unwrap_or(TIMEOUT);
    let keep = fields.read("keep", str::parse::<u32>).unwrap_or(KEEP);
    let labels = fields.text_map("labels");
    for (label, _) in &labels {
        if !naming::is_label_name(label) {
            let (at, path) = (fields.at(), fields.path("labels"));
            fields.mistakes().add(at, path, format!("{label:?} is no legal label name"));
        }
    }
    let prefix = fields.read("prefix", prefix).unwrap_or_default();
    let naming = fields.read("naming", |text| <Naming as clap::ValueEnum>::from_str(text, false));
    let kind = kind?;
    let naming = naming.unwrap_or(Naming::Uniform);
    // What the other keys mean depends on the type: without one they are not judged.
    let from = match kind {
        Type::Json => Endpoint::read(&mut fields).map(|endpoint| From::Json(Box::new(endpoint))),
        Type::Jmx => Jvm::read(&mut fields).map(|jvm| From::Jvm(Box::new(jvm))),
    };
    fields.finish();
    Some(Definition { name: name?, schedule, timeout, keep, labels, prefix, naming, from: from? })
}

fn kind(text: &str) -> Result<Type, &'static str> {
    match text {
        "jmx" => Ok(Type::Jmx),
        "json" => Ok(Type::Json),
        _ => Err("the kinds of sources are jmx and json"),
    }
}

fn source_name(text: &str) -> Result<String, &'static str> {
    let is_legal = !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_legal.then(|| text.to_owned()).ok_or("a source's name has 1 to 64 letters, digits, dots, dashes and underscores")
}

fn schedule(text: &str) -> Result<Schedule, String> {
    if text == "on-scrape" {
        return Ok(Schedule::OnScrape);
    }
    let every = positive(text).map_err(|error| format!("{error}, or on-scrape"))?;
    if every < Duration::from_millis(100) {
        Err("the shortest interval is 100ms".to_owned())
    } else {
        Ok(Schedule::Every(every))
    }
}

fn positive(text: &str) -> Result<Duration, String> {
    let read = duration(text).map_err(|error| error.to_string())?;
    if read.is_zero() { Err("it must be longer than nothing".to_owned()) } else { Ok(read) }
}

fn prefix(text: &str) -> Result<String, &'static str> {
    if naming::is_metric_name(text) {
        Ok(text.to_owned())
    } else {
        Err("a prefix begins a metric's name: letters, digits and `_`, such as shop_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::document;

    fn told(yaml: &str) -> String {
        let mut mistakes = Mistakes::new("f.yml");
        let node = document::parse(yaml, &mut mistakes);
        let read = read(&node, KEY, &mut mistakes);
        mistakes.into_result().map(|()| format!("{} sources", read.len())).unwrap_or_else(|fault| fault.to_string())
    }

    #[test]
    fn a_list_of_sources_is_read() {
        assert_eq!(
            told(
                "- {name: app, type: json, url: 'http://127.0.0.1:1/x', interval: on-scrape, labels: {app: shop}, prefix: shop_, metrics: [{name: a, path: .a}]}"
            ),
            "1 sources"
        );
        assert_eq!(told(""), "0 sources");
    }

    #[test]
    fn every_mistake_of_every_source_is_told_at_once() {
        insta::assert_snapshot!(told(
            "- {name: a b, type: json, url: 'ftp://x', interval: 5, metrics: []}\n- {name: c, type: jsonn}\n- {type: json, url: 'http://x', intervall: 5s, metrics: [{name: a, path: .a}]}\n- {name: d, type: json, url: 'http://h', username: u, metrics: [{name: a, path: .a}], labels: {__x: 1}, prefix: 9}\n"
        ));
    }
}
