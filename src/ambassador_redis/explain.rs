//! `patterns ambassador-redis explain`: where a command would go, and why.
//!
//! The options, the environment and the settings file count as for the ambassador itself. Without servers the built-in table and the
//! policy answer; with them they are asked once for their roles, their offsets and their commands, and those of a Cluster for its slots,
//! as the running ambassador asks them. The command itself is not sent.

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::Resettable;
use clap::{Args, FromArgMatches};
use tokio_util::sync::CancellationToken;

use crate::core::fault::Fault;
use crate::core::health::Health;
use crate::core::mode::{Mode, Verb};
use crate::core::stdout::say;

use super::cluster::{Discovery, Way};
use super::command::{Class, Table, classify};
use super::consistency::Consistency;
use super::dial::Dialer;
use super::prepare;
use super::resp::encode;
use super::resp::request::{Client, Frame, Limits, Scanner, Step};
use super::route::ReadFrom;
use super::settings::Settings;
use super::shared::Shared;

pub const VERB: Verb = Verb {
    name: "explain",
    about: "Tells where a command would go, and why",
    arguments: |command| {
        Explain::augment_args(command).mut_arg("primary", |primary| primary.required_unless_present("words"))
    },
    run: |invocation, matches| {
        let explain = Explain::from_arg_matches(matches).map_err(Fault::bug)?;
        run(&explain.words, &invocation.of_verb(&SERVERLESS, matches)?.settings()?)
    },
};

/// The ambassador as it is explained: it need not have servers.
static SERVERLESS: Mode = Mode {
    arguments: |command| {
        Settings::augment_args(command).mut_arg("primary", |primary| primary.required_unless_present(Resettable::Reset))
    },
    ..super::MODE
};

#[derive(Debug, Args)]
struct Explain {
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,

    /// Settings file (YAML), as for the ambassador itself
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,
}

fn run(words: &[OsString], settings: &Settings) -> Result<(), Fault> {
    let has_servers = settings.primary.is_some() || !settings.upstream.is_empty() || !settings.sentinel.is_empty();
    let words: Vec<Vec<u8>> = words.iter().cloned().map(OsString::into_vec).collect();
    if !has_servers && settings.cluster.is_empty() {
        return say(offline(&words, settings, &Table::with_policy(&settings.deny)));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Fault::failed)?;
    runtime.block_on(async {
        if !settings.cluster.is_empty() {
            return say(over_cluster(&words, settings).await?);
        }
        let (shared, mut prober) = prepare(settings, Dialer::new(&settings.dial)?, None, None)?;
        prober.round(&Health::default().condition("primary")).await;
        let mut text = offline(&words, settings, &shared.table.load());
        text += &live(&words, settings, &shared);
        say(&text)
    })
}

/// What the slots say, and then the servers of each shard that would be asked.
async fn over_cluster(words: &[Vec<u8>], settings: &Settings) -> Result<String, Fault> {
    let shared = super::prepare_cluster(settings, Dialer::new(&settings.dial)?, None, None)?;
    let Some(cluster) = &shared.cluster else { return Ok(String::new()) };
    let drain = CancellationToken::new();
    Discovery::new(cluster, &shared, settings, &drain).survey().await;
    let Some((bytes, frame)) = request(words) else { return Ok(offline(words, settings, &shared.table.load())) };
    let Way { text: way, sets } = cluster.way(&shared.table.load(), &bytes, &frame);
    // A shard's table knows what its replicas must not answer.
    let table = sets.first().map_or_else(|| shared.table.load_full(), |(_, set)| set.table.load_full());
    let mut text = offline(words, settings, &table);
    if classify(&table, &bytes, &frame).denied {
        return Ok(text);
    }
    text += &way;
    if let Some(why) = cluster.why_unknown() {
        let _ = writeln!(text, "  the Cluster is not known: {why}");
    }
    for (called, set) in sets {
        let _ = writeln!(text, "{called}:");
        text += &live(words, settings, &set);
    }
    Ok(text)
}

