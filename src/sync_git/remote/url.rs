//! A repository's location, as git spells it.
//!
//! In: the text of `--repo` or of a submodule. Out: scheme, host, port, path and, apart from them, the user and password.
//! Refused: schemes that are not on the list (remote helpers such as `ext::` above all), anything that a program could
//! take for an option, control characters. What is displayed never holds a password, a user or a query.

use std::fmt;

use percent_encoding::percent_decode_str;

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
        if text.is_empty() {
            return Err(UrlError::Empty);
        }
        if text.starts_with('-') {
            return Err(UrlError::LeadingDash);
        }
        if text.chars().any(char::is_control) {
            return Err(UrlError::Control);
        }
        if let Some((scheme, rest)) = text.split_once("://")
            && is_scheme(scheme)
        {
            let scheme = Scheme::named(scheme).ok_or_else(|| UrlError::Scheme(scheme.to_owned()))?;
            return match scheme {
                Scheme::File => file_url(rest),
                _ => network_url(scheme, rest),
            };
        }
        if let Some((helper, _)) = text.split_once("::")
            && is_scheme(helper)
        {
            return Err(UrlError::Scheme(helper.to_owned()));
        }
        match scp_split(text) {
            Some((authority, path)) => scp_url(authority, path),
            None => Ok(Self::local(text.to_owned())),
        }
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

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// `user@host:path`, unless a slash comes before the colon: then it is a path.
fn scp_split(text: &str) -> Option<(&str, &str)> {
    let from = match text.find('[') {
        // [::1]:path, user@[::1]:path
        Some(open) if !text[..open].contains(['/', ':']) => open + text[open..].find(']')?,
        _ => 0,
    };
    let colon = from + text[from..].find(':')?;
    (!text[..colon].contains('/')).then(|| (&text[..colon], &text[colon + 1..]))
}

fn scp_url(authority: &str, path: &str) -> Result<Url, UrlError> {
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host),
        None => (None, authority),
    };
    // [host:port]:path is git's way to give a port in this form.
    let (host, port) = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(inner) if inner.matches(':').count() == 1 => split_port(inner)?,
        Some(inner) => (inner.to_owned(), None),
        None => (host.to_owned(), None),
    };
    check(Url { scheme: Scheme::Ssh, user, password: None, host, port, path: path.to_owned(), query: None })
}

fn file_url(rest: &str) -> Result<Url, UrlError> {
    let path = rest.strip_prefix("localhost").filter(|p| p.starts_with('/')).unwrap_or(rest);
    if path.is_empty() {
        return Err(UrlError::NoPath);
    }
    if !path.starts_with('/') {
        return Err(UrlError::RemoteFile);
    }
    Ok(Url::local(decode(path)?))
}

fn network_url(scheme: Scheme, rest: &str) -> Result<Url, UrlError> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (userinfo, host) = match authority.rsplit_once('@') {
        Some((userinfo, host)) => (Some(userinfo), host),
        None => (None, authority),
    };
    let (user, password) = match userinfo.map(|u| u.split_once(':').map_or((u, None), |(u, p)| (u, Some(p)))) {
        Some((user, password)) => (Some(decode(user)?), password.map(decode).transpose()?),
        None => (None, None),
    };
    let (host, port) = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((address, "")) => (address.to_owned(), None),
        Some((address, port)) => (address.to_owned(), Some(port_number(port.strip_prefix(':').unwrap_or("?"))?)),
        None => split_port(host)?,
    };
    let (path, query) = match scheme {
        Scheme::Http | Scheme::Https => {
            let path = path.split('#').next().unwrap_or_default();
            let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q.to_owned())));
            if !path.bytes().chain(query.iter().flat_map(|q| q.bytes())).all(|b| b.is_ascii_graphic()) {
                let encode = |text: &str| percent_encoding::utf8_percent_encode(text, UNSAFE).to_string();
                (encode(path), query.as_deref().map(encode))
            } else {
                (path.to_owned(), query)
            }
        }
        // `/~user/x` is relative to that user's home on the server.
        _ => {
            let path = decode(path)?;
            (path.strip_prefix('/').filter(|p| p.starts_with('~')).map_or(path.clone(), str::to_owned), None)
        }
    };
    if path.is_empty() && !matches!(scheme, Scheme::Http | Scheme::Https) {
        return Err(UrlError::NoPath);
    }
    check(Url { scheme, user, password, host, port, path, query })
}

/// What must be encoded in an http path: all but graphic ASCII.
const UNSAFE: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

fn check(url: Url) -> Result<Url, UrlError> {
    if url.host.is_empty() {
        return Err(UrlError::NoHost);
    }
    if url.host.starts_with('-') {
        return Err(UrlError::DashIn("host"));
    }
    if !url.host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%')) {
        return Err(UrlError::Host);
    }
    if url.user.as_deref().is_some_and(|user| user.starts_with('-')) {
        return Err(UrlError::DashIn("user"));
    }
    match url.path.as_str() {
        "" if url.scheme == Scheme::Ssh => Err(UrlError::NoPath),
        path if path.starts_with('-') => Err(UrlError::DashIn("path")),
        _ => Ok(url),
    }
}

fn split_port(host: &str) -> Result<(String, Option<u16>), UrlError> {
    match host.split_once(':') {
        None | Some((_, "")) => Ok((host.trim_end_matches(':').to_owned(), None)),
        Some((host, port)) => Ok((host.to_owned(), Some(port_number(port)?))),
    }
}

fn port_number(text: &str) -> Result<u16, UrlError> {
    text.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)
}

fn decode(text: &str) -> Result<String, UrlError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| UrlError::Control)?.into_owned();
    if text.chars().any(char::is_control) { Err(UrlError::Control) } else { Ok(text) }
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
