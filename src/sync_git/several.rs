//! Several repositories in one process: each a sync of its own, with its own root, link, credentials, hooks and failures.
//!
//! ```text
//!  repositories:        ┌─ site: Cycle ─┐   a failure of one is its own: the others go on,
//!    site: {…}   ──────▶├─ docs: Cycle ─┼─▶ readiness waits for all and names who is missing
//!    docs: {…}          └─ conf: Cycle ─┘
//!                           └─ Turns: so many sync at the same time
//! ```
//!
//! In: the units of the settings file. Out: their cycles, run together; `POST /sync?repository=NAME` for each. Refused: two
//! that would write to one place.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::FromArgMatches;
use hyper::{Method, StatusCode};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::cycle::Cycle;
use super::settings::Settings;
use super::trigger::Trigger;
use crate::core::document::{Mistakes, Node};
use crate::core::fault::Fault;
use crate::core::http::{Access, Reply, Request, Routes};
use crate::core::lifecycle::Process;
use crate::core::mode::{Document, Invocation, Units};
use crate::core::secret::SecretFile;
use crate::core::settings::{Origin, check_units, units};

/// The key of the section that holds them.
pub(super) const DOCUMENT: Document = Document {
    key: "repositories",
    help: "Several repositories in one process: a mapping of names to settings, each with the keys of this section, whose \
        values stand behind them. A repository without a root of its own has the directory of its name in --root. A failure \
        of one is its own: unless --max-failures says otherwise, it is tried for ever",
    check: |node: &Node, path: &str, mistakes: &mut Mistakes| check_units(&super::MODE, node, path, mistakes),
    units: Some(Units {
        required: &["repo", "root"],
        whole: &["group-write", "one-time", "sync-concurrency", "http-pprof", "http-metrics", "verbose"],
    }),
};

/// The label of metrics and of log records.
pub(super) const LABEL: &str = "repository";

/// The settings of each repository, by name; nothing where the section is about one.
///
/// # Errors
/// What is wrong with one, and two that would write to one place.
pub(super) fn settings(invocation: &Invocation) -> Result<Vec<(String, Settings)>, Fault> {
    let units = units(invocation.mode, &invocation.resolved)?;
    let own = invocation.resolved.document(DOCUMENT.key);
    let mut all = Vec::with_capacity(units.len());
    for (name, resolved) in units {
        let mut settings = Settings::from_arg_matches(&resolved.matches).map_err(Fault::bug)?;
        let has_own_root = own.and_then(|own| own.field(&name)).is_some_and(|unit| unit.field("root").is_some());
        if !has_own_root {
            settings.target.root.push(&name);
        }
        if resolved.origin("max-failures") == Origin::Default && !settings.pace.one_time {
            settings.pace.max_failures = -1;
        }
        let settings = settings.checked().map_err(|fault| fault.context(format!("{}.{name}", DOCUMENT.key)))?;
        all.push((name, settings));
    }
    are_apart(&all)?;
    Ok(all)
}

/// Refuses roots within roots, and links and error files that two would write.
fn are_apart(all: &[(String, Settings)]) -> Result<(), Fault> {
    let mut taken: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for (name, settings) in all {
        let root = &settings.target.root;
        let places = [Some(root.clone()), Some(root.join(settings.link())), settings.target.marks().error];
        for place in places.into_iter().flatten() {
            match taken.insert(place.clone(), name) {
                Some(other) if other != name => {
                    let place = place.display();
                    return Err(Fault::config(anyhow!("the repositories {other} and {name} would both write {place}")));
                }
                _ => {}
            }
        }
    }
    for (name, settings) in all {
        let root = &settings.target.root;
        let inside = all.iter().find(|(other, its)| other != name && its.target.root.starts_with(root));
        if let Some((other, _)) = inside {
            return Err(Fault::config(anyhow!("the root of the repository {other} lies in that of {name}")));
        }
    }
    Ok(())
}

/// One repository that is ready to run.
pub(super) struct Member {
    pub name: String,
    pub cycle: Cycle,
    pub process: Process,
    pub token: Option<SecretFile>,
}

/// What a member's log records stand in.
pub(super) fn span(name: &str) -> tracing::Span {
    // An error's span, so that no filter takes the name away.
    tracing::error_span!("sync", repository = name)
}

/// Runs all members. With `--one-time` each runs to its end, and the first fault is told then; else a fault ends all.
///
/// # Errors
/// The first member's that gave up, with its name.
pub(super) async fn run(members: Vec<Member>) -> Result<(), Fault> {
    let mut first = Ok(());
    let mut running = JoinSet::new();
    let is_once = members.iter().any(|member| member.cycle.pace.one_time);
    for Member { name, cycle, process, .. } in members {
        let span = span(&name);
        let run =
            async move { cycle.run(process).await.map_err(|fault| fault.context(format!("the repository {name}"))) };
        running.spawn(run.instrument(span));
    }
    while let Some(ended) = running.join_next().await {
        let ended = ended.unwrap_or_else(|panic| Err(Fault::bug(anyhow!("{panic}"))));
        match ended {
            Err(fault) if !is_once => return Err(fault),
            ended => first = first.and(ended),
        }
    }
    first
}

/// `POST /sync?repository=NAME`, each with the token of that repository.
pub(super) fn serve(routes: &Routes, members: &[Member]) {
    let doors =
        members.iter().map(|member| (member.name.clone(), (member.cycle.trigger.clone(), member.token.clone())));
    let doors: std::sync::Arc<BTreeMap<String, (Trigger, Option<SecretFile>)>> = std::sync::Arc::new(doors.collect());
    let has_token = members.iter().any(|member| member.token.is_some());
    let access = if has_token { Access::Public } else { Access::Loopback };
    routes.route(Method::POST, "/sync", access, move |request: Request| {
        let doors = doors.clone();
        async move {
            let wanted = request.query.split('&').find_map(|word| word.strip_prefix("repository="));
            let Some((trigger, token)) = wanted.and_then(|name| doors.get(name)) else {
                let text = "say which: /sync?repository=NAME, with a name of the settings file\n";
                return Reply::text(StatusCode::NOT_FOUND, text);
            };
            if token.is_none() && !request.peer.to_canonical().is_loopback() {
                return Reply::text(StatusCode::FORBIDDEN, "without a token, only this machine may ask\n");
            }
            trigger.answer(&request, token.as_ref()).await
        }
    });
}