/// What the table and the policy say.
fn offline(words: &[Vec<u8>], settings: &Settings, table: &Table) -> String {
    let name = String::from_utf8_lossy(&words[0]).to_ascii_uppercase();
    let Some((class, is_known, denied)) = class(words, table) else {
        return format!("{name}: no request can be made of these words\n");
    };
    if denied {
        return format!("{name} is refused: --deny names it\n");
    }
    let mut text = format!(
        "{name} {}{}\n",
        meaning(class),
        if is_known { "" } else { " (no such command is known: it is taken for a write)" }
    );
    let target = match (class, settings.read_from, settings.consistency) {
        (Class::Read | Class::ReadScript, ReadFrom::Primary, _) => "the primary: --read-from primary",
        (Class::Read | Class::ReadScript, _, Consistency::Primary) => "the primary: --consistency primary",
        (Class::Read | Class::ReadScript, ReadFrom::PreferPrimary, _) => {
            "the primary; a replica while it cannot be reached: --read-from prefer-primary"
        }
        (Class::Read | Class::ReadScript, ReadFrom::Replica, _) => "a replica, else an error: --read-from replica",
        (Class::Read | Class::ReadScript, ..) => "a replica that is in step, else the primary",
        (class, ..) if class.label() == "session" => {
            "nowhere, or where the session's next request goes: the ambassador keeps what the session has chosen"
        }
        (Class::CrossProtocol, ..) => "nowhere: the connection is closed, as Redis closes it",
        _ => "the primary",
    };
    let _ = writeln!(text, "  goes to {target}");
    if matches!(class, Class::Read | Class::ReadScript) {
        let proof = match settings.consistency {
            Consistency::Proxy => "has reached what this ambassador's clients were told (--consistency proxy)",
            Consistency::Session => "has reached what its own connection was told (--consistency session)",
            Consistency::Eventual => "trails by no more than --max-replica-lag (--consistency eventual)",
            Consistency::Primary => "",
        };
        if !proof.is_empty() {
            let _ = writeln!(text, "  if that {proof}");
        }
    }
    text
}

/// What the servers say now.
fn live(words: &[Vec<u8>], settings: &Settings, shared: &Arc<Shared>) -> String {
    let mut text = String::new();
    let topology = shared.topology.borrow().clone();
    let mut candidates = Vec::new();
    match &topology.primary {
        Ok(primary) => {
            let facts = primary.facts();
            let _ = writeln!(text, "  primary {}: {}, version {}", primary.address, facts.state, facts.version);
        }
        Err(why) => {
            let _ = writeln!(text, "  no primary: {why}");
        }
    }
    for replica in &topology.replicas {
        let facts = replica.facts();
        let _ = writeln!(text, "  replica {}: {}, {} bytes behind", replica.address, facts.state, facts.lag_bytes);
        if facts.state == "in use" {
            candidates.push(replica.address.to_string());
        }
    }
    let reads = matches!(class(words, &shared.table.load()), Some((Class::Read | Class::ReadScript, _, false)));
    let replicas_may = !matches!(settings.read_from, ReadFrom::Primary | ReadFrom::PreferPrimary)
        && settings.consistency != Consistency::Primary;
    let now = match &topology.primary {
        _ if reads && replicas_may && !candidates.is_empty() => candidates.join(" or "),
        Ok(primary) => primary.address.to_string(),
        Err(_) => "nobody; it would wait for --failover-hold, then fail".to_owned(),
    };
    let _ = writeln!(text, "now: {now}");
    text
}

/// The class of a command, whether it is known, and whether it is denied.
fn class(words: &[Vec<u8>], table: &Table) -> Option<(Class, bool, bool)> {
    let (bytes, frame) = request(words)?;
    let entry = classify(table, &bytes, &frame);
    Some((entry.class, entry.number != 0, entry.denied))
}

/// The words as a request.
fn request(words: &[Vec<u8>]) -> Option<(Vec<u8>, Frame)> {
    let mut bytes = Vec::new();
    encode::command(&mut bytes, &words.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let limits = Limits { bulk: i64::MAX >> 1, client: Client::Known };
    match Scanner::default().step(&bytes, limits) {
        Ok(Step::Request(frame)) => Some((bytes, frame)),
        _ => None,
    }
}

fn meaning(class: Class) -> &'static str {
    match class {
        Class::Read => "only reads, and any server in step gives the same answer",
        Class::ReadScript => "is a script that only reads; a replica that lacks the script is not asked again",
        Class::PrimaryRead => "only reads, but what it tells (cursors, clocks, encodings, counts) is a server's own",
        Class::Write => "writes, or may write",
        Class::Script => "is a script, which may write",
        Class::Settings => "reads or changes the server's own settings",
        Class::Blocking => "may wait for something; it has a connection of its own meanwhile",
        Class::Wait => "waits for the replicas, on a connection of its own",
        Class::Control => "must overtake what it is about; it has a connection of its own",
        Class::Stateful => "concerns its connection, so that the session gets one of its own",
        Class::Stream => "turns its connection into a stream; the session gets one of its own",
        Class::Replication => "is the language of replicas; it has a connection of its own",
        Class::Multi | Class::Exec | Class::Discard | Class::Watch | Class::Unwatch => {
            "belongs to a transaction, which has a connection of its own"
        }
        Class::Select
        | Class::Hello
        | Class::Auth
        | Class::Quit
        | Class::Reset
        | Class::ClientName
        | Class::ClientInfo => "concerns the session only",
        Class::Neutral | Class::Info => "neither reads nor writes data",
        Class::CrossProtocol => "is no Redis command but another protocol's greeting",
    }
}
