//! Where a repository's LFS server is.
//!
//! In: `--lfs-url`, the commit's `.lfsconfig`, the repository's own location. Out: the server to ask, the first that is said.
//! Without any word the server is at the repository's location with `.git/info/lfs` behind it; where the repository is
//! reached by ssh, its host is asked (`git-lfs-authenticate`), which answers with a URL and a token; where it is a directory
//! of this machine, the objects are taken from there. Refused: a `.lfsconfig` that points to this machine from elsewhere.
//! Source: git-lfs' docs/api/server-discovery.md.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::super::remote::{Options, RemoteError, Scheme, Url, lfs_authenticate};
use super::LfsError;
use super::transfer::Endpoint;

/// What the operator says of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Location {
    pub url: Option<String>,
}

/// The answer of `git-lfs-authenticate`.
#[derive(Deserialize)]
struct Ticket {
    #[serde(default)]
    href: String,
    #[serde(default)]
    header: BTreeMap<String, String>,
}

impl Location {
    /// The server to ask.
    ///
    /// # Errors
    /// A location that cannot be used; ssh's errors.
    pub(super) async fn endpoint(
        &self,
        configured: Option<&str>,
        repository: &Url,
        options: &Options,
    ) -> Result<Endpoint, LfsError> {
        let said = self.url.as_deref().or(configured);
        let url = match said {
            Some(text) => Url::parse(text)?,
            None => repository.clone(),
        };
        let server = |url: Url| Endpoint::Server { url, headers: Vec::new() };
        match url.scheme() {
            Scheme::Http | Scheme::Https if said.is_some() => Ok(server(url.without_userinfo())),
            Scheme::Http | Scheme::Https | Scheme::Git => Ok(server(derived(&url)?)),
            Scheme::Ssh => {
                let answer = lfs_authenticate(&url, options).await?;
                let ticket: Ticket = serde_json::from_slice(&answer)
                    .map_err(|error| RemoteError::Protocol(format!("git-lfs-authenticate gave no ticket: {error}")))?;
                let url =
                    if ticket.href.is_empty() { derived(&url)? } else { Url::parse(&ticket.href)?.without_userinfo() };
                Ok(Endpoint::Server { url, headers: ticket.header.into_iter().collect() })
            }
            Scheme::File if repository.scheme() == Scheme::File => {
                let path = PathBuf::from(url.path());
                Ok(Endpoint::Here(vec![path.join("lfs/objects"), path.join(".git/lfs/objects")]))
            }
            Scheme::File => Err(LfsError::Local),
        }
    }
}

/// The server that belongs to a location by convention.
fn derived(url: &Url) -> Result<Url, LfsError> {
    let text = url.to_web_text();
    let text = text.trim_end_matches('/');
    let git = if text.ends_with(".git") { "" } else { ".git" };
    Ok(Url::parse(&format!("{text}{git}/info/lfs"))?)
}

/// The location that a `.lfsconfig` says: `lfs.url`, else that of the remote that we call origin.
pub(super) fn configured(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let mut section = String::new();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(head) = line.strip_prefix('[') {
            section = head.trim_end_matches(']').replace([' ', '\t'], "").to_ascii_lowercase();
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';'])) {
            let value = value.trim().trim_matches('"');
            found.insert(format!("{section}.{}", key.trim().to_ascii_lowercase()), value.to_owned());
        }
    }
    found.remove("lfs.url").or_else(|| found.remove("remote\"origin\".lfsurl")).filter(|url| !url.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_where_the_convention_puts_it() {
        for (repository, server) in [
            ("https://u:p@h:8443/a/b", "https://h:8443/a/b.git/info/lfs"),
            ("http://h/b.git/", "http://h/b.git/info/lfs"),
            ("git@h:a/b.git", "https://h/a/b.git/info/lfs"),
            ("ssh://git@h:2222/a/b", "https://h/a/b.git/info/lfs"),
            ("git://h/b", "https://h/b.git/info/lfs"),
        ] {
            assert_eq!(derived(&Url::parse(repository).unwrap()).unwrap(), Url::parse(server).unwrap(), "{repository}");
        }
    }

    #[test]
    fn a_configured_server_comes_first() {
        let text = "# c\n[remote \"origin\"]\n\tlfsurl = https://r/\n[lfs]\n  url = \"https://h/x\"\n[lfs \"https://h\"]\naccess = basic\n";
        assert_eq!(configured(text.as_bytes()).unwrap(), "https://h/x");
        assert_eq!(configured(b"[remote \"origin\"]\nlfsurl=https://r/").unwrap(), "https://r/");
        assert_eq!(configured(b"[lfs]\n#url = x\n"), None);
    }
}
