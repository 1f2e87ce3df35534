//! Requests: finds where each request of a client ends, resumable at any byte.
//!
//! Bytes from a client come in; whole requests go out as a length and the places of the first two arguments. The limits and the error
//! texts are those of Redis (`networking.c`): what Redis would refuse is refused with the same words, and what it tolerates (any two
//! bytes behind a bulk, empty lines, `*0`) is tolerated.

use super::inline::{self, Unbalanced};
use super::{encode, parse_integer};

/// The longest inline request and the longest length line.
const MAX_LINE: usize = 64 * 1024;
const MAX_ARGUMENTS: i64 = i32::MAX as i64;
/// What a client that has not authenticated may send.
const UNAUTHENTICATED_ARGUMENTS: i64 = 10;
const UNAUTHENTICATED_BULK: i64 = 16 * 1024;

/// What a client may send at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest argument, in bytes (Redis' `proto-max-bulk-len`).
    pub bulk: i64,
    pub client: Client,
}

/// Whether the client has proved who it is: strangers get the small limits of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Known,
    Stranger,
}

/// A place in the request, counted from its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub len: usize,
}

impl Span {
    pub fn of<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(self.start..self.start + self.len).unwrap_or_default()
    }
}

/// One whole multibulk request at the start of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    pub len: usize,
    pub arguments: usize,
    pub name: Span,
    /// The second argument, often a subcommand; empty if there is none.
    pub second: Span,
}

/// What the start of the input holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Request(Frame),
    /// An inline request: `len` bytes of input, and the same request as multibulk bytes.
    Inline {
        len: usize,
        multibulk: Vec<u8>,
    },
    /// Bytes that Redis skips without an answer: an empty line, `*0`.
    Nothing {
        len: usize,
    },
    Incomplete,
}

/// The client broke the protocol; it gets this line, and its connection is closed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("ERR Protocol error: too big mbulk count string")]
    CountLine,
    #[error("ERR Protocol error: too big bulk count string")]
    BulkLine,
    #[error("ERR Protocol error: invalid multibulk length")]
    Count,
    #[error("ERR Protocol error: unauthenticated multibulk length")]
    StrangerCount,
    #[error("ERR Protocol error: invalid bulk length")]
    Bulk,
    #[error("ERR Protocol error: unauthenticated bulk length")]
    StrangerBulk,
    #[error("ERR Protocol error: expected '$', got '{}'", char::from(*.0))]
    NotBulk(u8),
    #[error("ERR Protocol error: too big inline request")]
    InlineLine,
    #[error("ERR Protocol error: unbalanced quotes in request")]
    Quotes,
}

/// Remembers how much of an incomplete request was already understood, so that no byte is looked at twice.
#[derive(Debug, Default)]
pub struct Scanner {
    /// Bytes of the request that are understood.
    at: usize,
    arguments: usize,
    left: usize,
    name: Span,
    second: Span,
}

impl Scanner {
    /// Looks at `input`, which starts with the first byte of a request.
    ///
    /// After [`Step::Incomplete`] call again with the same bytes and more behind them; after any other step, with what follows it.
    pub fn step(&mut self, input: &[u8], limits: Limits) -> Result<Step, ProtocolError> {
        if self.at == 0 {
            match input.first() {
                None => return Ok(Step::Incomplete),
                Some(b'*') => {}
                Some(_) => return inline_request(input),
            }
            let Some((count, next)) = length_line(input, 1).map_err(|_| ProtocolError::CountLine)? else {
                return Ok(Step::Incomplete);
            };
            let count = count.filter(|count| *count <= MAX_ARGUMENTS).ok_or(ProtocolError::Count)?;
            if count <= 0 {
                return Ok(Step::Nothing { len: next });
            }
            if count > UNAUTHENTICATED_ARGUMENTS && limits.client == Client::Stranger {
                return Err(ProtocolError::StrangerCount);
            }
            *self = Scanner { at: next, arguments: count as usize, left: count as usize, ..Scanner::default() };
        }
        while self.left > 0 {
            if self.at >= input.len() {
                return Ok(Step::Incomplete);
            }
            let Some((len, start)) = length_line(input, self.at + 1).map_err(|_| ProtocolError::BulkLine)? else {
                return Ok(Step::Incomplete);
            };
            if input[self.at] != b'$' {
                return Err(ProtocolError::NotBulk(input[self.at]));
            }
            let len = len.filter(|len| (0..=limits.bulk).contains(len)).ok_or(ProtocolError::Bulk)?;
            if len > UNAUTHENTICATED_BULK && limits.client == Client::Stranger {
                return Err(ProtocolError::StrangerBulk);
            }
            let span = Span { start, len: len as usize };
            match self.arguments - self.left {
                0 => self.name = span,
                1 => self.second = span,
                _ => {}
            }
            if input.len() < start + span.len + 2 {
                return Ok(Step::Incomplete);
            }
            self.at = start + span.len + 2;
            self.left -= 1;
        }
        let frame = Frame { len: self.at, arguments: self.arguments, name: self.name, second: self.second };
        *self = Scanner::default();
        Ok(Step::Request(frame))
    }

