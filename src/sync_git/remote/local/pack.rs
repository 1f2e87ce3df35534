//! A pack for a fetch, made while it is read.
//!
//! In: a list of objects, the repository. Out: the pack in pieces, without the checksum that ends it, which the reader at the
//! other end computes anyway. Blocks; stops when nobody takes the pieces any more.
//!
//! What is packed over there is copied as it stands, deltas included where their base goes too; what is loose, or a delta against
//! something that does not go, is made whole. The reader at the other end hashes every object, so that nothing is verified here.

use std::collections::VecDeque;
use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{Odb, Oid, Repository};
use hashbrown::HashMap;
use tokio::sync::mpsc;

use super::super::super::pack::{Encoding, Kind, MAX_HEADER, write_header, write_offset_delta_header};
use super::super::error::RemoteError;
use super::packed::{Entry, Packed, Place};
use super::reading;

/// As much as a packet of the wire holds: each piece wakes two threads.
const PIECE: usize = 64 * 1024;
/// A longer header there is not.
const ROOM: usize = PIECE - MAX_HEADER;
/// Below this many objects, looking for them in the packs costs more than it saves.
const FEW: usize = 64;

pub(super) fn send(repository: &Repository, objects: &[Oid], pieces: &mpsc::Sender<Bytes>) -> Result<(), RemoteError> {
    let odb = repository.odb().map_err(reading("opening the object database"))?;
    let count = u32::try_from(objects.len())
        .map_err(|_| RemoteError::Unsupported("more than 4,294,967,295 objects".to_owned()))?;
    let packed = if objects.len() < FEW { Packed::default() } else { Packed::find(repository, objects) };
    let mut out = Outgoing { pieces, buffer: Vec::with_capacity(PIECE), sent: VecDeque::new(), flushed: 0 };
    out.buffer.extend_from_slice(b"PACK\0\0\0\x02");
    out.buffer.extend_from_slice(&count.to_be_bytes());
    let by_place: HashMap<Place, u32> = packed.places().map(|(at, place)| (place, at)).collect();
    // Where each object stands in the new pack; zero: not yet.
    let mut sent = vec![0; objects.len()];
    let mut chain = Vec::new();
    for first in 0..count {
        chain.push(first);
        // A base goes before its deltas. Distances are positive, so that a chain ends.
        while let Some(&at) = chain.last() {
            if sent[at as usize] != 0 {
                chain.pop();
                continue;
            }
            let entry = packed.entry(at);
            let base = entry.as_ref().and_then(|entry| by_place.get(&entry.base?).copied());
            if let Some(base) = base
                && sent[base as usize] == 0
            {
                chain.push(base);
                continue;
            }
            let start = out.position();
            match entry {
                Some(entry) if base.is_some() || entry.base.is_none() => {
                    copy(&packed, &entry, base.map(|base| start - sent[base as usize]), &mut out)?;
                }
                _ => make_whole(&odb, objects[at as usize], &mut out)?,
            }
            sent[at as usize] = start;
            chain.pop();
        }
    }
    out.flush()
}

/// Copies an entry: a header of its own, then the compressed bytes as they are.
fn copy(packed: &Packed, entry: &Entry, distance: Option<u64>, out: &mut Outgoing<'_>) -> Result<(), RemoteError> {
    match (entry.header.encoding, distance) {
        (_, Some(distance)) => write_offset_delta_header(&mut out.buffer, entry.header.size, distance),
        (Encoding::Whole(kind), None) => write_header(&mut out.buffer, kind, entry.header.size),
        _ => return Err(RemoteError::local("copying an object", "its base is not known")),
    }
    let mut from = entry.content;
    while from < entry.end {
        let start = out.buffer.len();
        let length = (entry.end - from).min((PIECE - start) as u64) as usize;
        out.buffer.resize(start + length, 0);
        packed
            .read(entry.place, from, &mut out.buffer[start..])
            .map_err(|error| RemoteError::local("reading a pack", error))?;
        from += length as u64;
        out.flush_if_full()?;
    }
    Ok(())
}

fn make_whole(odb: &Odb<'_>, oid: Oid, out: &mut Outgoing<'_>) -> Result<(), RemoteError> {
    let object = odb.read(oid).map_err(reading("reading an object"))?;
    let kind =
        Kind::from_git2(object.kind()).ok_or_else(|| RemoteError::local("reading an object", "it has no kind"))?;
    write_header(&mut out.buffer, kind, object.len() as u64);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    for piece in object.data().chunks(PIECE / 2) {
        encoder.write_all(piece).map_err(|error| RemoteError::local("compressing an object", error))?;
        out.buffer.append(encoder.get_mut());
        out.flush_if_full()?;
    }
    let rest = encoder.finish().map_err(|error| RemoteError::local("compressing an object", error))?;
    out.buffer.extend_from_slice(&rest);
    out.flush_if_full()
}

struct Outgoing<'a> {
    pieces: &'a mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
    /// Pieces whose memory is used again when they were read: with new ones each time, what else is allocated meanwhile fills
    /// the gaps between them, and the heap grows to many times what is in use.
    sent: VecDeque<Bytes>,
    flushed: u64,
}

impl Outgoing<'_> {
    fn position(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    fn flush_if_full(&mut self) -> Result<(), RemoteError> {
        if self.buffer.len() <= ROOM { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), RemoteError> {
        self.flushed += self.buffer.len() as u64;
        let next = self.spare();
        let piece = Bytes::from(std::mem::replace(&mut self.buffer, next));
        self.sent.push_back(piece.clone());
        self.pieces.blocking_send(piece).map_err(|_| abandoned())
    }

    /// An empty buffer.
    fn spare(&mut self) -> Vec<u8> {
        match self.sent.pop_front() {
            Some(oldest) if oldest.is_unique() => {
                let mut buffer = Vec::from(oldest);
                buffer.clear();
                buffer
            }
            still_read => {
                self.sent.extend(still_read);
                Vec::with_capacity(PIECE)
            }
        }
    }
}

/// Nobody waits for the result.
pub(super) fn abandoned() -> RemoteError {
    RemoteError::local("reading the repository", "the fetch was abandoned")
}
