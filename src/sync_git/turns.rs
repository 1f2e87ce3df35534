//! Turns: how many repositories of one process sync at the same time.
//!
//! In: a number. Out: a turn for whoever asks next; while it waits, its heartbeat goes on.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::cycle::BEAT;
use crate::core::health::Heartbeat;

/// The turns of one process.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Turns {
    /// So many at a time.
    pub(crate) fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// Waits for a turn, which lasts until it is dropped; `None` when the process ends first.
    pub(crate) async fn next(&self, heartbeat: &Heartbeat, drain: &CancellationToken) -> Option<OwnedSemaphorePermit> {
        loop {
            heartbeat.beat();
            tokio::select! {
                biased;
                () = drain.cancelled() => return None,
                // The semaphore is never closed.
                turn = self.0.clone().acquire_owned() => return turn.ok(),
                () = tokio::time::sleep(BEAT) => {}
            }
        }
    }
}
