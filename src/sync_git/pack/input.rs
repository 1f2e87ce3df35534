//! A pack as it arrives: chunks that go to the file at once, and are hashed, checked and inflated from memory.
//!
//! In: chunks. Out: entry headers, inflated content, the CRC of each entry, the checksum at the end. Refused: more bytes than the limit,
//! an early end, bytes after the end.

use std::fs::File;
use std::io::Write as _;

use bytes::Bytes;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use git2::Oid;
use sha1dc::Hasher;

use super::error::PackError;
use super::object::{EntryHeader, MAX_HEADER, oid, parse_header};

/// Where a pack comes from; `None` is its end, due or not.
pub(super) trait Source {
    fn next(&mut self) -> Option<Bytes>;

    /// Whether the end was said to be due, and the checksum left to be computed here.
    fn is_sealed(&self) -> bool {
        false
    }
}

pub(super) struct Input<'a, S> {
    source: S,
    file: &'a File,
    limit: u64,
    chunk: Bytes,
    /// Read position within `chunk`.
    at: usize,
    /// Bytes of all chunks before `chunk`.
    before: u64,
    /// `chunk` is hashed, and counted into the entry's CRC, up to here.
    hashed: usize,
    counted: usize,
    hasher: Hasher,
    crc: Crc,
    inflater: Decompress,
}

impl<'a, S: Source> Input<'a, S> {
    pub(super) fn new(source: S, file: &'a File, limit: u64) -> Self {
        Self {
            source,
            file,
            limit,
            chunk: Bytes::new(),
            at: 0,
            before: 0,
            hashed: 0,
            counted: 0,
            hasher: Hasher::new(),
            crc: Crc::new(),
            inflater: Decompress::new(true),
        }
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> u64 {
        self.before + self.at as u64
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> PackError {
        PackError::Damaged { at: self.offset(), what: what.into() }
    }

    /// Reads `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PackError> {
        let mut out = [0; N];
        for byte in &mut out {
            *byte = self.rest()?[0];
            self.at += 1;
        }
        Ok(out)
    }

    /// Reads the header of the next entry, whose CRC starts here.
    pub(super) fn entry_header(&mut self) -> Result<EntryHeader, PackError> {
        self.crc.reset();
        self.counted = self.at;
        let found = parse_header(self.rest()?).map_err(|what| self.damaged(what))?;
        if let Some(header) = found {
            self.at += header.length;
            return Ok(header);
        }
        // It lies across chunks.
        let mut bytes = Vec::with_capacity(MAX_HEADER);
        loop {
            bytes.push(self.rest()?[0]);
            self.at += 1;
            if let Some(header) = parse_header(&bytes).map_err(|what| self.damaged(what))? {
                return Ok(header);
            }
        }
    }

    /// The CRC of the entry that was read last.
    pub(super) fn entry_crc(&mut self) -> u32 {
        self.crc.update(&self.chunk[self.counted..self.at]);
        self.counted = self.at;
        self.crc.sum()
    }

    /// Inflates one entry's content, of exactly `size` bytes, into `out`.
    pub(super) fn inflate(&mut self, size: u64, out: &mut Vec<u8>) -> Result<(), PackError> {
        // One byte more than it says, to see whether it says the truth; and no more at first than a short pack can fill.
        out.clear();
        out.reserve_exact(first_capacity(size));
        self.inflater.reset(true);
        loop {
            let status = self.inflate_some(out)?;
            if out.len() as u64 > size {
                return Err(self.damaged("an object is larger than its header says"));
            }
            match status {
                Status::StreamEnd if out.len() as u64 == size => return Ok(()),
                Status::StreamEnd => {
                    return Err(self.damaged("an object is smaller than its header says"));
                }
                _ if out.len() == out.capacity() => out.reserve_exact(out.len().min(size as usize - out.len() + 1)),
                _ => {}
            }
        }
    }

    /// Inflates one entry's content piece by piece.
    pub(super) fn inflate_pieces(&mut self, size: u64, mut take: impl FnMut(&[u8])) -> Result<(), PackError> {
        let mut out = Vec::with_capacity(PIECE);
        let mut total = 0;
        self.inflater.reset(true);
        loop {
            let status = self.inflate_some(&mut out)?;
            total += out.len() as u64;
            if total > size {
                return Err(self.damaged("an object is larger than its header says"));
            }
            take(&out);
            out.clear();
            match status {
                Status::StreamEnd if total == size => return Ok(()),
                Status::StreamEnd => {
                    return Err(self.damaged("an object is smaller than its header says"));
                }
                _ => {}
            }
        }
    }

    fn inflate_some(&mut self, out: &mut Vec<u8>) -> Result<Status, PackError> {
        self.rest()?;
        let before = (self.inflater.total_in(), out.len());
        let status = self.inflater.decompress_vec(&self.chunk[self.at..], out, FlushDecompress::None);
        let status = status.map_err(|error| self.damaged(format!("an object cannot be inflated: {error}")))?;
        self.at += (self.inflater.total_in() - before.0) as usize;
        if status != Status::StreamEnd && before == (self.inflater.total_in(), out.len()) && out.len() < out.capacity()
        {
            return Err(self.damaged("an object cannot be inflated: no progress"));
        }
        Ok(status)
    }

    /// Reads the checksum that ends the pack, compares it, and makes sure that nothing follows; adds it where that was left to
    /// us. Returns it and the pack's length.
    pub(super) fn finish(mut self) -> Result<(Oid, u64), PackError> {
        self.hasher.update(&self.chunk[self.hashed..self.at]);
        self.hashed = self.at;
        let hasher = std::mem::take(&mut self.hasher);
        let computed = hasher.finalize().map_err(|_| PackError::Collision)?;
        let computed = oid(&computed.into());
        let length = self.offset() + CHECKSUM;
        if let Err(error) = self.rest() {
            if !self.source.is_sealed() {
                return Err(error);
            }
            self.file.write_all(computed.as_bytes()).map_err(PackError::io("writing the pack"))?;
            return Ok((computed, length));
        }
        let stated = oid(&self.array()?);
        if stated != computed {
            return Err(PackError::Checksum { stated, computed });
        }
        if self.at < self.chunk.len() || self.source.next().is_some() {
            return Err(self.damaged("bytes follow the end of the pack"));
        }
        Ok((stated, length))
    }

    /// What is left of the chunk, or the next one: never empty.
    fn rest(&mut self) -> Result<&[u8], PackError> {
        while self.at == self.chunk.len() {
            self.hasher.update(&self.chunk[self.hashed..]);
            self.crc.update(&self.chunk[self.counted..]);
            self.before += self.chunk.len() as u64;
            self.chunk = self.source.next().ok_or(PackError::Truncated)?;
            (self.at, self.hashed, self.counted) = (0, 0, 0);
            if self.before + self.chunk.len() as u64 > self.limit {
                return Err(PackError::Limit { what: "bytes of pack", limit: self.limit });
            }
            self.file.write_all(&self.chunk).map_err(PackError::io("writing the pack"))?;
        }
        Ok(&self.chunk[self.at..])
    }
}

/// The most that is allocated because a header says so.
const TRUSTED: u64 = 1024 * 1024;
const PIECE: usize = 64 * 1024;
/// What ends a pack, in bytes.
const CHECKSUM: u64 = 20;

pub(super) fn first_capacity(size: u64) -> usize {
    size.min(TRUSTED) as usize + 1
}
