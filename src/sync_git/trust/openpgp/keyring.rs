//! A file of public keys, and what each says of itself.
//!
//! In: the file, armoured or binary, of one or many keys with their subkeys. Out: the keys that may have made a signature,
//! each with whether it may sign, until when it holds, and whether it is revoked. What a key says of itself counts only where
//! its own signature proves it: the newest such signature decides. Refused: secret keys (they have no place here), GnuPG's
//! own keybox format, an empty file.

use super::super::Why;
use super::key::{Key, Use};
use super::packet::{self, Packet, Tag};
use super::signature::{Kind, Signature, hex};

/// All keys of the file.
#[derive(Debug)]
pub(in super::super) struct Keyring {
    certificates: Vec<Certificate>,
}

/// One primary key with what belongs to it.
#[derive(Debug)]
struct Certificate {
    user: String,
    primary: Own,
    subkeys: Vec<Own>,
}

/// A key, and what is proved about it.
#[derive(Debug)]
struct Own {
    key: Key,
    /// What the newest of its own signatures says; `None` when none proves that the key belongs here.
    says: Option<Says>,
    is_revoked: bool,
}

#[derive(Clone, Debug)]
struct Says {
    signed: u32,
    /// Until when the saying itself counts.
    until: Option<i64>,
    lifetime: Option<u32>,
    may_sign: bool,
}

/// A key that may have made a signature.
pub(super) struct Found<'a> {
    pub key: &'a Key,
    certificate: &'a Certificate,
    own: &'a Own,
}

/// What the next signatures of the file are about.
enum Component {
    Primary,
    UserId {
        framed: Vec<u8>,
        proofs: Vec<Signature>,
        revoked: Option<u32>,
    },
    Subkey {
        key: Key,
        proofs: Vec<Signature>,
        revocations: Vec<Signature>,
    },
    /// Something that we have no use for, with its signatures.
    Ignored,
}

/// What a key may do, in the flags that it gives itself: sign data.
const MAY_SIGN: u8 = 0x02;

impl Keyring {
    /// Reads a file of keys.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in super::super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.get(8..12) == Some(b"KBXf") {
            return Err("it is a keybox of GnuPG; write the keys with `gpg --export`".to_owned());
        }
        let mut certificates = Vec::new();
        for block in packet::dearmour(bytes)? {
            let packets = packet::packets(&block)?;
            if packets.iter().any(|packet| packet.tag == Tag::SecretKey) {
                return Err(
                    "it holds a secret key, which has no place here; write public keys with `gpg --export`".to_owned()
                );
            }
            let starts: Vec<usize> =
                packets.iter().enumerate().filter(|(_, packet)| packet.tag == Tag::Key).map(|(at, _)| at).collect();
            for (nth, start) in starts.iter().enumerate() {
                let end = starts.get(nth + 1).copied().unwrap_or(packets.len());
                // A key of a version that we do not read vouches for nothing, and does not stand in the others' way.
                if packets[*start].body.first() == Some(&4) {
                    certificates.push(Certificate::parse(&packets[*start..end])?);
                }
            }
        }
        if certificates.is_empty() {
            Err("it holds no public key of version 4".to_owned())
        } else {
            Ok(Self { certificates })
        }
    }

    /// The keys that may have made a signature.
    pub(super) fn find<'a>(&'a self, signature: &'a Signature) -> impl Iterator<Item = Found<'a>> {
        let keys = self.certificates.iter().flat_map(|certificate| {
            std::iter::once(&certificate.primary).chain(&certificate.subkeys).map(move |own| Found {
                key: &own.key,
                certificate,
                own,
            })
        });
        keys.filter(|found| signature.may_be_of(&found.key.fingerprint))
    }
}

impl Found<'_> {
    /// The key's owner and fingerprint.
    pub(super) fn shown(&self) -> String {
        format!("{} with the OpenPGP key {}", self.certificate.user, hex(&self.key.fingerprint))
    }

    /// Whether the key counts for a signature that was made at `created`, and what it may be used for.
    ///
    /// # Errors
    /// It is revoked, has expired, or did not exist then.
    pub(super) fn usable(&self, created: i64, now: i64) -> Result<Use, Why> {
        let shown = self.shown();
        let primary = &self.certificate.primary;
        for own in [primary, self.own] {
            if own.is_revoked {
                return Err(Why::Revoked(format!("the key of {shown} is revoked")));
            }
            let Some(says) = &own.says else {
                return Err(Why::UnknownKey(format!("the key of {shown} does not prove that it belongs to its owner")));
            };
            let from = i64::from(own.key.created);
            if created < from {
                return Err(Why::Bad(format!("it is older than the key of {shown}")));
            }
            let ends = [says.lifetime.map(|lifetime| from + i64::from(lifetime)), says.until];
            if ends.into_iter().flatten().any(|end| end <= now.max(created)) {
                return Err(Why::Expired(format!("the key of {shown} has expired")));
            }
        }
        Ok(if self.own.says.as_ref().is_some_and(|says| says.may_sign) { Use::Sign } else { Use::Other })
    }
}

