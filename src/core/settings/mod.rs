//! Settings: flag > environment > file > default, all derived from one schema.
//!
//! The clap [`Command`] of a mode is that schema. From an argument's long name come its variable
//! (`PATTERNS_<MODE>_<LONG_NAME>`, shared options `PATTERNS_<LONG_NAME>`), its key in the file and its place in the
//! help. The file is lowered into clap defaults, which gives the precedence, and the one value parser, for free.
//!
//! Refused, all in one run: values of the file with file and line, unknown keys with the nearest right one, and
//! values of the environment with the variable's name.

mod command;
mod difference;
mod file;
mod print;
mod schema;
mod trial;
mod units;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::document::{self, Mistakes, Node};
use super::fault::Fault;
use super::log::{Filter, Format};
use super::mode::Mode;
use super::secret::redact_urls;
use super::values::{self, Bind};

pub use command::{command, command_as, is_shared};
pub use difference::differing;
pub use file::check;
pub use print::print;
pub use schema::json_schema;
pub use units::{check_units, units};

/// The options that every mode has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Settings file (YAML) with a section per mode; its keys are the long names of the options
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// What to log: a level (error, warn, info, debug, trace) or a filter such as `info,patterns::core=debug`
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log: Filter,

    /// How to log: text for people, json for machines, auto for text on a terminal and json elsewhere
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub log_format: Format,

    /// Where to serve /livez, /readyz, /startupz, /metrics and the status page; `off` for nowhere
    #[arg(long, value_name = "HOST:PORT", required = false)]
    pub http_bind: Bind,

    /// How long to finish what is in flight after SIGTERM before it is cut
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = values::duration)]
    pub drain_timeout: Duration,

    /// Where to leave the reason of a fatal exit, if the file exists
    #[arg(long, value_name = "FILE", default_value = "/dev/termination-log")]
    pub termination_log: PathBuf,
}

/// A mode's settings, and where each came from.
#[derive(Clone)]
pub struct Resolved {
    /// The values.
    pub matches: ArgMatches,
    /// The options that every mode has.
    pub common: Common,
    /// The mode's section of the file, with its structured keys.
    pub section: Option<Node>,
    /// Warnings about names that still work, to be logged once logging is up.
    pub warnings: Vec<String>,
    origins: HashMap<String, Origin>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag on the command line.
    Flag,
    /// An environment variable.
    Variable(String),
    /// The settings file, at this line.
    File(PathBuf, usize),
    /// The option's default.
    Default,
    /// Nowhere: the option is not set.
    Unset,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
            Self::Unset => f.write_str("not set"),
        }
    }
}

impl Resolved {
    /// Where the value of the option with this long name came from.
    pub fn origin(&self, long: &str) -> Origin {
        self.origins.get(long).cloned().unwrap_or(Origin::Unset)
    }

    /// The value of a structured key of the mode's section.
    pub fn document(&self, key: &str) -> Option<&Node> {
        self.section.as_ref().and_then(|section| section.field(key)).filter(|node| !node.is_null())
    }
}

/// Values that stand behind flags and variables, and where each was written.
#[derive(Default)]
struct Lowered(HashMap<String, (Vec<OsString>, Origin)>);

/// Resolves a mode's settings from its arguments, the environment and the settings file; `called` is the name that the
/// binary was called by, which may be another tool's, with its defaults.
///
/// # Errors
/// A usage fault (exit 2) for the command line; a configuration fault (exit 78) that lists every mistake of the
/// environment and of the file.
pub fn resolve(mode: &'static Mode, all: &[Mode], called: &str, given: &[OsString]) -> Result<Resolved, Fault> {
    let arguments = (mode.foreign.arguments)(given.to_vec());
    let schema = command_as(mode, called);
    let first = first_look(&schema, &arguments);
    let is_flag = |id: &str| first.as_ref().is_some_and(|m| m.value_source(id) == Some(ValueSource::CommandLine));

    let mut lowered = Lowered::default();
    let mut warnings = Vec::new();
    let mut section = None;
    let config = first.as_ref().and_then(|matches| matches.get_one::<PathBuf>("config").cloned());
    if let Some(path) = &config {
        let root = document::read(path)?;
        let mut mistakes = Mistakes::new(path.display());
        section = file::lower(mode, all, &schema, &root, path, &mut lowered, &mut mistakes);
        let mut environment = Mistakes::new("the environment");
        lower_environment(mode, &schema, &is_flag, &mut lowered, &mut warnings, &mut environment);
        both(mistakes, environment)?;
    } else {
        let mut environment = Mistakes::new("the environment");
        lower_environment(mode, &schema, &is_flag, &mut lowered, &mut warnings, &mut environment);
        environment.into_result()?;
    }

    let is_verb = first.as_ref().is_some_and(|matches| matches.subcommand_name().is_some());
    let arguments = if is_verb { arguments } else { [as_arguments(&schema, &lowered), arguments].concat() };
    let relaxed = relaxed(mode, schema.clone(), section.as_ref());
    let matches = relaxed.no_binary_name(true).try_get_matches_from(&arguments);
    let matches = matches.map_err(|error| Fault::usage(discreet(&schema, error)))?;
    let common = Common::from_arg_matches(&matches).map_err(Fault::bug)?;
    let origins = origins(&schema, &matches, &lowered);
    Ok(Resolved { matches, common, section, warnings, origins })
}

/// A value as it may be repeated to people: a refused one may hold a secret as well as a good one.
fn shown(arg: &Arg, value: &str) -> String {
    if arg.is_hide_env_values_set() { "(hidden)".to_owned() } else { redact_urls(value) }
}

