//! The kinds of object, and the header of one entry of a pack (gitformat-pack(5)).
//!
//! In: the first bytes of an entry. Out: its kind, its inflated size, where its delta base is. Refused: the reserved kinds,
//! sizes and offsets above 60 bits.

use git2::Oid;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant says it all")]
pub enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    /// As an object's header spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }

    pub(super) fn code(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Tree => 2,
            Self::Blob => 3,
            Self::Tag => 4,
        }
    }

    /// libgit2's word for it; `None` for what is no object.
    pub fn from_git2(kind: git2::ObjectType) -> Option<Self> {
        match kind {
            git2::ObjectType::Commit => Some(Self::Commit),
            git2::ObjectType::Tree => Some(Self::Tree),
            git2::ObjectType::Blob => Some(Self::Blob),
            git2::ObjectType::Tag => Some(Self::Tag),
            _ => None,
        }
    }
}

/// How an entry's content is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Encoding {
    Whole(Kind),
    /// A delta against the entry that starts this many bytes before this one.
    OffsetDelta(u64),
    /// A delta against an object by name, in this pack or (thin packs) outside.
    NameDelta(Oid),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct EntryHeader {
    pub(in super::super) encoding: Encoding,
    /// Of the object, or of the delta.
    pub(in super::super) size: u64,
    /// Bytes that the header takes.
    pub(in super::super) length: usize,
}

/// The longest header: ten bytes of size, twenty of name.
pub(in super::super) const MAX_HEADER: usize = 30;

/// Reads the header at the start of `bytes`; `Ok(None)` when it is longer than `bytes`.
pub(in super::super) fn parse_header(bytes: &[u8]) -> Result<Option<EntryHeader>, String> {
    let mut rest = bytes.iter().copied();
    let Some(first) = rest.next() else {
        return Ok(None);
    };
    let mut size = u64::from(first & 0x0f);
    let (mut shift, mut byte) = (4, first);
    while byte & 0x80 != 0 {
        byte = match rest.next() {
            Some(byte) => byte,
            None => return Ok(None),
        };
        if shift > 56 {
            return Err("the size of an object does not fit 60 bits".to_owned());
        }
        size |= u64::from(byte & 0x7f) << shift;
        shift += 7;
    }
    let encoding = match (first >> 4) & 7 {
        1 => Encoding::Whole(Kind::Commit),
        2 => Encoding::Whole(Kind::Tree),
        3 => Encoding::Whole(Kind::Blob),
        4 => Encoding::Whole(Kind::Tag),
        6 => match parse_offset(&mut rest)? {
            Some(distance) => Encoding::OffsetDelta(distance),
            None => return Ok(None),
        },
        7 => {
            let at = bytes.len() - rest.len();
            match bytes[at..].first_chunk::<20>() {
                Some(name) => {
                    rest.nth(19);
                    Encoding::NameDelta(oid(name))
                }
                None => return Ok(None),
            }
        }
        other => return Err(format!("{other} is no kind of object")),
    };
    Ok(Some(EntryHeader { encoding, size, length: bytes.len() - rest.len() }))
}

/// Big-endian groups of seven bits, each continuation adding one, so that every distance has one spelling.
fn parse_offset(bytes: &mut impl Iterator<Item = u8>) -> Result<Option<u64>, String> {
    let Some(mut byte) = bytes.next() else {
        return Ok(None);
    };
    let mut distance = u64::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = match bytes.next() {
            Some(byte) => byte,
            None => return Ok(None),
        };
        if distance >= 1 << 55 {
            return Err("the distance to a delta's base does not fit 62 bits".to_owned());
        }
        distance = ((distance + 1) << 7) | u64::from(byte & 0x7f);
    }
    Ok(Some(distance))
}

/// Appends the header of a whole object.
pub(in super::super) fn write_header(out: &mut Vec<u8>, kind: Kind, size: u64) {
    write_kind_and_size(out, kind.code(), size);
}

/// Appends the header of a delta against the entry that starts `distance` bytes before it.
pub(in super::super) fn write_offset_delta_header(out: &mut Vec<u8>, size: u64, distance: u64) {
    write_kind_and_size(out, 6, size);
    let mut bytes = vec![(distance & 0x7f) as u8];
    let mut rest = distance >> 7;
    while rest != 0 {
        rest -= 1;
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.extend(bytes.iter().rev());
}

fn write_kind_and_size(out: &mut Vec<u8>, kind: u8, size: u64) {
    let mut byte = (kind << 4) | (size & 0x0f) as u8;
    let mut rest = size >> 4;
    while rest != 0 {
        out.push(byte | 0x80);
        byte = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    out.push(byte);
}

pub(super) fn oid(bytes: &[u8; 20]) -> Oid {
    // Fails for another length only.
    Oid::from_bytes(bytes).unwrap_or(Oid::ZERO_SHA1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_of_every_encoding_are_read() {
        let whole = parse_header(&[0xb5, 0x0a, 0x78]).unwrap().unwrap();
        assert_eq!(whole, EntryHeader { encoding: Encoding::Whole(Kind::Blob), size: 5 + (10 << 4), length: 2 });
        let offset = parse_header(&[0x65, 0x80, 0x00]).unwrap().unwrap();
        assert_eq!(offset, EntryHeader { encoding: Encoding::OffsetDelta(128), size: 5, length: 3 });
        let mut name = vec![0x75];
        name.extend([0xab; 20]);
        assert_eq!(parse_header(&name).unwrap().unwrap().length, 21);
        assert_eq!(parse_header(&name[..20]).unwrap(), None);
        assert!(parse_header(&[0x00]).is_err() && parse_header(&[0x50]).is_err());
        assert!(parse_header(&[0xff; 30]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(size in 0..1_u64 << 60) {
            let mut bytes = Vec::new();
            write_header(&mut bytes, Kind::Tree, size);
            let read = parse_header(&bytes).unwrap().unwrap();
            prop_assert_eq!(read, EntryHeader { encoding: Encoding::Whole(Kind::Tree), size, length: bytes.len() });
        }

        #[test]
        fn every_distance_has_one_spelling(size in 0..1_u64 << 60, distance in 0..1_u64 << 55) {
            let mut bytes = Vec::new();
            write_offset_delta_header(&mut bytes, size, distance);
            let read = parse_header(&bytes).unwrap().unwrap();
            prop_assert_eq!(read, EntryHeader { encoding: Encoding::OffsetDelta(distance), size, length: bytes.len() });
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse_header(&bytes);
        }
    }
}
