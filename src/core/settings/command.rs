//! From a mode to its clap command: the schema from which everything else is derived.

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, Args, Command};

use super::Common;
use crate::core::mode::Mode;

/// The command of a mode: its own arguments, the shared ones, a variable for each, and its verbs.
pub fn command(mode: &Mode) -> Command {
    let command = (mode.arguments)(Command::new(mode.name));
    let command = Common::augment_args(command)
        .about(mode.about)
        .long_about(format!("{}\n\n{}", mode.about, mode.description))
        .mut_arg("http_bind", |arg| arg.required(false).default_value(mode.http_bind))
        .mut_args(|arg| derived(arg, mode.name));
    let examples = mode.examples.lines().map(|line| format!("\n  {}", line.trim())).collect::<String>();
    let command = if examples.is_empty() { command } else { command.after_help(format!("Examples:{examples}")) };
    mode.verbs.iter().fold(command, |command, verb| {
        command
            // Behind the arguments: deriving them brings along what their struct says of itself.
            .subcommand((verb.arguments)(Command::new(verb.name)).about(verb.about).long_about(verb.about))
            .subcommand_negates_reqs(true)
            .args_conflicts_with_subcommands(true)
            .disable_help_subcommand(true)
    })
}

/// The same for who called the mode by `name`: another tool's name brings that tool's defaults along.
pub fn command_as(mode: &Mode, name: &str) -> Command {
    let Some(link) = mode.link(name) else { return command(mode) };
    link.defaults.iter().fold(command(mode).bin_name(link.name), |command, (long, value)| {
        command.mut_args(|arg| if arg.get_long() == Some(long) { arg.default_value(*value) } else { arg })
    })
}

/// Whether a long name is one that every mode has.
pub fn is_shared(long: &str) -> bool {
    Common::augment_args(Command::new("")).get_arguments().any(|arg| arg.get_long() == Some(long))
}

/// What follows from the argument's long name and action: its variable, and `--x[=false]` for switches.
fn derived(arg: Arg, mode: &str) -> Arg {
    let arg = match arg.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse => switch(arg),
        _ => arg,
    };
    match arg.get_long().map(|long| variable(mode, long)) {
        Some(variable) if arg.get_env().is_none() => arg.env(variable),
        _ => arg,
    }
}

/// A switch that can also be set to a value, so that a file's or a variable's `true` can be taken back by a flag.
fn switch(arg: Arg) -> Arg {
    let default = if matches!(arg.get_action(), ArgAction::SetFalse) { "true" } else { "false" };
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value(default)
        .value_parser(BoolishValueParser::new())
        .value_name("BOOL")
}

/// The variable of an option: `PATTERNS_<MODE>_<LONG_NAME>`, or `PATTERNS_<LONG_NAME>` for a shared one.
fn variable(mode: &str, long: &str) -> String {
    let name = if is_shared(long) { format!("patterns_{long}") } else { format!("patterns_{mode}_{long}") };
    name.replace(['-', '.'], "_").to_uppercase()
}
