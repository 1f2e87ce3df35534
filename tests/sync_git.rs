//! `patterns sync-git` against real git servers.
#[path = "sync_git/remote/mod.rs"]
mod remote;
