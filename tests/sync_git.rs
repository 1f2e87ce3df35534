//! `patterns sync-git` as a process, against repositories that the real git makes and serves.
#![cfg(feature = "sync-git")]
#![allow(unreachable_pub, reason = "modules of one test target")]

mod support;

#[path = "sync_git/web.rs"]
mod web;
#[path = "sync_git/world.rs"]
mod world;

#[path = "sync_git/auth.rs"]
mod auth;
#[path = "sync_git/beyond.rs"]
mod beyond;
#[path = "sync_git/compat.rs"]
mod compat;
#[path = "sync_git/follow.rs"]
mod follow;
#[path = "sync_git/garbage.rs"]
mod garbage;
#[path = "sync_git/hooks.rs"]
mod hooks;
#[path = "sync_git/hostile.rs"]
mod hostile;
#[path = "sync_git/process.rs"]
mod process;
#[path = "sync_git/publish.rs"]
mod publish;
#[path = "sync_git/recover.rs"]
mod recover;
#[path = "sync_git/remote/mod.rs"]
mod remote;
#[path = "sync_git/reuse.rs"]
mod reuse;
#[path = "sync_git/root_and_link.rs"]
mod root_and_link;
#[path = "sync_git/several.rs"]
mod several;
#[path = "sync_git/submodules.rs"]
mod submodules;
#[path = "sync_git/trust.rs"]
mod trust;
