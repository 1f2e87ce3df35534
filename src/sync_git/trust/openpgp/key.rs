//! One public key of version 4, and what it takes to check a signature with it.
//!
//! In: a key packet's body; a signature and the parts of what it signs. Out: yes or no. Refused: other versions, algorithms
//! and curves, RSA below 2048 bits, SHA-1 except where the caller allows it.

use ring::digest;
use ring::signature::{self as ring_signature, RsaPublicKeyComponents, UnparsedPublicKey};

use super::super::Why;
use super::packet::Reader;
use super::signature::{Hash, Signature};

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub body: Vec<u8>,
    pub fingerprint: [u8; 20],
    /// In seconds since 1970.
    pub created: u32,
    material: Result<Material, String>,
}

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Sign,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Why a key does not vouch for a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Key or signature are of a kind that is not taken.
    Kind(String),
    /// The signature does not fit.
    Misfit,
}

impl Refused {
    /// The reason, told of the key that `shown` names.
    pub(super) fn into_why(self, shown: &str) -> Why {
        match self {
            Self::Kind(why) => Why::Unsupported(format!("{shown}: {why}")),
            Self::Misfit => Why::Bad(format!("it does not fit the content and the key {shown}")),
        }
    }
}

const RSA: u8 = 1;
const RSA_SIGN_ONLY: u8 = 3;
const ECDSA: u8 = 19;
/// Ed25519 as GnuPG has it, with an object identifier.
const EDDSA: u8 = 22;
/// Ed25519 of RFC 9580.
const ED25519: u8 = 27;

const P256_ID: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384_ID: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519_ID: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

impl Key {
    /// Reads a key packet's body. A key of an algorithm that is not taken is read, too, and vouches for nothing.
    ///
    /// # Errors
    /// What is broken.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let mut reader = Reader(body);
        let version = reader.byte()?;
        if version != 4 {
            return Err(format!("a key is of version {version}; only version 4 is taken"));
        }
        let created = reader.long()?;
        let algorithm = reader.byte()?;
        let mut key =
            Self { body: body.to_vec(), fingerprint: [0; 20], created, material: material(algorithm, &mut reader) };
        let fingerprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &key.framed());
        key.fingerprint.copy_from_slice(fingerprint.as_ref());
        Ok(key)
    }

    /// The key as it is hashed.
    pub(super) fn framed(&self) -> Vec<u8> {
        let length = u16::try_from(self.body.len()).unwrap_or(u16::MAX);
        [&[0x99][..], &length.to_be_bytes(), &self.body].concat()
    }

    /// Checks a signature of `parts`, with a hash that still means something.
    ///
    /// # Errors
    /// Why it is no such signature.
    pub(super) fn verify(&self, signature: &Signature, parts: &[&[u8]]) -> Result<(), Refused> {
        if signature.hash == Hash::Sha1 {
            return Err(Refused::Kind("it was made with SHA-1".to_owned()));
        }
        self.verify_with_any_hash(signature, parts)
    }

    /// As [`Key::verify`], with SHA-1, too: for what a key in the operator's file says of itself.
    ///
    /// # Errors
    /// Why it is no such signature.
    pub(super) fn verify_with_any_hash(&self, signature: &Signature, parts: &[&[u8]]) -> Result<(), Refused> {
        let material = self.material.as_ref().map_err(|why| Refused::Kind(why.clone()))?;
        let content = [&parts.concat()[..], &signature.hashed].concat();
        let mut value = Reader(&signature.value);
        let misfit = |_| Refused::Misfit;
        let unfit = |what: &str| Refused::Kind(format!("a key of this kind does not go with {what}"));
        match (material, signature.key_algorithm) {
            (Material::Rsa { modulus, exponent }, RSA | RSA_SIGN_ONLY) => {
                let parameters = match signature.hash {
                    Hash::Sha1 => &ring_signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
                    Hash::Sha256 => &ring_signature::RSA_PKCS1_2048_8192_SHA256,
                    Hash::Sha384 => &ring_signature::RSA_PKCS1_2048_8192_SHA384,
                    Hash::Sha512 => &ring_signature::RSA_PKCS1_2048_8192_SHA512,
                };
                let value = padded(value.integer().map_err(misfit)?, modulus.len())?;
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(parameters, &content, &value).map_err(|_| Refused::Misfit)
            }
            (Material::P256(point), ECDSA) => {
                let algorithm: &dyn ring_signature::VerificationAlgorithm = match signature.hash {
                    Hash::Sha256 => &ring_signature::ECDSA_P256_SHA256_FIXED,
                    Hash::Sha384 => return ecdsa(&ring_signature::ECDSA_P256_SHA384_ASN1, point, &content, value),
                    _ => return Err(unfit("this hash")),
                };
                fixed(algorithm, point, &content, value, 32)
            }
            (Material::P384(point), ECDSA) => {
                let algorithm: &dyn ring_signature::VerificationAlgorithm = match signature.hash {
                    Hash::Sha384 => &ring_signature::ECDSA_P384_SHA384_FIXED,
                    Hash::Sha256 => return ecdsa(&ring_signature::ECDSA_P384_SHA256_ASN1, point, &content, value),
                    _ => return Err(unfit("this hash")),
                };
                fixed(algorithm, point, &content, value, 48)
            }
            (Material::Ed25519(point), EDDSA) => {
                let digest = digest::digest(signature.hash.algorithm(), &content);
                fixed(&ring_signature::ED25519, point, digest.as_ref(), value, 32)
            }
            (Material::Ed25519(point), ED25519) => {
                let digest = digest::digest(signature.hash.algorithm(), &content);
                let value = value.take(64).map_err(misfit)?;
                let key = UnparsedPublicKey::new(&ring_signature::ED25519, point);
                key.verify(digest.as_ref(), value).map_err(|_| Refused::Misfit)
            }
            _ => Err(unfit("this signature")),
        }
    }
}

