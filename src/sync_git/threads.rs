//! Threads that store a pack, and outlive the future that gave them its bytes.
//!
//! In: the visitor that such a thread owns until its end. Out: a wait for that end. A sync that is cut short drops the future;
//! the thread notices at its next byte and removes its unfinished files, but a process that ended before would leave them, and
//! a draft that is removed meanwhile would get another file.

use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::pack::{Object, Visitor};

/// Those of one repository.
#[derive(Clone, Debug, Default)]
pub(crate) struct Threads(TaskTracker);

impl Threads {
    /// Marks the thread that gets this visitor.
    pub(crate) fn mark<V: Visitor>(&self, visitor: V) -> Marked<V> {
        Marked { visitor, _alive: self.0.token() }
    }

    /// Waits until none of them runs. Cancel safe.
    pub(crate) async fn ended(&self) {
        self.0.close(); // only so that an empty tracker ends the wait
        self.0.wait().await;
    }
}

/// A visitor whose end is noticed.
pub(crate) struct Marked<V> {
    pub visitor: V,
    _alive: TaskTrackerToken,
}

impl<V: Visitor> Visitor for Marked<V> {
    fn object(&mut self, object: &Object<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.visitor.object(object)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn the_wait_ends_with_the_last_thread() {
        let threads = Threads::default();
        threads.ended().await;
        let (go, gone) = mpsc::channel::<()>();
        let visitor = threads.mark(());
        tokio::task::spawn_blocking(move || {
            let _ = gone.recv();
            drop(visitor);
        });
        tokio::select! {
            biased;
            () = threads.ended() => panic!("it still runs"),
            () = std::future::ready(()) => {}
        }
        drop(go);
        threads.ended().await;
    }
}
