//! The counters that a HotSpot JVM keeps in a mapped file (`/tmp/hsperfdata_USER/PID`), without any flag.
//!
//! In: the file's bytes. Out: names and values. The file is written while it is read, so a counter may be between two
//! values; its structure does not change. Refused: another magic number, format 1 (Java 1.4), entries that point
//! outside of the file, more of them than a JVM has.

/// Counters that one JVM may have. Those of Java 17 and 25 have some 150 to 220.
const COUNTERS: i32 = 4096;
/// The file is 32 KiB unless -XX:PerfDataMemorySize says otherwise.
pub(crate) const LARGEST: u64 = 4 << 20;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PerfData {
    counters: Vec<(String, Counter)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Counter {
    Long(i64),
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PerfError {
    #[error("it is no file of performance counters")]
    Magic,
    #[error("its format is {0}, and only 2 is known")]
    Version(u8),
    #[error("the JVM has not finished it yet")]
    NotAccessible,
    #[error("an entry in it points outside of it")]
    Bounds,
}

impl PerfData {
    pub(crate) fn parse(file: &[u8]) -> Result<PerfData, PerfError> {
        let [0xca, 0xfe, 0xc0, 0xc0, order, major, _, accessible, ..] = *file else { return Err(PerfError::Magic) };
        if major != 2 {
            return Err(PerfError::Version(major));
        }
        if accessible == 0 {
            return Err(PerfError::NotAccessible);
        }
        let file = File { bytes: file, is_little: order == 1 };
        let mut at = file.offset(24)?;
        let count = file.i32(28)?.clamp(0, COUNTERS);
        let mut counters = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let length = file.offset(at)?;
            let name = file.text(at + file.offset(at + 4)?)?;
            let data = at + file.offset(at + 16)?;
            match file.bytes.get(at + 12) {
                Some(b'J') => counters.push((name, Counter::Long(file.i64(data)?))),
                Some(b'B') => {
                    let room = file.offset(at + 8)?;
                    let text = file.bytes.get(data..data.saturating_add(room)).ok_or(PerfError::Bounds)?;
                    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
                    counters.push((name, Counter::Text(String::from_utf8_lossy(text).into_owned())));
                }
                Some(_) => {} // no other type is in use
                None => return Err(PerfError::Bounds),
            }
            if length == 0 {
                return Err(PerfError::Bounds);
            }
            at += length;
        }
        Ok(PerfData { counters })
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.counters.iter().find_map(|(known, counter)| match counter {
            Counter::Text(text) if known == name => Some(text.as_str()),
            _ => None,
        })
    }
}

struct File<'a> {
    bytes: &'a [u8],
    is_little: bool,
}

impl File<'_> {
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], PerfError> {
        let end = at.checked_add(N).ok_or(PerfError::Bounds)?;
        self.bytes.get(at..end).and_then(|bytes| bytes.try_into().ok()).ok_or(PerfError::Bounds)
    }

    fn i32(&self, at: usize) -> Result<i32, PerfError> {
        let bytes = self.array(at)?;
        Ok(if self.is_little { i32::from_le_bytes(bytes) } else { i32::from_be_bytes(bytes) })
    }

    fn i64(&self, at: usize) -> Result<i64, PerfError> {
        let bytes = self.array(at)?;
        Ok(if self.is_little { i64::from_le_bytes(bytes) } else { i64::from_be_bytes(bytes) })
    }

    /// A length or a place in the file.
    fn offset(&self, at: usize) -> Result<usize, PerfError> {
        let offset = usize::try_from(self.i32(at)?).map_err(|_| PerfError::Bounds)?;
        if offset > self.bytes.len() { Err(PerfError::Bounds) } else { Ok(offset) }
    }

    fn text(&self, at: usize) -> Result<String, PerfError> {
        let rest = self.bytes.get(at..).ok_or(PerfError::Bounds)?;
        let end = rest.iter().position(|byte| *byte == 0).ok_or(PerfError::Bounds)?;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One counter, as a JVM on a little-endian machine writes it.
    fn file(kind: u8, vector: i32, data: &[u8]) -> Vec<u8> {
        let mut file = vec![0xca, 0xfe, 0xc0, 0xc0, 1, 2, 0, 1];
        file.extend([0; 16]);
        file.extend(32i32.to_le_bytes());
        file.extend(1i32.to_le_bytes());
        file.extend(64i32.to_le_bytes());
        file.extend(20i32.to_le_bytes());
        file.extend(vector.to_le_bytes());
        file.extend([kind, 0, 1, 1]);
        file.extend(32i32.to_le_bytes());
        file.extend(b"a.counter\0\0\0");
        file.extend(data);
        file.resize(96, 0);
        file
    }

    #[test]
    fn counters_are_read() {
        let counters = PerfData::parse(&file(b'J', 0, &7i64.to_le_bytes())).unwrap().counters;
        assert_eq!(counters, [("a.counter".to_owned(), Counter::Long(7))]);
        assert_eq!(PerfData::parse(&file(b'B', 8, b"text\0old")).unwrap().text("a.counter"), Some("text"));
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(PerfData::parse(b"#!/bin/sh"), Err(PerfError::Magic));
        assert_eq!(PerfData::parse(&file(b'B', i32::MAX, b"x")), Err(PerfError::Bounds));
    }

    proptest! {
        #[test]
        fn any_damage_is_survived(at in 0usize..96, byte in any::<u8>(), length in 0usize..97) {
            let mut file = file(b'B', 8, b"text");
            file[at] = byte;
            let _ = PerfData::parse(&file[..length]);
        }
    }
}