fn material(algorithm: u8, reader: &mut Reader<'_>) -> Result<Material, String> {
    match algorithm {
        RSA | RSA_SIGN_ONLY => {
            let (modulus, exponent) = (reader.integer()?.to_vec(), reader.integer()?.to_vec());
            if modulus.len() < 2048 / 8 {
                return Err(format!("its RSA key has {} bits, fewer than 2048", modulus.len() * 8));
            }
            Ok(Material::Rsa { modulus, exponent })
        }
        ECDSA | EDDSA => {
            let length = usize::from(reader.byte()?);
            let curve = reader.take(length)?;
            let point = reader.integer()?.to_vec();
            match (algorithm, curve, point.first()) {
                (ECDSA, P256_ID, Some(4)) => Ok(Material::P256(point)),
                (ECDSA, P384_ID, Some(4)) => Ok(Material::P384(point)),
                (EDDSA, ED25519_ID, Some(0x40)) => Ok(Material::Ed25519(point[1..].to_vec())),
                _ => Err("its curve is not taken".to_owned()),
            }
        }
        ED25519 => Ok(Material::Ed25519(reader.take(32)?.to_vec())),
        other => Err(format!("its algorithm (number {other} in OpenPGP) is not taken")),
    }
}

/// A signature of two numbers, as two fields of one width.
fn fixed(
    algorithm: &'static dyn ring_signature::VerificationAlgorithm,
    point: &[u8],
    content: &[u8],
    mut value: Reader<'_>,
    width: usize,
) -> Result<(), Refused> {
    let mut numbers = || value.integer().map_err(|_| Refused::Misfit);
    let value = [padded(numbers()?, width)?, padded(numbers()?, width)?].concat();
    UnparsedPublicKey::new(algorithm, point).verify(content, &value).map_err(|_| Refused::Misfit)
}

/// A signature of two numbers, in ASN.1: the form in which ring takes hashes of another width than the curve's.
fn ecdsa(
    algorithm: &'static dyn ring_signature::VerificationAlgorithm,
    point: &[u8],
    content: &[u8],
    mut value: Reader<'_>,
) -> Result<(), Refused> {
    let mut body = Vec::new();
    for _ in 0..2 {
        let number = value.integer().map_err(|_| Refused::Misfit)?;
        let sign = usize::from(number.first().is_none_or(|first| first & 0x80 != 0));
        // Two numbers of 48 bytes at most: every length fits the short form.
        let length = u8::try_from(sign + number.len()).ok().filter(|length| *length < 60).ok_or(Refused::Misfit)?;
        body.extend_from_slice(&[2, length]);
        body.extend_from_slice(&[0][..sign]);
        body.extend_from_slice(number);
    }
    let value = [&[0x30, body.len() as u8][..], &body].concat();
    UnparsedPublicKey::new(algorithm, point).verify(content, &value).map_err(|_| Refused::Misfit)
}

fn padded(number: &[u8], width: usize) -> Result<Vec<u8>, Refused> {
    let zeros = width.checked_sub(number.len()).ok_or(Refused::Misfit)?;
    Ok([&vec![0; zeros][..], number].concat())
}
