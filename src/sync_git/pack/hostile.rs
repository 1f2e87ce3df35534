//! Packs made to do harm: each must end in an error, quickly, in little memory, and leave nothing.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::Oid;
use proptest::prelude::*;
use sha1dc::Hasher;
use std::io::Write as _;

use super::input::Source;
use super::object::{Kind, write_header, write_offset_delta_header};
use super::{Durability, PackError, PackReport, PackStore};

/// A pack under construction.
struct Maker {
    bytes: Vec<u8>,
    count: u32,
}

impl Maker {
    fn new() -> Self {
        Self { bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(), count: 0 }
    }

    fn position(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn whole(&mut self, kind: Kind, stated: u64, content: &[u8]) -> u64 {
        let start = self.position();
        write_header(&mut self.bytes, kind, stated);
        self.deflate(content);
        start
    }

    fn offset_delta(&mut self, distance: u64, delta: &[u8]) -> u64 {
        let start = self.position();
        write_offset_delta_header(&mut self.bytes, delta.len() as u64, distance);
        self.deflate(delta);
        start
    }

    fn name_delta(&mut self, base: Oid, delta: &[u8]) {
        self.bytes.push(0x70 | delta.len() as u8 & 0x0f | 0x80);
        self.bytes.push((delta.len() >> 4) as u8);
        self.bytes.extend_from_slice(base.as_bytes());
        self.deflate(delta);
    }

    fn deflate(&mut self, content: &[u8]) {
        let mut encoder = ZlibEncoder::new(&mut self.bytes, Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap();
        self.count += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes[8..12].copy_from_slice(&self.count.to_be_bytes());
        let mut hasher = Hasher::new();
        hasher.update(&self.bytes);
        self.bytes.extend_from_slice(hasher.finalize().unwrap().as_ref());
        self.bytes
    }
}

struct Pieces(Vec<Bytes>);

impl Source for Pieces {
    fn next(&mut self) -> Option<Bytes> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }
}

/// Leaves the checksum to the reader.
struct Sealed(Pieces);

impl Source for Sealed {
    fn next(&mut self) -> Option<Bytes> {
        self.0.next()
    }

