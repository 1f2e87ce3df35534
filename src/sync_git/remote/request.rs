//! What is asked of a remote and what it answers, in no transport's words.

use std::future::Future;
use std::num::NonZeroU32;

use bytes::Bytes;
use git2::Oid;

use super::error::Reason;

/// How much history to bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// All that is missing; what is shallow here stays so.
    #[default]
    Full,
    /// This many commits from each wanted one.
    Commits(NonZeroU32),
    /// All, and what was left out so far.
    Unshallow,
}

impl Depth {
    /// The number of the protocol's `deepen` line.
    pub(super) fn deepen(self) -> Option<u32> {
        match self {
            Self::Full => None,
            Self::Commits(commits) => Some(commits.get()),
            // The value by which git itself says "infinite".
            Self::Unshallow => Some(0x7fff_ffff),
        }
    }
}

/// One fetch.
#[derive(Clone, Debug, Default)]
pub struct FetchRequest {
    /// Objects to bring, with all they need.
    pub wants: Vec<Oid>,
    /// Commits that are here with all they need. One round: at most [`MAX_HAVES`] are sent, so give the newest first.
    pub haves: Vec<Oid>,
    /// Commits whose parents are not here although they have some.
    pub shallow: Vec<Oid>,
    /// How much history.
    pub depth: Depth,
    /// A partial clone's filter (`blob:none`, `tree:0`, …).
    pub filter: Option<String>,
    /// What to do about objects that the repository lacks itself; only one on this machine heeds it.
    pub absent: Absent,
}

/// Objects that a repository should have, and has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Absent {
    /// The fetch fails.
    #[default]
    Refused,
    /// They were left out when the repository itself was fetched, and are now.
    LeftOut,
}

/// More haves than any sync has; bounds the one negotiation round.
pub const MAX_HAVES: usize = 256;
/// Shallow boundaries that a server may list: 20 MB of lines.
pub(super) const MAX_SHALLOW: usize = 400_000;

/// What a fetch changed beside the pack that went into the sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchOutcome {
    /// Commits that became shallow boundaries.
    pub shallow: Vec<Oid>,
    /// Commits that are no longer.
    pub unshallow: Vec<Oid>,
    /// Bytes of pack that were handed to the sink.
    pub pack_bytes: u64,
    /// Whether the filter that was asked for was honoured; the pack is complete when it was not.
    pub filter: FilterUse,
}

/// What became of the filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilterUse {
    /// There was none.
    #[default]
    NotAsked,
    /// Only what it lets through was sent.
    Honoured,
    /// The server cannot filter and sent everything.
    Ignored,
}

/// Takes a pack as it arrives.
pub trait PackSink: Send {
    /// Takes the next run of bytes; waits when the consumer is behind.
    ///
    /// # Errors
    /// The pack is not what it should be, or cannot be stored: the fetch ends with that reason.
    fn take(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), Reason>> + Send;

    /// Adds the checksum that ends a pack. Called instead of giving it, once all else was given, by whoever makes a pack in
    /// this process: whoever stores it computes the checksum anyway.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    fn seal(&mut self) -> impl Future<Output = Result<(), Reason>> + Send;
}

impl PackSink for Vec<u8> {
    async fn take(&mut self, bytes: Bytes) -> Result<(), Reason> {
        self.extend_from_slice(&bytes);
        Ok(())
    }

    async fn seal(&mut self) -> Result<(), Reason> {
        let checksum = sha1dc::digest(self)?;
        self.extend_from_slice(checksum.as_ref());
        Ok(())
    }
}
