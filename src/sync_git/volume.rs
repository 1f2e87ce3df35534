//! The volume: store, trees and link together, and the order in which they change.
//!
//! In: a commit whose objects are in the store. Out: its tree, built under a name that nobody reads, described, moved to its
//! place, and published by the link. At each step a killed process leaves the old tree published and whole; what it left
//! unfinished is recognised by its name and swept at the next start. This half blocks; it runs on a blocking thread.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use git2::Oid;

use super::budget::Budget;
use super::checkout::{CheckoutError, Export};
use super::draft::{Blank, Draft, Recipe};
use super::files::{FileError, make_dirs, names_in, remove, sweep_unfinished};
use super::in_place::Known;
use super::publish::{Link, Publish, PublishError, commit_of};
use super::retire::{self, Retired, Stay};
use super::reuse::{Previous, Sources, Spares};
use super::root::Root;
use super::settings::limits::TreeLimits;
use super::spare::{self, Spare};
use super::standing::Staged;
use super::store::{Store, StoreError};
use super::worktree::{Damage, Filled, Worktree};
use super::writer::{self, Found};

/// Everything under `--root`, and the link.
pub(crate) struct Volume {
    pub root: Root,
    pub link: Link,
    pub store: Store,
    pub recipe: Recipe,
    pub sources: Sources,
    pub limits: TreeLimits,
    pub publish: Publish,
    /// Finished, and not in a directory's place yet.
    pub(super) staged: Option<Staged>,
    /// What is left of the last spare, to be removed when the new tree is published.
    remains: Option<Spare>,
}

/// What the link shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub commit: Oid,
    /// The tree's directory; elsewhere than in `.worktrees` when a git-sync of version 3 wrote it.
    pub tree: PathBuf,
}

/// Why a commit did not get published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VolumeError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl VolumeError {
    /// Whether objects are missing or damaged, so that only fetching them again can help.
    pub(crate) fn is_object_loss(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Object(..) | StoreError::Database { .. })
                | Self::Checkout(CheckoutError::Object { .. })
        )
    }
}

impl Volume {
    /// Opens what is under `root`, whatever state a killed run left it in.
    ///
    /// # Errors
    /// When the volume refuses to be read or written.
    pub(crate) fn open(root: Root, link: Link, origin: &str, sources: Sources) -> Result<Self, VolumeError> {
        let trees = root.trees();
        if std::fs::symlink_metadata(&trees).is_ok_and(|meta| !meta.is_dir()) {
            remove(&trees)?;
        }
        make_dirs(&trees)?;
        sweep_unfinished(root.path())?;
        sweep_unfinished(&trees)?;
        link.sweep()?;
        let store = Store::open(&root.store(), origin)?;
        let (recipe, limits) = (Recipe::default(), TreeLimits::default());
        let publish = Publish::Symlink;
        Ok(Self { root, link, store, recipe, sources, limits, publish, staged: None, remains: None })
    }

    /// What is published now; `None` when there is no link, or one that leads to no commit's tree.
    ///
    /// # Errors
    /// When something that is not ours stands in its place.
    pub(crate) fn published(&self) -> Result<Option<Published>, PublishError> {
        if self.publish != Publish::Symlink {
            let commit = self.link.standing(self.store.dir())?;
            return Ok(commit.map(|commit| Published { commit, tree: self.place(commit) }));
        }
        let target = self.link.target()?;
        Ok(target.and_then(|tree| commit_of(&tree).map(|commit| Published { commit, tree })))
    }

    /// The quick look that every poll takes at the published tree.
    ///
    /// # Errors
    /// When the volume cannot be read.
    pub(crate) fn glance(&self, published: &Published) -> Result<Option<Damage>, VolumeError> {
        let worktree = self.worktree(published.commit);
        if published.tree != worktree.tree() {
            return Ok(Some(Damage::Missing));
        }
        if self.is_half_changed() {
            return Ok(Some(Damage::HalfChanged));
        }
        Ok(worktree.glance(published.commit)?)
    }