    fn is_sealed(&self) -> bool {
        self.0.0.is_empty()
    }
}

#[test]
fn a_checksum_that_is_left_to_the_reader_is_added_at_the_end_only() {
    let mut pack = Maker::new();
    pack.whole(Kind::Blob, 5, b"hello");
    let pack = pack.finish();
    let directory = tempfile::tempdir().unwrap();
    let receive = |bytes: &[u8]| {
        let pieces = bytes.chunks(7).map(Bytes::copy_from_slice).collect();
        PackStore::new(directory.path()).receive(Sealed(Pieces(pieces)), &mut ())
    };
    let report = receive(&pack[..pack.len() - 20]).unwrap();
    assert_eq!(report.bytes, pack.len() as u64);
    assert_eq!(std::fs::read(report.path.unwrap()).unwrap(), pack);
    assert!(matches!(receive(&pack[..pack.len() - 21]), Err(PackError::Truncated)));
}

fn store(pack: &[u8], change: impl FnOnce(&mut PackStore)) -> Result<PackReport, PackError> {
    let directory = tempfile::tempdir().unwrap();
    let mut store = PackStore::new(directory.path());
    store.durability = Durability::Cached;
    change(&mut store);
    let pieces = pack.chunks(4096).map(Bytes::copy_from_slice).collect();
    let outcome = store.receive(Pieces(pieces), &mut ());
    if outcome.is_err() {
        assert_eq!(std::fs::read_dir(directory.path().join("pack")).unwrap().count(), 0);
    }
    outcome
}

fn refused(pack: Vec<u8>) -> PackError {
    store(&pack, |_| {}).unwrap_err()
}

/// A delta: both sizes (below 128), then instructions.
fn delta(base: u8, result: u8, instructions: &[u8]) -> Vec<u8> {
    [&[base, result], instructions].concat()
}

fn blob_name(content: &[u8]) -> Oid {
    Oid::hash_object(git2::ObjectType::Blob, content).unwrap()
}

#[test]
fn a_size_that_is_a_lie_costs_nothing() {
    let mut pack = Maker::new();
    pack.whole(Kind::Blob, 1 << 50, b"x");
    assert!(matches!(refused(pack.finish()), PackError::Limit { .. }));
    let mut pack = Maker::new();
    pack.whole(Kind::Tree, 500 << 20, b"x");
    assert!(matches!(refused(pack.finish()), PackError::Damaged { .. }));
    let mut pack = Maker::new();
    pack.whole(Kind::Blob, 10, &vec![0; 50 << 20]);
    assert!(matches!(refused(pack.finish()), PackError::Damaged { .. }));
}

#[test]
fn a_delta_cannot_make_more_than_the_limit() {
    let mut pack = Maker::new();
    let base = pack.whole(Kind::Blob, 1 << 16, &vec![0; 1 << 16]);
    let distance = pack.position() - base;
    // 2^16 bytes become 2^40 by 2^24 copies; the size is refused before the first.
    pack.offset_delta(distance, &[0x80, 0x80, 0x04, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x80]);
    assert!(matches!(refused(pack.finish()), PackError::Limit { .. }));
}

#[test]
fn bases_that_are_no_entries_are_refused() {
    for distance in [1, 5, 1000, 1 << 40] {
        let mut pack = Maker::new();
        pack.whole(Kind::Blob, 3, b"abc");
        pack.offset_delta(distance, &delta(3, 1, &[1, b'x']));
        assert!(matches!(refused(pack.finish()), PackError::Damaged { .. }), "{distance}");
    }
    let mut pack = Maker::new();
    pack.offset_delta(0, &delta(3, 1, &[1, b'x']));
    assert!(matches!(refused(pack.finish()), PackError::Damaged { .. }));
}

#[test]
fn deltas_in_a_circle_have_no_base() {
    let (one, two) = (blob_name(b"one"), blob_name(b"two"));
    let mut pack = Maker::new();
    pack.name_delta(two, &delta(3, 3, b"\x03one"));
    pack.name_delta(one, &delta(3, 3, b"\x03two"));
    assert!(matches!(refused(pack.finish()), PackError::MissingBase(_)));
    let mut pack = Maker::new();
    pack.name_delta(one, &delta(3, 3, b"\x03one"));
    assert!(matches!(refused(pack.finish()), PackError::MissingBase(_)));
}

#[test]
fn a_long_chain_in_reverse_is_resolved_and_one_too_long_refused() {
    let name = |at: u16| at.to_be_bytes();
    let chain = |length: u16| {
        let mut pack = Maker::new();
        for at in (1..=length).rev() {
            pack.name_delta(blob_name(&name(at - 1)), &delta(2, 2, &[&[2], &name(at)[..]].concat()));
        }
        pack.whole(Kind::Blob, 2, &name(0));
        pack.finish()
    };
    assert_eq!(store(&chain(3000), |store| store.limits.cache_bytes = 0).unwrap().objects, 3001);
    assert!(matches!(refused(chain(5000)), PackError::Limit { .. }));
}

#[test]
fn a_count_that_is_a_lie_is_found() {
    for count in [0, 2, u32::MAX] {
        let mut pack = Maker::new();
        pack.whole(Kind::Blob, 3, b"abc");
        pack.count = count;
        assert!(store(&pack.finish(), |_| {}).is_err(), "{count}");
    }
}

#[test]
fn an_object_of_another_kind_than_a_kind_is_refused() {
    for byte in [0x00, 0x50] {
        let mut pack = Maker::new();
        pack.bytes.push(byte);
        pack.deflate(b"");
        assert!(matches!(refused(pack.finish()), PackError::Damaged { .. }));
    }
}

/// A pack with every kind of entry.
fn sound() -> Vec<u8> {
    let mut pack = Maker::new();
    let base = pack.whole(Kind::Blob, 3, b"abc");
    let distance = pack.position() - base;
    let next = pack.offset_delta(distance, &delta(3, 4, &[0x90, 3, 1, b'd']));
    let distance = pack.position() - next;
    pack.offset_delta(distance, &delta(4, 2, &[2, b'x', b'y']));
    pack.name_delta(blob_name(b"xy"), &delta(2, 2, &[2, b'z', b'z']));
    pack.whole(Kind::Commit, 600, &[b'c'; 600]);
    pack.finish()
}

#[test]
fn the_sound_pack_is_sound() {
    assert_eq!(store(&sound(), |_| {}).unwrap().objects, 5);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// The checksum is made right again, so that the change is looked at closely.
    #[test]
    fn a_changed_pack_never_panics(at in 0usize..150, byte: u8, more in prop::collection::vec(any::<u8>(), 0..4)) {
        let mut pack = sound();
        pack.truncate(pack.len() - 20);
        let at = at % pack.len();
        pack[at] = byte;
        pack.splice(at..at, more);
        let mut hasher = Hasher::new();
        hasher.update(&pack);
        pack.extend_from_slice(hasher.finalize().unwrap().as_ref());
        let _ = store(&pack, |_| {});
    }

    #[test]
    fn garbage_behind_a_header_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), count in 0u32..4) {
        let pack = [b"PACK\0\0\0\x02", &count.to_be_bytes()[..], &bytes].concat();
        let _ = store(&pack, |_| {});
    }
}
