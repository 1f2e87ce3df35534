//! Tree objects, read with suspicion.
//!
//! In: the bytes of one git tree. Out: its entries in order, each with a name that is safe to create in a directory and a kind
//! that we know. Refused: what `git fsck` refuses and a checkout must never write: `..`, `.git` in any spelling that some file
//! system takes for it, a slash, an empty or endless name, entries out of order or twice, a symbolic link named `.gitmodules`.
//! It does no I/O.

use git2::Oid;

/// A file system's own limit for one name; no tree that people made has more.
const LONGEST_NAME: usize = 255;

/// What a tree entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Executable,
    Symlink,
    Directory,
    /// A commit of another repository.
    Submodule,
}

impl Kind {
    /// The mode as git's index spells it.
    pub(crate) fn mode(self) -> u32 {
        match self {
            Kind::File => 0o100_644,
            Kind::Executable => 0o100_755,
            Kind::Symlink => 0o120_000,
            Kind::Directory => 0o040_000,
            Kind::Submodule => 0o160_000,
        }
    }

    /// The kind of a mode; the group-write bit that old git recorded is dropped.
    pub(crate) fn of(mode: u32) -> Option<Kind> {
        Some(match mode {
            0o100_644 | 0o100_664 => Kind::File,
            0o100_755 => Kind::Executable,
            0o120_000 => Kind::Symlink,
            0o040_000 => Kind::Directory,
            0o160_000 => Kind::Submodule,
            _ => return None,
        })
    }
}

/// One entry of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub kind: Kind,
    pub name: &'a [u8],
    pub oid: Oid,
}

/// Why a tree is not written out. The repository's fault; a retry gives the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TreeError {
    #[error("the tree object is cut short")]
    Truncated,
    #[error("the entry {0:?} has the mode {1:o}, which git does not have")]
    Mode(String, u32),
    #[error("the name {0:?} is not safe to create ({1})")]
    Name(String, &'static str),
    #[error("the entry {0:?} is out of order or there twice")]
    Order(String),
}

/// The entries of a tree, in git's order. Stops after the first error.
pub(crate) fn entries(bytes: &[u8]) -> impl Iterator<Item = Result<Entry<'_>, TreeError>> {
    let mut rest = bytes;
    let mut last: Option<Entry<'_>> = None;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = split_entry(&mut rest).and_then(|entry| {
            checked_name(entry.name, entry.kind)?;
            if last.is_some_and(|last| order(&last, &entry) != std::cmp::Ordering::Less) {
                return Err(TreeError::Order(printable(entry.name)));
            }
            Ok(entry)
        });
        match &entry {
            Ok(entry) => last = Some(*entry),
            Err(_) => rest = &[],
        }
        Some(entry)
    })
}

/// A name as it may stand in an error: control characters escaped.
pub(crate) fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}

fn split_entry<'a>(rest: &mut &'a [u8]) -> Result<Entry<'a>, TreeError> {
    let space = memchr::memchr(b' ', rest).ok_or(TreeError::Truncated)?;
    let end = memchr::memchr(0, rest).filter(|end| *end > space).ok_or(TreeError::Truncated)?;
    let (name, tail) = (&rest[space + 1..end], &rest[end + 1..]);
    let oid = tail.get(..20).and_then(|raw| Oid::from_bytes(raw).ok()).ok_or(TreeError::Truncated)?;
    let mode = std::str::from_utf8(&rest[..space]).ok().and_then(|mode| u32::from_str_radix(mode, 8).ok());
    let mode = mode.ok_or(TreeError::Truncated)?;
    let kind = Kind::of(mode).ok_or_else(|| TreeError::Mode(printable(name), mode))?;
    *rest = &tail[20..];
    Ok(Entry { kind, name, oid })
}

/// Git's order: a directory sorts as if its name ended in a slash.
fn order(a: &Entry<'_>, b: &Entry<'_>) -> std::cmp::Ordering {
    let shared = a.name.len().min(b.name.len());
    a.name[..shared].cmp(&b.name[..shared]).then_with(|| after(a, shared).cmp(&after(b, shared))).then_with(|| {
        // The same name as a file and as a directory differ in that byte; equal here means the same entry twice.
        a.name.len().cmp(&b.name.len())
    })
}

fn after(entry: &Entry<'_>, at: usize) -> u8 {
    match entry.name.get(at) {
        Some(byte) => *byte,
        None if entry.kind == Kind::Directory => b'/',
        None => 0,
    }
}

fn checked_name(name: &[u8], kind: Kind) -> Result<(), TreeError> {
    let refused = |why| Err(TreeError::Name(printable(name), why));
    match name {
        b"" => return refused("empty"),
        b"." | b".." => return refused("a directory's own name or its parent's"),
        _ => {}
    }
    if name.len() > LONGEST_NAME {
        return refused("longer than 255 bytes");
    }
    if name.contains(&b'/') {
        return refused("it contains a slash");
    }
    if is_dot_git(name, b"git", b"git~1") {
        return refused("some file system takes it for .git");
    }
    if kind == Kind::Symlink && is_dot_git(name, b"gitmodules", b"gitmod~1") {
        return refused("a symbolic link may not stand for .gitmodules");
    }
    Ok(())
}