    /// The full comparison of the published tree with its commit.
    ///
    /// # Errors
    /// When the budget is spent, or objects are lost.
    pub(crate) fn inspect(&self, published: &Published, budget: &Budget) -> Result<Option<Damage>, VolumeError> {
        let worktree = self.worktree(published.commit);
        if published.tree != worktree.tree() {
            return Ok(Some(Damage::Missing));
        }
        if self.is_half_changed() {
            return Ok(Some(Damage::HalfChanged));
        }
        let commit = self.store.commit(published.commit)?;
        let export = self.export(budget);
        Ok(worktree.inspect(published.commit, commit.tree, &export)?)
    }

    /// An empty directory for a tree.
    ///
    /// # Errors
    /// The volume's.
    pub(crate) fn blank(&self) -> Result<Blank, VolumeError> {
        Ok(Blank::new(&self.root.trees())?)
    }

    /// Writes the files of `commit`, those that are not there already, taking unchanged ones over from the spare or, without
    /// one, from the published tree.
    ///
    /// # Errors
    /// When the tree is refused, objects are lost, the budget is spent or the volume is full; nothing is left then.
    pub(crate) fn draft(&self, mut blank: Blank, commit: Oid, budget: &Budget) -> Result<Draft, VolumeError> {
        let tree = self.store.commit(commit)?.tree;
        let published = self.published()?.filter(|published| published.commit != commit);
        let spare = match self.sources.spare {
            Spares::None => None,
            Spares::Retired | Spares::Linked => Spare::take(self.store.dir(), &self.recipe.text()),
        };
        // What was written by another recipe may have to be written otherwise now.
        let is_alike = |published: &Published| matches!(self.glance(published), Ok(None));
        let previous = published.filter(|published| spare.is_none() && is_alike(published));
        let previous =
            previous.and_then(|published| Previous::open(&self.worktree(published.commit), self.sources.published));
        let (path, early) = blank.take();
        let (manifest, remains) = writer::write(&self.export(budget), tree, path, Found { early, previous, spare })?;
        Ok(Draft { commit, manifest, blank, remains })
    }

    /// Makes a draft a worktree and moves it to its place. If a tree of that name stands there (damaged, or published),
    /// the two change places in one step and the old one goes.
    ///
    /// # Errors
    /// The volume's; the draft is gone then.
    pub(crate) fn finish(&mut self, draft: Draft, filled: &[Filled]) -> Result<(), VolumeError> {
        let worktree = self.worktree(draft.commit);
        let published = self.published()?.map(|published| published.commit);
        let is_again = self.is_half_changed();
        if published == Some(draft.commit) {
            // From here until the new tree stands in its place, the metadata are those of another one.
            self.begin(draft.commit)?;
        }
        if self.publish != Publish::Symlink {
            let standing = published.map(|commit| Known::of(&self.worktree(commit))).transpose()?.flatten();
            let manifest = draft.manifest.clone();
            self.staged = Some(Staged { commit: draft.commit, manifest, standing, is_again });
        }
        worktree.describe(draft.path(), draft.commit, &draft.manifest, filled)?;
        let tree = self.root.tree(draft.commit);
        self.remains = draft.place(&tree)?;
        if self.publish == Publish::Symlink {
            self.end_change()?;
        }
        Ok(())
    }

    /// Objects of the commit's tree that a partial fetch has left out, and that the tree needs.
    ///
    /// # Errors
    /// When what is here cannot be read.
    pub(crate) fn missing(&self, commit: Oid, budget: &Budget) -> Result<Vec<Oid>, VolumeError> {
        let tree = self.store.commit(commit)?.tree;
        Ok(self.export(budget).missing(tree)?)
    }

    fn export<'a>(&'a self, budget: &'a Budget) -> Export<'a> {
        Export { odb: self.store.odb(), budget, sparse: self.recipe.patterns(), limits: self.limits }
    }

    /// Publishes the tree of `commit`, which stands in its place, and starts the grace of the one before.
    ///
    /// # Errors
    /// When the link's place is taken, or the volume refuses; the old tree stays published.
    pub(crate) fn publish(&mut self, commit: Oid) -> Result<(), VolumeError> {
        match self.publish {
            Publish::Symlink => self.flip(commit),
            Publish::Exchange => self.exchange(commit),
            Publish::InPlace => self.change_in_place(commit),
        }
    }

    fn flip(&mut self, commit: Oid) -> Result<(), VolumeError> {
        let before = self.published()?;
        self.store.set_tip(commit)?;
        let tree = self.root.tree(commit);
        if before.as_ref().map(|before| &before.tree) == Some(&tree) {
            return Ok(());
        }
        self.link.flip(&tree)?;
        if let Some(before) = before {
            self.replaced(&before)?;
        }
        Ok(())
    }

