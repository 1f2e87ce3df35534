//! What a server says that it can do, in both generations of the protocol.

use super::error::RemoteError;
use super::pktline::printable;

/// A server's capabilities: `name`, `name=value` (version 2), or several of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities(Vec<(String, Option<String>)>);

/// Far above what any server announces.
const MAX_CAPABILITIES: usize = 256;

impl Capabilities {
    /// Takes one `name` or `name=value`.
    pub(super) fn add(&mut self, text: &[u8]) -> Result<(), RemoteError> {
        if self.0.len() == MAX_CAPABILITIES {
            return Err(RemoteError::protocol("more than 256 capabilities"));
        }
        let text = std::str::from_utf8(text)
            .map_err(|_| RemoteError::protocol(format!("a capability is not text: {}", printable(text))))?;
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
        self.0.push((name.to_owned(), value));
        Ok(())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// Whether the space-separated value of `name` holds `word` (`fetch=shallow filter`).
    pub(super) fn has_word(&self, name: &str, word: &str) -> bool {
        self.values(name).any(|value| value.split(' ').any(|w| w == word))
    }

    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).filter_map(|(_, value)| value.as_deref())
    }

    /// Refuses a repository whose object names are not SHA-1.
    pub(super) fn check_object_format(&self) -> Result<(), RemoteError> {
        match self.values("object-format").next() {
            None | Some("sha1") => Ok(()),
            Some(format) => Err(RemoteError::Unsupported(format!(
                "the repository names its objects by {}; only sha1 repositories are supported",
                printable(format.as_bytes())
            ))),
        }
    }
}

/// How we introduce ourselves. Several hosts answer the git protocol only to agents that start with `git/`.
pub(super) fn agent() -> String {
    format!("git/patterns-{}", env!("CARGO_PKG_VERSION"))
}