    /// How long the incomplete request will be at least.
    pub fn expected(&self, input: &[u8]) -> usize {
        match (self.at, length_line(input, self.at + 1)) {
            (1.., Ok(Some((Some(len), start)))) => start + usize::try_from(len).unwrap_or(0) + 2,
            (at, _) => at,
        }
    }

    /// The place of the second argument of an incomplete request, once all of it is there.
    pub fn second(&self) -> Option<Span> {
        (self.at > 0 && self.left + 1 < self.arguments).then_some(self.second)
    }

    /// The place of the name of an incomplete request, once it is known.
    pub fn name(&self) -> Option<Span> {
        (self.at > 0 && self.left < self.arguments).then_some(self.name)
    }
}

/// A request that is too large to be kept: its rest is passed on as it comes, and only counted.
#[derive(Debug)]
pub struct Upload {
    /// Arguments that have not begun.
    left: usize,
    /// Bytes of the current argument, with its line end, that have not come.
    skip: usize,
    /// A length line that is not complete.
    line: Vec<u8>,
}

impl Upload {
    /// The number of bytes that were passed on when a request begins to be an upload is what the scanner has understood: feed from there.
    pub fn begin(scanner: Scanner) -> (Upload, usize) {
        (Upload { left: scanner.left, skip: 0, line: Vec::new() }, scanner.at)
    }

    pub fn is_complete(&self) -> bool {
        self.left == 0 && self.skip == 0
    }

    /// Counts bytes of the request; returns how many of `input` belong to it.
    ///
    /// # Errors
    /// The request turns out to be malformed.
    pub fn feed(&mut self, input: &[u8], limits: Limits) -> Result<usize, ProtocolError> {
        let mut at = 0;
        while !self.is_complete() && at < input.len() {
            if self.skip > 0 {
                let taken = self.skip.min(input.len() - at);
                self.skip -= taken;
                at += taken;
                continue;
            }
            let byte = input[at];
            at += 1;
            self.line.push(byte);
            if self.line[0] != b'$' {
                return Err(ProtocolError::NotBulk(self.line[0]));
            }
            if self.line.len() > MAX_LINE {
                return Err(ProtocolError::BulkLine);
            }
            if let [b'$', digits @ .., b'\r', _] = self.line.as_slice() {
                let len =
                    parse_integer(digits).filter(|len| (0..=limits.bulk).contains(len)).ok_or(ProtocolError::Bulk)?;
                self.skip = len as usize + 2;
                self.left -= 1;
                self.line.clear();
            }
        }
        Ok(at)
    }
}

/// The arguments of a whole multibulk frame, in order.
pub fn arguments(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = length_line(frame, 1).ok().flatten().map_or(frame.len(), |(_, next)| next);
    std::iter::from_fn(move || {
        let (len, start) = length_line(frame, at + 1).ok().flatten()?;
        let end = start.checked_add(usize::try_from(len?).ok()?)?;
        at = end + 2;
        frame.get(start..end)
    })
}

