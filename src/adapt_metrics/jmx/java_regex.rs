//! Java's regular expressions, as rule files hold them, on Rust's engines.
//!
//! In: a Java pattern. Out: the same pattern in Rust's spelling (Java's `\d \w \s \b` are ASCII, `\<` is a plain `<`,
//! `\Q…\E` quotes), for the linear engine where that is possible, else (look-around, back references, possessive and
//! atomic groups) for the backtracking one, together with a looser pattern that the linear engine can use to rule a
//! match out. Refused by name: what neither engine has, such as `\G` and `\p{javaLowerCase}`.

use super::java_class::{Escaped, class_body, class_escape};

/// A Java pattern in Rust's spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Translated {
    pub(crate) pattern: String,
    pub(crate) engine: Engine,
    /// Matches whatever the pattern matches, and more where the engine is the backtracking one.
    pub(crate) looser: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Linear,
    Backtracking,
}

/// What can be said against a pattern or a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotJava(pub(crate) String);

/// # Errors
/// The pattern uses something that neither engine has.
pub(crate) fn translate(java: &str) -> Result<Translated, NotJava> {
    let mut translator = Translator::new(java, Engine::Linear);
    translator.run()?;
    if translator.needs_backtracking {
        translator = Translator::new(java, Engine::Backtracking);
        translator.run()?;
    }
    Ok(Translated { pattern: translator.exact, engine: translator.engine, looser: translator.looser })
}

struct Translator<'a> {
    rest: std::str::Chars<'a>,
    engine: Engine,
    exact: String,
    looser: String,
    needs_backtracking: bool,
    /// The groups that are open; whether they are look-arounds, which the looser pattern leaves out.
    groups: Vec<Group>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Ordinary,
    LookAround,
}

