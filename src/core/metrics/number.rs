//! Numbers as Prometheus writes them: the shortest text that reads back the same, in Go's `%g` form.

use std::io::Write;

/// Writes a number: `1`, `0.25`, `1e+06`, `+Inf`, `NaN`.
pub fn write_float(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
    if value.fract() == 0.0 && value.abs() < 1e6 && (value != 0.0 || value.is_sign_positive()) {
        // Exact: the value is a whole number far below 2⁵³.
        return out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    }
    // Rust gives the shortest digits as `d.ddde±x`. Go's `%g` prints them plainly where -4 ≤ x < 21, but decides with a
    // precision of 6 when the digits are the shortest: so where -4 ≤ x < 6.
    let mut scientific = [0u8; 32];
    let mut cursor = std::io::Cursor::new(&mut scientific[..]);
    if write!(cursor, "{value:e}").is_err() {
        return;
    }
    let length = usize::try_from(cursor.position()).unwrap_or(0);
    let text = &scientific[..length];
    let Some(e) = text.iter().position(|b| *b == b'e') else { return };
    let exponent: i32 = std::str::from_utf8(&text[e + 1..]).ok().and_then(|x| x.parse().ok()).unwrap_or(0);
    if (-4..6).contains(&exponent) {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{value}");
        return;
    }
    out.extend_from_slice(&text[..e]);
    let _ = write!(out, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        write_float(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_read_as_go_writes_them() {
        let cases: [(f64, &str); 15] = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-5.0, "-5"),
            (0.25, "0.25"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (1.5e-4, "0.00015"),
            (1.5e-5, "1.5e-05"),
            (12345.678, "12345.678"),
            (1e21, "1e+21"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "+Inf"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(value), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn every_number_reads_back_the_same(bits: u64) {
            let value = f64::from_bits(bits);
            let back: f64 = text(value).parse().unwrap();
            proptest::prop_assert!(back == value || (back.is_nan() && value.is_nan()));
        }
    }
}
