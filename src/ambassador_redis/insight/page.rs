//! Where it is shown: sections of the status page for everybody, and `/debug/slowlog` and `/debug/hotkeys`, with keys and arguments, for
//! this machine only.

use std::sync::Arc;
use std::time::SystemTime;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::ambassador_redis::shared::Shared;
use crate::core::http::{Access, Reply, Section};
use crate::core::lifecycle::Process;

use super::keys::KeyStats;

/// Slow requests on the status page.
const SHOWN: usize = 10;

/// Adds the sections and the paths.
pub fn serve(process: &Process, shared: &Arc<Shared>) {
    let seen = shared.clone();
    process.http.status(move || slow_section(&seen));
    let seen = shared.clone();
    process.http.status(move || keys_section(&seen));
    for (path, show) in [("/debug/slowlog", slowlog as fn(&Shared) -> Value), ("/debug/hotkeys", hotkeys)] {
        let seen = shared.clone();
        process.http.route(Method::GET, path, Access::Loopback, move |_| {
            let text = format!("{:#}\n", show(&seen));
            std::future::ready(Reply::new(StatusCode::OK, "application/json", text))
        });
    }
}

fn slow_section(shared: &Shared) -> Section {
    let (count, last) = shared.slowlog.last();
    let rows = last.iter().take(SHOWN).map(|slow| {
        let name = slow.arguments.first().cloned().unwrap_or_default();
        let more = if slow.requests > 1 { format!("{name} and {} more", slow.requests - 1) } else { name };
        let ago = slow.at.elapsed().map(|ago| format!("{} s ago", ago.as_secs())).unwrap_or_default();
        vec![ago, format!("{:.1} ms", slow.took.as_secs_f64() * 1e3), more, slow.node.clone(), slow.peer.to_string()]
    });
    let columns = ["when", "took", "requests", "server", "client"];
    Section::table(format!("Slow requests ({count} so far; arguments: /debug/slowlog)"), &columns, rows.collect())
}

fn keys_section(shared: &Shared) -> Section {
    let keys = all_keys(shared);
    let hottest = keys
        .hottest()
        .first()
        .map_or("none".to_owned(), |(_, share)| format!("{:.1} % of the requests", share * 100.0));
    let largest = keys.largest().first().map_or("none".to_owned(), |(.., bytes)| format!("{bytes} bytes"));
    Section::facts("Keys (names: /debug/hotkeys)", [("the hottest", hottest), ("the largest value", largest)])
}

fn slowlog(shared: &Shared) -> Value {
    let (count, last) = shared.slowlog.last();
    let entries: Vec<Value> = last
        .iter()
        .map(|slow| {
            json!({
                "unix_seconds": slow.at.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |at| at.as_secs_f64()),
                "took_seconds": slow.took.as_secs_f64(),
                "requests": slow.requests,
                "arguments": slow.arguments,
                "server": slow.node,
                "client": slow.peer.to_string(),
                "session": slow.session,
            })
        })
        .collect();
    json!({ "count": count, "last": entries })
}

fn hotkeys(shared: &Shared) -> Value {
    let keys = all_keys(shared);
    let table = shared.table.load();
    let name = |number: u16| table.names().get(usize::from(number)).cloned().unwrap_or_default();
    let hot: Vec<Value> = keys
        .hottest()
        .into_iter()
        .map(|(key, share)| json!({ "key": key.escape_ascii().to_string(), "share": share }))
        .collect();
    let large: Vec<Value> = keys
        .largest()
        .into_iter()
        .map(|(key, command, bytes)| {
            json!({ "key": key.escape_ascii().to_string(), "command": name(command), "bytes": bytes })
        })
        .collect();
    json!({ "samples": keys.samples(), "hot": hot, "large": large })
}

fn all_keys(shared: &Shared) -> KeyStats {
    let mut all = KeyStats::default();
    shared.stats.iter().for_each(|stats| all.merge(&stats.keys()));
    all
}
