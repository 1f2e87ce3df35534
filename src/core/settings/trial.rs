//! One value against one argument: the reason in the value's own words, without clap's framing of a command line.

use std::error::Error;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

/// Parses values as the argument would, alone: relations to other arguments are not judged here.
///
/// # Errors
/// The reason for which a value is refused.
pub(super) fn parse(arg: &Arg, values: &[OsString]) -> Result<(), String> {
    let mut alone =
        Arg::new("value").long("value").action(arg.get_action().clone()).value_parser(arg.get_value_parser().clone());
    if let Some(count) = arg.get_num_args() {
        alone = alone.num_args(count);
    }
    if let Some(delimiter) = arg.get_value_delimiter() {
        alone = alone.value_delimiter(delimiter);
    }
    let command = Command::new("trial")
        .no_binary_name(true)
        .disable_help_flag(true)
        .arg(alone.require_equals(true).allow_hyphen_values(true));
    let arguments = values.iter().map(|value| {
        let mut argument = OsString::from("--value=");
        argument.push(value);
        argument
    });
    command.try_get_matches_from(arguments).map(drop).map_err(|error| reason(&error))
}

fn reason(error: &clap::Error) -> String {
    if let Some(source) = error.source() {
        return source.to_string();
    }
    match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(valid))) if !valid.is_empty() => {
            format!("expected one of {}", valid.join(", "))
        }
        (ErrorKind::InvalidValue | ErrorKind::TooFewValues, _) => "a value is missing".to_owned(),
        (ErrorKind::ArgumentConflict, _) => "the option takes one value, not a list".to_owned(),
        _ => error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    }
}
