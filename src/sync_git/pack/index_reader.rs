//! A pack's index, read: where its objects start and end.
//!
//! In: an `.idx` file of version 2, which may be somebody else's. Out: the offsets of given objects, the end of each entry.
//! Refused: other versions, sizes that do not fit the file, packs of more objects than there is room for; whoever asked reads such packs the slow way.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use git2::Oid;

const NAMES: u64 = 8 + 4 * 256;
/// Names read at a time.
const BLOCK: u32 = 2048;

pub(in super::super) struct PackIndex {
    file: File,
    fanout: [u32; 256],
    /// By the place of the name.
    offsets: Vec<u64>,
    /// In ascending order.
    starts: Vec<u64>,
}

impl PackIndex {
    /// Opens an index of at most `room` objects, which take sixteen bytes each; `None` when it is of a kind that is not read here.
    pub(in super::super) fn open(path: &Path, room: u32) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let mut head = [0; NAMES as usize];
        if file.read_exact_at(&mut head, 0).is_err() || head[..8] != *b"\xfftOc\0\0\0\x02" {
            return Ok(None);
        }
        let mut fanout = [0; 256];
        for (count, bytes) in fanout.iter_mut().zip(head[8..].chunks_exact(4)) {
            *count = number(bytes);
        }
        let count = fanout[255];
        if !fanout.is_sorted() || count > room || file.metadata()?.len() < NAMES + 28 * u64::from(count) + 40 {
            return Ok(None);
        }
        let mut index = Self { file, fanout, offsets: Vec::new(), starts: Vec::new() };
        index.offsets = index.read_offsets()?;
        index.starts.clone_from(&index.offsets);
        index.starts.sort_unstable();
        Ok(Some(index))
    }

    /// How many objects the pack has.
    pub(in super::super) fn count(&self) -> u32 {
        self.fanout[255]
    }

    /// Calls `found` with the tag and the offset of each of `wanted` (in the order of names) that is here.
    pub(in super::super) fn locate(&self, wanted: &[(Oid, u32)], mut found: impl FnMut(u32, u64)) -> io::Result<()> {
        let mut buffer = vec![0; BLOCK as usize * 20];
        let mut rest = wanted;
        while let Some((first, _)) = rest.first() {
            let byte = first.as_bytes()[0];
            let (bucket, tail) = rest.split_at(rest.partition_point(|(oid, _)| oid.as_bytes()[0] == byte));
            rest = tail;
            let mut bucket = bucket.iter().peekable();
            let mut place = if byte == 0 { 0 } else { self.fanout[usize::from(byte) - 1] };
            let end = self.fanout[usize::from(byte)];
            while place < end && bucket.peek().is_some() {
                let names = &mut buffer[..20 * (end - place).min(BLOCK) as usize];
                self.file.read_exact_at(names, NAMES + 20 * u64::from(place))?;
                for name in names.chunks_exact(20) {
                    while bucket.next_if(|(oid, _)| oid.as_bytes() < name).is_some() {}
                    while let Some((_, tag)) = bucket.next_if(|(oid, _)| oid.as_bytes() == name) {
                        found(*tag, self.offsets[place as usize]);
                    }
                    place += 1;
                }
            }
        }
        Ok(())
    }

    /// Where the entry that starts at `offset` ends, in a pack of `length` bytes.
    pub(in super::super) fn end(&self, offset: u64, length: u64) -> u64 {
        let next = self.starts.partition_point(|start| *start <= offset);
        self.starts.get(next).copied().unwrap_or(length.saturating_sub(20))
    }

    fn read_offsets(&self) -> io::Result<Vec<u64>> {
        let count = u64::from(self.fanout[255]);
        let words = NAMES + 24 * count;
        let mut bytes = vec![0; 4 * count as usize];
        self.file.read_exact_at(&mut bytes, words)?;
        let far = words + 4 * count;
        let offset = |word: &[u8]| match number(word) {
            near if near < 0x8000_0000 => Ok(u64::from(near)),
            place => {
                let mut bytes = [0; 8];
                self.file.read_exact_at(&mut bytes, far + 8 * u64::from(place & 0x7fff_ffff))?;
                Ok(u64::from_be_bytes(bytes))
            }
        };
        bytes.chunks_exact(4).map(offset).collect()
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::super::index::{IndexEntry, write_index};
    use super::*;

    #[test]
    fn what_was_written_is_found() {
        let entry = |at: u32| {
            let mut name = [0; 20];
            name[..4].copy_from_slice(&(at.wrapping_mul(2_654_435_761)).to_be_bytes());
            IndexEntry { name, crc: 0, offset: if at == 7 { 1 << 40 } else { 12 + 100 * u64::from(at) } }
        };
        let mut entries: Vec<IndexEntry> = (0..10_000).map(entry).collect();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.idx");
        write_index(File::create(&path).unwrap(), &mut entries, Oid::ZERO_SHA1).unwrap();
        let index = PackIndex::open(&path, 10_000).unwrap().unwrap();
        assert!(PackIndex::open(&path, 9_999).unwrap().is_none());
        let mut wanted: Vec<(Oid, u32)> =
            (0..10_100).map(|at| (Oid::from_bytes(&entry(at).name).unwrap(), at)).collect();
        wanted.sort_unstable();
        let mut found = Vec::new();
        index.locate(&wanted, |tag, offset| found.push((tag, offset))).unwrap();
        found.sort_unstable();
        assert_eq!(found, (0..10_000).map(|at| (at, entry(at).offset)).collect::<Vec<_>>());
        assert_eq!(index.end(12, 1 << 41), 112);
        assert_eq!(index.end(1 << 40, 1 << 41), (1 << 41) - 20);
    }

    #[test]
    fn an_index_that_lies_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.idx");
        let mut lie = b"\xfftOc\0\0\0\x02".to_vec();
        lie.extend([0, 0, 0xff, 0xff].repeat(256));
        for bytes in [&b""[..], b"\xfftOc\0\0\0\x03", &lie] {
            std::fs::write(&path, bytes).unwrap();
            assert!(PackIndex::open(&path, u32::MAX).unwrap().is_none());
        }
    }
}
