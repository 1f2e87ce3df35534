//! Credentials: which one is meant for which URL, and how those that change are kept fresh.
//!
//! In: what the settings name (a user with a password or a file, `--credential`, an askpass URL, a GitHub App). Out: the
//! credential for a URL that a server asked for, scoped to its scheme, host and port; among several the one with the longest
//! path that the URL lies under, else the first for that host, as git has it. Files are read at each use. Nothing here is
//! ever shown.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

use super::github::App;
use super::remote::{self, Credential, CredentialFuture, Scheme, Url};
use super::settings::auth::{Given, Password};
use crate::core::http::client::{Client, Exchange};
use crate::core::metrics::{Counter, Registry};
use crate::core::secret::{Secret, SecretFile};

/// How long the askpass URL may take, and how much of its answer is read: git-sync's second, and two lines.
const ASKPASS_TIMEOUT: Duration = Duration::from_secs(1);
const ASKPASS_BODY: usize = 64 << 10;

/// Where a credential is valid.
#[derive(Clone, PartialEq, Eq)]
struct Scope {
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
}

impl Scope {
    fn of(url: &Url) -> Self {
        let path = url.path().trim_matches('/').to_owned();
        Self { scheme: url.scheme(), host: url.host().to_ascii_lowercase(), port: url.port(), path }
    }

    fn is_same_server(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }

    /// Whether `other` lies at or under this path.
    fn covers(&self, other: &Self) -> bool {
        other
            .path
            .strip_prefix(&self.path)
            .is_some_and(|rest| self.path.is_empty() || rest.is_empty() || rest.starts_with('/'))
    }
}

struct Entry {
    scope: Scope,
    user: String,
    password: Password,
}

/// All credentials of one sync.
pub(crate) struct Vault {
    entries: Vec<Entry>,
    askpass: Option<Askpass>,
    app: Option<App>,
    /// For the repository itself: what the askpass URL or GitHub said last.
    fetched: Mutex<Option<(Scope, Credential)>>,
    repo: Scope,
}

/// A URL that tells user and password.
pub(crate) struct Askpass {
    client: Client,
    url: url::Url,
    success: Counter,
    error: Counter,
}

impl Askpass {
    pub(crate) fn new(url: url::Url, registry: &Registry) -> Self {
        let help = "Questions to the askpass URL, by result.";
        let counter = |status| registry.counter("git_sync_askpass_calls", help, &[("status", status)]);
        Self { client: Client::default(), url, success: counter("success"), error: counter("error") }
    }

    async fn ask(&self) -> anyhow::Result<Credential> {
        let asked = self.question().await.context("the askpass URL gave no credential");
        let counter = if asked.is_ok() { &self.success } else { &self.error };
        counter.increment();
        asked
    }

    async fn question(&self) -> anyhow::Result<Credential> {
        let answered = self.client.send(Exchange::get(self.url.clone(), ASKPASS_TIMEOUT, ASKPASS_BODY)).await?;
        if answered.status != hyper::StatusCode::OK {
            bail!("it answered {}, not 200", answered.status.as_u16());
        }
        let text = std::str::from_utf8(&answered.body).map_err(|_| anyhow!("its answer is not UTF-8"))?;
        let value =
            |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim_end_matches('\r'));
        let (Some(user), Some(password)) = (value("username="), value("password=")) else {
            bail!("its answer lacks a line username=… or password=…");
        };
        Ok(Credential::Basic { user: user.to_owned(), password: password.to_owned() })
    }
}

impl Vault {
    /// The credentials for a repository at `repo`.
    ///
    /// # Errors
    /// When the URL of a credential cannot be read; the URL is not repeated, it may hold a password.
    pub(crate) fn new(
        repo: &Url,
        given: Vec<Given>,
        askpass: Option<Askpass>,
        app: Option<App>,
    ) -> anyhow::Result<Self> {
        let entry = |given: Given| {
            let url = Url::parse(&given.url).context("the URL of a credential cannot be used")?;
            Ok(Entry { scope: Scope::of(&url), user: given.username, password: given.password })
        };
        let entries = given.into_iter().map(entry).collect::<anyhow::Result<_>>()?;
        Ok(Self { entries, askpass, app, fetched: Mutex::new(None), repo: Scope::of(repo) })
    }

