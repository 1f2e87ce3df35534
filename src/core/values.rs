//! Text in, types with units out: durations, byte sizes, addresses to listen on and endpoints to reach.
//!
//! Every parser here refuses what it does not understand, with the reason and an example of what it takes.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// A text that is not the value it should be: the reason, with an example.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ValueError(String);

impl ValueError {
    /// A reason that a user can act upon.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Parses a duration: one or more decimal numbers, each with a unit (`ns us µs ms s m h d w`), or `0`.
///
/// This is the union of Go's grammar (`1h2m3.5s`) and of what people write (`1h 30m`, `2d`). A bare number is refused,
/// since nobody can see its unit.
///
/// # Errors
/// The text is empty, negative, has a number without a unit, an unknown unit, or is longer than 292 years.
pub fn duration(text: &str) -> Result<Duration, ValueError> {
    const EXAMPLE: &str = "write a number with a unit, such as 500ms, 30s, 5m or 1h30m";
    let bad = |why: &str| ValueError(format!("{why}; {EXAMPLE}"));
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(bad("a duration is missing"));
    }
    if rest.starts_with('-') {
        return Err(bad("a duration cannot be negative"));
    }
    rest = rest.strip_prefix('+').unwrap_or(rest);
    let mut total_nanos = 0f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        if number.is_empty() {
            return Err(bad(&format!("{rest:?} does not begin with a number")));
        }
        let tail = tail.trim_start();
        let unit_end = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at(unit_end);
        let number: f64 = number.parse().map_err(|_| bad(&format!("{number:?} is not a number")))?;
        let nanos = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" | "sec" | "secs" => 1e9,
            "m" | "min" | "mins" => 60e9,
            "h" | "hr" | "hrs" => 3_600e9,
            "d" | "day" | "days" => 86_400e9,
            "w" | "week" | "weeks" => 604_800e9,
            "" => return Err(bad(&format!("{number} has no unit"))),
            other => return Err(bad(&format!("{other:?} is not a unit of time"))),
        };
        total_nanos += number * nanos;
        rest = after.trim_start();
    }
    if total_nanos > i64::MAX as f64 {
        return Err(bad("a duration cannot be longer than 292 years"));
    }
    Ok(Duration::from_nanos(total_nanos.round() as u64))
}

/// A number of bytes: `64KiB`, `10MB`, `1G` (binary where the unit has an `i` or stands alone), or a bare number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// The size as a count for memory; saturates where the machine's words are shorter.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let bad = |why: String| ValueError(format!("{why}; write a size such as 4096, 64KiB, 16MiB or 1GB"));
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: f64 = number.parse().map_err(|_| bad(format!("{text:?} is not a size")))?;
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "ki" | "kib" => 1 << 10,
            "m" | "mi" | "mib" => 1 << 20,
            "g" | "gi" | "gib" => 1 << 30,
            "t" | "ti" | "tib" => 1 << 40,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            other => return Err(bad(format!("{other:?} is not a unit of size"))),
        };
        let bytes = number * factor as f64;
        if bytes >= u64::MAX as f64 {
            return Err(bad(format!("{text:?} is larger than any memory")));
        }
        Ok(Self(bytes as u64))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.iter().find(|(factor, _)| self.0 >= *factor && self.0.is_multiple_of(*factor)) {
            Some((factor, unit)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A server to reach: `host:port`, `[v6]:port`, or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// A name or an address, and a TCP port.
    Tcp {
        /// A DNS name or an IP address (a v6 address without its brackets).
        host: String,
        /// The TCP port, never 0.
        port: u16,
    },
    /// A unix stream socket.
    Unix(PathBuf),
}

impl FromStr for Endpoint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err(ValueError("the path after unix: is missing".to_owned()));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let (host, port) = split_host_port(text)?;
        if host.is_empty() {
            return Err(ValueError(format!("{text:?} names no host; write host:port, such as redis-0.redis:6379")));
        }
        if port == 0 {
            return Err(ValueError(format!("{text:?} has port 0, which nobody can be reached on")));
        }
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A place to listen on: `:9101` (every interface), `127.0.0.1:9101`, `[::1]:0`, or `off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// Do not listen at all.
    Off,
    /// Every interface, v6 and v4, on this port (0: any free one).
    Any(u16),
    /// One name or address, and a port (0: any free one).
    Host(String, u16),
}

impl FromStr for Bind {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() || text == "off" {
            return Ok(Self::Off);
        }
        let (host, port) = split_host_port(text)?;
        Ok(match host {
            "" | "*" => Self::Any(port),
            host => Self::Host(host.to_owned(), port),
        })
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Any(port) => write!(f, ":{port}"),
            Self::Host(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

fn split_host_port(text: &str) -> Result<(&str, u16), ValueError> {
    let bad = |why: &str| ValueError(format!("{text:?} {why}; write host:port, such as 127.0.0.1:6379 or [::1]:6379"));
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:").ok_or_else(|| bad("has no port behind its brackets"))?,
        None => text.rsplit_once(':').ok_or_else(|| bad("has no port"))?,
    };
    if host.contains(':') && !text.starts_with('[') {
        return Err(bad("is an IPv6 address without brackets"));
    }
    let port = port.parse().map_err(|_| bad("has a port that is not a number from 0 to 65535"))?;
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_go_and_human_forms() {
        let cases = [
            ("0", 0),
            ("100ms", 100),
            ("1h2m3.5s", 3_723_500),
            ("1h 30m", 5_400_000),
            ("2d", 172_800_000),
            ("+5s", 5_000),
            (".5s", 500),
        ];
        for (text, millis) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_duration_without_a_unit_or_with_a_strange_one_is_refused_with_an_example() {
        for text in ["10", "", "-1s", "5 parsecs", "1.2.3s", "s", "300y", "10s5", "9999999999d"] {
            let reason = duration(text).unwrap_err().to_string();
            assert!(reason.contains("1h30m"), "{text}: {reason}");
        }
    }

    #[test]
    fn sizes_round_trip_through_their_largest_whole_unit() {
        for (text, bytes, shown) in [
            ("4096", 4096, "4KiB"),
            ("64k", 65_536, "64KiB"),
            ("10MB", 10_000_000, "10000000"),
            ("1.5KiB", 1536, "1536"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown));
        }
        for text in ["", "x", "1XB", "-1", "1e30TB", "99999999999TiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn endpoints_and_binds_print_as_they_are_written() {
        for text in ["redis:6379", "[::1]:6379", "unix:/run/redis.sock"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for text in [":9101", "127.0.0.1:0", "[::]:80", "off"] {
            assert_eq!(text.parse::<Bind>().unwrap().to_string(), text);
        }
        for text in ["redis", ":6379", "::1:6379", "redis:0", "redis:99999", "unix:"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
