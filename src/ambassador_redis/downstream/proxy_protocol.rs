//! The PROXY protocol, versions 1 and 2: a proxy in front of us tells whose connection it passes on.
//!
//! Bytes come in; how many belong to the header and whom it names come out. No I/O. Refused: whatever is no whole, well-formed header;
//! a header is at most 107 bytes (version 1) or 16 bytes and an announced length of at most 4096 (version 2). Additions (TLV) are
//! skipped. `LOCAL` (a health check of the proxy itself) and unknown families leave the connection's own address in force.
//!
//! Source: <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V1_LONGEST: usize = 107;
const V2_HEAD: usize = 16;
/// More than any proxy adds.
const V2_LONGEST: usize = 4096;

/// Whom a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Client(SocketAddr),
    /// The proxy speaks for itself.
    Local,
    /// It does not say whom it speaks for.
    Unknown,
}

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// More is needed, at most so many bytes: none of them can belong to what comes behind the header.
    Incomplete { at_most: usize },
    /// The whole header, which ends where the bytes end.
    Header(Source),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("it does not begin with a PROXY header")]
    Missing,
    #[error("its PROXY header is malformed ({0})")]
    Malformed(&'static str),
}

/// Looks at what has been read. Never reads beyond the header if it is given at most what it asked for.
///
/// # Errors
/// The sender's fault; the connection must end.
pub fn step(bytes: &[u8]) -> Result<Step, HeaderError> {
    // The shortest header of all is longer than the signature.
    if bytes.is_empty() {
        return Ok(Step::Incomplete { at_most: SIGNATURE.len() });
    }
    let start = bytes.len().min(SIGNATURE.len());
    if bytes[..start] == SIGNATURE[..start] {
        return version_2(bytes);
    }
    let start = bytes.len().min(6);
    if bytes[..start] == b"PROXY "[..start] {
        return version_1(bytes);
    }
    Err(HeaderError::Missing)
}

fn version_1(bytes: &[u8]) -> Result<Step, HeaderError> {
    let bad = HeaderError::Malformed;
    if !bytes.contains(&b'\n') {
        if bytes.len() >= V1_LONGEST {
            return Err(bad("it has no end"));
        }
        let shortest = match bytes {
            [b'P', b'R', b'O', b'X', b'Y', b' ', b'T', b'C', b'P', b'4', ..] => "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
            [b'P', b'R', b'O', b'X', b'Y', b' ', b'T', b'C', b'P', b'6', ..] => "PROXY TCP6 :: :: 1 1\r\n",
            _ => "PROXY UNKNOWN\r\n",
        };
        return Ok(Step::Incomplete { at_most: shortest.len().saturating_sub(bytes.len()).max(1) });
    }
    let line = bytes.strip_suffix(b"\r\n").ok_or(bad("it does not end with CR LF"))?;
    let line = std::str::from_utf8(line).map_err(|_| bad("it is no text"))?;
    let mut words = line.split(' ').skip(1);
    let v4 = match words.next() {
        Some("UNKNOWN") => return Ok(Step::Header(Source::Unknown)),
        Some("TCP4") => true,
        Some("TCP6") => false,
        _ => return Err(bad("its protocol is none of TCP4, TCP6, UNKNOWN")),
    };
    let mut address = || -> Option<IpAddr> { words.next()?.parse().ok().filter(|ip: &IpAddr| ip.is_ipv4() == v4) };
    let (source, _) = address().zip(address()).ok_or(bad("it has no two addresses of its family"))?;
    let mut port = || -> Option<u16> {
        let word = words.next()?;
        (word.len() <= 5 && word.bytes().all(|byte| byte.is_ascii_digit())).then(|| word.parse().ok())?
    };
    let (port, _) = port().zip(port()).ok_or(bad("it has no two ports"))?;
    match words.next() {
        None => Ok(Step::Header(Source::Client(SocketAddr::new(source, port)))),
        Some(_) => Err(bad("something stands behind its ports")),
    }
}

