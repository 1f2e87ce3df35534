//! In place: a directory takes the files of a new tree one by one, and stays the same directory.
//!
//! In: the directory, the manifests of what we wrote into it, a finished tree beside it and its manifest. Out: every file of
//! the new tree at its place (each by one rename, so that a reader of one file sees the old or the new), files that the
//! commit no longer has gone, all other files left alone; the manifest as the directory then is. A file that is still what
//! we wrote, and belongs there, is not touched. A submodule's directory changes places as a whole. It can be killed anywhere
//! and be done again: the manifests of both commits are known until all of it is done.

use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

use super::files::{At, FileError, make_dirs, remove, unique_name};
use super::manifest::{Entry, Manifest, Stat};
use super::reuse::Permissions;
use super::tree::{Kind, printable};
use super::worktree::Worktree;

/// The two directories.
pub(crate) struct InPlace<'a> {
    /// Where readers look.
    pub standing: &'a Path,
    /// The finished tree, which is emptied of what changed.
    pub staged: &'a Path,
    /// All that we may have written into `standing`: of the last commit that was done, and of those that were begun since.
    pub known: &'a [Known],
    /// Whether an earlier change was cut short. Files that `known` calls left out may then be there: of a commit that was
    /// written by other sparse patterns before, the manifest is lost.
    pub is_again: bool,
}

/// A manifest of files that may stand there, and how far it can be trusted to say what is in them.
pub(crate) struct Known {
    manifest: Manifest,
    /// Whether they were written by the present settings: by others, the same objects may have become other files.
    is_alike: bool,
}

impl Known {
    /// What the metadata of `worktree` say of it.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn of(worktree: &Worktree) -> Result<Option<Self>, FileError> {
        let is_alike = worktree.is_of_recipe()?;
        Ok(worktree.last_manifest()?.map(|manifest| Self { manifest, is_alike }))
    }
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
        let staged = rustix::fs::open(self.staged, DIRECTORY, Mode::empty()).at("open", self.staged)?;
        let permissions = Permissions::of_new(&rustix::fs::fstat(&staged).at("look at", self.staged)?);
        let like = Like { staged, permissions, has_same_rules: self.has_same_rules(manifest) };
        for entry in manifest.entries.iter_mut().filter(|entry| !entry.is_skipped) {
            match self.untouched(&top, entry, &like) {
                Some(stat) => entry.stat = stat,
                None => self.replace(&top, entry)?,
            }
        }
        if self.known.iter().any(|known| !known.is_alike) {
            permit_directories(&top, manifest, permissions);
        }
        for gone in self.entries().filter(|entry| self.is_again || !entry.is_skipped) {
            if manifest.entry(&gone.path).is_none_or(|entry| entry.is_skipped) {
                self.take_away(&top, gone)?;
            }
        }
        Ok(())
    }

    /// Every file that we may have written there.
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.known.iter().flat_map(|known| &known.manifest.entries)
    }

    /// Whether the `.gitattributes` are those by which all that stands there was written.
    fn has_same_rules(&self, manifest: &Manifest) -> bool {
        let rules = |manifest: &'_ Manifest| -> Vec<_> {
            let lists = manifest.entries.iter().filter(|entry| is_rules(&entry.path));
            lists.map(|entry| (entry.path.clone(), entry.oid)).collect()
        };
        let wanted = rules(manifest);
        self.known.iter().all(|known| rules(&known.manifest) == wanted)
    }

    /// The status of the file at the entry's place, if it is the entry's and still as we wrote it.
    fn untouched(&self, top: &OwnedFd, entry: &Entry, like: &Like) -> Option<Stat> {
        let stat = status(top, &entry.path)?;
        let alike = self.known.iter().filter(|known| known.is_alike);
        let mut ours = alike.filter_map(|known| known.manifest.entry(&entry.path)).filter(|known| {
            (known.oid, known.kind, known.is_skipped) == (entry.oid, entry.kind, false)
                && like.permissions.are_kept(&stat, known)
        });
        ours.next()?;
        // The same blob may be written otherwise now: rules may name another encoding, or other line ends.
        (like.has_same_rules || has_same_content(top, &like.staged, entry)).then(|| Stat::of(&stat))
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
                    for known in self.entries().filter(below) {
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

/// What an untouched file is like.
struct Like {
    /// Where the files are as they shall be.
    staged: OwnedFd,
    permissions: Permissions,
    has_same_rules: bool,
}

fn is_rules(path: &[u8]) -> bool {
    path.strip_suffix(b".gitattributes").is_some_and(|above| above.is_empty() || above.ends_with(b"/"))
}

/// Whether the file holds the same bytes in both directories. What is no regular file is told by its object alone.
fn has_same_content(top: &OwnedFd, staged: &OwnedFd, entry: &Entry) -> bool {
    if !matches!(entry.kind, Kind::File | Kind::Executable) {
        return true;
    }
    let open = |dir| {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat2(dir, &*entry.path, flags, Mode::empty(), BENEATH).map(std::fs::File::from)?;
        Ok::<_, std::io::Error>((file.metadata()?.len(), std::io::BufReader::with_capacity(64 << 10, file)))
    };
    let (Ok((length, mut one)), Ok((other_length, mut other))) = (open(top), open(staged)) else { return false };
    if length != other_length {
        return false;
    }
    loop {
        let (Ok(left), Ok(right)) = (one.fill_buf(), other.fill_buf()) else { return false };
        let shared = left.len().min(right.len());
        if left[..shared] != right[..shared] {
            return false;
        }
        if shared == 0 {
            return true;
        }
        one.consume(shared);
        other.consume(shared);
    }
}

/// Gives the tree's directories, which stay, the permissions of new ones. One that is not ours to change stays as it is.
fn permit_directories(top: &OwnedFd, manifest: &Manifest, permissions: Permissions) {
    for directory in &manifest.directories {
        let path: &[u8] = if directory.path.is_empty() { b"." } else { &directory.path };
        let opened = rustix::fs::openat2(top, path, DIRECTORY, Mode::empty(), BENEATH);
        let changed = opened.and_then(|directory| rustix::fs::fchmod(directory, permissions.of_directory()));
        if let Err(error) = changed {
            tracing::debug!(%error, directory = printable(path), "a directory keeps its permissions");
        }
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
