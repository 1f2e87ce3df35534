//! The ambassador's part of the status page: the servers, their roles and how far they are behind.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::metrics::Page;
use super::shared::Shared;
use crate::core::http::Section;
use crate::core::lifecycle::Process;

/// Adds the sections to the page.
pub fn describe(process: &Process, shared: &Arc<Shared>) {
    let seen = shared.clone();
    process.http.status(move || servers(&seen));
    let seen = shared.clone();
    process.http.status(move || commands(&seen));
    let seen = shared.clone();
    process.http.status(move || {
        let facts = [
            ("clients", seen.sessions.load(Relaxed).to_string()),
            ("reads from", format!("{:?}", seen.policy.load().read_from)),
            ("consistency", format!("{:?}", seen.policy.load().consistency)),
            ("threads", seen.stats.len().to_string()),
        ];
        Section::facts("Traffic", facts)
    });
}

/// The commands that are sent most, and how long they take.
fn commands(shared: &Arc<Shared>) -> Section {
    let mut all = Page(shared.clone()).commands();
    all.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.count()));
    let shown = |seconds: f64| format!("{:.2} ms", seconds * 1e3);
    let rows = all
        .into_iter()
        .take(12)
        .map(|(name, sum)| vec![name, sum.count().to_string(), shown(sum.quantile(0.5)), shown(sum.quantile(0.99))]);
    Section::table("Commands", &["command", "requests", "half within", "99 % within"], rows.collect())
}

fn servers(shared: &Arc<Shared>) -> Section {
    let rows = shared.sets().iter().flat_map(|set| set_rows(set)).collect();
    Section::table("Servers", &["server", "role", "state", "offset", "behind", "version"], rows)
}

fn set_rows(set: &Shared) -> Vec<Vec<String>> {
    let topology = set.topology.borrow().clone();
    let mut rows = Vec::new();
    if let Err(why) = &topology.primary {
        rows.push(vec![
            "none".to_owned(),
            "primary".to_owned(),
            why.clone(),
            String::new(),
            String::new(),
            String::new(),
        ]);
    }
    for node in topology.primary.iter().chain(&topology.replicas) {
        let facts = node.facts();
        rows.push(vec![
            node.address.to_string(),
            facts.role.to_owned(),
            facts.state,
            facts.offset.to_string(),
            format!("{} bytes", facts.lag_bytes),
            facts.version,
        ]);
    }
    rows
}
