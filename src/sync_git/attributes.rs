//! What `.gitattributes` say of a file's content: line ends, `$Id$`, an encoding.
//!
//! In: the text of each `.gitattributes` from the top of the tree down, `core.autocrlf` and `core.eol`. Out: for a path, the
//! [`Rule`] by which its content is written, as git's own checkout would. It does no I/O, and nothing that a repository says
//! here runs anything: filters, drivers and macros of filters are read over. Refused: files that are larger than anybody
//! writes, which then say nothing. Source: gitattributes(5).

use std::collections::HashMap;

use super::sparse::{Pattern, What};

/// More than this is not read.
pub(crate) const LARGEST: usize = 1 << 20;
/// Macros that a repository may define, and how deep they may nest.
const DEEPEST_MACRO: usize = 8;

/// How text ends its lines where no attribute says so: `core.autocrlf` and `core.eol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LineEnds {
    /// `core.autocrlf=true`: files that are text end their lines with CRLF, attributes or not.
    pub auto_crlf: bool,
    /// `core.eol=crlf`: files that attributes call text do.
    pub text_crlf: bool,
}

/// What is done to a content before it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    pub ends: Ends,
    pub has_ident: bool,
    /// The name of an encoding, in capitals.
    pub encoding: Option<String>,
}

/// Which line ends are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ends {
    #[default]
    Kept,
    /// CRLF wherever a line ends otherwise.
    Crlf,
    /// CRLF, if the content is text and has no other line ends than LF.
    CrlfIfText,
}

impl Rule {
    /// Whether contents are written as they are.
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Set,
    Unset,
    Text(String),
    Unspecified,
}

type Words = Vec<(String, Value)>;

/// One `.gitattributes`.
struct List {
    /// The length of the path of its directory, slash included.
    prefix: usize,
    lines: Vec<(Pattern, Words)>,
}

/// The attributes that are in force in one directory: those of the lists above, and its own.
pub(crate) struct Attributes {
    line_ends: LineEnds,
    lists: Vec<List>,
    macros: HashMap<String, Words>,
}

impl Attributes {
    pub(crate) fn new(line_ends: LineEnds) -> Self {
        let binary = vec![("text".to_owned(), Value::Unset)];
        Self { line_ends, lists: Vec::new(), macros: HashMap::from([("binary".to_owned(), binary)]) }
    }

    /// Enters a directory that has a `.gitattributes` of its own.
    pub(crate) fn enter(&mut self, directory: &[u8], text: &[u8]) {
        let prefix = if directory.is_empty() { 0 } else { directory.len() + 1 };
        let mut lines = Vec::new();
        for line in text.split(|byte| *byte == b'\n').filter(|_| text.len() <= LARGEST) {
            let line = line.trim_ascii();
            if let Some(definition) = line.strip_prefix(b"[attr]") {
                let (name, words) = split(definition);
                // Only the top of the tree may define macros.
                if prefix == 0 && !name.is_empty() {
                    self.macros.insert(String::from_utf8_lossy(&name).into_owned(), parsed(words));
                }
            } else if !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b"!") {
                let (pattern, words) = split(line);
                lines.extend(Pattern::parse(&pattern).map(|pattern| (pattern, parsed(words))));
            }
        }
        self.lists.push(List { prefix, lines });
    }

    /// Leaves the directory that was entered last.
    pub(crate) fn leave(&mut self) {
        self.lists.pop();
    }

    /// How the file at `path` is written.
    pub(crate) fn rule(&self, path: &[u8]) -> Rule {
        if self.lists.is_empty() && !self.line_ends.auto_crlf {
            return Rule::default();
        }
        let mut values = HashMap::new();
        // The last line that says something of an attribute counts, and the lists further down come last.
        for list in &self.lists {
            for (pattern, words) in &list.lines {
                if path.len() > list.prefix && pattern.matches(&path[list.prefix..], What::File) {
                    self.apply(words, &mut values, 0);
                }
            }
        }
        let said = |name: &str| values.get(name).filter(|value| **value != Value::Unspecified);
        let encoding = match said("working-tree-encoding") {
            Some(Value::Text(name)) => Some(name.to_ascii_uppercase()).filter(|name| name != "UTF-8" && name != "UTF8"),
            _ => None,
        };
        let has_ident = said("ident") == Some(&Value::Set);
        Rule { ends: self.ends(said("text").or(said("crlf")), said("eol")), has_ident, encoding }
    }

    fn apply<'a>(&'a self, words: &'a Words, values: &mut HashMap<&'a str, Value>, depth: usize) {
        for (name, value) in words {
            if let Some(words) = self.macros.get(name).filter(|_| *value == Value::Set && depth < DEEPEST_MACRO) {
                self.apply(words, values, depth + 1);
            }
            values.insert(name, value.clone());
        }
    }

    fn ends(&self, text: Option<&Value>, eol: Option<&Value>) -> Ends {
        let is = |value: Option<&Value>, wanted: &str| matches!(value, Some(Value::Text(text)) if text == wanted);
        let is_auto = is(text, "auto");
        // `eol` makes a file text, unless it is said to be none; `crlf=input` is how `eol=lf` was once spelt.
        let wants_crlf = match () {
            () if text == Some(&Value::Unset) || is(text, "input") || is(eol, "lf") => false,
            () if is(eol, "crlf") => true,
            () if text.is_none() => self.line_ends.auto_crlf,
            () => self.line_ends.auto_crlf || self.line_ends.text_crlf,
        };
        match (wants_crlf, is_auto || (text.is_none() && eol.is_none())) {
            (false, _) => Ends::Kept,
            (true, true) => Ends::CrlfIfText,
            (true, false) => Ends::Crlf,
        }
    }
}

