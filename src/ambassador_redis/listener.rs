//! Accepts clients, hands them to the workers in turn, and refuses those above the limit as Redis does.
//!
//! The main thread accepts for all workers: the kernel's own spreading (`SO_REUSEPORT`) is uneven with few clients.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::anyhow;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::downstream::{Arrival, Door, DoorSocket, Doors, Incoming, Peer};
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
pub fn start(process: &Process, doors: Doors, shared: &Arc<Shared>) -> Result<(), Fault> {
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
    let workers: Arc<[UnboundedSender<Arrival>]> = workers.into();
    let turn = Arc::new(AtomicUsize::new(0));
    for door in doors.0 {
        tracing::info!(address = door.shown(), tls = door.tls.is_some(), workers = workers.len(), "listening");
        let entry = Entry { workers: workers.clone(), turn: turn.clone(), shared: shared.clone() };
        process.tasks.spawn("listener", entry.accept(door, process.drain.clone()));
    }
    Ok(())
}

/// Where accepted clients go.
struct Entry {
    workers: Arc<[UnboundedSender<Arrival>]>,
    /// Which worker is next, over all doors.
    turn: Arc<AtomicUsize>,
    shared: Arc<Shared>,
}

impl Entry {
    async fn accept(self, door: Door, drain: CancellationToken) -> Result<(), Fault> {
        loop {
            let accepted = tokio::select! {
                () = drain.cancelled() => return Ok(()),
                accepted = accept(&door.socket) => accepted,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let arrival = door.arrival(socket, peer);
            if self.shared.sessions.load(Relaxed) >= self.shared.policy.load().max_clients {
                self.shared.refused.add("max_clients");
                // With TLS there are no words before the handshake.
                if arrival.tls.is_none() {
                    arrival.turn_away(b"-ERR max number of clients reached\r\n");
                }
                continue;
            }
            self.shared.sessions.fetch_add(1, Relaxed);
            let worker = self.turn.fetch_add(1, Relaxed) % self.workers.len();
            if self.workers[worker].send(arrival).is_err() {
                return Err(Fault::failed(anyhow!("a worker has ended")));
            }
        }
    }
}

async fn accept(socket: &DoorSocket) -> io::Result<(Incoming, Peer)> {
    match socket {
        DoorSocket::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            // Small replies must not wait for acknowledgements; without it they are only later.
            let _ = socket2::SockRef::from(&stream.as_fd()).set_tcp_nodelay(true);
            Ok((Incoming::Tcp(stream.into_std()?), Peer::Tcp(address)))
        }
        DoorSocket::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            Ok((Incoming::Unix(stream.into_std()?), Peer::Unix))
        }
    }
}
