//! Drafts: a tree that is being made, under a name that nobody reads.
//!
//! In: the directory of trees, the settings that shape a tree. Out: an empty directory, then one with a commit's files, then
//! a tree in its place; whatever is dropped on the way is removed, and what a kill leaves is swept by its name.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use git2::Oid;
use rustix::fs::{Mode, OFlags};

use super::early::Written;
use super::files::{At, FileError, make_dirs, remove, replace, unique_name};
use super::manifest::Manifest;
use super::spare::Spare;
use super::sparse::Patterns;

/// The settings that decide what a tree holds, beside the commit. A tree that was made with others is made again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// Whatever else must be the same, one word a setting.
    pub words: String,
    /// The text of `--sparse-checkout-file`, and what it says.
    pub sparse: Option<(Vec<u8>, Patterns)>,
}

impl Recipe {
    /// The text that is kept beside a tree, to tell later whether it was made so.
    pub(crate) fn text(&self) -> String {
        let sparse = self.sparse.as_ref().map(|(text, _)| String::from_utf8_lossy(text)).unwrap_or_default();
        format!("{}\n{sparse}", self.words)
    }

    pub(crate) fn patterns(&self) -> Option<&Patterns> {
        self.sparse.as_ref().map(|(_, patterns)| patterns)
    }
}

/// A directory for a tree, under a name that nobody reads; it goes away unless the tree is finished.
pub(crate) struct Blank {
    unfinished: PathBuf,
    early: Written,
    is_finished: bool,
}

impl Blank {
    /// An empty directory among the `trees`.
    ///
    /// # Errors
    /// The volume's.
    pub(crate) fn new(trees: &Path) -> Result<Self, FileError> {
        make_dirs(trees)?;
        let unfinished = trees.join(unique_name());
        std::fs::create_dir(&unfinished).at("make the directory", &unfinished)?;
        Ok(Self { unfinished, early: Written::default(), is_finished: false })
    }

    /// Where it is now, and what was written into it early.
    pub(crate) fn take(&mut self) -> (&Path, Written) {
        (&self.unfinished, std::mem::take(&mut self.early))
    }

    /// Where files may be written while they still arrive.
    ///
    /// # Errors
    /// When the directory is gone.
    pub(crate) fn open(&self) -> Result<OwnedFd, FileError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::open(&self.unfinished, flags, Mode::empty()).at("open", &self.unfinished)
    }

    /// The files that stand there now.
    pub(crate) fn holds(&mut self, early: Written) {
        self.early = early;
    }
}

impl Drop for Blank {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = remove(&self.unfinished); // what stopped the work says more; the sweep takes the rest
        }
    }
}

/// A tree whose files are written, but which nobody reads yet.
pub(crate) struct Draft {
    pub commit: Oid,
    pub manifest: Manifest,
    pub blank: Blank,
    /// What is left of the tree that unchanged parts were taken from.
    pub remains: Option<Spare>,
}

impl Draft {
    /// Moves the tree to its place, and gives back what is to be removed when there is time.
    ///
    /// # Errors
    /// The volume's; the draft is gone then.
    pub(crate) fn place(mut self, at: &Path) -> Result<Option<Spare>, FileError> {
        replace(at, &self.blank.unfinished)?;
        self.blank.is_finished = true;
        Ok(self.remains.take())
    }

    /// Where its files are now.
    pub(crate) fn path(&self) -> &Path {
        &self.blank.unfinished
    }
}
