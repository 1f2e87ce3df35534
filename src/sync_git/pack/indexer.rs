//! Makes sense of a pack while it arrives: one pass over the bytes, every object named as soon as it can be.
//!
//! In: the pack's bytes, the objects that are here already (for thin packs). Out: every object, once, to a visitor; the pack, complete, in a file; its index.
//! Refused: whatever is damaged, above a limit, or leaves a delta without its base.
//!
//! A delta's base comes before it in the packs that git sends, and is mostly still in the cache; else it is read back from the file, down its
//! chain. Deltas by name whose base follows later wait for it. Memory: the cache, one chain step, forty bytes an object; never the pack.

use std::fs::File;
use std::ops::Range;

use git2::Oid;
use hashbrown::HashMap;
use sha1dc::Hasher;

use super::cache::Cache;
use super::delta::{Delta, DeltaError};
use super::error::PackError;
use super::index::IndexEntry;
use super::input::{Input, Source};
use super::object::{Encoding, Kind, oid};
use super::stored::Stored;
use super::{Limits, Object, Visitor};

/// Reads objects that are here already.
pub(super) trait Bases {
    fn read(&mut self, oid: Oid) -> Result<Option<(Kind, Vec<u8>)>, PackError>;
}

/// One entry of the pack.
struct Entry {
    offset: u64,
    crc: u32,
    base: Base,
    depth: u16,
    kind: Kind,
    /// Zero while its base is awaited.
    name: [u8; 20],
}

#[derive(Clone, Copy)]
enum Base {
    None,
    Entry(u32),
    /// An object outside the pack, by its place in `outside`.
    Outside(u32),
}

/// Whole objects above this are hashed piece by piece, and never cached.
const LARGE: u64 = 1024 * 1024;

pub(super) struct Indexer<'a, V, B> {
    stored: Stored<'a>,
    limits: &'a Limits,
    visitor: &'a mut V,
    bases: B,
    cache: Cache,
    entries: Vec<Entry>,
    /// Names of entries; kept only once a delta by name was seen.
    by_name: Option<HashMap<[u8; 20], u32>>,
    waiting_for_name: HashMap<[u8; 20], Vec<u32>>,
    waiting_for_entry: HashMap<u32, Vec<u32>>,
    /// Bases of a thin pack, which are to be added to it.
    outside: Vec<Oid>,
    /// Used again for the next object.
    buffers: Vec<Vec<u8>>,
}

/// A delta's base: in the cache, or made for this once.
enum Held {
    Cached(Range<usize>),
    Made(Vec<u8>),
}

/// A larger buffer is not kept for the next object.
const LARGEST_BUFFER: usize = 2 * LARGE as usize;
/// An object, its delta, and the steps of a chain.
const MOST_BUFFERS: usize = 4;

/// What came of a pack.
pub(super) struct Indexed<B> {
    pub(super) checksum: Oid,
    /// Bytes, its checksum included.
    pub(super) length: u64,
    pub(super) entries: Vec<IndexEntry>,
    /// Bases that are not in the pack and must be added to make it whole.
    pub(super) missing: Vec<Oid>,
    /// Where those can be read.
    pub(super) bases: B,
}

impl<'a, V: Visitor, B: Bases> Indexer<'a, V, B> {
    pub(super) fn new(file: &'a File, limits: &'a Limits, visitor: &'a mut V, bases: B) -> Self {
        Self {
            stored: Stored::new(file),
            limits,
            visitor,
            bases,
            cache: Cache::new(limits.cache_bytes),
            entries: Vec::new(),
            by_name: None,
            waiting_for_name: HashMap::new(),
            waiting_for_entry: HashMap::new(),
            outside: Vec::new(),
            buffers: Vec::new(),
        }
    }

