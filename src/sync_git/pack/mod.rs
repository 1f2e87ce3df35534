//! Packs: from the wire into an object store, in one pass and in bounded memory.
//!
//! ```text
//! remote ─ bytes ─▶ PackReceiver ═ channel ═▶ thread: Input ─▶ Indexer ─┬▶ Visitor (each object, as soon as it is known)
//!                                             │                         └▶ Cache, Stored (bases of deltas)
//!                                             └▶ objects/pack/tmp_…  ─ complete, fsync ─▶ pack-<sha>.pack, .idx
//! ```
//!
//! In: the bytes of one pack, thin or not. Out: an ordinary pack and index that every git reads, under its final name only when all of it is
//! sound. Refused: see [`PackError`]. Every object is named by SHA-1 with collision detection.

mod cache;
mod delta;
mod error;
#[cfg(test)]
mod hostile;
mod index;
mod index_reader;
mod indexer;
mod input;
mod object;
mod receive;
mod store;
mod stored;

use git2::Oid;

pub use self::error::PackError;
pub(super) use self::index_reader::PackIndex;
pub use self::object::Kind;
pub(super) use self::object::{
    Encoding, EntryHeader, MAX_HEADER, parse_header, write_header, write_offset_delta_header,
};
pub use self::receive::PackReceiver;
pub(super) use self::store::sweep;
pub use self::store::{Durability, PackReport, PackStore, Promise};

/// What one pack may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the pack as it arrives.
    pub pack_bytes: u64,
    /// In the pack.
    pub objects: u32,
    /// Of one object, inflated; a delta's result is made in memory.
    pub object_bytes: u64,
    /// Deltas upon each other.
    pub delta_depth: u16,
    /// For the bases of deltas.
    pub cache_bytes: usize,
}

impl Default for Limits {
    /// Above every repository that a sidecar should serve, below what would fill a node.
    fn default() -> Self {
        Self {
            pack_bytes: 8 << 30,
            objects: 20_000_000,
            object_bytes: 512 << 20,
            // The most that git itself makes.
            delta_depth: 4095,
            cache_bytes: 16 << 20,
        }
    }
}

/// One object of a pack.
#[derive(Debug)]
pub struct Object<'a> {
    /// Its name, computed from its content.
    pub oid: Oid,
    /// What it is.
    pub kind: Kind,
    /// Its length in bytes.
    pub size: u64,
    /// `None`: it was too large to hold; read it from the store when the pack is complete.
    pub content: Option<&'a [u8]>,
}

/// Sees every object of a pack as soon as its name is known, on the thread that reads the pack. A delta's base comes before it; else the order is the
/// server's. Nothing that was seen is to be trusted before the whole pack was.
pub trait Visitor: Send + 'static {
    /// Takes one object.
    ///
    /// # Errors
    /// Ends the fetch with that reason.
    fn object(&mut self, object: &Object<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Nobody wants to see the objects.
impl Visitor for () {
    fn object(&mut self, _: &Object<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}
