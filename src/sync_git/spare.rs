//! The spare: a tree that is no longer published, whose unchanged parts become parts of the next tree.
//!
//! In: a tree whose grace is over and its manifest (or links to the files of the published one); later, an export that walks
//! a new commit. Out: whole directories, and single files, *moved* into the new tree, so that a commit costs what it changes.
//! Only what is proved to be still what we wrote is moved: kind, mode, inode, size and time of every file, and no name in a
//! directory that we did not put there; the rest goes away. A directory that holds a change is made anew and the parts move
//! there: whoever still has the old tree open sees entries vanish, as when it is removed, and never a new content in it. The
//! spare stands inside the store, is taken apart under an unfinished name, and a killed run costs nothing but its use.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, RenameFlags};
use rustix::io::Errno;

use super::budget::Budget;
use super::checkout::CheckoutError;
use super::files::{At, FileError, read_small, remove, unique_name};
use super::manifest::{Directory, Entry, Manifest};
use super::reuse::Permissions;
use super::tree::{self, Kind};
use super::worktree::{LARGEST_INDEX, LARGEST_LIST, Worktree};

/// In the store; beside it, `tree`, `index` and `recipe` are all that it holds.
const NAME: &str = "patterns-spare";

/// A spare that is being taken apart. What is left of it goes away when it is dropped.
pub(crate) struct Spare {
    remains: PathBuf,
    top: OwnedFd,
    manifest: Manifest,
    names: Vec<u8>,
}

/// Whether the store at `store` has a spare.
pub(crate) fn is_there(store: &Path) -> bool {
    std::fs::symlink_metadata(store.join(NAME)).is_ok()
}

/// Removes the spare.
///
/// # Errors
/// When it will not go.
pub(crate) fn discard(store: &Path) -> Result<(), FileError> {
    remove(&store.join(NAME))
}

/// Makes the tree of `worktree`, which nobody reads any more, the spare. The one before goes.
///
/// # Errors
/// The volume's; the tree may be left behind under an unfinished name then.
pub(crate) fn keep(store: &Path, worktree: &Worktree) -> Result<(), FileError> {
    let aside = Aside::make(store)?;
    let parts = [(worktree.index(), "index"), (worktree.recipe_file(), "recipe"), (worktree.tree().to_owned(), "tree")];
    for (from, name) in parts {
        std::fs::rename(&from, aside.path.join(name)).at("set aside", &from)?;
    }
    aside.settle(store)
}

/// Makes what is left of a tree the spare; the worktree stands elsewhere and keeps its metadata.
///
/// # Errors
/// As [`keep`].
pub(crate) fn keep_rest(store: &Path, worktree: &Worktree, tree: &Path) -> Result<(), FileError> {
    let aside = Aside::make(store)?;
    aside.copy_metadata(worktree)?;
    std::fs::rename(tree, aside.path.join("tree")).at("set aside", tree)?;
    aside.settle(store)
}

/// Makes a spare of hard links to the files of `worktree`, which stays as it is. One that has touched files has no part in it.
///
/// # Errors
/// The volume's, which may have no hard links; the budget's.
pub(crate) fn link(store: &Path, worktree: &Worktree, budget: &Budget) -> Result<(), CheckoutError> {
    let Some(manifest) = worktree.manifest()? else { return Ok(()) };
    let aside = Aside::make(store)?;
    let tree = aside.path.join("tree");
    std::fs::create_dir(&tree).at("make the directory", &tree)?;
    let open = |path: &Path| rustix::fs::open(path, DIRECTORY, Mode::empty()).at("open", path);
    let (from, into) = (open(worktree.tree())?, open(&tree)?);
    link_below(from.as_fd(), into.as_fd(), 0, &manifest.entries, budget, &tree)?;
    aside.copy_metadata(worktree)?;
    Ok(aside.settle(store)?)
}

