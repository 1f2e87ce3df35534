//! Secrets: read from a file each time they are used, and never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The largest secret file that is read, in bytes.
const MAX_SECRET: u64 = 1 << 20;

/// A text that no log, error or page may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A file that holds one secret. It is opened anew for each use, so that a rotated Secret volume is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile(PathBuf);

impl SecretFile {
    /// Names the file; nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The file's path, which may be shown.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the secret, without the line break at its end.
    ///
    /// # Errors
    /// The file cannot be read, is larger than 1 MiB, or is no UTF-8. The message names the file, never its content.
    pub fn read(&self) -> Result<Secret> {
        let shown = self.0.display();
        let size = std::fs::metadata(&self.0).with_context(|| format!("cannot read the secret file {shown}"))?.len();
        if size > MAX_SECRET {
            bail!("the secret file {shown} has {size} bytes, more than the {MAX_SECRET} that are read");
        }
        let bytes = std::fs::read(&self.0).with_context(|| format!("cannot read the secret file {shown}"))?;
        let Ok(text) = String::from_utf8(bytes) else { bail!("the secret file {shown} is not UTF-8") };
        Ok(Secret(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

impl std::str::FromStr for SecretFile {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(Self(PathBuf::from(text)))
    }
}

/// Whether two texts are the same, in a time that depends on their lengths only.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b))) == 0
}

/// Replaces `user:password@` in whatever looks like a URL, so that a setting can be printed.
pub fn redact_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        out.push_str(before);
        let end = after.find(|c: char| c == '/' || c.is_whitespace() || c == '"').unwrap_or(after.len());
        let authority = &after[..end];
        if let Some(at) = authority.rfind('@') {
            out.push_str("(redacted)");
            rest = &after[at..];
        } else {
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_file_is_followed_and_its_line_break_is_no_part_of_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        let file = SecretFile::new(&path);
        assert!(file.read().unwrap_err().to_string().contains("password"));
        std::fs::write(&path, "one\r\n").unwrap();
        assert_eq!(file.read().unwrap().expose(), "one");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(file.read().unwrap().expose(), "two");
        assert_eq!(format!("{:?}", file.read().unwrap()), "(secret)");
    }

    #[test]
    fn user_information_is_taken_out_of_urls() {
        let cases = [
            ("https://me:pw@host/x?y=a@b", "https://(redacted)@host/x?y=a@b"),
            ("https://host/a@b", "https://host/a@b"),
            ("git@host:repo", "git@host:repo"),
            ("a https://t@h b https://u:p@w@h2", "a https://(redacted)@h b https://(redacted)@h2"),
        ];
        for (text, shown) in cases {
            assert_eq!(redact_urls(text), shown);
        }
    }
}