/// Whether a file system could take `name` for `.{word}`: ASCII case, NTFS' trailing dots, spaces, streams and short names,
/// the code points that HFS+ ignores.
fn is_dot_git(name: &[u8], word: &[u8], short: &[u8]) -> bool {
    let plain = without_ignorable(name);
    // NTFS: "name::$STREAM", "name\rest", trailing dots and spaces.
    let head = plain.split(|byte| matches!(byte, b':' | b'\\')).next().unwrap_or_default();
    let trimmed = head.len() - head.iter().rev().take_while(|byte| matches!(byte, b'.' | b' ')).count();
    let head = &head[..trimmed];
    head.strip_prefix(b".").is_some_and(|rest| rest.eq_ignore_ascii_case(word)) || head.eq_ignore_ascii_case(short)
}

/// HFS+ compares names without these code points (zero-width joiners, direction marks, the byte order mark).
fn without_ignorable(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(byte) = rest.first() {
        let skip = match rest {
            [0xe2, 0x80, 0x8c..=0x8f | 0xaa..=0xae, ..] | [0xe2, 0x81, 0xaa..=0xaf, ..] | [0xef, 0xbb, 0xbf, ..] => 3,
            _ => {
                plain.push(*byte);
                1
            }
        };
        rest = &rest[skip..];
    }
    plain
}

/// A tree of plain files, for tests.
#[cfg(test)]
pub(crate) fn sample(repo: &git2::Repository, files: &[(&str, &str)]) -> Oid {
    let mut index = git2::Index::new().unwrap();
    for (path, content) in files {
        let entry = git2::IndexEntry {
            ctime: git2::IndexTime::new(0, 0),
            mtime: git2::IndexTime::new(0, 0),
            dev: 0,
            ino: 0,
            mode: 0o100_644,
            uid: 0,
            gid: 0,
            file_size: 0,
            id: repo.blob(content.as_bytes()).unwrap(),
            flags: 0,
            flags_extended: 0,
            path: path.as_bytes().to_vec(),
        };
        index.add(&entry).unwrap();
    }
    index.write_tree_to(repo).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (mode, name) in entries {
            bytes.extend_from_slice(mode.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(name);
            bytes.push(0);
            bytes.extend_from_slice(&[7; 20]);
        }
        bytes
    }

    fn verdict(entries_: &[(&str, &[u8])]) -> Result<usize, TreeError> {
        entries(&tree(entries_)).collect::<Result<Vec<_>, _>>().map(|all| all.len())
    }

    #[test]
    fn an_ordinary_tree_is_read_in_order() {
        let all: &[(&str, &[u8])] =
            &[("100644", b"a"), ("100644", b"a.c"), ("40000", b"a0"), ("120000", b"b"), ("160000", b"c")];
        assert_eq!(verdict(all), Ok(5));
    }

    #[test]
    fn names_that_escape_are_refused() {
        let names: &[&[u8]] = &[
            b"",
            b".",
            b"..",
            b"../evil",
            b"a/b",
            b".git",
            b".GIT",
            b".Git ",
            b".git...",
            b"git~1",
            b"GIT~1",
            b".git::$INDEX_ALLOCATION",
            b".git\\hooks",
            b".g\xe2\x80\x8cit",
            b"\xef\xbb\xbf.git",
            &[b'x'; 256],
        ];
        for name in names {
            assert!(matches!(verdict(&[("40000", name)]), Err(TreeError::Name(..))), "{}", printable(name));
        }
    }

    #[test]
    fn names_that_only_look_alike_are_fine() {
        for name in [&b".gitignore"[..], b".github", b"git", b".gitmodules", b"a.git", b"\\x", b"git~2"] {
            assert_eq!(verdict(&[("100644", name)]), Ok(1), "{}", printable(name));
        }
    }

    #[test]
    fn a_linked_gitmodules_is_refused() {
        assert!(matches!(verdict(&[("120000", b".gitmodules")]), Err(TreeError::Name(..))));
    }

    #[test]
    fn duplicates_and_disorder_are_refused() {
        assert!(matches!(verdict(&[("100644", b"a"), ("100644", b"a")]), Err(TreeError::Order(_))));
        assert!(matches!(verdict(&[("100644", b"b"), ("100644", b"a")]), Err(TreeError::Order(_))));
        assert!(matches!(verdict(&[("40000", b"a"), ("100644", b"a")]), Err(TreeError::Order(_))));
    }

    #[test]
    fn unknown_modes_and_cut_trees_are_refused() {
        assert!(matches!(verdict(&[("100600", b"a")]), Err(TreeError::Mode(..))));
        assert!(matches!(verdict(&[("104755", b"a")]), Err(TreeError::Mode(..))));
        let whole = tree(&[("100644", b"a")]);
        for cut in 1..whole.len() {
            assert!(entries(&whole[..cut]).any(|entry| entry.is_err()), "cut at {cut}");
        }
    }
}
