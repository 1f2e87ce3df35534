//! The port: accepts clients, hands them to the workers in turn, and refuses those above the limit as Redis does.
//!
//! The main thread accepts for all workers: the kernel's own spreading (`SO_REUSEPORT`) is uneven with few clients.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::anyhow;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use super::worker;
use crate::core::fault::Fault;
use crate::core::lifecycle::Process;

/// The pause after a failed accept: the machine is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Starts the workers, and accepts for them until the process drains.
///
/// # Errors
/// A thread or the listener cannot be started.
pub fn start(
    process: &Process,
    listener: Option<std::net::TcpListener>,
    shared: &Arc<Shared>,
    max_clients: usize,
) -> Result<(), Fault> {
    let mut workers = Vec::new();
    for number in 0..shared.stats.len() {
        let (sockets, accepted) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let (shared, drain) = (shared.clone(), process.drain.clone());
        std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                // The receiver is gone only when the process is.
                let _ = end.send(worker::run(shared, number, accepted, drain));
            })
            .map_err(|error| Fault::failed(error).context("cannot start a worker thread"))?;
        process.tasks.spawn("worker", async move {
            match ended.await {
                Ok(run) => run.map_err(|error| Fault::failed(error).context("a worker cannot run")),
                Err(_) => Err(Fault::bug(anyhow!("a worker thread panicked"))),
            }
        });
        workers.push(sockets);
    }
    let Some(listener) = listener else { return Ok(()) };
    let listener = TcpListener::from_std(listener).map_err(Fault::failed)?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, workers = workers.len(), "listening");
    }
    process.tasks.spawn("listener", accept(listener, workers, shared.clone(), max_clients, process.drain.clone()));
    Ok(())
}

async fn accept(
    listener: TcpListener,
    workers: Vec<UnboundedSender<std::net::TcpStream>>,
    shared: Arc<Shared>,
    max_clients: usize,
    drain: CancellationToken,
) -> Result<(), Fault> {
    for number in (0..workers.len()).cycle() {
        let stream = loop {
            let accepted = tokio::select! {
                () = drain.cancelled() => return Ok(()),
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) if shared.sessions.load(Relaxed) < max_clients => break stream,
                Ok((stream, _)) => {
                    // As far as the socket takes it: the client is turned away in any case.
                    let _ = stream.try_write(b"-ERR max number of clients reached\r\n");
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        };
        // Small replies must not wait for acknowledgements; without it they are only later.
        let _ = socket2::SockRef::from(&stream.as_fd()).set_tcp_nodelay(true);
        let Ok(stream) = stream.into_std() else { continue };
        shared.sessions.fetch_add(1, Relaxed);
        if workers[number].send(stream).is_err() {
            return Err(Fault::failed(anyhow!("a worker has ended")));
        }
    }
    Ok(())
}
