//! One thread: it takes accepted sockets over, and ends when the process drains and every session is answered.
//!
//! Each thread has its own connections to the servers, so that a request never crosses threads.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::runtime::LocalOptions;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::deadlines::TICK;
use super::{Scratch, Worker};
use crate::ambassador_redis::cluster::Fleet;
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let crew = Crew::new(&shared, number);
        while let Some(Some(arrival)) = drain.run_until_cancelled(accepted.recv()).await {
            // What is plain needs no task before its session's.
            if arrival.is_plain() {
                take_over(&crew, &shared, arrival.open());
                continue;
            }
            let (crew, shared, drain) = (crew.clone(), shared.clone(), drain.clone());
            tokio::task::spawn_local(async move {
                let peer = arrival.peer;
                match drain.run_until_cancelled(arrival.admit()).await {
                    Some(admitted) => {
                        if let Err(refusal) = &admitted {
                            tracing::debug!(%peer, %refusal, "a client gets no session");
                        }
                        take_over(&crew, &shared, admitted);
                    }
                    None => drop(shared.sessions.fetch_sub(1, Relaxed)),
                }
            });
        }
        crew.drain();
        let deadline = tokio::time::Instant::now() + LET_GO;
        while !crew.is_empty() {
            tokio::time::sleep(TICK).await;
            if tokio::time::Instant::now() > deadline {
                crew.cut();
            }
        }
    });
    Ok(())
}

/// Who serves the clients of a thread.
#[derive(Clone)]
enum Crew {
    Set(Rc<Worker>),
    Shards(Rc<Fleet>),
}

impl Crew {
    fn new(shared: &Arc<Shared>, number: usize) -> Crew {
        match &shared.cluster {
            Some(cluster) => {
                let fleet = Fleet::new(cluster, shared, number);
                tokio::task::spawn_local(fleet.clone().live());
                Crew::Shards(fleet)
            }
            None => {
                let worker = Worker::new(shared.clone(), number, Scratch::new());
                worker.spawn(worker.clone().live());
                Crew::Set(worker)
            }
        }
    }

    fn adopt(&self, transport: Transport, peer: Peer) {
        match self {
            Crew::Set(worker) => worker.adopt(transport, peer),
            Crew::Shards(fleet) => fleet.adopt(transport, peer),
        }
    }

    fn drain(&self) {
        match self {
            Crew::Set(worker) => worker.drain(),
            Crew::Shards(fleet) => fleet.drain(),
        }
    }

    fn cut(&self) {
        match self {
            Crew::Set(worker) => worker.cut(),
            Crew::Shards(fleet) => fleet.cut(),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Crew::Set(worker) => worker.is_empty(),
            Crew::Shards(fleet) => fleet.is_empty(),
        }
    }
}

/// Begins a session, or counts why there is none.
fn take_over(crew: &Crew, shared: &Shared, admitted: Result<(Transport, Peer), Refusal>) {
    match admitted {
        Ok((transport, peer)) => crew.adopt(transport, peer),
        Err(refusal) => {
            shared.sessions.fetch_sub(1, Relaxed);
            shared.refused.add(refusal.label());
        }
    }
}
