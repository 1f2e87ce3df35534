//! What ends a command: a kind (which decides the exit code), an error with its causes, and what to do about it.
//!
//! Libraries inside return their own `thiserror` types; a [`Fault`] is made at the edge, where the user's words
//! (the flag, the file, the address) are known. Each layer of the chain says only its own part; the renderer joins them.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

/// The most that Kubernetes keeps of a container's termination message.
const TERMINATION_LOG_LIMIT: usize = 4096;

/// Why the process ends, and so with which code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line was wrong: exit 2.
    Usage,
    /// A file, an environment variable or a rule document was wrong: exit 78 (`EX_CONFIG`).
    Config,
    /// The world did not let us: exit 1.
    Failed,
    /// We broke a promise of our own: exit 101, as a panic does.
    Bug,
}

/// An error on its way out of the process.
pub struct Fault {
    kind: Kind,
    error: anyhow::Error,
    hints: Vec<String>,
}

impl Fault {
    /// The command line asks for something that is not there.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Kind::Usage, error)
    }

    /// A file, a variable or a document says something that cannot be.
    pub fn config(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Kind::Config, error)
    }

    /// What was asked for is sound, but could not be done.
    pub fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Kind::Failed, error)
    }

    /// Only a defect of ours leads here.
    pub fn bug(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Kind::Bug, error)
    }

    fn new(kind: Kind, error: impl Into<anyhow::Error>) -> Self {
        Self { kind, error: error.into(), hints: Vec::new() }
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts the outer layer in front of the chain: what we were doing when it failed.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display + Send + Sync + 'static) -> Self {
        self.error = self.error.context(context);
        self
    }

    /// Why the process ends.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The process's exit code: 1 failed, 2 usage, 78 configuration, 101 bug.
    ///
    /// What clap answers by itself has clap's code: 0 for `--help` and `--version`, 2 for a mistake.
    pub fn exit_code(&self) -> u8 {
        if let Some(answer) = self.parse_error() {
            return u8::try_from(answer.exit_code()).unwrap_or(2);
        }
        match self.kind {
            Kind::Usage => 2,
            Kind::Config => 78,
            Kind::Failed => 1,
            Kind::Bug => 101,
        }
    }

    /// What clap says of the command line, if that is the fault.
    pub fn parse_error(&self) -> Option<&clap::Error> {
        self.error.downcast_ref()
    }

    /// The chain on one line, as a log field wants it.
    pub fn one_line(&self) -> String {
        format!("{:#}", self.error).replace('\n', "; ")
    }

    /// The hints, in the order in which they were given.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Writes the rendered fault to the container's termination log, if there is one.
    ///
    /// The file is never created: outside a Pod there is none, and nothing happens. At most 4096 bytes are written.
    pub fn write_termination_log(&self, path: &Path) {
        let rendered = self.to_string();
        let mut end = rendered.len().min(TERMINATION_LOG_LIMIT);
        while !rendered.is_char_boundary(end) {
            end -= 1;
        }
        let file = std::fs::OpenOptions::new().write(true).truncate(true).create(false).open(path);
        if let Ok(mut file) = file {
            // The process is ending with this very fault: a log that cannot be written has nobody left to be told to.
            drop(file.write_all(&rendered.as_bytes()[..end]));
        }
    }

    /// Prints the fault on standard error. A closed or full standard error is not a second fault.
    pub fn print(&self) {
        if let Some(answer) = self.parse_error() {
            // Help goes to standard output, mistakes to standard error, with colour where it fits.
            return drop(answer.print());
        }
        drop(io::stderr().lock().write_all(self.to_string().as_bytes()));
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut layers = self.error.chain();
        if let Some(first) = layers.next() {
            writeln!(f, "error: {first}")?;
        }
        for cause in layers {
            writeln!(f, "  because: {cause}")?;
        }
        for hint in &self.hints {
            writeln!(f, "  help: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.one_line())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn layers_and_hints_are_printed_in_order() {
        let fault = Fault::failed(anyhow!("connection refused").context("cannot reach the primary")).hint("is it up?");
        assert_eq!(
            fault.to_string(),
            "error: cannot reach the primary\n  because: connection refused\n  help: is it up?\n"
        );
    }

    #[test]
    fn termination_log_is_written_only_where_it_exists_and_never_over_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let absent = dir.path().join("absent");
        let present = dir.path().join("present");
        std::fs::write(&present, "old").unwrap();
        let fault = Fault::bug(anyhow!("é".repeat(5000)));
        fault.write_termination_log(&absent);
        fault.write_termination_log(&present);
        assert!(!absent.exists());
        let written = std::fs::read(&present).unwrap();
        assert!(written.len() <= TERMINATION_LOG_LIMIT && written.len() > TERMINATION_LOG_LIMIT - 4);
        assert!(String::from_utf8(written).is_ok());
    }

    #[test]
    fn the_kind_decides_the_exit_code() {
        let codes = [
            Fault::usage(anyhow!("")),
            Fault::config(anyhow!("")),
            Fault::failed(anyhow!("")),
            Fault::bug(anyhow!("")),
        ]
        .map(|fault| fault.exit_code());
        assert_eq!(codes, [2, 78, 1, 101]);
    }
}
