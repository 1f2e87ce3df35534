//! What a pattern is to the binary: a [`Mode`], one line in the registry of `modes.rs`.
//!
//! A mode says what it is called, which arguments, documents and verbs it has, and how it runs. Everything that can be
//! derived from that (variables, file keys, help, man pages, completions, the JSON schema) is derived elsewhere.

use std::ffi::OsString;

use clap::{ArgMatches, Command, FromArgMatches};

use super::document::{Mistakes, Node};
use super::fault::Fault;
use super::settings::Resolved;

/// One pattern of the binary.
pub struct Mode {
    /// The subcommand, which is also the section of the settings file and part of every variable's name.
    pub name: &'static str,
    /// Names of links, beside `name`, under which the binary becomes this mode.
    pub links: &'static [Link],
    /// One sentence for the list of commands.
    pub about: &'static str,
    /// What `--help` and the man page say before the options.
    pub description: &'static str,
    /// Two commands that can be copied, for the end of the short help.
    pub examples: &'static str,
    /// The default of `--http-bind`: the modes of one Pod share one network namespace, so each has its own port.
    pub http_bind: &'static str,
    /// Adds the mode's arguments, as `<Settings as clap::Args>::augment_args` does.
    pub arguments: fn(Command) -> Command,
    /// Structured keys of the mode's section, which no flag can carry.
    pub documents: &'static [Document],
    /// Options and structured keys that the mode takes in while it runs; every other waits for the next start.
    pub live: &'static [&'static str],
    /// What the mode can do besides running: checks, explanations, replays.
    pub verbs: &'static [Verb],
    /// The names that users of another tool bring along.
    pub foreign: Foreign,
    /// Whether, with these settings, the mode may start other processes: as PID 1 it then needs an init.
    pub starts_processes: fn(&Resolved) -> bool,
    /// Runs until it is done or drained.
    pub run: fn(&Invocation) -> Result<(), Fault>,
}

/// The name of another tool: called by it, a mode does what that tool's users rely on where that differs.
pub struct Link {
    /// The exact base name.
    pub name: &'static str,
    /// Options, by long name, whose default is another under this name.
    pub defaults: &'static [(&'static str, &'static str)],
    /// The exit code that the tool has where we have [`Fault::exit_code`].
    pub exit_code: fn(&Fault) -> u8,
}

impl Mode {
    /// What differs for who called this mode by `name`; nothing for the mode's own name.
    pub fn link(&self, name: &str) -> Option<&'static Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// Whether a new value of this option or structured key is taken in while the mode runs.
    pub fn is_live(&self, key: &str) -> bool {
        key == "log" || self.live.contains(&key)
    }
}

/// A structured key of a mode's section: a list or a mapping that is read by the mode itself.
pub struct Document {
    /// The key.
    pub key: &'static str,
    /// What it holds, for the schema and the man page.
    pub help: &'static str,
    /// Adds to the mistakes everything that is wrong with it; the node is the key's value.
    pub check: fn(&Node, &str, &mut Mistakes),
    /// Said of a document that is a mapping of names to settings of the same mode: each then runs as a unit of its own.
    pub units: Option<Units>,
}

/// How the units of a mode relate to the mode's section, whose values stand behind each unit's own.
pub struct Units {
    /// Options that the section need not have where there are units.
    pub required: &'static [&'static str],
    /// Options, beside the shared ones, that are the whole process', and that no unit may have.
    pub whole: &'static [&'static str],
}

/// A mode's further command, such as `check` or `explain`.
pub struct Verb {
    /// The subcommand below the mode.
    pub name: &'static str,
    /// One sentence for the list of commands.
    pub about: &'static str,
    /// Adds the verb's own arguments.
    pub arguments: fn(Command) -> Command,
    /// Does it. The invocation is that of the mode, without the arguments behind the verb; the matches are the verb's own.
    pub run: fn(&Invocation, &ArgMatches) -> Result<(), Fault>,
}

/// How the users of a tool that a mode stands in for spell their settings.
pub struct Foreign {
    /// Environment variables that also set the option of this long name, the strongest first. They are weaker than
    /// `PATTERNS_…`, stronger than the file. The last is the present name; one of the others is met with a warning.
    pub environment: fn(long: &str) -> Vec<String>,
    /// Rewrites the mode's own arguments (without the program's and the mode's name) before they are parsed.
    pub arguments: fn(Vec<OsString>) -> Vec<OsString>,
}

impl Foreign {
    /// Nobody brings anything along.
    pub const NONE: Self = Self { environment: |_| Vec::new(), arguments: |given| given };
}

/// A mode about to run: which name it was called by, and its settings with their origins.
#[derive(Clone)]
pub struct Invocation {
    /// The mode.
    pub mode: &'static Mode,
    /// The name it was called by: the mode's own, or a link's.
    pub called: String,
    /// The settings, and where each came from.
    pub resolved: Resolved,
    /// All modes of the binary: the settings file may hold a section for each.
    all: &'static [Mode],
    /// The mode's arguments as they were given, for resolving again.
    given: Vec<OsString>,
}

impl Invocation {
    /// Resolves the settings of `mode` from its arguments, the environment and the settings file.
    ///
    /// # Errors
    /// See [`super::settings::resolve`].
    pub fn new(mode: &'static Mode, all: &'static [Mode], called: &str, given: Vec<OsString>) -> Result<Self, Fault> {
        let resolved = super::settings::resolve(mode, all, called, &given)?;
        Ok(Self { mode, called: called.to_owned(), resolved, all, given })
    }

    /// The mode's settings as its own type.
    ///
    /// # Errors
    /// Only a defect of ours: the type asks for an argument that the schema does not have.
    pub fn settings<S: FromArgMatches>(&self) -> Result<S, Fault> {
        S::from_arg_matches(&self.resolved.matches).map_err(Fault::bug)
    }

    /// The mode's settings as they are for a verb that takes the mode's options: those given to the verb, then the environment and
    /// the file. `mode` is the verb's mode, which may require less than it does when it runs.
    ///
    /// # Errors
    /// See [`super::settings::resolve`].
    pub fn of_verb(&self, mode: &'static Mode, matches: &ArgMatches) -> Result<Self, Fault> {
        Self::new(mode, self.all, &self.called, super::settings::given(mode, matches))
    }

    /// Resolves the settings again, with the same arguments and what the file says now.
    ///
    /// # Errors
    /// What the file says now is wrong; the caller keeps its last good settings.
    pub fn again(&self) -> Result<Self, Fault> {
        Self::new(self.mode, self.all, &self.called, self.given.clone())
    }
}
