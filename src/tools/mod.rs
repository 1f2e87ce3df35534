//! The helpers beside the modes: `probe`, `config`, `completions`, `man`, `install-links`.

mod completions;
mod config;
mod links;
mod man;
mod man_file;
mod probe;

use std::ffi::OsString;

use clap::{Command, FromArgMatches, Subcommand};

use crate::core::fault::Fault;
use crate::core::mode::Mode;
use crate::core::settings;
use crate::core::stdout::say;
use crate::modes;

pub use completions::{SHELLS, generate};
pub use man::pages;

#[derive(Subcommand)]
enum Tool {
    /// Ask a running mode for its health: the probe of a container without curl or a shell
    Probe(probe::Probe),
    /// Look at settings: print those in force, check a file, print the schema
    #[command(subcommand)]
    Config(config::Config),
    /// Print the completions of a shell
    Completions(completions::Completions),
    /// Write the man pages into a directory
    Man(man::Man),
    /// Make links to this binary, named by the modes
    InstallLinks(links::InstallLinks),
}

/// The whole command tree: the modes, then the tools.
pub fn command() -> Command {
    let root = Command::new("patterns")
        .version(env!("CARGO_PKG_VERSION"))
        .long_version(long_version())
        .about("The sidecar, the ambassador and the adapter: three container patterns in one binary")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true);
    let root = modes::ALL.iter().fold(root, |root, mode| root.subcommand(settings::command(mode)));
    Tool::augment_subcommands(root)
}

/// The version, what it was built for and from, and which modes are in it.
fn long_version() -> String {
    let modes: Vec<&str> = modes::ALL.iter().map(|mode| mode.name).collect();
    format!(
        "{}\ncommit: {}\ntarget: {} {}\nmodes: {}",
        env!("CARGO_PKG_VERSION"),
        // Set by whoever packages the binary; a build from a tarball has no commit to name.
        option_env!("PATTERNS_COMMIT").unwrap_or("unknown"),
        std::env::consts::ARCH,
        std::env::consts::OS,
        modes.join(", ")
    )
}

/// Runs a tool, or tells what there is.
///
/// # Errors
/// A usage fault for the command line, or the tool's own fault.
pub(crate) fn run(arguments: Vec<OsString>) -> Result<(), Fault> {
    let matches = command().no_binary_name(true).try_get_matches_from(arguments).map_err(Fault::usage)?;
    match Tool::from_arg_matches(&matches).map_err(Fault::usage)? {
        Tool::Probe(probe) => probe.run(),
        Tool::Config(config) => config.run(),
        Tool::Completions(completions) => completions.run(),
        Tool::Man(man) => man.run(),
        Tool::InstallLinks(links) => links.run(),
    }
}

/// What every mode tells about itself, wherever it stands among the arguments: `--version`, and `--man` for the manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Version,
    Manual,
}

impl Asked {
    /// What these arguments of a mode ask for, unless they are a verb's.
    pub(crate) fn of(mode: &Mode, arguments: &[OsString]) -> Option<Self> {
        let is_verb = arguments.first().is_some_and(|first| mode.verbs.iter().any(|verb| first == verb.name));
        let asked = |argument: &OsString| match argument.to_str() {
            Some("--version") => Some(Self::Version),
            Some("--man") => Some(Self::Manual),
            _ => None,
        };
        arguments.iter().filter(|_| !is_verb).find_map(asked)
    }

    /// Prints it.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn answer(self, mode: &Mode, called: &str) -> Result<(), Fault> {
        match self {
            Self::Version => say(format!("{called} (patterns) {}\n", long_version())),
            Self::Manual => say(settings::command_as(mode, called).render_long_help().to_string()),
        }
    }
}
