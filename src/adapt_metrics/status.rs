//! What a person on call wants to see first: what comes in, what is refused and how it looks, and how each source does.

use std::sync::Arc;

use super::metrics::Telemetry;
use super::source::Runner;
use crate::core::http::Section;
use crate::core::lifecycle::Process;

/// How many names without a rule are shown.
const UNMAPPED: usize = 20;

/// Adds the sections to the status page.
pub fn describe(process: &Process, telemetry: &Arc<Telemetry>, runners: &[Arc<Runner>]) {
    let all = telemetry.clone();
    process.http.status(move || {
        let (series, families) = {
            let table = all.hub.table();
            (table.len(), table.families())
        };
        let rules = all.hub.rules();
        let facts = [("families", families), ("series", series), ("rules", rules.list().len())];
        Section::facts("Page", facts.map(|(name, value)| (name, value.to_string())))
    });
    if !telemetry.receivers.is_empty() {
        let all = telemetry.clone();
        process.http.status(move || receivers(&all));
        let all = telemetry.clone();
        process.http.status(move || refused(&all));
        let all = telemetry.clone();
        process.http.status(move || unmapped(&all));
    }
    if !runners.is_empty() {
        let runners = runners.to_vec();
        process.http.status(move || sources(&runners));
    }
}

fn receivers(telemetry: &Telemetry) -> Section {
    let row = |receiver: &super::metrics::Receiver| {
        let tally = receiver.desk.tally();
        let refused: u64 = tally.refused.values().map(|(count, _)| count).sum();
        let counts = [tally.packets, tally.lines, tally.samples, refused];
        std::iter::once(receiver.desk.name.to_owned()).chain(counts.map(|count| count.to_string())).collect()
    };
    let rows = telemetry.receivers.iter().map(row).collect();
    Section::table("Receivers", &["receiver", "packets", "lines", "samples", "refused"], rows)
}

fn refused(telemetry: &Telemetry) -> Section {
    let mut rows = Vec::new();
    for receiver in &telemetry.receivers {
        let tally = receiver.desk.tally();
        for (reason, (count, example)) in tally.refused {
            rows.push(vec![reason.name().to_owned(), count.to_string(), example]);
        }
        for ((kind, name), count) in tally.conflicts {
            rows.push(vec![
                "conflict".to_owned(),
                count.to_string(),
                format!("{name}, sent as a {kind}, is of another type"),
            ]);
        }
        for (name, count) in tally.over_limit {
            rows.push(vec!["over a limit of series".to_owned(), count.to_string(), name]);
        }
    }
    Section::table("Refused samples", &["reason", "count", "last example"], rows)
}

/// Names without a rule matter only where there are rules.
fn unmapped(telemetry: &Telemetry) -> Section {
    let mut rows = Vec::new();
    if !telemetry.hub.rules().list().is_empty() {
        for receiver in &telemetry.receivers {
            rows.extend(receiver.desk.tally().unmapped_names.into_keys().take(UNMAPPED).map(|name| vec![name]));
        }
    }
    Section::table("Names that no rule matches", &["name"], rows)
}

fn sources(runners: &[Arc<Runner>]) -> Section {
    let row = |runner: &Arc<Runner>| {
        let state = runner.state();
        let good = state.good.map_or_else(|| "never".to_owned(), |good| format!("{:.0?} ago", good.elapsed()));
        let trouble = state.error.or(state.example).unwrap_or_default();
        vec![runner.definition().name.clone(), good, state.series.to_string(), format!("{:.1?}", state.took), trouble]
    };
    Section::table(
        "Sources",
        &["source", "last good poll", "series", "took", "trouble"],
        runners.iter().map(row).collect(),
    )
}
