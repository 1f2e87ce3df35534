//! Streams as a JVM writes them, whole, in pieces, broken and hostile.

use proptest::prelude::*;

use super::super::Writer;
use super::*;

const SMALL: Limits = Limits { depth: 32, memory: 1 << 16 };

/// What came of feeding the stream in pieces of the given size.
fn read(stream: &[u8], piece: usize, limits: Limits) -> Result<Option<(Graph, Value, Ending)>, SerialError> {
    let mut reader = Reader::new(limits);
    let mut held = Vec::new();
    for bytes in stream.chunks(piece) {
        held.extend_from_slice(bytes);
        let mut rest = held.as_slice();
        let progress = reader.read(&mut rest)?;
        held = rest.to_vec();
        if progress == Progress::Complete {
            return Ok(reader.finish());
        }
    }
    Ok(None)
}

/// `String[]` of the texts, without the head of the stream.
fn texts(texts: &[String]) -> Vec<u8> {
    let mut writer = Writer::after(Vec::new());
    writer.texts(texts.iter().map(String::as_str));
    writer.into_bytes().split_off(4)
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_value_an_error_or_a_wish_for_more(
        stream in proptest::collection::vec(prop_oneof![0x70u8..=0x7e, any::<u8>(), Just(0)], 0..400),
        piece in 1usize..64,
    ) {
        let _ = read(&stream, piece, SMALL);
    }

    #[test]
    fn a_valid_stream_with_a_broken_byte_does_no_harm(at in 0usize..200, byte in any::<u8>()) {
        let mut stream = texts(&["one".to_owned(), "two".repeat(9), "\u{1f600}".to_owned()]);
        let at = at % stream.len();
        stream[at] = byte;
        let _ = read(&stream, 7, SMALL);
    }

    #[test]
    fn pieces_of_any_size_give_the_same_value(words in proptest::collection::vec(".{0,20}", 0..20), piece in 1usize..50) {
        let stream = texts(&words);
        let (graph, value, _) = read(&stream, piece, Limits::default()).unwrap().unwrap();
        let read: Vec<_> = graph.items(value).unwrap().iter().map(|item| graph.text(*item).unwrap()).collect();
        prop_assert_eq!(read, words);
    }

    #[test]
    fn a_truncated_stream_is_never_complete(cut in 1usize..200) {
        let stream = texts(&["one".to_owned(), "two".to_owned()]);
        let cut = cut % stream.len();
        prop_assert_eq!(read(&stream[..cut], 16, SMALL), Ok(None));
    }
}

/// The description of a class called `[Lx;`, as a value's first part.
const ARRAY_CLASS: &[u8] = b"\x72\x00\x04[Lx;\0\0\0\0\0\0\0\0\x02\0\0\x78\x70";

#[test]
fn nesting_is_limited() {
    let mut stream = b"\x75".to_vec();
    stream.extend_from_slice(ARRAY_CLASS);
    stream.extend_from_slice(&1i32.to_be_bytes());
    for _ in 0..1000 {
        stream.extend_from_slice(b"\x75\x71\x00\x7e\x00\x00\x00\x00\x00\x01");
    }
    assert_eq!(read(&stream, 4096, SMALL), Err(SerialError::Depth { limit: 32 }));
}

#[test]
fn lengths_beyond_the_memory_are_refused_before_their_bytes_come() {
    let long_text = b"\x7c\x00\x00\x00\x00\x7f\xff\xff\xff";
    assert_eq!(read(long_text, 64, SMALL), Err(SerialError::Memory { limit: 1 << 16 }));
    let negative_text = b"\x7c\xff\xff\xff\xff\xff\xff\xff\xff";
    assert_eq!(read(negative_text, 64, SMALL), Err(SerialError::Memory { limit: 1 << 16 }));
    let mut negative_array = b"\x75".to_vec();
    negative_array.extend_from_slice(ARRAY_CLASS);
    negative_array.extend_from_slice(&(-1i32).to_be_bytes());
    assert_eq!(read(&negative_array, 64, SMALL), Err(SerialError::Length { length: -1 }));
}

#[test]
fn an_array_of_nulls_cannot_grow_beyond_the_memory() {
    let mut stream = b"\x75".to_vec();
    stream.extend_from_slice(ARRAY_CLASS);
    stream.extend_from_slice(&i32::MAX.to_be_bytes());
    stream.resize(stream.len() + 100_000, NULL);
    assert_eq!(read(&stream, 4096, SMALL), Err(SerialError::Memory { limit: 1 << 16 }));
}

#[test]
fn a_class_cannot_be_its_own_ancestor() {
    let stream = b"\x73\x72\x00\x01x\0\0\0\0\0\0\0\0\x02\0\0\x78\x71\x00\x7e\x00\x00";
    assert!(matches!(read(stream, 64, SMALL), Err(SerialError::Class { .. })));
}

#[test]
fn handles_that_were_not_given_out_are_refused() {
    assert!(matches!(read(b"\x71\x00\x7e\x00\x00", 64, SMALL), Err(SerialError::Handle { .. })));
    assert!(matches!(read(b"\x71\x00\x00\x00\x00", 64, SMALL), Err(SerialError::Handle { .. })));
}

#[test]
fn an_exception_takes_the_place_of_the_value_that_broke_off() {
    let mut stream = b"\x75".to_vec();
    stream.extend_from_slice(ARRAY_CLASS);
    stream.extend_from_slice(&2i32.to_be_bytes());
    stream.extend_from_slice(b"\x7b\x74\x00\x02no");
    let (graph, value, ending) = read(&stream, 3, SMALL).unwrap().unwrap();
    assert_eq!((graph.text(value), ending), (Some("no"), Ending::Aborted));
}
