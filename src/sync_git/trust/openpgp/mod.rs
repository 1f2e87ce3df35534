//! OpenPGP signatures, as `gpg --detach-sign` makes them: what of RFC 4880 and RFC 9580 it takes to verify them.
//!
//! In: an armoured signature of version 4, what it signs, a file of public keys as `gpg --export` writes it. Out: who signed.
//! Taken: RSA from 2048 bits, ECDSA on P-256 and P-384, Ed25519; SHA-256, SHA-384 and SHA-512. Keys in the file are trusted
//! as they are: no web of trust, but their own signatures say until when they hold, whether they are revoked, and which
//! subkeys may sign. Own code, for the sake of size: the crates that do this bring about a hundred further ones for what is
//! not needed here (secret keys, encryption, a dozen ciphers).

mod key;
mod keyring;
mod packet;
mod signature;

use self::key::Use;
pub(super) use self::keyring::Keyring;
use self::packet::Tag;
use self::signature::{Kind, Signature};
use super::signed::Signed;
use super::{Signer, Why};

/// How far another machine's clock may be ahead of ours, in seconds.
const SKEW: i64 = 600;

/// Verifies a signature against the keys of the ring. `now` is in seconds since 1970.
///
/// # Errors
/// Why it is not trusted.
pub(super) fn verify(signed: &Signed, keyring: &Keyring, now: i64) -> Result<Signer, Why> {
    let unreadable = |why: String| Why::Bad(format!("it cannot be read: {why}"));
    let blocks = packet::dearmour(&signed.signature).map_err(unreadable)?;
    let packets =
        blocks.iter().map(|block| packet::packets(block)).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let packets = packets.concat();
    let [packet] = packets.as_slice() else {
        return Err(Why::Bad(format!("it consists of {} packets, where one is wanted", packets.len())));
    };
    if packet.tag != Tag::Signature {
        return Err(Why::Bad("it holds no signature".to_owned()));
    }
    let signature = Signature::parse(packet.body).map_err(Why::Unsupported)?;
    if signature.kind != Kind::Binary {
        return Err(Why::Unsupported("it is not a signature of a document as it is".to_owned()));
    }
    let created = i64::from(signature.created);
    if created > now + SKEW {
        return Err(Why::Bad("it was made in the future".to_owned()));
    }
    let mut why = Why::UnknownKey(format!("the key {} is not in the keyring", signature.issuer_shown()));
    for found in keyring.find(&signature) {
        let shown = found.shown();
        if let Err(refused) = found.key.verify(&signature, &[&signed.payload]) {
            why = refused.into_why(&shown);
            continue;
        }
        // The signature is this key's; from here on it is only about whether the key still counts.
        if signature.expires.is_some_and(|expires| expires <= now) {
            return Err(Why::Expired(format!("it has expired, by the wish of {shown}")));
        }
        match found.usable(created, now)? {
            Use::Sign => return Ok(Signer(shown)),
            Use::Other => why = Why::UnknownKey(format!("{shown} is not meant for signatures")),
        }
    }
    Err(why)
}
