//! Metrics out of a JSON document, as json_exporter's modules define them: a path and a name each, labels by path too.

use std::sync::Arc;

use serde_json::Value;

use super::path::{PathError, Template};
use crate::adapt_metrics::model::Part;
use crate::adapt_metrics::naming;
use crate::adapt_metrics::rules::scalar::boolean;
use crate::adapt_metrics::source::{Sample, Series};
use crate::adapt_metrics::statsd::number;
use crate::core::document::{Fields, Mistakes, Node};
use crate::core::metrics::Kind;

/// What is taken from a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    name: String,
    help: String,
    kind: Kind,
    path: Template,
    labels: Vec<(String, Template)>,
    /// For objects: a suffix of the name, and a path within the object or a constant.
    values: Option<Vec<(String, Template)>>,
    /// The path of its time, in milliseconds of Unix time.
    time: Option<Template>,
    /// Whether a path that leads nowhere is nothing to be counted.
    allow_missing_key: bool,
}

/// What a document gave.
#[derive(Debug, Default, PartialEq)]
pub struct Extracted {
    /// The samples.
    pub samples: Vec<Sample>,
    /// How many values were not there.
    pub missing: u64,
    /// How many values were no numbers.
    pub not_numbers: u64,
    /// The last of these, for the status page.
    pub example: Option<String>,
}

