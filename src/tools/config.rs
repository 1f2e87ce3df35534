//! `patterns config`: what is in force and why, what is wrong with a file, and the schema that editors read.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};

use crate::core::document::nearest;
use crate::core::fault::Fault;
use crate::core::mode::{Invocation, Mode};
use crate::core::settings;
use crate::core::stdout::say;
use crate::modes;

#[derive(Subcommand)]
pub(super) enum Config {
    /// Print the settings in force, each with where it came from
    Print(Print),
    /// Check a settings file, and tell every mistake with its line
    Check(Check),
    /// Print the JSON Schema of the settings file
    Schema,
}

#[derive(Args)]
pub(super) struct Print {
    /// The mode
    mode: String,
    /// The arguments that the mode would be started with
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

#[derive(Args)]
pub(super) struct Check {
    /// The settings file
    file: PathBuf,
}

impl Config {
    pub(super) fn run(self) -> Result<(), Fault> {
        match self {
            Self::Print(print) => {
                let mode = mode(&print.mode)?;
                let invocation = Invocation::new(mode, modes::ALL, &print.mode, print.arguments)?;
                say(settings::print(mode, &invocation.resolved)?)
            }
            Self::Check(check) => {
                let found = settings::check(&check.file, modes::ALL)?;
                let sections = if found.is_empty() { "no section".to_owned() } else { found.join(", ") };
                say(format!("{}: no mistakes ({sections})\n", check.file.display()))
            }
            Self::Schema => say(format!("{:#}\n", settings::json_schema(modes::ALL))),
        }
    }
}

/// The mode of this name.
///
/// # Errors
/// A usage fault with the nearest name.
pub(super) fn mode(name: &str) -> Result<&'static Mode, Fault> {
    modes::by_link(name).ok_or_else(|| {
        let names = modes::ALL.iter().map(|mode| mode.name);
        let hint = match nearest(name, names.clone()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the modes are {}", names.collect::<Vec<_>>().join(", ")),
        };
        Fault::usage(anyhow!("there is no mode {name:?}")).hint(hint)
    })
}
