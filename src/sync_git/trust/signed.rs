//! Where git keeps signatures: a commit's in its header, a tag's at its end.
//!
//! In: a raw object. Out: the bytes that were signed, the armoured signature, and the time that the object states. Refused:
//! two signatures in one header (which of them counts would be a matter of taste), forms that we cannot verify.

use super::Why;

/// Which kind of signature it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Ssh,
    OpenPgp,
}

/// A signature, and what it is a signature of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub payload: Vec<u8>,
    pub signature: Vec<u8>,
    pub format: Format,
    /// When the committer or the tagger says that it was made, in seconds since 1970.
    pub time: i64,
}

const SSH: &[u8] = b"-----BEGIN SSH SIGNATURE-----";
const OPENPGP: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
/// A form of gpg's that embeds what it signs, and X.509's.
const OTHERS: [&[u8]; 2] = [b"-----BEGIN PGP MESSAGE-----", b"-----BEGIN SIGNED MESSAGE-----"];

/// Splits a commit; `None` when it is not signed.
///
/// # Errors
/// When it carries a signature that cannot be verified here.
pub(super) fn commit(data: &[u8]) -> Result<Option<Signed>, Why> {
    let (payload, signatures) = without_header_signatures(data);
    let signature = match <[Vec<u8>; 1]>::try_from(signatures) {
        Ok([signature]) => signature,
        Err(none) if none.is_empty() => return Ok(None),
        Err(_) => return Err(Why::Bad("it has more than one".to_owned())),
    };
    let time = time_of(&payload, b"committer ");
    Ok(Some(Signed { format: format(&signature)?, payload, signature, time }))
}

/// Splits a tag; `None` when it is not signed.
///
/// # Errors
/// As [`commit`].
pub(super) fn tag(data: &[u8]) -> Result<Option<Signed>, Why> {
    let (data, _) = without_header_signatures(data);
    let mut starts_signature = None;
    let mut at = 0;
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        // As git has it, the last beginning counts: before it, the text may say what it likes.
        if [SSH, OPENPGP].iter().chain(&OTHERS).any(|begin| line.starts_with(begin)) {
            starts_signature = Some(at);
        }
        at += line.len();
    }
    let Some(at) = starts_signature else { return Ok(None) };
    let (payload, signature) = data.split_at(at);
    let (payload, signature) = (payload.to_vec(), signature.to_vec());
    let time = time_of(&payload, b"tagger ");
    Ok(Some(Signed { format: format(&signature)?, payload, signature, time }))
}

/// The name that a tag gives itself.
pub(super) fn tag_name(data: &[u8]) -> Option<String> {
    header(data, b"tag ").map(|name| String::from_utf8_lossy(name).into_owned())
}

fn format(signature: &[u8]) -> Result<Format, Why> {
    match () {
        () if signature.starts_with(SSH) => Ok(Format::Ssh),
        () if signature.starts_with(OPENPGP) => Ok(Format::OpenPgp),
        () => Err(Why::Unsupported("it is neither an SSH nor a detached OpenPGP signature".to_owned())),
    }
}

/// The object without its `gpgsig` headers, and what stood in those of SHA-1 objects.
fn without_header_signatures(data: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut payload = Vec::with_capacity(data.len());
    let mut signatures: Vec<Vec<u8>> = Vec::new();
    // What the lines that begin with a space continue.
    enum Within {
        Header,
        Signature,
        /// The signature of the same commit as an object of a SHA-256 repository.
        Foreign,
    }
    let mut within = Within::Header;
    let mut rest = data;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        if line == b"\n" {
            payload.extend_from_slice(rest);
            break;
        }
        if let Some(more) = line.strip_prefix(b" ") {
            match (&within, signatures.last_mut()) {
                (Within::Signature, Some(signature)) => signature.extend_from_slice(more),
                (Within::Foreign, _) => {}
                _ => payload.extend_from_slice(line),
            }
        } else if let Some(first) = line.strip_prefix(b"gpgsig ") {
            within = Within::Signature;
            signatures.push(first.to_vec());
        } else if line.starts_with(b"gpgsig-sha256 ") {
            within = Within::Foreign;
        } else {
            within = Within::Header;
            payload.extend_from_slice(line);
        }
        rest = after;
    }
    (payload, signatures)
}

fn header<'a>(data: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    data.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(name))
}

fn time_of(data: &[u8], name: &[u8]) -> i64 {
    let seconds = |line: &[u8]| std::str::from_utf8(line.rsplit(|byte| *byte == b' ').nth(1)?).ok()?.parse().ok();
    header(data, name).and_then(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commits_signature_is_taken_out_of_its_header() {
        let data = b"tree x\ncommitter a <b> 1234 +0000\ngpgsig -----BEGIN SSH SIGNATURE-----\n abc\n \n -----END\n\
            gpgsig-sha256 -----BEGIN\n other\nmergetag y\n z\n\nsubject\n\ngpgsig no\n more\n";
        let signed = commit(data).unwrap().unwrap();
        let payload = b"tree x\ncommitter a <b> 1234 +0000\nmergetag y\n z\n\nsubject\n\ngpgsig no\n more\n";
        assert_eq!(signed.payload, payload);
        assert_eq!(signed.signature, b"-----BEGIN SSH SIGNATURE-----\nabc\n\n-----END\n");
        assert_eq!((signed.format, signed.time), (Format::Ssh, 1234));
    }

    #[test]
    fn a_tags_signature_is_its_end() {
        let data = b"object x\ntag v1\ntagger a <b> 99 +0100\n\ntext\n-----BEGIN PGP SIGNATURE-----\n\nabc\n";
        let signed = tag(data).unwrap().unwrap();
        assert_eq!(signed.payload, b"object x\ntag v1\ntagger a <b> 99 +0100\n\ntext\n");
        assert_eq!((signed.format, signed.time), (Format::OpenPgp, 99));
        assert_eq!(tag_name(data).unwrap(), "v1");
    }

    #[test]
    fn what_is_not_signed_is_told_from_what_is_signed_oddly() {
        assert_eq!(commit(b"tree x\n\ngpgsig y\n").unwrap(), None);
        assert_eq!(tag(b"object x\ntag v1\n\n -----BEGIN PGP SIGNATURE-----\n").unwrap(), None);
        let twice = b"tree x\ngpgsig -----BEGIN SSH SIGNATURE-----\ngpgsig -----BEGIN SSH SIGNATURE-----\n\n";
        assert!(matches!(commit(twice), Err(Why::Bad(_))));
        assert!(matches!(commit(b"gpgsig -----BEGIN SIGNED MESSAGE-----\n\n"), Err(Why::Unsupported(_))));
    }
}
