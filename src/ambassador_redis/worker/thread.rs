//! One thread: it takes accepted sockets over, and ends when the process drains and every session is answered.
//!
//! Each thread has its own connections to the servers, so that a request never crosses threads.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::deadlines::TICK;
use super::{Scratch, Worker};
use crate::ambassador_redis::shared::Shared;
use crate::ambassador_redis::transport::Transport;

/// Runs the thread with this number until the process drains.
///
/// # Errors
/// The thread's reactor cannot be made.
pub fn run(
    shared: Arc<Shared>,
    number: usize,
    mut accepted: UnboundedReceiver<std::net::TcpStream>,
    drain: CancellationToken,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let worker = Worker::new(shared.clone(), number, Scratch::new());
        worker.spawn(worker.clone().live());
        while let Some(Some(socket)) = drain.run_until_cancelled(accepted.recv()).await {
            match TcpStream::from_std(socket) {
                Ok(stream) => worker.adopt(Transport::Tcp(stream)),
                Err(error) => {
                    shared.sessions.fetch_sub(1, Relaxed);
                    tracing::warn!(%error, "cannot take a client's socket over");
                }
            }
        }
        worker.drain();
        while !worker.is_empty() {
            tokio::time::sleep(TICK).await;
        }
    });
    Ok(())
}
