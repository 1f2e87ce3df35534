//! `replay CAPTURE`: the page that captured lines would give, without a socket.

use std::path::PathBuf;

use clap::{ArgMatches, Args, FromArgMatches};

use super::offline::{Offline, grammar, read_capture};
use super::{By, say};
use crate::core::fault::Fault;
use crate::core::mode::Verb;

/// Replays a capture.
pub(super) const VERB: Verb = Verb {
    name: "replay",
    about: "Reads captured StatsD lines and prints the page that they give",
    arguments: Replay::augment_args,
    run: |_, matches| run(matches),
};

#[derive(Debug, Args)]
struct Replay {
    /// A file of StatsD lines, or - for standard input
    #[arg(value_name = "CAPTURE")]
    capture: PathBuf,

    #[command(flatten)]
    by: By,
}

fn run(matches: &ArgMatches) -> Result<(), Fault> {
    let replay = Replay::from_arg_matches(matches).map_err(Fault::bug)?;
    let mut offline = Offline::new(replay.by.rules()?, grammar(&replay.by));
    offline.feed(&read_capture(&replay.capture)?);
    let mut out = offline.page();
    for (reason, (count, example)) in &offline.intake.tally.refused {
        out.extend_from_slice(format!("# refused {count}: {} ({example:?})\n", reason.name()).as_bytes());
    }
    say(out)
}
