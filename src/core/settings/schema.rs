//! `config schema`: a JSON Schema of the settings file, for editors and linters, derived from the modes.

use clap::{Arg, ArgAction, Args, Command};
use serde_json::{Map, Value, json};

use super::{Common, command, is_shared};
use crate::core::mode::Mode;

/// The schema of a settings file that may hold a section for each of `modes`.
pub fn json_schema(modes: &[Mode]) -> Value {
    let mut properties = Map::new();
    for arg in Common::augment_args(Command::new("")).get_arguments() {
        if let Some(long) = arg.get_long().filter(|long| *long != "config") {
            properties.insert(long.to_owned(), property(arg));
        }
    }
    for mode in modes {
        properties.insert(mode.name.to_owned(), section(mode));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of patterns",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn section(mode: &Mode) -> Value {
    let mut properties = Map::new();
    for arg in command(mode).get_arguments().filter(|arg| !arg.is_hide_set()) {
        if let Some(long) = arg.get_long().filter(|long| *long != "config") {
            properties.insert(long.to_owned(), property(arg));
        }
    }
    for document in mode.documents {
        let mut property = json!({ "description": document.help });
        if let Some(units) = &document.units {
            let own = properties.iter().filter(|(long, _)| !units.whole.contains(&long.as_str()) && !is_shared(long));
            let own: Map<String, Value> = own.map(|(long, property)| (long.clone(), property.clone())).collect();
            let unit = json!({ "type": "object", "properties": own, "additionalProperties": false });
            property["type"] = json!("object");
            property["additionalProperties"] = unit;
        }
        properties.insert(document.key.to_owned(), property);
    }
    json!({ "description": mode.about, "type": "object", "properties": properties, "additionalProperties": false })
}

fn property(arg: &Arg) -> Value {
    let mut scalar = json!({ "type": ["string", "number", "boolean"] });
    let choices: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == "BOOL")) {
        scalar = json!({ "type": "boolean" });
    } else if !choices.is_empty() {
        scalar = json!({ "type": "string", "enum": choices });
    }
    let mut property = match arg.get_action() {
        ArgAction::Append => json!({ "oneOf": [scalar, { "type": "array", "items": scalar }] }),
        _ => scalar,
    };
    if let Some(help) = arg.get_help() {
        property["description"] = json!(help.to_string());
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if let [default] = defaults.as_slice() {
        property["default"] = json!(default);
        if property["type"] == "boolean" {
            property["default"] = json!(default == "true");
        }
    }
    property
}
