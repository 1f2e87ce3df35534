//! What an export works on: a commit's tree, walked with the limits and the patterns that the settings give.
//!
//! In: an object database, a tree. Out: its entries, to whoever visits them; the objects that a partial fetch has left out.
//! `writer` makes files of it. Refused: what `tree` refuses, a tree that is too deep, a path that is too long.

use std::collections::BTreeSet;

use git2::{Odb, OdbLookupFlags, Oid};

use super::budget::{Budget, Interrupted};
use super::files::FileError;
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
    /// Visits every entry of `tree` without writing, depth first, in index order.
    ///
    /// # Errors
    /// See [`CheckoutError`], or whatever `see` returns.
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
    /// See [`CheckoutError`].
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
    pub(super) fn top(&self) -> Verdict {
        if self.sparse.is_some() { Verdict::Excluded } else { Verdict::Included }
    }

    pub(super) fn verdict(&self, path: &[u8], kind: Kind, parent: Verdict) -> Verdict {
        let what = if kind == Kind::Directory { What::Directory } else { What::File };
        self.sparse.map_or(Verdict::Included, |patterns| patterns.verdict(path, what, parent))
    }

    /// Depth bounds descriptors and recursion, too.
    pub(super) fn bounded(&self, path: &[u8], depth: usize) -> Result<(), CheckoutError> {
        let why = match (depth > self.limits.depth, path.len() > LONGEST_PATH) {
            (true, _) => "it is more directories deep than --max-path-depth",
            (_, true) => "it is longer than 4096 bytes",
            _ => return Ok(()),
        };
        Err(CheckoutError::Path { path: tree::printable(&path[..path.len().min(120)]), why })
    }

    pub(super) fn object(
        &self,
        oid: Oid,
        kind: git2::ObjectType,
        path: &[u8],
    ) -> Result<git2::OdbObject<'_>, CheckoutError> {
        let refused = |reason: String| CheckoutError::Object { oid, path: tree::printable(path), reason };
        let object = self.odb.read(oid).map_err(|error| refused(error.message().to_owned()))?;
        if object.kind() != kind {
            return Err(refused(format!("it is a {}, not a {kind}", object.kind())));
        }
        Ok(object)
    }
}

pub(super) fn descend(path: &mut Vec<u8>, name: &[u8]) -> usize {
    let parent = path.len();
    if parent > 0 {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    parent
}
