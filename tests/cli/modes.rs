//! Each mode as a process that runs without a world around it: no repository, no Redis, no application.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Process, patterns, wait_for};

/// A mode, and the least that it must be told.
pub(crate) struct Least {
    pub(crate) mode: &'static str,
    arguments: &'static [&'static str],
}

pub(crate) const ALL: [Least; 3] = [
    Least { mode: "sync-git", arguments: &["--repo=/nowhere/site", "--max-failures=-1"] },
    Least { mode: "ambassador-redis", arguments: &["--listen=127.0.0.1:0", "--primary=127.0.0.1:1"] },
    Least { mode: "adapt-metrics", arguments: &["--statsd-listen=127.0.0.1:0"] },
];

/// The mode that is ready without a world.
pub(crate) const READY: &Least = &ALL[2];

impl Least {
    /// The command, with files below `dir`.
    pub(crate) fn command(&self, dir: &Path) -> Command {
        let mut command = patterns();
        command.arg(self.mode).args(self.arguments).env("PATTERNS_LOG_FORMAT", "text");
        if self.mode == "sync-git" {
            command.arg("--root").arg(dir.join("root"));
        }
        command
    }

    /// Starts it, with further arguments, and answers with it and with the port that it serves HTTP on.
    pub(crate) fn start(&self, dir: &Path, more: &[&str]) -> (Process, u16) {
        started(self.command(dir).args(["--http-bind", "127.0.0.1:0"]).args(more))
    }
}

/// Starts a command, and reads from its log which port it serves HTTP on.
pub(crate) fn started(command: &mut Command) -> (Process, u16) {
    let mut process = Process::start(command);
    let port = wait_for("the HTTP port in the log", || {
        let (ended, log) = (!process.is_running(), process.log());
        assert!(!ended || log.contains("starting"), "the process ended before it began:\n{log}");
        let line = log.lines().find(|line| line.contains("starting"))?.replace("\u{1b}", "");
        let port = line.split("127.0.0.1:").nth(1)?;
        port.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    });
    (process, port)
}

/// What a command said on standard error.
pub(crate) fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command printed.
pub(crate) fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
