//! YAML as a tree in which every node knows its line, so that all mistakes of a file are told in one run.
//!
//! In: the text of a settings file or a rule document. Out: a [`Node`] tree whose scalars keep the spelling of the
//! file (`1.10` stays `1.10`, `yes` stays `yes`); the reader of a field decides what it is. Anchors, aliases and merge
//! keys are resolved here. Refused: duplicate keys, several documents, more than [`MAX_BYTES`], [`MAX_DEPTH`] levels or
//! [`MAX_NODES`] nodes after the aliases are expanded.

mod fields;
mod mistakes;
mod parse;

use std::path::Path;

pub use fields::Fields;
pub use mistakes::{Mistake, Mistakes, nearest, unknown_key};
pub use parse::parse;

use super::fault::Fault;

/// The largest document that is read, in bytes.
pub const MAX_BYTES: u64 = 16 << 20;
/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;
/// The most nodes a document may have once its aliases are expanded.
pub const MAX_NODES: usize = 1_000_000;

/// A place in a file; lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What is written there.
    pub value: Value,
    /// Where it begins.
    pub at: Position,
}

/// The three shapes of YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A scalar in the spelling of the file.
    Scalar {
        /// The text without quotes.
        text: String,
        /// Whether it was written without quotes, so that `null`, `~` and `true` may mean themselves.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the file.
    Mapping(Vec<(Key, Node)>),
}

/// A mapping's key and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key's text.
    pub text: String,
    /// Where it begins.
    pub at: Position,
}

impl Node {
    /// Whether nothing, `~` or `null` is written.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value under a key of a mapping.
    pub fn field(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// What the shape is called in a message.
    pub fn shape(&self) -> &'static str {
        match self.value {
            _ if self.is_null() => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// Opens a mapping for reading field by field; anything else is a mistake. Nothing written reads as no fields.
    pub fn fields<'n, 'm>(&'n self, path: &str, mistakes: &'m mut Mistakes) -> Option<Fields<'n, 'm>> {
        let entries: &[(Key, Node)] = match &self.value {
            Value::Mapping(entries) => entries,
            _ if self.is_null() => &[],
            _ => {
                mistakes.add(self.at, path, format!("is {}, but must be a mapping of keys to values", self.shape()));
                return None;
            }
        };
        Some(Fields { entries, at: self.at, path: path.to_owned(), known: Vec::new(), mistakes })
    }

    /// The items of a list; anything else is a mistake. Nothing written reads as an empty list.
    pub fn items(&self, path: &str, mistakes: &mut Mistakes) -> Option<&[Self]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            _ if self.is_null() => Some(&[]),
            _ => {
                mistakes.add(self.at, path, format!("is {}, but must be a list", self.shape()));
                None
            }
        }
    }
}

/// Reads and parses a file.
///
/// # Errors
/// A configuration fault that names the file: it cannot be read, is too large, or is no YAML (with the line).
pub fn read(path: &Path) -> Result<Node, Fault> {
    let shown = path.display();
    let size = std::fs::metadata(path).map_err(|e| unreadable(path, e))?.len();
    if size > MAX_BYTES {
        return Err(Fault::config(anyhow::anyhow!(
            "{shown} has {size} bytes, more than the {MAX_BYTES} that are read"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(path, e))?;
    let mut mistakes = Mistakes::new(shown);
    let node = parse(&text, &mut mistakes);
    mistakes.into_result()?;
    Ok(node)
}

fn unreadable(path: &Path, error: std::io::Error) -> Fault {
    Fault::config(anyhow::Error::new(error).context(format!("cannot read {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Node, Mistakes) {
        let mut mistakes = Mistakes::new("f.yaml");
        let node = parse(text, &mut mistakes);
        (node, mistakes)
    }

    #[test]
    fn scalars_keep_their_spelling_and_their_line() {
        let (node, mistakes) = parsed("a: 1.10\nb:\n  - yes\n  - '~'\n  - ~\n");
        assert!(mistakes.is_empty());
        assert_eq!(node.field("a").unwrap().text(), Some("1.10"));
        let Value::Sequence(items) = &node.field("b").unwrap().value else { panic!() };
        assert_eq!(items[0].text(), Some("yes"));
        assert_eq!(items[0].at.line, 3);
        assert!(!items[1].is_null() && items[2].is_null());
    }

    #[test]
    fn every_mistake_is_told_with_its_line_and_the_nearest_name() {
        let (node, mut mistakes) = parsed("period: 5 parsecs\nperoid: 3s\ndepth: [1]\n");
        let mut fields = node.fields("sync-git", &mut mistakes).unwrap();
        assert!(fields.read("period", crate::core::values::duration).is_none());
        assert!(fields.read("depth", str::parse::<u32>).is_none());
        assert!(fields.require_text("repo").is_none());
        fields.finish();
        let text = mistakes.to_string();
        assert!(text.starts_with("4 mistakes in f.yaml"), "{text}");
        assert!(text.contains("f.yaml:1: sync-git.period: \"5 parsecs\" is refused"), "{text}");
        assert!(text.contains("f.yaml:2: sync-git.peroid: is not a known key; did you mean `period`?"), "{text}");
        assert!(text.contains("f.yaml:3: sync-git.depth: is a list, but must be a single value"), "{text}");
        assert!(text.contains("sync-git.repo: is required, but missing"), "{text}");
    }

    #[test]
    fn duplicate_keys_second_documents_and_broken_yaml_are_mistakes() {
        for (text, reason) in [
            ("a: 1\na: 2\n", "written twice"),
            ("a: 1\n---\nb: 2\n", "second document"),
            ("a: [1\n", "not YAML"),
            ("a: *b\n", "not YAML"),
        ] {
            let (_, mistakes) = parsed(text);
            assert!(mistakes.to_string().contains(reason), "{text:?}: {mistakes}");
        }
    }

    #[test]
    fn aliases_and_merge_keys_are_resolved_and_a_bomb_is_refused() {
        let (node, mistakes) = parsed("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nafter:\n  y: 3\n  <<: *b\n");
        assert_eq!(node.field("after").unwrap().field("y").unwrap().text(), Some("3"));
        assert!(mistakes.is_empty(), "{mistakes}");
        let used = node.field("use").unwrap();
        assert_eq!((used.field("x").unwrap().text(), used.field("y").unwrap().text()), (Some("1"), Some("3")));

        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for i in 1..9 {
            let item = format!("*a{}", i - 1);
            bomb += &format!("a{i}: &a{i} [{}]\n", vec![item; 10].join(","));
        }
        let (_, mistakes) = parsed(&bomb);
        assert!(mistakes.to_string().contains("more than 1000000 nodes"), "{mistakes}");
    }

    #[test]
    fn depth_is_bounded() {
        let (_, mistakes) = parsed(&("[".repeat(100) + &"]".repeat(100)));
        assert!(mistakes.to_string().contains("deeper than 64"), "{mistakes}");
    }
}
