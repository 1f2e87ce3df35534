//! The labels of a stored series: pairs in, one allocation that gives them back as they were.
//!
//! Each pair is two characters that hold the lengths, then the name and the value. A label takes two to four bytes more
//! than its text; there is no list of pointers.

use std::cmp::Ordering;

/// The longest name or value that is kept, in bytes; what is longer is cut by the caller or refused.
pub const MAX_TEXT: usize = 4096;

/// Labels, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Packed(Box<str>);

impl Packed {
    /// Packs pairs that are sorted by name; `scratch` is reused between calls.
    pub fn write<K: AsRef<str>, V: AsRef<str>>(pairs: &[(K, V)], scratch: &mut String) {
        scratch.clear();
        for (name, value) in pairs {
            let (name, value) = (cut(name.as_ref()), cut(value.as_ref()));
            scratch.push(length(name));
            scratch.push(length(value));
            scratch.push_str(name);
            scratch.push_str(value);
        }
    }

    /// Keeps what [`Packed::write`] wrote.
    pub fn keep(scratch: &str) -> Self {
        Self(scratch.into())
    }

    /// The packed text, for hashing and comparing.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The pairs in their order.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs(&self.0)
    }
}

impl PartialOrd for Packed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Packed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.pairs().cmp(other.pairs())
    }
}

/// Walks the pairs.
#[derive(Debug, Clone)]
pub struct Pairs<'a>(&'a str);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let mut chars = self.0.chars();
        let name = chars.next()? as usize;
        let value = chars.next()? as usize;
        let (name, rest) = chars.as_str().split_at_checked(name)?;
        let (value, rest) = rest.split_at_checked(value)?;
        self.0 = rest;
        Some((name, value))
    }
}

/// At most [`MAX_TEXT`] bytes, whole characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn length(text: &str) -> char {
    // MAX_TEXT is below the surrogates, so every length is a character.
    char::from_u32(text.len() as u32).unwrap_or('\0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(pairs: &[(String, String)]) -> Packed {
        let mut scratch = String::new();
        Packed::write(pairs, &mut scratch);
        Packed::keep(&scratch)
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let labels = packed(&[("a".to_owned(), "é".repeat(MAX_TEXT))]);
        let (_, value) = labels.pairs().next().unwrap();
        assert_eq!(value.len(), MAX_TEXT);
    }

    proptest! {
        #[test]
        fn pairs_come_back_as_they_were(pairs in proptest::collection::vec(("[a-z_]{0,9}", ".{0,200}"), 0..8)) {
            let back: Vec<_> = packed(&pairs).pairs().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            prop_assert_eq!(back, pairs);
        }
    }
}
