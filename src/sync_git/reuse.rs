//! Where a new tree gets its unchanged files from: the settings' choices, and the published tree as a source.
//!
//! In: that tree and its manifest. Out: for a file of the new tree whose object and kind are the same and which is, by its
//! status, still what we wrote: a hard link to it (or a clone of its extents). A file that anybody touched since is not
//! taken. Sharing an inode has a price that the manual names: a consumer that writes into a published file *in place* writes
//! into all trees that share it. With the default nobody can reach the other tree by a path, and nothing is shared at all
//! where old trees are kept or the group may write. The other source, from which files are moved, is in `spare`.

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
    /// recycle; and where old trees go at once and the group may not write, its first spare tree is made of hard links to
    /// the published files, so that the first change is fast, too, and takes no space: a program that writes into a file of
    /// an old tree while it is replaced then writes into the new tree's, until --verify-interval notices
    Auto,
    /// Written anew, always
    Off,
    /// As clones of their extents (btrfs, XFS); written anew where the file system cannot
    Reflink,
    /// As hard links to those of the published tree; whoever writes into one in place writes into all trees that share it
    Hardlink,
    /// Moved, with whole directories where nothing in them changed, out of the tree before, which is kept inside .git for
    /// this when its time is over: a change costs what it changes. No file is in two trees, and a program that still has
    /// the old tree open sees files vanish from it, as when it is removed, never new ones in it
    Recycle,
}

/// Where a new tree looks for unchanged files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sources {
    pub published: Sharing,
    pub spare: Spares,
}

/// What may be made of the published tree's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    Nothing,
    Clones,
    Links,
}

/// Whether there is a spare tree, and what of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spares {
    None,
    /// A tree whose time is over.
    Retired,
    /// Where there is no such tree: links to the published one.
    Linked,
}

/// How long files that are shared by two trees would be seen in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Old trees go at once, and only we write.
    Brief,
    /// Old trees stay, or the group may write.
    Long,
}

impl Reuse {
    pub(crate) fn sources(self, exposure: Exposure) -> Sources {
        let (published, spare) = match (self, exposure) {
            (Self::Auto, Exposure::Brief) => (Sharing::Links, Spares::Linked),
            (Self::Auto, Exposure::Long) | (Self::Recycle, _) => (Sharing::Nothing, Spares::Retired),
            (Self::Off, _) => (Sharing::Nothing, Spares::None),
            (Self::Reflink, _) => (Sharing::Clones, Spares::None),
            (Self::Hardlink, _) => (Sharing::Links, Spares::None),
        };
        Sources { published, spare }
    }
}

/// The permissions that our files have, by those of a directory that was just made: the umask of both is the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permissions(u32);

impl Permissions {
    pub(crate) fn of_new(directory: &rustix::fs::Stat) -> Self {
        Self(directory.st_mode & 0o777)
    }

    /// As a directory has them.
    pub(crate) fn of_directory(self) -> Mode {
        Mode::from_raw_mode(self.0)
    }

    /// Whether a directory has them.
    pub(crate) fn are_directorys(self, stat: &rustix::fs::Stat) -> bool {
        stat.st_mode & 0o777 == self.0
    }

    /// Whether a file is still, by its status, what was written, permissions included.
    pub(crate) fn are_kept(self, stat: &rustix::fs::Stat, written: &Entry) -> bool {
        let permissions = stat.st_mode & 0o777;
        let is_kind = match (FileType::from_raw_mode(stat.st_mode), written.kind) {
            (FileType::RegularFile, Kind::File) => permissions == self.0 & 0o666,
            (FileType::RegularFile, Kind::Executable) => permissions == self.0,
            (FileType::Symlink, Kind::Symlink) => true,
            _ => false,
        };
        is_kind && Stat::of(stat).is_unchanged_since(&written.stat)
    }
}

/// The published tree, as a source of files.
pub(crate) struct Previous {
    manifest: Manifest,
    top: OwnedFd,
    how: Sharing,
    /// Both the manifest and a walk are in index order: this is how far the walk has come.
    at: usize,
    is_over: bool,
}

impl Previous {
    /// The tree of `worktree`, unless it cannot serve.
    pub(crate) fn open(worktree: &Worktree, how: Sharing) -> Option<Self> {
        if how == Sharing::Nothing {
            return None;
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::PATH | OFlags::CLOEXEC;
        let top = rustix::fs::open(worktree.tree(), flags, Mode::empty()).ok()?;
        let manifest = worktree.manifest().ok()??;
        Some(Self { manifest, top, how, at: 0, is_over: false })
    }

    /// What stands there.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Makes `entry`, which belongs at `path`, out of the file that stands there in this tree. Paths must be asked for in
    /// index order. Nothing is made when the file is another one, was touched, or cannot be shared.
    pub(crate) fn take(
        &mut self,
        path: &[u8],
        entry: &tree::Entry<'_>,
        into: BorrowedFd<'_>,
        permissions: Permissions,
    ) -> Option<Stat> {
        let at = self.find(path, entry.oid, entry.kind)?;
        let written = &self.manifest.entries[at];
        let stat = rustix::fs::statat(&self.top, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        if entry.kind == Kind::Symlink || !permissions.are_kept(&stat, written) {
            return None;
        }
        let taken = match self.how {
            Sharing::Clones => clone(&self.top, path, into, entry),
            _ => rustix::fs::linkat(&self.top, path, into, entry.name, AtFlags::empty()).map(|()| Stat::of(&stat)),
        };
        // Another device, a file system or a kernel that does not let us, a file of somebody else's.
        self.is_over |= matches!(
            taken,
            Err(Errno::XDEV | Errno::PERM | Errno::NOTSUP | Errno::INVAL | Errno::NOTTY | Errno::NOSYS)
        );
        taken.ok()
    }

    fn find(&mut self, path: &[u8], oid: Oid, kind: Kind) -> Option<usize> {
        if self.is_over {
            return None;
        }
        while self.manifest.entries.get(self.at).is_some_and(|entry| *entry.path < *path) {
            self.at += 1;
        }
        let entry = self.manifest.entries.get(self.at)?;
        ((&*entry.path, entry.oid, entry.kind, entry.is_skipped) == (path, oid, kind, false)).then_some(self.at)
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
