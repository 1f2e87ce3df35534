//! Regexes as Go writes them, for a machine that reads them nearly alike.
//!
//! RE2 and this regex crate share their syntax but for five points, which are translated: `\d \w \s \b` know ASCII only
//! in Go, `\Q…\E` quotes, within a class `[`, `&&`, `--` and `~~` are plain characters, and a
//! group may have a number for a name.

use regex::{Regex, RegexBuilder};

/// The largest program that a regex may compile to, in bytes: one rule must not fill the memory.
const MAX_PROGRAM: usize = 1 << 20;

/// Compiles a regex of Go's.
///
/// # Errors
/// What is wrong with it, in a line.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern);
    RegexBuilder::new(&translated).size_limit(MAX_PROGRAM).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("it compiles to more than {limit} bytes"),
        other => {
            let told = other.to_string();
            let last = told.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    })
}

fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if c == '\\' {
            let Some(escaped) = after.chars().next() else {
                out.push('\\');
                return out;
            };
            rest = &after[escaped.len_utf8()..];
            match (escaped, in_class) {
                ('d', true) => out.push_str("0-9"),
                ('w', true) => out.push_str("0-9A-Za-z_"),
                ('s', true) => out.push_str(r"\t\n\f\r "),
                ('d', false) => out.push_str("[0-9]"),
                ('w', false) => out.push_str("[0-9A-Za-z_]"),
                ('s', false) => out.push_str(r"[\t\n\f\r ]"),
                ('D', _) => out.push_str("[^0-9]"),
                ('W', _) => out.push_str("[^0-9A-Za-z_]"),
                ('S', _) => out.push_str(r"[^\t\n\f\r ]"),
                ('b', false) => out.push_str(r"(?-u:\b)"),
                ('B', false) => out.push_str(r"(?-u:\B)"),
                ('Q', false) => {
                    let end = rest.find(r"\E");
                    out.push_str(&regex::escape(&rest[..end.unwrap_or(rest.len())]));
                    rest = end.map_or("", |end| &rest[end + 2..]);
                }
                _ => {
                    out.push('\\');
                    out.push(escaped);
                }
            }
            continue;
        }
        rest = after;
        if let Some(after) = numbered_group(after).filter(|_| c == '(' && !in_class) {
            out.push('(');
            rest = after;
            continue;
        }
        match c {
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                // A bracket that stands first closes nothing.
                for first in ["^", "]"] {
                    if let Some(stripped) = rest.strip_prefix(first) {
                        out.push_str(if first == "]" { r"\]" } else { "^" });
                        rest = stripped;
                    }
                }
            }
            '[' if rest.starts_with(':') => {
                let end = rest.find(":]").map_or(rest.len(), |end| end + 2);
                out.push('[');
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            '[' => out.push_str(r"\["),
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            '-' if in_class && rest.starts_with('-') => out.push_str(r"\-"),
            c => out.push(c),
        }
    }
    out
}

/// What stands behind the name of a group that has a number for a name, which Go takes. References to it go by its place,
/// since `$1` is a place.
fn numbered_group(opened: &str) -> Option<&str> {
    let name = opened.strip_prefix("?P<").or_else(|| opened.strip_prefix("?<"))?;
    let (name, after) = name.split_once('>')?;
    (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn gos_classes_know_ascii_only() {
        let matches = |pattern: &str, text: &str| compile(pattern).unwrap().is_match(text);
        assert!(matches(r"^\w+\.\d+$", "a_1.23") && !matches(r"^\w+$", "é") && !matches(r"^\d$", "٣"));
        assert!(matches(r"^[\w.-]+$", "a.b-c") && matches(r"^[^\d]$", "x") && !matches(r"^[\W]$", "a"));
        assert!(matches(r"^\Qa.b\E$", "a.b") && !matches(r"^\Qa.b\E$", "axb"));
        assert!(matches(r"^[[a]+$", "[a") && matches(r"^[a&&b]+$", "a&b") && matches(r"^[]a]+$", "]a"));
        assert!(matches(r"^[[:alpha:]]+$", "abc") && matches(r"(?i)^AB$", "ab") && matches(r"\bx\b", "éx"));
        assert!(matches(r"^(?P<1>a)(?<2>b)$", "ab"));
        assert!(matches(r"^(?P<n>a)|b$", "b") && matches(r"^a\/b$", "a/b"));
    }

    #[test]
    fn what_is_no_regex_is_told_in_one_line() {
        assert!(compile("a(b").unwrap_err().contains("unclosed group"));
        assert!(compile(r"a(?!b)").unwrap_err().contains("look-around"));
        assert!(compile(r"(((a{100}){100}){100}){100}").unwrap_err().contains("bytes"));
    }

    proptest! {
        #[test]
        fn never_panics(pattern in "[a-z\\[\\]\\\\().*+?^$|&~QEdwsb-]{0,30}") {
            let _ = compile(&pattern);
        }
    }
}
