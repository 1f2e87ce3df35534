//! A pack of whole objects, made while it is read.
//!
//! In: a list of objects. Out: the pack in pieces. Blocks; stops when nobody takes the pieces any more.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{Oid, Repository};
use sha1dc::Hasher;
use tokio::sync::mpsc;

use super::super::super::pack::{Kind, write_header};
use super::super::error::RemoteError;
use super::reading;

const PIECE: usize = 64 * 1024;

pub(super) fn send(repository: &Repository, objects: &[Oid], pieces: &mpsc::Sender<Bytes>) -> Result<(), RemoteError> {
    let odb = repository.odb().map_err(reading("opening the object database"))?;
    let count = u32::try_from(objects.len())
        .map_err(|_| RemoteError::Unsupported("more than 4,294,967,295 objects".to_owned()))?;
    let mut out = Outgoing { pieces, buffer: Vec::with_capacity(2 * PIECE), hasher: Hasher::new() };
    out.buffer.extend_from_slice(b"PACK\0\0\0\x02");
    out.buffer.extend_from_slice(&count.to_be_bytes());
    for oid in objects {
        let object = odb.read(*oid).map_err(reading("reading an object"))?;
        let kind =
            Kind::from_git2(object.kind()).ok_or_else(|| RemoteError::local("reading an object", "it has no kind"))?;
        write_header(&mut out.buffer, kind, object.len() as u64);
        let mut encoder = ZlibEncoder::new(&mut out.buffer, Compression::fast());
        let deflated = encoder.write_all(object.data()).and_then(|()| encoder.finish().map(drop));
        deflated.map_err(|error| RemoteError::local("compressing an object", error))?;
        if out.buffer.len() >= PIECE {
            out.flush()?;
        }
    }
    out.flush()?;
    let digest = out.hasher.finalize().map_err(|error| RemoteError::local("hashing the pack", error))?;
    give(pieces, Bytes::copy_from_slice(digest.as_ref()))
}

struct Outgoing<'a> {
    pieces: &'a mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
    hasher: Hasher,
}

impl Outgoing<'_> {
    fn flush(&mut self) -> Result<(), RemoteError> {
        self.hasher.update(&self.buffer);
        give(self.pieces, std::mem::replace(&mut self.buffer, Vec::with_capacity(2 * PIECE)).into())
    }
}

fn give(pieces: &mpsc::Sender<Bytes>, piece: Bytes) -> Result<(), RemoteError> {
    pieces.blocking_send(piece).map_err(|_| abandoned())
}

/// Nobody waits for the result.
pub(super) fn abandoned() -> RemoteError {
    RemoteError::local("reading the repository", "the fetch was abandoned")
}
