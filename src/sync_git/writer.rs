//! Materialise: a tree of the object database becomes files in a new directory that nobody sees yet.
//!
//! In: an export, an empty directory, what was written there early, the trees that unchanged parts are taken from. Out: the
//! files, and the manifest of what stands there. Every directory is opened by descriptor without following links and every
//! file is created exclusively, so that a hostile tree (a link and a directory of one name, `..`, `.git`) cannot write
//! outside. Refused: what `tree` refuses, a tree that is too deep, a path that is too long, one name twice. Contents are the
//! blobs' bytes, but for what `.gitattributes` say of line ends, `$Id$` and encodings: no filter and no hook runs.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use git2::Oid;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::attributes::{Attributes, Rule};
use super::checkout::{CheckoutError, Export, LONGEST_PATH, descend};
use super::convert::converted;
use super::early::Written;
use super::files::At;
use super::manifest::{Directory, Entry, Manifest, Stat};
use super::reuse::{Permissions, Previous};
use super::spare::Spare;
use super::sparse::Verdict;
use super::tree::{self, Kind};

/// What may already be there, or elsewhere, of a tree that is to be written.
#[derive(Default)]
pub(crate) struct Found {
    /// Written into the directory while the pack arrived.
    pub early: Written,
    pub previous: Option<Previous>,
    pub spare: Option<Spare>,
}

/// Writes `tree` into `into`, which is ours and holds nothing but what was written early. Gives back what is left of the
/// spare, for the caller to drop when there is time.
///
/// # Errors
/// See [`CheckoutError`]; the directory is then left as it is, for the caller to remove.
pub(crate) fn write(
    export: &Export<'_>,
    tree: Oid,
    into: &Path,
    found: Found,
) -> Result<(Manifest, Option<Spare>), CheckoutError> {
    let top = rustix::fs::open(into, DIRECTORY, Mode::empty()).at("open", into)?;
    let permissions = Permissions::of_new(&rustix::fs::fstat(&top).at("look at", into)?);
    let old = found.spare.as_ref().and_then(|spare| spare.top().ok());
    let path = Vec::with_capacity(256);
    let attributes = Attributes::new(export.limits.line_ends);
    let manifest = Manifest::default();
    let mut walk = Walk { export, path, manifest, found, permissions, bytes: 0, attributes, changed_rules: 0 };
    walk.directory(tree, (old.as_ref().map(AsFd::as_fd), top.as_fd()), 0, export.top())?;
    if !walk.found.early.is_empty() {
        let why = "files were written early that the commit does not have";
        return Err(CheckoutError::Path { path: into.display().to_string(), why });
    }
    Ok((walk.manifest, walk.found.spare))
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Written,
    Skipped,
}

/// Of one directory's `.gitattributes`.
struct Rules {
    is_there: bool,
    is_changed: bool,
}

struct Walk<'a, 'e> {
    export: &'a Export<'e>,
    path: Vec<u8>,
    manifest: Manifest,
    found: Found,
    permissions: Permissions,
    bytes: u64,
    attributes: Attributes,
    /// Directories around this one whose `.gitattributes` are others than in the trees that files are taken from: below
    /// them nothing is, since the same blob may have to be written otherwise.
    changed_rules: usize,
}

/// A directory of the spare, where there is one, and the one that is being written.
type Pair<'a> = (Option<BorrowedFd<'a>>, BorrowedFd<'a>);

impl Walk<'_, '_> {
    fn directory(&mut self, tree: Oid, at: Pair<'_>, depth: usize, parent: Verdict) -> Result<(), CheckoutError> {
        self.export.bounded(&self.path, depth)?;
        let object = self.export.object(tree, git2::ObjectType::Tree, &self.path)?;
        let (place, start) = (self.manifest.directories.len(), self.manifest.entries.len() as u32);
        self.manifest.directories.push(Directory {
            path: self.path.as_slice().into(),
            oid: tree,
            entries: start..start,
        });
        let rules = self.enter_rules(object.data())?;
        for entry in tree::entries(object.data()) {
            let entry = entry.map_err(|source| CheckoutError::Tree { path: tree::printable(&self.path), source })?;
            let above = descend(&mut self.path, entry.name);
            let verdict = self.export.verdict(&self.path, entry.kind, parent);
            match entry.kind {
                Kind::Directory => self.subdirectory(&entry, at, depth + 1, verdict)?,
                _ if verdict == Verdict::Excluded => self.record(&entry, Stat::default(), Presence::Skipped),
                Kind::Submodule => {
                    let below = self.make_directory(at.1, entry.name)?;
                    let stat = rustix::fs::fstat(&below).map_err(|error| self.refused(error))?;
                    self.record(&entry, Stat::of(&stat), Presence::Written);
                }
                Kind::Symlink | Kind::File | Kind::Executable => self.file(&entry, at)?,
            }
            self.path.truncate(above);
        }
        self.manifest.directories[place].entries.end = self.manifest.entries.len() as u32;
        self.changed_rules -= usize::from(rules.is_changed);
        if rules.is_there {
            self.attributes.leave();
        }
        Ok(())
    }

