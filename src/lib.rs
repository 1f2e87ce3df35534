//! `patterns`: the sidecar, the ambassador and the adapter in one binary.
#[cfg(feature = "sync-git")]
pub mod sync_git;
