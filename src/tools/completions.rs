//! `patterns completions SHELL`: derived from the command tree, compared with `completions/` by a test.

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use super::command;
use crate::core::fault::Fault;
use crate::core::stdout::say;

/// Every shell, with the name of its file in `completions/`.
pub const SHELLS: [(Shell, &str); 5] = [
    (Shell::Bash, "patterns.bash"),
    (Shell::Zsh, "_patterns"),
    (Shell::Fish, "patterns.fish"),
    (Shell::Elvish, "patterns.elv"),
    (Shell::PowerShell, "_patterns.ps1"),
];

#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<(), Fault> {
        say(generate(self.shell))
    }
}

/// The completions of a shell.
pub fn generate(shell: Shell) -> Vec<u8> {
    debug_assert!(Shell::value_variants().len() == SHELLS.len());
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut command(), "patterns", &mut out);
    out
}
