//! What one published tree holds: path, object and file status of every entry, kept as the worktree's git index.
//!
//! In: the entries that an export wrote, in index order. Out: the bytes of `worktrees/<hash>/index` (version 2, or 3 when
//! sparse entries are skipped), so that the consumer's `git status` is clean without reading a file, and so that we can tell
//! later, from `lstat` alone, which files are still what we wrote. Refused when read back: other versions, a wrong checksum,
//! conflicts; the caller then trusts no file. Format: git's `Documentation/gitformat-index`.

use std::ops::Range;

use git2::Oid;

use super::cache_tree;
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

/// One directory of a published tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    /// From the top, whose own is empty.
    pub path: Box<[u8]>,
    /// The tree that it is.
    pub oid: Oid,
    /// What lies below it, among the entries.
    pub entries: Range<u32>,
}

/// All of one tree, in index order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub entries: Vec<Entry>,
    /// The top first; none where git rewrote the index.
    pub directories: Vec<Directory>,
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
        if !self.directories.is_empty() {
            let extension = cache_tree::encode(&self.directories);
            out.extend_from_slice(cache_tree::SIGNATURE);
            out.extend_from_slice(&(extension.len() as u32).to_be_bytes());
            out.extend_from_slice(&extension);
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
        let directories = directories(body.get(at..).ok_or(ManifestError::Truncated)?, &entries)?;
        Ok(Self { entries, directories })
    }

    /// The entry at `path`.
    pub(crate) fn entry(&self, path: &[u8]) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|entry| (*entry.path).cmp(path)).ok()?;
        self.entries.get(at)
    }

    /// The directory at `path`.
    pub(crate) fn directory(&self, path: &[u8]) -> Option<&Directory> {
        // In index order a directory stands where its name with a slash does.
        let slashed = |path: &'_ [u8]| path.iter().copied().chain(std::iter::once(b'/')).collect::<Vec<_>>();
        if path.is_empty() {
            return self.directories.first();
        }
        let wanted = slashed(path);
        let below = self.directories.get(1..)?;
        let at = below.binary_search_by(|directory| slashed(&directory.path).cmp(&wanted)).ok()?;
        below.get(at)
    }

    /// A directory of this manifest and all those below it.
    pub(crate) fn within(&self, directory: &Directory) -> &[Directory] {
        let from = self.directories.partition_point(|other| other.entries.start < directory.entries.start);
        let from = from + self.directories[from..].iter().take_while(|other| other.path != directory.path).count();
        let rest = self.directories.get(from..).unwrap_or_default();
        let below = rest.iter().skip(1).take_while(|other| {
            other.path.strip_prefix(&*directory.path).is_some_and(|tail| tail.first() == Some(&b'/'))
        });
        &rest[..rest.len().min(1 + below.count())]
    }

    /// What lies below a directory of this manifest.
    pub(crate) fn below(&self, directory: &Directory) -> &[Entry] {
        self.entries.get(directory.entries.start as usize..directory.entries.end as usize).unwrap_or_default()
    }
}

/// The directories, from the extensions that follow the entries.
fn directories(mut bytes: &[u8], entries: &[Entry]) -> Result<Vec<Directory>, ManifestError> {
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_first_chunk::<8>().ok_or(ManifestError::Truncated)?;
        let (extension, rest) = rest.split_at_checked(word(head, 4)? as usize).ok_or(ManifestError::Truncated)?;
        if head[..4] == *cache_tree::SIGNATURE {
            return Ok(cache_tree::decode(extension, entries).unwrap_or_default());
        }
        bytes = rest;
    }
    Ok(Vec::new())
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
        let name = "d".repeat(249);
        let long = format!("{name}/").repeat(17) + "file";
        let directory = |path: &str, entries| Directory {
            path: path.as_bytes().into(),
            oid: Oid::from_bytes(&[0x80 | path.len() as u8; 20]).unwrap(),
            entries,
        };
        let chain = (1..=17).map(|depth| directory(&long[..250 * depth - 1], 2..3));
        let directories = [directory("", 0..5), directory("bin", 1..2)].into_iter().chain(chain).collect();
        Manifest {
            directories,
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
    fn entries_and_directories_are_found_by_path() {
        let manifest = sample(false);
        assert_eq!(manifest.entry(b"bin/run").map(|entry| entry.kind), Some(Kind::Executable));
        assert_eq!(manifest.entry(b"bin"), None);
        let bin = manifest.directory(b"bin").unwrap();
        assert_eq!(manifest.below(bin).len(), 1);
        assert_eq!(manifest.directory(b"").map(|top| manifest.below(top).len()), Some(5));
        assert_eq!(manifest.directory(b"bi"), None);
        let second = "d".repeat(249) + "/" + &"d".repeat(249);
        let second = manifest.directory(second.as_bytes()).unwrap();
        assert_eq!((second.entries.clone(), manifest.within(second).len()), (2..3, 16));
    }

    #[test]
    fn directories_that_do_not_fit_the_entries_are_forgotten() {
        let mut manifest = sample(false);
        manifest.directories[1].entries = 1..4;
        let read = Manifest::decode(&manifest.encode()).unwrap();
        assert_eq!((read.entries, read.directories), (manifest.entries, Vec::new()));
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
        for cut in (0..bytes.len()).step_by(31) {
            assert!(Manifest::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let mut flipped = bytes;
        flipped[40] ^= 1;
        assert_eq!(Manifest::decode(&flipped), Err(ManifestError::Checksum));
    }
}