    /// Reads the whole pack.
    pub(super) fn run<S: Source>(mut self, mut input: Input<'_, S>) -> Result<Indexed<B>, PackError> {
        let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3] = input.array()? else {
            return Err(input.damaged("it does not start like a pack"));
        };
        let count = u32::from_be_bytes(input.array()?);
        if count > self.limits.objects {
            return Err(PackError::Limit { what: "objects", limit: self.limits.objects.into() });
        }
        for _ in 0..count {
            self.entry(&mut input)?;
        }
        let (checksum, length) = input.finish()?;
        if let Some(at) = self.waiting_for_name.keys().next() {
            return Err(PackError::MissingBase(oid(at)));
        }
        let missing = self.missing();
        let index = |entry: &Entry| IndexEntry { name: entry.name, crc: entry.crc, offset: entry.offset };
        Ok(Indexed { checksum, length, entries: self.entries.iter().map(index).collect(), missing, bases: self.bases })
    }

    fn entry<S: Source>(&mut self, input: &mut Input<'_, S>) -> Result<(), PackError> {
        let offset = input.offset();
        let header = input.entry_header()?;
        if header.size > self.limits.object_bytes {
            return Err(PackError::Limit { what: "bytes in one object", limit: self.limits.object_bytes });
        }
        let at = self.entries.len() as u32;
        let mut entry = Entry { offset, crc: 0, base: Base::None, depth: 0, kind: Kind::Blob, name: [0; 20] };
        match header.encoding {
            Encoding::Whole(kind) if header.size > LARGE => {
                let mut hasher = object_hasher(kind, header.size);
                input.inflate_pieces(header.size, |piece| hasher.update(piece))?;
                entry.crc = input.entry_crc();
                self.entries.push(entry);
                self.named(at, kind, finish(hasher)?)?;
                self.visit(at, None, header.size)?;
                self.wake(at)
            }
            Encoding::Whole(kind) => {
                let mut content = self.buffer();
                input.inflate(header.size, &mut content)?;
                entry.crc = input.entry_crc();
                self.entries.push(entry);
                self.made(at, kind, &content)?;
                self.give_back(content);
                self.wake(at)
            }
            Encoding::OffsetDelta(distance) => {
                let base = offset.checked_sub(distance).and_then(|offset| self.entry_at(offset));
                let base =
                    base.ok_or_else(|| input.damaged("a delta's base is not the start of an entry before it"))?;
                let mut delta = self.buffer();
                input.inflate(header.size, &mut delta)?;
                entry.crc = input.entry_crc();
                entry.base = Base::Entry(base);
                self.entries.push(entry);
                if self.entries[base as usize].name == [0; 20] {
                    self.waiting_for_entry.entry(base).or_default().push(at);
                    return Ok(());
                }
                self.resolve(at, &delta)?;
                self.give_back(delta);
                self.wake(at)
            }
            Encoding::NameDelta(base) => {
                let mut delta = self.buffer();
                input.inflate(header.size, &mut delta)?;
                entry.crc = input.entry_crc();
                let inside = self.find_name(base);
                entry.base = match inside {
                    Some(base) => Base::Entry(base),
                    None => Base::Outside(self.outside.len() as u32),
                };
                self.entries.push(entry);
                if inside.is_none() {
                    self.outside.push(base);
                    let Some((kind, content)) = self.bases.read(base)? else {
                        self.outside.pop();
                        self.waiting_for_name.entry(name(base)).or_default().push(at);
                        return Ok(());
                    };
                    self.apply(at, kind, &Held::Made(content), &delta, 0)?;
                } else {
                    self.resolve(at, &delta)?;
                }
                self.give_back(delta);
                self.wake(at)
            }
        }
    }

    /// Makes the object of the delta entry `at`, whose base is known.
    fn resolve(&mut self, at: u32, delta: &[u8]) -> Result<(), PackError> {
        match self.entries[at as usize].base {
            Base::None => Ok(()),
            Base::Entry(base) => {
                let (kind, base_content) = self.content(base)?;
                self.apply(at, kind, &base_content, delta, self.entries[base as usize].depth)?;
                self.let_go(base_content);
                Ok(())
            }
            Base::Outside(place) => {
                let (kind, content) = self.outside_base(place)?;
                self.apply(at, kind, &Held::Made(content), delta, 0)
            }
        }
    }

    fn apply(&mut self, at: u32, kind: Kind, base: &Held, delta: &[u8], base_depth: u16) -> Result<(), PackError> {
        let depth = base_depth.saturating_add(1);
        if depth > self.limits.delta_depth {
            return Err(PackError::Limit { what: "deltas upon each other", limit: self.limits.delta_depth.into() });
        }
        self.entries[at as usize].depth = depth;
        let content = self.patch(at, base, delta)?;
        self.made(at, kind, &content)?;
        self.give_back(content);
        Ok(())
    }

    fn patch(&mut self, at: u32, base: &Held, delta: &[u8]) -> Result<Vec<u8>, PackError> {
        let place = self.entries[at as usize].offset;
        let damaged = |DeltaError(what)| PackError::Damaged { at: place, what: what.to_owned() };
        let delta = Delta::parse(delta).map_err(damaged)?;
        if delta.result_size > self.limits.object_bytes {
            return Err(PackError::Limit { what: "bytes in one object", limit: self.limits.object_bytes });
        }
        let mut out = self.buffer();
        let base = match base {
            Held::Cached(range) => self.cache.bytes(range),
            Held::Made(content) => content,
        };
        delta.apply(base, &mut out).map_err(damaged)?;
        Ok(out)
    }

    /// The object `at` is made: name it, show it, keep it for deltas to come.
    fn made(&mut self, at: u32, kind: Kind, content: &[u8]) -> Result<(), PackError> {
        let mut hasher = object_hasher(kind, content.len() as u64);
        hasher.update(content);
        self.named(at, kind, finish(hasher)?)?;
        self.visit(at, Some(content), content.len() as u64)?;
        self.cache.keep(at, kind, content);
        Ok(())
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    fn give_back(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= LARGEST_BUFFER && self.buffers.len() < MOST_BUFFERS {
            self.buffers.push(buffer);
        }
    }

    fn let_go(&mut self, held: Held) {
        if let Held::Made(buffer) = held {
            self.give_back(buffer);
        }
    }

    fn named(&mut self, at: u32, kind: Kind, name: [u8; 20]) -> Result<(), PackError> {
        let entry = &mut self.entries[at as usize];
        (entry.name, entry.kind) = (name, kind);
        if let Some(by_name) = &mut self.by_name {
            by_name.insert(name, at);
        }
        Ok(())
    }

    fn visit(&mut self, at: u32, content: Option<&[u8]>, size: u64) -> Result<(), PackError> {
        let entry = &self.entries[at as usize];
        self.visitor
            .object(&Object { oid: oid(&entry.name), kind: entry.kind, size, content })
            .map_err(PackError::Consumer)
    }

    /// Makes all the objects that waited for `at`, and those that waited for them.
    fn wake(&mut self, at: u32) -> Result<(), PackError> {
        if self.waiting_for_name.is_empty() && self.waiting_for_entry.is_empty() {
            return Ok(());
        }
        let mut made = vec![at];
        while let Some(base) = made.pop() {
            let name = self.entries[base as usize].name;
            let by_name = self.waiting_for_name.remove(&name).unwrap_or_default();
            let by_place = self.waiting_for_entry.remove(&base).unwrap_or_default();
            for at in by_name.into_iter().chain(by_place) {
                self.entries[at as usize].base = Base::Entry(base);
                let delta = self.read_back(at)?;
                self.resolve(at, &delta)?;
                self.give_back(delta);
                made.push(at);
            }
        }
        Ok(())
    }

    /// The content of an entry that was named: from the cache, or made again from the file, down its chain of deltas.
    fn content(&mut self, at: u32) -> Result<(Kind, Held), PackError> {
        let mut chain = Vec::new();
        let mut place = at;
        let (kind, mut content) = loop {
            if let Some((kind, range)) = self.cache.find(place) {
                break (kind, Held::Cached(range));
            }
            let entry = &self.entries[place as usize];
            match entry.base {
                Base::None => break (entry.kind, Held::Made(self.read_back(place)?)),
                Base::Entry(base) => {
                    chain.push(place);
                    place = base;
                }
                Base::Outside(outside) => {
                    chain.push(place);
                    let (kind, content) = self.outside_base(outside)?;
                    break (kind, Held::Made(content));
                }
            }
        };
        while let Some(place) = chain.pop() {
            let delta = self.read_back(place)?;
            let made = self.patch(place, &content, &delta)?;
            self.give_back(delta);
            self.let_go(std::mem::replace(&mut content, Held::Made(made)));
        }
        // Not the steps between: they were not asked for, and would push out what may be.
        if let Held::Made(content) = &content {
            self.cache.keep(at, kind, content);
        }
        Ok((kind, content))
    }

    /// Inflates an entry again, a whole object or a delta.
    fn read_back(&mut self, at: u32) -> Result<Vec<u8>, PackError> {
        let start = self.entries[at as usize].offset;
        // The last one may end later, but what was written of it is all that there is.
        let end = self.entries.get(at as usize + 1).map_or(u64::MAX, |next| next.offset);
        let mut out = self.buffer();
        self.stored.inflate(start, end, &mut out)?;
        Ok(out)
    }

    fn outside_base(&mut self, place: u32) -> Result<(Kind, Vec<u8>), PackError> {
        let oid = self.outside[place as usize];
        self.bases.read(oid)?.ok_or(PackError::MissingBase(oid))
    }

    fn entry_at(&self, offset: u64) -> Option<u32> {
        self.entries.binary_search_by_key(&offset, |entry| entry.offset).ok().map(|at| at as u32)
    }

    fn find_name(&mut self, oid: Oid) -> Option<u32> {
        let entries = &self.entries;
        let by_name = self.by_name.get_or_insert_with(|| {
            let named = entries.iter().enumerate().filter(|(_, entry)| entry.name != [0; 20]);
            named.map(|(at, entry)| (entry.name, at as u32)).collect()
        });
        by_name.get(&name(oid)).copied()
    }

    /// The bases that were taken from outside and did not turn up in the pack after all.
    fn missing(&mut self) -> Vec<Oid> {
        let mut wanted = std::mem::take(&mut self.outside);
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|oid| self.find_name(*oid).is_none());
        wanted
    }
}

fn name(oid: Oid) -> [u8; 20] {
    let mut name = [0; 20];
    name.copy_from_slice(oid.as_bytes());
    name
}

pub(super) fn object_hasher(kind: Kind, size: u64) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.update(format!("{} {size}\0", kind.name()).as_bytes());
    hasher
}

pub(super) fn finish(hasher: Hasher) -> Result<[u8; 20], PackError> {
    hasher.finalize().map(Into::into).map_err(|_| PackError::Collision)
}
