//! `dump`: the next StatsD lines that a running adapter receives, each with what becomes of it; or a JVM's values, as
//! rules see them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use clap::{ArgMatches, Args, FromArgMatches};
use url::Url;

use super::{exporter_file, say};
use crate::adapt_metrics::jmx::{Address, JmxSettings, JmxSource, Target, TlsSettings, TlsUse};
use crate::core::fault::Fault;
use crate::core::http::client::{Client, Exchange};
use crate::core::mode::Verb;

/// Asks a running adapter for lines.
pub(super) const VERB: Verb = Verb {
    name: "dump",
    about: "Shows the next StatsD lines of a running adapter, or the values of a JVM, as the rules see them",
    arguments: Dump::augment_args,
    run: |_, matches| run(matches),
};

#[derive(Debug, Args)]
struct Dump {
    /// The adapter's HTTP address on this machine
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9102")]
    adapter: String,

    /// How many lines
    #[arg(long, value_name = "COUNT", default_value = "20")]
    count: u32,

    /// A JVM to be read instead: HOST:PORT, a service:jmx: URL, or local:PID
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["adapter", "count"])]
    jmx: Option<Address>,

    /// Rules file in the dialect of jmx_exporter that says which beans, and which JVM where --jmx does not
    #[arg(long, value_name = "FILE", conflicts_with_all = ["adapter", "count"])]
    rules_file: Option<PathBuf>,
}

fn run(matches: &ArgMatches) -> Result<(), Fault> {
    let dump = Dump::from_arg_matches(matches).map_err(Fault::bug)?;
    if dump.jmx.is_some() || dump.rules_file.is_some() {
        return beans(dump);
    }
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

/// How long a JVM may take.
const WHOLE: Duration = Duration::from_secs(30);

fn beans(dump: Dump) -> Result<(), Fault> {
    let file = exporter_file(dump.rules_file.as_deref())?;
    let target = match (dump.jmx, file.target) {
        (Some(address), Some(target)) => Target { address, ..target },
        (None, Some(target)) => target,
        (Some(address), None) => {
            Target { address, login: None, tls: TlsUse::AsAsked(TlsSettings::default()), rmi_port: None }
        }
        (None, None) => return Err(Fault::usage(anyhow!("the rules file names no JVM; --jmx does"))),
    };
    let mut source = JmxSource::new(JmxSettings { target, selection: file.selection, deadline: WHOLE });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Fault::failed)?;
    let lines = runtime.block_on(source.dump()).map_err(Fault::failed)?;
    say(lines.into_iter().map(|line| line + "\n").collect::<String>())
}
