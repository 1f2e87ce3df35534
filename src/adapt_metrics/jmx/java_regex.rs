//! Java's regular expressions and replacement templates, as rule files hold them, on Rust's engines.
//!
//! In: a Java pattern. Out: the same pattern in Rust's spelling (Java's `\d \w \s \b` are ASCII, `\<` is a plain `<`,
//! `\Q…\E` quotes), for the linear engine where that is possible, else (look-around, back references, possessive and
//! atomic groups) for the backtracking one, together with a looser pattern that the linear engine can use to rule a
//! match out. Refused by name: what neither engine has, such as `\G` and `\p{javaLowerCase}`.

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
                    let inside: String = self.rest.by_ref().take_while(|next| *next != '}').collect();
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

/// What an escape stands for.
enum Escaped {
    /// The inside of a bracket expression.
    Set(String),
    /// One character, spelled for Rust.
    Single(String),
}

/// The escapes that mean the same inside of brackets and outside.
fn class_escape(next: char, rest: &mut std::str::Chars<'_>) -> Result<Escaped, NotJava> {
    let set = |set: &str| Ok(Escaped::Set(set.to_owned()));
    let single = |single: String| Ok(Escaped::Single(single));
    match next {
        'd' => set("0-9"),
        'D' => set("^0-9"),
        'w' => set("a-zA-Z_0-9"),
        'W' => set("^a-zA-Z_0-9"),
        's' => set(" \\t\\n\\x0B\\f\\r"),
        'S' => set("^ \\t\\n\\x0B\\f\\r"),
        'h' => set(" \\t\\x{A0}\\x{1680}\\x{180e}\\x{2000}-\\x{200a}\\x{202f}\\x{205f}\\x{3000}"),
        'v' => set("\\n\\x0B\\f\\r\\x{85}\\x{2028}\\x{2029}"),
        't' | 'n' | 'r' | 'f' | 'a' => single(format!("\\{next}")),
        'e' => single("\\x1B".to_owned()),
        'x' if rest.as_str().starts_with('{') => {
            let digits: String = rest.by_ref().take_while(|digit| *digit != '}').collect();
            single(format!("\\x{digits}}}"))
        }
        'x' => single(format!("\\x{}", take_digits(rest, 2, 16)?)),
        'u' => single(format!("\\x{{{}}}", take_digits(rest, 4, 16)?)),
        '0' => {
            let octal: String = rest.as_str().chars().take(3).take_while(|digit| digit.is_digit(8)).collect();
            rest.by_ref().take(octal.len()).for_each(drop);
            let code = u32::from_str_radix(&octal, 8).map_err(|_| NotJava("`\\0` needs octal digits".to_owned()))?;
            single(format!("\\x{{{code:x}}}"))
        }
        'c' => match rest.next() {
            Some(control) if control.is_ascii() => single(format!("\\x{:02x}", control as u8 ^ 64)),
            _ => Err(NotJava("`\\c` needs a character".to_owned())),
        },
        'p' | 'P' => property(next, rest),
        letter if letter.is_ascii_alphanumeric() => Err(NotJava(format!("`\\{letter}` is not supported"))),
        other => single(regex::escape(other.encode_utf8(&mut [0; 4]))),
    }
}

fn take_digits(rest: &mut std::str::Chars<'_>, count: usize, radix: u32) -> Result<String, NotJava> {
    let digits: String = rest.by_ref().take(count).collect();
    match digits.len() == count && digits.chars().all(|digit| digit.is_digit(radix)) {
        true => Ok(digits),
        false => Err(NotJava(format!("`{digits}` are not {count} hexadecimal digits"))),
    }
}

/// `\p{…}`: Java's POSIX names are ASCII; its Unicode names are mostly Rust's, with `Is` in front.
fn property(letter: char, rest: &mut std::str::Chars<'_>) -> Result<Escaped, NotJava> {
    let name: String = if rest.as_str().starts_with('{') {
        rest.next();
        rest.by_ref().take_while(|character| *character != '}').collect()
    } else {
        rest.next().into_iter().collect()
    };
    let posix = match name.as_str() {
        "Lower" => "a-z",
        "Upper" => "A-Z",
        "ASCII" => "\\x00-\\x7F",
        "Alpha" => "a-zA-Z",
        "Digit" => "0-9",
        "Alnum" => "a-zA-Z0-9",
        "Punct" => "!-/:-@\\[-`{-\\x7E",
        "Graph" => "!-\\x7E",
        "Print" => " -\\x7E",
        "Blank" => " \\t",
        "Cntrl" => "\\x00-\\x1F\\x7F",
        "XDigit" => "0-9a-fA-F",
        "Space" => " \\t\\n\\x0B\\f\\r",
        name if name.starts_with("java") || name.starts_with("In") || name.is_empty() => {
            return Err(NotJava(format!("`\\{letter}{{{name}}}` is not supported")));
        }
        name => {
            let name = name.strip_prefix("Is").unwrap_or(name);
            return Ok(Escaped::Single(format!("\\{letter}{{{name}}}")));
        }
    };
    Ok(Escaped::Set(if letter == 'P' { format!("^{posix}") } else { posix.to_owned() }))
}

