//! `config print`: the settings in force as a settings file, each with where it came from.

use std::fmt::Write;

use super::{Origin, Resolved, command};
use crate::core::mode::Mode;
use crate::core::secret::redact_urls;

/// The settings in force, in the form of the settings file. Secrets are not settings, and users in URLs are not shown.
pub fn print(mode: &Mode, resolved: &Resolved) -> String {
    let mut rows = Vec::new();
    for arg in command(mode).get_arguments() {
        let Some(long) = arg.get_long().filter(|_| !arg.is_hide_set()) else { continue };
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
    let mut out = format!("{}:\n", mode.name);
    for (row, origin) in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {row:width$}  # {origin}");
    }
    for document in mode.documents {
        if resolved.document(document.key).is_some() {
            let _ = writeln!(out, "  # {}: (as in the file)", document.key);
        }
    }
    out
}

/// A scalar as YAML reads it back: quoted where it could be taken for something else.
fn scalar(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@+=,~()".contains(c))
        && !text.starts_with(['-', ':', '@', '=', '~', ','])
        && !text.ends_with(':');
    if plain { text.to_owned() } else { format!("{text:?}") }
}
