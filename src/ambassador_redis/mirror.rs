//! A mirror: another server gets a copy of what clients send, and nobody waits for what it says.
//!
//! Requests come in from all threads; those that find no room in the queue are dropped and counted. Replies are read and forgotten. Not
//! mirrored: what is inside a transaction, what waits, and requests that are passed on in pieces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;

use super::command::Class;
use super::faults::parse_percent;
use super::resp::encode;
use super::shared::Shared;
use crate::core::backoff::Backoff;
use crate::core::fault::Fault;
use crate::core::values::{Endpoint, ValueError};

/// Requests, and bytes of them, that may wait for the mirror.
const QUEUE: usize = 8192;
const QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// Where to, and what.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Faults on purpose, and a mirror")]
pub struct MirrorSettings {
    /// A server that gets a copy of requests; nobody waits for it, and what it cannot take in time is dropped and counted. Transactions
    /// and what waits are not mirrored. It is one server, also for a Cluster: it gets what the application has sent
    #[arg(long, value_name = "HOST:PORT")]
    pub mirror: Option<Endpoint>,

    /// Which requests are mirrored
    #[arg(long, value_name = "WHAT", default_value = "writes", value_enum)]
    pub mirror_commands: Mirrored,

    /// Which part of them, from 0 to 100
    #[arg(long, value_name = "PERCENT", default_value = "100", value_parser = percent)]
    pub mirror_percent: f64,
}

/// What a mirror gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mirrored {
    /// What writes, or may write
    Writes,
    /// Reads, too
    All,
}

/// The way to the mirror, for the workers.
#[derive(Debug)]
pub struct Mirror {
    queue: Sender<Copy>,
    queued: Arc<AtomicUsize>,
    what: Mirrored,
    percent: f64,
    pub sent: AtomicU64,
    pub dropped: AtomicU64,
}

/// One request and its database.
#[derive(Debug)]
struct Copy {
    db: u32,
    request: Box<[u8]>,
}

/// The other end of the way.
pub struct Receiving {
    copies: Receiver<Copy>,
    queued: Arc<AtomicUsize>,
    address: Endpoint,
}

impl Mirror {
    /// Both ends, if the settings want a mirror.
    pub fn new(settings: &MirrorSettings) -> Option<(Mirror, Receiving)> {
        let address = settings.mirror.clone()?;
        let (queue, copies) = channel(QUEUE);
        let queued = Arc::new(AtomicUsize::new(0));
        let receiving = Receiving { copies, queued: queued.clone(), address };
        let (what, percent) = (settings.mirror_commands, settings.mirror_percent);
        Some((Mirror { queue, queued, what, percent, sent: AtomicU64::new(0), dropped: AtomicU64::new(0) }, receiving))
    }

    /// Whether requests of this class are mirrored.
    pub fn wants(&self, class: Class) -> bool {
        match class {
            _ if class.may_write() => true,
            Class::Read | Class::ReadScript | Class::PrimaryRead => self.what == Mirrored::All,
            _ => false,
        }
    }

    /// Whether a request belongs to the part that is mirrored, by a number from 0 up to 1.
    pub fn draws(&self, random: impl FnOnce() -> f64) -> bool {
        self.percent >= 100.0 || random() * 100.0 < self.percent
    }

    /// Copies a request, unless there is no room.
    pub fn push(&self, db: u32, request: &[u8]) {
        let has_room = self.queued.load(Relaxed) + request.len() <= QUEUE_BYTES;
        if has_room && self.queue.try_send(Copy { db, request: request.into() }).is_ok() {
            self.queued.fetch_add(request.len(), Relaxed);
            self.sent.fetch_add(1, Relaxed);
        } else {
            self.dropped.fetch_add(1, Relaxed);
        }
    }
}

impl Receiving {
    /// Sends copies until the process drains.
    pub async fn follow(mut self, shared: Arc<Shared>, drain: CancellationToken) -> Result<(), Fault> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        while !drain.is_cancelled() {
            let ended = drain.run_until_cancelled(self.send(&shared, &mut backoff)).await;
            if let Some(Err(why)) = ended {
                tracing::warn!(mirror = %self.address, %why, "the mirror cannot be reached; what finds no room is dropped");
            }
            drain.run_until_cancelled(tokio::time::sleep(backoff.next_pause())).await;
        }
        Ok(())
    }

    async fn send(&mut self, shared: &Shared, backoff: &mut Backoff) -> Result<(), String> {
        let mut transport = shared.dialer.dial(&self.address).await.map_err(|error| error.to_string())?;
        if let Some((user, password)) = shared.credentials().map_err(|error| format!("{error:#}"))? {
            let mut greeting = Vec::new();
            encode::command(&mut greeting, &[b"AUTH", user.as_bytes(), password.expose().as_bytes()]);
            transport.write_all(&greeting).await.map_err(|error| error.to_string())?;
            let mut answer = [0; 256];
            let read = transport.read(&mut answer).await.map_err(|error| error.to_string())?;
            if !answer[..read].starts_with(b"+") {
                return Err(format!("it refuses the credentials: {}", answer[..read].escape_ascii()));
            }
        }
        backoff.reset();
        let (mut reader, mut writer) = tokio::io::split(transport);
        let (mut db, mut out, mut ignored) = (0, Vec::new(), vec![0; 16 * 1024]);
        loop {
            tokio::select! {
                read = reader.read(&mut ignored) => match read {
                    Ok(0) => return Err("it closed the connection".to_owned()),
                    Ok(_) => {}
                    Err(error) => return Err(error.to_string()),
                },
                copy = self.copies.recv(), if out.is_empty() => {
                    // The senders live as long as the process.
                    let Some(copy) = copy else { return Ok(()) };
                    self.take(copy, &mut db, &mut out);
                    while out.len() < 64 * 1024 && let Ok(copy) = self.copies.try_recv() {
                        self.take(copy, &mut db, &mut out);
                    }
                }
                written = writer.write(&out), if !out.is_empty() => match written {
                    Ok(written) => drop(out.drain(..written)),
                    Err(error) => return Err(error.to_string()),
                },
            }
        }
    }

    fn take(&self, copy: Copy, db: &mut u32, out: &mut Vec<u8>) {
        self.queued.fetch_sub(copy.request.len(), Relaxed);
        if *db != copy.db {
            encode::command(out, &[b"SELECT", itoa::Buffer::new().format(copy.db).as_bytes()]);
            *db = copy.db;
        }
        out.extend_from_slice(&copy.request);
    }
}

fn percent(text: &str) -> Result<f64, ValueError> {
    parse_percent(text).ok_or_else(|| ValueError::new(format!("{text:?} is no number from 0 to 100")))
}
