//! One signature packet of version 4.
//!
//! In: the packet's body. Out: its kind, its times, who issued it, what it says of a key, and the parts that are hashed.
//! Only what is hashed counts, but for the issuer (a hint) and the embedded signature (which proves itself). Refused: other
//! versions, hashes that no longer mean anything, critical subpackets and notations that we do not know.

use ring::digest;

use super::packet::Reader;

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A document, byte by byte.
    Binary,
    /// A user id, with some degree of care.
    Certification,
    /// The key itself.
    Direct,
    SubkeyBinding,
    PrimaryBinding,
    KeyRevocation,
    SubkeyRevocation,
    CertificationRevocation,
    Other,
}

/// Which hash was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    /// Only for what old keys say of themselves.
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(super) fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    pub kind: Kind,
    pub key_algorithm: u8,
    pub hash: Hash,
    /// In seconds since 1970, as are all times here.
    pub created: u32,
    /// When the signature itself ends.
    pub expires: Option<i64>,
    /// How long the key holds after its creation, in seconds.
    pub key_lifetime: Option<u32>,
    /// What the key may do, where that is said.
    pub key_flags: Option<u8>,
    pub embedded: Option<Box<Signature>>,
    fingerprint: Option<[u8; 20]>,
    key_id: Option<[u8; 8]>,
    /// What is hashed after the content: the head of this packet and a trailer.
    pub hashed: Vec<u8>,
    /// The numbers of the signature, in the form of its algorithm.
    pub value: Vec<u8>,
}

/// Embedded signatures do not embed further ones.
const NESTING: u8 = 1;

impl Signature {
    /// Reads a packet's body.
    ///
    /// # Errors
    /// What is broken, or not taken.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        Self::parse_nested(body, NESTING)
    }

    fn parse_nested(body: &[u8], nesting: u8) -> Result<Self, String> {
        let mut reader = Reader(body);
        let version = reader.byte()?;
        if version != 4 {
            return Err(format!("it is an OpenPGP signature of version {version}; only version 4 is taken"));
        }
        let kind = kind(reader.byte()?);
        let key_algorithm = reader.byte()?;
        let hash = match reader.byte()? {
            2 => Hash::Sha1,
            8 => Hash::Sha256,
            9 => Hash::Sha384,
            10 => Hash::Sha512,
            other => return Err(format!("its hash (number {other} in OpenPGP) is not taken")),
        };
        let length = usize::from(reader.short()?);
        let hashed_area = reader.take(length)?;
        let mut hashed = body[..6 + length].to_vec();
        hashed.extend_from_slice(&[4, 0xff]);
        hashed.extend_from_slice(&(6 + length as u32).to_be_bytes());
        let length = usize::from(reader.short()?);
        let unhashed_area = reader.take(length)?;
        reader.short()?; // the first bits of the digest: the digest itself is compared
        let mut signature = Self {
            kind,
            key_algorithm,
            hash,
            created: 0,
            expires: None,
            key_lifetime: None,
            key_flags: None,
            embedded: None,
            fingerprint: None,
            key_id: None,
            hashed,
            value: reader.0.to_vec(),
        };
        signature.read_hashed(hashed_area, nesting)?;
        signature.read_unhashed(unhashed_area, nesting)?;
        Ok(signature)
    }

    fn read_hashed(&mut self, area: &[u8], nesting: u8) -> Result<(), String> {
        let mut lifetime = None;
        let mut created = None;
        for Subpacket { is_critical, number, data } in subpackets(area)? {
            match (number, data) {
                (2, data) => created = Some(number_of(data)?),
                (3, data) => lifetime = Some(number_of(data)?).filter(|seconds| *seconds > 0),
                (9, data) => self.key_lifetime = Some(number_of(data)?).filter(|seconds| *seconds > 0),
                (27, data) => self.key_flags = Some(data.first().copied().unwrap_or_default()),
                (16 | 32 | 33, data) => self.read_hint(number, data, nesting),
                // Of no meaning here, but known: who may revoke, preferences, policies, names, reasons, intended recipients.
                (4..=7 | 11 | 12 | 21..=26 | 28..=31 | 34 | 35 | 39, _) => {}
                (other, _) if is_critical => {
                    return Err(format!("it insists on something that is not known (subpacket {other})"));
                }
                _ => {}
            }
        }
        self.created = created.ok_or_else(|| "it does not say when it was made".to_owned())?;
        self.expires = lifetime.map(|seconds| i64::from(self.created) + i64::from(seconds));
        Ok(())
    }

    fn read_unhashed(&mut self, area: &[u8], nesting: u8) -> Result<(), String> {
        for Subpacket { number, data, .. } in subpackets(area)? {
            self.read_hint(number, data, nesting);
        }
        Ok(())
    }

    /// What needs no protection: a wrong issuer finds no key, an embedded signature proves itself.
    fn read_hint(&mut self, number: u8, data: &[u8], nesting: u8) {
        match (number, data) {
            (16, data) => self.key_id = self.key_id.or(data.try_into().ok()),
            (33, [4, fingerprint @ ..]) => self.fingerprint = self.fingerprint.or(fingerprint.try_into().ok()),
            (32, data) if nesting > 0 && self.embedded.is_none() => {
                self.embedded = Self::parse_nested(data, nesting - 1).ok().map(Box::new);
            }
            _ => {}
        }
    }

    /// Whether a key with this fingerprint may have made it.
    pub(super) fn may_be_of(&self, fingerprint: &[u8; 20]) -> bool {
        match (&self.fingerprint, &self.key_id) {
            (Some(wanted), _) => wanted == fingerprint,
            (None, Some(id)) => fingerprint.ends_with(id),
            (None, None) => true,
        }
    }

    /// The issuer as people write it.
    pub(super) fn issuer_shown(&self) -> String {
        match (&self.fingerprint, &self.key_id) {
            (Some(fingerprint), _) => hex(fingerprint),
            (None, Some(id)) => hex(id),
            (None, None) => "(not named)".to_owned(),
        }
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn kind(number: u8) -> Kind {
    match number {
        0x00 => Kind::Binary,
        0x10..=0x13 => Kind::Certification,
        0x18 => Kind::SubkeyBinding,
        0x19 => Kind::PrimaryBinding,
        0x1f => Kind::Direct,
        0x20 => Kind::KeyRevocation,
        0x28 => Kind::SubkeyRevocation,
        0x30 => Kind::CertificationRevocation,
        _ => Kind::Other,
    }
}

/// One statement of a signature.
struct Subpacket<'a> {
    is_critical: bool,
    number: u8,
    data: &'a [u8],
}

