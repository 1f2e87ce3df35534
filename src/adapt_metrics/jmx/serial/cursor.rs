//! Big-endian bytes and Java's modified UTF-8 out of a piece of a stream. A piece that ends too early is
//! [`Halt::Short`]: nothing has been consumed that the caller did not already act on, and it comes back with more.

use super::SerialError;

/// Why a step of the reader could not be done.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The bytes are not there yet.
    Short,
    /// They never will be what they should.
    Wrong(SerialError),
}

impl From<SerialError> for Halt {
    fn from(error: SerialError) -> Self {
        Halt::Wrong(error)
    }
}

/// A position in a piece of the stream. Copy it to look ahead.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    /// Offset of `bytes[0]` in the whole serialized value, for errors.
    pub(crate) offset: u64,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], offset: u64) -> Self {
        Cursor { bytes, offset }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Halt> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(Halt::Short)?;
        self.bytes = rest;
        self.offset += count as u64;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Halt> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Halt> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Halt> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Halt> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Halt> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Halt> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// Text behind a 16-bit length.
    pub(crate) fn short_text(&mut self) -> Result<String, Halt> {
        let length = self.u16()?;
        Ok(modified_utf8(self.take(length as usize)?)?)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Halt> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }
}

/// Modified UTF-8: NUL as two bytes, and characters beyond the basic plane as two surrogates of three bytes each.
/// A surrogate without its partner, which Java strings may hold, becomes U+FFFD.
pub(crate) fn modified_utf8(bytes: &[u8]) -> Result<String, SerialError> {
    // Nearly all text is plain UTF-8 as well.
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.to_owned());
    }
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let (unit, length) = match *rest {
            [] => break,
            [a, ..] if a < 0x80 => (u16::from(a), 1),
            [a, b, ..] if a & 0xe0 == 0xc0 && b & 0xc0 == 0x80 => (u16::from(a & 0x1f) << 6 | u16::from(b & 0x3f), 2),
            [a, b, c, ..] if a & 0xf0 == 0xe0 && b & 0xc0 == 0x80 && c & 0xc0 == 0x80 => {
                (u16::from(a & 0x0f) << 12 | u16::from(b & 0x3f) << 6 | u16::from(c & 0x3f), 3)
            }
            _ => return Err(SerialError::Text),
        };
        units.push(unit);
        rest = &rest[length..];
    }
    Ok(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_and_surrogate_pairs_are_decoded_as_java_wrote_them() {
        assert_eq!(modified_utf8(b"a\xc0\x80b").unwrap(), "a\0b");
        assert_eq!(modified_utf8(b"\xed\xa0\xbd\xed\xb8\x80").unwrap(), "\u{1f600}");
        assert_eq!(modified_utf8(b"x\xed\xa0\xbd").unwrap(), "x\u{fffd}");
    }

    #[test]
    fn broken_text_is_refused() {
        assert_eq!(modified_utf8(b"\xff"), Err(SerialError::Text));
        assert_eq!(modified_utf8(b"\xc3"), Err(SerialError::Text));
        assert_eq!(modified_utf8(b"\xe2\x82"), Err(SerialError::Text));
    }

    #[test]
    fn a_short_piece_asks_for_more() {
        let mut cursor = Cursor::new(&[0, 0, 1], 0);
        assert!(matches!(cursor.i32(), Err(Halt::Short)));
        assert_eq!(cursor.u16().unwrap(), 0);
    }
}
