//! What makes a published tree a git worktree, and how its damage is noticed.
//!
//! In: a tree that was just written, and its manifest. Out: the `.git` file in the tree and `worktrees/<id>` in the store
//! (HEAD, gitdir, commondir, index), so that `git log`, `git status` and `git archive` work in it where the consumer has git.
//! Later: a verdict, cheap enough for every poll (`glance`) or complete (`inspect`), on whether the tree still is that commit.
//! A file that was rewritten with the same content is not damage, and what the consumer added beside our files is theirs.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use git2::Oid;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::checkout::{CheckoutError, Export};
use super::files::{At, FileError, make_dirs, read_small, remove, replace, unique_name, write_whole, write_whole_from};
use super::manifest::{Entry, Manifest, Stat};
use super::root::relative;
use super::tree::{Kind, printable};

/// Beside git's own files of a worktree: the settings that it was made with, and the submodules in it.
const RECIPE: &str = "patterns-recipe";
const SUBMODULES: &str = "patterns-submodules";
pub(super) const LARGEST_LIST: u64 = 16 << 20;
/// An index of this size holds several million files.
pub(super) const LARGEST_INDEX: u64 = 512 << 20;

/// One tree and its place in a store.
#[derive(Clone, Debug)]
pub(crate) struct Worktree {
    tree: PathBuf,
    store: PathBuf,
    id: String,
    recipe: String,
}

/// A submodule that was written into a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Filled {
    /// From the top of the tree.
    pub path: PathBuf,
    pub store: PathBuf,
    pub commit: String,
}

/// How a tree is no longer the commit that its name promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error("its directory is missing")]
    Missing,
    #[error("its git metadata ({0}) is missing or changed")]
    Metadata(&'static str),
    #[error("it was made with other settings")]
    Recipe,
    #[error("a change of it was cut short")]
    HalfChanged,
    #[error("its index does not describe the commit")]
    Index,
    #[error("{count} of its files are missing or changed, the first is {first:?}")]
    Files { first: String, count: usize },
}

impl Worktree {
    /// The worktree `id` of the git directory `store`, standing at `tree`; both absolute and link-free. `recipe` names the
    /// settings that decide what is in the tree beside the commit.
    pub(crate) fn new(tree: PathBuf, store: &Path, id: String, recipe: String) -> Self {
        Self { tree, store: store.to_owned(), id, recipe }
    }

    pub(crate) fn tree(&self) -> &Path {
        &self.tree
    }

    /// The file that holds the manifest.
    pub(crate) fn index(&self) -> PathBuf {
        self.metadata().join("index")
    }

    /// The file that says with which settings the tree was made.
    pub(crate) fn recipe_file(&self) -> PathBuf {
        self.metadata().join(RECIPE)
    }

    fn metadata(&self) -> PathBuf {
        self.store.join("worktrees").join(&self.id)
    }

    fn pointer(&self) -> Vec<u8> {
        let leads = relative(&self.tree, &self.metadata());
        [b"gitdir: ", leads.as_os_str().as_bytes(), b"\n"].concat()
    }

    /// Writes the metadata for `commit`, the submodules that were written into its tree included; the tree itself still stands
    /// at `unfinished`. They come to their place all at once: git takes a worktree without a HEAD for a broken repository.
    ///
    /// # Errors
    /// The volume's.
    pub(crate) fn describe(
        &self,
        unfinished: &Path,
        commit: Oid,
        manifest: &Manifest,
        filled: &[Filled],
    ) -> Result<(), FileError> {
        let fresh = self.store.join(unique_name());
        let described = self.write_metadata(&fresh, commit, manifest, filled);
        if described.is_err() {
            let _ = remove(&fresh); // what stopped the work says more; the sweep takes the rest
        }
        described?;
        self.point(unfinished)
    }

