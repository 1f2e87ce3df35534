//! Units: several settings of one mode in one section, each a mapping of its own with the section's values behind it.
//!
//! ```yaml
//! sync-git:
//!   period: 30s
//!   repositories:
//!     site: { repo: https://example.com/site.git }
//!     docs: { repo: https://example.com/docs.git, period: 5m }
//! ```
//!
//! In: the section as it was resolved (flags, variables and file together), and the document. Out: each unit's settings,
//! resolved as if its keys were flags behind the section's. Refused, with file and line: keys that belong to the whole
//! process, names that could not be a directory's or a label's.

use std::ffi::OsString;

use super::{Lowered, Origin, Resolved, command, file, is_shared, origins};
use crate::core::document::{Mistakes, Node, Value};
use crate::core::fault::Fault;
use crate::core::mode::{Document, Mode};

/// The longest name of a unit.
const LONGEST_NAME: usize = 63;
/// The most units in one process.
const MOST: usize = 1000;

/// Checks a document of units, for [`Document::check`].
pub fn check_units(mode: &Mode, node: &Node, path: &str, mistakes: &mut Mistakes) {
    let _ = lower(mode, node, path, mistakes);
}

/// The names and the settings of a section's units, in the order of the file.
///
/// # Errors
/// A configuration fault that lists every mistake.
pub fn units(mode: &Mode, resolved: &Resolved) -> Result<Vec<(String, Resolved)>, Fault> {
    let Some((document, node)) = document(mode, resolved) else { return Ok(Vec::new()) };
    let shown = resolved.common.config.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let mut mistakes = Mistakes::new(shown);
    let path = format!("{}.{}", mode.name, document.key);
    let lowered = lower(mode, node, &path, &mut mistakes);
    let mut units = Vec::with_capacity(lowered.len());
    for (name, node, lowered) in lowered {
        match resolve(mode, resolved, lowered) {
            Ok(unit) => units.push((name, unit)),
            Err(reason) => mistakes.add(node.at, format!("{path}.{name}"), reason),
        }
    }
    mistakes.into_result()?;
    Ok(units)
}

/// The document that holds the units, where the section has it.
pub(super) fn document<'r>(mode: &Mode, resolved: &'r Resolved) -> Option<(&'static Document, &'r Node)> {
    let document = mode.documents.iter().find(|document| document.units.is_some())?;
    Some((document, resolved.document(document.key)?))
}

fn lower<'n>(mode: &Mode, node: &'n Node, path: &str, mistakes: &mut Mistakes) -> Vec<(String, &'n Node, Lowered)> {
    let entries = match &node.value {
        Value::Mapping(entries) if (1..=MOST).contains(&entries.len()) => entries,
        Value::Mapping(entries) if !entries.is_empty() => {
            mistakes.add(node.at, path, format!("holds {} entries, more than {MOST}", entries.len()));
            return Vec::new();
        }
        _ => {
            mistakes.add(node.at, path, format!("is {}, but must be a mapping of names to settings", node.shape()));
            return Vec::new();
        }
    };
    let whole = mode.documents.iter().filter_map(|document| document.units.as_ref()).flat_map(|units| units.whole);
    let whole: Vec<&str> = whole.copied().chain(mode.documents.iter().map(|document| document.key)).collect();
    let schema = command(mode);
    let mut found = Vec::with_capacity(entries.len());
    for (name, unit) in entries {
        let path = format!("{path}.{}", name.text);
        if !is_name(&name.text) {
            let reason = "is no name: up to 63 letters, digits, '-', '_' and '.', the first a letter or digit";
            mistakes.add(name.at, path, reason);
            continue;
        }
        let mut lowered = Lowered::default();
        for (key, value) in file::entries(unit, &path, mistakes) {
            if is_shared(&key.text) || whole.contains(&key.text.as_str()) {
                let reason = format!("is the whole process'; it belongs below `{}:`, not in one of several", mode.name);
                mistakes.add(key.at, format!("{path}.{}", key.text), reason);
            } else {
                let place = std::path::Path::new(mistakes.origin()).to_owned();
                file::take(&schema, mode, &path, key, value, &place, &mut lowered, mistakes);
            }
        }
        found.push((name.text.clone(), unit, lowered));
    }
    found
}

/// The unit's own values behind those of the section, which stand as if they had been given as flags.
fn resolve(mode: &Mode, section: &Resolved, own: Lowered) -> Result<Resolved, String> {
    let schema = command(mode);
    let mut inherited = Lowered::default();
    for arg in schema.get_arguments() {
        let (Some(long), id) = (arg.get_long(), arg.get_id().as_str()) else { continue };
        let origin = section.origin(long);
        if own.0.contains_key(id) || matches!(origin, Origin::Default | Origin::Unset) || long == "config" {
            continue;
        }
        let values: Vec<OsString> =
            section.matches.get_raw(id).map(|raw| raw.map(ToOwned::to_owned).collect()).unwrap_or_default();
        inherited.0.insert(id.to_owned(), (values, origin));
    }
    inherited.0.extend(own.0);
    let arguments = super::as_arguments(&schema, &inherited);
    let matches = schema.clone().no_binary_name(true).try_get_matches_from(arguments).map_err(|error| {
        let text = error.to_string();
        let reason: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        reason.join(" ").trim_start_matches("error: ").to_owned()
    })?;
    let origins = origins(&schema, &matches, &inherited);
    Ok(Resolved { matches, common: section.common.clone(), section: None, warnings: Vec::new(), origins })
}

/// A name becomes a directory and a label's value.
fn is_name(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphanumeric();
    let is_rest = |byte: u8| is_first(byte) || matches!(byte, b'-' | b'_' | b'.');
    text.len() <= LONGEST_NAME && text.bytes().next().is_some_and(is_first) && text.bytes().all(is_rest)
}
