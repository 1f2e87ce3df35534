//! The budget of one sync: a deadline for all of it, and the process' wish to stop.
//!
//! In: the instant by which a sync must be over, and a token that the drain cancels. Out: `check`, which the blocking half
//! (export, sweep, repack) asks between two files, so that no sync outlives its deadline by more than one file. The half that
//! waits for the network races the same two events.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// How long one sync may still run, and whether it should stop at all.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    started: Instant,
    limit: Duration,
    stop: CancellationToken,
}

/// Why a sync was cut short. Nothing that it had begun was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Interrupted {
    /// The whole sync took longer than `--sync-timeout`.
    #[error("the sync took longer than its timeout of {0:?}")]
    Deadline(Duration),
    /// The process is going away.
    #[error("the process was asked to stop")]
    Stopping,
}

impl Budget {
    /// A budget of `limit`, counted from now, that `stop` ends at once.
    pub(crate) fn new(limit: Duration, stop: CancellationToken) -> Self {
        Self { started: Instant::now(), limit, stop }
    }

    /// # Errors
    /// When the deadline is over or the process wants to stop.
    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        if self.stop.is_cancelled() {
            return Err(Interrupted::Stopping);
        }
        if self.started.elapsed() >= self.limit {
            return Err(Interrupted::Deadline(self.limit));
        }
        Ok(())
    }

    /// Runs `work`, and gives it up when the budget is spent. Only for work that may be dropped at any await.
    ///
    /// # Errors
    /// When the deadline passes or the process wants to stop before `work` is done.
    pub(crate) async fn spend<T>(&self, work: impl Future<Output = T>) -> Result<T, Interrupted> {
        let ends = tokio::time::Instant::from_std(self.started + self.limit);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Interrupted::Stopping),
            done = work => Ok(done),
            () = tokio::time::sleep_until(ends) => Err(Interrupted::Deadline(self.limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_token_ends_the_budget() {
        let stop = CancellationToken::new();
        let budget = Budget::new(Duration::from_secs(60), stop.clone());
        assert_eq!(budget.check(), Ok(()));
        stop.cancel();
        assert_eq!(budget.check(), Err(Interrupted::Stopping));
    }

    #[tokio::test]
    async fn work_that_never_ends_is_cut_at_the_deadline() {
        let budget = Budget::new(Duration::from_millis(10), CancellationToken::new());
        let cut = budget.spend(std::future::pending::<()>()).await;
        assert_eq!(cut, Err(Interrupted::Deadline(Duration::from_millis(10))));
    }
}
