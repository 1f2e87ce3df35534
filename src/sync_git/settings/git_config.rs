//! `--git-config` and `--git-config-add`: pairs in git-sync's grammar, and which of git's settings have a meaning here.
//!
//! In: `key:value,"quoted key":"value"`, where `\n`, `\t`, `\"`, `\,` and `\\` are escapes. Out: the pairs in order. A
//! setting that means nothing to us is no error: git-sync's users set git's knobs, and there is no git here to turn them.

use crate::core::values::ValueError;

/// Pairs of git's configuration. Values may be secret (`http.extraHeader`).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pairs(pub Vec<(String, String)>);

impl std::fmt::Debug for Pairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(key, _)| key)).finish()
    }
}

/// # Errors
/// When a quote does not end, an escape is unknown, or a pair has no colon. Values are not repeated.
pub(crate) fn pairs(text: &str) -> Result<Pairs, ValueError> {
    let mut rest = text.trim_start().chars().peekable();
    let mut pairs = Vec::new();
    while rest.peek().is_some() {
        let key = word(&mut rest, ':')?;
        if rest.next() != Some(':') {
            return Err(ValueError::new("a pair has no colon; write key:value,key:value"));
        }
        if key.is_empty() {
            return Err(ValueError::new("a key is empty; write key:value,key:value"));
        }
        pairs.push((key, word(&mut rest, ',')?));
        match rest.next() {
            None => break,
            Some(',') => while rest.next_if(|c| c.is_whitespace()).is_some() {},
            Some(_) => return Err(ValueError::new("text follows a closing quote; write \"key\":\"value\",…")),
        }
    }
    Ok(Pairs(pairs))
}

/// A word up to `end` (which stays), or the inside of quotes.
fn word(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, end: char) -> Result<String, ValueError> {
    let is_quoted = rest.next_if_eq(&'"').is_some();
    let mut word = String::new();
    loop {
        match rest.peek() {
            None if is_quoted => return Err(ValueError::new("a quote does not end")),
            None => return Ok(word),
            Some('"') if is_quoted => {
                rest.next();
                return Ok(word);
            }
            Some(c) if !is_quoted && *c == end => return Ok(word),
            Some('\\') => {
                rest.next();
                word.push(match rest.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some(c @ ('"' | ',' | '\\')) => c,
                    Some(c) => {
                        return Err(ValueError::new(format!(
                            "\\{c} is not an escape; there are \\n \\t \\\" \\, \\\\"
                        )));
                    }
                    None => return Err(ValueError::new("a backslash stands at the end")),
                });
            }
            Some(c) => {
                word.push(*c);
                rest.next();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_with_quotes_and_escapes() {
        let cases: [(&str, &[(&str, &str)]); 10] = [
            ("", &[]),
            ("k:v", &[("k", "v")]),
            ("k:", &[("k", "")]),
            ("k1:v1,k2:v2", &[("k1", "v1"), ("k2", "v2")]),
            ("k1:v1, k2:v2", &[("k1", "v1"), ("k2", "v2")]),
            ("k1:v1,", &[("k1", "v1")]),
            (r#""k:1":"v, 2""#, &[("k:1", "v, 2")]),
            (r"k:a\,b\\c\n\t\q".trim_end_matches(r"\q"), &[("k", "a,b\\c\n\t")]),
            ("http.extraHeader:Authorization: x", &[("http.extraHeader", "Authorization: x")]),
            (r#"k:a "b" c"#, &[("k", r#"a "b" c"#)]),
        ];
        for (text, wanted) in cases {
            let wanted = wanted.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(pairs(text).map_err(|error| error.to_string()), Ok(Pairs(wanted)), "{text}");
        }
    }

    #[test]
    fn broken_pairs_are_refused() {
        for text in ["k", "k,v", ":v", r#""k:v"#, r#""k"v:x"#, r"k:\z", "k:v\\", r#"k:"v"x"#] {
            assert!(pairs(text).is_err(), "{text}");
        }
    }
}
