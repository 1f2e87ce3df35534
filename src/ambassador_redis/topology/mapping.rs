//! How the addresses that Sentinels or a Cluster announce are reached from here: behind a tunnel, out of a container network, over NAT.
//!
//! `10.0.0.7:6379=localhost:7001` maps one server, `10.0.0.7=gateway` every port of a host. The first rule that fits counts; an address
//! that no rule names is taken as it is.

use std::str::FromStr;

use crate::core::values::{Endpoint, ValueError};

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    from: Place,
    to: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: Option<u16>,
}

/// All rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressMap(Vec<Mapping>);

impl AddressMap {
    pub fn new(rules: &[Mapping]) -> AddressMap {
        AddressMap(rules.to_vec())
    }

    /// Where the server with this announced address is reached.
    pub fn apply(&self, announced: &Endpoint) -> Endpoint {
        let Endpoint::Tcp { host, port } = announced else { return announced.clone() };
        let fits = |rule: &&Mapping| {
            rule.from.host.eq_ignore_ascii_case(host) && rule.from.port.is_none_or(|from| from == *port)
        };
        match self.0.iter().find(fits) {
            Some(Mapping { to, .. }) => Endpoint::Tcp { host: to.host.clone(), port: to.port.unwrap_or(*port) },
            None => announced.clone(),
        }
    }
}

impl FromStr for Mapping {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Mapping, ValueError> {
        let wrong = || {
            ValueError::new(format!(
                "{text:?} is no mapping; write what is announced, =, and where that is, such as 10.0.0.7:6379=localhost:7001"
            ))
        };
        let (from, to) = text.split_once('=').ok_or_else(wrong)?;
        let (from, to) = (place(from).ok_or_else(wrong)?, place(to).ok_or_else(wrong)?);
        // One port for every server of a host would make them one server.
        if from.port.is_none() && to.port.is_some() {
            return Err(wrong());
        }
        Ok(Mapping { from, to })
    }
}

fn place(text: &str) -> Option<Place> {
    if let Ok(Endpoint::Tcp { host, port }) = text.parse() {
        return Some(Place { host, port: Some(port) });
    }
    let host = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let is_host = !host.is_empty() && !text.starts_with("unix:") && (!text.contains(':') || host.len() < text.len());
    is_host.then(|| Place { host: host.to_owned(), port: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_hosts_are_mapped_and_others_left_alone() {
        let rules = ["10.0.0.7:6379=localhost:7001", "10.0.0.7=gateway", "[fd00::1]=[fd00::2]"];
        let map = AddressMap::new(&rules.map(|rule| rule.parse().expect("a rule")));
        for (announced, reached) in [
            ("10.0.0.7:6379", "localhost:7001"),
            ("10.0.0.7:6380", "gateway:6380"),
            ("10.0.0.8:6379", "10.0.0.8:6379"),
            ("[fd00::1]:6379", "[fd00::2]:6379"),
        ] {
            let announced: Endpoint = announced.parse().expect("an address");
            assert_eq!(map.apply(&announced).to_string(), reached);
        }
    }

    #[test]
    fn what_is_no_mapping_is_refused() {
        for text in ["", "a", "a=", "=b", "a:1:2=b", "a=b:7000", "a:1=unix:/x"] {
            assert!(text.parse::<Mapping>().is_err(), "{text}");
        }
    }
}
