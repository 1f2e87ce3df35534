//! Mistakes: everything that is wrong with one file or with the environment, told together.

use std::fmt;

use super::Position;
use crate::core::fault::Fault;

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
