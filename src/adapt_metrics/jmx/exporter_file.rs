//! jmx_exporter's configuration file, read as it is.
//!
//! In: the document. Out: whom to ask, which beans, and the rules. Every mistake that would have stopped jmx_exporter
//! (and some that it would have met at the first scrape) is told with its line. What it ignores in silence, and what
//! has no meaning here (its HTTP server, its push), is a note.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::address::Address;
use super::bean::Pattern;
use super::beans::{Selection, Text};
use super::connection::{Target, TlsUse};
use super::customize::{Customizer, Extra};
use super::login::{Login, PasswordSource};
use super::rules::{Naming, Rule, RuleText, Rules, java_double};
use super::sample::Kind;
use super::tls::{Identity, TlsSettings};
use super::value::JmxValue;
use crate::core::document::{Fields, Mistakes, Node, Value, unknown_key};
use crate::core::secret::Secret;

/// What a file says.
pub struct ExporterFile {
    /// Whom to ask; nobody in a file that was written for the agent.
    pub target: Option<Target>,
    /// Which beans and attributes.
    pub selection: Selection,
    /// What to make of their values.
    pub rules: Arc<Rules>,
    /// How long after the start nothing is read.
    pub start_delay: Duration,
    /// For one scrape; without a limit, if none is given.
    pub scrape_timeout: Option<Duration>,
}

const KEYS: [&str; 22] = [
    "startDelaySeconds",
    "scrapeTimeoutSeconds",
    "hostPort",
    "jmxUrl",
    "username",
    "password",
    "ssl",
    "lowercaseOutputName",
    "lowercaseOutputLabelNames",
    "inferCounterTypeFromName",
    "includeObjectNames",
    "excludeObjectNames",
    "whitelistObjectNames",
    "blacklistObjectNames",
    "includeObjectNameAttributes",
    "excludeObjectNameAttributes",
    "autoExcludeObjectNameAttributes",
    "excludeJvmMetrics",
    "metricCustomizers",
    "rules",
    "httpServer",
    "openTelemetry",
];
/// Of these only the name is known here.
const ELSEWHERE: [(&str, &str); 2] = [
    ("httpServer", "has no effect: the listener is set by --http-bind"),
    ("openTelemetry", "has no effect: this process is scraped"),
];
const RULE_KEYS: [&str; 9] =
    ["pattern", "name", "value", "valueFactor", "help", "labels", "type", "cache", "attrNameSnakeCase"];

/// The beans that every JVM has.
const JVM_BEANS: [&str; 11] = [
    "com.sun.management:*",
    "com.sun.management.jmxremote:*",
    "java.lang:*",
    "java.nio:*",
    "java.util.logging:*",
    "javax.management:*",
    "javax.management.remote:*",
    "jdk.internal:*",
    "jdk.management:*",
    "jdk.management.jfr:*",
    "sun.management:*",
];

impl ExporterFile {
    /// Reads the whole document, whatever is wrong with it. `environment` knows the variables that the login may name.
    pub fn read(
        document: &Node,
        environment: &dyn Fn(&str) -> Option<String>,
        mistakes: &mut Mistakes,
        notes: &mut Mistakes,
    ) -> ExporterFile {
        note_unknown(document, "", &KEYS, notes);
        for (key, note) in ELSEWHERE {
            if let Some(node) = document.field(key) {
                notes.add(node.at, key, note);
            }
        }
        let rules = document.field("rules").filter(|rules| !rules.is_null());
        let rules = match rules.map(|rules| rules.items("rules", mistakes).unwrap_or_default()) {
            // Without rules, one that matches all.
            None => Rule::compile(&RuleText::default()).into_iter().collect(),
            Some(rules) => rules
                .iter()
                .enumerate()
                .filter_map(|(at, node)| rule(node, &format!("rules[{at}]"), mistakes, notes))
                .collect(),
        };
        let mut file = ExporterFile {
            target: None,
            selection: Selection::default(),
            rules: Arc::default(),
            start_delay: Duration::ZERO,
            scrape_timeout: None,
        };
        let mut naming = Naming::default();
        if let Some(mut fields) = document.fields("", mistakes) {
            file.start_delay = fields.read("startDelaySeconds", seconds).unwrap_or_default();
            file.scrape_timeout = fields.read("scrapeTimeoutSeconds", seconds).filter(|timeout| !timeout.is_zero());
            naming = Naming {
                lowercase_names: fields.read("lowercaseOutputName", boolean).unwrap_or_default(),
                lowercase_labels: fields.read("lowercaseOutputLabelNames", boolean).unwrap_or_default(),
                infer_counters: fields.read("inferCounterTypeFromName", boolean).unwrap_or_default(),
            };
            file.selection = selection(&mut fields, notes);
            file.target = target(&mut fields, environment);
        }
        file.rules = Arc::new(Rules::new(rules, naming));
        file
    }
}