    fn write_metadata(
        &self,
        fresh: &Path,
        commit: Oid,
        manifest: &Manifest,
        filled: &[Filled],
    ) -> Result<(), FileError> {
        std::fs::create_dir(fresh).at("make the directory", fresh)?;
        let gitdir = [self.tree.join(".git").as_os_str().as_bytes(), b"\n"].concat();
        let parts = [
            ("index", manifest.encode()),
            ("commondir", b"../..\n".to_vec()),
            ("gitdir", gitdir),
            (RECIPE, self.recipe.clone().into_bytes()),
            (SUBMODULES, serde_json::to_vec(filled).unwrap_or_default()),
            ("HEAD", format!("{commit}\n").into_bytes()),
        ];
        for (name, bytes) in parts {
            let path = fresh.join(name);
            std::fs::write(&path, bytes).at("write", &path)?;
        }
        make_dirs(&self.store.join("worktrees"))?;
        replace(&self.metadata(), fresh)
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// The volume's.
    pub(crate) fn list(&self, manifest: &Manifest) -> Result<(), FileError> {
        write_whole(&self.index(), &manifest.encode())
    }

    /// Makes the directory `tree`, which stands in this worktree's place or will, lead to its metadata.
    ///
    /// # Errors
    /// The volume's.
    pub(crate) fn point(&self, tree: &Path) -> Result<(), FileError> {
        write_whole_from(&self.store, &tree.join(".git"), &self.pointer())
    }

    fn submodules(&self) -> Result<Vec<(Oid, Self)>, FileError> {
        let text = read_small(&self.metadata().join(SUBMODULES), LARGEST_LIST)?.unwrap_or_default();
        let filled: Vec<Filled> = serde_json::from_slice(&text).unwrap_or_default();
        let worktree = |filled: Filled| {
            let commit = super::store::full_oid(&filled.commit)?;
            let tree = self.tree.join(filled.path);
            Some((commit, Self { tree, store: filled.store, id: self.id.clone(), recipe: self.recipe.clone() }))
        };
        Ok(filled.into_iter().filter_map(worktree).collect())
    }

    /// The manifest as it was written, or `None` when it cannot be trusted any more.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub(crate) fn manifest(&self) -> Result<Option<Manifest>, FileError> {
        // With other settings the same objects may have become other files.
        if !self.is_of_recipe()? {
            return Ok(None);
        }
        self.last_manifest()
    }