/// The first word, whose quotes are taken off, and the rest.
fn split(line: &[u8]) -> (Vec<u8>, &[u8]) {
    let is_blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let line = line.trim_ascii_start();
    if let Some(rest) = line.strip_prefix(b"\"") {
        let mut word = Vec::new();
        let mut at = 0;
        while let Some(byte) = rest.get(at) {
            match (byte, rest.get(at + 1)) {
                (b'"', _) => return (word, &rest[at + 1..]),
                (b'\\', Some(next @ (b'"' | b'\\'))) => {
                    word.push(*next);
                    at += 1;
                }
                _ => word.push(*byte),
            }
            at += 1;
        }
    }
    let end = line.iter().position(is_blank).unwrap_or(line.len());
    (line[..end].to_vec(), &line[end..])
}

fn parsed(words: &[u8]) -> Words {
    let text = String::from_utf8_lossy(words);
    let word = |word: &str| match (word.strip_prefix('-'), word.strip_prefix('!'), word.split_once('=')) {
        (Some(name), ..) => (name.to_owned(), Value::Unset),
        (_, Some(name), _) => (name.to_owned(), Value::Unspecified),
        (_, _, Some((name, value))) => (name.to_owned(), Value::Text(value.to_owned())),
        _ => (word.to_owned(), Value::Set),
    };
    text.split_ascii_whitespace().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(line_ends: LineEnds, lists: &[(&str, &str)], path: &str) -> Rule {
        let mut attributes = Attributes::new(line_ends);
        for (directory, text) in lists {
            attributes.enter(directory.as_bytes(), text.as_bytes());
        }
        attributes.rule(path.as_bytes())
    }

    fn ends(text: &str, path: &str) -> Ends {
        rule(LineEnds::default(), &[("", text)], path).ends
    }

    #[test]
    fn line_ends_follow_text_and_eol() {
        assert_eq!(ends("*.bat eol=crlf", "a/b.bat"), Ends::Crlf);
        assert_eq!(ends("* text=auto eol=crlf", "a"), Ends::CrlfIfText);
        assert_eq!(ends("* text=auto\n*.sh eol=lf", "a.sh"), Ends::Kept);
        assert_eq!(ends("* eol=crlf\n*.png binary", "a.png"), Ends::Kept);
        assert_eq!(ends("* eol=crlf\n*.png -text", "a.png"), Ends::Kept);
        assert_eq!(ends("* crlf=input eol=crlf", "a"), Ends::Kept);
        assert_eq!(ends("[attr]win text eol=crlf\n*.x win", "a.x"), Ends::Crlf);
        assert_eq!(ends("* eol=crlf\nkeep !eol", "keep"), Ends::Kept);
        assert_eq!(ends("\"a b\" eol=crlf", "a b"), Ends::Crlf);
        assert_eq!(ends("# c\n/top eol=crlf", "d/top"), Ends::Kept);
        assert_eq!(ends("d/ eol=crlf", "d/file"), Ends::Kept);
        assert_eq!(ends("d/** eol=crlf", "d/e/file"), Ends::Crlf);
    }

    #[test]
    fn gits_settings_count_where_no_attribute_speaks() {
        let auto = LineEnds { auto_crlf: true, text_crlf: false };
        let text = LineEnds { auto_crlf: false, text_crlf: true };
        assert_eq!(rule(auto, &[], "a").ends, Ends::CrlfIfText);
        assert_eq!(rule(auto, &[("", "* text")], "a").ends, Ends::Crlf);
        assert_eq!(rule(auto, &[("", "* -text")], "a").ends, Ends::Kept);
        assert_eq!(rule(auto, &[("", "* eol=lf")], "a").ends, Ends::Kept);
        assert_eq!(rule(text, &[], "a").ends, Ends::Kept);
        assert_eq!(rule(text, &[("", "* text=auto")], "a").ends, Ends::CrlfIfText);
    }

    #[test]
    fn a_list_further_down_wins_below_it() {
        let lists = [("", "*.txt eol=crlf ident"), ("d", "/a.txt eol=lf\nb.txt working-tree-encoding=utf-16")];
        let rule = |path: &str| rule(LineEnds::default(), &lists, path);
        assert_eq!(rule("d/a.txt"), Rule { has_ident: true, ..Rule::default() });
        assert_eq!(rule("d/b.txt").encoding.as_deref(), Some("UTF-16"));
        assert_eq!(rule("d/e/a.txt").ends, Ends::Crlf);
    }
}
