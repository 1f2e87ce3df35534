//! Submodules: commits of other repositories, inside a tree that is being made.
//!
//! In: a draft whose manifest names submodules, the `.gitmodules` of its commit, how remotes are reached. Out: their files in
//! the draft, each a worktree of a store of its own (`<store>/modules/<name>`), nested ones too; a list of them. Refused:
//! deeper nesting than anybody needs, a submodule that is its own ancestor, locations on this machine unless the
//! repository itself is one or `protocol.file.allow` is `always`. Names and locations are judged in `gitmodules` and `Url`.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use git2::Oid;

use super::budget::Budget;
use super::checkout::{CheckoutError, Export};
use super::draft::Draft;
use super::gitmodules::{self, Submodule};
use super::manifest::Manifest;
use super::origin;
use super::pack::Limits;
use super::reach::Reach;
use super::remote::{Remote, RemoteError, Scheme, Url, UrlError};
use super::settings::limits::TreeLimits;
use super::store::Store;
use super::tree::{Kind, printable};
use super::volume::VolumeError;
use super::worktree::{Filled, Worktree};
use super::writer::{self, Found};

/// Submodules of submodules of … : more is a loop that hides.
pub(crate) const DEEPEST: usize = 16;
/// A `.gitmodules` of this size names thousands.
const LARGEST_GITMODULES: usize = 4 << 20;

/// Which submodules are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Follow {
    /// All, to any depth
    Recursive,
    /// Those of the repository, but not theirs
    Shallow,
    /// None; their directories stay empty
    Off,
}

/// Why a submodule could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the submodule {path:?} failed: {reason}")]
pub(crate) struct SubmoduleError {
    path: String,
    #[source]
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Reason {
    #[error(transparent)]
    Interrupted(#[from] super::budget::Interrupted),
    #[error("its location cannot be used: {0}")]
    Url(#[from] UrlError),
    #[error("its location is on this machine; --git-config=protocol.file.allow:always permits that")]
    Local,
    #[error("it is nested more than {DEEPEST} deep, or inside itself")]
    Nested,
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Volume(#[from] VolumeError),
}

impl SubmoduleError {
    pub(crate) fn interruption(&self) -> Option<super::budget::Interrupted> {
        match &self.reason {
            Reason::Interrupted(cut) | Reason::Volume(VolumeError::Checkout(CheckoutError::Interrupted(cut))) => {
                Some(*cut)
            }
            _ => None,
        }
    }
}

/// What filling a draft needs beside the draft.
pub(crate) struct Filler<'a> {
    pub reach: &'a Reach,
    pub follow: Follow,
    pub depth: u32,
    pub budget: &'a Budget,
    /// Where the draft will stand.
    pub tree: PathBuf,
    pub recipe: String,
    pub limits: TreeLimits,
    pub pack_limits: &'a Limits,
}

/// A repository in the draft whose submodules are still to be written.
struct Holder {
    url: Url,
    store: PathBuf,
    /// From the top of the draft.
    path: PathBuf,
    /// The submodules, and what `.gitmodules` says of them.
    links: Vec<(Vec<u8>, Oid, Option<Submodule>)>,
    /// Itself and those that it lies in.
    lineage: Vec<(Url, Oid)>,
}

impl Filler<'_> {
    /// Writes all submodules of a draft.
    ///
    /// # Errors
    /// The first submodule that fails; a retry is safe.
    pub(crate) async fn fill(&self, draft: &Draft, url: &Url, store: &Store) -> Result<Vec<Filled>, SubmoduleError> {
        let mut filled = Vec::new();
        if self.follow == Follow::Off {
            return Ok(filled);
        }
        let top = Holder {
            url: url.clone(),
            store: store.dir().to_owned(),
            path: PathBuf::new(),
            links: links(&draft.manifest, store),
            lineage: vec![(url.clone(), draft.commit)],
        };
        let mut waiting = VecDeque::from([top]);
        while let Some(holder) = waiting.pop_front() {
            for (path, commit, named) in &holder.links {
                let Some(submodule) = named.as_ref().filter(|named| !named.is_left_out) else {
                    tracing::debug!(path = printable(path), "a submodule without an entry in .gitmodules stays empty");
                    continue;
                };
                let done = self.fill_one(draft, &holder, path, *commit, submodule).await;
                let (one, below) = done.map_err(|reason| SubmoduleError { path: printable(path), reason })?;
                filled.push(one);
                if self.follow == Follow::Recursive {
                    waiting.push_back(below);
                }
            }
        }
        Ok(filled)
    }

    async fn fill_one(
        &self,
        draft: &Draft,
        holder: &Holder,
        path: &[u8],
        commit: Oid,
        submodule: &Submodule,
    ) -> Result<(Filled, Holder), Reason> {
        let url = self.location(&holder.url, &submodule.url)?;
        let mut lineage = holder.lineage.clone();
        if lineage.len() > DEEPEST || lineage.contains(&(url.clone(), commit)) {
            return Err(Reason::Nested);
        }
        lineage.push((url.clone(), commit));
        let path = holder.path.join(Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path)));
        let dir = holder.store.join("modules").join(gitmodules::store_name(&submodule.name));
        let work = Work {
            budget: self.budget.clone(),
            limits: self.limits,
            commit,
            into: draft.path().join(&path),
            worktree: Worktree::new(self.tree.join(&path), &dir, draft.commit.to_string(), self.recipe.clone()),
        };
        let mut store = Store::open(&dir, &url.to_config_text()).map_err(VolumeError::from)?;
        let mut remote = Remote::new(url.clone(), self.reach.options.clone());
        let is_here = store.tip().map_err(VolumeError::from)? == Some(commit) && store.commit(commit).is_ok();
        if !is_here {
            self.fetch(&mut remote, commit, &store).await?;
        }
        let (back, written) = work.clone().run(store).await;
        store = back;
        let manifest = match written {
            Err(error) if error.is_object_loss() => {
                store.start_over().map_err(VolumeError::from)?;
                self.fetch(&mut remote, commit, &store).await?;
                store.settle().map_err(VolumeError::from)?;
                let (back, written) = work.run(store).await;
                store = back;
                written?
            }
            written => written?,
        };
        let links = links(&manifest, &store);
        let filled = Filled { path: path.clone(), store: dir.clone(), commit: commit.to_string() };
        Ok((filled, Holder { url, store: dir, path, links, lineage }))
    }

