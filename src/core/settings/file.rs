//! The settings file: a mapping with shared options on top and a section per mode.
//!
//! ```yaml
//! log: debug
//! sync-git:
//!   repo: https://example.com/site.git
//!   period: 30s
//! ```

use std::ffi::OsString;
use std::path::Path;

use clap::{Arg, ArgAction, Command};

use super::{Lowered, command, file_origin, is_shared, trial};
use crate::core::document::{self, Key, Mistakes, Node, Value, nearest};
use crate::core::fault::Fault;
use crate::core::mode::Mode;

/// Lowers the shared keys and the mode's section into values behind the flags; answers with the section.
pub(super) fn lower(
    mode: &Mode,
    all: &[Mode],
    schema: &Command,
    root: &Node,
    path: &Path,
    lowered: &mut Lowered,
    mistakes: &mut Mistakes,
) -> Option<Node> {
    let mut section = None;
    for (key, node) in entries(root, "", mistakes) {
        if key.text == mode.name {
            section = Some(node);
        } else if is_shared(&key.text) && key.text != "config" {
            take(schema, mode, "", key, node, path, lowered, mistakes);
        } else if !all.iter().any(|other| other.name == key.text) {
            let shared = schema.get_arguments().filter_map(Arg::get_long).filter(|long| is_shared(long));
            let reason = match nearest(&key.text, all.iter().map(|mode| mode.name).chain(shared)) {
                Some(name) => format!("is neither a section nor a shared option; did you mean `{name}`?"),
                None if schema.get_arguments().any(|arg| arg.get_long() == Some(&key.text)) => {
                    format!("stands at the top; it belongs below `{}:`", mode.name)
                }
                None => "is neither a section nor a shared option".to_owned(),
            };
            mistakes.add(key.at, &key.text, reason);
        }
    }
    for (key, node) in section.map(|node| entries(node, mode.name, mistakes)).unwrap_or_default() {
        take(schema, mode, mode.name, key, node, path, lowered, mistakes);
    }
    section.cloned()
}

/// Checks a whole settings file: every section, every structured key.
///
/// # Errors
/// A configuration fault that lists every mistake with file and line.
pub fn check(path: &Path, all: &[Mode]) -> Result<Vec<&'static str>, Fault> {
    let root = document::read(path)?;
    let mut mistakes = Mistakes::new(path.display());
    let mut found = Vec::new();
    let sections: Vec<&Mode> = all.iter().filter(|mode| root.field(mode.name).is_some()).collect();
    // Keys on top are judged once, whichever mode looks at them.
    for (i, mode) in sections.iter().enumerate() {
        let mut own = Mistakes::new(path.display());
        lower(mode, all, &command(mode), &root, path, &mut Lowered::default(), &mut own);
        for mistake in own.sorted() {
            if i == 0 || mistake.key.starts_with(mode.name) {
                mistakes.add(mistake.at.unwrap_or_default(), mistake.key, mistake.reason);
            }
        }
        found.push(mode.name);
    }
    if let (true, Some(mode)) = (sections.is_empty(), all.first()) {
        lower(mode, all, &command(mode), &root, path, &mut Lowered::default(), &mut mistakes);
    }
    mistakes.into_result()?;
    Ok(found)
}

pub(super) fn entries<'n>(node: &'n Node, path: &str, mistakes: &mut Mistakes) -> Vec<(&'n Key, &'n Node)> {
    match &node.value {
        Value::Mapping(entries) => entries.iter().map(|(key, node)| (key, node)).collect(),
        _ if node.is_null() => Vec::new(),
        _ => {
            mistakes.add(node.at, path, format!("is {}, but must be a mapping of keys to values", node.shape()));
            Vec::new()
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one key, with all that it is judged against")]
pub(super) fn take(
    schema: &Command,
    mode: &Mode,
    prefix: &str,
    key: &Key,
    node: &Node,
    path: &Path,
    lowered: &mut Lowered,
    mistakes: &mut Mistakes,
) {
    let shown = if prefix.is_empty() { key.text.clone() } else { format!("{prefix}.{}", key.text) };
    if let Some(document) = mode.documents.iter().find(|document| document.key == key.text) {
        return (document.check)(node, &shown, mistakes);
    }
    let known = |arg: &&Arg| arg.get_long() == Some(key.text.as_str()) && key.text != "config";
    let Some(arg) = schema.get_arguments().find(known) else {
        let names = schema.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(Arg::get_long);
        let names = names.chain(mode.documents.iter().map(|document| document.key));
        return mistakes.add(key.at, shown, document::unknown_key(&key.text, names));
    };
    if node.is_null() {
        return;
    }
    match values(arg, node).and_then(|values| trial::parse(arg, &values).map(|()| values)) {
        Ok(values) => {
            lowered.0.insert(arg.get_id().to_string(), (values, file_origin(path, node)));
        }
        Err(reason) => {
            let value =
                node.text().map(|text| format!("{:?} is refused: ", super::shown(arg, text))).unwrap_or_default();
            mistakes.add(node.at, shown, format!("{value}{reason}"));
        }
    }
}

fn values(arg: &Arg, node: &Node) -> Result<Vec<OsString>, String> {
    let many = matches!(arg.get_action(), ArgAction::Append);
    match &node.value {
        Value::Scalar { text, .. } => Ok(vec![OsString::from(text)]),
        Value::Sequence(items) if many => items
            .iter()
            .map(|item| match item.text() {
                Some(text) if arg.get_value_delimiter().is_some_and(|delimiter| text.contains(delimiter)) => {
                    Err(format!("{text:?} holds the separator of the list"))
                }
                Some(text) => Ok(OsString::from(text)),
                None => Err(format!("the list holds {}, but must hold single values", item.shape())),
            })
            .collect(),
        Value::Sequence(_) => Err("is a list, but the option takes one value".to_owned()),
        Value::Mapping(_) => Err("is a mapping, but the option takes a value".to_owned()),
    }
}
