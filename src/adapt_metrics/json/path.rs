//! Paths into JSON: the template dialect of Kubernetes (`{ .items[?(@.state == "up")].count }`), text in, values out.
//!
//! A template is text with expressions in braces; a path without braces is taken as one expression when it begins with `.`,
//! `$` or `[`. Read: fields, `['quoted']` fields, `*`, `..` at any depth, indexes (negative from the end), slices, unions
//! and filters with one comparison. Refused, with the column: `range`/`end`, and whatever else is not in this list.

use std::fmt::Write;

use serde_json::Value;
use thiserror::Error;

/// Nesting of expressions within filters.
const MAX_DEPTH: usize = 16;
/// The most values that one path may yield: `..` over a large document must not fill the memory.
const MAX_VALUES: usize = 100_000;

/// A template that can be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Path(Vec<Step>),
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Every,
    Deep,
    Index(i64),
    Slice(Option<i64>, Option<i64>, i64),
    Union(Vec<Vec<Step>>),
    Filter(Operand, Option<(Comparison, Operand)>),
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Path(Vec<Step>),
    Literal(Value),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A template that is none.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("at column {column}: {reason}")]
pub struct PathError {
    /// Where, counted from 1.
    pub column: usize,
    reason: String,
}

/// A field or an index that the document does not have.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Absent {
    /// A field.
    #[error("{0:?} is not there")]
    Field(String),
    /// An index of an array.
    #[error("the array has no item {0}")]
    Index(i64),
    /// More values than are taken.
    #[error("the path yields more than {MAX_VALUES} values")]
    TooMany,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is not understood, and at which column.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let trimmed = text.trim();
        if trimmed.starts_with(['.', '$', '[']) && !trimmed.contains('{') {
            let offset = text.len() - text.trim_start().len();
            let mut reader = Reader { text: trimmed, at: 0, offset };
            let path = reader.path(0)?;
            reader.end()?;
            return Ok(Self { parts: vec![Part::Path(path)] });
        }
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(open) = text[at..].find('{').map(|found| at + found) {
            if open > at {
                parts.push(Part::Text(text[at..open].to_owned()));
            }
            let close = closing_brace(text, open)?;
            let inner = &text[open + 1..close];
            let offset = open + 1 + (inner.len() - inner.trim_start().len());
            let inner = inner.trim();
            let mut reader = Reader { text: inner, at: 0, offset };
            if inner.starts_with(['"', '\'']) {
                let literal = reader.quoted()?;
                reader.end()?;
                parts.push(Part::Text(literal));
            } else if inner.starts_with("range") || inner == "end" {
                return Err(reader.wrong("range and end are not read; a list of values is taken with [*]"));
            } else {
                parts.push(Part::Path(reader.path(0)?));
                reader.end()?;
            }
            at = close + 1;
        }
        if at < text.len() {
            parts.push(Part::Text(text[at..].to_owned()));
        }
        Ok(Self { parts })
    }

    /// The text of the template with its expressions replaced: several values stand side by side, with a space between.
    ///
    /// # Errors
    /// A field or an index is not there.
    pub fn text(&self, root: &Value) -> Result<String, Absent> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Path(path) => {
                    for (i, value) in walk(path, root, root)?.into_iter().enumerate() {
                        if i > 0 {
                            out.push(' ');
                        }
                        write_value(&mut out, value);
                    }
                }
            }
        }
        Ok(out)
    }

    /// The values of the template's expressions.
    ///
    /// # Errors
    /// A field or an index is not there.
    pub fn values<'v>(&self, root: &'v Value) -> Result<Vec<&'v Value>, Absent> {
        let mut values = Vec::new();
        for part in &self.parts {
            if let Part::Path(path) = part {
                values.extend(walk(path, root, root)?);
            }
        }
        Ok(values)
    }
}

/// A value as text: strings without quotes, the rest as JSON.
pub fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => out.push_str(text),
        // Writing to a String cannot fail.
        other => drop(write!(out, "{other}")),
    }
}

/// The brace that closes the one at `open`; braces within quotes do not count.
fn closing_brace(text: &str, open: usize) -> Result<usize, PathError> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text[open + 1..].char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '}') => return Ok(open + 1 + at),
            _ => {}
        }
    }
    Err(PathError { column: open + 1, reason: "this brace is never closed".to_owned() })
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    offset: usize,
}

