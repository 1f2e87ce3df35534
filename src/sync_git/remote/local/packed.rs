//! Where objects stand in another repository's packs.
//!
//! In: objects, a repository. Out: for those that are packed, the entry: its header, the extent of its compressed bytes, its base's place.
//! Whatever cannot be made sense of counts as not packed; the object is then read through libgit2.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use git2::{Oid, Repository};

use super::super::super::pack::{Encoding, EntryHeader, MAX_HEADER, PackIndex, parse_header};

/// An offset in one of the packs.
pub(super) type Place = (u16, u64);

#[derive(Default)]
pub(super) struct Packed {
    packs: Vec<Pack>,
    places: Vec<Option<Place>>,
    /// Bytes around the entry that was looked at last; mostly all of it, and the next ones.
    window: RefCell<Window>,
}

#[derive(Default)]
struct Window {
    pack: u16,
    offset: u64,
    bytes: Vec<u8>,
}

/// Most entries are shorter.
const START: usize = 4096;
/// Read at once when the entry follows what was read last, as in a pack whose order is the one that objects go in.
const AHEAD: usize = 32 * 1024;

struct Pack {
    index: PackIndex,
    file: File,
    length: u64,
}

/// One packed object.
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) header: EntryHeader,
    /// Where the compressed bytes start and end.
    pub(super) content: u64,
    pub(super) end: u64,
    /// Of a delta: where its base stands.
    pub(super) base: Option<Place>,
}

/// Objects whose offsets are held while others are copied: 16 MiB.
const MAX_OBJECTS: u32 = 1_000_000;
/// Borrowing from a repository that borrows from another, and so on.
const MAX_ALTERNATES: usize = 16;

impl Packed {
    pub(super) fn find(repository: &Repository, objects: &[Oid]) -> Self {
        let mut wanted: Vec<(Oid, u32)> = objects.iter().copied().zip(0..).collect();
        wanted.sort_unstable();
        let mut packed = Self { packs: Vec::new(), places: vec![None; objects.len()], window: RefCell::default() };
        let mut room = MAX_OBJECTS;
        for path in indexes(&repository.commondir().join("objects")) {
            let number = packed.packs.len() as u16;
            let Some(pack) = Pack::open(&path, room) else { continue };
            room -= pack.index.count();
            let places = &mut packed.places;
            let located = pack.index.locate(&wanted, |tag, offset| {
                places[tag as usize].get_or_insert((number, offset));
            });
            // Half of it is found all the same.
            if let Err(error) = located {
                tracing::debug!(path = %path.display(), %error, "an index cannot be read");
            }
            packed.packs.push(pack);
            if packed.packs.len() == usize::from(u16::MAX) {
                break;
            }
        }
        packed
    }

    /// The objects that are packed, by their place in the list.
    pub(super) fn places(&self) -> impl Iterator<Item = (u32, Place)> {
        (0..).zip(&self.places).filter_map(|(at, place)| Some((at, (*place)?)))
    }

    pub(super) fn entry(&self, at: u32) -> Option<Entry> {
        let place = (*self.places.get(at as usize)?)?;
        let (pack, offset) = (&self.packs[usize::from(place.0)], place.1);
        let end = pack.index.end(offset, pack.length);
        let wanted = START.min(end.saturating_sub(offset) as usize);
        let mut window = self.window.borrow_mut();
        let start = window.fill(place, wanted, &pack.file)?;
        let header = parse_header(&start[..start.len().min(MAX_HEADER)]).ok()??;
        let base = match header.encoding {
            Encoding::Whole(_) => None,
            Encoding::OffsetDelta(distance) => Some((place.0, offset.checked_sub(distance).filter(|_| distance > 0)?)),
            // Never written to disk by git, so not worth a way of its own.
            Encoding::NameDelta(_) => return None,
        };
        let content = offset + header.length as u64;
        (content < end).then_some(Entry { place, header, content, end, base })
    }

    pub(super) fn read(&self, place: Place, from: u64, into: &mut [u8]) -> io::Result<()> {
        match self.window.borrow().find((place.0, from), into.len()) {
            Some(bytes) => into.copy_from_slice(bytes),
            None => self.packs[usize::from(place.0)].file.read_exact_at(into, from)?,
        }
        Ok(())
    }
}

impl Window {
    fn find(&self, (pack, offset): Place, length: usize) -> Option<&[u8]> {
        let at = usize::try_from(offset.checked_sub(self.offset)?).ok().filter(|_| pack == self.pack)?;
        self.bytes.get(at..at.checked_add(length)?)
    }

    /// The `length` bytes from there, or as many as there are; nothing when they cannot be read.
    fn fill(&mut self, place: Place, length: usize, file: &File) -> Option<&[u8]> {
        if self.find(place, length).is_none() {
            let end = self.offset + self.bytes.len() as u64;
            let is_next = place.0 == self.pack && (self.offset..=end).contains(&place.1);
            self.bytes.resize(if is_next { AHEAD } else { length }, 0);
            (self.pack, self.offset) = place;
            let read = file.read_at(&mut self.bytes, place.1).unwrap_or_default();
            self.bytes.truncate(read);
        }
        let at = usize::try_from(place.1 - self.offset).ok()?;
        self.bytes.get(at..self.bytes.len().min(at.checked_add(length)?))
    }
}

impl Pack {
    fn open(index: &Path, room: u32) -> Option<Self> {
        let file = File::open(index.with_extension("pack")).ok()?;
        let length = file.metadata().ok()?.len();
        Some(Self { index: PackIndex::open(index, room).ok()??, file, length })
    }
}

/// The indexes of an object database and of those that it borrows from.
fn indexes(objects: &Path) -> Vec<PathBuf> {
    let mut databases = vec![objects.to_owned()];
    let mut next = 0;
    while let Some(database) = databases.get(next).cloned() {
        let lines = fs::read_to_string(database.join("info/alternates")).unwrap_or_default();
        for line in lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if databases.len() < MAX_ALTERNATES {
                databases.push(database.join(line));
            }
        }
        next += 1;
    }
    let packs = databases.iter().filter_map(|database| fs::read_dir(database.join("pack")).ok());
    let files = packs.flatten().filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "idx")).collect()
}