fn rule(node: &Node, path: &str, mistakes: &mut Mistakes, notes: &mut Mistakes) -> Option<Rule> {
    note_unknown(node, path, &RULE_KEYS, notes);
    // Written, but empty: jmx_exporter takes the word "null", which is no number, so that no match gives a sample.
    let empty_value = node.field("value").filter(|value| value.is_null());
    if let Some(value) = empty_value {
        notes.add(value.at, format!("{path}.value"), "is empty: what the rule matches is not exported");
    }
    let factor = node.field("valueFactor").and_then(Node::text);
    if let (Some(text), Some(node)) = (factor, node.field("valueFactor"))
        && java_double(text).is_none()
    {
        notes.add(node.at, format!("{path}.valueFactor"), format!("{text:?} is no number; values are not scaled"));
    }
    let mut fields = node.fields(path, mistakes)?;
    fields.take("valueFactor");
    let text = RuleText {
        pattern: fields.text("pattern"),
        name: node.field("name").and_then(Node::text).map(str::to_owned).filter(|_| fields.take("name").is_some()),
        value: empty_value.map(|_| "null".to_owned()).or_else(|| fields.text("value")),
        factor: factor.and_then(java_double),
        help: fields.text("help"),
        labels: fields.text_map("labels"),
        kind: fields.text("type").map(|kind| match kind.as_str() {
            "COUNTER" => Kind::Counter,
            "GAUGE" => Kind::Gauge,
            _ => Kind::Unknown,
        }),
        cached: fields.read("cache", boolean).unwrap_or_default(),
        snake_case: fields.read("attrNameSnakeCase", boolean).unwrap_or_default(),
    };
    let has_labels = fields.take("labels").is_some();
    let kind = fields.text("type").filter(|kind| !matches!(kind.as_str(), "COUNTER" | "GAUGE" | "UNTYPED" | "UNKNOWN"));
    if let (Some(kind), Some(at)) = (kind, node.field("type").map(|kind| kind.at)) {
        let reason = format!("{kind:?} is none of GAUGE, COUNTER and UNTYPED; the samples are exported as untyped");
        notes.add(at, format!("{path}.type"), reason);
    }
    let problem = match &text {
        RuleText { name: None, .. } if has_labels || text.help.is_some() => "has labels or help, but no name",
        RuleText { pattern: None, name: Some(_), .. } => "has a name, but no pattern",
        RuleText { pattern: None, value: Some(value), .. } if !value.is_empty() => "has a value, but no pattern",
        _ => "",
    };
    if !problem.is_empty() {
        mistakes.add(node.at, path, problem);
        return None;
    }
    match Rule::compile(&text) {
        Ok(rule) => Some(rule),
        Err((key, reason)) => {
            let at = node.field(key).map_or(node.at, |node| node.at);
            mistakes.add(at, format!("{path}.{key}"), reason.to_string());
            None
        }
    }
}

fn selection(fields: &mut Fields<'_, '_>, notes: &mut Mistakes) -> Selection {
    // Even an empty new list wins over the old name.
    let mut patterns = |new, old| {
        let key = if fields.take(new).is_some() { new } else { old };
        let mut patterns = Vec::new();
        for (path, node) in fields.list(key) {
            match node.text().unwrap_or_default().parse::<Pattern>() {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => fields.mistakes().add(node.at, path, error.to_string()),
            }
        }
        patterns
    };
    let include = patterns("includeObjectNames", "whitelistObjectNames");
    let mut exclude = patterns("excludeObjectNames", "blacklistObjectNames");
    // Beans that are included by name are wanted, the JVM's or not.
    if fields.read("excludeJvmMetrics", boolean).unwrap_or_default() && include.is_empty() {
        exclude.extend(JVM_BEANS.iter().filter_map(|pattern| pattern.parse().ok()));
    }
    Selection {
        include,
        exclude,
        include_attributes: attributes(fields, "includeObjectNameAttributes", notes),
        exclude_attributes: attributes(fields, "excludeObjectNameAttributes", notes),
        customizers: customizers(fields),
        text: Text::Ignored,
    }
}

/// Attributes by the one bean that they are of: here jmx_exporter knows no patterns.
fn attributes(fields: &mut Fields<'_, '_>, key: &'static str, notes: &mut Mistakes) -> Vec<(Pattern, Vec<String>)> {
    let Some(Node { value: Value::Mapping(entries), .. }) = fields.take(key) else { return Vec::new() };
    let path = fields.path(key);
    let mistakes = fields.mistakes();
    let mut list = Vec::new();
    for (name, attributes) in entries {
        let path = format!("{path}.{}", name.text);
        let attributes = attributes.items(&path, mistakes).unwrap_or_default();
        let attributes = attributes.iter().filter_map(Node::text).map(str::to_owned).collect();
        match name.text.parse::<Pattern>() {
            Ok(pattern) if pattern.is_open() => {
                notes.add(name.at, path, "is no bean: here stands the whole name of one, not a pattern");
                list.push((pattern, Vec::new()));
            }
            Ok(pattern) => list.push((pattern, attributes)),
            Err(error) => mistakes.add(name.at, path, format!("{error}")),
        }
    }
    list
}