    /// The manifest, whatever the settings were that the tree was made with.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub(crate) fn last_manifest(&self) -> Result<Option<Manifest>, FileError> {
        let bytes = read_small(&self.index(), LARGEST_INDEX)?.unwrap_or_default();
        Ok(Manifest::decode(&bytes).ok())
    }

    /// Whether the tree was made with the present settings.
    ///
    /// # Errors
    /// When the file that says so exists and cannot be read.
    pub(crate) fn is_of_recipe(&self) -> Result<bool, FileError> {
        Ok(read_small(&self.recipe_file(), LARGEST_LIST)?.as_deref() == Some(self.recipe.as_bytes()))
    }

    /// Looks at the directory and the metadata only: three small files.
    ///
    /// # Errors
    /// When something is there and cannot be read.
    pub(crate) fn glance(&self, commit: Oid) -> Result<Option<Damage>, FileError> {
        if !std::fs::symlink_metadata(&self.tree).is_ok_and(|meta| meta.is_dir()) {
            return Ok(Some(Damage::Missing));
        }
        if read_small(&self.tree.join(".git"), 8192)?.as_deref() != Some(&self.pointer()) {
            return Ok(Some(Damage::Metadata(".git")));
        }
        let head = read_small(&self.metadata().join("HEAD"), 8192)?.unwrap_or_default();
        if head != format!("{commit}\n").as_bytes() {
            return Ok(Some(Damage::Metadata("HEAD")));
        }
        if !self.is_of_recipe()? {
            return Ok(Some(Damage::Recipe));
        }
        for (commit, submodule) in self.submodules()? {
            if let Some(damage) = submodule.glance(commit)? {
                return Ok(Some(damage));
            }
        }
        Ok(None)
    }

    /// Compares every file with the commit's tree: by status where nothing moved, by content where something did.
    ///
    /// # Errors
    /// When the budget is spent, or the store cannot give the tree.
    pub(crate) fn inspect(&self, commit: Oid, tree: Oid, export: &Export<'_>) -> Result<Option<Damage>, CheckoutError> {
        if let Some(damage) = self.glance(commit)? {
            return Ok(Some(damage));
        }
        let Some(manifest) = self.manifest()? else { return Ok(Some(Damage::Index)) };
        let mut listed = manifest.entries.iter();
        let mut is_described = true;
        export.visit(tree, &mut |seen| {
            if seen.kind != Kind::Directory && is_described {
                let entry = listed.next().map(|entry| (&*entry.path, entry.kind, entry.oid, entry.is_skipped));
                is_described = entry == Some((seen.path, seen.kind, seen.oid, seen.is_skipped));
            }
            Ok(())
        })?;
        if !is_described || listed.next().is_some() {
            return Ok(Some(Damage::Index));
        }
        if let Some(damage) = self.compare(&manifest, export.budget)? {
            return Ok(Some(damage));
        }
        for (_, submodule) in self.submodules()? {
            let Some(manifest) = submodule.manifest()? else { return Ok(Some(Damage::Index)) };
            if let Some(damage) = submodule.compare(&manifest, export.budget)? {
                return Ok(Some(damage));
            }
        }
        Ok(None)
    }

    fn compare(&self, manifest: &Manifest, budget: &Budget) -> Result<Option<Damage>, CheckoutError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(top) = rustix::fs::open(&self.tree, flags, Mode::empty()) else { return Ok(Some(Damage::Missing)) };
        let mut changed = manifest.entries.iter().filter(|entry| !entry.is_skipped && !is_intact(&top, entry));
        let Some(first) = changed.next() else { return Ok(None) };
        budget.check()?;
        Ok(Some(Damage::Files { first: printable(&first.path), count: 1 + changed.count() }))
    }
}

/// Whether the file at `entry.path` under `top` is the one that we wrote, or another with the same content and kind.
fn is_intact(top: &impl AsFd, entry: &Entry) -> bool {
    let Ok(stat) = rustix::fs::statat(top, &*entry.path, AtFlags::SYMLINK_NOFOLLOW) else { return false };
    let is_kind = match (FileType::from_raw_mode(stat.st_mode), entry.kind) {
        (FileType::RegularFile, Kind::File) => stat.st_mode & 0o100 == 0,
        (FileType::RegularFile, Kind::Executable) => stat.st_mode & 0o100 != 0,
        (FileType::Symlink, Kind::Symlink) => true,
        (FileType::Directory, Kind::Submodule | Kind::Directory) => return true,
        _ => false,
    };
    is_kind && (Stat::of(&stat).is_unchanged_since(&entry.stat) || holds(top, entry, stat.st_size.max(0) as u64))
}

fn holds(top: &impl AsFd, entry: &Entry, size: u64) -> bool {
    let mut hash = sha1dc::Hasher::default();
    hash.update(format!("blob {size}\0").as_bytes());
    if entry.kind == Kind::Symlink {
        let Ok(target) = rustix::fs::readlinkat(top, &*entry.path, Vec::new()) else { return false };
        hash.update(target.as_bytes());
    } else {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(top, &*entry.path, flags, Mode::empty()) else { return false };
        let mut file = std::io::Read::take(std::fs::File::from(file), size.saturating_add(1));
        if std::io::copy(&mut file, &mut hash).ok() != Some(size) {
            return false;
        }
    }
    hash.finalize().is_ok_and(|hash| hash.as_ref() == entry.oid.as_bytes())
}