    async fn fetch(&self, remote: &mut Remote, commit: Oid, store: &Store) -> Result<(), Reason> {
        let mark = self.reach.threads.mark(());
        self.budget.spend(origin::fetch(remote, commit, store, self.depth, None, self.pack_limits, mark)).await??;
        Ok(())
    }

    fn location(&self, parent: &Url, text: &str) -> Result<Url, Reason> {
        let url = parent.join(&self.reach.rewritten(text))?;
        let is_permitted = url.scheme() != Scheme::File || parent.scheme() == Scheme::File || self.reach.allows_local;
        if is_permitted { Ok(url) } else { Err(Reason::Local) }
    }
}

/// The blocking part: writing one submodule's files into the draft.
#[derive(Clone)]
struct Work {
    budget: Budget,
    limits: TreeLimits,
    commit: Oid,
    into: PathBuf,
    worktree: Worktree,
}

impl Work {
    /// Gives the store back with the result.
    async fn run(self, store: Store) -> (Store, Result<Manifest, VolumeError>) {
        let done = tokio::task::spawn_blocking(move || {
            let written = self.write(&store);
            (store, written)
        });
        done.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    fn write(&self, store: &Store) -> Result<Manifest, VolumeError> {
        let tree = store.commit(self.commit)?.tree;
        let export = Export { odb: store.odb(), budget: &self.budget, sparse: None, limits: self.limits };
        let (manifest, _) = writer::write(&export, tree, &self.into, Found::default())?;
        self.worktree.describe(&self.into, self.commit, &manifest, &[])?;
        store.set_tip(self.commit)?;
        Ok(manifest)
    }
}

/// The submodules of a tree that was written, with what its `.gitmodules` says of them.
fn links(manifest: &Manifest, store: &Store) -> Vec<(Vec<u8>, Oid, Option<Submodule>)> {
    let is_list = |path: &[u8], kind| path == b".gitmodules" && matches!(kind, Kind::File | Kind::Executable);
    let list = manifest.entries.iter().find(|entry| is_list(&entry.path, entry.kind));
    let text = list.and_then(|entry| store.odb().read(entry.oid).ok());
    let text = text.as_ref().map(|object| object.data()).filter(|text| text.len() <= LARGEST_GITMODULES);
    let mut named = gitmodules::parse(text.unwrap_or_default());
    let links = manifest.entries.iter().filter(|entry| entry.kind == Kind::Submodule && !entry.is_skipped);
    links.map(|entry| (entry.path.to_vec(), entry.oid, named.remove(&*entry.path))).collect()
}
