//! `diff OLD NEW --capture FILE`: which series change when one mapping file takes the place of another.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgMatches, Args, FromArgMatches};

use super::offline::{Offline, read_capture};
use super::say;
use crate::adapt_metrics::naming::Naming;
use crate::adapt_metrics::run::read_rules;
use crate::adapt_metrics::statsd::line::Grammar;
use crate::adapt_metrics::statsd::tags::Dialects;
use crate::core::fault::Fault;
use crate::core::mode::Verb;

/// Compares two mapping files.
pub(super) const VERB: Verb = Verb {
    name: "diff",
    about: "Says which series change between two mapping files, over captured StatsD lines",
    arguments: Diff::augment_args,
    run: |_, matches| run(matches),
};

#[derive(Debug, Args)]
struct Diff {
    /// The mapping file in force
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The mapping file to come
    #[arg(value_name = "NEW")]
    new: PathBuf,

    /// A file of StatsD lines, or - for standard input
    #[arg(long, value_name = "CAPTURE")]
    capture: PathBuf,
}

fn run(matches: &ArgMatches) -> Result<(), Fault> {
    let diff = Diff::from_arg_matches(matches).map_err(Fault::bug)?;
    let capture = read_capture(&diff.capture)?;
    let (old, new) = (series(&diff.old, &capture)?, series(&diff.new, &capture)?);
    let mut out = String::new();
    let mut same = 0;
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        match (old.get(name), new.get(name)) {
            (Some(before), Some(after)) if before == after => same += 1,
            (before, after) => {
                out.extend(before.map(|before| format!("- {name} {before}\n")));
                out.extend(after.map(|after| format!("+ {name} {after}\n")));
            }
        }
    }
    say(format!("{out}{same} series are the same\n"))
}

/// The page's series with their types and values, by name and labels.
fn series(path: &std::path::Path, capture: &[u8]) -> Result<BTreeMap<String, String>, Fault> {
    let grammar = Grammar { tags: Dialects::ALL, sets_and_packed_numbers: false };
    let mut offline = Offline::new(read_rules(path, Naming::Exact, 0)?, grammar);
    offline.feed(capture);
    let page = String::from_utf8_lossy(&offline.page()).into_owned();
    let mut kind = String::new();
    let mut series = BTreeMap::new();
    for line in page.lines() {
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            kind = typed.rsplit(' ').next().unwrap_or_default().to_owned();
        } else if let Some((name, value)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) {
            series.insert(name.to_owned(), format!("{value} ({kind})"));
        }
    }
    Ok(series)
}