impl Spare {
    /// Takes the spare of `store` out of its place, if it has one that was made with the same `recipe`.
    pub(crate) fn take(store: &Path, recipe: &str) -> Option<Self> {
        let remains = store.join(unique_name());
        std::fs::rename(store.join(NAME), &remains).ok()?;
        let opened = rustix::fs::open(remains.join("tree"), DIRECTORY, Mode::empty());
        let text = read_small(&remains.join("recipe"), LARGEST_LIST);
        let index = read_small(&remains.join("index"), LARGEST_INDEX);
        let manifest = index.ok().flatten().and_then(|bytes| Manifest::decode(&bytes).ok());
        let is_same = text.is_ok_and(|text| text.as_deref() == Some(recipe.as_bytes()));
        let (Ok(top), Some(manifest), true) = (opened, manifest, is_same) else {
            let _ = remove(&remains); // of no use; the sweep takes what stays
            return None;
        };
        Some(Self { remains, top, manifest, names: Vec::with_capacity(16 * 1024) })
    }

    pub(crate) fn top(&self) -> Result<OwnedFd, Errno> {
        rustix::io::fcntl_dupfd_cloexec(&self.top, 0)
    }

    /// What it holds at `path`.
    pub(crate) fn entry(&self, path: &[u8]) -> Option<&Entry> {
        self.manifest.entry(path)
    }

    /// Moves the directory `entry`, all of it, from `old` to `new`, if it is the same tree and nobody has touched it.
    pub(crate) fn move_directory(
        &mut self,
        path: &[u8],
        entry: &tree::Entry<'_>,
        (old, new): (BorrowedFd<'_>, BorrowedFd<'_>),
        permissions: Permissions,
    ) -> Option<Moved<'_>> {
        let directory = self.manifest.directory(path).filter(|directory| directory.oid == entry.oid)?;
        let entries = self.manifest.below(directory);
        let dir = rustix::fs::openat(old, entry.name, DIRECTORY, Mode::empty()).ok()?;
        let check = Check { permissions, prefix: path.len() + 1, entries };
        if !check.holds(dir.as_fd(), &mut self.names) {
            return None;
        }
        rustix::fs::renameat_with(old, entry.name, new, entry.name, RenameFlags::NOREPLACE).ok()?;
        Some(Moved { directories: self.manifest.within(directory), entries, start: directory.entries.start })
    }

    /// Moves the file or link `entry`, if it is the same and nobody has touched it.
    pub(crate) fn move_file(
        &self,
        path: &[u8],
        entry: &tree::Entry<'_>,
        (old, new): (BorrowedFd<'_>, BorrowedFd<'_>),
        permissions: Permissions,
    ) -> Option<&Entry> {
        let written = self.entry(path)?;
        if (written.oid, written.kind, written.is_skipped) != (entry.oid, entry.kind, false) {
            return None;
        }
        let stat = rustix::fs::statat(old, entry.name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        if !permissions.are_kept(&stat, written) {
            return None;
        }
        rustix::fs::renameat_with(old, entry.name, new, entry.name, RenameFlags::NOREPLACE).ok()?;
        Some(written)
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        let _ = remove(&self.remains); // the sweep at the next start takes what stays
    }
}

/// What came with a directory that was moved.
pub(crate) struct Moved<'a> {
    pub entries: &'a [Entry],
    /// The directory itself and those below it; their entries count from `start`.
    pub directories: &'a [Directory],
    pub start: u32,
}

/// A directory of the store under an unfinished name, which goes away unless it gets its own.
struct Aside {
    path: PathBuf,
}

impl Aside {
    fn make(store: &Path) -> Result<Self, FileError> {
        let path = store.join(unique_name());
        std::fs::create_dir(&path).at("make the directory", &path)?;
        Ok(Self { path })
    }

    fn copy_metadata(&self, worktree: &Worktree) -> Result<(), FileError> {
        for (from, name) in [(worktree.index(), "index"), (worktree.recipe_file(), "recipe")] {
            std::fs::copy(&from, self.path.join(name)).at("copy", &from)?;
        }
        Ok(())
    }