    /// The commits whose trees stand, as far as their objects are here.
    ///
    /// # Errors
    /// When the volume cannot be listed.
    pub(crate) fn kept_commits(&self) -> Result<Vec<Oid>, VolumeError> {
        let names = names_in(&self.root.trees())?;
        let commits = names.iter().filter_map(|name| commit_of(Path::new(name)));
        let published = self.published()?.map(|published| published.commit);
        let commits: BTreeSet<Oid> = commits.chain(published).collect();
        Ok(commits.into_iter().filter(|commit| self.store.commit(*commit).is_ok()).collect())
    }

    /// Removes the trees whose grace is over, or makes the newest of them the spare; makes one of links where that is wanted.
    ///
    /// # Errors
    /// When the volume cannot be listed.
    pub(crate) fn retire(&mut self, stay: Stay, budget: &Budget) -> Result<Retired, VolumeError> {
        self.remains = None;
        let published = self.published()?.map(|published| published.commit);
        if let Some(commit) = published.filter(|_| self.publish != Publish::Symlink) {
            // It stands elsewhere: this is what a killed run has left of it.
            let left = self.root.tree(commit);
            if std::fs::symlink_metadata(&left).is_ok() {
                retire::discard(&left)?;
            }
        }
        let current = published.map(|commit| self.root.tree(commit)).unwrap_or_default();
        let retired = match self.sources.spare {
            Spares::None => {
                spare::discard(self.store.dir())?;
                retire::retire(&self.root, &current, stay, |_| None)?
            }
            Spares::Retired | Spares::Linked => {
                let heir = |path: &Path| Some(self.worktree_at(commit_of(path)?, path.to_owned()));
                retire::retire(&self.root, &current, stay, heir)?
            }
        };
        if self.sources.spare == Spares::Linked
            && !spare::is_there(self.store.dir())
            && let Some(commit) = published
            && let Err(error) = spare::link(self.store.dir(), &self.worktree(commit), budget)
        {
            tracing::debug!(%error, "no spare tree can be made of links; files are taken over one by one");
            self.sources.spare = Spares::Retired;
        }
        Ok(retired)
    }

    fn replaced(&self, before: &Published) -> Result<(), VolumeError> {
        if before.tree.parent() == Some(self.root.path()) && before.tree.join(".git").is_file() {
            // git-sync of version 3 kept its trees in the root itself; nobody else would take this one away.
            return Ok(retire::discard(&before.tree)?);
        }
        if before.tree.is_dir() {
            retire::begin_grace(&before.tree)?;
        }
        Ok(())
    }

    /// Where the tree of `commit` stands when it is published.
    pub(crate) fn place(&self, commit: Oid) -> PathBuf {
        match self.publish {
            Publish::Symlink => self.root.tree(commit),
            Publish::Exchange | Publish::InPlace => self.link.path().to_owned(),
        }
    }

    /// Where the tree of `commit` stands now, published or not.
    pub(crate) fn tree_of(&self, commit: Oid) -> PathBuf {
        match &self.staged {
            Some(staged) if staged.commit == commit => self.root.tree(commit),
            _ => self.place(commit),
        }
    }

    pub(super) fn worktree(&self, commit: Oid) -> Worktree {
        self.worktree_at(commit, self.place(commit))
    }

    pub(crate) fn worktree_at(&self, commit: Oid, tree: PathBuf) -> Worktree {
        Worktree::new(tree, self.store.dir(), commit.to_string(), self.recipe.text())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::super::reuse::{Exposure, Reuse};
    use super::*;

    struct Place {
        dir: tempfile::TempDir,
        volume: Volume,
    }

    fn place_with(files: &[(&str, &str)]) -> (Place, Oid) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::prepare(&dir.path().join("root")).unwrap();
        let link = Link::new(root.resolve(Path::new("link")));
        let volume = Volume::open(root, link, "x", Reuse::Auto.sources(Exposure::Brief)).unwrap();
        let commit = commit(&volume, files);
        (Place { dir, volume }, commit)
    }