/// The parser's error without the secrets that the refused value may hold.
fn discreet(schema: &Command, mut error: clap::Error) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let mut schema = schema.clone();
    schema.build(); // an argument can be shown only then
    if let (Some(name), Some(value)) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue))
        && let Some(arg) = schema.get_arguments().find(|arg| arg.to_string() == name)
    {
        error.insert(ContextKind::InvalidValue, ContextValue::String(shown(arg, &value)));
    }
    error
}

/// The options of a mode that stand among the arguments of one of its verbs, as they were given.
pub fn given(mode: &Mode, matches: &ArgMatches) -> Vec<OsString> {
    let mut given = Vec::new();
    for arg in command(mode).get_arguments() {
        let (Some(long), id) = (arg.get_long(), arg.get_id().as_str()) else { continue };
        let is_there = matches.try_contains_id(id).unwrap_or(false);
        if is_there && matches.value_source(id) == Some(ValueSource::CommandLine) {
            for value in matches.get_raw(id).into_iter().flatten() {
                let mut argument = OsString::from(format!("--{long}="));
                argument.push(value);
                given.push(argument);
            }
        }
    }
    given
}

/// The schema, without what the section need not have because its units have it.
fn relaxed(mode: &Mode, schema: Command, section: Option<&Node>) -> Command {
    let units = mode.documents.iter().find(|document| {
        document.units.is_some() && section.is_some_and(|section| section.field(document.key).is_some())
    });
    let required = units.and_then(|document| document.units.as_ref()).map_or(&[][..], |units| units.required);
    schema.mut_args(|arg| match arg.get_long() {
        Some(long) if required.contains(&long) => arg.required(false),
        _ => arg,
    })
}

/// What was lowered, as arguments in front of the given ones: to clap, a default is not there when it judges which options
/// need or exclude each other, and a file's value is.
fn as_arguments(schema: &Command, lowered: &Lowered) -> Vec<OsString> {
    let mut arguments = Vec::new();
    for arg in schema.get_arguments() {
        let (Some(long), Some((values, _))) = (arg.get_long(), lowered.0.get(arg.get_id().as_str())) else { continue };
        for value in values {
            let mut argument = OsString::from(format!("--{long}="));
            argument.push(value);
            arguments.push(argument);
        }
    }
    arguments
}

/// Parses leniently, to learn which flags are given and where the settings file is. The real parse judges.
fn first_look(schema: &Command, arguments: &[OsString]) -> Option<ArgMatches> {
    let lenient = schema.clone().mut_args(|arg| arg.required(false)).ignore_errors(true).no_binary_name(true);
    lenient.try_get_matches_from(arguments).ok()
}

/// Checks the variables that clap will read, lowers those that only a mode knows, and takes back what flags and variables
/// outweigh.
fn lower_environment(
    mode: &Mode,
    schema: &Command,
    is_flag: &dyn Fn(&str) -> bool,
    lowered: &mut Lowered,
    warnings: &mut Vec<String>,
    mistakes: &mut Mistakes,
) {
    for arg in schema.get_arguments() {
        let (Some(long), id) = (arg.get_long(), arg.get_id().as_str()) else { continue };
        if is_flag(id) {
            lowered.0.remove(id);
            continue;
        }
        let canonical = arg.get_env().map(|name| name.to_string_lossy().into_owned());
        let foreign = (mode.foreign.environment)(long);
        let said = |name: &String| std::env::var_os(name);
        let ours = canonical.iter().find_map(|name| Some((name, said(name)?)));
        // The tools that we stand in for take an empty variable for one that is not set.
        let theirs = || foreign.iter().find_map(|name| Some((name, said(name).filter(|value| !value.is_empty())?)));
        let set = ours.or_else(theirs);
        let Some((name, value)) = set else { continue };
        if let Err(reason) = trial::parse(arg, std::slice::from_ref(&value)) {
            let shown = shown(arg, &value.to_string_lossy());
            mistakes.add_unplaced(name, format!("{shown:?} is refused: {reason}"));
        } else if canonical.as_ref() == Some(name) {
            lowered.0.remove(id);
        } else {
            if let Some(canonical) = canonical.as_ref().filter(|_| foreign.last() != Some(name)) {
                warnings.push(format!("{name} is an old name; use {canonical}"));
            }
            lowered.0.insert(id.to_owned(), (vec![value], Origin::Variable(name.clone())));
        }
    }
}

/// One fault for the mistakes of the file and of the environment together.
fn both(file: Mistakes, environment: Mistakes) -> Result<(), Fault> {
    if file.is_empty() || environment.is_empty() {
        file.into_result()?;
        return environment.into_result();
    }
    Err(Fault::config(anyhow::anyhow!("{file}\n{environment}")))
}

fn origins(schema: &Command, matches: &ArgMatches, lowered: &Lowered) -> HashMap<String, Origin> {
    let mut origins = HashMap::new();
    for arg in schema.get_arguments() {
        let (Some(long), id) = (arg.get_long(), arg.get_id().as_str()) else { continue };
        let origin = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => lowered.0.get(id).map_or(Origin::Flag, |(_, origin)| origin.clone()),
            Some(ValueSource::EnvVariable) => {
                Origin::Variable(arg.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default())
            }
            Some(_) => Origin::Default,
            None => Origin::Unset,
        };
        origins.insert(long.to_owned(), origin);
    }
    origins
}

/// The place of a key of the settings file.
fn file_origin(path: &Path, node: &Node) -> Origin {
    Origin::File(path.to_owned(), node.at.line)
}
