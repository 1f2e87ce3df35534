//! Packets out of whatever carries bytes.
//!
//! In: a [`Chunks`], the reading half of a transport. Out: packets, errors that the server put into the stream (`ERR`), the pack behind the side-band.
//! Cancel-safe: bytes that arrived stay in the buffer when a future is dropped, but a message half read cannot be resumed;
//! whoever drops one drops the connection too.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

use super::error::RemoteError;
use super::pktline::{self, Band, Packet};
use super::request::PackSink;

/// Bytes as a transport delivers them.
pub(super) trait Chunks: Send {
    /// The next bytes, never empty; `None` at the end.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RemoteError>>;
}

pub(super) struct PacketReader {
    chunks: Box<dyn Chunks>,
    buffer: BytesMut,
}

impl PacketReader {
    /// Everything that still comes, packets or not, up to a limit.
    pub(super) async fn rest(mut self, limit: usize) -> Result<Vec<u8>, RemoteError> {
        let mut rest = self.buffer.to_vec();
        while let Some(bytes) = poll_fn(|cx| self.chunks.poll_chunk(cx)).await? {
            if rest.len() + bytes.len() > limit {
                return Err(RemoteError::protocol(format!("its answer is longer than {limit} bytes")));
            }
            rest.extend_from_slice(&bytes);
        }
        Ok(rest)
    }

    pub(super) fn new(chunks: Box<dyn Chunks>) -> Self {
        Self { chunks, buffer: BytesMut::new() }
    }

    /// Waits until the server says anything at all.
    pub(super) async fn first_byte(&mut self) -> Result<(), RemoteError> {
        if self.buffer.is_empty() && !self.fill().await? {
            return Err(RemoteError::hung_up("waiting for the server's answer"));
        }
        Ok(())
    }

    /// The next packet; an `ERR` packet is an error.
    pub(super) async fn next(&mut self) -> Result<Packet, RemoteError> {
        loop {
            if let Some(packet) = pktline::decode(&mut self.buffer)? {
                return match packet {
                    Packet::Data(data) if data.starts_with(b"ERR ") => Err(RemoteError::refused(&data[4..])),
                    packet => Ok(packet),
                };
            }
            if !self.fill().await? {
                return Err(RemoteError::hung_up("reading the server's answer"));
            }
        }
    }

    /// The next line of a list; `None` at whatever packet ends it, which `end` then tells.
    pub(super) async fn line(&mut self) -> Result<Result<Bytes, Packet>, RemoteError> {
        Ok(match self.next().await? {
            Packet::Data(mut data) => {
                data.truncate(pktline::text(&data).len());
                Ok(data)
            }
            end => Err(end),
        })
    }

    /// Reads to the end of a stateless answer, so that its connection can be used again. Refuses a long tail.
    pub(super) async fn drain(&mut self) -> Result<(), RemoteError> {
        while self.fill().await? {
            if self.buffer.len() > 64 * 1024 {
                return Err(RemoteError::protocol("more bytes follow the end of the answer"));
            }
        }
        Ok(())
    }

    /// Moves the pack behind the side-band into `sink`, up to the flush packet. Returns its length.
    pub(super) async fn pack(&mut self, sink: &mut impl PackSink) -> Result<u64, RemoteError> {
        let mut length = 0;
        loop {
            let data = match self.next().await? {
                Packet::Data(data) => data,
                Packet::Flush => return Ok(length),
                other => return Err(RemoteError::protocol(format!("{other:?} inside the pack"))),
            };
            match pktline::demultiplex(data)? {
                Band::Pack(bytes) if bytes.is_empty() => {}
                Band::Pack(bytes) => {
                    length += bytes.len() as u64;
                    give(sink, bytes).await?;
                }
                Band::Progress(text) => tracing::trace!(text = pktline::printable(&text), "remote"),
                Band::Error(text) => return Err(RemoteError::refused(&text)),
            }
        }
    }

    async fn fill(&mut self) -> Result<bool, RemoteError> {
        let chunk = poll_fn(|cx| self.chunks.poll_chunk(cx)).await?;
        match chunk {
            // Nothing is left over from the last chunk, and nobody else holds this one: no copy.
            Some(chunk) if self.buffer.is_empty() => self.buffer = BytesMut::from(chunk),
            Some(chunk) => self.buffer.extend_from_slice(&chunk),
            None => return Ok(false),
        }
        Ok(true)
    }
}

async fn give(sink: &mut impl PackSink, bytes: Bytes) -> Result<(), RemoteError> {
    sink.take(bytes).await.map_err(|reason| RemoteError::local("storing the pack", reason))
}
