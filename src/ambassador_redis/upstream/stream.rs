//! What a server sends to a client that listens: passed on as it is, but for what a monitor is shown of the ambassador itself.
//!
//! Bytes of the server come in; the same bytes go out, with where they stand. The ambassador's own commands are spelled in a way in which
//! nobody else writes them ([`own`]): the server does not care, and a line of `MONITOR` that shows one is left out.

use crate::ambassador_redis::resp::reply::{Scanner, Step};
use crate::ambassador_redis::session::Position;

/// The names of the commands that the ambassador sends on its own account.
pub mod own {
    pub const AUTH: &[u8] = b"aUTH";
    pub const CLIENT: &[u8] = b"cLIENT";
    pub const HELLO: &[u8] = b"hELLO";
    pub const INFO: &[u8] = b"iNFO";
    pub const PING: &[u8] = b"pING";
    pub const ROLE: &[u8] = b"rOLE";
    pub const SELECT: &[u8] = b"sELECT";
}

/// No line of our own is longer.
const LONGEST: usize = 512;

/// Where a stream stands.
#[derive(Debug, Default)]
pub struct Stream {
    /// It is no RESP from some byte on (a copy of the data for a replica).
    opaque: bool,
}

impl Stream {
    /// Passes bytes on; returns how many it has used. The rest is the beginning of a line that must be seen whole.
    pub fn pass(&mut self, scanner: &mut Scanner, data: &[u8], mut to: impl FnMut(&[u8], Position)) -> usize {
        let (mut from, mut at) = (0, 0);
        while at < data.len() && !self.opaque {
            if data[at] == b'+' && scanner.is_between() {
                match memchr::memchr(b'\n', &data[at..]) {
                    None if data.len() - at < LONGEST => break,
                    Some(end) if is_own(&data[at..at + end]) => {
                        hand_over(&data[from..at], Position::Between, &mut to);
                        at += end + 1;
                        from = at;
                        continue;
                    }
                    _ => {}
                }
            }
            match scanner.step(&data[at..]) {
                Ok(Step::Reply { len, .. } | Step::Push { len }) => at += len,
                Ok(Step::Partial) => {
                    hand_over(&data[from..], Position::Within, &mut to);
                    return data.len();
                }
                Err(_) => self.opaque = true,
            }
        }
        if self.opaque {
            hand_over(&data[from..], Position::Within, &mut to);
            return data.len();
        }
        hand_over(&data[from..at], Position::Between, &mut to);
        at
    }
}

fn hand_over(bytes: &[u8], position: Position, to: &mut impl FnMut(&[u8], Position)) {
    if !bytes.is_empty() {
        to(bytes, position);
    }
}

/// Whether a line is what `MONITOR` shows of a command of ours: `+1339518083.107412 [0 127.0.0.1:60866] "rOLE"`.
fn is_own(line: &[u8]) -> bool {
    let Some(at) = memchr::memmem::find(line, b"] \"") else { return false };
    let head = &line[1..at];
    let Some(end) = memchr::memchr(b'"', &line[at + 3..]) else { return false };
    head.first().is_some_and(u8::is_ascii_digit)
        && memchr::memmem::find(head, b" [").is_some()
        && matches!(&line[at + 3..at + 3 + end], [first, rest @ ..] if first.is_ascii_lowercase() && !rest.is_empty() && rest.iter().all(u8::is_ascii_uppercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(pieces: &[&[u8]]) -> (String, Option<Position>) {
        let (mut stream, mut scanner) = (Stream::default(), Scanner::default());
        let (mut out, mut stands, mut carry) = (Vec::new(), None, Vec::new());
        for piece in pieces {
            carry.extend_from_slice(piece);
            let used = stream.pass(&mut scanner, &carry, |bytes, position| {
                out.extend_from_slice(bytes);
                stands = Some(position);
            });
            carry.drain(..used);
        }
        (String::from_utf8(out).expect("text"), stands)
    }

    #[test]
    fn a_monitor_is_not_shown_what_the_ambassador_asks() {
        let shown = "+OK\r\n+1.5 [0 127.0.0.1:1] \"rOLE\"\r\n+1.6 [9 unix:/s] \"set\" \"] \\\"rOLE\\\"\" \"v\"\r\n+1.7 [0 [::1]:2] \"hELLO\" \"2\"\r\n\
                     +1.8 [0 lua] \"ROLE\"\r\n";
        let expected = "+OK\r\n+1.6 [9 unix:/s] \"set\" \"] \\\"rOLE\\\"\" \"v\"\r\n+1.8 [0 lua] \"ROLE\"\r\n";
        assert_eq!(passed(&[shown.as_bytes()]).0, expected);
        let bytes: Vec<&[u8]> = shown.as_bytes().chunks(1).collect();
        assert_eq!(passed(&bytes), (expected.to_owned(), Some(Position::Between)));
    }

    #[test]
    fn anything_else_passes_at_once_with_where_it_stands() {
        assert_eq!(passed(&[b"$5\r\nhel"]), ("$5\r\nhel".to_owned(), Some(Position::Within)));
        let long = format!("+1.0 [0 1.1.1.1:1] \"set\" \"{}", "x".repeat(LONGEST));
        assert_eq!(passed(&[long.as_bytes()]), (long.clone(), Some(Position::Within)));
        assert_eq!(passed(&[b"no resp", b"+1.0 [0 a] \"rOLE\"\r\n"]).0, "no resp+1.0 [0 a] \"rOLE\"\r\n");
    }
}
