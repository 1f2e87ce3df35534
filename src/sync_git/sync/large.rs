//! Large files of a draft, before it becomes a tree.
//!
//! In: a draft whose files are written. Out: the draft with the contents of Git LFS in the places of their pointers; without
//! `--lfs`, the draft as it was.

use super::Syncer;
use crate::sync_git::budget::Budget;
use crate::sync_git::draft::Draft;
use crate::sync_git::lfs;
use crate::sync_git::outcome::SyncError;

impl Syncer {
    /// Brings and places the large files of a draft.
    pub(super) async fn fill_large(&mut self, draft: Draft, budget: &Budget) -> Result<Draft, SyncError> {
        let Some(location) = self.options.lfs.clone() else { return Ok(draft) };
        let (draft, plan) = self
            .on_volume(move |volume| {
                let plan = lfs::plan(volume, &draft);
                (draft, plan)
            })
            .await;
        let mut plan = plan?;
        if plan.is_empty() {
            return Ok(draft);
        }
        let store = self.volume_here().store.dir().to_owned();
        let bringing = lfs::bring(&mut plan, &location, self.origin.url(), &self.reach.options, &store);
        let bytes = budget.spend(bringing).await??;
        self.metrics.lfs_bytes.add(bytes);
        let placed = self.on_volume(move |volume| {
            let mut draft = draft;
            lfs::place(volume, &mut draft, &plan).map(|()| draft)
        });
        Ok(placed.await?)
    }
}