/// The line is longer than any length line may be.
struct TooLong;

/// Reads the digits from `start` up to the line end: the number (`None` if it is none) and the place behind the line.
/// `Ok(None)` means that the line is not complete.
#[inline]
fn length_line(input: &[u8], start: usize) -> Result<Option<(Option<i64>, usize)>, TooLong> {
    // Nearly every length has one or two digits: those are read without a call.
    match input.get(start..).and_then(|line| line.first_chunk::<4>()) {
        Some([digit @ b'0'..=b'9', b'\r', ..]) => Ok(Some((Some(i64::from(digit - b'0')), start + 3))),
        Some([tens @ b'1'..=b'9', digit @ b'0'..=b'9', b'\r', _]) => {
            Ok(Some((Some(i64::from(tens - b'0') * 10 + i64::from(digit - b'0')), start + 4)))
        }
        _ => any_length_line(input, start),
    }
}

fn any_length_line(input: &[u8], start: usize) -> Result<Option<(Option<i64>, usize)>, TooLong> {
    let line = input.get(start..).unwrap_or_default();
    match memchr::memchr(b'\r', line) {
        None if line.len() > MAX_LINE => Err(TooLong),
        None => Ok(None),
        Some(end) if start + end + 1 >= input.len() => Ok(None),
        Some(end) => Ok(Some((parse_integer(&line[..end]), start + end + 2))),
    }
}

