//! Templates of names and labels: text with references to what a rule captured.
//!
//! Two kinds, as statsd_exporter has them. In a glob rule `$n` is the n-th `*` and `$0` the whole name; a reference takes in
//! every letter, digit, underscore and dollar behind it, so that `$1_x` refers to nothing; `${1}_x` is meant. In a regex rule the grammar is
//! that of Go's `Expand`: `$1`, `${name}`, `$$`.

use regex::Captures;

/// What a rule captured from a name.
#[derive(Debug)]
pub enum Captured<'n> {
    /// What a glob took: the whole name, and the segments under its stars in their order.
    Stars(&'n str, Vec<&'n str>),
    /// The groups of a regex.
    Groups(Captures<'n>),
}

/// A template for one kind of rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// For stars.
    Stars(Vec<Piece>),
    /// For groups, in Go's grammar.
    Groups(String),
}

/// A part of a template for stars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text as it is.
    Text(String),
    /// The n-th star, counted from 1; 0 is the whole name.
    Star(usize),
}

impl Template {
    /// A template for a glob with so many stars; references to none of them become nothing.
    pub fn for_stars(text: &str, stars: usize) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, reference) = rest.split_at(at);
            push_text(&mut pieces, before);
            let open = reference[1..].strip_prefix('{').unwrap_or(&reference[1..]);
            let length =
                open.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')).count();
            if length == 0 {
                push_text(&mut pieces, "$");
                rest = &reference[1..];
                continue;
            }
            let (word, after) = open.split_at(length);
            if let Some(star) = word.parse::<usize>().ok().filter(|star| *star <= stars) {
                pieces.push(Piece::Star(star));
            }
            rest = after.strip_prefix('}').unwrap_or(after);
        }
        push_text(&mut pieces, rest);
        Self::Stars(pieces)
    }

    /// A template for a regex.
    pub fn for_groups(text: &str) -> Self {
        Self::Groups(text.to_owned())
    }

    /// The template's text with its references replaced. A template for the other kind of capture gives its text as it is.
    pub fn expand(&self, captured: &Captured<'_>) -> String {
        let mut out = String::new();
        match (self, captured) {
            (Self::Stars(pieces), captured) => {
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => out.push_str(text),
                        Piece::Star(star) => out.push_str(captured.star(*star)),
                    }
                }
            }
            (Self::Groups(text), Captured::Groups(captures)) => captures.expand(text, &mut out),
            (Self::Groups(text), Captured::Stars(..)) => out.push_str(text),
        }
        out
    }
}

impl Captured<'_> {
    fn star(&self, star: usize) -> &str {
        match self {
            Self::Stars(name, _) if star == 0 => name,
            Self::Stars(_, stars) => stars.get(star - 1).copied().unwrap_or_default(),
            Self::Groups(captures) => captures.get(star).map_or("", |group| group.as_str()),
        }
    }

    /// What was captured, in order, for an explanation.
    pub fn list(&self) -> Vec<String> {
        match self {
            Self::Stars(_, stars) => stars.iter().map(|star| (*star).to_owned()).collect(),
            Self::Groups(captures) => {
                captures.iter().skip(1).map(|group| group.map_or("", |group| group.as_str()).to_owned()).collect()
            }
        }
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stars(template: &str) -> String {
        Template::for_stars(template, 2).expand(&Captured::Stars("x.A.B", vec!["A", "B"]))
    }

    #[test]
    fn references_to_stars_are_replaced_and_others_become_nothing() {
        let cases = [
            ("plain", "plain"),
            ("$1", "A"),
            ("${2}_x", "B_x"),
            ("$1_x", ""),
            ("$1-$2-$1", "A-B-A"),
            ("$1$2", ""),
            ("${1}${2}", "AB"),
            ("$3", ""),
            ("$0", "x.A.B"),
            ("${0}_$1", "x.A.B_A"),
            ("$0_x", ""),
            ("$00", "x.A.B"),
            ("$name.x", ".x"),
            ("100%d-$1", "100%d-A"),
            ("$", "$"),
            ("a$ b", "a$ b"),
            ("$1}", "A"),
            ("é$1é", "éAé"),
        ];
        for (template, text) in cases {
            assert_eq!(stars(template), text, "{template}");
        }
    }

    #[test]
    fn groups_are_expanded_as_go_does() {
        let regex = regex::Regex::new(r"(?P<first>\w+)\.(\w+)").unwrap();
        let expand =
            |template: &str| Template::for_groups(template).expand(&Captured::Groups(regex.captures("a.b").unwrap()));
        assert_eq!(expand("${2}_$1"), "b_a");
        assert_eq!(expand("$1_x"), "");
        assert_eq!(expand("${first}-$0-$$"), "a-a.b-$");
        assert_eq!(expand("$9"), "");
    }
}
