//! The errors by which a server of a Cluster says that another one, or another time, is right.
//!
//! A reply comes in, what to do about it goes out. Redis checks slots before it executes: each of these errors means that nothing was
//! executed.

use crate::ambassador_redis::resp::parse_integer;
use crate::core::values::Endpoint;

/// What an error of a Cluster asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// The slot belongs to that server now.
    Moved { slot: u16, to: Endpoint },
    /// The slot is being moved to that server, and the keys of this request are there already.
    Ask { slot: u16, to: Endpoint },
    /// Some of the keys are here, some are there: later.
    TryAgain,
    /// The Cluster does not serve this slot now: later.
    Down,
}

impl Redirect {
    /// Reads an error reply; `from` is the host that sent it, which an answer without a host means.
    pub fn parse(reply: &[u8], from: &str) -> Option<Redirect> {
        let text = reply.strip_prefix(b"-")?;
        let text = std::str::from_utf8(text.get(..text.iter().position(|byte| *byte == b'\r')?)?).ok()?;
        let mut words = text.split(' ');
        let kind = words.next()?;
        match kind {
            "MOVED" | "ASK" => {
                let slot = u16::try_from(parse_integer(words.next()?.as_bytes())?).ok().filter(|slot| *slot < 16384)?;
                let to = endpoint(words.next()?, from)?;
                Some(if kind == "MOVED" { Redirect::Moved { slot, to } } else { Redirect::Ask { slot, to } })
            }
            "TRYAGAIN" => Some(Redirect::TryAgain),
            "CLUSTERDOWN" => Some(Redirect::Down),
            _ => None,
        }
    }
}

/// `host:port`, where the host may be an IPv6 address without brackets, missing, or `?` for "unknown": then it is `from`.
fn endpoint(text: &str, from: &str) -> Option<Endpoint> {
    let (host, port) = text.rsplit_once(':')?;
    let host = if host.is_empty() || host == "?" { from } else { host };
    Some(Endpoint::Tcp { host: host.to_owned(), port: port.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn redirects_are_read_with_any_kind_of_host() {
        let parse = |text: &str| Redirect::parse(format!("-{text}\r\n").as_bytes(), "here");
        assert_eq!(
            parse("MOVED 3999 127.0.0.1:6381"),
            Some(Redirect::Moved { slot: 3999, to: tcp("127.0.0.1", 6381) })
        );
        assert_eq!(parse("ASK 1 redis-2.svc:6379"), Some(Redirect::Ask { slot: 1, to: tcp("redis-2.svc", 6379) }));
        assert_eq!(parse("MOVED 1 ::1:7000"), Some(Redirect::Moved { slot: 1, to: tcp("::1", 7000) }));
        assert_eq!(parse("MOVED 1 :7000"), Some(Redirect::Moved { slot: 1, to: tcp("here", 7000) }));
        assert_eq!(parse("MOVED 1 ?:7000"), Some(Redirect::Moved { slot: 1, to: tcp("here", 7000) }));
        assert_eq!(parse("TRYAGAIN Multiple keys request during rehashing of slot"), Some(Redirect::TryAgain));
        assert_eq!(parse("CLUSTERDOWN The cluster is down"), Some(Redirect::Down));
    }

    #[test]
    fn other_errors_and_broken_ones_are_no_redirects() {
        for text in ["ERR MOVED 1 a:1", "MOVED", "MOVED x a:1", "MOVED 16384 a:1", "MOVED 1 a", "MOVEDX 1 a:1"] {
            assert_eq!(Redirect::parse(format!("-{text}\r\n").as_bytes(), "here"), None, "{text}");
        }
        assert_eq!(Redirect::parse(b"+OK\r\n", "here"), None);
        assert_eq!(Redirect::parse(b"-MOVED 1 a:1", "here"), None);
    }
}
