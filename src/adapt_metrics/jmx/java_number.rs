//! Numbers as Java prints them. Rules match the printed value, so `1.0E10` must not come out as `10000000000`.

/// Digits beyond which a BigInteger is not printed: converting costs the square of the length.
const MAGNITUDE: usize = 512;

/// `Double.toString`.
pub(crate) fn double(value: f64) -> String {
    scientific_or_plain(format!("{value:e}"), value.is_finite(), value.abs() == 0.0)
}

/// `Float.toString`.
pub(crate) fn float(value: f32) -> String {
    scientific_or_plain(format!("{value:e}"), value.is_finite(), value.abs() == 0.0)
}

/// Java writes the exponent below 10^-3 and from 10^7, and at least one digit behind the point.
fn scientific_or_plain(rust: String, finite: bool, zero: bool) -> String {
    if !finite {
        return match rust.as_str() {
            "inf" => "Infinity".to_owned(),
            "-inf" => "-Infinity".to_owned(),
            _ => "NaN".to_owned(),
        };
    }
    let (sign, rust) = rust.strip_prefix('-').map_or(("", rust.as_str()), |rest| ("-", rest));
    if zero {
        return format!("{sign}0.0");
    }
    // Rust's form is `d.ddde[-]x` with the shortest digits that read back as the same number.
    let (mantissa, exponent) = rust.split_once('e').unwrap_or((rust, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    match exponent {
        0..=6 => {
            let whole = exponent as usize + 1;
            let padded = format!("{digits:0<whole$}");
            let (whole, fraction) = padded.split_at(whole);
            format!("{sign}{whole}.{}", if fraction.is_empty() { "0" } else { fraction })
        }
        -3..=-1 => format!("{sign}0.{}{digits}", "0".repeat(-exponent as usize - 1)),
        _ => {
            let (first, rest) = digits.split_at(1);
            format!("{sign}{first}.{}E{exponent}", if rest.is_empty() { "0" } else { rest })
        }
    }
}

/// `BigInteger.toString`, from the sign and the big-endian magnitude of its serialized form.
pub(crate) fn big_integer(sign: i32, magnitude: &[u8]) -> Option<String> {
    if magnitude.len() > MAGNITUDE {
        return None;
    }
    if sign == 0 {
        return Some("0".to_owned());
    }
    // Base 10^9, the lowest limb first.
    let mut limbs: Vec<u64> = vec![0];
    for byte in magnitude {
        let mut carry = u64::from(*byte);
        for limb in &mut limbs {
            carry += *limb * 256;
            *limb = carry % 1_000_000_000;
            carry /= 1_000_000_000;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let (highest, lower) = limbs.split_last()?;
    let mut text = if sign < 0 { format!("-{highest}") } else { highest.to_string() };
    lower.iter().rev().for_each(|limb| text.push_str(&format!("{limb:09}")));
    Some(text)
}

/// `BigDecimal.toString`: plain where the scale is natural, with an exponent where it is not.
pub(crate) fn big_decimal(unscaled: &str, scale: i32) -> String {
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled), |rest| ("-", rest));
    let adjusted = digits.len() as i64 - 1 - i64::from(scale);
    if scale == 0 {
        return unscaled.to_owned();
    }
    if scale > 0 && adjusted >= -6 {
        let scale = scale as usize;
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        return format!("{sign}{whole}.{fraction}");
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}E{adjusted:+}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_java_prints_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (1_234_567.0, "1234567.0"),
            (12_345_678.0, "1.2345678E7"),
            (1e10, "1.0E10"),
            (0.001, "0.001"),
            (0.000_123, "1.23E-4"),
            (-0.5, "-0.5"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(value), text);
        }
        assert_eq!(float(0.1), "0.1");
        assert_eq!(float(3.4e38), "3.4E38");
    }

    #[test]
    fn big_numbers_print_as_java_prints_them() {
        assert_eq!(big_integer(0, &[]).unwrap(), "0");
        assert_eq!(big_integer(-1, &[1, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap(), "-18446744073709551616");
        assert_eq!(big_decimal("12345", 2), "123.45");
        assert_eq!(big_decimal("-5", 3), "-0.005");
        assert_eq!(big_decimal("12", -3), "1.2E+4");
        assert_eq!(big_decimal("1", 10), "1E-10");
        assert_eq!(big_decimal("7", 0), "7");
    }
}
