//! `patterns ambassador-redis explain`: where a command would go, and why.
//!
//! Without servers the built-in table and the policy answer; with them they are asked once for their roles, their offsets and their
//! commands, as the running ambassador asks them. The command itself is not sent.

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use clap::{Args, FromArgMatches};

use crate::core::fault::Fault;
use crate::core::health::Health;
use crate::core::mode::Verb;
use crate::core::stdout::say;

use super::command::{Class, Table, classify};
use super::consistency::Consistency;
use super::dial::Dialer;
use super::prepare;
use super::resp::encode;
use super::resp::request::{Client, Limits, Scanner, Step};
use super::route::ReadFrom;
use super::settings::Settings;
use super::shared::Shared;

pub const VERB: Verb = Verb {
    name: "explain",
    about: "Tells where a command would go, and why",
    arguments: |command| {
        Explain::augment_args(command).mut_arg("primary", |primary| primary.required_unless_present("words"))
    },
    run: |matches| run(&Explain::from_arg_matches(matches).map_err(Fault::bug)?),
};

#[derive(Debug, Args)]
struct Explain {
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,

    #[command(flatten)]
    settings: Settings,
}

fn run(explain: &Explain) -> Result<(), Fault> {
    let settings = &explain.settings;
    let has_servers = settings.primary.is_some() || !settings.upstream.is_empty() || !settings.sentinel.is_empty();
    let words: Vec<Vec<u8>> = explain.words.iter().cloned().map(OsString::into_vec).collect();
    if !has_servers {
        return say(offline(&words, settings, &Table::with_policy(&settings.deny)));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Fault::failed)?;
    runtime.block_on(async {
        let (shared, mut prober) = prepare(settings, Dialer::new(&settings.dial)?, None, None)?;
        prober.round(&Health::default().condition("primary")).await;
        let mut text = offline(&words, settings, &shared.table.load());
        text += &live(&words, settings, &shared);
        say(&text)
    })
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
    let mut bytes = Vec::new();
    encode::command(&mut bytes, &words.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let limits = Limits { bulk: i64::MAX >> 1, client: Client::Known };
    let Ok(Step::Request(frame)) = Scanner::default().step(&bytes, limits) else { return None };
    let entry = classify(table, &bytes, &frame);
    Some((entry.class, entry.number != 0, entry.denied))
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
