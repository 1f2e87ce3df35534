//! The remote repository from the sync's side: which commit is it now, and bring what is missing.
//!
//! In: the URL and ref of the settings, the store. Out: the tip in one listing, and a fetch that leaves a pack, its index and
//! the new shallow boundary in the store. The tip's ref in the store is not moved here: that waits until the tree is whole.

use std::num::NonZeroU32;
use std::sync::Arc;

use git2::Oid;

use super::credentials::Vault;
use super::early::{Early, Written};
use super::pack::{Durability, Limits, PackReceiver, PackStore, Promise, Visitor};
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
    let (outcome, bytes, visitor) = receive(remote, &request, store, promise, limits, visitor).await?;
    if outcome.filter == FilterUse::Ignored {
        tracing::warn!("the server does not filter and has sent everything");
    }
    shallow.extend(outcome.shallow);
    for commit in outcome.unshallow {
        shallow.remove(&commit);
    }
    store.set_shallow(&shallow).map_err(|error| local("writing the shallow boundary", &error))?;
    Ok((bytes, visitor))
}

async fn receive<V: Visitor>(
    remote: &mut Remote,
    request: &FetchRequest,
    store: &Store,
    promise: Promise,
    limits: &Limits,
    visitor: V,
) -> Result<(FetchOutcome, u64, V), RemoteError> {
    let objects = store.dir().join("objects");
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