fn version_2(bytes: &[u8]) -> Result<Step, HeaderError> {
    let bad = HeaderError::Malformed;
    let Some(head) = bytes.first_chunk::<V2_HEAD>() else {
        return Ok(Step::Incomplete { at_most: V2_HEAD - bytes.len() });
    };
    let [.., version_and_command, family, high, low] = *head;
    if version_and_command >> 4 != 2 {
        return Err(bad("its version is not 2"));
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > V2_LONGEST {
        return Err(bad("it is too long"));
    }
    let body = &bytes[V2_HEAD..];
    if body.len() < length {
        return Ok(Step::Incomplete { at_most: length - body.len() });
    }
    let address = match (version_and_command & 0xf, family) {
        (0, _) => return Ok(Step::Header(Source::Local)),
        (1, 0x11) => {
            let body: &[u8; 12] = body.first_chunk().ok_or(bad("it is too short for its addresses"))?;
            let ip = Ipv4Addr::new(body[0], body[1], body[2], body[3]);
            SocketAddr::new(ip.into(), u16::from_be_bytes([body[8], body[9]]))
        }
        (1, 0x21) => {
            let body: &[u8; 36] = body.first_chunk().ok_or(bad("it is too short for its addresses"))?;
            let mut ip = [0; 16];
            ip.copy_from_slice(&body[..16]);
            SocketAddr::new(Ipv6Addr::from(ip).into(), u16::from_be_bytes([body[32], body[33]]))
        }
        // Datagrams, unix sockets, whatever else: the proxy speaks for somebody whom we cannot name.
        (1, _) => return Ok(Step::Header(Source::Unknown)),
        _ => return Err(bad("its command is neither LOCAL nor PROXY")),
    };
    Ok(Step::Header(Source::Client(address)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads as the arrival does: never more than was asked for. The source, and what is left.
    fn read(bytes: &[u8]) -> Result<(Source, &[u8]), HeaderError> {
        let mut at = 0;
        loop {
            match step(&bytes[..at])? {
                Step::Header(source) => return Ok((source, &bytes[at..])),
                Step::Incomplete { at_most } if at + at_most <= bytes.len() => at += at_most,
                Step::Incomplete { .. } => return Err(HeaderError::Malformed("cut")),
            }
        }
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).expect("short").to_be_bytes();
        [SIGNATURE.as_slice(), &[0x20 | command, family], &length, body].concat()
    }

    fn client(text: &str) -> Source {
        Source::Client(text.parse().expect("an address"))
    }

    #[test]
    fn a_text_header_names_the_client_and_takes_nothing_that_is_behind_it() {
        for (header, source) in [
            ("PROXY TCP4 192.0.2.7 10.0.0.1 56324 6379\r\n", client("192.0.2.7:56324")),
            ("PROXY TCP6 2001:db8::1 ::1 4 5\r\n", client("[2001:db8::1]:4")),
            ("PROXY UNKNOWN\r\n", Source::Unknown),
            ("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", Source::Unknown),
        ] {
            let bytes = format!("{header}PING\r\n");
            assert_eq!(read(bytes.as_bytes()), Ok((source, b"PING\r\n".as_slice())), "{header}");
        }
    }

    #[test]
    fn a_binary_header_names_the_client_and_its_additions_are_skipped() {
        let v4 = [&[192, 0, 2, 7, 10, 0, 0, 1, 0, 80, 1, 2][..], b"\x04\x00\x03abc"].concat();
        let header = [v2(1, 0x11, &v4), b"rest".to_vec()].concat();
        assert_eq!(read(&header), Ok((client("192.0.2.7:80"), b"rest".as_slice())));
        let mut v6 = [0; 36];
        (v6[15], v6[33]) = (1, 7);
        assert_eq!(read(&v2(1, 0x21, &v6)), Ok((client("[::1]:7"), b"".as_slice())));
        assert_eq!(read(&v2(0, 0, b"")), Ok((Source::Local, b"".as_slice())));
        assert_eq!(read(&v2(1, 0x31, &[0; 216])), Ok((Source::Unknown, b"".as_slice())));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(200));
        for bytes in [
            b"*1\r\n$4\r\nPING\r\n".as_slice(),
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
            b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
            long.as_bytes(),
            &v2(2, 0x11, &[0; 12]),
            &v2(1, 0x11, &[0; 11]),
            &v2(1, 0x21, &[0; 12]),
            &v2(0, 0, &[0; 5000]),
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c............",
        ] {
            assert!(read(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_ask_for_more_for_ever(bytes in prop::collection::vec(any::<u8>(), 0..300), second in any::<bool>()) {
            let start: &[u8] = if second { SIGNATURE } else { b"PROXY " };
            let bytes = [start, bytes.as_slice()].concat();
            let _ = read(&bytes);
        }
    }
}
