//! Publish: what stands at `--link` turns from one tree to the next.
//!
//! In: the link's path and a finished tree. Out: a symbolic link whose target is relative (so that the volume may be mounted
//! anywhere) and ends in the commit's full hash; or, as asked, a directory that changes places with the finished one in a
//! single step. (Files that change one by one are in `in_place`.) Refused: a path where something stands that is not ours.
//! Temporary names are unique, so that a crash between two calls cannot block the next sync.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use git2::Oid;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::files::{At, FileError, is_absent, make_dirs, names_in, read_small, sweep_beside, unfinished_beside};
use super::root::relative;

/// What stands at the link's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Publish {
    /// A symbolic link to the commit's tree, named by its hash: readers see the old tree or the new one, never a mixture;
    /// a process that resolved the link before (its working directory, a subPath mount) stays in the old tree
    Symlink,
    /// A directory, which changes places with the new one in a single step (renameat2): for readers that cannot follow a
    /// link. They see the old tree or the new one; a process in the old directory, and a subPath mount of it, stays there.
    /// Needs a file system that can exchange (not NFS), and --link on that of --root. Before the exchange, git does not work in
    /// the new directory (a hook of --pre-publish-exechook-command reads its files)
    Exchange,
    /// A directory that stays the same one while its changed files are replaced, each in a single step: for subPath mounts
    /// and processes that stay in it. They see a mixture of the two commits for the moment of a change, and after a crash
    /// until the next start; other files in it are left alone. Needs --link on the file system of --root
    InPlace,
}

/// Why a tree was not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} is there and is not a symbolic link: move it away, or choose another --link", .0.display())]
    Occupied(PathBuf),
    #[error("{} is there and is no tree of this volume: move it away, or choose another --link", .0.display())]
    Foreign(PathBuf),
    #[error("{} and --root are not on the same file system: --publish=symlink can do that", .0.display())]
    Elsewhere(PathBuf),
    #[error("the file system of {} cannot exchange directories: choose another --publish", .0.display())]
    CannotExchange(PathBuf),
}

/// Of a `.git` file that leads to the store.
const LONGEST_POINTER: u64 = 8192;

/// The published link.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    path: PathBuf,
}

impl Link {
    /// A link at `path`, which is absolute.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the link leads now, as an absolute path; `None` when there is no link.
    ///
    /// # Errors
    /// When something else stands at the path, or the directory cannot be read.
    pub(crate) fn target(&self) -> Result<Option<PathBuf>, PublishError> {
        match std::fs::read_link(&self.path) {
            Ok(target) => Ok(Some(super::root::normal(&self.directory().join(target)))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
                Err(PublishError::Occupied(self.path.clone()))
            }
            Err(error) => Ok(Err(error).at("read the link", &self.path)?),
        }
    }

    /// Points the link at `tree`, in one step.
    ///
    /// # Errors
    /// When the place is taken by something else, or the volume refuses.
    pub(crate) fn flip(&self, tree: &Path) -> Result<(), PublishError> {
        make_dirs(&self.directory())?;
        // A link is rename's business; a directory or a file in its place is not ours to replace.
        self.target()?;
        let directory = self.directory();
        let directory = std::fs::canonicalize(&directory).at("resolve", &directory)?;
        let name = self.path.file_name().unwrap_or_default();
        let beside = unfinished_beside(&directory.join(name));
        std::os::unix::fs::symlink(relative(&directory, tree), &beside).at("make a link in", &directory)?;
        let flipped = std::fs::rename(&beside, &self.path).at("replace the link", &self.path);
        if flipped.is_err() {
            let _ = std::fs::remove_file(&beside); // best effort; the sweep takes it otherwise
        }
        Ok(flipped?)
    }

    /// The worktree that the directory in the link's place says it is; `None` when there is no directory, or an empty one.
    ///
    /// # Errors
    /// When something stands there that is not a worktree of `store`.
    pub(crate) fn standing(&self, store: &Path) -> Result<Option<Oid>, PublishError> {
        let meta = match std::fs::symlink_metadata(&self.path) {
            Ok(meta) => meta,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Ok(Err(error).at("look at", &self.path)?),
        };
        if !meta.is_dir() {
            return Err(PublishError::Foreign(self.path.clone()));
        }
        let pointer = read_small(&self.path.join(".git"), LONGEST_POINTER)?.unwrap_or_default();
        let text = pointer.strip_prefix(b"gitdir: ").map(<[u8]>::trim_ascii_end).unwrap_or_default();
        let leads = super::root::normal(&self.path.join(Path::new(std::ffi::OsStr::from_bytes(text))));
        match commit_of(&leads).filter(|_| leads.parent() == Some(&store.join("worktrees"))) {
            Some(commit) => Ok(Some(commit)),
            None if names_in(&self.path)?.is_empty() => Ok(None),
            None => Err(PublishError::Foreign(self.path.clone())),
        }
    }

    /// Puts `tree` in the place of the directory that stands here, in one step. The one that stood here is at `tree` then,
    /// or nothing is, if there was none.
    ///
    /// # Errors
    /// When the volume refuses, or cannot do it.
    pub(crate) fn exchange(&self, tree: &Path) -> Result<(), PublishError> {
        make_dirs(&self.directory())?;
        let moved = match rustix::fs::renameat_with(CWD, tree, CWD, &self.path, RenameFlags::EXCHANGE) {
            Err(Errno::NOENT) => rustix::fs::renameat(CWD, tree, CWD, &self.path),
            Err(Errno::INVAL | Errno::NOSYS) => return Err(PublishError::CannotExchange(self.path.clone())),
            other => other,
        };
        match moved {
            Err(Errno::XDEV) => Err(PublishError::Elsewhere(self.path.clone())),
            moved => Ok(moved.at("exchange the directory", &self.path)?),
        }
    }

    /// Removes what a killed run left beside the link; the directory may be shared.
    ///
    /// # Errors
    /// When the directory cannot be read or written.
    pub(crate) fn sweep(&self) -> Result<(), FileError> {
        sweep_beside(&self.path)
    }

    fn directory(&self) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("/")).to_owned()
    }
}

/// The commit that a tree's directory is named by.
pub(crate) fn commit_of(tree: &Path) -> Option<Oid> {
    let name = tree.file_name()?.to_str()?;
    (name.len() == 40).then(|| Oid::from_str(name).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_relative_and_named_by_the_commit() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let commit = Oid::from_bytes(&[0xab; 20]).unwrap();
        let tree = root.join(".worktrees").join(commit.to_string());
        std::fs::create_dir_all(&tree).unwrap();
        let link = Link::new(root.join("a/b/link"));
        assert_eq!(link.target().unwrap(), None);
        link.flip(&tree).unwrap();
        link.flip(&tree).unwrap();
        assert_eq!(std::fs::read_link(link.path()).unwrap(), Path::new("../../.worktrees").join(commit.to_string()));
        assert_eq!(commit_of(&tree), Some(commit));
        assert_eq!(link.target().unwrap().unwrap(), tree);
        assert_eq!(std::fs::read_dir(root.join("a/b")).unwrap().count(), 1);
    }

    #[test]
    fn a_file_or_directory_in_the_links_place_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["file", "directory"] {
            let path = dir.path().join(name);
            match name {
                "file" => std::fs::write(&path, "theirs").unwrap(),
                _ => std::fs::create_dir(&path).unwrap(),
            }
            assert!(matches!(Link::new(path.clone()).flip(dir.path()), Err(PublishError::Occupied(_))), "{name}");
            assert!(path.exists());
        }
    }
}