impl<'a> Translator<'a> {
    fn new(java: &'a str, engine: Engine) -> Self {
        Translator {
            rest: java.chars(),
            engine,
            exact: String::with_capacity(java.len() + 16),
            looser: String::with_capacity(java.len() + 16),
            needs_backtracking: false,
            groups: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), NotJava> {
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => self.escape()?,
                '[' => {
                    let mut class = String::new();
                    class_body(&mut self.rest, &mut class)?;
                    self.both(&class);
                }
                '(' => self.open()?,
                ')' => {
                    if self.groups.last() == Some(&Group::LookAround) {
                        self.exact.push(')');
                    } else {
                        self.both(")");
                    }
                    self.groups.pop();
                }
                '*' | '+' | '?' => self.quantifier(&character.to_string()),
                '{' => {
                    let (inside, behind) = self
                        .rest
                        .as_str()
                        .split_once('}')
                        .ok_or_else(|| NotJava("a repetition does not end".to_owned()))?;
                    self.rest = behind.chars();
                    if inside.is_empty() || !inside.chars().all(|next| next.is_ascii_digit() || next == ',') {
                        return Err(NotJava(format!("`{{{inside}` is no repetition; write `\\{{` for a brace")));
                    }
                    self.quantifier(&format!("{{{inside}}}"));
                }
                other => self.both(other.encode_utf8(&mut [0; 4])),
            }
        }
        Ok(())
    }

    fn both(&mut self, text: &str) {
        self.exact.push_str(text);
        if !self.groups.contains(&Group::LookAround) {
            self.looser.push_str(text);
        }
    }

    /// A quantifier, lazy or possessive by what follows it.
    fn quantifier(&mut self, quantifier: &str) {
        self.both(quantifier);
        match self.rest.clone().next() {
            Some('?') => {
                self.rest.next();
                self.both("?");
            }
            Some('+') => {
                self.rest.next();
                self.needs_backtracking = true;
                self.exact.push('+');
            }
            _ => {}
        }
    }

    fn open(&mut self) -> Result<(), NotJava> {
        let text = self.rest.as_str();
        for look in ["?=", "?!", "?<=", "?<!"] {
            if let Some(rest) = text.strip_prefix(look) {
                self.rest = rest.chars();
                self.needs_backtracking = true;
                self.exact.extend(["(", look]);
                self.groups.push(Group::LookAround);
                return Ok(());
            }
        }
        let in_look_around = self.groups.contains(&Group::LookAround);
        self.groups.push(if in_look_around { Group::LookAround } else { Group::Ordinary });
        if let Some(rest) = text.strip_prefix("?>") {
            self.rest = rest.chars();
            self.needs_backtracking = true;
            self.exact.push_str("(?>");
            if !in_look_around {
                self.looser.push_str("(?:");
            }
            return Ok(());
        }
        let Some(rest) = text.strip_prefix('?').filter(|rest| !rest.starts_with('<')) else {
            self.both("(");
            return Ok(());
        };
        // Flags. Rust has no `d` (Unix lines) and `u` (which it always does), and means something else by `U`.
        let end = rest.find([':', ')']).ok_or_else(|| NotJava("a group does not end".to_owned()))?;
        let flags: String = rest[..end].chars().filter(|flag| !matches!(flag, 'd' | 'u' | 'U')).collect();
        if let Some(unknown) = flags.chars().find(|flag| !matches!(flag, 'i' | 'm' | 's' | 'x' | '-')) {
            return Err(NotJava(format!("`(?{unknown}` is no group that Java has")));
        }
        let flags = flags.trim_end_matches('-');
        let closes = rest[end..].starts_with(')');
        self.rest = rest[end + 1..].chars();
        if closes {
            self.groups.pop();
            if !flags.is_empty() {
                self.both(&format!("(?{flags})"));
            }
        } else {
            self.both(&format!("(?{flags}:"));
        }
        Ok(())
    }

    /// An escape outside of brackets.
    fn escape(&mut self) -> Result<(), NotJava> {
        let next = self.rest.next().ok_or_else(|| NotJava("it ends in a backslash".to_owned()))?;
        match next {
            'b' | 'B' => match self.engine {
                // ASCII word boundaries, as Java's are.
                Engine::Linear => self.both(&format!("(?-u:\\{next})")),
                Engine::Backtracking => {
                    self.exact.extend(['\\', next]);
                    self.looser.push_str(if self.groups.contains(&Group::LookAround) { "" } else { "(?:)" });
                }
            },
            'A' | 'z' => self.both(&format!("\\{next}")),
            'Z' => self.both("(?:\\n?\\z)"),
            'R' => self.both("(?:\\r\\n|[\\n\\x0B\\f\\r\\x{85}\\x{2028}\\x{2029}])"),
            'Q' => {
                let (quoted, rest) = self.rest.as_str().split_once("\\E").unwrap_or((self.rest.as_str(), ""));
                let quoted = regex::escape(quoted);
                self.rest = rest.chars();
                self.both(&quoted);
            }
            '1'..='9' => {
                self.needs_backtracking = true;
                self.exact.extend(['\\', next]);
                if !self.groups.contains(&Group::LookAround) {
                    self.looser.push_str(".*");
                }
            }
            'k' => {
                let name: String = self.rest.by_ref().take_while(|character| *character != '>').collect();
                self.needs_backtracking = true;
                self.exact.push_str(&format!("\\k{name}>"));
                if !self.groups.contains(&Group::LookAround) {
                    self.looser.push_str(".*");
                }
            }
            _ => {
                let escaped = class_escape(next, &mut self.rest)?;
                match escaped {
                    Escaped::Set(set) => self.both(&format!("[{set}]")),
                    Escaped::Single(single) => self.both(&single),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(java: &str, text: &str) -> bool {
        let translated = translate(java).unwrap();
        assert_eq!(translated.engine, Engine::Linear, "{java}");
        regex::Regex::new(&format!("^(?:{})$", translated.pattern)).unwrap().is_match(text)
    }

    #[test]
    fn classes_and_escapes_mean_what_java_means() {
        assert!(matches(r"\d+", "12"));
        assert!(!matches(r"\d", "\u{0664}"));
        assert!(!matches(r"\w", "\u{e9}"));
        assert!(matches(r"a\<b\>", "a<b>"));
        assert!(matches(r"\Qa.b(\E+", "a.b(("));
        assert!(matches(r"[\w.-]+", "a.b-c"));
        assert!(matches(r"[^\d]", "x"));
        assert!(matches(r"[\D&&[^x]]", "y"));
        assert!(!matches(r"[\D&&[^x]]", "x"));
        assert!(matches(r"[-a-zA-Z0-9+&@#/%?=~_|!:.,;]*", "a~~b--c&&d"));
        assert!(matches(r"[+--]+", "+,-"));
        assert!(matches(r"[]a]+", "]a"));
        assert!(matches(r"\u0041\x42\0103", "ABC"));
        assert!(matches(r"\p{Alpha}+\p{Lu}", "abC"));
        assert!(matches(r"(?iu)ABC", "abc"));
        assert!(matches(r"\:\-\_\/\,", ":-_/,"));
        assert!(matches(r"a{2,}b", "aaab"));
    }

    #[test]
    fn what_only_backtracking_can_do_gets_a_looser_companion() {
        let translated = translate(r"type=(?!Cache)(\w++),(?>x|y)\1").unwrap();
        assert_eq!(translated.engine, Engine::Backtracking);
        assert_eq!(translated.pattern, r"type=(?!Cache)([a-zA-Z_0-9]++),(?>x|y)\1");
        assert_eq!(translated.looser, r"type=([a-zA-Z_0-9]+),(?:x|y).*");
        assert!(fancy_regex::Regex::new(&translated.pattern).is_ok());
        assert!(regex::Regex::new(&translated.looser).is_ok());
    }

    #[test]
    fn a_look_around_with_groups_leaves_nothing_in_the_looser_pattern() {
        let translated = translate(r"a(?=(b|[c)])+?)d").unwrap();
        assert_eq!(translated.looser, "ad");
    }

    #[test]
    fn what_neither_engine_has_is_named() {
        for (java, named) in [
            (r"\Gx", r"\G"),
            (r"\p{javaLowerCase}", "javaLowerCase"),
            ("a{x}", "a brace"),
            ("a{2", "does not end"),
            ("[a", "bracket"),
        ] {
            let error = translate(java).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
