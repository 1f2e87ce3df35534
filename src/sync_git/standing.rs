//! Publishing into a directory: the tree at `--link` is no link, and is known by the `.git` file in it.
//!
//! In: a finished tree among the others, and what we know of the directory. Out: the two have changed places, or the
//! directory has taken the files that changed. A list of the commits that were begun stands in the store while a directory
//! changes in place, so that a killed run is noticed and its change is done again, whole.

use git2::Oid;

use super::files::{At, make_dirs, read_small, remove, unique_name, write_whole};
use super::in_place::{InPlace, Known};
use super::manifest::Manifest;
use super::publish::PublishError;
use super::retire;
use super::reuse::Spares;
use super::spare;
use super::store::full_oid;
use super::volume::{Volume, VolumeError};

/// A tree that is finished, and not published yet.
pub(crate) struct Staged {
    pub commit: Oid,
    pub manifest: Manifest,
    /// What stood in the directory before the metadata of the same commit were written anew.
    pub standing: Option<Known>,
    /// Whether an earlier change of the directory was cut short.
    pub is_again: bool,
}

/// In the store: the commits whose files may stand in a directory that changes in place.
const BEGUN: &str = "patterns-in-place";
const LARGEST_LIST: u64 = 1 << 20;

impl Volume {
    /// Whether a change of what is published was begun and not finished.
    pub(crate) fn is_half_changed(&self) -> bool {
        std::fs::symlink_metadata(self.store.dir().join(BEGUN)).is_ok()
    }

    /// Remembers that files or metadata of what is published will be those of `commit`, some sooner than others. Answers with
    /// all that was begun before and not ended.
    pub(super) fn begin(&self, commit: Oid) -> Result<Vec<Oid>, VolumeError> {
        let list = self.store.dir().join(BEGUN);
        let text = read_small(&list, LARGEST_LIST)?.unwrap_or_default();
        let mut begun: Vec<Oid> = String::from_utf8_lossy(&text).lines().filter_map(full_oid).collect();
        begun.retain(|other| *other != commit);
        let lines: String = begun.iter().chain([&commit]).map(|commit| format!("{commit}\n")).collect();
        write_whole(&list, lines.as_bytes())?;
        Ok(begun)
    }

    /// All that was begun is done.
    pub(super) fn end_change(&self) -> Result<(), VolumeError> {
        Ok(remove(&self.store.dir().join(BEGUN))?)
    }

    /// Lets the tree of `commit` and the directory change places.
    pub(super) fn exchange(&mut self, commit: Oid) -> Result<(), VolumeError> {
        let before = self.published()?;
        self.store.set_tip(commit)?;
        if self.staged.take().is_none_or(|staged| staged.commit != commit) {
            return Ok(()); // it stands there
        }
        let staged = self.root.tree(commit);
        // Killed after the exchange, the old tree must not have the new one's name.
        let aside = staged.with_file_name(unique_name());
        std::fs::rename(&staged, &aside).at("set aside", &staged)?;
        if let Err(error) = self.link.exchange(&aside) {
            remove(&aside)?;
            return Err(error.into());
        }
        self.end_change()?;
        let Some(before) = before.filter(|before| before.commit != commit) else { return Ok(remove(&aside)?) };
        let old = self.root.tree(before.commit);
        remove(&old)?;
        std::fs::rename(&aside, &old).at("keep the replaced tree at", &old)?;
        self.worktree_at(before.commit, old.clone()).point(&old)?;
        Ok(retire::begin_grace(&old)?)
    }

    /// Lets the directory take what is new in the tree of `commit`.
    pub(super) fn change_in_place(&mut self, commit: Oid) -> Result<(), VolumeError> {
        let before = self.published()?;
        self.store.set_tip(commit)?;
        let Some(Staged { mut manifest, standing, is_again, .. }) =
            self.staged.take().filter(|staged| staged.commit == commit)
        else {
            return Ok(()); // it stands there
        };
        let path = self.link.path().to_owned();
        let tree = self.root.tree(commit);
        make_dirs(&path)?;
        let device = |path| std::fs::metadata(path).map(|meta| std::os::unix::fs::MetadataExt::dev(&meta));
        if device(&path).at("look at", &path)? != device(&tree).at("look at", &tree)? {
            return Err(PublishError::Elsewhere(path).into());
        }
        let mut known: Vec<Known> = standing.into_iter().collect();
        for other in self.begin(commit)? {
            known.extend(Known::of(&self.worktree(other))?);
        }
        let worktree = self.worktree(commit);
        if before.is_none() {
            worktree.point(&path)?; // from now on it is ours
        }
        InPlace { standing: &path, staged: &tree, known: &known, is_again }.apply(&mut manifest)?;
        worktree.list(&manifest)?;
        worktree.point(&path)?;
        self.end_change()?;
        if self.sources.spare != Spares::None {
            // What did not change is still there, for the next tree.
            return Ok(spare::keep_rest(self.store.dir(), &worktree, &tree)?);
        }
        Ok(retire::discard(&tree)?)
    }
}
