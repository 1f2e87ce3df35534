//! The settings while a mode runs: read again at SIGHUP and when their file has a new content.
//!
//! A mistake leaves the last good settings in force. What the mode cannot take in while it runs is named in the log, so
//! that nobody waits for it: it is in force at the next start.

use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::core::log;
use crate::core::metrics::{Counter, Registry};
use crate::core::mode::Invocation;
use crate::core::reload::FileWatch;
use crate::core::settings;

/// The settings in force, and what has become of the attempts to replace them.
pub(super) struct Reloading {
    in_force: watch::Sender<Invocation>,
    log: log::Handle,
    done: Counter,
    refused: Counter,
}

impl Reloading {
    pub(super) fn new(in_force: watch::Sender<Invocation>, log: log::Handle, metrics: &Registry) -> Self {
        let counter = |result| {
            let help = "Reloads of the settings, by SIGHUP or by a change of the settings file.";
            metrics.counter("patterns_settings_reloads_total", help, &[("result", result)])
        };
        Self { in_force, log, done: counter("done"), refused: counter("refused") }
    }

    /// Reads the settings whenever there is a reason to, until it is dropped.
    pub(super) async fn follow(self, mut hangup: Signal, mut file: Option<FileWatch>) {
        loop {
            let changed = async {
                match &mut file {
                    Some(file) => file.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = hangup.recv() => info!("reloading: SIGHUP"),
                () = changed => info!("reloading: the settings file has changed"),
            }
            self.read_again();
        }
    }

    fn read_again(&self) {
        let before = self.in_force.borrow().clone();
        let now = match before.again() {
            Ok(now) => now,
            Err(fault) => {
                self.refused.increment();
                error!(error = fault.one_line(), "not reloaded: the last good settings stay in force");
                return;
            }
        };
        let changed = settings::differing(now.mode, &now.resolved, &before.resolved);
        let (live, waiting): (Vec<String>, Vec<String>) = changed.into_iter().partition(|key| now.mode.is_live(key));
        let filter = &now.resolved.common.log;
        if *filter != before.resolved.common.log
            && let Err(error) = self.log.apply(filter)
        {
            error!(%error, "the log filter stays as it was");
        }
        self.in_force.send_replace(now);
        self.done.increment();
        info!(changed = live.join(", "), "reloaded");
        if !waiting.is_empty() {
            warn!(settings = waiting.join(", "), "these changes wait for the next start");
        }
    }
}
