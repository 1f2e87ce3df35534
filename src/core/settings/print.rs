//! `config print`: the settings in force as a settings file, each with where it came from.

use std::fmt::Write;

use super::{Origin, Resolved, command, units};
use crate::core::fault::Fault;
use crate::core::mode::Mode;
use crate::core::secret::redact_urls;

/// The settings in force, in the form of the settings file. Secrets are not settings, and users in URLs are not shown.
///
/// # Errors
/// What is wrong with the settings of one of several units.
pub fn print(mode: &'static Mode, resolved: &Resolved) -> Result<String, Fault> {
    let mut out = format!("{}:\n", mode.name);
    print_rows(mode, resolved, "  ", &|_| true, &mut out);
    let units = units::document(mode, resolved).map(|(document, _)| document.key);
    for document in mode.documents {
        if resolved.document(document.key).is_some() && units != Some(document.key) {
            let _ = writeln!(out, "  # {}: (as in the file)", document.key);
        }
    }
    if let Some(key) = units {
        let _ = writeln!(out, "  {key}:");
        for (name, unit) in units::units(mode, resolved)? {
            let _ = writeln!(out, "    {name}:");
            // What a unit has from the section stands there already.
            print_rows(mode, &unit, "      ", &|long| unit.origin(long) != resolved.origin(long), &mut out);
        }
    }
    Ok(out)
}

fn print_rows(mode: &Mode, resolved: &Resolved, indent: &str, is_shown: &dyn Fn(&str) -> bool, out: &mut String) {
    let mut rows = Vec::new();
    for arg in command(mode).get_arguments() {
        let Some(long) = arg.get_long().filter(|long| !arg.is_hide_set() && is_shown(long)) else { continue };
        let origin = resolved.origin(long);
        let values: Vec<String> = match resolved.matches.get_raw(arg.get_id().as_str()) {
            Some(raw) if arg.is_hide_env_values_set() => raw.map(|_| "(hidden)".to_owned()).collect(),
            Some(raw) => raw.map(|value| scalar(&redact_urls(&value.to_string_lossy()))).collect(),
            None => Vec::new(),
        };
        let row = match (&origin, values.as_slice()) {
            (Origin::Unset, _) | (_, []) => format!("# {long}:"),
            (_, [value]) => format!("{long}: {value}"),
            (_, values) => format!("{long}: [{}]", values.join(", ")),
        };
        rows.push((row, origin));
    }
    let width = rows.iter().map(|(row, _)| row.chars().count()).max().unwrap_or(0).min(48);
    for (row, origin) in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{indent}{row:width$}  # {origin}");
    }
}

/// A scalar as YAML reads it back: quoted where it could be taken for something else.
fn scalar(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@+=,~()".contains(c))
        && !text.starts_with(['-', ':', '@', '=', '~', ','])
        && !text.ends_with(':');
    if plain { text.to_owned() } else { format!("{text:?}") }
}
