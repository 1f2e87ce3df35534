//! How a sync ended: what happened, or which layer failed and why.
//!
//! In: the errors of every layer below. Out: one type for the cycle, which only asks whether the process was told to stop.

use std::path::PathBuf;

use git2::Oid;

use super::archive::ArchiveError;
use super::budget::Interrupted;
use super::checkout::CheckoutError;
use super::gc::GcError;
use super::hooks::HookError;
use super::lfs::LfsError;
use super::publish::PublishError;
use super::remote::RemoteError;
use super::store::StoreError;
use super::submodules::SubmoduleError;
use super::trust::Distrust;
use super::volume::VolumeError;

/// How a sync ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The link shows another commit than before, or shows one for the first time.
    Published { before: Option<Oid>, commit: Oid },
    /// The commit is the same; its tree was damaged and was written again.
    Repaired { commit: Oid },
    /// Nothing had changed.
    Unchanged { commit: Oid },
}

impl Outcome {
    pub(crate) fn commit(&self) -> Oid {
        match self {
            Self::Published { commit, .. } | Self::Repaired { commit } | Self::Unchanged { commit } => *commit,
        }
    }
}

/// Why a sync failed. All of it is safe to try again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Volume(#[from] VolumeError),
    #[error(transparent)]
    Submodule(#[from] SubmoduleError),
    #[error(transparent)]
    Gc(#[from] GcError),
    /// Nothing of the commit was written; the old tree stays published.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Lfs(#[from] LfsError),
    #[error("--sparse-checkout-file {} is not there", .0.display())]
    NoPatterns(PathBuf),
    /// The gate's verdict on the new tree; the old one stays published.
    #[error("the pre-publish hook refused the new tree: {0}")]
    Vetoed(#[source] HookError),
}

impl From<PublishError> for SyncError {
    fn from(error: PublishError) -> Self {
        Self::Volume(error.into())
    }
}

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> Self {
        Self::Volume(error.into())
    }
}

impl SyncError {
    /// Whether the process was asked to stop, which is no failure.
    pub(crate) fn is_stop(&self) -> bool {
        match self {
            Self::Interrupted(cut) | Self::Archive(ArchiveError::Interrupted(cut)) => *cut == Interrupted::Stopping,
            Self::Volume(VolumeError::Checkout(CheckoutError::Interrupted(cut))) => *cut == Interrupted::Stopping,
            Self::Gc(GcError::Interrupted(cut)) => *cut == Interrupted::Stopping,
            Self::Submodule(error) => error.interruption() == Some(Interrupted::Stopping),
            _ => false,
        }
    }
}
