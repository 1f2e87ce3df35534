//! `patterns`: the sidecar, the ambassador and the adapter in one binary.
//!
//! ```text
//! main.rs → lib.rs → modes.rs (the registry) → sync_git/ | ambassador_redis/ | adapt_metrics/ → core/
//!                  → tools/ (probe, config, completions, man, install-links)
//! ```
//!
//! The name that the binary is called by decides, then the first argument: a mode's name runs that mode, anything else
//! goes to the tools.

// Output goes through the log or `tools::say`, since these macros panic on a closed pipe; and what may be absent is
// handled, or says why it cannot be. Tests fail by panicking, so the tests' own code is free to.
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used)]

#[cfg(feature = "adapt-metrics")]
pub mod adapt_metrics;
#[cfg(feature = "ambassador-redis")]
pub mod ambassador_redis;
pub mod core;
pub mod modes;
#[cfg(feature = "sync-git")]
pub mod sync_git;
pub mod tools;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::core::fault::Fault;
use crate::core::init;
use crate::core::log;
use crate::core::mode::{Invocation, Mode};

/// Where Kubernetes looks for the reason of a container's end.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Runs the program with its arguments, the program's name first, and reports the fault that ended it, if any.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_default();
    let mut termination_log = PathBuf::from(TERMINATION_LOG);
    let called = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    match dispatch(&called, arguments.collect(), &mut termination_log) {
        Ok(code) => code,
        Err(fault) => {
            log::report(&fault);
            fault.write_termination_log(&termination_log);
            let link = modes::by_link(&called).and_then(|mode| mode.link(&called));
            ExitCode::from(link.map_or_else(|| fault.exit_code(), |link| (link.exit_code)(&fault)))
        }
    }
}

fn dispatch(called: &str, mut arguments: Vec<OsString>, termination_log: &mut PathBuf) -> Result<ExitCode, Fault> {
    if let Some(mode) = modes::by_link(called) {
        return run(mode, called, arguments, termination_log);
    }
    if let Some(mode) = arguments.first().and_then(|first| modes::by_name(&first.to_string_lossy())) {
        arguments.remove(0);
        return run(mode, mode.name, arguments, termination_log);
    }
    tools::run(arguments).map(|()| ExitCode::SUCCESS)
}

fn run(
    mode: &'static Mode,
    called: &str,
    arguments: Vec<OsString>,
    termination_log: &mut PathBuf,
) -> Result<ExitCode, Fault> {
    if let Some(asked) = tools::Asked::of(mode, &arguments) {
        return asked.answer(mode, called).map(|()| ExitCode::SUCCESS);
    }
    let invocation = Invocation::new(mode, modes::ALL, called, arguments)?;
    if let Some((name, matches)) = invocation.resolved.matches.subcommand() {
        // Only the mode's own verbs are subcommands of it.
        let verb = mode.verbs.iter().find(|verb| verb.name == name);
        return verb.map_or(Ok(()), |verb| (verb.run)(&invocation, matches)).map(|()| ExitCode::SUCCESS);
    }
    if (mode.starts_processes)(&invocation.resolved) && init::is_needed() {
        return init::supervise();
    }
    termination_log.clone_from(&invocation.resolved.common.termination_log);
    (mode.run)(&invocation).map(|()| ExitCode::SUCCESS)
}