    fn settle(self, store: &Path) -> Result<(), FileError> {
        let place = store.join(NAME);
        match rustix::fs::renameat_with(CWD, &self.path, CWD, &place, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            Err(_) => {
                remove(&place)?;
                std::fs::rename(&self.path, &place).at("move to its place", &self.path)
            }
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = remove(&self.path); // not there where it has settled
    }
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The parts of a directory: `entries` have its path, of `prefix` bytes with the slash, in common.
fn parts(entries: &[Entry], prefix: usize) -> impl Iterator<Item = (&[u8], Part<'_>)> {
    let mut rest = entries;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        let name = first.path.get(prefix..)?;
        let Some(slash) = memchr::memchr(b'/', name) else {
            rest = after;
            return Some((name, Part::File(first)));
        };
        let shared = &first.path[..=prefix + slash];
        let (below, after) = rest.split_at(rest.partition_point(|entry| entry.path.starts_with(shared)));
        rest = after;
        Some((&name[..slash], Part::Directory(below)))
    })
}

enum Part<'a> {
    File(&'a Entry),
    Directory(&'a [Entry]),
}

/// The proof that a directory is what we wrote.
struct Check<'a> {
    permissions: Permissions,
    prefix: usize,
    entries: &'a [Entry],
}

impl Check<'_> {
    fn holds(&self, dir: BorrowedFd<'_>, names: &mut Vec<u8>) -> bool {
        let is_ours = rustix::fs::fstat(dir).is_ok_and(|stat| self.permissions.are_directorys(&stat));
        let Some(found) = count(dir, names).filter(|_| is_ours) else { return false };
        let mut wanted = 0;
        for (name, part) in parts(self.entries, self.prefix) {
            match part {
                Part::File(entry) if entry.is_skipped => {}
                // Other repositories' files are below it.
                Part::File(entry) if entry.kind == Kind::Submodule => return false,
                Part::File(entry) => {
                    wanted += 1;
                    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
                    if !stat.is_ok_and(|stat| self.permissions.are_kept(&stat, entry)) {
                        return false;
                    }
                }
                Part::Directory(below) if below.iter().all(|entry| entry.is_skipped) => {}
                Part::Directory(below) => {
                    wanted += 1;
                    let Ok(dir) = rustix::fs::openat(dir, name, DIRECTORY, Mode::empty()) else { return false };
                    let check = Check { prefix: self.prefix + name.len() + 1, entries: below, ..*self };
                    if !check.holds(dir.as_fd(), names) {
                        return false;
                    }
                }
            }
        }
        // All of ours are there; are there others?
        wanted == found
    }
}

/// How many names a directory holds.
fn count(dir: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Option<usize> {
    let buffer: &mut [MaybeUninit<u8>] = buffer.spare_capacity_mut();
    let mut listing = RawDir::new(dir, buffer);
    let mut count = 0;
    while let Some(entry) = listing.next() {
        let entry = entry.ok()?;
        count += usize::from(!matches!(entry.file_name().to_bytes(), b"." | b".."));
    }
    Some(count)
}

fn link_below(
    from: BorrowedFd<'_>,
    into: BorrowedFd<'_>,
    prefix: usize,
    entries: &[Entry],
    budget: &Budget,
    shown: &Path,
) -> Result<(), CheckoutError> {
    budget.check()?;
    for (name, part) in parts(entries, prefix) {
        match part {
            Part::File(entry) if entry.is_skipped || entry.kind == Kind::Submodule => {}
            Part::File(_) => match rustix::fs::linkat(from, name, into, name, AtFlags::empty()) {
                // Somebody took it away; the next tree gets it from the store.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error).at("make a link in", shown)?,
            },
            Part::Directory(below) => {
                let Ok(from) = rustix::fs::openat(from, name, DIRECTORY, Mode::empty()) else { continue };
                rustix::fs::mkdirat(into, name, Mode::from_raw_mode(0o777)).at("make a directory in", shown)?;
                let into = rustix::fs::openat(into, name, DIRECTORY, Mode::empty()).at("open", shown)?;
                link_below(from.as_fd(), into.as_fd(), prefix + name.len() + 1, below, budget, shown)?;
            }
        }
    }
    Ok(())
}
