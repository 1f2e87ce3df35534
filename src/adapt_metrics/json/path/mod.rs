//! Paths into JSON: the template dialect of Kubernetes (`{ .items[?(@.state == "up")].count }`), text in, values out.
//!
//! A template is text with expressions in braces; a path without braces is taken as one expression when it begins with `.`,
//! `$` or `[`. Read: fields, `['quoted']` fields, `*`, `..` at any depth, indexes (negative from the end), slices, unions
//! and filters with one comparison. Refused, with the column: `range`/`end`, and whatever else is not in this list.

mod reader;
mod walk;

use std::fmt::Write;

use serde_json::Value;
use thiserror::Error;

use crate::core::metrics::write_float;
use reader::{Reader, closing_brace};
use walk::walk;

/// Nesting of expressions within filters.
const MAX_DEPTH: usize = 16;
/// The most values that one path may yield: `..` over a large document must not fill the memory.
const MAX_VALUES: usize = 100_000;

/// A template that can be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
    spelling: Spelling,
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// As they stand in the document.
    Document,
    /// As Go writes a float, which is what every number is to it: `1.2345678e+07`.
    Go,
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
            return Ok(Self { parts: vec![Part::Path(path)], spelling: Spelling::Document });
        }
        Ok(Self { spelling: Spelling::Document, ..Self::parse_braces(text)? })
    }

    /// Reads a template as Kubernetes' own library does: what stands outside of braces is text, and numbers are Go's.
    ///
    /// # Errors
    /// What is not understood, and at which column.
    pub fn parse_braces(text: &str) -> Result<Self, PathError> {
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
        Ok(Self { parts, spelling: Spelling::Go })
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
                        self.write_value(&mut out, value);
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

    /// A value as text: strings without quotes, the rest as JSON.
    fn write_value(&self, out: &mut String, value: &Value) {
        match (value, self.spelling) {
            (Value::String(text), _) => out.push_str(text),
            (Value::Number(number), Spelling::Go) => {
                let mut digits = Vec::new();
                write_float(&mut digits, number.as_f64().unwrap_or(f64::NAN));
                out.push_str(&String::from_utf8_lossy(&digits));
            }
            // Writing to a String cannot fail.
            (other, _) => drop(write!(out, "{other}")),
        }
    }
}

#[cfg(test)]
mod tests;
