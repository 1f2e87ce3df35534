//! In place: a directory takes the files of a new tree one by one, and stays the same directory.
//!
//! In: the directory, the manifests of what we wrote into it, a finished tree beside it and its manifest. Out: every file of
//! the new tree at its place (each by one rename, so that a reader of one file sees the old or the new), files that the
//! commit no longer has gone, all other files left alone; the manifest as the directory then is. A file that is still what
//! we wrote, and belongs there, is not touched. A submodule's directory changes places as a whole. It can be killed anywhere
//! and be done again: the manifests of both commits are known until all of it is done.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

use super::files::{At, FileError, make_dirs, remove, unique_name};
use super::manifest::{Entry, Manifest, Stat};
use super::reuse::Permissions;
use super::tree::Kind;

/// The two directories.
pub(crate) struct InPlace<'a> {
    /// Where readers look.
    pub standing: &'a Path,
    /// The finished tree, which is emptied of what changed.
    pub staged: &'a Path,
    /// All that we may have written into `standing`: of the last commit that was done, and of those that were begun since.
    pub known: &'a [Manifest],
}

/// Nothing is reached through a link.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl InPlace<'_> {
    /// Makes the standing directory the tree of `manifest`, and updates the manifest's statuses.
    ///
    /// # Errors
    /// The volume's; the directory then holds a mixture, and the same must be done again.
    pub(crate) fn apply(&self, manifest: &mut Manifest) -> Result<(), FileError> {
        make_dirs(self.standing)?;
        let top = rustix::fs::open(self.standing, DIRECTORY, Mode::empty()).at("open", self.standing)?;
        let permissions = Permissions::of_new(&rustix::fs::stat(self.staged).at("look at", self.staged)?);
        for entry in manifest.entries.iter_mut().filter(|entry| !entry.is_skipped) {
            match self.untouched(&top, entry, permissions) {
                Some(stat) => entry.stat = stat,
                None => self.replace(&top, entry)?,
            }
        }
        for gone in self.known.iter().flat_map(|known| &known.entries).filter(|entry| !entry.is_skipped) {
            if manifest.entry(&gone.path).is_none_or(|entry| entry.is_skipped) {
                self.take_away(&top, gone)?;
            }
        }
        Ok(())
    }

    /// The status of the file at the entry's place, if it is the entry's and still as we wrote it.
    fn untouched(&self, top: &OwnedFd, entry: &Entry, permissions: Permissions) -> Option<Stat> {
        let stat = status(top, &entry.path)?;
        let ours = self.known.iter().filter_map(|known| known.entry(&entry.path));
        let mut ours = ours.filter(|known| (known.oid, known.kind, known.is_skipped) == (entry.oid, entry.kind, false));
        ours.any(|known| permissions.are_kept(&stat, known)).then(|| Stat::of(&stat))
    }

    fn replace(&self, top: &OwnedFd, entry: &Entry) -> Result<(), FileError> {
        match self.rename(top, entry) {
            Ok(()) => Ok(()),
            // A file of ours where a directory is needed, or a directory where a file is.
            Err(Errno::NOTDIR | Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST | Errno::LOOP | Errno::NOENT) => {
                self.make_way(top, entry)?;
                self.rename(top, entry).at("put into its place", &self.shown(&entry.path))
            }
            Err(error) => Err(error).at("put into its place", &self.shown(&entry.path)),
        }
    }

    /// Moves one file out of the staged tree; a submodule's directory changes places.
    fn rename(&self, top: &OwnedFd, entry: &Entry) -> Result<(), Errno> {
        let staged = rustix::fs::open(self.staged, DIRECTORY, Mode::empty())?;
        let (from, name) = parent(&staged, &entry.path)?;
        let (into, _) = parent(top, &entry.path)?;
        match entry.kind {
            Kind::Submodule => match rustix::fs::renameat_with(&from, name, &into, name, RenameFlags::EXCHANGE) {
                Err(Errno::NOENT) => rustix::fs::renameat(&from, name, &into, name),
                other => other,
            },
            _ => rustix::fs::renameat(&from, name, &into, name),
        }
    }

    /// Makes the directories above the entry, and removes what is ours and in its way.
    fn make_way(&self, top: &OwnedFd, entry: &Entry) -> Result<(), FileError> {
        for end in memchr::memchr_iter(b'/', &entry.path).chain([entry.path.len()]) {
            let path = &entry.path[..end];
            let shown = self.shown(path);
            let needs_directory = end < entry.path.len();
            let (parent, name) = parent(top, path).at("open the directory of", &shown)?;
            match status(top, path).map(|stat| is_directory(&stat)) {
                Some(true) if !needs_directory && entry.kind != Kind::Submodule => {
                    let below = |known: &&Entry| is_at_or_below(&known.path, path);
                    for known in self.known.iter().flat_map(|known| &known.entries).filter(below) {
                        self.take_away(top, known)?;
                    }
                    // It is still there if it holds somebody else's file: that stays, and the error names it.
                    match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
                        Ok(()) | Err(Errno::NOENT) => {}
                        Err(error) => return Err(error).at("make way at", &shown),
                    }
                }
                Some(false) if needs_directory => {
                    rustix::fs::unlinkat(&parent, name, AtFlags::empty()).at("make way at", &shown)?;
                    rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777)).at("make the directory", &shown)?;
                }
                None if needs_directory => {
                    rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777)).at("make the directory", &shown)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes a file of ours, and the directories that are empty without it.
    fn take_away(&self, top: &OwnedFd, entry: &Entry) -> Result<(), FileError> {
        let shown = self.shown(&entry.path);
        let Some(stat) = status(top, &entry.path) else { return Ok(()) };
        let Ok((dir, name)) = parent(top, &entry.path) else { return Ok(()) };
        match (entry.kind, is_directory(&stat)) {
            (Kind::Submodule, true) => {
                // Out of sight in one step.
                let aside = self.staged.with_file_name(unique_name());
                rustix::fs::renameat(&dir, name, CWD, &aside).at("set aside", &shown)?;
                remove(&aside)?;
            }
            // Somebody made a directory of it: theirs.
            (_, true) => return Ok(()),
            _ => rustix::fs::unlinkat(&dir, name, AtFlags::empty()).at("remove", &shown)?,
        }
        let mut path = &*entry.path;
        while let Some(slash) = memchr::memrchr(b'/', path) {
            path = &path[..slash];
            let Ok((dir, name)) = parent(top, path) else { break };
            if rustix::fs::unlinkat(&dir, name, AtFlags::REMOVEDIR).is_err() {
                break; // not empty
            }
        }
        Ok(())
    }

    fn shown(&self, path: &[u8]) -> PathBuf {
        self.standing.join(Path::new(std::ffi::OsStr::from_bytes(path)))
    }
}

fn is_at_or_below(path: &[u8], top: &[u8]) -> bool {
    path.strip_prefix(top).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

fn is_directory(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// The directory that holds `path`, reached through no link, and the name in it.
fn parent<'a>(top: &OwnedFd, path: &'a [u8]) -> Result<(OwnedFd, &'a [u8]), Errno> {
    let slash = memchr::memrchr(b'/', path);
    let (above, name) = slash.map_or((&b"."[..], path), |at| (&path[..at], &path[at + 1..]));
    let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
    Ok((rustix::fs::openat2(top, above, flags, Mode::empty(), BENEATH)?, name))
}

/// The status of what stands at `path`, if it is reached through no link.
fn status(top: &OwnedFd, path: &[u8]) -> Option<rustix::fs::Stat> {
    let (dir, name) = parent(top, path).ok()?;
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()
}
