//! The async end of a pack that is stored on a thread of its own.
//!
//! In: bytes, as a remote delivers them. Out: what the thread made of them. The channel between is short, so that a slow disk slows
//! the server instead of filling the memory. Dropping the receiver ends the thread at its next byte and leaves no file.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::remote::{PackSink, Reason};
use super::Visitor;
use super::error::PackError;
use super::input::Source;
use super::store::{PackReport, PackStore};

/// A side-band packet holds at most 64 KiB: 2 MiB in flight.
const IN_FLIGHT: usize = 32;

enum Chunk {
    Bytes(Bytes),
    /// Everything came but the checksum, which is the reader's to compute.
    Seal,
}

/// Stores one pack.
pub struct PackReceiver<V = ()> {
    chunks: Option<mpsc::Sender<Chunk>>,
    thread: Option<JoinHandle<Result<(PackReport, V), PackError>>>,
}

impl<V: Visitor> PackReceiver<V> {
    /// Starts the thread. Must be called within a tokio runtime.
    pub fn start(store: PackStore, mut visitor: V) -> Self {
        let (chunks, source) = mpsc::channel(IN_FLIGHT);
        let thread = tokio::task::spawn_blocking(move || {
            let report = store.receive(Channel { source, is_sealed: false }, &mut visitor)?;
            Ok((report, visitor))
        });
        Self { chunks: Some(chunks), thread: Some(thread) }
    }

    /// Says that all bytes were given, and waits until the pack is in the store.
    ///
    /// # Errors
    /// The pack is unsound or could not be stored; the store is as before.
    pub async fn finish(mut self) -> Result<(PackReport, V), PackError> {
        self.chunks = None;
        self.outcome().await
    }

    async fn outcome(&mut self) -> Result<(PackReport, V), PackError> {
        match self.thread.take() {
            Some(thread) => thread.await.map_err(|_| PackError::Thread)?,
            None => Err(PackError::Thread),
        }
    }
}

impl<V: Visitor> PackReceiver<V> {
    async fn send(&mut self, chunk: Chunk) -> Result<(), Reason> {
        if let Some(chunks) = &self.chunks
            && chunks.send(chunk).await.is_ok()
        {
            return Ok(());
        }
        self.chunks = None;
        // The thread ended before the pack did: it knows why.
        match self.outcome().await {
            Ok(_) => Err("bytes follow the end of the pack".into()),
            Err(error) => Err(error.into()),
        }
    }
}

impl<V: Visitor> PackSink for PackReceiver<V> {
    async fn take(&mut self, bytes: Bytes) -> Result<(), Reason> {
        self.send(Chunk::Bytes(bytes)).await
    }

    async fn seal(&mut self) -> Result<(), Reason> {
        self.send(Chunk::Seal).await
    }
}

struct Channel {
    source: mpsc::Receiver<Chunk>,
    is_sealed: bool,
}

impl Source for Channel {
    fn next(&mut self) -> Option<Bytes> {
        match self.source.blocking_recv()? {
            Chunk::Bytes(bytes) => Some(bytes),
            Chunk::Seal => {
                self.is_sealed = true;
                None
            }
        }
    }

    fn is_sealed(&self) -> bool {
        self.is_sealed
    }
}
