//! Replies: finds where each reply of a Redis ends, resumable at any byte, RESP2 and RESP3.
//!
//! Bytes of an upstream come in; the end of each top-level reply goes out, with its first byte. Nested values only change how many
//! values are awaited: no recursion, no tree, constant memory. Out-of-band pushes (`>`) are told from replies; an attribute (`|`)
//! belongs to the value behind it. Refused: bytes that no Redis sends, and counts beyond what any memory holds.

/// The values that one reply may await, and the bytes of one bulk: far above what fits into memory.
const MAX_AWAITED: u64 = 1 << 40;

/// What the scanned bytes hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A reply ends `len` bytes from the start of the input; `kind` is its first byte.
    Reply { len: usize, kind: u8 },
    /// An out-of-band push ends here: the answer to no request.
    Push { len: usize },
    /// The whole input belongs to a value that goes on.
    Partial,
}

/// These bytes are not RESP: the connection cannot be trusted any more.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {found:#04x} where {expected} should be")]
pub struct Malformed {
    expected: &'static str,
    found: u8,
}

/// The state of the value that is being read.
#[derive(Debug, Default)]
pub struct Scanner {
    phase: Phase,
    /// Values awaited until the top-level value is complete; zero between two of them.
    awaited: u64,
    /// First byte of the top-level value, once it is known.
    kind: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Type,
    /// In a line whose text does not matter.
    Line,
    /// In the digits of a length.
    Length(Length),
    /// In a bulk: bytes left, with its line end.
    Bulk(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Length {
    kind: u8,
    value: u64,
    digits: u8,
    negative: bool,
}

impl Scanner {
    /// Scans `input` up to the end of the first top-level value. Call again with what follows.
    #[inline]
    pub fn step(&mut self, input: &[u8]) -> Result<Step, Malformed> {
        let mut at = 0;
        while at < input.len() {
            match self.phase {
                Phase::Type => match whole_bulk(&input[at..]) {
                    Some(len) => {
                        self.begin(b'$');
                        at += len;
                        self.complete();
                    }
                    None => {
                        self.open(input[at])?;
                        at += 1;
                    }
                },
                Phase::Line => match memchr::memchr(b'\n', &input[at..]) {
                    None => return Ok(Step::Partial),
                    Some(end) => {
                        at += end + 1;
                        self.complete();
                    }
                },
                Phase::Length(mut length) => {
                    while at < input.len() {
                        let byte = input[at];
                        at += 1;
                        if byte == b'\n' {
                            self.counted(length)?;
                            break;
                        }
                        length.push(byte)?;
                    }
                    if self.phase_is_length() {
                        self.phase = Phase::Length(length);
                    }
                }
                Phase::Bulk(left) => {
                    let have = (input.len() - at) as u64;
                    if have < left {
                        self.phase = Phase::Bulk(left - have);
                        return Ok(Step::Partial);
                    }
                    at += left as usize;
                    self.complete();
                }
            }
            if self.awaited == 0 {
                let kind = std::mem::take(&mut self.kind);
                return Ok(if kind == b'>' { Step::Push { len: at } } else { Step::Reply { len: at, kind } });
            }
        }
        Ok(Step::Partial)
    }

    /// Whether the scanner stands between two top-level values.
    pub fn is_between(&self) -> bool {
        self.awaited == 0
    }

    fn phase_is_length(&self) -> bool {
        matches!(self.phase, Phase::Length(_))
    }

    /// Reads the type byte of a value.
    #[inline]
    fn open(&mut self, kind: u8) -> Result<(), Malformed> {
        self.begin(kind);
        self.phase = match kind {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => Phase::Line,
            b'$' | b'=' | b'!' | b'*' | b'~' | b'>' | b'%' | b'|' => {
                Phase::Length(Length { kind, value: 0, digits: 0, negative: false })
            }
            found => return Err(Malformed { expected: "a type", found }),
        };
        Ok(())
    }

    #[inline]
    fn begin(&mut self, kind: u8) {
        self.awaited = self.awaited.max(1);
        if self.awaited == 1 && self.kind == 0 && kind != b'|' {
            self.kind = kind;
        }
    }

    /// Acts on a whole length line.
    #[inline]
    fn counted(&mut self, length: Length) -> Result<(), Malformed> {
        let Length { kind, value, digits, negative } = length;
        let malformed = Malformed { expected: "a length", found: kind };
        if digits == 0 || value > MAX_AWAITED || (negative && !(value == 1 && matches!(kind, b'$' | b'*'))) {
            return Err(malformed);
        }
        match kind {
            _ if negative => self.complete(),
            b'$' | b'=' | b'!' => self.phase = Phase::Bulk(value + 2),
            _ => {
                self.phase = Phase::Type;
                self.awaited += if matches!(kind, b'%' | b'|') { value * 2 } else { value };
                // An attribute is not the value: that one is still awaited.
                self.awaited -= u64::from(kind != b'|');
                if self.awaited > MAX_AWAITED {
                    return Err(malformed);
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn complete(&mut self) {
        self.phase = Phase::Type;
        self.awaited -= 1;
    }
}

/// The length of the bulk at the start of the input, if it is null or small and all of it is there: most values are.
#[inline]
fn whole_bulk(input: &[u8]) -> Option<usize> {
    let (b'$', rest) = input.split_first()? else { return None };
    if rest.starts_with(b"-1\r\n") {
        return Some(1 + 4);
    }
    let mut len = 0;
    for (digits, byte) in rest.iter().take(5).enumerate() {
        match byte {
            b'0'..=b'9' => len = len * 10 + usize::from(byte - b'0'),
            b'\r' if digits > 0 && rest.get(digits + 1) == Some(&b'\n') => {
                let end = 1 + digits + 2 + len + 2;
                return (end <= input.len()).then_some(end);
            }
            _ => return None,
        }
    }
    None
}

impl Length {
    #[inline]
    fn push(&mut self, byte: u8) -> Result<(), Malformed> {
        match byte {
            b'0'..=b'9' if self.digits < 14 => {
                self.value = self.value * 10 + u64::from(byte - b'0');
                self.digits += 1;
            }
            b'-' if self.digits == 0 && !self.negative => self.negative = true,
            b'\r' => {}
            found => return Err(Malformed { expected: "a length", found }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(input: &[u8]) -> Vec<Step> {
        let (mut scanner, mut at, mut seen) = (Scanner::default(), 0, Vec::new());
        while at < input.len() {
            match scanner.step(&input[at..]).expect("well formed") {
                step @ (Step::Reply { len, .. } | Step::Push { len }) => {
                    seen.push(step);
                    at += len;
                }
                Step::Partial => break,
            }
        }
        assert!(scanner.is_between(), "complete");
        seen
    }

    #[test]
    fn each_type_of_reply_ends_where_it_ends() {
        for reply in [
            "+OK\r\n",
            "-ERR no\r\n",
            ":17\r\n",
            "$3\r\na\nb\r\n",
            "$-1\r\n",
            "$0\r\n\r\n",
            "*-1\r\n",
            "*0\r\n",
            "*2\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n",
            "_\r\n",
            "#t\r\n",
            ",1.5\r\n",
            "(123\r\n",
            "!5\r\nERR x\r\n",
            "=7\r\ntxt:abc\r\n",
            "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n",
            "~2\r\n:1\r\n:2\r\n",
        ] {
            let kind = reply.as_bytes()[0];
            assert_eq!(kinds(reply.as_bytes()), [Step::Reply { len: reply.len(), kind }], "{reply:?}");
        }
    }

    #[test]
    fn a_push_is_not_a_reply() {
        let push = ">3\r\n+message\r\n+ch\r\n$2\r\nhi\r\n";
        assert_eq!(
            kinds(format!("{push}+OK\r\n").as_bytes()),
            [Step::Push { len: push.len() }, Step::Reply { len: 5, kind: b'+' }]
        );
    }

    #[test]
    fn an_attribute_belongs_to_the_value_behind_it() {
        let reply = "|1\r\n+ttl\r\n:3600\r\n*2\r\n:1\r\n|1\r\n+a\r\n*1\r\n:2\r\n:2\r\n";
        assert_eq!(kinds(reply.as_bytes()), [Step::Reply { len: reply.len(), kind: b'*' }]);
    }

    #[test]
    fn what_no_redis_sends_is_refused() {
        for bytes in ["HTTP/1.1 400\r\n", "$x\r\n", "$?\r\n", "$-2\r\n", "*99999999999999999\r\n", "$\r\n", "%-1\r\n"] {
            assert!(Scanner::default().step(bytes.as_bytes()).is_err(), "{bytes}");
        }
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            "[a-z ]{0,12}".prop_map(|text| format!("+{text}\r\n").into_bytes()),
            any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
            prop::collection::vec(any::<u8>(), 0..30).prop_map(|bytes| [
                format!("${}\r\n", bytes.len()).as_bytes(),
                &bytes,
                b"\r\n"
            ]
            .concat()),
            Just(b"$-1\r\n".to_vec()),
            Just(b"_\r\n".to_vec()),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            let aggregate = |kind: char, width: usize| {
                move |items: Vec<Vec<u8>>| {
                    let items = &items[..items.len() / width * width];
                    [format!("{kind}{}\r\n", items.len() / width).into_bytes(), items.concat()].concat()
                }
            };
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(aggregate('*', 1)),
                prop::collection::vec(inner.clone(), 0..6).prop_map(aggregate('%', 2)),
                prop::collection::vec(inner, 0..5).prop_map(aggregate('~', 1)),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_replies(
            values in prop::collection::vec(value(), 1..10),
            cuts in prop::collection::vec(1usize..20, 1..60),
        ) {
            let stream = values.concat();
            let (mut scanner, mut at, mut piece, mut ends) = (Scanner::default(), 0, 0, Vec::new());
            let mut cuts = cuts.into_iter().cycle();
            while at < stream.len() {
                piece = piece.max(at + 1).max((piece + cuts.next().expect("endless")).min(stream.len())).min(stream.len());
                while at < piece {
                    match scanner.step(&stream[at..piece]).expect("well formed") {
                        Step::Reply { len, .. } | Step::Push { len } => { at += len; ends.push(at); }
                        Step::Partial => at = piece,
                    }
                }
            }
            let expected: Vec<usize> = values.iter().scan(0, |sum, value| { *sum += value.len(); Some(*sum) }).collect();
            prop_assert_eq!(ends, expected);
        }

        #[test]
        fn arbitrary_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..200)) {
            let (mut scanner, mut at) = (Scanner::default(), 0);
            while at < input.len() {
                match scanner.step(&input[at..]) {
                    Ok(Step::Reply { len, .. } | Step::Push { len }) => at += len,
                    Ok(Step::Partial) | Err(_) => break,
                }
            }
        }
    }
}