fn customizers(fields: &mut Fields<'_, '_>) -> Vec<Customizer> {
    let mut list = Vec::new();
    for (path, node) in fields.list("metricCustomizers") {
        let mistakes = fields.mistakes();
        let (mut domain, mut properties) = (None, Vec::new());
        match node.field("mbeanFilter") {
            None => mistakes.add(node.at, &path, "has no mbeanFilter"),
            Some(filter) => {
                if let Some(mut filter) = filter.fields(&format!("{path}.mbeanFilter"), mistakes) {
                    domain = filter.require_text("domain");
                    properties = filter.text_map("properties");
                }
            }
        }
        let Some(mut customizer) = node.fields(&path, mistakes) else { continue };
        let labels = customizer.list("attributesAsLabels");
        let extra = customizer.list("extraMetrics");
        let mistakes = customizer.mistakes();
        if labels.is_empty() && extra.is_empty() {
            mistakes.add(node.at, &path, "has neither attributesAsLabels nor extraMetrics");
        }
        let extra = extra.iter().filter_map(|(path, node)| {
            let mut fields = node.fields(path, mistakes)?;
            let name = fields.require_text("name");
            let value = fields.require("value", |text| Ok::<_, Infallible>(constant(text)));
            let description = fields.text("description").unwrap_or_default();
            Some(Extra { name: name?, value: value?, description })
        });
        list.push(Customizer {
            domain: domain.unwrap_or_default(),
            properties,
            attributes_as_labels: labels.iter().filter_map(|(_, label)| label.text()).map(str::to_owned).collect(),
            extra: extra.collect(),
        });
    }
    list
}

/// A scalar as YAML would type it.
fn constant(text: &str) -> JmxValue {
    match (boolean(text), text.parse(), text.parse()) {
        (Ok(value), ..) => JmxValue::Bool(value),
        (_, Ok(value), _) => JmxValue::Long(value),
        (.., Ok(value)) => JmxValue::Double(value),
        _ => JmxValue::Text(text.to_owned()),
    }
}

fn target(fields: &mut Fields<'_, '_>, environment: &dyn Fn(&str) -> Option<String>) -> Option<Target> {
    let host_port = fields.read("hostPort", |text| text.parse::<Address>());
    let url = fields.read("jmxUrl", |text| text.parse::<Address>());
    if let (Some(_), Some(node)) = (&host_port, fields.take("jmxUrl")) {
        fields.mistakes().add(node.at, "jmxUrl", "cannot stand beside hostPort: one of them says where the JVM is");
    }
    let resolve = |text: &str| variable(text, environment);
    let user = fields.read("username", resolve);
    let password = fields.read("password", resolve);
    let login = user.zip(password).filter(|(user, password)| !user.is_empty() && !password.is_empty());
    let tls = tls(fields);
    Some(Target {
        address: host_port.or(url)?,
        login: login.map(|(user, password)| Login { user, password: PasswordSource::Literal(Secret::new(password)) }),
        tls: TlsUse::AsAsked(tls),
        rmi_port: None,
    })
}

/// `ssl: true`, or a mapping with stores. Whether to speak TLS the server says itself.
fn tls(fields: &mut Fields<'_, '_>) -> TlsSettings {
    let Some(node) = fields.take("ssl") else { return TlsSettings::default() };
    if let Some(text) = node.text() {
        if boolean(text).is_err() {
            fields.mistakes().add(node.at, "ssl", "must be true, false or a mapping");
        }
        return TlsSettings::default();
    }
    let store = |name| node.field(name).and_then(|store| store.field("filename")).and_then(Node::text);
    TlsSettings {
        trust: store("trustStore").map(Into::into),
        identity: store("keyStore").map(|file| Identity { certificate: file.into(), key: file.into() }),
        server_name: None,
    }
}

/// A value that is a variable as a whole, `${NAME}`, stands for what the variable holds.
fn variable(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
        return Ok(text.to_owned());
    };
    environment(name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("the variable {name} is not set, or empty"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "it must be a whole number of seconds".to_owned())
}

/// As YAML 1.1 spells them.
fn boolean(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        _ => Err("it must be true or false"),
    }
}

fn note_unknown(node: &Node, path: &str, known: &[&'static str], notes: &mut Mistakes) {
    let Value::Mapping(entries) = &node.value else { return };
    for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
        let path = if path.is_empty() { key.text.clone() } else { format!("{path}.{}", key.text) };
        notes.add(key.at, path, unknown_key(&key.text, known.iter().copied()));
    }
}
