//! `patterns sync-git`: keeps a shared volume in step with a git repository, atomically.
pub mod pack;
pub mod remote;
