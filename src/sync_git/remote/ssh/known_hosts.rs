//! `known_hosts` (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): which key a host may have.
//!
//! In: the file's text; a host, a port, the key or certificate that it presented, the time. Out: yes, or why not.
//! Read: plain, wildcard, negated and hashed hosts, `[host]:port`, `@cert-authority`, `@revoked`. Skipped, as ssh does: lines that make no sense.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};

pub(super) struct KnownHosts {
    lines: Vec<Line>,
}

struct Line {
    marker: Marker,
    hosts: String,
    key: KeyData,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    CertAuthority,
    Revoked,
}

/// Why a host is not trusted. The operator's to settle.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Rejection {
    #[error("its key ({0}) is not in known_hosts")]
    Unknown(String),
    #[error("its key ({0}) is another one than known_hosts has: it was replaced, or somebody answers in its place")]
    Changed(String),
    #[error("its key ({0}) is revoked in known_hosts")]
    Revoked(String),
    #[error("its certificate is not valid: {0}")]
    Certificate(&'static str),
}

impl KnownHosts {
    pub(super) fn parse(text: &str) -> Self {
        Self { lines: text.lines().filter_map(Line::parse).collect() }
    }

    /// The algorithms of the keys that are known for the host: to ask for first, lest it present another.
    pub(super) fn algorithms(&self, host: &str, port: u16) -> Vec<Algorithm> {
        self.of(host, port, Marker::None).map(|line| line.key.algorithm()).collect()
    }

    /// Whether some authority may vouch for the host.
    pub(super) fn has_authority(&self, host: &str, port: u16) -> bool {
        self.of(host, port, Marker::CertAuthority).next().is_some()
    }

    /// Whether the host may present this.
    pub(super) fn check(
        &self,
        host: &str,
        port: u16,
        presented: &PublicKeyOrCertificate,
        now: SystemTime,
    ) -> Result<(), Rejection> {
        let key = presented.public_key();
        let is_revoked = |key: &KeyData| self.of(host, port, Marker::Revoked).any(|line| line.key == *key);
        if is_revoked(key.key_data()) {
            return Err(Rejection::Revoked(fingerprint(&key)));
        }
        if let Some(certificate) = presented.certificate() {
            let authority = certificate.signature_key();
            if is_revoked(authority) {
                return Err(Rejection::Revoked(fingerprint(&PublicKey::from(authority.clone()))));
            }
            if self.of(host, port, Marker::CertAuthority).any(|line| line.key == *authority) {
                return check_certificate(certificate, host, now).map_err(Rejection::Certificate);
            }
        }
        let mut is_host_known = false;
        for line in self.of(host, port, Marker::None) {
            if line.key == *key.key_data() {
                return Ok(());
            }
            is_host_known |= line.key.algorithm() == key.algorithm();
        }
        Err(if is_host_known { Rejection::Changed(fingerprint(&key)) } else { Rejection::Unknown(fingerprint(&key)) })
    }

    /// The lines for the host: those for its port, or else those that name no port.
    fn of<'a>(&'a self, host: &str, port: u16, marker: Marker) -> impl Iterator<Item = &'a Line> {
        let host = host.to_ascii_lowercase();
        let with_port = if port == 22 { host.clone() } else { format!("[{host}]:{port}") };
        let own: Vec<&Line> =
            self.lines.iter().filter(|line| line.marker == marker && line.names(&with_port)).collect();
        let lines = match own.is_empty() && port != 22 {
            true => self.lines.iter().filter(|line| line.marker == marker && line.names(&host)).collect(),
            false => own,
        };
        lines.into_iter()
    }
}

impl Line {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let mut words = text.split_ascii_whitespace();
        let mut hosts = words.next()?;
        let marker = match hosts {
            "@cert-authority" => Marker::CertAuthority,
            "@revoked" => Marker::Revoked,
            _ => Marker::None,
        };
        if marker != Marker::None {
            hosts = words.next()?;
        }
        let key = format!("{} {}", words.next()?, words.next()?);
        let key = PublicKey::from_openssh(&key).ok()?;
        Some(Self { marker, hosts: hosts.to_owned(), key: key.key_data().clone() })
    }

    /// Whether the line is for this name (in lower case, with its port unless that is 22).
    fn names(&self, name: &str) -> bool {
        let mut is_named = false;
        for pattern in self.hosts.split(',') {
            if let Some(hash) = pattern.strip_prefix("|1|") {
                is_named |= is_hash_of(hash, name);
            } else if let Some(pattern) = pattern.strip_prefix('!') {
                if is_match(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes()) {
                    return false;
                }
            } else {
                is_named |= is_match(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes());
            }
        }
        is_named
    }
}

