//! A mapping read field by field: what is asked for becomes known, and the rest is refused.

use std::fmt;

use super::mistakes::unknown_key;
use super::{Key, Mistakes, Node, Position, Value};

/// A mapping being read field by field. Each key that is asked for becomes known; [`Fields::finish`] refuses the rest.
pub struct Fields<'n, 'm> {
    pub(super) entries: &'n [(Key, Node)],
    pub(super) at: Position,
    pub(super) path: String,
    pub(super) known: Vec<&'static str>,
    pub(super) mistakes: &'m mut Mistakes,
}

impl<'n> Fields<'n, '_> {
    /// Where the mapping begins.
    pub fn at(&self) -> Position {
        self.at
    }

    /// The dotted path of a key of this mapping.
    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The list that mistakes go to.
    pub fn mistakes(&mut self) -> &mut Mistakes {
        self.mistakes
    }

    /// The node under a key, if it is written and not null.
    pub fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        self.entries.iter().find(|(k, _)| k.text == key).map(|(_, node)| node).filter(|node| !node.is_null())
    }

    /// A scalar under a key, read by `parse`; a mistake when it is no scalar or does not parse.
    pub fn read<T, E: fmt::Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let node = self.take(key)?;
        let path = self.path(key);
        let Some(text) = node.text() else {
            self.mistakes.add(node.at, path, format!("is {}, but must be a single value", node.shape()));
            return None;
        };
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.mistakes.add(node.at, path, format!("{text:?} is refused: {error}"));
                None
            }
        }
    }

    /// As [`Fields::read`], and a mistake when the key is missing.
    pub fn require<T, E: fmt::Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if !self.entries.iter().any(|(k, node)| k.text == key && !node.is_null()) {
            self.known.push(key);
            let path = self.path(key);
            self.mistakes.add(self.at, path, "is required, but missing");
            return None;
        }
        self.read(key, parse)
    }

    /// Text under a key.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        self.read(key, |text| Ok::<_, std::convert::Infallible>(text.to_owned()))
    }

    /// Text under a key that must be there.
    pub fn require_text(&mut self, key: &'static str) -> Option<String> {
        self.require(key, |text| Ok::<_, std::convert::Infallible>(text.to_owned()))
    }

    /// The items of the list under a key, each with its dotted path.
    pub fn list(&mut self, key: &'static str) -> Vec<(String, &'n Node)> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let path = self.path(key);
        let items = node.items(&path, self.mistakes).unwrap_or_default();
        items.iter().enumerate().map(|(i, item)| (format!("{path}[{i}]"), item)).collect()
    }

    /// The pairs of the mapping of texts under a key, in the order of the file.
    pub fn text_map(&mut self, key: &'static str) -> Vec<(String, String)> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let path = self.path(key);
        let Value::Mapping(entries) = &node.value else {
            self.mistakes.add(node.at, path, format!("is {}, but must be a mapping of keys to texts", node.shape()));
            return Vec::new();
        };
        let mut pairs = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            match value.text() {
                Some(text) => pairs.push((name.text.clone(), text.to_owned())),
                None => self.mistakes.add(value.at, format!("{path}.{}", name.text), "must be a single value"),
            }
        }
        pairs
    }

    /// Refuses every key that nobody asked for, with the nearest known name.
    pub fn finish(self) {
        for (key, _) in self.entries {
            if !self.known.contains(&key.text.as_str()) {
                let path = self.path(&key.text);
                self.mistakes.add(key.at, path, unknown_key(&key.text, self.known.iter().copied()));
            }
        }
    }
}
