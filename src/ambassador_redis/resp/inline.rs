//! Inline commands: one line of text, split into arguments as Redis' `sdssplitargs` splits it.
//!
//! A line comes in, its arguments go out; quotes that do not balance are refused.

/// The quotes of the line do not balance, or a closing quote is followed by something else than a blank.
#[derive(Debug, PartialEq, Eq)]
pub struct Unbalanced;

/// Splits `line` (without its newline) into arguments.
///
/// Double quotes understand `\n \r \t \b \a \xHH` and take any other escaped byte as it is; single quotes understand `\'` only.
pub fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
    let mut arguments = Vec::new();
    let mut rest = line;
    loop {
        let start = rest.iter().position(|byte| !is_blank(*byte)).unwrap_or(rest.len());
        rest = &rest[start..];
        // A C string ends at its first NUL, and so does the line for Redis.
        if matches!(rest, [] | [0, ..]) {
            return Ok(arguments);
        }
        let mut argument = Vec::new();
        rest = take_argument(rest, &mut argument)?;
        arguments.push(argument);
    }
}

fn take_argument<'a>(mut rest: &'a [u8], argument: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        match rest {
            [] | [0, ..] => return Ok(&[]),
            [byte, tail @ ..] if is_blank(*byte) => return Ok(tail),
            [b'"', tail @ ..] => return closing(take_double_quoted(tail, argument)?),
            [b'\'', tail @ ..] => return closing(take_single_quoted(tail, argument)?),
            [byte, tail @ ..] => {
                argument.push(*byte);
                rest = tail;
            }
        }
    }
}

fn take_double_quoted<'a>(mut rest: &'a [u8], argument: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        match rest {
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                argument.push(hex(*high) << 4 | hex(*low));
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] => {
                argument.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                rest = tail;
            }
            [b'"', tail @ ..] => return Ok(tail),
            [] | [0, ..] => return Err(Unbalanced),
            [byte, tail @ ..] => {
                argument.push(*byte);
                rest = tail;
            }
        }
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], argument: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        match rest {
            [b'\\', b'\'', tail @ ..] => {
                argument.push(b'\'');
                rest = tail;
            }
            [b'\'', tail @ ..] => return Ok(tail),
            [] | [0, ..] => return Err(Unbalanced),
            [byte, tail @ ..] => {
                argument.push(*byte);
                rest = tail;
            }
        }
    }
}

/// After a closing quote only a blank or the end may follow.
fn closing(rest: &[u8]) -> Result<&[u8], Unbalanced> {
    match rest {
        [] | [0, ..] => Ok(rest),
        [byte, ..] if is_blank(*byte) => Ok(rest),
        _ => Err(Unbalanced),
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::{Unbalanced, split};

    fn arguments(line: &str) -> Vec<Vec<u8>> {
        split(line.as_bytes()).expect("balanced")
    }

    #[test]
    fn words_are_separated_by_blanks() {
        assert_eq!(arguments("  set\tkey  value "), [b"set".to_vec(), b"key".to_vec(), b"value".to_vec()]);
        assert_eq!(arguments("   "), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn double_quotes_understand_escapes() {
        assert_eq!(arguments(r#"set "a b" "\x41\n\q""#), [b"set".to_vec(), b"a b".to_vec(), b"A\nq".to_vec()]);
        assert_eq!(arguments(r#"echo """#), [b"echo".to_vec(), b"".to_vec()]);
    }

    #[test]
    fn single_quotes_take_everything_but_an_escaped_quote() {
        assert_eq!(arguments(r"echo 'it\'s \n'"), [b"echo".to_vec(), b"it's \\n".to_vec()]);
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        for line in [r#"set "a"#, "set 'a", r#"set "a"b"#, "set 'a'b"] {
            assert_eq!(split(line.as_bytes()), Err(Unbalanced), "{line}");
        }
    }
}
