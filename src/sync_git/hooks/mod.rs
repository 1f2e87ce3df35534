//! Notify: programs and URLs that hear of a publication.
//!
//! In: the events of the cycle. Out: one run per event at most, always of the newest; a failed one is tried again after its
//! backoff, until it succeeds or a newer event takes its place. Hooks never hold up a sync, but for the gate, which is asked
//! before the link turns. With `--one-time` each hook runs once, and its failure is the process' exit code.

mod exec;
mod web;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use git2::Oid;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub(crate) use self::exec::Exec;
pub(crate) use self::web::{Body, Web};
use super::changes::Changes;
use crate::core::metrics::{Counter, Registry};

/// A publication, as hooks are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Counts the events: a tree that was written again is another event than its first writing.
    pub serial: u64,
    /// The commit that was published before.
    pub before: Option<Oid>,
    pub commit: Oid,
    /// The ref that is followed.
    pub reference: String,
    /// The commit's tree.
    pub tree: PathBuf,
    /// The paths that differ between the two commits; nothing when that is not known: all may differ.
    pub changes: Option<ChangeList>,
}

/// The paths that differ, and the file that lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangeList {
    pub changes: Arc<Changes>,
    pub file: PathBuf,
}

/// Why a hook failed: its own fault, or that of what it calls.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    #[error("cannot start {0}: {1}")]
    Start(String, std::io::Error),
    #[error("{program} {how}{}", said(.output))]
    Failed { program: String, how: String, output: String },
    #[error("{0} took longer than {1:?} and was killed")]
    TimedOut(String, Duration),
    #[error(transparent)]
    Call(#[from] crate::core::http::client::ClientError),
    #[error("{0} answered {1}, not {2}")]
    Status(String, u16, u16),
    #[error("the hash cannot stand in a header")]
    Header,
}

fn said(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!(" and said: {output}") }
}

/// What a hook does.
#[derive(Clone)]
pub(crate) enum Action {
    Exec(Exec),
    Web(Web),
}

impl Action {
    /// Does it once, within its own timeout.
    ///
    /// # Errors
    /// See [`HookError`]; hooks must be idempotent, so a retry is safe.
    pub(crate) async fn run(&self, event: &Event) -> Result<(), HookError> {
        match self {
            Self::Exec(exec) => exec.run(event).await,
            Self::Web(web) => web.call(event).await,
        }
    }
}

/// Whether a failed hook is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    After(Duration),
    /// `--one-time`: the first result is the last.
    Never,
}

/// How the run for the newest event stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    Idle,
    /// By the event's serial number.
    Done(u64),
    Failed(u64),
}

/// One hook, in a task of its own.
#[derive(Clone)]
pub(crate) struct Hook {
    name: &'static str,
    events: watch::Sender<Option<Event>>,
    progress: watch::Receiver<Progress>,
}

impl Hook {
    /// Starts the hook's task; it ends with the drain.
    pub(crate) fn start(
        name: &'static str,
        action: Action,
        retry: Retry,
        registry: &Registry,
        drain: CancellationToken,
    ) -> Self {
        let (events, news) = watch::channel(None);
        let (report, progress) = watch::channel(Progress::Idle);
        let runs = Runs::new(name, registry);
        let work = work(name, action, retry, news, report, runs);
        let run = async move {
            tokio::select! {
                () = work => {}
                () = drain.cancelled() => {}
            }
        };
        // Where there are several repositories, its records name the one whose hook it is.
        tokio::spawn(run.in_current_span());
        Self { name, events, progress }
    }

    /// Tells the hook; an older event that has not been dealt with is forgotten.
    pub(crate) fn tell(&self, event: Event) {
        self.events.send_replace(Some(event));
    }

    /// Waits until the hook has run for the event that it was told last; answers whether it succeeded, or was told nothing.
    pub(crate) async fn settled(&self) -> bool {
        let Some(last) = self.events.borrow().as_ref().map(|event| event.serial) else { return true };
        let mut progress = self.progress.clone();
        let is_settled =
            |progress: &Progress| matches!(progress, Progress::Done(at) | Progress::Failed(at) if *at == last);
        let succeeded = match progress.wait_for(is_settled).await {
            Ok(progress) => matches!(*progress, Progress::Done(_)),
            // The task was cut by the drain.
            Err(_) => false,
        };
        tracing::debug!(hook = self.name, succeeded, "the hook has run");
        succeeded
    }
}

/// The counter of git-sync, by result.
pub(crate) struct Runs {
    success: Counter,
    error: Counter,
}

impl Runs {
    pub(crate) fn new(name: &'static str, registry: &Registry) -> Self {
        let help = "Hook runs, by hook and result.";
        let counter =
            |status| registry.counter("git_sync_hook_run_count_total", help, &[("name", name), ("status", status)]);
        Self { success: counter("success"), error: counter("error") }
    }

    pub(crate) fn count<T, E>(&self, result: &Result<T, E>) {
        if result.is_ok() { self.success.increment() } else { self.error.increment() }
    }
}

async fn work(
    name: &'static str,
    action: Action,
    retry: Retry,
    mut news: watch::Receiver<Option<Event>>,
    report: watch::Sender<Progress>,
    runs: Runs,
) {
    let mut done = None;
    while news.changed().await.is_ok() {
        loop {
            let event = news.borrow_and_update().clone();
            let Some(event) = event.filter(|event| done != Some(event.serial)) else { break };
            let result = action.run(&event).await;
            runs.count(&result);
            match result {
                Ok(()) => {
                    tracing::info!(hook = name, commit = %event.commit, "the hook has run");
                    done = Some(event.serial);
                    report.send_replace(Progress::Done(event.serial));
                    break;
                }
                Err(error) => {
                    tracing::warn!(hook = name, commit = %event.commit, %error, "the hook failed");
                    report.send_replace(Progress::Failed(event.serial));
                    match retry {
                        Retry::After(pause) => tokio::time::sleep(pause).await,
                        Retry::Never => break,
                    }
                }
            }
        }
    }
}
