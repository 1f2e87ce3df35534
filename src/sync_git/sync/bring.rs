//! Bring: the objects of a tip come into the store, as much of its history as is wanted, and the files whose path is known in time.
//!
//! In: a tip. Out: its commit, whole in the store and proved, with its tree in place if that was not there. What is here already is
//! not asked for.

use std::time::Instant;

use git2::Oid;

use super::Syncer;
use crate::sync_git::budget::Budget;
use crate::sync_git::draft::Blank;
use crate::sync_git::early::Early;
use crate::sync_git::history::{self, Fit};
use crate::sync_git::metrics::Phase;
use crate::sync_git::origin::Tip;
use crate::sync_git::outcome::SyncError;
use crate::sync_git::store::StoreError;
use crate::sync_git::volume::VolumeError;

impl Syncer {
    /// Brings the objects of `tip` where they are not here, and writes its tree where `is_whole` does not hold.
    pub(super) async fn bring(
        &mut self,
        tip: &Tip,
        is_whole: impl Fn(Oid) -> bool,
        budget: &Budget,
    ) -> Result<Oid, SyncError> {
        let here = self.volume_here().store.tip().ok().flatten();
        let (commit, blank) = match self.known_commit(tip).filter(|known| here == Some(*known)) {
            Some(commit) if self.has_right_history(commit)? => (commit, None),
            _ => self.fetch(tip, budget).await?,
        };
        self.prove(tip, commit, budget).await?;
        if !is_whole(commit) {
            self.complete(commit, budget).await?;
            self.build(commit, blank, budget).await?;
            self.inspected = Some(Instant::now());
        }
        Ok(commit)
    }

    /// The commit that a tip stands for, if that can be said without asking the remote for objects.
    pub(super) fn known_commit(&self, tip: &Tip) -> Option<Oid> {
        tip.peeled.or_else(|| self.volume_here().store.peel(tip.oid).ok())
    }

    /// Compares the history below `commit` with `--depth`, once a run; shortens it where too much is here.
    pub(super) fn has_right_history(&mut self, commit: Oid) -> Result<bool, SyncError> {
        if self.is_depth_known {
            return Ok(true);
        }
        let store = &self.volume_here().store;
        self.is_depth_known = match history::fit(store, commit, self.options.depth) {
            Ok(Fit::Fits) => true,
            Ok(Fit::Shorten(boundary)) => {
                // Trees that are kept may end elsewhere; gc takes out what is no boundary any more.
                let all = boundary.into_iter().chain(store.shallow()?).collect();
                store.set_shallow(&all)?;
                self.is_shortened = true;
                true
            }
            // A commit that cannot be read is one that must be fetched.
            Ok(Fit::Deepen) | Err(StoreError::Object(..)) => false,
            Err(error) => return Err(error.into()),
        };
        Ok(self.is_depth_known)
    }

    /// Brings the objects of `tip`, and writes the files whose path is known in time.
    pub(super) async fn fetch(&mut self, tip: &Tip, budget: &Budget) -> Result<(Oid, Option<Blank>), SyncError> {
        let started = Instant::now();
        self.is_warm = true;
        let Self { origin, volume, options, trust, reach, .. } = self;
        let volume = volume.as_ref().unwrap_or_else(|| unreachable!("no blocking work is under way"));
        let mut blank = volume.blank()?;
        let patterns = volume.recipe.patterns().cloned();
        let mut early = Early::new(blank.open().map_err(VolumeError::from)?, tip.oid, patterns, volume.limits);
        if !trust.is_off() {
            // Nothing is written before it is proved.
            early = early.idle();
        }
        let fetched = budget.spend(origin.fetch(tip, &volume.store, options.depth, &options.pack_limits, early)).await;
        if fetched.is_err() {
            reach.threads.ended().await; // or it would write into a draft that goes away
        }
        let (bytes, written) = fetched??;
        blank.holds(written);
        self.metrics.fetched_bytes.add(bytes);
        self.metrics.spent(Phase::Fetch, started.elapsed());
        self.volume_here_mut().store.settle()?;
        let commit = self.volume_here().store.peel(tip.oid)?;
        self.is_depth_known = true;
        tracing::debug!(%commit, bytes, elapsed_seconds = started.elapsed().as_secs_f64(), "fetched");
        Ok((commit, Some(blank)))
    }

    /// Brings what a partial fetch has left out and the tree needs.
    async fn complete(&mut self, commit: Oid, budget: &Budget) -> Result<(), SyncError> {
        if !self.origin.is_partial() {
            return Ok(());
        }
        // Each round brings the trees or the files of at least one more level.
        for _ in 0..=2 * self.volume_here().limits.depth {
            let its = budget.clone();
            let missing = self.on_volume(move |volume| volume.missing(commit, &its)).await?;
            if missing.is_empty() {
                break;
            }
            let Self { origin, volume, options, .. } = self;
            let store = &volume.as_ref().unwrap_or_else(|| unreachable!("no blocking work is under way")).store;
            let bytes = budget.spend(origin.fetch_objects(missing, store, &options.pack_limits)).await??;
            self.metrics.fetched_bytes.add(bytes);
        }
        Ok(())
    }
}
