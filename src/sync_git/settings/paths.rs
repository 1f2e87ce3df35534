//! Directories of a repository, as `--path` takes them.
//!
//! In: `docs`, `/docs/`, `./src/lib`. Out: the place below the top of the tree, and the sparse pattern that means it and what
//! is below. Refused: places that are not below the top, or are all of it.

use crate::core::values::ValueError;

/// A place below the top of the tree, without slashes at its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inside(String);

/// # Errors
/// When the text is no place below the top of a tree.
pub(crate) fn inside(text: &str) -> Result<Inside, ValueError> {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.is_empty() || parts.contains(&"..") || text.contains(['\n', '\0']) {
        return Err(ValueError::new(format!("{text:?} is no directory below the top; write docs or src/lib")));
    }
    Ok(Inside(parts.join("/")))
}

impl Inside {
    /// The patterns of a sparse tree that holds these places and nothing else.
    pub(crate) fn patterns(places: &[Self]) -> String {
        places.iter().map(|place| format!("/{}\n", escaped(&place.0))).collect()
    }
}

/// The text with what is special in a pattern escaped.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | '\\' | ' ') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_become_patterns_that_mean_just_them() {
        let places = ["docs/", "/src//lib", "./a b/[x]*"].map(|text| inside(text).unwrap());
        assert_eq!(Inside::patterns(&places), "/docs\n/src/lib\n/a\\ b/\\[x]\\*\n");
    }

    #[test]
    fn what_is_not_below_the_top_is_refused() {
        for wrong in ["", "/", ".", "..", "a/../..", "../x", "a\nb"] {
            assert!(inside(wrong).is_err(), "{wrong:?}");
        }
    }
}
