//! Tar: the few kinds of entries that a tree has, in a form that is the same for the same tree.
//!
//! In: paths, contents and link targets in the caller's order, one time for all of them. Out: a POSIX archive (ustar, with pax
//! headers where a name or a size does not fit). Owner and group are nobody's business: 0 and without names; permissions are
//! 0644, 0755 and 0777, whatever the umask. It does no I/O but writing to what it is given. Source: pax(1).

use std::io::{self, Read, Write};

/// The unit of everything.
const BLOCK: usize = 512;
/// The longest name and link target of a ustar header, and the largest size.
const LONGEST_NAME: usize = 100;
const LARGEST: u64 = 0o77_777_777_777;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    File { size: u64 },
    Executable { size: u64 },
    Symlink { target: &'a [u8] },
    Directory,
}

/// An archive that is being written.
pub(crate) struct Archive<W: Write> {
    out: W,
    /// Seconds since 1970.
    time: u64,
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(out: W, time: u64) -> Self {
        Self { out, time }
    }

    /// Adds an entry; a file's content must be as long as its entry says.
    ///
    /// # Errors
    /// The writer's and the reader's; a file that is shorter than it was.
    pub(crate) fn add(&mut self, path: &[u8], entry: Entry<'_>, content: impl Read) -> io::Result<()> {
        let (mode, kind, size, target) = match entry {
            Entry::File { size } => (0o644, b'0', size, &b""[..]),
            Entry::Executable { size } => (0o755, b'0', size, &b""[..]),
            Entry::Symlink { target } => (0o777, b'2', 0, target),
            Entry::Directory => (0o755, b'5', 0, &b""[..]),
        };
        let mut records = Vec::new();
        for (key, value) in [("path", path), ("linkpath", target)] {
            if value.len() > LONGEST_NAME {
                records.extend(record(key, value));
            }
        }
        if size > LARGEST {
            records.extend(record("size", size.to_string().as_bytes()));
        }
        if !records.is_empty() {
            self.head(b"pax", 0o644, b'x', records.len() as u64, b"")?;
            self.out.write_all(&records)?;
            self.pad(records.len() as u64)?;
        }
        self.head(path, mode, kind, size, target)?;
        let copied = io::copy(&mut content.take(size), &mut self.out)?;
        if copied != size {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it was"));
        }
        self.pad(size)
    }

    /// Ends the archive, and gives the writer back.
    ///
    /// # Errors
    /// The writer's.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }

    fn head(&mut self, path: &[u8], mode: u32, kind: u8, size: u64, target: &[u8]) -> io::Result<()> {
        let mut head = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &path[..path.len().min(LONGEST_NAME)]);
        put(100, format!("{mode:07o}").as_bytes());
        put(108, b"0000000");
        put(116, b"0000000");
        put(124, format!("{:011o}", size.min(LARGEST)).as_bytes());
        put(136, format!("{:011o}", self.time.min(LARGEST)).as_bytes());
        put(148, b"        ");
        put(156, &[kind]);
        put(157, &target[..target.len().min(LONGEST_NAME)]);
        put(257, b"ustar\x0000");
        put(329, b"0000000");
        put(337, b"0000000");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.out.write_all(&head)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let over = (size % BLOCK as u64) as usize;
        if over == 0 { Ok(()) } else { self.out.write_all(&[0; BLOCK][over..]) }
    }
}

/// A pax record: its length, itself included, the key and the value.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_itself() {
        assert_eq!(record("path", b"x"), b"9 path=x\n");
        assert_eq!(record("path", &[b'x'; 91]).len(), 101);
        for length in 1..1200 {
            let record = record("path", &vec![b'x'; length]);
            let told: usize = String::from_utf8(record.clone()).unwrap().split(' ').next().unwrap().parse().unwrap();
            assert_eq!(told, record.len());
        }
    }

    #[test]
    fn a_file_that_has_shrunk_is_told() {
        let mut archive = Archive::new(Vec::new(), 0);
        assert!(archive.add(b"a", Entry::File { size: 3 }, &b"ab"[..]).is_err());
    }
}