impl Reader<'_> {
    fn wrong(&self, reason: impl Into<String>) -> PathError {
        PathError { column: self.offset + self.at + 1, reason: reason.into() }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn end(&mut self) -> Result<(), PathError> {
        self.spaces();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.wrong(format!("{:?} is not understood", self.rest())))
        }
    }

    fn path(&mut self, depth: usize) -> Result<Vec<Step>, PathError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("expressions are nested too deeply"));
        }
        let mut steps = Vec::new();
        if !self.take("$") {
            self.take("@");
        }
        let mut first = true;
        loop {
            if self.take("..") {
                steps.push(Step::Deep);
                if self.peek().is_some_and(|c| c != '[') {
                    steps.push(self.field()?);
                }
            } else if self.take(".") {
                match self.peek() {
                    None | Some(' ' | ')' | ',' | ']') if first => {}
                    Some('[') => {}
                    _ => steps.push(self.field()?),
                }
            } else if self.take("[") {
                steps.push(self.brackets(depth)?);
            } else if first && self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '*') {
                steps.push(self.field()?);
            } else {
                return Ok(steps);
            }
            first = false;
        }
    }

    fn field(&mut self) -> Result<Step, PathError> {
        if self.take("*") {
            return Ok(Step::Every);
        }
        let mut name = String::new();
        while let Some(c) = self.peek() {
            if c == '\\' {
                self.at += 1;
                let escaped = self.peek().ok_or_else(|| self.wrong("nothing follows the backslash"))?;
                name.push(escaped);
                self.at += escaped.len_utf8();
            } else if c.is_whitespace() || ".[](),=<>!{}'\"|&@$?".contains(c) {
                break;
            } else {
                name.push(c);
                self.at += c.len_utf8();
            }
        }
        if name.is_empty() { Err(self.wrong("a field's name is missing")) } else { Ok(Step::Field(name)) }
    }

    fn brackets(&mut self, depth: usize) -> Result<Step, PathError> {
        self.spaces();
        if self.take("?(") {
            let step = self.filter(depth + 1)?;
            self.spaces();
            return if self.take(")]") { Ok(step) } else { Err(self.wrong("a filter ends with `)]`")) };
        }
        let mut members = vec![self.member()?];
        self.spaces();
        while self.take(",") {
            self.spaces();
            members.push(self.member()?);
            self.spaces();
        }
        if !self.take("]") {
            return Err(self.wrong("a `]` is missing"));
        }
        match members.len() {
            1 => members.pop().ok_or_else(|| self.wrong("nothing stands between the brackets")),
            _ => Ok(Step::Union(members.into_iter().map(|step| vec![step]).collect())),
        }
    }

    fn member(&mut self) -> Result<Step, PathError> {
        match self.peek() {
            Some('*') => {
                self.at += 1;
                Ok(Step::Every)
            }
            Some('\'' | '"') => Ok(Step::Field(self.quoted()?)),
            Some('-' | ':' | '0'..='9') => {
                let start = self.integer()?;
                if !self.take(":") {
                    return start.map(Step::Index).ok_or_else(|| self.wrong("an index is missing"));
                }
                let end = self.integer()?;
                let step = if self.take(":") { self.integer()?.unwrap_or(1) } else { 1 };
                if step < 1 {
                    return Err(self.wrong("the step of a slice must be at least 1"));
                }
                Ok(Step::Slice(start, end, step))
            }
            _ => self.field(),
        }
    }

    fn integer(&mut self) -> Result<Option<i64>, PathError> {
        let rest = self.rest();
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        let length = rest.len() - digits.len() + digits.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return Ok(None);
        }
        let number = rest[..length].parse().map_err(|_| self.wrong(format!("{:?} is no index", &rest[..length])))?;
        self.at += length;
        Ok(Some(number))
    }

    fn quoted(&mut self) -> Result<String, PathError> {
        let open = self.peek().ok_or_else(|| self.wrong("a quote is missing"))?;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, escaped)) => text.push(escaped),
                    None => break,
                },
                c if c == open => {
                    self.at += at + c.len_utf8();
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err(self.wrong("this quote is never closed"))
    }

    fn filter(&mut self, depth: usize) -> Result<Step, PathError> {
        let left = self.operand(depth)?;
        self.spaces();
        let operators = [
            ("==", Comparison::Equal),
            ("!=", Comparison::Unequal),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let Some((_, comparison)) = operators.into_iter().find(|(token, _)| self.take(token)) else {
            return Ok(Step::Filter(left, None));
        };
        self.spaces();
        let right = self.operand(depth)?;
        Ok(Step::Filter(left, Some((comparison, right))))
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, PathError> {
        self.spaces();
        match self.peek() {
            Some('\'' | '"') => Ok(Operand::Literal(Value::String(self.quoted()?))),
            Some('@' | '$' | '.') => Ok(Operand::Path(self.path(depth)?)),
            _ => {
                let length =
                    self.rest().find(|c: char| c.is_whitespace() || ")=<>!".contains(c)).unwrap_or(self.rest().len());
                let literal = serde_json::from_str(&self.rest()[..length])
                    .map_err(|_| self.wrong("a number, true, false, null, a quoted text or a path is expected"))?;
                self.at += length;
                Ok(Operand::Literal(literal))
            }
        }
    }
}

fn walk<'v>(steps: &[Step], from: &'v Value, root: &'v Value) -> Result<Vec<&'v Value>, Absent> {
    let mut values = vec![from];
    let mut deep = false;
    for step in steps {
        if deep {
            values = values.into_iter().flat_map(descendants).take(MAX_VALUES + 1).collect();
            deep = false;
            values = values.iter().filter_map(|value| apply(step, value, root).ok()).flatten().collect();
        } else if *step == Step::Deep {
            deep = true;
        } else {
            let mut next = Vec::new();
            for value in values {
                next.extend(apply(step, value, root)?);
                if next.len() > MAX_VALUES {
                    return Err(Absent::TooMany);
                }
            }
            values = next;
        }
        if values.len() > MAX_VALUES {
            return Err(Absent::TooMany);
        }
    }
    Ok(if deep { values.into_iter().flat_map(descendants).collect() } else { values })
}

fn apply<'v>(step: &Step, value: &'v Value, root: &'v Value) -> Result<Vec<&'v Value>, Absent> {
    match step {
        Step::Field(name) => {
            value.get(name.as_str()).map(|found| vec![found]).ok_or_else(|| Absent::Field(name.clone()))
        }
        Step::Every => Ok(children(value)),
        Step::Deep => Ok(descendants(value)),
        Step::Index(index) => {
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let at = if *index < 0 { index + items.len() as i64 } else { *index };
            usize::try_from(at).ok().and_then(|at| items.get(at)).map(|item| vec![item]).ok_or(Absent::Index(*index))
        }
        Step::Slice(start, end, step) => {
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let length = items.len() as i64;
            let bound = |at: i64| (if at < 0 { at + length } else { at }).clamp(0, length) as usize;
            let (start, end) = (bound(start.unwrap_or(0)), bound(end.unwrap_or(length)));
            Ok(items.get(start..end).unwrap_or_default().iter().step_by(*step as usize).collect())
        }
        Step::Union(members) => {
            let found: Vec<_> = members.iter().filter_map(|path| walk(path, value, root).ok()).flatten().collect();
            Ok(found)
        }
        Step::Filter(left, comparison) => {
            Ok(children(value).into_iter().filter(|child| holds(left, comparison.as_ref(), child, root)).collect())
        }
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// The value and all below it, parents first. A document's depth is bounded by its parser.
fn descendants(value: &Value) -> Vec<&Value> {
    let mut found = vec![value];
    let mut at = 0;
    while at < found.len() && found.len() <= MAX_VALUES {
        found.extend(children(found[at]));
        at += 1;
    }
    found
}

fn holds(left: &Operand, comparison: Option<&(Comparison, Operand)>, child: &Value, root: &Value) -> bool {
    let left = resolve(left, child, root);
    let Some((comparison, right)) = comparison else { return left.is_some() };
    let (Some(left), Some(right)) = (left, resolve(right, child, root)) else { return false };
    let order = match (&left, &right) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => return matches!((comparison, left == right), (Comparison::Equal, true) | (Comparison::Unequal, false)),
    };
    match comparison {
        Comparison::Equal => order.is_some_and(|order| order.is_eq()),
        Comparison::Unequal => order.is_none_or(|order| order.is_ne()),
        Comparison::Less => order.is_some_and(|order| order.is_lt()),
        Comparison::LessOrEqual => order.is_some_and(|order| order.is_le()),
        Comparison::Greater => order.is_some_and(|order| order.is_gt()),
        Comparison::GreaterOrEqual => order.is_some_and(|order| order.is_ge()),
    }
}

fn resolve(operand: &Operand, child: &Value, root: &Value) -> Option<Value> {
    match operand {
        Operand::Literal(value) => Some(value.clone()),
        Operand::Path(path) => walk(path, child, root).ok()?.first().map(|value| (*value).clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(template: &str) -> Result<String, String> {
        let document = json!({
            "counter": 1234, "name": "shop", "up": true, "none": null, "a.b": 7,
            "nested": {"deep": {"count": 3}, "count": 4},
            "values": [
                {"id": "id-A", "count": 1, "state": "ACTIVE"},
                {"id": "id-B", "count": 2, "state": "INACTIVE"},
                {"id": "id-C", "count": 3, "state": "ACTIVE"}
            ]
        });
        Template::parse(template).map_err(|e| e.to_string())?.text(&document).map_err(|e| e.to_string())
    }

    #[test]
    fn paths_find_what_kubectl_finds() {
        let cases = [
            ("{ .counter }", "1234"),
            (".counter", "1234"),
            ("$.counter", "1234"),
            ("{.name}-{.counter}!", "shop-1234!"),
            ("beta", "beta"),
            ("{.up} {.none}", "true null"),
            ("{['a.b']}", "7"),
            ("{.a\\.b}", "7"),
            ("{.values[0].id}", "id-A"),
            ("{.values[-1].id}", "id-C"),
            ("{.values[*].count}", "1 2 3"),
            ("{.values[0:2].count}", "1 2"),
            ("{.values[::2].count}", "1 3"),
            ("{.values[0,2].id}", "id-A id-C"),
            ("{.values[0]['id','count']}", "id-A 1"),
            ("{.values[?(@.state == \"ACTIVE\")].id}", "id-A id-C"),
            ("{.values[?(@.count>1)].id}", "id-B id-C"),
            ("{.values[?(@.count!=2)].id}", "id-A id-C"),
            ("{.values[?(@.missing)].id}", ""),
            ("{.values[?(@.id)].count}", "1 2 3"),
            ("{..count}", "1 2 3 3 4"),
            ("{.nested..count}", "4 3"),
            ("{\"text\"}", "text"),
        ];
        for (template, text) in cases {
            let mut found = read(template).unwrap();
            let mut expected = text.to_owned();
            if template.contains("..") {
                // The order of the deep walk is nobody's promise.
                let sort = |text: &str| {
                    let mut words: Vec<_> = text.split(' ').map(str::to_owned).collect();
                    words.sort();
                    words.join(" ")
                };
                (found, expected) = (sort(&found), sort(&expected));
            }
            assert_eq!(found, expected, "{template}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        assert_eq!(read("{.nope}"), Err("\"nope\" is not there".to_owned()));
        assert_eq!(read("{.values[9]}"), Err("the array has no item 9".to_owned()));
        assert_eq!(read("{.counter[0]}"), Err("the array has no item 0".to_owned()));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_column() {
        let cases = [
            ("{.a", "at column 1: this brace is never closed"),
            ("{.a[}", "at column 5: a field's name is missing"),
            ("{.a[0}", "at column 6: a `]` is missing"),
            ("{range .a}", "at column 2: range and end are not read; a list of values is taken with [*]"),
            ("{.a[?(@.x = 1)]}", "at column 11: a filter ends with `)]`"),
            ("{.a b}", "at column 5: \"b\" is not understood"),
            ("{.a['x}", "at column 1: this brace is never closed"),
            ("{.a[0:1:0]}", "at column 10: the step of a slice must be at least 1"),
        ];
        for (template, reason) in cases {
            assert_eq!(read(template), Err(reason.to_owned()), "{template}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(template in "[{}.$@a-c\\[\\]*?()=<>!'\"0-9:, \\\\-]{0,40}") {
            let _ = read(&template);
        }
    }
}
