//! What differs between two commits, for hooks: a letter and a path for each file.
//!
//! In: the trees of the commit that was published and of the one that is. Out: `A`, `M` or `D` with a path, in the order of
//! the paths; as a file, a line each (`M<tab>dir/file`), a path with a quote, a backslash or a control character in C's
//! quotes, as git writes it. Only directories that differ are read. Refused: a list without end; a list that would be cut
//! short is none, since whoever acts on it would miss what is not there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use git2::{Odb, Oid};

use super::files::{FileError, make_dirs, names_in, remove, write_whole};
use super::tree::{Kind, entries};

/// A hook that is told of more files than this had better look at all of them.
const MOST: usize = 1_000_000;
/// Directories on a path; a tree that is deeper was not checked out either.
const DEEPEST: usize = 512;
/// Lists that stay: the newest, and the one that a hook may still be reading.
const KEPT: usize = 2;

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Modified,
    Deleted,
}

impl Change {
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Modified => 'M',
            Self::Deleted => 'D',
        }
    }
}

/// Every path that differs.
pub(crate) type Changes = BTreeMap<Vec<u8>, Change>;

/// Compares two trees; nothing when an object is not here, is no tree that we take, or the list has no end.
pub(crate) fn between(odb: &Odb<'_>, old: Oid, new: Oid) -> Option<Changes> {
    let mut changes = Changes::new();
    compare(odb, Some(old), Some(new), &mut Vec::new(), 0, &mut changes)?;
    Some(changes)
}

type Names = BTreeMap<Vec<u8>, (Kind, Oid)>;

fn names(odb: &Odb<'_>, tree: Option<Oid>) -> Option<Names> {
    let Some(tree) = tree else { return Some(Names::new()) };
    let object = odb.read(tree).ok().filter(|object| object.kind() == git2::ObjectType::Tree)?;
    entries(object.data()).map(|entry| entry.ok().map(|e| (e.name.to_vec(), (e.kind, e.oid)))).collect()
}

fn compare(
    odb: &Odb<'_>,
    old: Option<Oid>,
    new: Option<Oid>,
    path: &mut Vec<u8>,
    depth: usize,
    changes: &mut Changes,
) -> Option<()> {
    if old == new {
        return Some(());
    }
    if depth > DEEPEST {
        return None;
    }
    let (mut before, after) = (names(odb, old)?, names(odb, new)?);
    let mut pairs: Vec<_> = after.into_iter().map(|(name, is)| (before.remove(&name), Some(is), name)).collect();
    pairs.extend(before.into_iter().map(|(name, was)| (Some(was), None, name)));
    for (was, is, name) in pairs {
        if was == is {
            continue;
        }
        let length = path.len();
        if length > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
        let directory =
            |side: Option<(Kind, Oid)>| side.filter(|(kind, _)| *kind == Kind::Directory).map(|(_, oid)| oid);
        if directory(was).is_some() || directory(is).is_some() {
            compare(odb, directory(was), directory(is), path, depth + 1, changes)?;
        }
        let is_leaf = |side: Option<(Kind, Oid)>| side.is_some_and(|(kind, _)| kind != Kind::Directory);
        let change = match (is_leaf(was), is_leaf(is)) {
            (true, true) => Some(Change::Modified),
            (true, false) => Some(Change::Deleted),
            (false, true) => Some(Change::Added),
            (false, false) => None,
        };
        if let Some(change) = change {
            changes.insert(path.clone(), change);
        }
        path.truncate(length);
    }
    (changes.len() <= MOST).then_some(())
}

/// Writes the list for `commit` below the store, where no consumer looks, and removes those that are two or more older.
///
/// # Errors
/// The volume's.
pub(crate) fn write(store: &Path, commit: Oid, changes: &Changes) -> Result<PathBuf, FileError> {
    let dir = store.join("patterns-changes");
    make_dirs(&dir)?;
    let path = dir.join(commit.to_string());
    let modified = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let mut older: Vec<_> = names_in(&dir)?.into_iter().map(|name| dir.join(name)).filter(|old| *old != path).collect();
    older.sort_by_key(|path| std::cmp::Reverse(modified(path)));
    for path in older.iter().skip(KEPT - 1) {
        remove(path)?;
    }
    let mut text = Vec::new();
    for (path, change) in changes {
        text.extend_from_slice(&[change.letter() as u8, b'\t']);
        quoted(path, &mut text);
        text.push(b'\n');
    }
    write_whole(&path, &text)?;
    Ok(path)
}

/// A path as git prints it with `core.quotePath=off`.
fn quoted(path: &[u8], out: &mut Vec<u8>) {
    let needs = |byte: &u8| *byte < 0x20 || [b'"', b'\\', 0x7f].contains(byte);
    if !path.iter().any(needs) {
        return out.extend_from_slice(path);
    }
    out.push(b'"');
    for byte in path {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte if needs(byte) => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            byte => out.push(*byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync_git::tree::sample as tree;

    #[test]
    fn every_kind_of_change_is_listed_once() {
        let dir = tempfile::tempdir().unwrap();
        let repo = git2::Repository::init_bare(dir.path()).unwrap();
        let old = tree(&repo, &[("a", "1"), ("d/x", "1"), ("d/y", "1"), ("e", "1"), ("f/g", "1"), ("same/s", "1")]);
        let new = tree(&repo, &[("a", "2"), ("d/x", "1"), ("d/z", "1"), ("e/h", "1"), ("f", "1"), ("same/s", "1")]);
        let changes = between(&repo.odb().unwrap(), old, new).unwrap();
        let list: Vec<String> = changes
            .iter()
            .map(|(path, change)| format!("{}{}", change.letter(), String::from_utf8_lossy(path)))
            .collect();
        assert_eq!(list, ["Ma", "Dd/y", "Ad/z", "De", "Ae/h", "Af", "Df/g"]);
        assert_eq!(between(&repo.odb().unwrap(), old, old).unwrap().len(), 0);
        assert!(between(&repo.odb().unwrap(), old, Oid::from_bytes(&[7; 20]).unwrap()).is_none());
    }

    #[test]
    fn strange_paths_stay_on_one_line_and_old_lists_go() {
        let dir = tempfile::tempdir().unwrap();
        let commit = |number: u8| Oid::from_bytes(&[number; 20]).unwrap();
        let changes =
            Changes::from([(b"a\nb\"\\\x01\xc3\xa9".to_vec(), Change::Added), (b"p q".to_vec(), Change::Deleted)]);
        for number in 1..=4 {
            let path = write(dir.path(), commit(number), &changes).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"A\t\"a\\nb\\\"\\\\\\001\xc3\xa9\"\nD\tp q\n");
            assert!(names_in(path.parent().unwrap()).unwrap().len() <= KEPT);
            assert_eq!(write(dir.path(), commit(number), &changes).unwrap(), path);
        }
    }
}
