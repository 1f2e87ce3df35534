//! A repository's location, as git spells it.
//!
//! In: the text of `--repo` or of a submodule. Out: scheme, host, port, path and, apart from them, the user and password.
//! Refused: schemes that are not on the list (remote helpers such as `ext::` above all), anything that a program could
//! take for an option, control characters. What is displayed never holds a password, a user or a query.

mod parse;

use std::fmt;

/// The transports that exist; any other scheme is refused by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant says it all")]
pub enum Scheme {
    Https,
    Http,
    Ssh,
    Git,
    File,
}

impl Scheme {
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "https" => Some(Self::Https),
            "http" => Some(Self::Http),
            "ssh" | "git+ssh" | "ssh+git" => Some(Self::Ssh),
            "git" => Some(Self::Git),
            "file" => Some(Self::File),
            _ => None,
        }
    }

    /// In lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::Git => "git",
            Self::File => "file",
        }
    }

    /// The port when none is given; 0 for files.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
            Self::Ssh => 22,
            Self::Git => 9418,
            Self::File => 0,
        }
    }
}

/// Why a text is not a repository's location. The texts never repeat the location: it may hold a password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "each message says what its variant is")]
pub enum UrlError {
    #[error("the repository is empty")]
    Empty,
    #[error("the repository starts with '-', which a program could take for an option")]
    LeadingDash,
    #[error("the repository's {0} starts with '-', which a program could take for an option")]
    DashIn(&'static str),
    #[error("the repository holds a control character")]
    Control,
    #[error("the scheme {0:?} is not served: use https, http, ssh, git, file or a path")]
    Scheme(String),
    #[error("the repository names no host")]
    NoHost,
    #[error("the repository's host is not valid")]
    Host,
    #[error("the repository's port is not a number from 1 to 65535")]
    Port,
    #[error("the repository names no path")]
    NoPath,
    #[error("a file URL must name a path on this machine: file:///path")]
    RemoteFile,
    #[error("the relative location climbs above the repository that it starts from")]
    Climbs,
}

/// One repository's location.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    pub(super) scheme: Scheme,
    user: Option<String>,
    password: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// http(s): still percent-encoded, with a leading `/`. Else decoded, ready for the server or the file system.
    pub(super) path: String,
    pub(super) query: Option<String>,
}

