//! Entries read back from the pack's file.
//!
//! In: an entry's offset; it was read once before, so its sizes are known to be within the limits. Out: its content, or its delta, inflated.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use flate2::{Decompress, FlushDecompress, Status};

use super::error::PackError;
use super::input::first_capacity;
use super::object::parse_header;

pub(super) struct Stored<'a> {
    file: &'a File,
    buffer: Box<[u8]>,
    inflater: Decompress,
}

/// Most deltas are read by one call.
const READ: usize = 16 * 1024;

impl<'a> Stored<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        Self { file, buffer: vec![0; READ].into(), inflater: Decompress::new(true) }
    }

    /// Inflates the entry that starts at `offset` and ends before `end` into `out`.
    pub(super) fn inflate(&mut self, offset: u64, end: u64, out: &mut Vec<u8>) -> Result<(), PackError> {
        let damaged = |what: String| PackError::Damaged { at: offset, what };
        let mut filled = self.read(offset, end)?;
        let header = parse_header(&self.buffer[..filled]).map_err(damaged)?.ok_or(PackError::Truncated)?;
        let size = header.size as usize;
        out.clear();
        out.reserve_exact(first_capacity(header.size));
        let mut from = header.length;
        let mut next = offset + filled as u64;
        self.inflater.reset(true);
        loop {
            let before = self.inflater.total_in();
            let status = self.inflater.decompress_vec(&self.buffer[from..filled], out, FlushDecompress::None);
            let status = status.map_err(|error| damaged(error.to_string()))?;
            from += (self.inflater.total_in() - before) as usize;
            match status {
                Status::StreamEnd if out.len() == size => return Ok(()),
                Status::StreamEnd => {
                    return Err(damaged("it changed after it was written".to_owned()));
                }
                _ if out.len() > size => {
                    return Err(damaged("it changed after it was written".to_owned()));
                }
                _ if out.len() == out.capacity() => out.reserve_exact(out.len().min(size - out.len() + 1)),
                _ if from == filled => {
                    filled = self.read(next, end)?;
                    if filled == 0 {
                        return Err(PackError::Truncated);
                    }
                    next += filled as u64;
                    from = 0;
                }
                _ => {}
            }
        }
    }

    /// Fills the buffer from `offset` on; the file's own position stays where the pack grows.
    fn read(&mut self, offset: u64, end: u64) -> Result<usize, PackError> {
        let length = end.saturating_sub(offset).min(READ as u64) as usize;
        self.file.read_at(&mut self.buffer[..length], offset).map_err(PackError::io("reading the pack back"))
    }
}
