//! The allowed signers of ssh-keygen(1): a line per key, with who may use it, for what, and when.
//!
//! In: the file's bytes. Out: its entries, in order. Refused, with the line's number: a line that cannot be read in full, an
//! option that is not known. One bad line makes the whole file unusable: what it was to restrict cannot be guessed.
//! Times without a `Z` are taken as UTC.

use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{self};

/// The whole file.
#[derive(Debug)]
pub(super) struct AllowedSigners {
    pub entries: Vec<Entry>,
}

/// One line.
#[derive(Debug)]
pub(super) struct Entry {
    pub line: usize,
    pub principals: Patterns,
    pub vouches: Vouches,
    pub key: KeyData,
    namespaces: Option<Patterns>,
    /// From, inclusive, and until, exclusive, in seconds since 1970.
    after: Option<i64>,
    before: Option<i64>,
}

/// What a line's key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vouches {
    /// It signs commits.
    ForKey,
    /// It signs the certificates of keys that sign commits.
    ForAuthority,
}

/// A list of patterns as in ssh_config(5): `*`, `?`, and `!` for what is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patterns {
    pub text: String,
}

impl AllowedSigners {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let mut entries = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                entries.push(Entry::parse(at + 1, line).map_err(|why| format!("line {}: {why}", at + 1))?);
            }
        }
        Ok(Self { entries })
    }
}

impl Entry {
    fn parse(line: usize, text: &str) -> Result<Self, String> {
        let (principals, rest) = word(text)?;
        let principals = Patterns { text: principals.trim_matches('"').to_owned() };
        let (next, after_next) = word(rest)?;
        let (options, key) = match is_key_type(next) {
            true => ("", rest),
            false => (next, after_next),
        };
        let (kind, after_kind) = word(key)?;
        let (blob, _) = word(after_kind)?;
        if !is_key_type(kind) || blob.is_empty() {
            return Err("it has no key where one must be: principals, options, key type, key".to_owned());
        }
        let key = ssh_key::PublicKey::from_openssh(&format!("{kind} {blob}"))
            .map_err(|error| format!("its key cannot be read ({error})"))?;
        let mut entry = Self {
            line,
            principals,
            vouches: Vouches::ForKey,
            key: key.key_data().clone(),
            namespaces: None,
            after: None,
            before: None,
        };
        entry.apply(options)?;
        Ok(entry)
    }

    fn apply(&mut self, options: &str) -> Result<(), String> {
        for option in split_options(options) {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name.to_ascii_lowercase(), Some(unquoted(value)?)),
                None => (option.to_ascii_lowercase(), None),
            };
            match (name.as_str(), value) {
                ("cert-authority", None) => self.vouches = Vouches::ForAuthority,
                ("namespaces", Some(value)) if self.namespaces.is_none() => {
                    self.namespaces = Some(Patterns { text: value.to_owned() });
                }
                ("valid-after", Some(value)) if self.after.is_none() => self.after = Some(time(value)?),
                ("valid-before", Some(value)) if self.before.is_none() => self.before = Some(time(value)?),
                _ => return Err(format!("its option {option:?} is not known, or is there twice")),
            }
        }
        Ok(())
    }

    /// Whether the line is for this use.
    pub(super) fn is_for(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|namespaces| namespaces.matches(namespace))
    }

    /// Whether the line counts at this time.
    pub(super) fn holds_at(&self, time: i64) -> bool {
        self.after.is_none_or(|after| after <= time) && self.before.is_none_or(|before| time < before)
    }
}

impl Patterns {
    /// Whether one pattern matches and none with `!` does.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut matched = false;
        for pattern in self.text.split(',').map(str::trim) {
            match pattern.strip_prefix('!') {
                Some(pattern) if is_match(pattern.as_bytes(), text.as_bytes()) => return false,
                Some(_) => {}
                None => matched |= is_match(pattern.as_bytes(), text.as_bytes()),
            }
        }
        matched
    }
}

/// `*` and `?`, in time that grows with the product of the lengths at most.
fn is_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, seen)) = star else { return false };
                star = Some((at, seen + 1));
                (p, t) = (at + 1, seen + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// The first word, in which quotes protect blanks, and the rest.
fn word(text: &str) -> Result<(&str, &str), String> {
    let mut is_quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b' ' | b'\t' if !is_quoted => return Ok((&text[..at], text[at..].trim_start())),
            _ => {}
        }
    }
    if is_quoted { Err("a quotation does not end".to_owned()) } else { Ok((text, "")) }
}

fn split_options(text: &str) -> Vec<&str> {
    let mut is_quoted = false;
    let at_comma = |letter: char| {
        is_quoted ^= letter == '"';
        letter == ',' && !is_quoted
    };
    text.split(at_comma).filter(|option| !option.is_empty()).collect()
}

fn unquoted(value: &str) -> Result<&str, String> {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).ok_or_else(|| format!("the value {value} must be in quotes"))
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| word.starts_with(start))
}

/// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, each with an optional `Z`, in seconds since 1970.
fn time(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no time: write YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, and Z for UTC");
    let digits = text.strip_suffix('Z').unwrap_or(text);
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number = |from: usize, to: usize| digits.get(from..to).map_or(0, |part| part.parse::<i64>().unwrap_or(0));
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let (hour, minute, second) = (number(8, 10), number(10, 12), number(12, 14));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return Err(wrong());
    }
    Ok(days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days of the Gregorian calendar, counted in eras of 400 years that begin in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn one(line: &str) -> Result<Entry, String> {
        AllowedSigners::parse(line.as_bytes()).map(|mut file| file.entries.remove(0))
    }

    #[test]
    fn a_line_with_every_option_is_read() {
        let line = format!(
            "\"a@x,!b@x,*@y\" cert-authority,namespaces=\"git,file\",valid-after=\"20240101Z\",valid-before=\"202402011230\" {KEY} c d"
        );
        let entry = one(&line).unwrap();
        assert_eq!(entry.vouches, Vouches::ForAuthority);
        assert!(entry.is_for("git") && !entry.is_for("mail"));
        assert!(entry.principals.matches("a@x") && entry.principals.matches("z@y") && !entry.principals.matches("b@x"));
        assert!(!entry.holds_at(1_704_067_199) && entry.holds_at(1_704_067_200));
        assert!(entry.holds_at(1_706_790_599) && !entry.holds_at(1_706_790_600));
    }

    #[test]
    fn comments_are_skipped_and_any_bad_line_spoils_the_file() {
        let file = format!("# who\n\na@x {KEY}\n");
        assert_eq!(AllowedSigners::parse(file.as_bytes()).unwrap().entries[0].line, 3);
        for wrong in [
            "a@x",
            "a@x ssh-ed25519",
            "a@x ssh-ed25519 AAAA",
            &format!("a@x no-touch {KEY}"),
            &format!("a@x namespaces=git {KEY}"),
            &format!("a@x valid-after=\"2024\" {KEY}"),
            &format!("a@x valid-after=\"20241301\" {KEY}"),
            &format!("a@x namespaces=\"git {KEY}"),
        ] {
            let refused = AllowedSigners::parse(format!("{file}{wrong}\n").as_bytes()).unwrap_err();
            assert!(refused.starts_with("line 4: "), "{wrong}: {refused}");
        }
    }

    #[test]
    fn stars_match_as_in_ssh() {
        for (pattern, text, wanted) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a?c", "abc", true),
            ("**a", "ba", true),
            ("", "a", false),
        ] {
            assert_eq!(is_match(pattern.as_bytes(), text.as_bytes()), wanted, "{pattern} {text}");
        }
    }
}
