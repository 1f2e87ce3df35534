//! Materialise: a tree of the object database becomes files in a new directory that nobody sees yet.
//!
//! In: an object database, a tree, an empty directory. Out: the files, and the manifest of what was written. Every directory
//! is opened by descriptor without following links and every file is created exclusively, so that a hostile tree (a link and
//! a directory of one name, `..`, `.git`) cannot write outside. Refused: what `tree` refuses, a tree that is too deep, a path
//! that is too long, one name twice. Contents are the blobs' bytes: no filter, no hook, no attribute of the repository runs.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use git2::{Odb, Oid};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::budget::{Budget, Interrupted};
use super::files::{At, FileError};
use super::manifest::{Entry, Manifest, Stat};
use super::tree::{self, Kind, TreeError};

/// Deeper than any tree that people made; it bounds descriptors and recursion.
pub(crate) const DEEPEST: usize = 128;
/// Linux' PATH_MAX: a consumer could not open a longer path anyway.
pub(crate) const LONGEST_PATH: usize = 4096;

/// What an export needs besides the tree.
pub(crate) struct Export<'a> {
    pub odb: &'a Odb<'a>,
    pub budget: &'a Budget,
}

/// Why a tree could not be written out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckoutError {
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// The store lacks an object, or holds a damaged one: fetching again helps.
    #[error("the object {oid} of {path:?} cannot be read: {reason}")]
    Object { oid: Oid, path: String, reason: String },
    /// The repository holds a tree that must not be written out.
    #[error("the tree of {path:?} is refused: {source}")]
    Tree { path: String, source: TreeError },
    #[error("the path {path:?} is refused: {why}")]
    Path { path: String, why: &'static str },
    /// The volume refused.
    #[error("cannot write {path:?}: {source}")]
    Write { path: String, source: std::io::Error },
    #[error(transparent)]
    File(#[from] FileError),
}

impl Export<'_> {
    /// Writes `tree` into `into`, which must be empty and ours.
    ///
    /// # Errors
    /// See [`CheckoutError`]; the directory is then left as it is, for the caller to remove.
    pub(crate) fn write(&self, tree: Oid, into: &Path) -> Result<Manifest, CheckoutError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let top = rustix::fs::open(into, flags, Mode::empty()).at("open", into)?;
        let mut walk = Walk { export: self, path: Vec::with_capacity(256), manifest: Manifest::default() };
        walk.directory(tree, top.as_fd(), 0)?;
        Ok(walk.manifest)
    }

    /// Visits every entry of `tree` without writing, depth first, in index order; `see` gets the path, kind and object.
    ///
    /// # Errors
    /// As [`Export::write`], or whatever `see` returns.
    pub(crate) fn visit(
        &self,
        tree: Oid,
        see: &mut impl FnMut(&[u8], Kind, Oid) -> Result<(), CheckoutError>,
    ) -> Result<(), CheckoutError> {
        self.visit_below(tree, &mut Vec::new(), 0, see)
    }

    fn visit_below(
        &self,
        tree: Oid,
        path: &mut Vec<u8>,
        depth: usize,
        see: &mut impl FnMut(&[u8], Kind, Oid) -> Result<(), CheckoutError>,
    ) -> Result<(), CheckoutError> {
        bounded(path, depth)?;
        let object = self.object(tree, git2::ObjectType::Tree, path)?;
        for entry in tree::entries(object.data()) {
            let entry = entry.map_err(|source| CheckoutError::Tree { path: tree::printable(path), source })?;
            let parent = descend(path, entry.name);
            see(path, entry.kind, entry.oid)?;
            if entry.kind == Kind::Directory {
                self.visit_below(entry.oid, path, depth + 1, see)?;
            }
            path.truncate(parent);
        }
        Ok(())
    }

    fn object(&self, oid: Oid, kind: git2::ObjectType, path: &[u8]) -> Result<git2::OdbObject<'_>, CheckoutError> {
        let refused = |reason: String| CheckoutError::Object { oid, path: tree::printable(path), reason };
        let object = self.odb.read(oid).map_err(|error| refused(error.message().to_owned()))?;
        if object.kind() != kind {
            return Err(refused(format!("it is a {}, not a {kind}", object.kind())));
        }
        Ok(object)
    }
}

