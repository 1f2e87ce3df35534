//! A sample's value: bytes in, a number out, by the grammar of Go's `strconv.ParseFloat`.
//!
//! StatsD clients and the tools that they were tested against speak Go's grammar: `1e3`, `.5`, `5.`, `Inf`, `NaN`, hexadecimal
//! floats with an exponent, and an underscore between digits. Refused: what is out of range (`1e400`), a sign before
//! `NaN`, an underscore anywhere else, and spaces.

/// The powers of ten that a double holds exactly: a mantissa below 2^53 over one of them is rounded once, so rightly.
const EXACT_POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Reads a number, or nothing when the text is none.
#[inline]
pub fn parse(text: &[u8]) -> Option<f64> {
    plain_decimal(text).or_else(|| general(text))
}

/// The one path that matters for speed: an optional sign and at most 15 digits with at most one point among them.
#[inline]
fn plain_decimal(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let mut mantissa = 0u64;
    let mut point = None;
    for (at, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let fraction = point.map_or(0, |at| digits.len() - at - 1);
    let count = digits.len() - usize::from(point.is_some());
    if count == 0 || count > 15 {
        return None;
    }
    let value = mantissa as f64 / EXACT_POWERS[fraction];
    Some(if negative { -value } else { value })
}

fn general(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.eq_ignore_ascii_case("nan") {
        return (unsigned.len() == text.len()).then_some(f64::NAN);
    }
    if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !underscores_separate_digits(unsigned) {
        return None;
    }
    let joined: String = text.chars().filter(|c| *c != '_').collect();
    let unsigned = joined.strip_prefix(['+', '-']).unwrap_or(&joined);
    let value = match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        Some(digits) => hexadecimal(digits)?,
        None => unsigned.parse::<f64>().ok()?,
    };
    if value.is_infinite() {
        return None;
    }
    Some(if text.starts_with('-') { -value } else { value })
}

/// Whether every underscore stands between two digits (a base prefix counts as one).
fn underscores_separate_digits(unsigned: &str) -> bool {
    let lower = unsigned.to_ascii_lowercase();
    let (hex, prefixed, body) = match lower.strip_prefix("0x") {
        Some(rest) => (true, true, rest),
        None => (false, false, lower.as_str()),
    };
    let is_digit = |byte: u8| byte.is_ascii_digit() || (hex && matches!(byte, b'a'..=b'f'));
    let bytes = body.as_bytes();
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_').all(|(at, _)| {
        let before = if at == 0 { prefixed } else { is_digit(bytes[at - 1]) };
        before && bytes.get(at + 1).is_some_and(|byte| is_digit(*byte))
    })
}

/// Hexadecimal digits with a point, and the exponent that Go insists on (`1.8p3`).
fn hexadecimal(digits: &str) -> Option<f64> {
    let (mantissa, exponent) = digits.split_once(['p', 'P'])?;
    let exponent: i32 = parse_exponent(exponent)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let shift = exponent.saturating_sub(4 * i32::try_from(fraction.len()).ok()?);
    let shift = shift.clamp(-2200, 2200);
    // In two steps, since the smallest numbers there are lie below the smallest power that is not rounded to nought.
    Some(value * 2f64.powi(shift / 2) * 2f64.powi(shift - shift / 2))
}

fn parse_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i32>().unwrap_or(i32::MAX / 2);
    Some(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn go_float_literals_are_read() {
        let cases: &[(&str, f64)] = &[
            ("0", 0.0),
            ("1", 1.0),
            ("-5", -5.0),
            ("+3.25", 3.25),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1E-3", 0.001),
            ("1_0", 10.0),
            ("0x1p4", 16.0),
            ("0x1p-1074", 5e-324),
            ("0x1.8p1", 3.0),
            ("0x_1p0", 1.0),
            ("Inf", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
            ("123456789012345678901234567890", 1.2345678901234568e29),
            ("0.1", 0.1),
            ("1e-400", 0.0),
        ];
        for (text, value) in cases {
            assert_eq!(parse(text.as_bytes()), Some(*value), "{text}");
        }
        assert!(parse(b"NaN").unwrap().is_nan());
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "", "-", "+", ".", "1e", "1e400", "+nan", "-NaN", "_1", "1_", "1__0", "1_.5", " 1", "1 ", "0x1", "0x",
            "1p3", "abc", "1,5", "--1", "infinit", "0b1",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_parser_on_plain_numbers(value in proptest::num::f64::NORMAL) {
            let text = format!("{value}");
            prop_assert_eq!(parse(text.as_bytes()), Some(value));
        }

        #[test]
        fn short_decimals_are_rounded_rightly(text in "[+-]?[0-9]{1,9}\\.[0-9]{1,6}") {
            prop_assert_eq!(parse(text.as_bytes()), text.parse::<f64>().ok());
        }

        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&text);
        }
    }
}
