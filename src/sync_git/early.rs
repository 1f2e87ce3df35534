//! Files that are written while the pack is still arriving.
//!
//! In: the objects of a pack, in the server's order, and the commit that is wanted. Out: in the draft's directory, every
//! file whose path is known by the time its content comes (a server sends trees before blobs), so that most contents are
//! inflated once and never read back. What could not be placed is left to the export, which walks the whole tree anyway and
//! judges it; nothing here is trusted before the pack is whole. Only directories and regular files are made, each reached
//! beneath the draft without following a link. Refused, by leaving it to the export: anything out of the ordinary.

use std::os::fd::{AsFd, OwnedFd};

use git2::Oid;
use hashbrown::{HashMap, HashSet};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::checkout::LONGEST_PATH;
use super::manifest::Stat;
use super::pack::{self, Object, Visitor};
use super::settings::limits::TreeLimits;
use super::sparse::{Patterns, Verdict, What};
use super::tree::{self, Kind};
use super::writer::write_file;

/// Paths that are waited for, and bytes of trees that have no path yet: above, the export does the work.
const MOST_PLACES: usize = 1_000_000;
const MOST_TREE_BYTES: usize = 8 << 20;

/// Where an object belongs.
#[derive(Clone, Debug)]
struct Place {
    path: Box<[u8]>,
    kind: Kind,
    verdict: Verdict,
}

/// Writes files early.
pub(crate) struct Early {
    draft: OwnedFd,
    sparse: Option<Patterns>,
    /// What is wanted: a tag until its commit is known.
    wanted: Oid,
    places: HashMap<Oid, Vec<Place>>,
    /// Trees that came before their path was known.
    trees: HashMap<Oid, Vec<u8>>,
    tree_bytes: usize,
    directories: HashSet<Box<[u8]>>,
    files: HashMap<Box<[u8]>, (Oid, Kind, Stat)>,
    /// What the files may still weigh.
    bytes_left: u64,
    deepest: usize,
    is_over: bool,
}

/// What was written early, for the export to take over.
#[derive(Default)]
pub(crate) struct Written {
    directories: HashSet<Box<[u8]>>,
    files: HashMap<Box<[u8]>, (Oid, Kind, Stat)>,
}

impl Written {
    /// Whether this directory was made early. A second question is answered with no: the name is there twice.
    pub(crate) fn take_directory(&mut self, path: &[u8]) -> bool {
        self.directories.remove(path)
    }

    /// Whether this directory was made early.
    pub(crate) fn has_directory(&self, path: &[u8]) -> bool {
        self.directories.contains(path)
    }

    /// The status of the file that was written early at this path, if it is this object.
    pub(crate) fn take_file(&mut self, path: &[u8], oid: Oid, kind: Kind) -> Option<Stat> {
        let (_, _, stat) = self.files.remove(path).filter(|(its, what, _)| (*its, *what) == (oid, kind))?;
        Some(stat)
    }

    /// Whether everything that was written early was taken over.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.directories.is_empty()
    }
}

impl Early {
    /// Writes the files of `wanted` into `draft`, an empty directory of ours.
    pub(crate) fn new(draft: OwnedFd, wanted: Oid, sparse: Option<Patterns>, limits: TreeLimits) -> Self {
        Self {
            draft,
            sparse,
            wanted,
            places: HashMap::new(),
            trees: HashMap::new(),
            tree_bytes: 0,
            directories: HashSet::new(),
            files: HashMap::new(),
            bytes_left: limits.bytes,
            deepest: limits.depth,
            is_over: false,
        }
    }

    /// Leaves everything to the export.
    pub(crate) fn idle(mut self) -> Self {
        self.is_over = true;
        self
    }

    /// What was written, once the pack is whole.
    pub(crate) fn finish(self) -> Written {
        Written { directories: self.directories, files: self.files }
    }

    fn place(&mut self, oid: Oid, place: Place) {
        if self.places.len() >= MOST_PLACES {
            self.is_over = true;
        } else if let (Kind::Directory, Some(tree)) = (place.kind, self.trees.get(&oid)) {
            let tree = tree.clone();
            self.expand(&tree, &place);
        } else {
            self.places.entry(oid).or_default().push(place);
        }
    }

