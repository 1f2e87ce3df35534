//! pkt-line, git's framing (gitprotocol-common(5)).
//!
//! In: bytes of the wire. Out: packets, side-band frames. Refused: lengths that are not four hex digits or name no frame.
//! A packet is at most 65,520 bytes long, so nothing here grows with what a server claims.

use bytes::{Buf, Bytes, BytesMut};

/// The longest packet, its four length digits included.
pub(super) const MAX_PACKET: usize = 65_520;
const HEADER: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    Data(Bytes),
    /// `0000`: the end of a message.
    Flush,
    /// `0001`: the end of a section (version 2).
    Delimiter,
    /// `0002`: the end of a stateless response (version 2).
    ResponseEnd,
}

/// The server's fault: it does not speak pkt-line, or not here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum PacketError {
    #[error("expected the length of a packet, found \"{0}\"")]
    Length(String),
    #[error("a side-band packet is empty or of the unknown band {0:?}")]
    Band(Option<u8>),
}

/// Takes one packet off the front of `buffer`; `None` when more bytes are needed.
///
/// # Errors
/// The server's: what stands there is no packet.
pub(super) fn decode(buffer: &mut BytesMut) -> Result<Option<Packet>, PacketError> {
    let Some(digits) = buffer.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length =
        parse_length(*digits).ok_or_else(|| PacketError::Length(printable(&buffer[..buffer.len().min(60)])))?;
    let special = match length {
        0 => Packet::Flush,
        1 => Packet::Delimiter,
        2 => Packet::ResponseEnd,
        _ if buffer.len() < length => return Ok(None),
        _ => {
            buffer.advance(HEADER);
            return Ok(Some(Packet::Data(buffer.split_to(length - HEADER).freeze())));
        }
    };
    buffer.advance(HEADER);
    Ok(Some(special))
}

fn parse_length(digits: [u8; HEADER]) -> Option<usize> {
    let length = digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)? as usize))?;
    (length != 3 && length <= MAX_PACKET).then_some(length)
}

/// Appends one data packet.
///
/// # Panics
/// In debug builds when `payload` does not fit a packet: all that we send is short.
pub(super) fn write_data(out: &mut Vec<u8>, payload: &[u8]) {
    debug_assert!(payload.len() + HEADER <= MAX_PACKET);
    out.extend_from_slice(format!("{:04x}", payload.len() + HEADER).as_bytes());
    out.extend_from_slice(payload);
}

/// Appends one line, with its newline.
pub(super) fn write_line(out: &mut Vec<u8>, line: &str) {
    write_data(out, format!("{line}\n").as_bytes());
}

pub(super) fn write_flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

pub(super) fn write_delimiter(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0001");
}

/// What a side-band packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Band {
    Pack(Bytes),
    /// Text for people, unescaped.
    Progress(Bytes),
    /// The server gave up, for this reason (unescaped).
    Error(Bytes),
}

/// Splits the band off a packet of a side-band stream.
///
/// # Errors
/// The server's: an empty packet or an unknown band.
pub(super) fn demultiplex(mut payload: Bytes) -> Result<Band, PacketError> {
    match payload.first().copied() {
        Some(band @ 1..=3) => {
            payload.advance(1);
            Ok(match band {
                1 => Band::Pack(payload),
                2 => Band::Progress(payload),
                _ => Band::Error(payload),
            })
        }
        other => Err(PacketError::Band(other)),
    }
}

/// A packet's text without its newline.
pub(super) fn text(payload: &[u8]) -> &[u8] {
    payload.strip_suffix(b"\n").unwrap_or(payload)
}

/// A server's text for a log or an error: control characters escaped, at most 512 characters.
pub(super) fn printable(bytes: &[u8]) -> String {
    const LIMIT: usize = 512;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * LIMIT)]);
    let mut out = String::new();
    for (at, c) in text.trim_end().chars().enumerate() {
        match c {
            _ if at == LIMIT => {
                out.push('…');
                break;
            }
            // The first group would act on a terminal; the second would reorder what a reader sees.
            c if c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                out.extend(c.escape_default());
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> Result<Vec<Packet>, PacketError> {
        let mut buffer = BytesMut::from(bytes);
        let mut packets = Vec::new();
        while let Some(packet) = decode(&mut buffer)? {
            packets.push(packet);
        }
        Ok(packets)
    }

    #[test]
    fn frames_of_every_kind_are_read() {
        assert_eq!(
            all(b"0006a\n0001000200040000").unwrap(),
            [
                Packet::Data("a\n".into()),
                Packet::Delimiter,
                Packet::ResponseEnd,
                Packet::Data("".into()),
                Packet::Flush
            ]
        );
    }

    #[test]
    fn a_page_of_html_is_shown_and_refused() {
        assert_eq!(all(b"<html>\x1b[31m"), Err(PacketError::Length("<html>\\u{1b}[31m".into())));
        assert!(all(b"0003").is_err() && all(b"fff1").is_err() && all(b"-001").is_err() && all(b"+0a1").is_err());
    }

    #[test]
    fn bands_are_split() {
        assert_eq!(demultiplex("\u{1}PACK".into()), Ok(Band::Pack("PACK".into())));
        assert_eq!(demultiplex("\u{2}x".into()), Ok(Band::Progress("x".into())));
        assert_eq!(demultiplex("\u{3}x".into()), Ok(Band::Error("x".into())));
        assert_eq!(demultiplex("".into()), Err(PacketError::Band(None)));
        assert_eq!(demultiplex("\u{4}".into()), Err(PacketError::Band(Some(4))));
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(printable(&[b'a'; 10_000]).chars().count(), 513);
        assert_eq!(printable("a\u{202e}b\r\n".as_bytes()), "a\\u{202e}b");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_however_it_is_cut(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8), cut in 1usize..50) {
            let mut wire = Vec::new();
            for payload in &payloads {
                write_data(&mut wire, payload);
            }
            write_flush(&mut wire);
            let mut buffer = BytesMut::new();
            let mut read = Vec::new();
            for piece in wire.chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Some(packet) = decode(&mut buffer).unwrap() {
                    read.push(packet);
                }
            }
            prop_assert_eq!(read.pop(), Some(Packet::Flush));
            let expected: Vec<_> = payloads.into_iter().map(|p| Packet::Data(p.into())).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = all(&bytes);
        }
    }
}
