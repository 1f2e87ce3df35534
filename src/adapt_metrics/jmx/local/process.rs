//! Java processes, as `/proc` shows them: which there are, which one is meant, and what may be done to it.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::error::JmxError;
use super::perfdata::LARGEST;

/// The signal that asks a JVM to open its attach socket, as a bit of `SigCgt`.
const SIGQUIT_CAUGHT: u64 = 1 << 2;

/// Which JVM is meant.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) by: By,
    /// Processes that were signalled and did not answer. With attaching disabled each signal prints a thread dump.
    pub(crate) silent: Arc<Mutex<HashSet<u32>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum By {
    /// The only one that there is.
    Itself,
    Pid(u32),
    /// A word of its command line: the main class, the jar.
    Command(String),
}

/// A JVM that runs.
#[derive(Debug)]
pub(crate) struct Jvm {
    pub(crate) pid: u32,
    /// Its number inside of its own container.
    pub(crate) inner_pid: u32,
    user: u32,
    caught: u64,
    silent: Arc<Mutex<HashSet<u32>>>,
}

impl Choice {
    pub(crate) fn parse(text: &str) -> Option<Choice> {
        let by = match text {
            "auto" => By::Itself,
            "" => return None,
            text => text.parse().map_or_else(|_| By::Command(text.to_owned()), By::Pid),
        };
        Some(Choice { by, silent: Arc::default() })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            By::Itself => out.write_str("auto"),
            By::Pid(pid) => pid.fmt(out),
            By::Command(word) => out.write_str(word),
        }
    }
}

/// # Errors
/// There is none that fits, or there are several; they are named.
pub(crate) fn choose(choice: &Choice) -> Result<Jvm, JmxError> {
    let wrong = |problem: String| JmxError::NoJvm { problem };
    if let By::Pid(pid) = choice.by {
        return Jvm::open(pid, choice).ok_or_else(|| wrong(format!("process {pid} is no JVM that this user may see")));
    }
    let processes = fs::read_dir("/proc").map_err(|error| wrong(format!("cannot list processes: {error}")))?;
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut jvms: Vec<(Jvm, Vec<String>)> = pids
        .filter_map(|pid| Some((Jvm::open(pid, choice)?, command_line(pid))))
        .filter(|(_, command)| match &choice.by {
            By::Command(word) => command.iter().any(|argument| is_named(argument, word)),
            By::Itself | By::Pid(_) => true,
        })
        .collect();
    match jvms.len() {
        1 => Ok(jvms.remove(0).0),
        0 => Err(wrong("no JVM runs here that this user may see (it takes a shared process namespace)".to_owned())),
        count => {
            let names: Vec<String> =
                jvms.iter().take(10).map(|(jvm, command)| format!("{} ({})", jvm.pid, main_class(command))).collect();
            Err(wrong(format!("{count} JVMs run here: {}; name one of them", names.join(", "))))
        }
    }
}

/// A whole argument, or the end of a path or of a package.
fn is_named(argument: &str, word: &str) -> bool {
    argument.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with(['/', '.']))
}

fn command_line(pid: u32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}

fn main_class(command: &[String]) -> &str {
    let mut arguments = command.iter().skip(1).map(String::as_str);
    arguments.find(|argument| !argument.starts_with('-') && !argument.is_empty()).unwrap_or("java")
}

impl Jvm {
    /// Nothing, if the process is no JVM or belongs to somebody else.
    fn open(pid: u32, choice: &Choice) -> Option<Jvm> {
        let maps = fs::File::open(format!("/proc/{pid}/maps")).ok()?;
        if !std::io::BufRead::lines(std::io::BufReader::new(maps))
            .any(|line| line.is_ok_and(|line| line.ends_with("/libjvm.so")))
        {
            return None;
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
        let inner_pid = field("NSpid:").and_then(|pids| pids.split_whitespace().last()?.parse().ok()).unwrap_or(pid);
        Some(Jvm {
            pid,
            inner_pid,
            user: field("Uid:")?.split_whitespace().nth(1)?.parse().ok()?,
            caught: u64::from_str_radix(field("SigCgt:")?.trim(), 16).ok()?,
            silent: Arc::clone(&choice.silent),
        })
    }

    /// Whether SIGQUIT is a question to this JVM. One that was started with -Xrs would die of it.
    pub(crate) fn catches_quit(&self) -> bool {
        self.caught & SIGQUIT_CAUGHT != 0
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).contains(&self.pid)
    }

    pub(crate) fn remember_silence(&self) {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).insert(self.pid);
    }

    /// A file in the JVM's own `/tmp`.
    pub(crate) fn in_tmp(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/tmp/{name}", self.pid))
    }

    pub(crate) fn in_working_directory(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/cwd/{name}", self.pid))
    }

    /// The bytes of its performance counters. Only a file of the JVM's own user counts: anybody may write to `/tmp`.
    pub(crate) fn counters_file(&self) -> Option<Vec<u8>> {
        let directories = fs::read_dir(self.in_tmp("")).ok()?.filter_map(Result::ok);
        let mut files = directories
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("hsperfdata_"))
            .filter_map(|entry| fs::File::open(entry.path().join(self.inner_pid.to_string())).ok())
            .filter(|file| file.metadata().is_ok_and(|metadata| metadata.uid() == self.user && metadata.is_file()));
        let mut bytes = Vec::new();
        files.next()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_main_class_is_known_by_its_last_part() {
        assert!(is_named("org.apache.Kafka", "Kafka"));
        assert!(is_named("/opt/app.jar", "app.jar"));
        assert!(is_named("Kafka", "Kafka"));
        assert!(!is_named("NotKafka", "Kafka"));
    }

    #[test]
    fn this_test_is_no_jvm() {
        let choice = Choice::parse(&std::process::id().to_string()).unwrap();
        assert!(matches!(choose(&choice), Err(JmxError::NoJvm { .. })));
    }
}
