//! YAML as a tree in which every node knows its line, so that all mistakes of a file are told in one run.
//!
//! In: the text of a settings file or a rule document. Out: a [`Node`] tree whose scalars keep the spelling of the
//! file (`1.10` stays `1.10`, `yes` stays `yes`); the reader of a field decides what it is. Anchors, aliases and merge
//! keys are resolved here. Refused: duplicate keys, several documents, more than [`MAX_BYTES`], [`MAX_DEPTH`] levels or
//! [`MAX_NODES`] nodes after the aliases are expanded.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

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

/// One thing wrong in a file: where, which key, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands, when it stands anywhere.
    pub at: Option<Position>,
    /// The dotted path of the key.
    pub key: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// All that is wrong with one origin (a file, or the environment), in the order in which it was found.
#[derive(Debug)]
pub struct Mistakes {
    origin: String,
    list: Vec<Mistake>,
}

impl Mistakes {
    /// No mistake yet; `origin` is the file's path, or what stands for it in messages.
    pub fn new(origin: impl fmt::Display) -> Self {
        Self { origin: origin.to_string(), list: Vec::new() }
    }

    /// Adds a mistake at a place.
    pub fn add(&mut self, at: Position, key: impl Into<String>, reason: impl Into<String>) {
        self.list.push(Mistake { at: Some(at), key: key.into(), reason: reason.into() });
    }

    /// Adds a mistake that stands at no place (a missing key of the whole, a variable).
    pub fn add_unplaced(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        self.list.push(Mistake { at: None, key: key.into(), reason: reason.into() });
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The mistakes, sorted by their place.
    pub fn sorted(mut self) -> Vec<Mistake> {
        self.list.sort_by_key(|mistake| mistake.at);
        self.list
    }

    /// What the mistakes are about, as given to [`Mistakes::new`].
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Nothing when nothing is wrong, else one fault that lists every mistake, a line each.
    ///
    /// # Errors
    /// A configuration fault (exit code 78).
    pub fn into_result(self) -> Result<(), Fault> {
        if self.list.is_empty() {
            return Ok(());
        }
        Err(Fault::config(anyhow::anyhow!("{self}")))
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list: Vec<&Mistake> = self.list.iter().collect();
        list.sort_by_key(|mistake| mistake.at);
        let noun = if list.len() == 1 { "mistake" } else { "mistakes" };
        write!(f, "{} {noun} in {}", list.len(), self.origin)?;
        for mistake in list {
            match mistake.at {
                Some(at) => write!(f, "\n  {}:{}: ", self.origin, at.line)?,
                None => write!(f, "\n  ")?,
            }
            if !mistake.key.is_empty() {
                write!(f, "{}: ", mistake.key)?;
            }
            write!(f, "{}", mistake.reason)?;
        }
        Ok(())
    }
}

/// A mapping being read field by field. Each key that is asked for becomes known; [`Fields::finish`] refuses the rest.
pub struct Fields<'n, 'm> {
    entries: &'n [(Key, Node)],
    at: Position,
    path: String,
    known: Vec<&'static str>,
    mistakes: &'m mut Mistakes,
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

/// The message for a key that does not exist, with the nearest of the names that do.
pub fn unknown_key<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(key, known) {
        Some(name) => format!("is not a known key; did you mean `{name}`?"),
        None => "is not a known key".to_owned(),
    }
}

/// The known name that a mistyped one most likely meant.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
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

/// Parses one YAML document. What is wrong goes to `mistakes`; the tree holds what could be read.
pub fn parse(text: &str, mistakes: &mut Mistakes) -> Node {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => builder.take(event, span, mistakes),
            Err(error) => {
                let marker = error.marker();
                mistakes.add(
                    Position { line: marker.line(), column: marker.col() + 1 },
                    "",
                    format!("not YAML: {}", error.info()),
                );
                break;
            }
        };
        if let Err((at, reason)) = step {
            mistakes.add(at, "", reason);
            break;
        }
    }
    builder.root.unwrap_or(Node {
        value: Value::Scalar { text: String::new(), plain: true },
        at: Position { line: 1, column: 1 },
    })
}

/// Turns parser events into a tree with a stack of its own: depth is bounded by [`MAX_DEPTH`], not by the thread's stack.
#[derive(Default)]
struct Builder {
    stack: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
}

/// A collection whose end has not been seen.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Key>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span, mistakes: &mut Mistakes) -> Result<(), (Position, String)> {
        let at = Position { line: span.start.line(), column: span.start.col() + 1 };
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err((at, "a second document begins here; one file holds one document".to_owned()));
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let value = Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                self.complete(Node { value, at }, anchor, mistakes)?;
            }
            Event::SequenceStart(anchor, _) => self.open(Value::Sequence(Vec::new()), at, anchor)?,
            Event::MappingStart(anchor, _) => self.open(Value::Mapping(Vec::new()), at, anchor)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.stack.pop() {
                    self.complete(open.node, open.anchor, mistakes)?;
                }
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned().ok_or((at, "an alias refers to itself".to_owned()))?;
                self.nodes = self.nodes.saturating_add(count(&node));
                self.complete(Node { at, ..node }, 0, mistakes)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn open(&mut self, value: Value, at: Position, anchor: usize) -> Result<(), (Position, String)> {
        if self.stack.len() == MAX_DEPTH {
            return Err((at, format!("is nested deeper than {MAX_DEPTH} levels")));
        }
        self.stack.push(Open { node: Node { value, at }, anchor, key: None });
        Ok(())
    }

    fn complete(&mut self, node: Node, anchor: usize, mistakes: &mut Mistakes) -> Result<(), (Position, String)> {
        let at = node.at;
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err((at, format!("the document has more than {MAX_NODES} nodes")));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.value {
            Value::Sequence(items) => items.push(node),
            Value::Mapping(entries) => match open.key.take() {
                Some(key) => insert(entries, key, node, mistakes),
                None => {
                    let text = node.text().ok_or((at, "a key must be a single value".to_owned()))?;
                    open.key = Some(Key { text: text.to_owned(), at });
                }
            },
            Value::Scalar { .. } => {}
        }
        Ok(())
    }
}

/// Adds an entry; `<<` brings in the entries of another mapping that are not written here.
fn insert(entries: &mut Vec<(Key, Node)>, key: Key, node: Node, mistakes: &mut Mistakes) {
    if key.text == "<<" {
        let merged = match node.value {
            Value::Sequence(items) => items,
            value => vec![Node { value, at: node.at }],
        };
        for source in merged {
            let Value::Mapping(more) = source.value else {
                mistakes.add(source.at, "<<", "must merge a mapping");
                continue;
            };
            for (key, node) in more {
                if !entries.iter().any(|(known, _)| known.text == key.text) {
                    entries.push((key, node));
                }
            }
        }
        return;
    }
    match entries.iter().find(|(known, _)| known.text == key.text) {
        Some((first, _)) => {
            let reason = format!("is written twice; the first stands in line {}", first.at.line);
            mistakes.add(key.at, key.text, reason);
        }
        None => entries.push((key, node)),
    }
}

fn count(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { .. } => 1,
        Value::Sequence(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Mapping(entries) => 1 + entries.iter().map(|(_, node)| 1 + count(node)).sum::<usize>(),
    }
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
        let (node, mistakes) = parsed("base: &b {x: 1, y: 2}\nuse:\n  y: 3\n  <<: *b\n");
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
