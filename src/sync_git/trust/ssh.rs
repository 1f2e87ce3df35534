//! SSH signatures, as `ssh-keygen -Y sign -n git` makes them.
//!
//! In: an armoured signature (OpenSSH's PROTOCOL.sshsig), what it signs, the allowed signers. Out: the principals of the line
//! that vouches for the key. Refused: other namespaces than `git`, SHA-1 and DSA, RSA below 2048 bits, certificates that no
//! listed authority has signed, that are for hosts, or out of their time.

use russh::keys::signature::Verifier;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{Algorithm, Certificate, HashAlg, Signature, SshSig};

use super::allowed_signers::{AllowedSigners, Entry, Vouches};
use super::signed::Signed;
use super::{Signer, Why};

/// What git signs for.
const NAMESPACE: &str = "git";
/// Shorter moduli have been factored, or soon will be.
const SHORTEST_RSA: usize = 2048 / 8;

/// Verifies a signature and looks for a line that vouches for its key.
///
/// # Errors
/// Why it is not trusted.
pub(super) fn verify(signed: &Signed, signers: &AllowedSigners) -> Result<Signer, Why> {
    let bad = |why: &str| Why::Bad(why.to_owned());
    let end = signed.signature.trim_ascii_end();
    let signature = SshSig::from_pem(end).map_err(|error| Why::Bad(format!("it cannot be read ({error})")))?;
    if signature.namespace() != NAMESPACE {
        return Err(Why::Bad(format!("it was made for {:?}, not for git", signature.namespace())));
    }
    let data = SshSig::signed_data(NAMESPACE, signature.hash_alg(), &signed.payload)
        .map_err(|_| bad("its hash is not known"))?;
    let key = match signature.public_key() {
        KeyData::Certificate(certificate) => certificate.public_key(),
        key => key,
    };
    is_strong(key, signature.signature())?;
    key.verify(&data, signature.signature()).map_err(|_| bad("it does not fit the content"))?;
    match signature.public_key() {
        KeyData::Certificate(certificate) => by_certificate(certificate, signers, signed.time),
        key => by_key(key, signers, signed.time),
    }
}

fn by_key(key: &KeyData, signers: &AllowedSigners, time: i64) -> Result<Signer, Why> {
    let shown = key.fingerprint(HashAlg::Sha256).to_string();
    let lines = signers.entries.iter().filter(|entry| entry.vouches == Vouches::ForKey && entry.key == *key);
    first_valid(lines, &shown, time, |entry| Some(entry.principals.text.clone()))
}

fn by_certificate(certificate: &Certificate, signers: &AllowedSigners, time: i64) -> Result<Signer, Why> {
    let shown =
        format!("{} (certificate {:?})", certificate.public_key().fingerprint(HashAlg::Sha256), certificate.key_id());
    let authority = certificate.signature_key();
    let lines =
        signers.entries.iter().filter(|entry| entry.vouches == Vouches::ForAuthority && entry.key == *authority);
    if certificate.cert_type() != CertType::User {
        return Err(Why::Bad(format!("the key {shown} is a host's")));
    }
    is_strong(authority, certificate.signature())?;
    let signer = first_valid(lines, &shown, time, |entry| {
        let principals = certificate.valid_principals().iter();
        principals.into_iter().find(|principal| entry.principals.matches(principal)).cloned()
    })?;
    let at = u64::try_from(time).unwrap_or_default();
    let fingerprint = authority.fingerprint(HashAlg::Sha256);
    if !(certificate.valid_after()..certificate.valid_before()).contains(&at) {
        return Err(Why::Expired(format!("the key {shown} was not valid when the signature says that it was made")));
    }
    certificate
        .validate_at(at, [&fingerprint])
        .map_err(|_| Why::Bad(format!("the certificate of the key {shown} was not signed by its authority")))?;
    Ok(signer)
}

/// The first line that is for git, for this time, and for `principal`.
fn first_valid<'a>(
    lines: impl Iterator<Item = &'a Entry>,
    shown: &str,
    time: i64,
    principal: impl Fn(&Entry) -> Option<String>,
) -> Result<Signer, Why> {
    let mut why = Why::UnknownKey(format!("the key {shown} is not among the allowed signers"));
    for entry in lines {
        if !entry.is_for(NAMESPACE) {
            why = Why::UnknownKey(format!("line {} allows the key {shown}, but not for git", entry.line));
        } else if !entry.holds_at(time) {
            why = Why::Expired(format!(
                "line {} allows the key {shown}, but not at the time at which the signature says that it was made",
                entry.line
            ));
        } else if let Some(principal) = principal(entry) {
            return Ok(Signer(format!("{principal} with the SSH key {shown}")));
        } else {
            why = Why::UnknownKey(format!("line {} allows other principals than the key {shown} has", entry.line));
        }
    }
    Err(why)
}

/// Whether key and signature are of one kind, and of one that still means something.
fn is_strong(key: &KeyData, signature: &Signature) -> Result<(), Why> {
    let weak = |why: String| Err(Why::Unsupported(why));
    match (key.algorithm(), signature.algorithm()) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { hash: Some(_) }) => {
            let modulus = key.rsa().map_or(0, |key| key.n().as_positive_bytes().map_or(0, <[u8]>::len));
            match modulus < SHORTEST_RSA {
                true => weak(format!("its RSA key has {} bits, fewer than 2048", modulus * 8)),
                false => Ok(()),
            }
        }
        (Algorithm::Rsa { .. }, Algorithm::Rsa { hash: None }) => weak("it is an RSA signature with SHA-1".to_owned()),
        (Algorithm::Ed25519, Algorithm::Ed25519)
        | (Algorithm::SkEd25519, Algorithm::SkEd25519)
        | (Algorithm::SkEcdsaSha2NistP256, Algorithm::SkEcdsaSha2NistP256) => Ok(()),
        (Algorithm::Ecdsa { curve }, Algorithm::Ecdsa { curve: other }) if curve == other => Ok(()),
        (key, signature) => weak(format!("a signature {signature} of a key {key} is not taken")),
    }
}
