//! The text of a location, taken apart.
//!
//! In: what git accepts as a repository. Out: a [`Url`], checked. Refused: see [`UrlError`]; no error repeats the text.

use percent_encoding::percent_decode_str;

use super::{Scheme, Url, UrlError};

pub(super) fn parse(text: &str) -> Result<Url, UrlError> {
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
        None => Ok(Url::local(text.to_owned())),
    }
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
    // [user@host:port]:path is git's way to give a port in this form; the user may stand before the bracket, too.
    let bracketed = authority.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).filter(|a| a.contains('@'));
    let (user, host) = match bracketed.unwrap_or(authority).rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host),
        None => (None, authority),
    };
    let unbracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let (host, port) = match unbracketed.or(bracketed.map(|_| host)) {
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
