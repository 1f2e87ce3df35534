//! The body of an answer as [`Chunks`], decompressed when the server compressed it.
//!
//! In: hyper's frames. Out: bytes, at most [`STEP`] of compressed input at a time, so that a small page cannot become a large buffer.

use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use flate2::write::{GzDecoder, ZlibDecoder};
use hyper::body::{Body as _, Incoming};

use super::super::error::RemoteError;
use super::super::packets::Chunks;
use super::super::pktline::printable;

/// Deflate grows at most 1032-fold: one step makes at most 1 MiB.
const STEP: usize = 1024;

pub(in super::super) struct Body {
    incoming: Incoming,
    coding: Coding,
    /// Compressed bytes that wait for their step.
    pending: Bytes,
}

enum Coding {
    Identity,
    Gzip(GzDecoder<Vec<u8>>),
    Deflate(ZlibDecoder<Vec<u8>>),
}

impl Body {
    pub(in super::super) fn new(incoming: Incoming, content_encoding: Option<&[u8]>) -> Result<Self, RemoteError> {
        let coding = match content_encoding {
            None | Some(b"" | b"identity") => Coding::Identity,
            Some(b"gzip" | b"x-gzip") => Coding::Gzip(GzDecoder::new(Vec::new())),
            Some(b"deflate") => Coding::Deflate(ZlibDecoder::new(Vec::new())),
            Some(other) => {
                return Err(RemoteError::protocol(format!(
                    "the answer is encoded as {}, which was not offered",
                    printable(other)
                )));
            }
        };
        Ok(Self { incoming, coding, pending: Bytes::new() })
    }

    fn decode(&mut self) -> Result<Bytes, RemoteError> {
        let step = self.pending.split_to(self.pending.len().min(STEP));
        let (written, out) = match &mut self.coding {
            Coding::Identity => return Ok(step),
            Coding::Gzip(decoder) => (decoder.write_all(&step), decoder.get_mut()),
            Coding::Deflate(decoder) => (decoder.write_all(&step), decoder.get_mut()),
        };
        written.map_err(|error| RemoteError::network("decompressing the answer", error))?;
        Ok(std::mem::take(out).into())
    }

    /// What a decoder still holds when the body has ended.
    fn finish(&mut self) -> Result<Option<Bytes>, RemoteError> {
        let rest = match std::mem::replace(&mut self.coding, Coding::Identity) {
            Coding::Identity => return Ok(None),
            Coding::Gzip(decoder) => decoder.finish(),
            Coding::Deflate(decoder) => decoder.finish(),
        };
        let rest = rest.map_err(|error| RemoteError::network("decompressing the answer", error))?;
        Ok((!rest.is_empty()).then(|| rest.into()))
    }
}

impl Chunks for Body {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RemoteError>> {
        loop {
            while self.pending.has_remaining() {
                let bytes = self.decode()?;
                if !bytes.is_empty() {
                    return Poll::Ready(Ok(Some(bytes)));
                }
            }
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                Some(Ok(frame)) => match (frame.into_data(), &self.coding) {
                    (Ok(data), Coding::Identity) if !data.is_empty() => {
                        return Poll::Ready(Ok(Some(data)));
                    }
                    (Ok(data), _) => self.pending = data,
                    (Err(_trailers), _) => {}
                },
                Some(Err(error)) => {
                    return Poll::Ready(Err(RemoteError::network("reading the answer", std::io::Error::other(error))));
                }
                None => return Poll::Ready(self.finish()),
            }
        }
    }
}
