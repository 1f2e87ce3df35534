//! Materialise: a tree of the object database becomes files in a new directory that nobody sees yet.
//!
//! In: an object database, a tree, an empty directory. Out: the files, and the manifest of what was written. Every directory
//! is opened by descriptor without following links and every file is created exclusively, so that a hostile tree (a link and
//! a directory of one name, `..`, `.git`) cannot write outside. Refused: what `tree` refuses, a tree that is too deep, a path
//! that is too long, one name twice. Contents are the blobs' bytes: no filter, no hook, no attribute of the repository runs.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use git2::{Odb, OdbLookupFlags, Oid};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::budget::{Budget, Interrupted};
use super::early::Written;
use super::files::{At, FileError};
use super::manifest::{Entry, Manifest, Stat};
use super::reuse::Previous;
use super::settings::limits::TreeLimits;
use super::sparse::{Patterns, Verdict, What};
use super::tree::{self, Kind, TreeError};

/// Linux' PATH_MAX: a consumer could not open a longer path anyway.
pub(crate) const LONGEST_PATH: usize = 4096;

/// What an export needs besides the tree.
pub(crate) struct Export<'a> {
    pub odb: &'a Odb<'a>,
    pub budget: &'a Budget,
    /// Which files belong in the tree; all, where there are no patterns.
    pub sparse: Option<&'a Patterns>,
    pub limits: TreeLimits,
}

