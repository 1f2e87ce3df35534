//! The remote repository from the sync's side: which commit is it now, and bring what is missing.
//!
//! In: the URL and ref of the settings, the store. Out: the tip in one listing, and a fetch that leaves a pack, its index and
//! the new shallow boundary in the store. The tip's ref in the store is not moved here: that waits until the tree is whole.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use git2::{OdbLookupFlags, Oid};

use super::credentials::Vault;
use super::early::{Early, Written};
use super::pack::{Durability, Kind, Limits, Object, PackReceiver, PackStore, Promise, Visitor};
use super::reach::Reach;
pub(crate) use super::remote::Tip;
use super::remote::{Depth, FetchOutcome, FetchRequest, FilterUse, Remote, RemoteError, Selector, Url};
use super::store::Store;

/// The remote, and what is wanted from it.
pub(crate) struct Origin {
    remote: Remote,
    selector: Selector,
    vault: Arc<Vault>,
    filter: Option<String>,
}

impl Origin {
    pub(crate) fn new(url: Url, selector: Selector, filter: Option<String>, reach: &Reach) -> Self {
        Self { remote: Remote::new(url, reach.options.clone()), selector, vault: reach.vault.clone(), filter }
    }

    pub(crate) fn url(&self) -> &Url {
        self.remote.url()
    }

    pub(crate) fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Whether fetches leave objects out that trees may need.
    pub(crate) fn is_partial(&self) -> bool {
        self.filter.is_some()
    }

    /// The location, without anything secret in it.
    pub(crate) fn shown(&self) -> String {
        self.remote.url().to_string()
    }

    /// What the ref names now. A full hash names itself; nobody is asked.
    ///
    /// # Errors
    /// See [`RemoteError::blame`]; a retry is safe.
    pub(crate) async fn tip(&mut self) -> Result<Tip, RemoteError> {
        self.vault.refresh().await.map_err(|error| RemoteError::Credentials(format!("{error:#}")))?;
        let tip = self.remote.resolve(&self.selector).await;
        // A server process that we kept would answer from the refs that it has read already.
        self.remote.rest();
        tip
    }

    /// Brings everything that `tip` needs and the store lacks, while `early` sees each object; answers with the bytes
    /// received.
    ///
    /// # Errors
    /// See [`RemoteError::blame`]; a retry is safe, and nothing of a broken pack stays.
    pub(crate) async fn fetch(
        &mut self,
        tip: &Tip,
        store: &Store,
        depth: u32,
        limits: &Limits,
        early: Early,
    ) -> Result<(u64, Written), RemoteError> {
        let (bytes, early) =
            fetch(&mut self.remote, tip.oid, store, depth, self.filter.as_deref(), limits, early).await?;
        Ok((bytes, early.finish()))
    }

    /// Brings objects that a partial fetch has left out, all in one request.
    ///
    /// # Errors
    /// As [`Origin::fetch`].
    pub(crate) async fn fetch_objects(
        &mut self,
        wants: Vec<Oid>,
        store: &Store,
        limits: &Limits,
    ) -> Result<u64, RemoteError> {
        let shallow = store.shallow().map_err(|error| local("reading the store", &error))?;
        let shallow = shallow.into_iter().collect();
        // What is wanted by name comes in any case; of a tree that is wanted, only the trees below come along.
        let filter = Some("blob:none".to_owned());
        let request = FetchRequest { wants, shallow, filter, ..FetchRequest::default() };
        let (_, bytes, ()) = receive(&mut self.remote, &request, store, Promise::Partial, limits, ()).await?;
        Ok(bytes)
    }
}

/// Fetches `want` with its history of `depth` commits (0: all), and moves the shallow boundary; the tip stays.
///
/// # Errors
/// As [`Origin::fetch`].
pub(crate) async fn fetch<V: Visitor>(
    remote: &mut Remote,
    want: Oid,
    store: &Store,
    depth: u32,
    filter: Option<&str>,
    limits: &Limits,
    visitor: V,
) -> Result<(u64, V), RemoteError> {
    let mut shallow = store.shallow().map_err(|error| local("reading the store", &error))?;
    let haves = store.tip().map_err(|error| local("reading the store", &error))?;
    let depth = match NonZeroU32::new(depth) {
        Some(commits) => Depth::Commits(commits),
        None if shallow.is_empty() => Depth::Full,
        None => Depth::Unshallow,
    };
    let request = FetchRequest {
        wants: vec![want],
        haves: haves.into_iter().collect(),
        shallow: shallow.iter().copied().collect(),
        depth,
        filter: filter.map(str::to_owned),
        ..FetchRequest::default()
    };
    let promise = if filter.is_some() { Promise::Partial } else { Promise::Complete };
    let watched = Watched { visitor, commits: Vec::new() };
    let (outcome, bytes, watched) = receive(remote, &request, store, promise, limits, watched).await?;
    if outcome.filter == FilterUse::Ignored {
        tracing::warn!("the server does not filter and has sent everything");
    }
    shallow.extend(outcome.shallow);
    for commit in outcome.unshallow {
        shallow.remove(&commit);
    }
    store.set_shallow(&shallow).map_err(|error| local("writing the shallow boundary", &error))?;
    connected(store, &watched.commits, &shallow, promise)?;
    Ok((bytes, watched.visitor))
}

