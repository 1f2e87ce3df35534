//! The wire: where one request or one reply ends, and nothing else.
//!
//! Bytes come in, frame boundaries go out. No value is decoded and no tree is built: the data path copies the very bytes that it
//! received. What it refuses: the malformed input that Redis refuses, with Redis' own words ([`request::ProtocolError`]), and replies
//! that no Redis sends ([`reply::Malformed`]).

pub mod encode;
pub mod inline;
pub mod reply;
pub mod request;

/// The protocol version that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    Resp2,
    Resp3,
}

impl Version {
    /// The argument of `HELLO`.
    pub fn number(self) -> u8 {
        match self {
            Version::Resp2 => 2,
            Version::Resp3 => 3,
        }
    }
}

/// Reads a decimal as Redis' `string2ll` does: no sign but `-`, no leading zero, no blank.
pub fn parse_integer(digits: &[u8]) -> Option<i64> {
    let (negative, digits) = match digits {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    match negative {
        false => i64::try_from(value).ok(),
        true => 0i64.checked_sub_unsigned(value),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_integer;

    #[test]
    fn integers_are_read_as_strictly_as_redis_reads_them() {
        for (text, value) in
            [("0", Some(0)), ("17", Some(17)), ("-1", Some(-1)), ("-9223372036854775808", Some(i64::MIN))]
        {
            assert_eq!(parse_integer(text.as_bytes()), value, "{text}");
        }
        for text in ["", "-", "-0", "01", "+1", " 1", "1 ", "0x1", "9223372036854775808", "99999999999999999999"] {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text}");
        }
    }
}