/// `salt|hash`: the hash is HMAC-SHA1 of the name.
fn is_hash_of(hash: &str, name: &str) -> bool {
    let Some((salt, hash)) = hash.split_once('|') else { return false };
    let (Ok(salt), Ok(hash)) = (STANDARD.decode(salt), STANDARD.decode(hash)) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    hmac::verify(&key, name.as_bytes(), &hash).is_ok()
}

/// `*` and `?`, as ssh matches them; linear in the name for each star.
fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(b'?') => (p, n) = (p + 1, n + 1),
            Some(byte) if *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (p, n) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

fn check_certificate(certificate: &Certificate, host: &str, now: SystemTime) -> Result<(), &'static str> {
    if certificate.cert_type() != CertType::Host {
        return Err("it is not for a host");
    }
    if !certificate.critical_options().is_empty() {
        return Err("it has critical options, of which none is known for hosts");
    }
    let names = certificate.valid_principals();
    let host = host.to_ascii_lowercase();
    // An empty list would be valid for every host: ssh refuses it for hosts, too.
    if !names.iter().any(|name| is_match(name.to_ascii_lowercase().as_bytes(), host.as_bytes())) {
        return Err("it is for another host");
    }
    let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let authority = PublicKey::from(certificate.signature_key().clone()).fingerprint(HashAlg::Sha256);
    certificate
        .validate_at(now, [&authority])
        .map_err(|_| "it has expired, is not valid yet, or its signature is wrong")
}

fn fingerprint(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn key(text: &str) -> PublicKeyOrCertificate {
        PublicKey::from_openssh(text).unwrap().into()
    }

    fn verdict(file: &str, host: &str, port: u16) -> &'static str {
        match KnownHosts::parse(file).check(host, port, &key(A), SystemTime::UNIX_EPOCH) {
            Ok(()) => "known",
            Err(Rejection::Unknown(_)) => "unknown",
            Err(Rejection::Changed(_)) => "changed",
            Err(Rejection::Revoked(_)) => "revoked",
            Err(Rejection::Certificate(_)) => "certificate",
        }
    }

    #[test]
    fn names_patterns_and_ports_are_matched() {
        assert_eq!(verdict(&format!("host {A} comment"), "HOST", 22), "known");
        assert_eq!(verdict(&format!("other,host {A}"), "host", 22), "known");
        assert_eq!(verdict(&format!("*.example.com,!bad.example.com {A}"), "a.example.com", 22), "known");
        assert_eq!(verdict(&format!("*.example.com,!bad.example.com {A}"), "bad.example.com", 22), "unknown");
        assert_eq!(verdict(&format!("[host]:2222 {A}"), "host", 2222), "known");
        assert_eq!(verdict(&format!("[host]:2222 {A}"), "host", 22), "unknown");
        assert_eq!(verdict(&format!("host {A}"), "host", 2222), "known");
        assert_eq!(verdict(&format!("[host]:2222 {B}\nhost {A}"), "host", 2222), "changed");
        assert_eq!(verdict(&format!("# host {A}\n\nnonsense\nhost ssh-ed25519 AAAA"), "host", 22), "unknown");
    }

    #[test]
    fn hashed_hosts_are_matched() {
        let hash = |name: &str| {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"salt"), name.as_bytes());
            format!("|1|{}|{} {A}", STANDARD.encode(b"salt"), STANDARD.encode(tag))
        };
        assert_eq!(verdict(&hash("host"), "host", 22), "known");
        assert_eq!(verdict(&hash("[host]:99"), "host", 99), "known");
        assert_eq!(verdict(&hash("host"), "other", 22), "unknown");
        // By `ssh-keygen -H` from "example.com".
        assert_eq!(verdict("|1|c2FsdA==|nonsense x y", "host", 22), "unknown");
    }

    #[test]
    fn a_changed_and_a_revoked_key_are_told_apart() {
        assert_eq!(verdict(&format!("host {B}"), "host", 22), "changed");
        assert_eq!(verdict(&format!("host {A}\n@revoked host {A}"), "host", 22), "revoked");
        assert_eq!(verdict(&format!("host {A}\n@revoked * {A}"), "host", 22), "revoked");
        assert_eq!(verdict(&format!("@cert-authority host {A}"), "host", 22), "unknown");
    }

    #[test]
    fn stars_match_anything_in_time() {
        assert!(is_match(b"a*b*c", b"a-b-b-c") && is_match(b"*", b"") && is_match(b"h?st", b"host"));
        assert!(!is_match(b"a*b", b"a-c") && !is_match(b"", b"x") && !is_match(b"h?st", b"hst"));
        assert!(!is_match(&b"*a".repeat(40), &[b'a'; 39]));
    }
}