    /// Asks for what changes by itself: the askpass URL each time, GitHub when its token is about to expire.
    ///
    /// # Errors
    /// When nobody answers, or not as they should; that sync fails, the next asks again.
    pub(crate) async fn refresh(&self) -> anyhow::Result<()> {
        let fetched = match (&self.askpass, &self.app) {
            (Some(askpass), _) => askpass.ask().await?,
            (None, Some(app)) => {
                Credential::Basic { user: "-".to_owned(), password: app.token().await?.expose().to_owned() }
            }
            (None, None) => return Ok(()),
        };
        *self.fetched.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.repo.clone(), fetched));
        Ok(())
    }

    fn find(&self, url: &Url) -> anyhow::Result<Option<Credential>> {
        let asked = Scope::of(url);
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((scope, credential)) = fetched.filter(|(scope, _)| scope.is_same_server(&asked)) {
            // More exact credentials for a path below are still preferred.
            let exact =
                self.entries.iter().any(|entry| entry.scope.is_same_server(&asked) && entry.scope.covers(&asked));
            if scope.covers(&asked) || !exact {
                return Ok(Some(credential));
            }
        }
        let here = || self.entries.iter().filter(|entry| entry.scope.is_same_server(&asked));
        let best = here().filter(|entry| entry.scope.covers(&asked)).max_by_key(|entry| entry.scope.path.len());
        let Some(entry) = best.or_else(|| here().next()) else { return Ok(None) };
        let password = match &entry.password {
            Password::Here(secret) => secret.clone(),
            Password::File(path) => SecretFile::new(path).read()?,
        };
        Ok(Some(Credential::Basic { user: entry.user.clone(), password: password.expose().to_owned() }))
    }
}

impl remote::Credentials for Vault {
    fn credential<'a>(&'a self, url: &'a Url) -> CredentialFuture<'a> {
        let found = self.find(url).map_err(|error| format!("{error:#}").into());
        Box::pin(std::future::ready(found))
    }
}

/// The credential that a URL carries itself.
pub(crate) fn in_url(url: &Url) -> Option<Given> {
    let username = url.user()?.to_owned();
    let password = Password::Here(Secret::new(url.password().unwrap_or_default()));
    Some(Given { url: url.to_string(), username, password })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(given: &[(&str, &str)]) -> Vault {
        let given = given.iter().map(|(url, user)| Given {
            url: (*url).to_owned(),
            username: (*user).to_owned(),
            password: Password::Here(Secret::new("p")),
        });
        Vault::new(&Url::parse("https://h/a").unwrap(), given.collect(), None, None).unwrap()
    }

    fn user(vault: &Vault, url: &str) -> Option<String> {
        match vault.find(&Url::parse(url).unwrap()).unwrap()? {
            Credential::Basic { user, .. } => Some(user),
            Credential::Bearer { .. } => None,
        }
    }

    #[test]
    fn the_longest_path_wins_and_the_host_is_the_fallback() {
        let vault = vault(&[("https://h/a", "short"), ("https://h/a/b.git", "long"), ("https://other", "other")]);
        assert_eq!(user(&vault, "https://h/a/b.git").unwrap(), "long");
        assert_eq!(user(&vault, "https://h/a/b.gitx").unwrap(), "short");
        assert_eq!(user(&vault, "https://H/c").unwrap(), "short");
    }

    #[test]
    fn no_credential_leaves_its_scheme_host_and_port() {
        let vault = vault(&[("https://h/a", "u")]);
        for elsewhere in ["http://h/a", "https://h:8443/a", "https://h.evil/a", "https://evil/h/a"] {
            assert_eq!(user(&vault, elsewhere), None, "{elsewhere}");
        }
        assert_eq!(user(&vault, "https://h:443/a").unwrap(), "u");
    }

    #[test]
    fn a_password_file_is_read_at_each_use() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        let given = Given { url: "https://h".into(), username: "u".into(), password: Password::File(file.clone()) };
        let vault = Vault::new(&Url::parse("https://h/a").unwrap(), vec![given], None, None).unwrap();
        let found = || vault.find(&Url::parse("https://h/a").unwrap());
        assert!(found().is_err());
        for password in ["one", "two"] {
            std::fs::write(&file, format!("{password}\n")).unwrap();
            let wanted = Credential::Basic { user: "u".into(), password: password.into() };
            assert!(found().unwrap() == Some(wanted));
        }
    }
}
