//! Deltas (gitformat-pack(5)): a new object as copies out of a base and insertions.
//!
//! In: a base, a delta. Out: the object. Refused: copies from outside the base, sizes that do not come true, results above a limit.

/// The sizes that a delta starts with.
pub(super) struct Delta<'a> {
    pub(super) result_size: u64,
    base_size: u64,
    instructions: &'a [u8],
}

/// What is wrong with a delta; the pack's maker's fault.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DeltaError(pub(super) &'static str);

impl<'a> Delta<'a> {
    pub(super) fn parse(mut bytes: &'a [u8]) -> Result<Self, DeltaError> {
        let base_size = size(&mut bytes)?;
        let result_size = size(&mut bytes)?;
        Ok(Self { result_size, base_size, instructions: bytes })
    }

    /// Makes the object, into `out`. The caller has compared `result_size` with its limit.
    pub(super) fn apply(&self, base: &[u8], out: &mut Vec<u8>) -> Result<(), DeltaError> {
        if self.base_size != base.len() as u64 {
            return Err(DeltaError("a delta is for a base of another size"));
        }
        let size =
            usize::try_from(self.result_size).map_err(|_| DeltaError("a delta's result does not fit the memory"))?;
        out.clear();
        out.reserve_exact(size);
        let mut rest = self.instructions;
        while let Some((&instruction, tail)) = rest.split_first() {
            rest = tail;
            let piece = match instruction {
                0 => return Err(DeltaError("a delta holds the reserved instruction")),
                0x80.. => {
                    let offset = field(&mut rest, instruction, 0..4)?;
                    let length = match field(&mut rest, instruction >> 4, 0..3)? {
                        0 => 0x1_0000,
                        length => length,
                    };
                    base.get(offset..)
                        .and_then(|from| from.get(..length))
                        .ok_or(DeltaError("a delta copies from outside its base"))?
                }
                length => {
                    let (piece, tail) =
                        rest.split_at_checked(usize::from(length)).ok_or(DeltaError("a delta ends in the middle"))?;
                    rest = tail;
                    piece
                }
            };
            if piece.len() > size - out.len() {
                return Err(DeltaError("a delta makes more than it said"));
            }
            out.extend_from_slice(piece);
        }
        if out.len() == size { Ok(()) } else { Err(DeltaError("a delta makes less than it said")) }
    }
}

/// The bytes of a little-endian number whose bit in `present` is set; the others are zero.
fn field(rest: &mut &[u8], present: u8, bits: std::ops::Range<u32>) -> Result<usize, DeltaError> {
    let mut value = 0;
    for bit in bits {
        if present & (1 << bit) != 0 {
            let (&byte, tail) = rest.split_first().ok_or(DeltaError("a delta ends in the middle"))?;
            value |= usize::from(byte) << (8 * bit);
            *rest = tail;
        }
    }
    Ok(value)
}

fn size(bytes: &mut &[u8]) -> Result<u64, DeltaError> {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (&byte, tail) = bytes.split_first().ok_or(DeltaError("a delta ends in the middle"))?;
        *bytes = tail;
        if shift > 56 {
            return Err(DeltaError("a delta's size does not fit 63 bits"));
        }
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(base: &[u8], delta: &[u8]) -> Result<Vec<u8>, DeltaError> {
        let mut out = vec![9; 3];
        Delta::parse(delta)?.apply(base, &mut out)?;
        Ok(out)
    }

    #[test]
    fn copies_and_insertions_make_the_object() {
        assert_eq!(apply(b"hello world", &[11, 9, 0x91, 6, 5, 4, b'!', b'!', b'!', b'!']).unwrap(), b"world!!!!");
        let base = vec![7; 0x1_0000];
        assert_eq!(apply(&base, &[0x80, 0x80, 4, 0x80, 0x80, 4, 0x80]).unwrap(), base);
    }

    #[test]
    fn lies_are_found() {
        assert_eq!(apply(b"abc", &[4, 1, 1, b'x']), Err(DeltaError("a delta is for a base of another size")));
        assert_eq!(apply(b"abc", &[3, 1, 0x91, 2, 2]), Err(DeltaError("a delta copies from outside its base")));
        assert_eq!(
            apply(b"abc", &[3, 1, 0x9f, 255, 255, 255, 255, 2]),
            Err(DeltaError("a delta copies from outside its base"))
        );
        assert_eq!(apply(b"abc", &[3, 1, 2, b'x', b'y']), Err(DeltaError("a delta makes more than it said")));
        assert_eq!(apply(b"abc", &[3, 9, 1, b'x']), Err(DeltaError("a delta makes less than it said")));
        assert_eq!(apply(b"abc", &[3, 1, 0]), Err(DeltaError("a delta holds the reserved instruction")));
        assert_eq!(apply(b"abc", &[3, 5, 5, b'x']), Err(DeltaError("a delta ends in the middle")));
        assert_eq!(apply(b"", &[0xff; 30]), Err(DeltaError("a delta's size does not fit 63 bits")));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(base in prop::collection::vec(any::<u8>(), 0..100), tail in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut delta = vec![base.len() as u8, 50];
            delta.extend(tail);
            let _ = apply(&base, &delta);
        }
    }
}
