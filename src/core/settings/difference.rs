//! What a reload changed: the keys whose values are others than before, wherever in the file they stand now.

use super::{Resolved, command};
use crate::core::document::{Node, Value};
use crate::core::mode::Mode;

/// The long names of the options, and the structured keys, that do not say now what they said before.
pub fn differing(mode: &Mode, now: &Resolved, before: &Resolved) -> Vec<String> {
    let raw = |resolved: &Resolved, id: &str| -> Vec<_> {
        resolved.matches.get_raw(id).map(|values| values.map(ToOwned::to_owned).collect()).unwrap_or_default()
    };
    let schema = command(mode);
    let options = schema
        .get_arguments()
        .filter(|arg| raw(now, arg.get_id().as_str()) != raw(before, arg.get_id().as_str()))
        .filter_map(|arg| arg.get_long());
    let documents = mode.documents.iter().map(|document| document.key);
    let documents = documents.filter(|key| !is_same(now.document(key), before.document(key)));
    options.chain(documents).map(str::to_owned).collect()
}

/// Whether two nodes say the same; their places do not matter.
fn is_same(one: Option<&Node>, other: Option<&Node>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return one.is_none() && other.is_none() };
    match (&one.value, &other.value) {
        (Value::Sequence(a), Value::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(Some(a), Some(b)))
        }
        (Value::Mapping(a), Value::Mapping(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((key, a), (other, b))| key.text == other.text && is_same(Some(a), Some(b)))
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::document::{Mistakes, parse};

    #[test]
    fn a_list_that_only_moved_says_the_same() {
        let read = |text: &str| parse(text, &mut Mistakes::new("f.yaml"));
        let (list, moved) = (read("- {a: 1, b: [x]}"), read("# first\n-\n  a: 1\n  b:\n    - x\n"));
        assert!(is_same(Some(&list), Some(&moved)) && is_same(None, None));
        for other in ["- {a: 2, b: [x]}", "- {a: 1, b: []}", "- {a: 1}", "a: 1", "- {a: 1, c: [x]}"] {
            assert!(!is_same(Some(&list), Some(&read(other))), "{other}");
        }
        assert!(!is_same(Some(&list), None));
    }
}
