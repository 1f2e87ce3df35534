//! Packets and their armour.
//!
//! In: bytes, armoured or not. Out: packets with their bodies, borrowed. Refused: lengths that lead out of the input, partial
//! and indeterminate lengths (nothing that we read has a reason for them), armour that is not base64. The armour's checksum
//! is not looked at, as RFC 9580 has it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Signature,
    Key,
    Subkey,
    UserId,
    UserAttribute,
    SecretKey,
    /// Markers, trust, padding, and what is not known.
    Other,
}

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub tag: Tag,
    pub body: &'a [u8],
}

/// Splits bytes into packets.
///
/// # Errors
/// What is wrong with the framing.
pub(super) fn packets(bytes: &[u8]) -> Result<Vec<Packet<'_>>, String> {
    let mut found = Vec::new();
    let mut rest = Reader(bytes);
    while !rest.0.is_empty() {
        let head = rest.byte()?;
        if head & 0x80 == 0 {
            return Err("a packet does not begin as one".to_owned());
        }
        let (number, length) = match head & 0x40 {
            0 => {
                let length = match head & 3 {
                    0 => u32::from(rest.byte()?),
                    1 => u32::from(rest.short()?),
                    2 => rest.long()?,
                    _ => return Err("a packet has no length".to_owned()),
                };
                (head >> 2 & 0x0f, length)
            }
            _ => (head & 0x3f, rest.new_length()?),
        };
        let tag = match number {
            2 => Tag::Signature,
            5 | 7 => Tag::SecretKey,
            6 => Tag::Key,
            13 => Tag::UserId,
            14 => Tag::Subkey,
            17 => Tag::UserAttribute,
            _ => Tag::Other,
        };
        found.push(Packet { tag, body: rest.take(length as usize)? });
    }
    Ok(found)
}

/// The binary content of each armoured block; what is not armoured is one block as it is.
///
/// # Errors
/// When the armour is broken.
pub(super) fn dearmour(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        return Ok(vec![bytes.to_vec()]);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is neither armoured nor OpenPGP".to_owned())?;
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        if !line.starts_with("-----BEGIN PGP ") {
            continue;
        }
        // Headers until an empty line.
        for header in lines.by_ref() {
            if header.is_empty() {
                break;
            }
            if !header.contains(": ") {
                return Err("its armour has a broken header".to_owned());
            }
        }
        let mut base64 = String::new();
        let mut has_end = false;
        for line in lines.by_ref() {
            if line.starts_with("-----END PGP ") {
                has_end = true;
                break;
            }
            if !line.starts_with('=') {
                base64.push_str(line);
            }
        }
        if !has_end {
            return Err("its armour does not end".to_owned());
        }
        blocks.push(STANDARD.decode(base64).map_err(|_| "its armour is not base64".to_owned())?);
    }
    if blocks.is_empty() { Err("it is neither armoured nor OpenPGP".to_owned()) } else { Ok(blocks) }
}

/// Reads numbers of the network's byte order.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| "it is cut short".to_owned())?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn short(&mut self) -> Result<u16, String> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn long(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A number of any size, without leading zeros.
    pub(super) fn integer(&mut self) -> Result<&'a [u8], String> {
        let bits = usize::from(self.short()?);
        let bytes = self.take(bits.div_ceil(8))?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Ok(&bytes[zeros..])
    }

    /// The length of a packet of the new form.
    fn new_length(&mut self) -> Result<u32, String> {
        match self.byte()? {
            first @ 0..=191 => Ok(u32::from(first)),
            first @ 192..=223 => Ok((u32::from(first) - 192) * 256 + u32::from(self.byte()?) + 192),
            255 => self.long(),
            _ => Err("a packet comes in parts".to_owned()),
        }
    }

    /// The length of a subpacket of a signature.
    pub(super) fn subpacket_length(&mut self) -> Result<usize, String> {
        match self.byte()? {
            first @ 0..=191 => Ok(usize::from(first)),
            first @ 192..=254 => Ok((usize::from(first) - 192) * 256 + usize::from(self.byte()?) + 192),
            255 => Ok(self.long()? as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_headers_are_read() {
        let bytes = [0x88, 2, 1, 2, 0xcd, 1, b'a', 0x99, 0, 1, 9, 0xca, 0xff, 0, 0, 0, 1, 7];
        let tags: Vec<_> = packets(&bytes).unwrap().iter().map(|packet| (packet.tag, packet.body.to_vec())).collect();
        assert_eq!(
            tags,
            [(Tag::Signature, vec![1, 2]), (Tag::UserId, vec![b'a']), (Tag::Key, vec![9]), (Tag::Other, vec![7])]
        );
    }

    #[test]
    fn broken_framing_is_refused_at_any_cut() {
        for broken in [&[0x08, 0][..], &[0x88, 3, 1, 2], &[0xc2, 0xe0, 1], &[0x8b, 1], &[0xc2, 0xff, 0, 0], &[0xc2]] {
            assert!(packets(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn armour_is_taken_off_each_block() {
        let text = "-----BEGIN PGP SIGNATURE-----\nVersion: x\n\niAIB\nAg==\n=abcd\n-----END PGP SIGNATURE-----\n";
        assert_eq!(dearmour(text.as_bytes()).unwrap(), [vec![0x88, 2, 1, 2]]);
        assert_eq!(dearmour(text.repeat(2).as_bytes()).unwrap().len(), 2);
        for broken in ["", "nothing", "-----BEGIN PGP SIGNATURE-----\n\niAIB\n", &text.replace("iAIB", "i!IB")] {
            assert!(dearmour(broken.as_bytes()).is_err(), "{broken:?}");
        }
    }
}
