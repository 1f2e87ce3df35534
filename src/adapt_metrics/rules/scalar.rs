//! Scalars as YAML 1.1 reads them, which is what files written for statsd_exporter were read by.
//!
//! `yes`, `on` and `y` are true, `010` is eight, `1_000` a thousand, `.5` a half, a bare number where a duration is
//! expected is so many nanoseconds.

use std::time::Duration;

use crate::core::values;

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

/// A duration in Go's grammar, or so many nanoseconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    match integer(text) {
        Ok(nanos) => {
            u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| "a duration cannot be negative".to_owned())
        }
        Err(_) => values::duration(text).map_err(|error| error.to_string()),
    }
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
        assert_eq!(duration("10"), Ok(Duration::from_nanos(10)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("-1s").is_err() && duration("ten").is_err());
    }
}