    /// Places the entries of a tree that stands at `at`.
    fn expand(&mut self, tree: &[u8], at: &Place) {
        for entry in tree::entries(tree) {
            let Ok(entry) = entry else { return };
            let slash = usize::from(!at.path.is_empty());
            let depth = at.path.iter().filter(|byte| **byte == b'/').count();
            if at.path.len() + slash + entry.name.len() > LONGEST_PATH || depth >= self.deepest {
                return;
            }
            let path: Box<[u8]> = match slash {
                0 => entry.name.into(),
                _ => [&at.path, &b"/"[..], entry.name].concat().into(),
            };
            let what = if entry.kind == Kind::Directory { What::Directory } else { What::File };
            let verdict = match &self.sparse {
                Some(patterns) => patterns.verdict(&path, what, at.verdict),
                None => Verdict::Included,
            };
            let is_wanted = match entry.kind {
                Kind::Directory => true,
                Kind::File | Kind::Executable => verdict == Verdict::Included,
                Kind::Symlink | Kind::Submodule => false,
            };
            if is_wanted && !self.is_over {
                self.place(entry.oid, Place { path, kind: entry.kind, verdict });
            }
        }
    }

    fn commit(&mut self, text: &[u8]) {
        let tree = text.strip_prefix(b"tree ").and_then(|rest| std::str::from_utf8(rest.get(..40)?).ok());
        let verdict = if self.sparse.is_some() { Verdict::Excluded } else { Verdict::Included };
        if let Some(tree) = tree.and_then(super::store::full_oid) {
            self.place(tree, Place { path: [].into(), kind: Kind::Directory, verdict });
        }
    }

    fn tree(&mut self, oid: Oid, content: &[u8]) {
        match self.places.remove(&oid) {
            Some(places) => {
                // The same tree may yet be found at another path.
                self.keep_tree(oid, content);
                for place in places {
                    self.expand(content, &place);
                }
            }
            None => self.keep_tree(oid, content),
        }
    }

    fn keep_tree(&mut self, oid: Oid, content: &[u8]) {
        if self.tree_bytes + content.len() <= MOST_TREE_BYTES {
            self.tree_bytes += content.len();
            self.trees.insert(oid, content.to_vec());
        }
    }

    fn blob(&mut self, oid: Oid, content: &[u8]) {
        for place in self.places.remove(&oid).unwrap_or_default() {
            let is_within = content.len() as u64 <= self.bytes_left;
            if place.kind == Kind::Directory || self.is_over || !is_within {
                continue;
            }
            self.bytes_left -= content.len() as u64;
            match self.write(&place, content) {
                Ok(stat) => drop(self.files.insert(place.path, (oid, place.kind, stat))),
                Err(error) => {
                    // A full disk, an old kernel, a name that is there twice: the export meets it again, and reports.
                    tracing::debug!(%error, "a file is left to the export");
                    self.is_over = true;
                }
            }
        }
    }

    fn write(&mut self, place: &Place, content: &[u8]) -> Result<Stat, Errno> {
        match write_file(self.draft.as_fd(), &place.path, place.kind, content, BENEATH) {
            Err(Errno::NOENT) => {
                self.make_directories(&place.path)?;
                write_file(self.draft.as_fd(), &place.path, place.kind, content, BENEATH)
            }
            other => other,
        }
    }

    /// Makes the directories above `path`, each only where we have not made it before.
    fn make_directories(&mut self, path: &[u8]) -> Result<(), Errno> {
        for at in memchr::memchr_iter(b'/', path) {
            let directory = &path[..at];
            if self.directories.contains(directory) {
                continue;
            }
            let parent = memchr::memrchr(b'/', directory).map_or(&b"."[..], |slash| &directory[..slash]);
            let name = &directory[memchr::memrchr(b'/', directory).map_or(0, |slash| slash + 1)..];
            let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
            let parent = rustix::fs::openat2(&self.draft, parent, flags, Mode::empty(), BENEATH)?;
            rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777))?;
            self.directories.insert(directory.into());
        }
        Ok(())
    }
}

/// Nothing that is opened lies outside of the draft or behind a link.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

impl Visitor for Early {
    fn object(&mut self, object: &Object<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Some(content) = object.content.filter(|_| !self.is_over) else { return Ok(()) };
        match object.kind {
            pack::Kind::Commit if object.oid == self.wanted => self.commit(content),
            pack::Kind::Tag if object.oid == self.wanted => {
                let target =
                    content.strip_prefix(b"object ").and_then(|rest| std::str::from_utf8(rest.get(..40)?).ok());
                self.wanted = target.and_then(super::store::full_oid).unwrap_or(self.wanted);
            }
            pack::Kind::Tree => self.tree(object.oid, content),
            pack::Kind::Blob => self.blob(object.oid, content),
            pack::Kind::Commit | pack::Kind::Tag => {}
        }
        Ok(())
    }
}
