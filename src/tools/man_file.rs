//! `patterns.yaml(5)`: the settings file, key by key, derived from the modes' arguments and documents.

use std::fmt::Write;

use clap::{Arg, Args, Command};

use super::man::DATE;
use crate::core::settings::{self, Common};
use crate::modes;

/// The page's file name and its roff text.
pub(super) fn page() -> (String, Vec<u8>) {
    let mut out = String::new();
    let version = env!("CARGO_PKG_VERSION");
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(out, ".TH PATTERNS.YAML 5 {DATE} \"container-patterns {version}\" \"Container patterns\"");
    out.push_str(".SH NAME\npatterns.yaml \\- settings file of patterns(1)\n.SH DESCRIPTION\n");
    paragraph(
        &mut out,
        "A YAML mapping: shared options on top, and a section per mode. The keys are the long names of the options, and \
         a value means what it means behind the flag. A flag is stronger than its environment variable, a variable is \
         stronger than this file, and the file is stronger than the default. Unknown keys are mistakes; all mistakes \
         are told in one run, with their lines, by `patterns config check FILE`. The file is read again at SIGHUP and \
         when its content changes; a file with a mistake leaves the last good settings in force. Keys that are marked \
         [live] are taken in then, every other at the next start; the log names those that wait.",
    );
    out.push_str(".SH SHARED KEYS\n");
    for arg in Common::augment_args(Command::new("")).get_arguments().filter(|arg| arg.get_long() != Some("config")) {
        key(&mut out, arg, if arg.get_long() == Some("log") { LIVE } else { "" });
    }
    for mode in modes::ALL {
        let _ = writeln!(out, ".SH KEYS OF {}", escape(mode.name).to_uppercase());
        for arg in settings::command(mode).get_arguments() {
            let long = arg.get_long().unwrap_or_default();
            if !arg.is_hide_set() && !settings::is_shared(long) {
                key(&mut out, arg, if mode.is_live(long) { LIVE } else { "" });
            }
        }
        for document in mode.documents {
            let mark = if mode.is_live(document.key) { LIVE } else { "" };
            item(&mut out, document.key, "", &format!("{}{mark}", document.help));
        }
    }
    out.push_str(".SH SEE ALSO\npatterns(1)\n");
    ("patterns.yaml.5".to_owned(), out.into_bytes())
}

/// Behind the help of what is taken in while a mode runs.
const LIVE: &str = " [live]";

fn key(out: &mut String, arg: &Arg, mark: &str) {
    let Some(long) = arg.get_long() else { return };
    let value = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let default = if defaults.is_empty() { String::new() } else { format!(" [default: {}]", defaults.join(", ")) };
    item(out, long, &value, &format!("{help}{default}{mark}"));
}

fn item(out: &mut String, key: &str, value: &str, help: &str) {
    let _ = writeln!(out, ".TP\n\\fB{}\\fR: \\fI{}\\fR", escape(key), escape(value));
    paragraph(out, help);
}

fn paragraph(out: &mut String, text: &str) {
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line = escape(line.trim());
        // A line that begins with a point or a quote would be a request.
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        let _ = writeln!(out, "{guard}{line}");
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
