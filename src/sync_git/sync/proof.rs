//! The proof: before anything of a commit is written, a signature that the operator trusts.
//!
//! In: the tip, the commit that it stands for, the store that holds both. Out: nothing, or the error that ends the sync; what
//! was published stays. Asked at every sync, not only for new commits, so that a key that was taken out is noticed. What a
//! server says of a tag counts for nothing here: the tag object itself must lead to the commit.

use std::time::SystemTime;

use git2::{ObjectType, Oid};

use super::Syncer;
use crate::sync_git::budget::Budget;
use crate::sync_git::origin::Tip;
use crate::sync_git::outcome::SyncError;
use crate::sync_git::store::{Store, StoreError};
use crate::sync_git::trust::{Distrust, Signer, TagObject, Why};

impl Syncer {
    /// Whose signature let the published commit pass; nothing where none was asked for.
    pub(crate) fn signer(&self) -> Option<&str> {
        self.signer.as_ref().map(|Signer(shown)| shown.as_str())
    }

    /// Asks for a trusted signature of `commit`, or of the tag that `tip` is.
    pub(super) async fn prove(&mut self, tip: &Tip, commit: Oid, budget: &Budget) -> Result<(), SyncError> {
        if self.trust.is_off() {
            return Ok(());
        }
        let is_tag = self.trust.wants_tag() && tip.oid != commit;
        if is_tag && !self.volume_here().store.odb().exists(tip.oid) {
            // The commit is here, the tag is not: it was made later, or made anew.
            self.fetch(tip, budget).await?;
        }
        let Self { volume, trust, metrics, signer, .. } = self;
        let store = &volume.as_ref().unwrap_or_else(|| unreachable!("no blocking work is under way")).store;
        let data = raw(store, commit, ObjectType::Commit)?;
        let tag = match is_tag {
            true => Some(raw(store, tip.oid, ObjectType::Tag)?),
            false => None,
        };
        let judged = match &tag {
            Some(_) if store.peel(tip.oid)? != commit => {
                let why = Why::Bad(format!("it does not lead to the commit {commit}, though the server says so"));
                Err(Distrust { what: "tag", oid: tip.oid, why })
            }
            _ => {
                let tag = tag.as_deref().map(|data| TagObject { oid: tip.oid, data, name: tip.name.as_deref() });
                trust.judge(commit, &data, tag.as_ref(), now())
            }
        };
        let judged = judged.inspect_err(|distrust| metrics.distrusted(&distrust.why))?;
        if signer.as_ref() != Some(&judged) {
            tracing::info!(%commit, signer = judged.0, "the signature is good");
            *signer = Some(judged);
        }
        Ok(())
    }

    /// Whether the commit's own signature is good: all that can be asked before the remote is reached.
    pub(super) fn is_proved_by_itself(&mut self, commit: Oid) -> bool {
        if self.trust.is_off() {
            return true;
        }
        let Ok(data) = raw(&self.volume_here().store, commit, ObjectType::Commit) else { return false };
        let judged = self.trust.judge(commit, &data, None, now());
        if let Err(distrust) = &judged {
            tracing::warn!(reason = %distrust, "the earlier run's tree is not served before the remote is reached");
        }
        judged.is_ok()
    }
}

fn raw(store: &Store, oid: Oid, kind: ObjectType) -> Result<Vec<u8>, SyncError> {
    let unreadable = |why: String| SyncError::from(StoreError::Object(oid, why));
    let object = store.odb().read(oid).map_err(|error| unreadable(error.message().to_owned()))?;
    if object.kind() != kind {
        return Err(unreadable(format!("it is a {}, not a {kind}", object.kind())));
    }
    Ok(object.data().to_vec())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