impl Metric {
    /// Reads a definition; what is wrong goes to the mistakes.
    pub fn read(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Self> {
        let mut fields = node.fields(path, mistakes)?;
        let read = Self::keys(&mut fields, Template::parse);
        fields.finish();
        read
    }

    /// Reads a definition of json_exporter's, whose paths have braces. Keys that it does not know are not judged here.
    pub fn read_theirs(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Self> {
        let mut fields = node.fields(path, mistakes)?;
        fields.read("engine", |engine| match engine {
            "jsonpath" | "" => Ok(()),
            "cel" => Err("CEL is not read; write the path as JSONPath"),
            _ => Err("it is jsonpath"),
        });
        let help = fields.text("help");
        let mut read = Self::keys(&mut fields, Template::parse_braces)?;
        if help.is_none_or(|help| help.is_empty()) {
            read.help.clone_from(&read.name);
        }
        Some(read)
    }

    fn keys(fields: &mut Fields<'_, '_>, parse: fn(&str) -> Result<Template, PathError>) -> Option<Self> {
        let name = fields.require("name", metric_name);
        let template = fields.require("path", parse);
        let help = fields.text("help");
        let form = fields.read("type", form);
        let kind = fields.read("valuetype", kind).or(form.and_then(|form| form.1));
        let labels = templates(fields, "labels", parse, naming::is_label_name);
        let values = templates(fields, "values", parse, |suffix| naming::is_metric_name(&format!("a_{suffix}")));
        // json_exporter documents the key in mixed case and reads it in lower case only.
        let time = fields.read("epochtimestamp", parse);
        let time = fields.read("epochTimestamp", parse).or(time);
        let allow_missing_key = fields.read("allow_missing_key", boolean).unwrap_or(false);
        let is_object = form.is_some_and(|form| form.0);
        if is_object && values.is_empty() {
            let at = fields.at();
            let path = fields.path("values");
            fields.mistakes().add(at, path, "is required for `type: object`, but missing");
        } else if !is_object && !values.is_empty() {
            let at = fields.at();
            let path = fields.path("values");
            fields.mistakes().add(at, path, "is only read for `type: object`");
        }
        let name = name?;
        let help = help.unwrap_or_else(|| format!("The value of {name} in a JSON document."));
        let kind = kind.unwrap_or(Kind::Unknown);
        Some(Self {
            name,
            help,
            kind,
            path: template?,
            labels,
            values: is_object.then_some(values),
            time,
            allow_missing_key,
        })
    }

    fn extract(&self, document: &Value, out: &mut Extracted) {
        let Some(values) = &self.values else {
            match self.path.text(document) {
                Ok(text) => self.sample(&self.name, &text, document, out),
                Err(absent) => out.missing(self, &absent),
            }
            return;
        };
        let objects = match self.path.values(document) {
            Ok(objects) => objects,
            Err(absent) => return out.missing(self, &absent),
        };
        // A path to one list means the objects in it.
        let objects: Vec<&Value> = objects
            .into_iter()
            .flat_map(|value| value.as_array().map_or_else(|| vec![value], |items| items.iter().collect()))
            .collect();
        for object in objects {
            for (suffix, template) in values {
                match template.text(object) {
                    Ok(text) => self.sample(&format!("{}_{suffix}", self.name), &text, object, out),
                    Err(absent) => out.missing(self, &absent),
                }
            }
        }
    }

    fn sample(&self, name: &str, text: &str, scope: &Value, out: &mut Extracted) {
        let value = match text.trim() {
            "true" | "True" | "TRUE" | "t" | "T" => 1.0,
            "false" | "False" | "FALSE" | "f" | "F" => 0.0,
            number => match number::parse(number.as_bytes()) {
                Some(value) => value,
                None => {
                    out.not_numbers += 1;
                    let shown: String = text.chars().take(100).collect();
                    out.example = Some(format!("{name}: {shown:?} is not a number"));
                    return;
                }
            },
        };
        let mut labels = Vec::with_capacity(self.labels.len());
        for (label, template) in &self.labels {
            match template.text(scope) {
                Ok(value) => labels.push((label.clone(), value)),
                // The number is there all the same.
                Err(absent) => {
                    out.missing(self, &absent);
                    labels.push((label.clone(), String::new()));
                }
            }
        }
        let series =
            Series { name: name.to_owned(), kind: self.kind, help: self.help.clone(), labels, part: Part::Whole };
        let time = self.time(scope, out);
        out.samples.push(Sample { series: Arc::new(series), value, time });
    }
}

impl Metric {
    /// The sample's own time. One that is not there, or no whole number, leaves the sample without.
    fn time(&self, scope: &Value, out: &mut Extracted) -> Option<i64> {
        let text = match self.time.as_ref()?.text(scope) {
            Ok(text) => text,
            Err(absent) => {
                out.missing(self, &absent);
                return None;
            }
        };
        // A path tells a large number with an exponent.
        let whole = number::parse(text.trim().as_bytes()).filter(|time| time.fract() == 0.0 && time.abs() < 9e15);
        let time = whole.map(|time| time as i64);
        if time.is_none() {
            out.not_numbers += 1;
            out.example = Some(format!("{}: the time {text:?} is no whole number", self.name));
        }
        time
    }
}

/// Takes all metrics from a document.
pub fn extract(metrics: &[Metric], document: &Value) -> Extracted {
    let mut out = Extracted::default();
    metrics.iter().for_each(|metric| metric.extract(document, &mut out));
    out
}

impl Extracted {
    fn missing(&mut self, metric: &Metric, absent: &super::path::Absent) {
        if !metric.allow_missing_key {
            self.missing += 1;
            self.example = Some(format!("{}: {absent}", metric.name));
        }
    }
}

fn metric_name(text: &str) -> Result<String, String> {
    if naming::is_metric_name(text) {
        return Ok(text.to_owned());
    }
    Err(format!("a metric's name has letters, digits, `_` and `:` only; write {}", naming::escape_with_colons(text)))
}

/// Whether the values are objects, and the type where the short form gives it (`type: gauge`).
fn form(text: &str) -> Result<(bool, Option<Kind>), String> {
    match text {
        "value" => Ok((false, None)),
        "object" => Ok((true, None)),
        other => kind(other)
            .map(|kind| (false, Some(kind)))
            .map_err(|_| "it is value, object, gauge, counter or untyped".to_owned()),
    }
}

fn kind(text: &str) -> Result<Kind, &'static str> {
    match text {
        "gauge" => Ok(Kind::Gauge),
        "counter" => Ok(Kind::Counter),
        "untyped" | "unknown" => Ok(Kind::Unknown),
        _ => Err("it is gauge, counter or untyped"),
    }
}

fn templates(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    parse: fn(&str) -> Result<Template, PathError>,
    is_name: impl Fn(&str) -> bool,
) -> Vec<(String, Template)> {
    let Some(node) = fields.take(key) else { return Vec::new() };
    let path = fields.path(key);
    let crate::core::document::Value::Mapping(entries) = &node.value else {
        fields.mistakes().add(node.at, path, format!("is {}, but must be a mapping of names to paths", node.shape()));
        return Vec::new();
    };
    let mut read = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        let path = format!("{path}.{}", name.text);
        if !is_name(&name.text) {
            fields.mistakes().add(name.at, path, "is no legal name");
            continue;
        }
        match value.text().map(parse) {
            Some(Ok(template)) => read.push((name.text.clone(), template)),
            Some(Err(error)) => fields.mistakes().add(value.at, path, format!("is no path: {error}")),
            None => fields.mistakes().add(value.at, path, "must be a single value"),
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::document;
    use serde_json::json;

    fn metrics(yaml: &str) -> Result<Vec<Metric>, String> {
        let mut mistakes = Mistakes::new("f.yml");
        let node = document::parse(yaml, &mut mistakes);
        let items = node.items("metrics", &mut mistakes).unwrap_or_default();
        let read: Vec<_> = items
            .iter()
            .enumerate()
            .filter_map(|(i, item)| Metric::read(item, &format!("metrics[{i}]"), &mut mistakes))
            .collect();
        mistakes.into_result().map_err(|fault| fault.to_string())?;
        Ok(read)
    }

    #[test]
    fn values_and_objects_become_samples() {
        let read = metrics(
            r#"
- {name: example_global_value, path: "{ .counter }", help: A global., labels: {environment: beta, location: "planet-{.location}"}}
- name: example_value
  type: object
  path: '{.values[?(@.state == "ACTIVE")]}'
  valuetype: gauge
  labels: {id: "{.id}"}
  values: {active: 1, count: "{.count}", on: "{.on}"}
- {name: ups, path: .counter, type: counter}
- {name: gone, path: .gone}
- {name: quiet, path: .gone, allow_missing_key: true}
- {name: word, path: .location}
"#,
        )
        .unwrap();
        let document = json!({"counter": 1234, "location": "mars", "values": [
            {"id": "id-A", "count": 1, "on": true, "state": "ACTIVE"},
            {"id": "id-B", "count": 2, "on": true, "state": "INACTIVE"},
            {"id": "id-C", "count": 3, "on": false, "state": "ACTIVE"}]});
        let extracted = extract(&read, &document);
        let shown: Vec<String> = extracted
            .samples
            .iter()
            .map(|sample| {
                format!("{} {:?} {:?} {}", sample.series.name, sample.series.kind, sample.series.labels, sample.value)
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        example_global_value Unknown [("environment", "beta"), ("location", "planet-mars")] 1234
        example_value_active Gauge [("id", "id-A")] 1
        example_value_count Gauge [("id", "id-A")] 1
        example_value_on Gauge [("id", "id-A")] 1
        example_value_active Gauge [("id", "id-C")] 1
        example_value_count Gauge [("id", "id-C")] 3
        example_value_on Gauge [("id", "id-C")] 0
        ups Counter [] 1234
        "#);
        assert_eq!((extracted.missing, extracted.not_numbers), (1, 1));
        assert_eq!(extracted.example.as_deref(), Some("word: \"mars\" is not a number"));
    }

    #[test]
    fn a_sample_may_have_its_own_time() {
        let read = metrics("- {name: a, path: .v, epochTimestamp: .t}\n- {name: b, path: .v, epochtimestamp: .t}\n- {name: c, path: .v, epochTimestamp: .v}\n").unwrap();
        let extracted = extract(&read, &json!({"v": 1.5, "t": 1_700_000_000_123_i64}));
        let times: Vec<Option<i64>> = extracted.samples.iter().map(|sample| sample.time).collect();
        assert_eq!(times, [Some(1_700_000_000_123), Some(1_700_000_000_123), None]);
        assert_eq!(extracted.example.as_deref(), Some("c: the time \"1.5\" is no whole number"));
    }

    #[test]
    fn every_mistake_of_a_definition_is_told() {
        let told = metrics("- {nmae: a, path: '{.a'}\n- {name: a-b, path: .x, type: wrong, labels: {9: .x, ok: '{'}, values: {x: 1}}\n").unwrap_err();
        insta::assert_snapshot!(told);
    }
}