/// Passes objects on, and keeps of each commit that arrives what it needs.
struct Watched<V> {
    visitor: V,
    commits: Vec<Needs>,
}

/// What a commit needs to be whole.
struct Needs {
    commit: Oid,
    tree: Oid,
    parents: Vec<Oid>,
}

/// A history that is longer is not checked beyond this: of each commit about a hundred bytes are kept.
const MOST_COMMITS: usize = 200_000;

impl<V: Visitor> Visitor for Watched<V> {
    fn object(&mut self, object: &Object<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if let (Kind::Commit, Some(text)) = (object.kind, object.content)
            && self.commits.len() < MOST_COMMITS
        {
            let mut lines = text.split(|byte| *byte == b'\n');
            let oid = |line: &[u8], name: &[u8]| super::remote::parse_oid(line.strip_prefix(name)?);
            if let Some(tree) = lines.next().and_then(|line| oid(line, b"tree ")) {
                let parents = lines.map_while(|line| oid(line, b"parent ")).collect();
                self.commits.push(Needs { commit: object.oid, tree, parents });
            }
        }
        self.visitor.object(object)
    }
}

/// Whether every commit that arrived has its tree and, above the boundary, its parents here. What is in the wanted tree is
/// proved by writing it.
fn connected(store: &Store, commits: &[Needs], shallow: &BTreeSet<Oid>, promise: Promise) -> Result<(), RemoteError> {
    let is_here = |oid: &&Oid| store.odb().exists_ext(**oid, OdbLookupFlags::NO_REFRESH);
    for needs in commits {
        let tree = Some(&needs.tree).filter(|_| promise == Promise::Complete);
        let parents = needs.parents.iter().filter(|_| !shallow.contains(&needs.commit));
        if let Some(missing) = tree.into_iter().chain(parents).find(|oid| !is_here(oid)) {
            let commit = needs.commit;
            return Err(RemoteError::Protocol(format!(
                "it sent the commit {commit} without {missing}, which it needs"
            )));
        }
    }
    Ok(())
}

async fn receive<V: Visitor>(
    remote: &mut Remote,
    request: &FetchRequest,
    store: &Store,
    promise: Promise,
    limits: &Limits,
    visitor: V,
) -> Result<(FetchOutcome, u64, V), RemoteError> {
    let objects = store.objects().to_owned();
    let packs = PackStore { objects, limits: limits.clone(), durability: Durability::Cached, promise };
    let mut receiver = PackReceiver::start(packs, visitor);
    let outcome = remote.fetch(request, &mut receiver).await?;
    let (_, visitor) = receiver.finish().await.map_err(|error| local("storing the pack", &error))?;
    store.refresh().map_err(|error| local("opening the pack", &error))?;
    remote.rest();
    let bytes = outcome.pack_bytes;
    Ok((outcome, bytes, visitor))
}

fn local(doing: &str, error: &dyn std::fmt::Display) -> RemoteError {
    RemoteError::Local { doing: doing.to_owned(), source: error.to_string().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_without_its_tree_or_its_parents_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let repo = git2::Repository::init_bare(dir.path()).unwrap();
        let here = repo.blob(b"x").unwrap();
        let (commit, absent) = (Oid::from_bytes(&[1; 20]).unwrap(), Oid::from_bytes(&[2; 20]).unwrap());
        let store = Store::open(dir.path(), "x").unwrap();
        let verdict = |tree, parents: &[Oid], shallow: &[Oid], promise| {
            let needs = [Needs { commit, tree, parents: parents.to_vec() }];
            connected(&store, &needs, &shallow.iter().copied().collect(), promise).is_ok()
        };
        assert!(verdict(here, &[here], &[], Promise::Complete));
        assert!(!verdict(absent, &[], &[], Promise::Complete));
        assert!(verdict(absent, &[], &[], Promise::Partial));
        assert!(!verdict(here, &[here, absent], &[], Promise::Complete));
        assert!(verdict(here, &[absent], &[commit], Promise::Complete));
    }
}
