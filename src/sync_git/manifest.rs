//! What one published tree holds: path, object and file status of every entry, kept as the worktree's git index.
//!
//! In: the entries that an export wrote, in index order. Out: the bytes of `worktrees/<hash>/index` (version 2, or 3 when
//! sparse entries are skipped), so that the consumer's `git status` is clean without reading a file, and so that we can tell
//! later, from `lstat` alone, which files are still what we wrote. Refused when read back: other versions, a wrong checksum,
//! conflicts; the caller then trusts no file. Format: git's `Documentation/gitformat-index`.

use git2::Oid;

use super::tree::Kind;

/// `lstat` as git's index keeps it: every number cut to 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stat {
    pub ctime: (u32, u32),
    pub mtime: (u32, u32),
    pub dev: u32,
    pub ino: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u32,
}

impl Stat {
    /// From what the kernel says of a file.
    pub(crate) fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            ctime: (stat.st_ctime as u32, stat.st_ctime_nsec as u32),
            mtime: (stat.st_mtime as u32, stat.st_mtime_nsec as u32),
            dev: stat.st_dev as u32,
            ino: stat.st_ino as u32,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: stat.st_size as u32,
        }
    }

    /// Whether a file with this status is the one that had `written`, with the content that it had then. The change time is
    /// left out: it moves when another tree that shares the file comes or goes.
    pub(crate) fn is_unchanged_since(&self, written: &Stat) -> bool {
        (self.mtime, self.ino, self.size) == (written.mtime, written.ino, written.size)
    }
}

/// One file, link or submodule of a published tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub path: Box<[u8]>,
    pub oid: Oid,
    pub kind: Kind,
    pub stat: Stat,
    /// In the commit, but left out of this sparse tree.
    pub is_skipped: bool,
}

/// All of one tree, in index order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub entries: Vec<Entry>,
}

/// Why an index is not trusted as a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("the index is cut short")]
    Truncated,
    #[error("the index has a wrong checksum")]
    Checksum,
    #[error("the index has a form that we do not write")]
    Form,
}

const HEADER: usize = 12;
const FIXED: usize = 62;
const CHECKSUM: usize = 20;
const EXTENDED: u16 = 0x4000;
const SKIP_WORKTREE: u16 = 0x4000;

impl Manifest {
    /// The index file for this tree.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let is_sparse = self.entries.iter().any(|entry| entry.is_skipped);
        let mut out = Vec::with_capacity(HEADER + self.entries.len() * 112 + CHECKSUM);
        out.extend_from_slice(b"DIRC");
        out.extend_from_slice(&(if is_sparse { 3_u32 } else { 2 }).to_be_bytes());
        out.extend_from_slice(&(self.entries.len() as u32).to_be_bytes());
        for entry in &self.entries {
            encode_entry(entry, &mut out);
        }
        let checksum = checksum(&out);
        out.extend_from_slice(&checksum);
        out
    }

    /// Reads an index back.
    ///
    /// # Errors
    /// When it was torn, or rewritten in a form that this program does not write.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let body = bytes.len().checked_sub(CHECKSUM).ok_or(ManifestError::Truncated)?;
        let (body, checksum) = bytes.split_at(body);
        // All zeros: the consumer's git has index.skipHash.
        if checksum != self::checksum(body) && checksum != [0; CHECKSUM] {
            return Err(ManifestError::Checksum);
        }
        if body.get(..4) != Some(b"DIRC") || !matches!(word(body, 4)?, 2 | 3) {
            return Err(ManifestError::Form);
        }
        let count = word(body, 8)? as usize;
        let mut entries = Vec::with_capacity(count.min(body.len() / FIXED));
        let mut at = HEADER;
        for _ in 0..count {
            let (entry, next) = decode_entry(body, at)?;
            entries.push(entry);
            at = next;
        }
        Ok(Self { entries })
    }
}

/// SHA-1 of an index. An index that looks like a made collision gets no checksum, which git takes for "not checked".
fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    sha1dc::digest(body).map_or([0; CHECKSUM], Into::into)
}

fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    let start = out.len();
    let stat = &entry.stat;
    let words = [
        stat.ctime.0,
        stat.ctime.1,
        stat.mtime.0,
        stat.mtime.1,
        stat.dev,
        stat.ino,
        entry.kind.mode(),
        stat.uid,
        stat.gid,
        stat.size,
    ];
    for number in words {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(entry.oid.as_bytes());
    let name = entry.path.len().min(0xfff) as u16;
    if entry.is_skipped {
        out.extend_from_slice(&(name | EXTENDED).to_be_bytes());
        out.extend_from_slice(&SKIP_WORKTREE.to_be_bytes());
    } else {
        out.extend_from_slice(&name.to_be_bytes());
    }
    out.extend_from_slice(&entry.path);
    // One to eight NULs, to a multiple of eight.
    let padding = 8 - (out.len() - start) % 8;
    out.resize(out.len() + padding, 0);
}

fn decode_entry(body: &[u8], at: usize) -> Result<(Entry, usize), ManifestError> {
    let field = |index: usize| word(body, at + 4 * index);
    let stat = Stat {
        ctime: (field(0)?, field(1)?),
        mtime: (field(2)?, field(3)?),
        dev: field(4)?,
        ino: field(5)?,
        uid: field(7)?,
        gid: field(8)?,
        size: field(9)?,
    };
    let kind = Kind::of(field(6)?).ok_or(ManifestError::Form)?;
    let raw = body.get(at + 40..at + 60).ok_or(ManifestError::Truncated)?;
    let oid = Oid::from_bytes(raw).map_err(|_| ManifestError::Form)?;
    let flags = half(body, at + 60)?;
    if flags & 0x3000 != 0 {
        return Err(ManifestError::Form); // a merge conflict: not ours
    }
    let is_extended = flags & EXTENDED != 0;
    let is_skipped = is_extended && half(body, at + FIXED)? & SKIP_WORKTREE != 0;
    let name = at + FIXED + if is_extended { 2 } else { 0 };
    let length =
        memchr::memchr(0, body.get(name..).ok_or(ManifestError::Truncated)?).ok_or(ManifestError::Truncated)?;
    let path = body[name..name + length].into();
    let used = name + length - at;
    Ok((Entry { path, oid, kind, stat, is_skipped }, at + used + 8 - used % 8))
}

fn word(bytes: &[u8], at: usize) -> Result<u32, ManifestError> {
    let raw = bytes.get(at..at + 4).and_then(|raw| raw.try_into().ok()).ok_or(ManifestError::Truncated)?;
    Ok(u32::from_be_bytes(raw))
}

fn half(bytes: &[u8], at: usize) -> Result<u16, ManifestError> {
    let raw = bytes.get(at..at + 2).and_then(|raw| raw.try_into().ok()).ok_or(ManifestError::Truncated)?;
    Ok(u16::from_be_bytes(raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(is_sparse: bool) -> Manifest {
        let stat = Stat { mtime: (7, 8), size: 9, ino: 3, ..Stat::default() };
        let entry = |path: &str, kind, is_skipped| Entry {
            path: path.as_bytes().into(),
            oid: Oid::from_bytes(&[path.len() as u8; 20]).unwrap(),
            kind,
            stat,
            is_skipped,
        };
        let long = "d/".repeat(3000) + "file";
        Manifest {
            entries: vec![
                entry("a", Kind::File, false),
                entry("bin/run", Kind::Executable, is_sparse),
                entry(&long, Kind::File, false),
                entry("link", Kind::Symlink, false),
                entry("sub", Kind::Submodule, false),
            ],
        }
    }

    #[test]
    fn an_index_is_read_back_as_written() {
        for is_sparse in [false, true] {
            let manifest = sample(is_sparse);
            assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
        }
    }

    #[test]
    fn libgit2_reads_the_same_entries() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let manifest = sample(true);
        std::fs::write(&path, manifest.encode()).unwrap();
        let index = git2::Index::open(&path).unwrap();
        let theirs: Vec<_> = index.iter().map(|entry| (entry.path, entry.id, entry.mode)).collect();
        let ours: Vec<_> =
            manifest.entries.iter().map(|entry| (entry.path.to_vec(), entry.oid, entry.kind.mode())).collect();
        assert_eq!(theirs, ours);
    }

    #[test]
    fn a_torn_index_is_not_trusted() {
        let bytes = sample(false).encode();
        for cut in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let mut flipped = bytes;
        flipped[40] ^= 1;
        assert_eq!(Manifest::decode(&flipped), Err(ManifestError::Checksum));
    }
}