    fn commit(volume: &Volume, files: &[(&str, &str)]) -> Oid {
        let repo = git2::Repository::open(volume.store.dir()).unwrap();
        let tree = repo.find_tree(crate::sync_git::tree::sample(&repo, files)).unwrap();
        let who = git2::Signature::new("a", "b", &git2::Time::new(1234, 60)).unwrap();
        repo.commit(None, &who, &who, "m", &tree, &[]).unwrap()
    }

    fn build(volume: &mut Volume, commit: Oid) -> Result<PathBuf, VolumeError> {
        let draft = volume.draft(volume.blank()?, commit, &budget())?;
        volume.finish(draft, &[])?;
        Ok(volume.root.tree(commit))
    }

    fn budget() -> Budget {
        Budget::new(Duration::from_secs(60), CancellationToken::new())
    }

    #[test]
    fn a_published_tree_is_a_clean_worktree_to_git() {
        let (mut place, first) = place_with(&[("a", "1"), ("d/b", "2")]);
        build(&mut place.volume, first).unwrap();
        place.volume.publish(first).unwrap();
        let link = place.dir.path().join("root/link");
        assert_eq!(std::fs::read_to_string(link.join("d/b")).unwrap(), "2");
        let repo = git2::Repository::open(&link).unwrap();
        assert!(repo.is_worktree());
        assert_eq!(repo.head().unwrap().target(), Some(first));
        assert_eq!(repo.statuses(None).unwrap().len(), 0);
        let published = place.volume.published().unwrap().unwrap();
        assert_eq!(place.volume.inspect(&published, &budget()).unwrap(), None);
    }

    #[test]
    fn damage_is_noticed_and_a_touched_file_is_not_damage() {
        let (mut place, first) = place_with(&[("a", "1"), ("d/b", "2")]);
        let tree = build(&mut place.volume, first).unwrap();
        place.volume.publish(first).unwrap();
        let published = place.volume.published().unwrap().unwrap();
        let verdict = |place: &Place| place.volume.inspect(&published, &budget()).unwrap();
        std::fs::write(tree.join("added"), "theirs").unwrap();
        std::fs::write(tree.join("a"), "1").unwrap();
        assert_eq!(verdict(&place), None);
        std::fs::write(tree.join("a"), "2").unwrap();
        assert_eq!(verdict(&place), Some(Damage::Files { first: "a".into(), count: 1 }));
        build(&mut place.volume, first).unwrap();
        assert_eq!(verdict(&place), None);
        std::fs::remove_dir_all(&tree).unwrap();
        assert_eq!(place.volume.glance(&published).unwrap(), Some(Damage::Missing));
    }

    #[test]
    fn the_next_commit_replaces_the_tree_and_the_old_one_goes() {
        let (mut place, first) = place_with(&[("a", "1")]);
        build(&mut place.volume, first).unwrap();
        place.volume.publish(first).unwrap();
        let second = commit(&place.volume, &[("a", "2")]);
        build(&mut place.volume, second).unwrap();
        place.volume.publish(second).unwrap();
        assert_eq!(
            place.volume.retire(Stay { grace: Duration::from_secs(60), least: 0 }, &budget()).unwrap().removed,
            0
        );
        assert_eq!(place.volume.retire(Stay::default(), &budget()).unwrap().removed, 1);
        assert_eq!(place.volume.published().unwrap().unwrap().commit, second);
        assert!(!place.volume.root.tree(first).exists());
        assert_eq!(place.volume.store.tip().unwrap(), Some(second));
    }

    #[test]
    fn a_cancelled_build_leaves_nothing() {
        let (place, first) = place_with(&[("a", "1")]);
        let stop = CancellationToken::new();
        stop.cancel();
        let blank = place.volume.blank().unwrap();
        let cut = place.volume.draft(blank, first, &Budget::new(Duration::from_secs(60), stop)).map(drop);
        assert!(matches!(cut, Err(VolumeError::Checkout(CheckoutError::Interrupted(_)))));
        assert_eq!(super::super::files::names_in(&place.volume.root.trees()).unwrap().len(), 0);
    }

    #[test]
    fn a_lost_object_is_told_from_other_errors() {
        let (place, first) = place_with(&[("a", "1")]);
        let mut volume = place.volume;
        volume.store.start_over().unwrap();
        assert!(build(&mut volume, first).unwrap_err().is_object_loss());
    }
}