impl Certificate {
    /// Reads the packets of one key, the primary key first.
    fn parse(packets: &[Packet<'_>]) -> Result<Self, String> {
        let [first, rest @ ..] = packets else { return Err("a key is missing".to_owned()) };
        let primary = Key::parse(first.body)?;
        let framed = primary.framed();
        let mut certificate = Self {
            user: String::new(),
            primary: Own { key: primary.clone(), says: None, is_revoked: false },
            subkeys: Vec::new(),
        };
        let mut component = Component::Primary;
        for packet in rest {
            let next = match packet.tag {
                Tag::UserId => {
                    let length = (packet.body.len() as u32).to_be_bytes();
                    let framed = [&framed[..], &[0xb4], &length, packet.body].concat();
                    if certificate.user.is_empty() {
                        certificate.user = String::from_utf8_lossy(packet.body).into_owned();
                    }
                    Component::UserId { framed, proofs: Vec::new(), revoked: None }
                }
                Tag::Subkey => match Key::parse(packet.body) {
                    Ok(key) => Component::Subkey { key, proofs: Vec::new(), revocations: Vec::new() },
                    Err(_) => Component::Ignored,
                },
                Tag::Signature => {
                    // One that we cannot read proves nothing.
                    if let Ok(signature) = Signature::parse(packet.body) {
                        certificate.hear(&mut component, signature, &framed);
                    }
                    continue;
                }
                Tag::Other => continue,
                Tag::UserAttribute | Tag::Key | Tag::SecretKey => Component::Ignored,
            };
            let done = std::mem::replace(&mut component, next);
            certificate.conclude(done, &framed);
        }
        certificate.conclude(component, &framed);
        Ok(certificate)
    }

    /// Takes a signature for what it proves about the component.
    fn hear(&mut self, component: &mut Component, signature: Signature, framed: &[u8]) {
        let primary = &self.primary.key;
        let proves = |parts: &[&[u8]]| primary.verify_with_any_hash(&signature, parts).is_ok();
        match (component, signature.kind) {
            (_, Kind::KeyRevocation) if proves(&[framed]) => self.primary.is_revoked = true,
            (_, Kind::Direct) if proves(&[framed]) => self.primary.hear(&signature),
            (Component::UserId { framed, proofs, .. }, Kind::Certification) if proves(&[framed]) => {
                proofs.push(signature);
            }
            (Component::UserId { framed, revoked, .. }, Kind::CertificationRevocation) if proves(&[framed]) => {
                *revoked = Some(revoked.unwrap_or_default().max(signature.created));
            }
            (Component::Subkey { key, proofs, .. }, Kind::SubkeyBinding) if proves(&[framed, &key.framed()]) => {
                proofs.push(signature);
            }
            (Component::Subkey { key, revocations, .. }, Kind::SubkeyRevocation)
                if proves(&[framed, &key.framed()]) =>
            {
                revocations.push(signature);
            }
            _ => {}
        }
    }

    fn conclude(&mut self, component: Component, framed: &[u8]) {
        match component {
            Component::UserId { proofs, revoked, .. } => {
                let newest = proofs.into_iter().max_by_key(|proof| proof.created);
                if let Some(proof) = newest.filter(|proof| revoked.is_none_or(|revoked| revoked < proof.created)) {
                    self.primary.hear(&proof);
                }
            }
            Component::Subkey { key, proofs, revocations } => {
                let mut own = Own { key, says: None, is_revoked: !revocations.is_empty() };
                for proof in proofs {
                    own.hear(&proof);
                    if own.says.as_ref().is_some_and(|says| says.signed == proof.created && says.may_sign) {
                        // The subkey must agree, or anybody could claim it as theirs.
                        let parts: [&[u8]; 2] = [framed, &own.key.framed()];
                        let agrees = proof.embedded.as_ref().is_some_and(|back| {
                            back.kind == Kind::PrimaryBinding && own.key.verify_with_any_hash(back, &parts).is_ok()
                        });
                        own.says = own.says.map(|says| Says { may_sign: agrees, ..says });
                    }
                }
                self.subkeys.push(own);
            }
            Component::Primary | Component::Ignored => {}
        }
    }
}

impl Own {
    /// The newest of its own signatures decides.
    fn hear(&mut self, signature: &Signature) {
        if self.says.as_ref().is_none_or(|says| says.signed <= signature.created) {
            self.says = Some(Says {
                signed: signature.created,
                until: signature.expires,
                lifetime: signature.key_lifetime,
                // Old keys do not say; then they may.
                may_sign: signature.key_flags.is_none_or(|flags| flags & MAY_SIGN != 0),
            });
        }
    }
}
