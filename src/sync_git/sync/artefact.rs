//! The archive of a tree, before the link turns to it.
//!
//! In: a commit whose tree stands in its place. Out: the archive of it, once a run and once a change; where none is asked for,
//! nothing.

use git2::Oid;

use super::Syncer;
use crate::sync_git::budget::Budget;
use crate::sync_git::outcome::SyncError;
use crate::sync_git::volume::VolumeError;

impl Syncer {
    /// Writes the archive of the tree of `commit`, unless this run has done so.
    pub(super) async fn archive(&mut self, commit: Oid, budget: &Budget) -> Result<(), SyncError> {
        let Some(artefact) = self.options.archive.clone().filter(|_| self.archived != Some(commit)) else {
            return Ok(());
        };
        let budget = budget.clone();
        let written = self.on_volume(move |volume| {
            let time = volume.store.commit(commit).map_err(VolumeError::from)?.time;
            let worktree = volume.worktree_at(commit, volume.tree_of(commit));
            let manifest = worktree.manifest().map_err(VolumeError::from)?.unwrap_or_default();
            Ok::<_, SyncError>(artefact.write(worktree.tree(), &manifest, time, &budget)?)
        });
        written.await?;
        self.archived = Some(commit);
        Ok(())
    }
}
