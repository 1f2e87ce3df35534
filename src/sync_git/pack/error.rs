//! What can be wrong with a pack, or with storing it.

use std::io;

use git2::Oid;

/// Why a pack was not stored. Truncated, damaged and incomplete packs are the server's or the network's fault.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its variant is")]
pub enum PackError {
    #[error("the pack ends in the middle")]
    Truncated,
    #[error("the pack is damaged at byte {at}: {what}")]
    Damaged { at: u64, what: String },
    #[error("the pack's checksum is {stated}, its content's {computed}")]
    Checksum { stated: Oid, computed: Oid },
    /// A limit of ours; raise it when the repository is to be trusted.
    #[error("the pack exceeds a limit: more than {limit} {what}")]
    Limit { what: &'static str, limit: u64 },
    #[error("the pack holds a delta whose base {0} is neither in it nor here")]
    MissingBase(Oid),
    /// Somebody made two objects with one name on purpose.
    #[error("an object of the pack is part of a SHA-1 collision attack")]
    Collision,
    #[error("{doing}: {source}")]
    Io { doing: &'static str, source: io::Error },
    #[error("reading a delta's base here: {0}")]
    Store(#[from] git2::Error),
    #[error("{0}")]
    Consumer(Box<dyn std::error::Error + Send + Sync>),
    #[error("the thread that stores the pack ended early")]
    Thread,
}

impl PackError {
    pub(super) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