fn inline_request(input: &[u8]) -> Result<Step, ProtocolError> {
    // For Redis the line is a C string: it ends at its first NUL, and what is behind that is never looked at.
    let newline = memchr::memchr2(b'\n', 0, input).filter(|at| input[*at] == b'\n');
    let Some(newline) = newline else {
        return if input.len() > MAX_LINE { Err(ProtocolError::InlineLine) } else { Ok(Step::Incomplete) };
    };
    let line = &input[..newline];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let arguments = inline::split(line).map_err(|Unbalanced| ProtocolError::Quotes)?;
    if arguments.is_empty() {
        return Ok(Step::Nothing { len: newline + 1 });
    }
    let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
    let mut multibulk = Vec::with_capacity(line.len() + 16 * arguments.len());
    encode::command(&mut multibulk, &arguments);
    Ok(Step::Inline { len: newline + 1, multibulk })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KNOWN: Limits = Limits { bulk: 512 * 1024 * 1024, client: Client::Known };
    const STRANGER: Limits = Limits { bulk: 512 * 1024 * 1024, client: Client::Stranger };

    fn first(input: &[u8]) -> Result<Step, ProtocolError> {
        Scanner::default().step(input, KNOWN)
    }

    #[test]
    fn a_request_ends_behind_its_last_argument() {
        let input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n";
        let Ok(Step::Request(frame)) = first(input) else { panic!("a request") };
        assert_eq!((frame.len, frame.arguments), (20, 2));
        assert_eq!((frame.name.of(input), frame.second.of(input)), (&b"GET"[..], &b"k"[..]));
    }

    #[test]
    fn empty_requests_are_skipped() {
        for (input, len) in [(&b"*0\r\nPING"[..], 4), (b"*-1\r\n", 5), (b"\r\n", 2), (b"  \n", 3)] {
            assert_eq!(first(input), Ok(Step::Nothing { len }));
        }
    }

    #[test]
    fn inline_requests_become_multibulk() {
        let Ok(Step::Inline { len, multibulk }) = first(b"set k \"a b\"\r\nrest") else { panic!("inline") };
        assert_eq!((len, &multibulk[..]), (13, &b"*3\r\n$3\r\nset\r\n$1\r\nk\r\n$3\r\na b\r\n"[..]));
    }

    #[test]
    fn broken_requests_get_the_words_of_redis() {
        for (input, text) in [
            (&b"*x\r\n"[..], "ERR Protocol error: invalid multibulk length"),
            (b"*3000000000\r\n", "ERR Protocol error: invalid multibulk length"),
            (b"*01\r\n", "ERR Protocol error: invalid multibulk length"),
            (b"*1\r\nfoo\r\n", "ERR Protocol error: expected '$', got 'f'"),
            (b"*1\r\n$-1\r\n", "ERR Protocol error: invalid bulk length"),
            (b"*1\r\n$abc\r\n", "ERR Protocol error: invalid bulk length"),
            (b"*1\r\n$600000000\r\n", "ERR Protocol error: invalid bulk length"),
            (b"set \"a\r\n", "ERR Protocol error: unbalanced quotes in request"),
        ] {
            assert_eq!(first(input).expect_err("refused").to_string(), text);
        }
        assert_eq!(first(&[b'a'; MAX_LINE + 1]), Err(ProtocolError::InlineLine));
        assert_eq!(first(&[&b"*"[..], &[b'1'; MAX_LINE + 2]].concat()), Err(ProtocolError::CountLine));
        assert_eq!(first(&[&b"*1\r\n$"[..], &[b'1'; MAX_LINE + 2]].concat()), Err(ProtocolError::BulkLine));
    }

    #[test]
    fn strangers_get_small_limits() {
        let step = |input| Scanner::default().step(input, STRANGER);
        assert_eq!(step(b"*11\r\n"), Err(ProtocolError::StrangerCount));
        assert_eq!(step(b"*1\r\n$16385\r\n"), Err(ProtocolError::StrangerBulk));
        assert_eq!(step(b"*10\r\n"), Ok(Step::Incomplete));
    }

    #[test]
    fn a_large_request_announces_itself_and_ends_where_it_ends() {
        let mut input = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n".to_vec();
        let mut scanner = Scanner::default();
        assert_eq!(scanner.step(&input, KNOWN), Ok(Step::Incomplete));
        assert!(scanner.expected(&input) > 1_000_000);
        assert_eq!(scanner.name().map(|name| name.of(&input)), Some(&b"SET"[..]));
        input.resize(input.len() + 1_000_000, b'x');
        input.extend_from_slice(b"\r\n*1\r\n$4\r\nPING\r\n");
        let (mut upload, mut at) = Upload::begin(scanner);
        for piece in input.clone()[at..].chunks(777) {
            at += upload.feed(piece, KNOWN).expect("well formed");
            if upload.is_complete() {
                break;
            }
        }
        assert_eq!(&input[at..], b"*1\r\n$4\r\nPING\r\n");
    }

    #[test]
    fn arguments_are_found_again() {
        let frame = b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\na\r\n\r\n";
        assert_eq!(arguments(frame).collect::<Vec<_>>(), [&b"SET"[..], b"", b"a\r\n"]);
    }

    fn stream(requests: &[Vec<Vec<u8>>]) -> Vec<u8> {
        let mut out = Vec::new();
        for request in requests {
            encode::command(&mut out, &request.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
        out
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_frames(
            requests in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6), 1..8),
            cuts in prop::collection::vec(1usize..50, 1..60),
        ) {
            let input = stream(&requests);
            let (mut scanner, mut start, mut end, mut seen) = (Scanner::default(), 0, 0, Vec::new());
            let mut cuts = cuts.into_iter().cycle();
            while start < input.len() {
                match scanner.step(&input[start..end], KNOWN).expect("well formed") {
                    Step::Request(frame) => {
                        let bytes = &input[start..start + frame.len];
                        seen.push(arguments(bytes).map(<[u8]>::to_vec).collect::<Vec<_>>());
                        prop_assert_eq!(frame.name.of(bytes), &seen.last().expect("pushed")[0][..]);
                        start += frame.len;
                    }
                    Step::Incomplete => {
                        prop_assert!(end < input.len());
                        end = (end + cuts.next().expect("endless")).min(input.len());
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            prop_assert_eq!(seen, requests);
        }

        #[test]
        fn arbitrary_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..300)) {
            let (mut scanner, mut start) = (Scanner::default(), 0);
            while let Ok(Step::Request(Frame { len, .. }) | Step::Nothing { len } | Step::Inline { len, .. }) = scanner.step(&input[start..], KNOWN) {
                prop_assert!(len > 0);
                start += len;
            }
        }
    }
}