struct Walk<'a, 'e> {
    export: &'a Export<'e>,
    path: Vec<u8>,
    manifest: Manifest,
}

impl Walk<'_, '_> {
    fn directory(&mut self, tree: Oid, dir: BorrowedFd<'_>, depth: usize) -> Result<(), CheckoutError> {
        bounded(&self.path, depth)?;
        let object = self.export.object(tree, git2::ObjectType::Tree, &self.path)?;
        for entry in tree::entries(object.data()) {
            let entry = entry.map_err(|source| CheckoutError::Tree { path: tree::printable(&self.path), source })?;
            let parent = descend(&mut self.path, entry.name);
            match entry.kind {
                Kind::Directory => {
                    let below = self.make_directory(dir, entry.name)?;
                    self.directory(entry.oid, below.as_fd(), depth + 1)?;
                }
                Kind::Submodule => {
                    let below = self.make_directory(dir, entry.name)?;
                    let stat = rustix::fs::fstat(&below).map_err(|error| self.refused(error))?;
                    self.record(&entry, &stat);
                }
                Kind::Symlink => self.symlink(dir, &entry)?,
                Kind::File | Kind::Executable => self.file(dir, &entry)?,
            }
            self.path.truncate(parent);
        }
        Ok(())
    }

    fn make_directory(&self, dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, CheckoutError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o777)).map_err(|error| self.refused(error))?;
        rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(|error| self.refused(error))
    }

    fn symlink(&mut self, dir: BorrowedFd<'_>, entry: &tree::Entry<'_>) -> Result<(), CheckoutError> {
        let object = self.export.object(entry.oid, git2::ObjectType::Blob, &self.path)?;
        let target = object.data();
        if target.is_empty() || target.len() >= LONGEST_PATH || target.contains(&0) {
            let why = "its link target is empty, longer than 4095 bytes or contains NUL";
            return Err(CheckoutError::Path { path: tree::printable(&self.path), why });
        }
        rustix::fs::symlinkat(target, dir, entry.name).map_err(|error| self.refused(error))?;
        let stat =
            rustix::fs::statat(dir, entry.name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| self.refused(error))?;
        self.record(entry, &stat);
        Ok(())
    }

    fn file(&mut self, dir: BorrowedFd<'_>, entry: &tree::Entry<'_>) -> Result<(), CheckoutError> {
        self.export.budget.check()?;
        let object = self.export.object(entry.oid, git2::ObjectType::Blob, &self.path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = if entry.kind == Kind::Executable { 0o777 } else { 0o666 };
        let file = rustix::fs::openat(dir, entry.name, flags, Mode::from_raw_mode(mode))
            .map_err(|error| self.refused(error))?;
        let mut rest = object.data();
        while !rest.is_empty() {
            match rustix::io::write(&file, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::INTR) => {}
                Err(error) => return Err(self.refused(error)),
            }
        }
        let stat = rustix::fs::fstat(&file).map_err(|error| self.refused(error))?;
        self.record(entry, &stat);
        Ok(())
    }

    fn record(&mut self, entry: &tree::Entry<'_>, stat: &rustix::fs::Stat) {
        self.manifest.entries.push(Entry {
            path: self.path.as_slice().into(),
            oid: entry.oid,
            kind: entry.kind,
            stat: Stat::of(stat),
            is_skipped: false,
        });
    }

    fn refused(&self, error: Errno) -> CheckoutError {
        let path = tree::printable(&self.path);
        if error == Errno::EXIST {
            return CheckoutError::Path {
                path,
                why: "the name is there twice, or differs only in case on this file system",
            };
        }
        CheckoutError::Write { path, source: error.into() }
    }
}

fn descend(path: &mut Vec<u8>, name: &[u8]) -> usize {
    let parent = path.len();
    if parent > 0 {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    parent
}

fn bounded(path: &[u8], depth: usize) -> Result<(), CheckoutError> {
    let why = match (depth > DEEPEST, path.len() > LONGEST_PATH) {
        (true, _) => "it is more than 128 directories deep",
        (_, true) => "it is longer than 4096 bytes",
        _ => return Ok(()),
    };
    Err(CheckoutError::Path { path: tree::printable(&path[..path.len().min(120)]), why })
}
