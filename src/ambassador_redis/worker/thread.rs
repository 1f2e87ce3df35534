//! One thread: it takes accepted sockets over, and ends when the process drains and every session is answered.
//!
//! Each thread has its own connections to the servers, so that a request never crosses threads.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::deadlines::TICK;
use super::{Scratch, Worker};
use crate::ambassador_redis::downstream::{Arrival, Peer, Refusal};
use crate::ambassador_redis::shared::Shared;
use crate::ambassador_redis::transport::Transport;

/// How long a server may take to let those go who wait at it, when the process ends.
const LET_GO: Duration = Duration::from_secs(2);

/// Runs the thread with this number until the process drains.
///
/// # Errors
/// The thread's reactor cannot be made.
pub fn run(
    shared: Arc<Shared>,
    number: usize,
    mut accepted: UnboundedReceiver<Arrival>,
    drain: CancellationToken,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let worker = Worker::new(shared.clone(), number, Scratch::new());
        worker.spawn(worker.clone().live());
        while let Some(Some(arrival)) = drain.run_until_cancelled(accepted.recv()).await {
            // What is plain needs no task before its session's.
            if arrival.is_plain() {
                take_over(&worker, &shared, arrival.open());
                continue;
            }
            let (worker, shared, drain) = (worker.clone(), shared.clone(), drain.clone());
            tokio::task::spawn_local(async move {
                let peer = arrival.peer;
                match drain.run_until_cancelled(arrival.admit()).await {
                    Some(admitted) => {
                        if let Err(refusal) = &admitted {
                            tracing::debug!(%peer, %refusal, "a client gets no session");
                        }
                        take_over(&worker, &shared, admitted);
                    }
                    None => drop(shared.sessions.fetch_sub(1, Relaxed)),
                }
            });
        }
        worker.drain();
        let deadline = tokio::time::Instant::now() + LET_GO;
        while !worker.is_empty() {
            tokio::time::sleep(TICK).await;
            if tokio::time::Instant::now() > deadline {
                worker.cut();
            }
        }
    });
    Ok(())
}

/// Begins a session, or counts why there is none.
fn take_over(worker: &Rc<Worker>, shared: &Shared, admitted: Result<(Transport, Peer), Refusal>) {
    match admitted {
        Ok((transport, peer)) => worker.adopt(transport, peer),
        Err(refusal) => {
            shared.sessions.fetch_sub(1, Relaxed);
            shared.refused.add(refusal.label());
        }
    }
}