/// One entry that a visit sees.
pub(crate) struct Seen<'a> {
    pub path: &'a [u8],
    pub kind: Kind,
    pub oid: Oid,
    /// In the commit, but not in this sparse tree.
    pub is_skipped: bool,
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
    /// Writes `tree` into `into`, which is ours and holds nothing but what was written early. Unchanged files come from the
    /// previous tree, where there is one.
    ///
    /// # Errors
    /// See [`CheckoutError`]; the directory is then left as it is, for the caller to remove.
    pub(crate) fn write(
        &self,
        tree: Oid,
        into: &Path,
        early: Written,
        previous: Option<Previous>,
    ) -> Result<Manifest, CheckoutError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let top = rustix::fs::open(into, flags, Mode::empty()).at("open", into)?;
        let path = Vec::with_capacity(256);
        let mut walk = Walk { export: self, path, manifest: Manifest::default(), early, previous, bytes: 0 };
        walk.directory(tree, top.as_fd(), 0, self.top())?;
        if !walk.early.is_empty() {
            let why = "files were written early that the commit does not have";
            return Err(CheckoutError::Path { path: into.display().to_string(), why });
        }
        Ok(walk.manifest)
    }

    /// Visits every entry of `tree` without writing, depth first, in index order.
    ///
    /// # Errors
    /// As [`Export::write`], or whatever `see` returns.
    pub(crate) fn visit(
        &self,
        tree: Oid,
        see: &mut impl FnMut(&Seen<'_>) -> Result<(), CheckoutError>,
    ) -> Result<(), CheckoutError> {
        self.visit_below(tree, &mut Vec::new(), 0, self.top(), see)
    }

    /// The trees and, of the files that belong here, the blobs that a partial fetch has left out. Trees below a missing one
    /// are not known yet: ask again when those are here.
    ///
    /// # Errors
    /// As [`Export::write`].
    pub(crate) fn missing(&self, tree: Oid) -> Result<Vec<Oid>, CheckoutError> {
        let mut missing = BTreeSet::new();
        self.missing_below(tree, &mut Vec::new(), 0, self.top(), &mut missing)?;
        Ok(missing.into_iter().collect())
    }

    fn missing_below(
        &self,
        tree: Oid,
        path: &mut Vec<u8>,
        depth: usize,
        parent: Verdict,
        missing: &mut BTreeSet<Oid>,
    ) -> Result<(), CheckoutError> {
        self.bounded(path, depth)?;
        self.budget.check()?;
        let is_here = |oid| self.odb.exists_ext(oid, OdbLookupFlags::NO_REFRESH);
        if !is_here(tree) {
            missing.insert(tree);
            return Ok(());
        }
        let object = self.object(tree, git2::ObjectType::Tree, path)?;
        for entry in tree::entries(object.data()) {
            let entry = entry.map_err(|source| CheckoutError::Tree { path: tree::printable(path), source })?;
            let above = descend(path, entry.name);
            let verdict = self.verdict(path, entry.kind, parent);
            match entry.kind {
                Kind::Directory => self.missing_below(entry.oid, path, depth + 1, verdict, missing)?,
                Kind::Submodule => {}
                _ if verdict == Verdict::Included && !is_here(entry.oid) => drop(missing.insert(entry.oid)),
                _ => {}
            }
            path.truncate(above);
        }
        Ok(())
    }

    fn visit_below(
        &self,
        tree: Oid,
        path: &mut Vec<u8>,
        depth: usize,
        parent: Verdict,
        see: &mut impl FnMut(&Seen<'_>) -> Result<(), CheckoutError>,
    ) -> Result<(), CheckoutError> {
        self.bounded(path, depth)?;
        let object = self.object(tree, git2::ObjectType::Tree, path)?;
        for entry in tree::entries(object.data()) {
            let entry = entry.map_err(|source| CheckoutError::Tree { path: tree::printable(path), source })?;
            let above = descend(path, entry.name);
            let verdict = self.verdict(path, entry.kind, parent);
            see(&Seen { path, kind: entry.kind, oid: entry.oid, is_skipped: verdict == Verdict::Excluded })?;
            if entry.kind == Kind::Directory {
                self.visit_below(entry.oid, path, depth + 1, verdict, see)?;
            }
            path.truncate(above);
        }
        Ok(())
    }

    /// What the top directory passes on.
    fn top(&self) -> Verdict {
        if self.sparse.is_some() { Verdict::Excluded } else { Verdict::Included }
    }

    fn verdict(&self, path: &[u8], kind: Kind, parent: Verdict) -> Verdict {
        let what = if kind == Kind::Directory { What::Directory } else { What::File };
        self.sparse.map_or(Verdict::Included, |patterns| patterns.verdict(path, what, parent))
    }

    /// Depth bounds descriptors and recursion, too.
    fn bounded(&self, path: &[u8], depth: usize) -> Result<(), CheckoutError> {
        let why = match (depth > self.limits.depth, path.len() > LONGEST_PATH) {
            (true, _) => "it is more directories deep than --max-path-depth",
            (_, true) => "it is longer than 4096 bytes",
            _ => return Ok(()),
        };
        Err(CheckoutError::Path { path: tree::printable(&path[..path.len().min(120)]), why })
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Written,
    Skipped,
}

struct Walk<'a, 'e> {
    export: &'a Export<'e>,
    path: Vec<u8>,
    manifest: Manifest,
    early: Written,
    previous: Option<Previous>,
    bytes: u64,
}

impl Walk<'_, '_> {
    fn directory(
        &mut self,
        tree: Oid,
        dir: BorrowedFd<'_>,
        depth: usize,
        parent: Verdict,
    ) -> Result<(), CheckoutError> {
        self.export.bounded(&self.path, depth)?;
        let object = self.export.object(tree, git2::ObjectType::Tree, &self.path)?;
        for entry in tree::entries(object.data()) {
            let entry = entry.map_err(|source| CheckoutError::Tree { path: tree::printable(&self.path), source })?;
            let above = descend(&mut self.path, entry.name);
            let verdict = self.export.verdict(&self.path, entry.kind, parent);
            match entry.kind {
                Kind::Directory => {
                    let below = self.make_directory(dir, entry.name)?;
                    self.directory(entry.oid, below.as_fd(), depth + 1, verdict)?;
                    if self.export.sparse.is_some() {
                        // Nothing of it belonged here; where something did, it stays.
                        let _ = rustix::fs::unlinkat(dir, entry.name, AtFlags::REMOVEDIR);
                    }
                }
                _ if verdict == Verdict::Excluded => self.record(&entry, Stat::default(), Presence::Skipped),
                Kind::Submodule => {
                    let below = self.make_directory(dir, entry.name)?;
                    let stat = rustix::fs::fstat(&below).map_err(|error| self.refused(error))?;
                    self.record(&entry, Stat::of(&stat), Presence::Written);
                }
                Kind::Symlink => self.symlink(dir, &entry)?,
                Kind::File | Kind::Executable => self.file(dir, &entry)?,
            }
            self.path.truncate(above);
        }
        Ok(())
    }

    fn make_directory(&mut self, dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, CheckoutError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if !self.early.take_directory(&self.path) {
            rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o777)).map_err(|error| self.refused(error))?;
        }
        rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(|error| self.refused(error))
    }

    fn symlink(&mut self, dir: BorrowedFd<'_>, entry: &tree::Entry<'_>) -> Result<(), CheckoutError> {
        let object = self.export.object(entry.oid, git2::ObjectType::Blob, &self.path)?;
        let target = object.data();
        if target.is_empty() || target.len() >= LONGEST_PATH || target.contains(&0) {
            let why = "its link target is empty, longer than 4095 bytes or contains NUL";
            return Err(CheckoutError::Path { path: tree::printable(&self.path), why });
        }
        if let Some(why) = self.export.limits.symlinks.objection(&self.path, target) {
            return Err(CheckoutError::Path { path: tree::printable(&self.path), why });
        }
        rustix::fs::symlinkat(target, dir, entry.name).map_err(|error| self.refused(error))?;
        let stat =
            rustix::fs::statat(dir, entry.name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| self.refused(error))?;
        self.record(entry, Stat::of(&stat), Presence::Written);
        Ok(())
    }

    fn file(&mut self, dir: BorrowedFd<'_>, entry: &tree::Entry<'_>) -> Result<(), CheckoutError> {
        self.export.budget.check()?;
        if let Some(stat) = self.early.take_file(&self.path, entry.oid, entry.kind) {
            return self.add(entry, stat);
        }
        if let Some(stat) = self.previous.as_mut().and_then(|previous| previous.take(&self.path, entry, dir)) {
            return self.add(entry, stat);
        }
        let object = self.export.object(entry.oid, git2::ObjectType::Blob, &self.path)?;
        let written = write_file(dir, entry.name, entry.kind, object.data(), ResolveFlags::empty());
        let stat = written.map_err(|error| self.refused(error))?;
        self.add(entry, stat)
    }

    /// Records a file and counts it against the limit.
    fn add(&mut self, entry: &tree::Entry<'_>, stat: Stat) -> Result<(), CheckoutError> {
        self.bytes += u64::from(stat.size);
        if self.bytes > self.export.limits.bytes {
            let why = "with it the tree is larger than --max-tree-bytes";
            return Err(CheckoutError::Path { path: tree::printable(&self.path), why });
        }
        self.record(entry, stat, Presence::Written);
        Ok(())
    }

    fn record(&mut self, entry: &tree::Entry<'_>, stat: Stat, presence: Presence) {
        self.manifest.entries.push(Entry {
            path: self.path.as_slice().into(),
            oid: entry.oid,
            kind: entry.kind,
            stat,
            is_skipped: presence == Presence::Skipped,
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

/// Creates the file `path` under `dir` with this content. With `resolve` the whole path is held to those rules; without, it
/// must be a single name.
pub(crate) fn write_file(
    dir: BorrowedFd<'_>,
    path: &[u8],
    kind: Kind,
    content: &[u8],
    resolve: ResolveFlags,
) -> Result<Stat, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(if kind == Kind::Executable { 0o777 } else { 0o666 });
    let file = match resolve.is_empty() {
        true => rustix::fs::openat(dir, path, flags, mode)?,
        false => rustix::fs::openat2(dir, path, flags, mode, resolve)?,
    };
    let mut rest = content;
    while !rest.is_empty() {
        match rustix::io::write(&file, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    rustix::fs::fstat(&file).map(|stat| Stat::of(&stat))
}

fn descend(path: &mut Vec<u8>, name: &[u8]) -> usize {
    let parent = path.len();
    if parent > 0 {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    parent
}