impl Url {
    /// Reads a location in any form that git accepts.
    ///
    /// # Errors
    /// The operator's: see [`UrlError`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        parse::parse(text)
    }

    /// The transport.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Without brackets; empty for files.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Given or by default.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    /// The path: percent-encoded for http(s), plain for the others.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The user that the location carried.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password that the location carried. Never log it.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The same location without user and password.
    pub fn without_userinfo(&self) -> Self {
        Self { user: None, password: None, ..self.clone() }
    }

    /// Whether a credential for `self` may be shown to `other`: same scheme, host and port.
    pub fn is_same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host.eq_ignore_ascii_case(&other.host) && self.port() == other.port()
    }

    /// The full text without a password, for a git configuration file; ssh keeps its user, which is part of the address.
    pub fn to_config_text(&self) -> String {
        match (&self.user, self.scheme) {
            (Some(user), Scheme::Ssh) => format!("ssh://{user}@{}", self.after_scheme(Query::Kept)),
            (_, Scheme::File) => self.path.clone(),
            _ => format!("{}://{}", self.scheme.name(), self.after_scheme(Query::Kept)),
        }
    }

    /// Resolves a submodule's location, which may be relative (`./x`, `../x`) to this one.
    ///
    /// # Errors
    /// The repository's: the location is not valid, or climbs above this one's root.
    pub fn join(&self, location: &str) -> Result<Self, UrlError> {
        if !(location.starts_with("./") || location.starts_with("../") || location == "." || location == "..") {
            return Self::parse(location);
        }
        if location.chars().any(char::is_control) {
            return Err(UrlError::Control);
        }
        let mut parts: Vec<&str> = self.path.trim_end_matches('/').split('/').collect();
        for part in location.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    // The first part of an absolute path is the empty one before its slash.
                    let floor = usize::from(self.path.starts_with('/'));
                    if parts.len() <= floor {
                        return Err(UrlError::Climbs);
                    }
                    parts.pop();
                }
                name => parts.push(name),
            }
        }
        let path = parts.join("/");
        if path.is_empty() || path.starts_with('-') {
            return Err(UrlError::NoPath);
        }
        Ok(Self { path, query: None, ..self.clone() })
    }

    /// The place `path` below an http or https location.
    pub(crate) fn below(&self, path: &str) -> Self {
        Self { path: format!("{}/{path}", self.path.trim_end_matches('/')), ..self.clone() }
    }

    /// The same host and path on the web, without a user: http for http, https for every other.
    pub(crate) fn to_web_text(&self) -> String {
        let path = self.path.trim_start_matches('/');
        match self.scheme {
            Scheme::Http | Scheme::Https => self.without_userinfo().to_config_text(),
            _ if self.host.contains(':') => format!("https://[{}]/{path}", self.host),
            _ => format!("https://{}/{path}", self.host),
        }
    }

    pub(super) fn local(path: String) -> Self {
        Self { scheme: Scheme::File, user: None, password: None, host: String::new(), port: None, path, query: None }
    }

    /// `host` or `host:port`, an IPv6 address in brackets, as a Host header or a git request spells it.
    pub(super) fn host_port(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port {
            Some(port) if port != self.scheme.default_port() => format!("{host}:{port}"),
            _ => host,
        }
    }

    fn after_scheme(&self, query: Query) -> String {
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        let query = match (&self.query, query) {
            (None, _) => String::new(),
            (Some(query), Query::Kept) => format!("?{query}"),
            (Some(_), Query::Hidden) => "?…".to_owned(),
        };
        format!("{}{slash}{}{query}", self.host_port(), self.path)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::File => f.write_str(&self.path),
            scheme => write!(f, "{}://{}", scheme.name(), self.after_scheme(Query::Hidden)),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

#[derive(Clone, Copy)]
enum Query {
    Kept,
    Hidden,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Scheme, Option<String>, String, u16, String) {
        let url = Url::parse(text).unwrap();
        (url.scheme, url.user.clone(), url.host.clone(), url.port(), url.path.clone())
    }

    fn part(
        scheme: Scheme,
        user: Option<&str>,
        host: &str,
        port: u16,
        path: &str,
    ) -> (Scheme, Option<String>, String, u16, String) {
        (scheme, user.map(str::to_owned), host.to_owned(), port, path.to_owned())
    }

    #[test]
    fn every_form_of_git_is_read() {
        use Scheme::*;
        assert_eq!(parts("https://example.com/a/b.git"), part(Https, None, "example.com", 443, "/a/b.git"));
        assert_eq!(parts("HTTP://u:p@example.com:8080/a"), part(Http, Some("u"), "example.com", 8080, "/a"));
        assert_eq!(parts("git@example.com:a/b.git"), part(Ssh, Some("git"), "example.com", 22, "a/b.git"));
        assert_eq!(parts("example.com:/srv/b.git"), part(Ssh, None, "example.com", 22, "/srv/b.git"));
        assert_eq!(parts("[::1]:b.git"), part(Ssh, None, "::1", 22, "b.git"));
        assert_eq!(parts("git@[host:2222]:b.git"), part(Ssh, Some("git"), "host", 2222, "b.git"));
        assert_eq!(parts("[git@host:2222]:b.git"), part(Ssh, Some("git"), "host", 2222, "b.git"));
        assert_eq!(
            parts("ssh://git@example.com:2222/~me/b%20c"),
            part(Ssh, Some("git"), "example.com", 2222, "~me/b c")
        );
        assert_eq!(parts("git+ssh://example.com/b"), part(Ssh, None, "example.com", 22, "/b"));
        assert_eq!(parts("git://[::1]:1234/b"), part(Git, None, "::1", 1234, "/b"));
        assert_eq!(parts("file:///srv/a%20b"), part(File, None, "", 0, "/srv/a b"));
        assert_eq!(parts("file://localhost/srv"), part(File, None, "", 0, "/srv"));
        assert_eq!(parts("/srv/a:b"), part(File, None, "", 0, "/srv/a:b"));
        assert_eq!(parts("./a:b"), part(File, None, "", 0, "./a:b"));
        assert_eq!(parts("../repo"), part(File, None, "", 0, "../repo"));
    }

    #[test]
    fn dangerous_forms_are_refused() {
        assert_eq!(Url::parse("ext::sh -c id"), Err(UrlError::Scheme("ext".into())));
        assert_eq!(Url::parse("EXT::sh"), Err(UrlError::Scheme("EXT".into())));
        assert_eq!(Url::parse("ftp://h/x"), Err(UrlError::Scheme("ftp".into())));
        assert_eq!(Url::parse("--upload-pack=id"), Err(UrlError::LeadingDash));
        assert_eq!(Url::parse("ssh://-oProxyCommand=id/x"), Err(UrlError::DashIn("host")));
        assert_eq!(Url::parse("ssh://-l@h/x"), Err(UrlError::DashIn("user")));
        assert_eq!(Url::parse("h:-x"), Err(UrlError::DashIn("path")));
        assert_eq!(Url::parse("git://h/a%0ahost=b"), Err(UrlError::Control));
        assert_eq!(Url::parse("https://h/a\r\nX: y"), Err(UrlError::Control));
        assert_eq!(Url::parse("https://h:99999/a"), Err(UrlError::Port));
        assert_eq!(Url::parse("https:///a"), Err(UrlError::NoHost));
        assert_eq!(Url::parse("git://h"), Err(UrlError::NoPath));
        assert_eq!(Url::parse("file://server/share"), Err(UrlError::RemoteFile));
        assert_eq!(Url::parse(""), Err(UrlError::Empty));
    }

    #[test]
    fn no_secret_is_displayed() {
        let url = Url::parse("https://me:s%40cret@example.com/a?token=abc").unwrap();
        assert_eq!(url.password(), Some("s@cret"));
        assert_eq!(url.to_string(), "https://example.com/a?…");
        assert_eq!(format!("{url:?}"), "Url(https://example.com/a?…)");
        assert!(!url.to_config_text().contains("cret"));
        assert_eq!(Url::parse("git@example.com:a").unwrap().to_string(), "ssh://example.com/a");
        for bad in ["https://me:secret@h:x/a", "https://me:secret@/a", "ext::secret"] {
            assert!(!Url::parse(bad).unwrap_err().to_string().contains("secret"), "{bad}");
        }
    }

    #[test]
    fn relative_submodules_resolve_against_the_parent() {
        let join = |base: &str, rel: &str| Url::parse(base).unwrap().join(rel).map(|u| u.to_config_text());
        assert_eq!(join("https://h/a/b.git", "../c.git").unwrap(), "https://h/a/c.git");
        assert_eq!(join("https://h/a/b.git", "./c").unwrap(), "https://h/a/b.git/c");
        assert_eq!(join("git@h:a/b", "../c").unwrap(), "ssh://git@h/a/c");
        assert_eq!(join("/srv/a", "../../c").unwrap(), "/c");
        assert_eq!(join("/srv/a", "../../../c"), Err(UrlError::Climbs));
        assert_eq!(join("/srv/a", "https://h/x").unwrap(), "https://h/x");
        assert_eq!(join("/srv/a", "ext::x"), Err(UrlError::Scheme("ext".into())));
    }
}
