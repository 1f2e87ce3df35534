//! Where a JVM answers: `host:port`, a JMX service URL, or `local:` and which one of this machine's. Refused by name: the protocols that only Java can speak
//! (IIOP, JMXMP, t3, remoting-jmx).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;

use super::error::JmxError;
use super::local::Choice;
use super::rmi::Stub;
use super::serial::{Limits, Progress, Reader};

/// Where a JVM answers. Read it from text.
#[derive(Debug, Clone)]
pub struct Address(pub(crate) Place);

#[derive(Debug, Clone)]
pub(crate) enum Place {
    Server(Server),
    /// To be found among this machine's processes.
    Local(Choice),
}

/// A JMX server that can be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// What is dialled, always: the host inside a stub is a guess of the server's.
    pub(crate) host: String,
    pub(crate) entry: Entry,
}

/// How the JMX server is found on that host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// By its name in the RMI registry at this port.
    Registry { port: u16, name: String },
    /// By a stub that the URL itself carries (the local agent publishes such).
    Stub(Stub),
}

impl FromStr for Address {
    type Err = JmxError;

    fn from_str(text: &str) -> Result<Self, JmxError> {
        let Some(choice) = text.strip_prefix("local:") else {
            return text.parse().map(|server| Address(Place::Server(server)));
        };
        let problem = "it is none of local:auto, local:PID and local:CLASS";
        let choice = Choice::parse(choice).ok_or_else(|| JmxError::Address { text: text.to_owned(), problem })?;
        Ok(Address(Place::Local(choice)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Server(Server { host, entry: Entry::Registry { port, .. } }) => write!(out, "{host}:{port}"),
            Place::Server(Server { host, entry: Entry::Stub(stub) }) => write!(out, "{host}:{}", stub.port),
            Place::Local(choice) => write!(out, "local:{choice}"),
        }
    }
}

impl FromStr for Server {
    type Err = JmxError;

    fn from_str(text: &str) -> Result<Self, JmxError> {
        let wrong = |problem| JmxError::Address { text: text.to_owned(), problem };
        let Some(rest) = text.strip_prefix("service:jmx:") else {
            let problem = "it is none of host:port, service:jmx:rmi:… and local:…";
            let (host, port) = host_port(text).ok_or_else(|| wrong(problem))?;
            return Ok(Server { host, entry: Entry::Registry { port, name: "jmxrmi".to_owned() } });
        };
        let Some(rest) = rest.strip_prefix("rmi://") else {
            return Err(wrong("of the JMX protocols only rmi can be read without Java"));
        };
        let (authority, path) = rest.split_once('/').ok_or_else(|| wrong("it ends before its path"))?;
        if let Some(encoded) = path.strip_prefix("stub/") {
            let stub = decode_stub(encoded).ok_or_else(|| wrong("the stub in it cannot be read"))?;
            let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
            let host = if host.is_empty() { stub.host.clone() } else { bare(host) };
            return Ok(Server { host, entry: Entry::Stub(stub) });
        }
        let Some(registry) = path.strip_prefix("jndi/rmi://") else {
            return Err(wrong("its path is neither /jndi/rmi://host:port/name nor /stub/…"));
        };
        let (registry, name) = registry.split_once('/').ok_or_else(|| wrong("the registry's entry has no name"))?;
        let (host, port) = match registry.contains(':') {
            true => host_port(registry),
            false => Some((registry.to_owned(), 1099)),
        }
        .ok_or_else(|| wrong("the registry is no host:port"))?;
        // An empty host means the local one, as in `service:jmx:rmi:///jndi/rmi://:9010/jmxrmi`.
        let host = if host.is_empty() { "localhost".to_owned() } else { host };
        Ok(Server { host, entry: Entry::Registry { port, name: name.to_owned() } })
    }
}

fn host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some((bare(host), port))
}

/// IPv6 addresses stand in brackets, which the resolver does not want.
fn bare(host: &str) -> String {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned()
}

fn decode_stub(encoded: &str) -> Option<Stub> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let mut rest = bytes.strip_prefix(&[0xac, 0xed, 0x00, 0x05])?;
    let mut reader = Reader::new(Limits::default());
    if reader.read(&mut rest).ok()? != Progress::Complete {
        return None;
    }
    let (graph, value, _) = reader.finish()?;
    Stub::read(&graph, value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(text: &str) -> (String, u16, String) {
        match text.parse::<Server>().unwrap() {
            Server { host, entry: Entry::Registry { port, name } } => (host, port, name),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        let jmxrmi = |host: &str, port| (host.to_owned(), port, "jmxrmi".to_owned());
        assert_eq!(registry("localhost:9010"), jmxrmi("localhost", 9010));
        assert_eq!(registry("[::1]:9010"), jmxrmi("::1", 9010));
        assert_eq!(registry("service:jmx:rmi:///jndi/rmi://app:9010/jmxrmi"), jmxrmi("app", 9010));
        assert_eq!(registry("service:jmx:rmi://app:9011/jndi/rmi://app:9010/jmxrmi"), jmxrmi("app", 9010));
        assert_eq!(registry("service:jmx:rmi:///jndi/rmi://:9010/karaf-root").2, "karaf-root");
        assert_eq!(registry("service:jmx:rmi:///jndi/rmi://app/jmxrmi"), jmxrmi("app", 1099));
    }

    #[test]
    fn what_only_java_speaks_is_refused_by_name() {
        for text in ["app", "app:0", "app:http", "service:jmx:jmxmp://app:1", "service:jmx:rmi://app/stub/!!", "local:"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        let error = "service:jmx:remoting-jmx://app:9990".parse::<Address>().unwrap_err();
        assert!(error.to_string().contains("only rmi can be read without Java"), "{error}");
    }
}
