//! `dump`: the next StatsD lines that a running adapter receives, each with what becomes of it.

use std::time::Duration;

use anyhow::anyhow;
use clap::{ArgMatches, Args, FromArgMatches};
use url::Url;

use super::say;
use crate::core::fault::Fault;
use crate::core::http::client::{Client, Exchange};
use crate::core::mode::Verb;

/// Asks a running adapter for lines.
pub(super) const VERB: Verb = Verb {
    name: "dump",
    about: "Shows the next StatsD lines that a running adapter receives, as its rules see them",
    arguments: Dump::augment_args,
    run,
};

#[derive(Debug, Args)]
struct Dump {
    /// The adapter's HTTP address on this machine
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9102")]
    adapter: String,

    /// How many lines
    #[arg(long, value_name = "COUNT", default_value = "20")]
    count: u32,
}

fn run(matches: &ArgMatches) -> Result<(), Fault> {
    let dump = Dump::from_arg_matches(matches).map_err(Fault::bug)?;
    let url = format!("http://{}/lines?count={}", dump.adapter, dump.count);
    let url = Url::parse(&url).map_err(|error| Fault::usage(anyhow!(error).context(format!("{url} is no URL"))))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Fault::failed)?;
    let exchange = Exchange::get(url, Duration::from_secs(30), 16 << 20);
    let answered = runtime
        .block_on(Client::default().send(exchange))
        .map_err(|error| Fault::failed(error).hint("is the adapter running? --adapter names its --http-bind"))?;
    if !answered.status.is_success() {
        return Err(Fault::failed(anyhow!(
            "the adapter answered {}: {}",
            answered.status,
            String::from_utf8_lossy(&answered.body)
        )));
    }
    say(&answered.body)
}
