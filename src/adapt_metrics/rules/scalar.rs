//! Scalars as YAML 1.1 reads them, which is what files written for statsd_exporter were read by.
//!
//! `yes`, `on` and `y` are true, `010` is eight, `1_000` a thousand, `.5` a half, a bare number where a duration is
//! expected is so many nanoseconds. What stands in quotes is a text, and no number and no truth.

use std::fmt;
use std::time::Duration;

use crate::core::document::{Fields, Node, Value};

/// A scalar that is no text, under a key.
pub(super) fn typed<T, E: fmt::Display>(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    let node = fields.take(key)?;
    if is_quoted(node) {
        let path = fields.path(key);
        fields.mistakes().add(node.at, path, format!("{:?} is refused: {QUOTED}", node.text().unwrap_or_default()));
        return None;
    }
    fields.read(key, parse)
}

/// A duration under a key.
pub(super) fn duration(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Duration> {
    let quoted = is_quoted(fields.take(key)?);
    fields.read(key, |text| if quoted { written_duration(text) } else { bare_duration(text) })
}

/// What is wrong with a number in quotes.
pub(super) const QUOTED: &str = "what stands in quotes is a text; write it without them";

/// Whether a scalar was written in quotes.
pub(super) fn is_quoted(node: &Node) -> bool {
    matches!(node.value, Value::Scalar { plain: false, .. })
}

/// A truth value.
pub fn boolean(text: &str) -> Result<bool, &'static str> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Ok(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Ok(false),
        _ => Err("it is true or false"),
    }
}

/// A number.
pub fn float(text: &str) -> Result<f64, &'static str> {
    if let Ok(integer) = integer(text) {
        return Ok(integer as f64);
    }
    let special = text.trim_start_matches(['+', '-']);
    let value = match special {
        ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        // Rust reads these two where YAML does not.
        _ if special.starts_with(|c: char| c.is_ascii_alphabetic()) => None,
        _ => special.replace('_', "").parse().ok().filter(|value: &f64| value.is_finite()),
    };
    let value = value.ok_or("it is not a number")?;
    Ok(if text.starts_with('-') { -value } else { value })
}

/// A whole number.
pub fn integer(text: &str) -> Result<i64, &'static str> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text).replace('_', "");
    let read = if let Some(hex) = digits.strip_prefix("0x") {
        i64::from_str_radix(hex, 16)
    } else if let Some(binary) = digits.strip_prefix("0b") {
        i64::from_str_radix(binary, 2)
    } else if let Some(octal) =
        digits.strip_prefix("0o").or_else(|| digits.strip_prefix('0').filter(|rest| !rest.is_empty()))
    {
        i64::from_str_radix(octal, 8)
    } else {
        digits.parse()
    };
    let value = read.map_err(|_| "it is not a whole number")?;
    Ok(if text.starts_with('-') { -value } else { value })
}

/// A whole number that counts something; of one with a fraction, the whole part.
pub fn count(text: &str) -> Result<u32, &'static str> {
    let number = float(text)?;
    if (0.0..=f64::from(u32::MAX)).contains(&number) {
        Ok(number as u32)
    } else {
        Err("it is not a whole number from 0 to 4294967295")
    }
}

/// A duration without quotes: so many nanoseconds, or in Go's grammar.
fn bare_duration(text: &str) -> Result<Duration, String> {
    match float(text) {
        Ok(nanos) if nanos.abs() < i64::MAX as f64 => Ok(span(nanos)),
        Ok(_) => Err("it is longer than 292 years".to_owned()),
        Err(_) => written_duration(text),
    }
}

/// A duration in Go's grammar: numbers, each with its unit, without spaces between them.
fn written_duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("\u{b5}s", 1e3),
        ("\u{3bc}s", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 60e9),
        ("h", 3600e9),
    ];
    let bad = || "it is no duration; write numbers with units, such as 500ms, 30s or 1h30m".to_owned();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut nanos) = (unsigned, 0.0);
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, after) = tail.split_at(end);
        let number: f64 = number.parse().map_err(|_| bad())?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
        nanos += number * factor;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    if nanos >= i64::MAX as f64 {
        return Err("it is longer than 292 years".to_owned());
    }
    Ok(span(if text.starts_with('-') { -nanos } else { nanos }))
}

/// So many nanoseconds; what is over before it begins, for statsd_exporter takes that too, lasts one.
fn span(nanos: f64) -> Duration {
    if nanos < 0.0 { Duration::from_nanos(1) } else { Duration::from_nanos(nanos as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_yaml_1_1_has_them() {
        for (text, value) in [
            ("1", 1.0),
            ("010", 8.0),
            ("0x1F", 31.0),
            ("0b11", 3.0),
            ("1_000", 1000.0),
            (".5", 0.5),
            ("-2.5e3", -2500.0),
            ("0.005", 0.005),
            ("0", 0.0),
            ("-.inf", f64::NEG_INFINITY),
        ] {
            assert_eq!(float(text), Ok(value), "{text}");
        }
        for text in ["", "abc", "inf", "nan", "1.2.3", "0x"] {
            assert!(float(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_cut_to_whole_numbers() {
        assert_eq!([count("5"), count("5.9"), count("0x10"), count("1e3")], [Ok(5), Ok(5), Ok(16), Ok(1000)]);
        assert!(["-1", "4294967296", ".inf", ".nan", "x"].into_iter().all(|text| count(text).is_err()));
    }

    #[test]
    fn truth_has_many_names() {
        assert_eq!((boolean("yes"), boolean("Off")), (Ok(true), Ok(false)));
        assert!(boolean("1").is_err() && boolean("tRue").is_err());
    }

    #[test]
    fn a_bare_number_is_nanoseconds() {
        for (text, nanos) in
            [("10", 10), ("1.5", 1), ("1e3", 1000), ("0x10", 16), ("1_0", 10), ("-5", 1), ("1m30s", 90_000_000_000)]
        {
            assert_eq!(bare_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
        assert!(bare_duration("1e30").is_err() && bare_duration("true").is_err());
    }

    #[test]
    fn durations_are_read_as_go_has_them() {
        for (text, nanos) in [
            ("0", 0),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("+2us3ns", 2003),
            ("5\u{b5}s", 5000),
            ("-1s", 1),
        ] {
            assert_eq!(written_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
        for text in ["", "5", "1d", "10m 5s", " 1s", "1h-5m", ".s", "s", "ten", "3000000h", "1.2.3s"] {
            assert!(written_duration(text).is_err(), "{text}");
        }
    }
}