    /// Reads the `.gitattributes` of a directory, if it has one, and compares it with those of the trees that files may be
    /// taken from.
    fn enter_rules(&mut self, tree: &[u8]) -> Result<Rules, CheckoutError> {
        let is_list = |entry: &tree::Entry<'_>| {
            entry.name == b".gitattributes" && matches!(entry.kind, Kind::File | Kind::Executable)
        };
        let list = tree::entries(tree).flatten().find(is_list).map(|entry| entry.oid);
        let above = descend(&mut self.path, b".gitattributes");
        let before = |manifest: &Manifest| {
            let entry = manifest.entry(&self.path);
            entry.filter(|entry| matches!(entry.kind, Kind::File | Kind::Executable)).map(|entry| entry.oid)
        };
        let is_other = |manifest: Option<&Manifest>| manifest.is_some_and(|manifest| before(manifest) != list);
        let is_changed = is_other(self.found.spare.as_ref().map(Spare::manifest))
            || is_other(self.found.previous.as_ref().map(Previous::manifest));
        self.changed_rules += usize::from(is_changed);
        if let Some(list) = list {
            let object = self.export.object(list, git2::ObjectType::Blob, &self.path)?;
            self.attributes.enter(&self.path[..above], object.data());
        }
        self.path.truncate(above);
        Ok(Rules { is_there: list.is_some(), is_changed })
    }

    fn subdirectory(
        &mut self,
        entry: &tree::Entry<'_>,
        at: Pair<'_>,
        depth: usize,
        verdict: Verdict,
    ) -> Result<(), CheckoutError> {
        if self.move_directory(entry, at, depth)? {
            return Ok(());
        }
        let below = self.make_directory(at.1, entry.name)?;
        let old = at.0.and_then(|old| rustix::fs::openat(old, entry.name, DIRECTORY, Mode::empty()).ok());
        self.directory(entry.oid, (old.as_ref().map(AsFd::as_fd), below.as_fd()), depth, verdict)?;
        if self.export.sparse.is_some() {
            // Nothing of it belonged here; where something did, it stays.
            let _ = rustix::fs::unlinkat(at.1, entry.name, AtFlags::REMOVEDIR);
        }
        Ok(())
    }

    /// Moves the whole directory out of the spare; whether it did.
    fn move_directory(&mut self, entry: &tree::Entry<'_>, at: Pair<'_>, depth: usize) -> Result<bool, CheckoutError> {
        let (Some(old), Some(spare)) = (at.0, &mut self.found.spare) else { return Ok(false) };
        if self.changed_rules > 0 || self.found.early.has_directory(&self.path) {
            return Ok(false);
        }
        self.export.budget.check()?;
        let Some(moved) = spare.move_directory(&self.path, entry, (old, at.1), self.permissions) else {
            return Ok(false);
        };
        let start = self.manifest.entries.len() as u32;
        let shifted = |at: u32| at - moved.start + start;
        self.manifest.entries.extend_from_slice(moved.entries);
        self.manifest.directories.extend(moved.directories.iter().map(|directory| Directory {
            path: directory.path.clone(),
            oid: directory.oid,
            entries: shifted(directory.entries.start)..shifted(directory.entries.end),
        }));
        // Limits may have become narrower since it was written.
        let deepest = moved.entries.iter().map(|entry| memchr::memchr_iter(b'/', &entry.path).count()).max();
        let bytes = moved.entries.iter().map(|entry| u64::from(entry.stat.size)).sum();
        self.export.bounded(&self.path, deepest.unwrap_or(depth))?;
        self.count(bytes)?;
        Ok(true)
    }

    fn make_directory(&mut self, dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, CheckoutError> {
        if !self.found.early.take_directory(&self.path) {
            rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o777)).map_err(|error| self.refused(error))?;
        }
        rustix::fs::openat(dir, name, DIRECTORY, Mode::empty()).map_err(|error| self.refused(error))
    }

    /// A file or a link: where it was written early, from where it may be taken over, or out of the store.
    fn file(&mut self, entry: &tree::Entry<'_>, (old, new): Pair<'_>) -> Result<(), CheckoutError> {
        self.export.budget.check()?;
        let early = self.found.early.take_file(&self.path, entry.oid, entry.kind);
        let rule = if entry.kind == Kind::Symlink { Rule::default() } else { self.attributes.rule(&self.path) };
        if let Some(stat) = early {
            // It was written before anybody knew how it is to be written.
            let stat = if rule.is_plain() { None } else { self.rewrite(entry, new, &rule)? }.unwrap_or(stat);
            return self.add(entry, stat);
        }
        let (path, permissions) = (&self.path, self.permissions);
        if let (Some(old), Some(spare)) = (old, &self.found.spare)
            && self.changed_rules == 0
            && let Some(moved) = spare.move_file(path, entry, (old, new), permissions)
        {
            let stat = moved.stat;
            return self.add(entry, stat);
        }
        let previous = self.found.previous.as_mut().filter(|_| self.changed_rules == 0);
        if let Some(stat) = previous.and_then(|previous| previous.take(path, entry, new, permissions)) {
            return self.add(entry, stat);
        }
        let stat = match entry.kind {
            Kind::Symlink => self.make_link(entry, new)?,
            _ => {
                let object = self.export.object(entry.oid, git2::ObjectType::Blob, &self.path)?;
                let converted = converted(object.data(), &rule, entry.oid);
                let content = converted.as_deref().unwrap_or(object.data());
                let written = write_file(new, entry.name, entry.kind, content, ResolveFlags::empty());
                written.map_err(|error| self.refused(error))?
            }
        };
        self.add(entry, stat)
    }

    /// Writes a file that is there again, by its rule; nothing where that makes no difference.
    fn rewrite(
        &self,
        entry: &tree::Entry<'_>,
        dir: BorrowedFd<'_>,
        rule: &Rule,
    ) -> Result<Option<Stat>, CheckoutError> {
        let object = self.export.object(entry.oid, git2::ObjectType::Blob, &self.path)?;
        let Some(content) = converted(object.data(), rule, entry.oid) else { return Ok(None) };
        rustix::fs::unlinkat(dir, entry.name, AtFlags::empty()).map_err(|error| self.refused(error))?;
        let written = write_file(dir, entry.name, entry.kind, &content, ResolveFlags::empty());
        written.map(Some).map_err(|error| self.refused(error))
    }

    fn make_link(&self, entry: &tree::Entry<'_>, dir: BorrowedFd<'_>) -> Result<Stat, CheckoutError> {
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
        let stat = rustix::fs::statat(dir, entry.name, AtFlags::SYMLINK_NOFOLLOW);
        stat.map(|stat| Stat::of(&stat)).map_err(|error| self.refused(error))
    }

    /// Records what was written and counts it against the limit.
    fn add(&mut self, entry: &tree::Entry<'_>, stat: Stat) -> Result<(), CheckoutError> {
        self.count(u64::from(stat.size))?;
        self.record(entry, stat, Presence::Written);
        Ok(())
    }

    fn count(&mut self, bytes: u64) -> Result<(), CheckoutError> {
        self.bytes += bytes;
        if self.bytes > self.export.limits.bytes {
            let why = "with it the tree is larger than --max-tree-bytes";
            return Err(CheckoutError::Path { path: tree::printable(&self.path), why });
        }
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
    let written = fill(&file, content);
    if written.is_err() {
        // Or who tries once more would find a name that is taken.
        let _ = rustix::fs::unlinkat(dir, path, AtFlags::empty());
    }
    written
}

fn fill(file: &OwnedFd, content: &[u8]) -> Result<Stat, Errno> {
    let mut rest = content;
    while !rest.is_empty() {
        match rustix::io::write(file, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    rustix::fs::fstat(file).map(|stat| Stat::of(&stat))
}
