//! Garbage: objects that no kept tree needs go away when they have become too many.
//!
//! In: the store, the commits whose trees are kept, the history that they shall have. Out: a store with one pack of what they
//! need, which changes places with the old one in a single step, so that a kill leaves a whole one. Of a partial store
//! everything stays that is here and is needed; what was left out is not asked for.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use clap::ValueEnum;
use git2::{ObjectType, Oid};

use super::files::{At, FileError, make_dirs, names_in, remove, replace, unique_name};
use super::pack::{Durability, PackError, PackReceiver, PackStore, Promise};
use super::remote::{Absent, Depth, FetchRequest, Remote, RemoteError, Url, UrlError};
use super::store::{Store, StoreError};
use super::tree;

/// When garbage is collected, after a tree has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// When most of what is stored is garbage, or there are very many packs
    Auto,
    /// When a fifth of what is stored is garbage, or there are many packs
    Always,
    /// Whenever there is any
    Aggressive,
    /// Never
    Off,
}

/// Why nothing was collected. The store is as before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GcError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the store cannot be read as a repository: {0}")]
    Read(#[from] RemoteError),
    #[error("the new pack cannot be written: {0}")]
    Write(#[from] PackError),
    #[error("the store's path cannot be used: {0}")]
    Path(#[from] UrlError),
}

/// Packs above which reading becomes slow.
const MANY_PACKS: usize = 50;
/// Where counting what is needed costs more than it is worth.
const MOST_COUNTED: usize = 2_000_000;

/// Whether the store holds so much that `tips` do not need that it should be packed anew.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn is_due(store: &Store, mode: Mode, tips: &[Oid]) -> Result<bool, GcError> {
    let packs = packs(store.dir())?;
    let stored: usize = packs.iter().sum();
    let many = packs.len() > MANY_PACKS;
    let (per_cent, least) = match mode {
        Mode::Off => return Ok(false),
        Mode::Auto if many => return Ok(true),
        Mode::Auto => (50, 1000),
        Mode::Always if many => return Ok(true),
        Mode::Always => (20, 0),
        Mode::Aggressive => (0, 0),
    };
    if stored <= least || stored > MOST_COUNTED {
        return Ok(false);
    }
    let garbage = stored.saturating_sub(needed(store, tips)?);
    Ok(garbage * 100 > stored * per_cent)
}

/// Packs anew what `tips` need, with `depth` commits of history (0: all that is here).
///
/// # Errors
/// When the store cannot be read or the volume is full.
pub(crate) async fn collect(store: &mut Store, tips: Vec<Oid>, depth: Depth, promise: Promise) -> Result<(), GcError> {
    let fresh = store.dir().join(unique_name());
    let collected = pack(store, tips, depth, promise, &fresh).await;
    let boundary = match collected.and_then(|cut| extend(store, cut)) {
        Ok(boundary) => boundary,
        Err(error) => {
            remove(&fresh)?;
            return Err(error);
        }
    };
    replace(&store.dir().join("objects"), &fresh)?;
    store.reopen()?;
    Ok(store.trim_shallow(boundary)?)
}

/// Adds to the shallow boundary where the histories of the new pack end: a commit that is listed and has its parents is fine
/// to git, one that lacks them and is not listed is a broken repository.
fn extend(store: &Store, cut: Vec<Oid>) -> Result<BTreeSet<Oid>, GcError> {
    let boundary = store.shallow()?.into_iter().chain(cut).collect();
    store.set_shallow(&boundary)?;
    Ok(boundary)
}

/// Answers with the commits whose parents are left out.
async fn pack(store: &Store, tips: Vec<Oid>, depth: Depth, promise: Promise, into: &Path) -> Result<Vec<Oid>, GcError> {
    make_dirs(&into.join("info"))?;
    let mut ours = Remote::new(Url::parse(&store.dir().display().to_string())?, super::remote::Options::default());
    let absent = if promise == Promise::Partial { Absent::LeftOut } else { Absent::Refused };
    let request = FetchRequest { wants: tips, depth, absent, ..FetchRequest::default() };
    let packs = PackStore { durability: Durability::Synced, promise, ..PackStore::new(into.to_owned()) };
    let mut receiver = PackReceiver::start(packs, ());
    let outcome = ours.fetch(&request, &mut receiver).await?;
    receiver.finish().await?;
    Ok(outcome.shallow)
}

/// How many objects each pack holds, from the last entry of its index' fan-out.
fn packs(dir: &Path) -> Result<Vec<usize>, FileError> {
    use std::os::unix::fs::FileExt;
    const LAST: u64 = 8 + 255 * 4;
    let dir = dir.join("objects/pack");
    let mut packs = Vec::new();
    for name in names_in(&dir)? {
        if name.to_string_lossy().ends_with(".idx") {
            let path = dir.join(&name);
            let mut count = [0; 4];
            let file = std::fs::File::open(&path).at("open", &path)?;
            file.read_exact_at(&mut count, LAST).at("read", &path)?;
            packs.push(u32::from_be_bytes(count) as usize);
        }
    }
    Ok(packs)
}

/// How many objects the histories of `tips` hold, as far as they are here.
fn needed(store: &Store, tips: &[Oid]) -> Result<usize, StoreError> {
    let shallow = store.shallow()?;
    let mut seen: HashSet<Oid> = HashSet::new();
    let mut commits: Vec<Oid> = tips.to_vec();
    while let Some(commit) = commits.pop() {
        if seen.len() > MOST_COUNTED || !seen.insert(commit) {
            continue;
        }
        let read = store.commit(commit)?;
        count_tree(store, read.tree, &mut seen);
        if !shallow.contains(&commit) {
            commits.extend(read.parents);
        }
    }
    Ok(seen.len())
}

fn count_tree(store: &Store, top: Oid, seen: &mut HashSet<Oid>) {
    let mut trees = vec![top];
    while let Some(oid) = trees.pop() {
        if !seen.insert(oid) {
            continue;
        }
        let Ok(object) = store.odb().read(oid) else { continue };
        if object.kind() != ObjectType::Tree {
            continue;
        }
        for entry in tree::entries(object.data()).flatten() {
            match entry.kind {
                tree::Kind::Directory => trees.push(entry.oid),
                tree::Kind::Submodule => {}
                // What a partial fetch has left out is not stored, so that it is no part of what is needed here.
                _ if !seen.contains(&entry.oid) && !store.odb().exists(entry.oid) => {}
                _ => drop(seen.insert(entry.oid)),
            }
        }
    }
}
