//! `config schema`: what an editor would accept is what the binary accepts, for every sample that we ship.

use std::fs;
use std::path::Path;

use patterns::core::document::{self, Mistakes, Node, Value as Tree};
use serde_json::{Value, json};

use crate::modes::printed;
use crate::support::run;

fn schema() -> Value {
    serde_json::from_str(&printed(&run(&["config", "schema"]))).unwrap()
}

/// A YAML tree as JSON, by YAML's core rules.
fn as_json(node: &Node) -> Value {
    match &node.value {
        _ if node.is_null() => Value::Null,
        Tree::Scalar { text, plain: true } if text == "true" || text == "false" => json!(text == "true"),
        Tree::Scalar { text, plain: true } => text.parse::<f64>().map_or_else(|_| json!(text), |number| json!(number)),
        Tree::Scalar { text, .. } => json!(text),
        Tree::Sequence(items) => items.iter().map(as_json).collect(),
        Tree::Mapping(entries) => entries.iter().map(|(key, node)| (key.text.clone(), as_json(node))).collect(),
    }
}

/// The part of JSON Schema that ours uses; a keyword that is not known here fails the test.
fn validate(value: &Value, schema: &Value, path: &str) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$schema" | "title" | "description" | "default" => {}
            "type" => {
                let allowed: Vec<&Value> = rule.as_array().map_or_else(|| vec![rule], |list| list.iter().collect());
                let found = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "number",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                if !allowed.iter().any(|name| *name == found) {
                    return Err(format!("{path}: is {found}, must be {rule}"));
                }
            }
            "enum" => {
                if !rule.as_array().expect("a list").contains(value) {
                    return Err(format!("{path}: is {value}, must be one of {rule}"));
                }
            }
            "properties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = rule.get(key) {
                        validate(value, schema, &format!("{path}.{key}"))?;
                    }
                }
            }
            "additionalProperties" => {
                assert_eq!(*rule, json!(false));
                for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
                    if schema["properties"].get(key).is_none() {
                        return Err(format!("{path}.{key}: is not known"));
                    }
                }
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    validate(item, rule, &format!("{path}[{i}]"))?;
                }
            }
            "oneOf" => {
                let fits = rule.as_array().expect("a list").iter().filter(|one| validate(value, one, path).is_ok());
                if fits.count() != 1 {
                    return Err(format!("{path}: {value} fits not exactly one of {rule}"));
                }
            }
            other => panic!("the schema uses {other}, which this test does not know"),
        }
    }
    Ok(())
}

fn read(path: &Path) -> Value {
    let mut mistakes = Mistakes::new(path.display());
    let node = document::parse(&fs::read_to_string(path).unwrap(), &mut mistakes);
    assert!(mistakes.is_empty(), "{mistakes}");
    as_json(&node)
}

#[test]
fn the_schema_accepts_every_sample() {
    let schema = schema();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut samples: Vec<_> =
        fs::read_dir(examples.join("config")).unwrap().map(|entry| entry.unwrap().path()).collect();
    samples.push(examples.join("pod/patterns.yaml"));
    for sample in samples {
        validate(&read(&sample), &schema, "").unwrap_or_else(|reason| panic!("{}: {reason}", sample.display()));
    }
}

#[test]
fn the_schema_refuses_what_the_binary_refuses() {
    let schema = schema();
    for wrong in [
        json!({ "sync-gti": {} }),
        json!({ "sync-git": { "peroid": "3s" } }),
        json!({ "sync-git": { "one-time": "perhaps" } }),
        json!({ "sync-git": [] }),
        json!({ "log-format": "xml" }),
        json!({ "ambassador-redis": { "listen": {} } }),
    ] {
        assert!(validate(&wrong, &schema, "").is_err(), "{wrong}");
    }
}
