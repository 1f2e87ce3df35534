//! What the adapter does besides running: judge rule files, explain a line, replay a capture, compare two rule files.
//!
//! All of it is offline but `dump`, which asks a running adapter. What is said goes to standard output, for pipes.

mod check;
mod diff;
mod dump;
mod explain;
mod offline;
mod replay;

use std::path::{Path, PathBuf};

use clap::Args;

pub use explain::told as explain_line;

use super::jmx::ExporterFile;
use super::naming::Naming;
use super::rules::Rules;
use super::run;
use crate::core::document::{self, Mistakes};
use crate::core::fault::Fault;
use crate::core::mode::Verb;
use crate::core::stdout::say;

/// The verbs of `patterns adapt-metrics`.
pub const ALL: &[Verb] = &[check::VERB, explain::VERB, replay::VERB, diff::VERB, dump::VERB];

/// By which rules a verb reads lines.
#[derive(Debug, Clone, Args)]
struct By {
    /// Mapping file in the dialect of statsd_exporter
    #[arg(long, value_name = "FILE")]
    statsd_mapping: Option<PathBuf>,

    /// How names are formed; without it: exact with a mapping file, else uniform
    #[arg(long, value_name = "NAMING", value_enum)]
    statsd_naming: Option<Naming>,
}

impl By {
    fn naming(&self) -> Naming {
        self.statsd_naming.unwrap_or(if self.statsd_mapping.is_some() { Naming::Exact } else { Naming::Uniform })
    }

    fn rules(&self) -> Result<Rules, Fault> {
        match &self.statsd_mapping {
            Some(path) => run::read_rules(path, self.naming(), 0),
            None => Ok(Rules::none(self.naming(), 0)),
        }
    }
}

/// A file of jmx_exporter; without one, what an empty one says.
fn exporter_file(path: Option<&Path>) -> Result<ExporterFile, Fault> {
    let origin = path.unwrap_or_else(|| Path::new("nothing"));
    let (mut mistakes, mut notes) = (Mistakes::new(origin.display()), Mistakes::new(origin.display()));
    let root = match path {
        Some(path) => document::read(path)?,
        None => document::parse("", &mut mistakes),
    };
    let environment = |name: &str| std::env::var(name).ok();
    let file = ExporterFile::read(&root, &environment, &mut mistakes, &mut notes);
    mistakes.into_result()?;
    Ok(file)
}
