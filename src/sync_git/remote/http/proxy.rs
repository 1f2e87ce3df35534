//! Which proxy a request goes through, by the variables that every tool reads.
//!
//! In: variables, or `http.proxy`; a target. Out: a proxy's address and its authorization. Refused: SOCKS and https proxies.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::error::RemoteError;
use super::super::options::ProxyChoice;
use super::super::url::{Scheme, Url};

/// A proxy to go through.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// The value of `Proxy-Authorization`.
    pub(super) authorization: Option<String>,
}

impl Proxy {
    /// The proxy for `target`, if any.
    pub(super) fn select(choice: &ProxyChoice, target: &Url) -> Result<Option<Self>, RemoteError> {
        match choice {
            ProxyChoice::Direct => Ok(None),
            ProxyChoice::Url(text) if text.is_empty() => Ok(None),
            ProxyChoice::Url(text) => Self::parse(text).map(Some),
            ProxyChoice::Environment => {
                from_variables(target, |name| std::env::var(name).ok().filter(|v| !v.is_empty()))
            }
        }
    }

    fn parse(text: &str) -> Result<Self, RemoteError> {
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let scheme = with_scheme.split("://").next().unwrap_or_default().to_ascii_lowercase();
        if scheme != "http" {
            return Err(RemoteError::Unsupported(format!(
                "a proxy by {scheme:?} is not supported; use an http:// proxy"
            )));
        }
        let url = Url::parse(&with_scheme)
            .map_err(|error| RemoteError::Unsupported(format!("the proxy's address is not valid: {error}")))?;
        let authorization = url.user().map(|user| {
            let pair = format!("{user}:{}", url.password().unwrap_or_default());
            format!("Basic {}", STANDARD.encode(pair))
        });
        // curl's default for a proxy without a port is 1080; everyone writes the port.
        Ok(Self { host: url.host().to_owned(), port: url.port.unwrap_or(1080), authorization })
    }
}

fn from_variables(target: &Url, read: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>, RemoteError> {
    let either = |name: &str| read(name).or_else(|| read(&name.to_ascii_uppercase()));
    if either("no_proxy").is_some_and(|list| is_exempt(&list, target.host(), target.port())) {
        return Ok(None);
    }
    let own = match target.scheme() {
        Scheme::Https => either("https_proxy"),
        // In a CGI program HTTP_PROXY is the client's `Proxy:` header.
        _ if read("REQUEST_METHOD").is_some() => read("http_proxy"),
        _ => either("http_proxy"),
    };
    own.or_else(|| either("all_proxy")).map(|text| Proxy::parse(&text)).transpose()
}

/// `no_proxy`: `*`, host names and their subdomains, `host:port`, addresses, networks (`10.0.0.0/8`).
fn is_exempt(list: &str, host: &str, port: u16) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some(address) = address {
            let entry = entry.trim_start_matches('[').trim_end_matches(']');
            return match entry.split_once('/') {
                Some((network, bits)) => is_in_network(address, network, bits),
                None => entry.parse() == Ok(address),
            };
        }
        let (name, only_port) = match entry.rsplit_once(':') {
            Some((name, digits)) => (name, digits.parse::<u16>().ok()),
            None => (entry, None),
        };
        let name = name.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.');
        let (host, name) = (host.to_ascii_lowercase(), name.to_ascii_lowercase());
        let is_name = host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'));
        is_name && only_port.is_none_or(|only| only == port)
    })
}

fn is_in_network(address: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) if bits <= 32 => {
            (a.to_bits() ^ n.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(n)) if bits <= 128 => {
            (a.to_bits() ^ n.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(target: &str, variables: &[(&str, &str)]) -> Option<(String, u16)> {
        let read = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        from_variables(&Url::parse(target).unwrap(), read).unwrap().map(|p| (p.host, p.port))
    }

    #[test]
    fn the_variable_of_the_scheme_wins_over_all_proxy() {
        let variables = [("HTTPS_PROXY", "http://secure:1"), ("http_proxy", "plain:2"), ("ALL_PROXY", "all:3")];
        assert_eq!(chosen("https://h/x", &variables), Some(("secure".into(), 1)));
        assert_eq!(chosen("http://h/x", &variables), Some(("plain".into(), 2)));
        assert_eq!(chosen("https://h/x", &variables[2..]), Some(("all".into(), 3)));
        assert_eq!(chosen("http://h/x", &[("HTTP_PROXY", "evil:1"), ("REQUEST_METHOD", "GET")]), None);
    }

    #[test]
    fn no_proxy_names_hosts_domains_ports_and_networks() {
        for (list, host, exempt) in [
            ("*", "a.b", true),
            ("b.c", "a.b.c", true),
            (".b.c", "b.c", true),
            ("b.c", "ab.c", false),
            ("B.C", "b.c", true),
            ("x, b.c:443", "b.c", true),
            ("b.c:80", "b.c", false),
            ("10.0.0.0/8", "10.2.3.4", true),
            ("10.0.0.0/8", "11.2.3.4", false),
            ("0.0.0.0/0", "11.2.3.4", true),
            ("::1", "::1", true),
            ("10.0.0.0/99", "10.0.0.1", false),
        ] {
            assert_eq!(is_exempt(list, host, 443), exempt, "{list} {host}");
        }
    }

    #[test]
    fn a_socks_proxy_is_refused_and_userinfo_becomes_a_header() {
        assert!(Proxy::parse("socks5://h:1").is_err());
        assert_eq!(Proxy::parse("http://u:p@h:1").unwrap().authorization.unwrap(), "Basic dTpw");
    }
}