fn subpackets(area: &[u8]) -> Result<Vec<Subpacket<'_>>, String> {
    let mut found = Vec::new();
    let mut reader = Reader(area);
    while !reader.0.is_empty() {
        let length = reader.subpacket_length()?;
        let [head, data @ ..] = reader.take(length)? else { return Err("a subpacket is empty".to_owned()) };
        found.push(Subpacket { is_critical: head & 0x80 != 0, number: head & 0x7f, data });
    }
    Ok(found)
}

fn number_of(data: &[u8]) -> Result<u32, String> {
    let bytes: [u8; 4] = data.try_into().map_err(|_| "a time has not four bytes".to_owned())?;
    Ok(u32::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(hashed: &[u8], unhashed: &[u8]) -> Vec<u8> {
        let mut body = vec![4, 0, 22, 8];
        body.extend_from_slice(&(hashed.len() as u16).to_be_bytes());
        body.extend_from_slice(hashed);
        body.extend_from_slice(&(unhashed.len() as u16).to_be_bytes());
        body.extend_from_slice(unhashed);
        body.extend_from_slice(&[0, 0, 9, 9]);
        body
    }

    #[test]
    fn only_what_is_hashed_counts() {
        let created = [5, 2, 0, 0, 0, 100];
        let signature = Signature::parse(&packet(&created, &[5, 3, 0, 0, 0, 1])).unwrap();
        assert_eq!((signature.created, signature.expires), (100, None));
        let expiring = [&created[..], &[5, 3, 0, 0, 0, 1]].concat();
        assert_eq!(Signature::parse(&packet(&expiring, &[])).unwrap().expires, Some(101));
        assert!(Signature::parse(&packet(&[], &created)).is_err());
    }

    #[test]
    fn the_unknown_is_passed_over_unless_it_is_critical() {
        let created = [5, 2, 0, 0, 0, 100];
        let with = |number| [&created[..], &[2, number, 0]].concat();
        assert!(Signature::parse(&packet(&with(100), &[])).is_ok());
        assert!(Signature::parse(&packet(&with(0x80 | 100), &[])).is_err());
        assert!(Signature::parse(&packet(&with(0x80 | 20), &[])).is_err());
    }

    #[test]
    fn a_cut_packet_is_refused() {
        let whole = packet(&[5, 2, 0, 0, 0, 100], &[9, 16, 1, 2, 3, 4, 5, 6, 7, 8]);
        for cut in 0..whole.len() - 2 {
            assert!(Signature::parse(&whole[..cut]).is_err(), "cut at {cut}");
        }
        let signature = Signature::parse(&whole).unwrap();
        let mut fingerprint = [0; 20];
        fingerprint[12..].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(signature.may_be_of(&fingerprint) && !signature.may_be_of(&[0; 20]));
    }
}
