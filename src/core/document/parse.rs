//! From the parser's events to a tree, with a stack of its own: depth is bounded by a limit, not by the thread's stack.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{Key, MAX_DEPTH, MAX_NODES, Mistakes, Node, Position, Value};

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

/// The tree so far, and the collections that are open.
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
    /// Entries of other mappings (`<<`), for keys that are not written here.
    merged: Vec<(Key, Node)>,
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
                if let Some(mut open) = self.stack.pop() {
                    open.merge();
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
        self.stack.push(Open { node: Node { value, at }, anchor, key: None, merged: Vec::new() });
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
                Some(key) if key.text == "<<" => bring_in(&mut open.merged, node, mistakes),
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

impl Open {
    /// Adds what was merged. It is done at the mapping's end, since a key that is written stands, above `<<` or below it.
    fn merge(&mut self) {
        let Value::Mapping(entries) = &mut self.node.value else { return };
        for (key, node) in self.merged.drain(..) {
            if !entries.iter().any(|(known, _)| known.text == key.text) {
                entries.push((key, node));
            }
        }
    }
}

/// Takes the entries of the mapping, or of the list of mappings, that stands behind `<<`.
fn bring_in(merged: &mut Vec<(Key, Node)>, node: Node, mistakes: &mut Mistakes) {
    let sources = match node.value {
        Value::Sequence(items) => items,
        value => vec![Node { value, at: node.at }],
    };
    for source in sources {
        match source.value {
            Value::Mapping(more) => merged.extend(more),
            _ => mistakes.add(source.at, "<<", "must merge a mapping"),
        }
    }
}

fn insert(entries: &mut Vec<(Key, Node)>, key: Key, node: Node, mistakes: &mut Mistakes) {
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
