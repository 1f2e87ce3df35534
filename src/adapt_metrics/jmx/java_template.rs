//! Java's replacement templates: text with references to a pattern's groups in, the text for one match out.

use super::java_regex::NotJava;

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
