//! The remote repository from the sync's side: which commit is it now, and bring what is missing.
//!
//! In: the URL and ref of the settings, the store. Out: the tip in one listing, and a fetch that leaves a pack, its index and
//! the new shallow boundary in the store. The tip's ref in the store is not moved here: that waits until the tree is whole.

use std::num::NonZeroU32;

use super::pack::{Durability, PackReceiver, PackStore};
pub(crate) use super::remote::Tip;
use super::remote::{Depth, FetchRequest, Remote, RemoteError, Selector};
use super::store::Store;

/// The remote, and what is wanted from it.
pub(crate) struct Origin {
    remote: Remote,
    selector: Selector,
}

impl Origin {
    pub(crate) fn new(remote: Remote, selector: Selector) -> Self {
        Self { remote, selector }
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
        let tip = self.remote.resolve(&self.selector).await;
        // A server process that we kept would answer from the refs that it has read already.
        self.remote.rest();
        tip
    }

    /// Brings everything that `tip` needs and the store lacks; answers with the bytes received.
    ///
    /// # Errors
    /// See [`RemoteError::blame`]; a retry is safe, and nothing of a broken pack stays.
    pub(crate) async fn fetch(&mut self, tip: &Tip, store: &Store, depth: u32) -> Result<u64, RemoteError> {
        let local = |doing: &str, error: &dyn std::fmt::Display| RemoteError::Local {
            doing: doing.to_owned(),
            source: error.to_string().into(),
        };
        let mut shallow = store.shallow().map_err(|error| local("reading the store", &error))?;
        let haves = store.tip().map_err(|error| local("reading the store", &error))?;
        let depth = match NonZeroU32::new(depth) {
            Some(commits) => Depth::Commits(commits),
            None if shallow.is_empty() => Depth::Full,
            None => Depth::Unshallow,
        };
        let request = FetchRequest {
            wants: vec![tip.oid],
            haves: haves.into_iter().collect(),
            shallow: shallow.iter().copied().collect(),
            depth,
            filter: None,
        };
        let objects = PackStore { durability: Durability::Cached, ..PackStore::new(store.dir().join("objects")) };
        let mut receiver = PackReceiver::start(objects, ());
        let outcome = self.remote.fetch(&request, &mut receiver).await?;
        receiver.finish().await.map_err(|error| local("storing the pack", &error))?;
        shallow.extend(outcome.shallow);
        for commit in outcome.unshallow {
            shallow.remove(&commit);
        }
        store.set_shallow(&shallow).map_err(|error| local("writing the shallow boundary", &error))?;
        store.refresh().map_err(|error| local("opening the pack", &error))?;
        self.remote.rest();
        Ok(outcome.pack_bytes)
    }
}