/// A bracket expression, behind its opening bracket. Nested ones are unions in both languages.
fn class_body(rest: &mut std::str::Chars<'_>, out: &mut String) -> Result<(), NotJava> {
    let mut depth = 0;
    out.push('[');
    let mut first = true;
    loop {
        let character = rest.next().ok_or_else(|| NotJava("a bracket expression does not end".to_owned()))?;
        match character {
            '^' if first => {
                out.push('^');
                continue;
            }
            ']' if !first => {
                out.push(']');
                if depth == 0 {
                    return Ok(());
                }
                depth -= 1;
            }
            '[' => {
                out.push('[');
                depth += 1;
                first = true;
                continue;
            }
            '\\' => {
                let next = rest.next().ok_or_else(|| NotJava("it ends in a backslash".to_owned()))?;
                if next == 'Q' {
                    let (quoted, behind) = rest.as_str().split_once("\\E").unwrap_or((rest.as_str(), ""));
                    out.push_str(&regex::escape(quoted));
                    *rest = behind.chars();
                } else {
                    match class_escape(next, rest)? {
                        Escaped::Set(set) if set.starts_with('^') => out.push_str(&format!("[{set}]")),
                        Escaped::Set(set) => out.push_str(&set),
                        Escaped::Single(single) => out.push_str(&single),
                    }
                }
            }
            // In Rust `--` and `~~` are operators.
            '-' if out.ends_with('-') => out.push_str("\\-"),
            ']' | '~' => out.extend(['\\', character]),
            other => out.push(other),
        }
        first = false;
    }
}

/// Text with references to groups, as Java's `Matcher.replaceAll` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Template {
    /// `groups` are the names of the pattern's groups, the whole match first.
    ///
    /// # Errors
    /// It refers to a group that is not there, or ends too early. Java would fail at the first match.
    pub(crate) fn parse(text: &str, groups: &[Option<&str>]) -> Result<Template, NotJava> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            match character {
                '\\' => plain.push(rest.next().ok_or_else(|| NotJava("it ends in a backslash".to_owned()))?),
                '$' => {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    pieces.push(Piece::Group(reference(&mut rest, groups)?));
                }
                other => plain.push(other),
            }
        }
        pieces.push(Piece::Text(plain));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(Template(pieces))
    }

    /// The text for one match. Groups that took no part are empty.
    pub(crate) fn expand<'t>(&self, group: impl Fn(usize) -> Option<&'t str>) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Group(number) => group(*number).unwrap_or_default(),
            })
            .collect()
    }

    /// The numbers of the groups that it refers to.
    pub(crate) fn groups(&self) -> impl Iterator<Item = usize> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Group(number) => Some(*number),
            Piece::Text(_) => None,
        })
    }
}

/// `$12` is group 12 where there is one, else group 1 and a 2; `${name}` is a named group.
fn reference(rest: &mut std::str::Chars<'_>, groups: &[Option<&str>]) -> Result<usize, NotJava> {
    match rest.next() {
        Some('{') => {
            let name: String = rest.by_ref().take_while(|character| *character != '}').collect();
            let found = groups.iter().position(|group| *group == Some(name.as_str()));
            found.ok_or_else(|| NotJava(format!("there is no group named {name:?}; write `\\$` for a dollar sign")))
        }
        Some(digit @ '0'..='9') => {
            let mut number = digit as usize - '0' as usize;
            if number >= groups.len() {
                return Err(NotJava(format!("there is no group {number}: the pattern has {}", groups.len() - 1)));
            }
            while let Some(digit) = rest.as_str().chars().next().and_then(|next| next.to_digit(10)) {
                let longer = number * 10 + digit as usize;
                if longer >= groups.len() {
                    break;
                }
                number = longer;
                rest.next();
            }
            Ok(number)
        }
        _ => Err(NotJava("`$` needs the number of a group; write `\\$` for a dollar sign".to_owned())),
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
        for (java, named) in
            [(r"\Gx", r"\G"), (r"\p{javaLowerCase}", "javaLowerCase"), ("a{x}", "a brace"), ("[a", "bracket")]
        {
            let error = translate(java).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    fn expand(template: &str, groups: &[Option<&str>], values: &[&str]) -> String {
        Template::parse(template, groups).unwrap().expand(|number| values.get(number).copied())
    }

    #[test]
    fn templates_are_javas() {
        let groups = [None, None, Some("name")];
        assert_eq!(expand("a_$1_${name}", &groups, &["whole", "x", "y"]), "a_x_y");
        assert_eq!(expand("$12", &groups, &["whole", "x", "y"]), "x2");
        assert_eq!(expand("$0", &groups, &["whole", "x", "y"]), "whole");
        assert_eq!(expand(r"\$1\\", &groups, &["whole", "x", "y"]), r"$1\");
        assert_eq!(expand("[$2]", &groups, &["whole", "x"]), "[]");
    }

    #[test]
    fn templates_that_java_would_choke_on_are_refused_at_load() {
        for template in ["$3", "${other}", "$", "a$b", "\\"] {
            assert!(Template::parse(template, &[None, None, None]).is_err(), "{template}");
        }
    }
}
