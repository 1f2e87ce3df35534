//! The index of a pack, version 2 (gitformat-pack(5)).
//!
//! In: name, CRC and offset of every entry; the pack's checksum. Out: the `.idx` file.

use std::io::{self, Write};

use git2::Oid;
use sha1dc::Hasher;

/// One object of a pack, as its index knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct IndexEntry {
    pub(super) name: [u8; 20],
    pub(super) crc: u32,
    pub(super) offset: u64,
}

/// Offsets from here on need eight bytes.
const LARGE: u64 = 0x8000_0000;

/// Writes the index. `entries` is put into the order of names.
pub(super) fn write_index(out: impl Write, entries: &mut [IndexEntry], pack: Oid) -> io::Result<()> {
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name).then(a.offset.cmp(&b.offset)));
    let mut out = Hashing { out, hasher: Hasher::new() };
    out.write_all(b"\xfftOc\0\0\0\x02")?;
    let mut rest = &*entries;
    let mut count = 0_u32;
    for first in 0..=u8::MAX {
        let here = rest.partition_point(|entry| entry.name[0] == first);
        count += here as u32;
        rest = &rest[here..];
        out.write_all(&count.to_be_bytes())?;
    }
    for entry in &*entries {
        out.write_all(&entry.name)?;
    }
    for entry in &*entries {
        out.write_all(&entry.crc.to_be_bytes())?;
    }
    let mut large = 0_u32;
    for entry in &*entries {
        let word = if entry.offset < LARGE {
            entry.offset as u32
        } else {
            large += 1;
            LARGE as u32 | (large - 1)
        };
        out.write_all(&word.to_be_bytes())?;
    }
    for entry in entries.iter().filter(|entry| entry.offset >= LARGE) {
        out.write_all(&entry.offset.to_be_bytes())?;
    }
    out.write_all(pack.as_bytes())?;
    let digest = out.hasher.finalize().map_err(|_| io::Error::other("the index is part of a SHA-1 collision"))?;
    out.out.write_all(digest.as_ref())?;
    out.out.flush()
}

struct Hashing<W> {
    out: W,
    hasher: Hasher,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_offsets_go_to_the_second_table() {
        let entry = |name, offset| IndexEntry { name: [name; 20], crc: 7, offset };
        let mut out = Vec::new();
        write_index(&mut out, &mut [entry(9, 1 << 33), entry(1, 12), entry(5, LARGE)], Oid::ZERO_SHA1).unwrap();
        let offsets = &out[8 + 1024 + 3 * 24..];
        assert_eq!(&offsets[..12], [0, 0, 0, 12, 0x80, 0, 0, 0, 0x80, 0, 0, 1]);
        assert_eq!(&offsets[12..28], [0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
        assert_eq!(out.len(), 8 + 1024 + 3 * 28 + 16 + 40);
        assert_eq!(&out[8 + 4 * 8..8 + 4 * 10], [0, 0, 0, 2, 0, 0, 0, 3]);
    }
}
