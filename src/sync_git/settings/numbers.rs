//! Whole numbers as git-sync's flags take them: decimal, or with the prefix 0x, 0o, 0 or 0b.

use crate::core::values::ValueError;

/// # Errors
/// When the text is not a whole number.
pub(crate) fn signed(text: &str) -> Result<i64, ValueError> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some(two) if two.starts_with('0') => (8, &lower[1..]),
        _ => (10, &*lower),
    };
    let number = i64::from_str_radix(&digits.replace('_', ""), radix).ok().filter(|number| *number >= 0);
    number.map(|number| sign * number).ok_or_else(|| ValueError::new(format!("{text:?} is not a whole number")))
}

/// # Errors
/// When the text is not a whole number from 0 to 4294967295.
pub(crate) fn unsigned(text: &str) -> Result<u32, ValueError> {
    let number = signed(text)?;
    u32::try_from(number).map_err(|_| ValueError::new(format!("{text:?} must be between 0 and 4294967295")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_signs_are_read() {
        let read = |text| signed(text).ok();
        let texts = ["10", "-1", "+7", "0x1F", "0b11", "010", "0", "1_000"];
        assert_eq!(texts.map(read), [10, -1, 7, 31, 3, 8, 0, 1000].map(Some));
        for wrong in ["", "-", "--1", "1.5", "ten", "0x", "08"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert!(unsigned("-1").is_err());
    }
}
