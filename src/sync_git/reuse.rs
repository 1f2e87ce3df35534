//! Unchanged files are taken over from the tree that is published now.
//!
//! In: that tree and its manifest. Out: for a file of the new tree whose object and kind are the same and which is, by its
//! status, still what we wrote: a hard link to it (or a clone of its extents). A file that anybody touched since is not
//! taken. Sharing an inode has a price that the manual names: a consumer that writes into a published file *in place* writes
//! into all trees that share it. With the default that is only while the old tree goes away, and not at all where old trees
//! are kept or the group may write.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use clap::ValueEnum;
use git2::Oid;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::manifest::{Entry, Manifest, Stat};
use super::tree::{self, Kind};
use super::worktree::Worktree;

/// How unchanged files come into a new tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reuse {
    /// As hard links, where old trees go at once and the group may not write; else written anew
    Auto,
    /// Written anew, always
    Off,
    /// As clones of their extents (btrfs, XFS); written anew where the file system cannot
    Reflink,
    /// As hard links
    Hardlink,
}

/// The published tree, as a source of files.
pub(crate) struct Previous {
    manifest: Manifest,
    top: OwnedFd,
    how: Reuse,
    /// Both the manifest and a walk are in index order: this is how far the walk has come.
    at: usize,
    is_over: bool,
}

impl Previous {
    /// The tree of `worktree`, unless it cannot serve.
    pub(crate) fn open(worktree: &Worktree, how: Reuse) -> Option<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::PATH | OFlags::CLOEXEC;
        let top = rustix::fs::open(worktree.tree(), flags, Mode::empty()).ok()?;
        let manifest = worktree.manifest().ok()??;
        Some(Self { manifest, top, how, at: 0, is_over: how == Reuse::Off })
    }

    /// Makes `entry`, which belongs at `path`, out of the file that stands there in this tree. Paths must be asked for in
    /// index order. Nothing is made when the file is another one, was touched, or cannot be shared.
    pub(crate) fn take(&mut self, path: &[u8], entry: &tree::Entry<'_>, into: BorrowedFd<'_>) -> Option<Stat> {
        let written = self.find(path, entry.oid, entry.kind)?.stat;
        let stat = rustix::fs::statat(&self.top, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let is_executable = stat.st_mode & 0o100 != 0;
        if !is_file
            || is_executable != (entry.kind == Kind::Executable)
            || !Stat::of(&stat).is_unchanged_since(&written)
        {
            return None;
        }
        let taken = match self.how {
            Reuse::Reflink => clone(&self.top, path, into, entry),
            _ => rustix::fs::linkat(&self.top, path, into, entry.name, AtFlags::empty()).map(|()| Stat::of(&stat)),
        };
        // Another device, a file system or a kernel that does not let us, a file of somebody else's.
        self.is_over |= matches!(
            taken,
            Err(Errno::XDEV | Errno::PERM | Errno::NOTSUP | Errno::INVAL | Errno::NOTTY | Errno::NOSYS)
        );
        taken.ok()
    }

    fn find(&mut self, path: &[u8], oid: Oid, kind: Kind) -> Option<&Entry> {
        if self.is_over {
            return None;
        }
        while self.manifest.entries.get(self.at).is_some_and(|entry| *entry.path < *path) {
            self.at += 1;
        }
        self.manifest
            .entries
            .get(self.at)
            .filter(|entry| (&*entry.path, entry.oid, entry.kind, entry.is_skipped) == (path, oid, kind, false))
    }
}

/// A file of its own that shares the extents of another until one of them is written.
fn clone(top: &OwnedFd, path: &[u8], into: BorrowedFd<'_>, entry: &tree::Entry<'_>) -> Result<Stat, Errno> {
    let source = rustix::fs::openat(top, path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let mode = Mode::from_raw_mode(if entry.kind == Kind::Executable { 0o777 } else { 0o666 });
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = rustix::fs::openat(into, entry.name, flags, mode)?;
    if let Err(error) = rustix::fs::ioctl_ficlone(&target, source.as_fd()) {
        // The export writes the file instead, and wants the name to be free.
        rustix::fs::unlinkat(into, entry.name, AtFlags::empty())?;
        return Err(error);
    }
    rustix::fs::fstat(&target).map(|stat| Stat::of(&stat))
}
