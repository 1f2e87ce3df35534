//! From a blob's content to what is written, as git's checkout does it: `$Id$`, then line ends, then the encoding.
//!
//! In: a content, its rule, its hash. Out: the converted content, or nothing where it is written as it is. It does no I/O.
//! Refused: an encoding that is not known here, or a text that it cannot hold; the content is then written as it is, which
//! is what git does, too.

use encoding_rs::Encoding;
use git2::Oid;

use super::attributes::{Ends, Rule};

/// Converts `content` by `rule`; nothing when that changes nothing.
pub(crate) fn converted(content: &[u8], rule: &Rule, oid: Oid) -> Option<Vec<u8>> {
    let mut now: Option<Vec<u8>> = None;
    if rule.has_ident {
        now = with_ident(content, oid);
    }
    let text = now.as_deref().unwrap_or(content);
    let wants_crlf = match rule.ends {
        Ends::Kept => false,
        Ends::Crlf => true,
        Ends::CrlfIfText => is_text_of_lf(text),
    };
    if let Some(ended) = wants_crlf.then(|| with_crlf(text)).flatten() {
        now = Some(ended);
    }
    let encoded = rule.encoding.as_ref().and_then(|name| encoded(now.as_deref().unwrap_or(content), name));
    encoded.or(now)
}

/// `$Id$`, and what an earlier expansion has left of it, with the hash. One that somebody else has expanded stays.
fn with_ident(content: &[u8], oid: Oid) -> Option<Vec<u8>> {
    let (mut out, mut rest, mut is_changed) = (Vec::new(), content, false);
    while let Some(at) = memchr::memmem::find(rest, b"$Id") {
        let (before, tail) = rest.split_at(at);
        let length = match tail.get(3) {
            Some(b'$') => Some(4),
            Some(b':') => {
                memchr::memchr2(b'$', b'\n', &tail[4..]).filter(|end| tail[4 + end] == b'$').and_then(|end| {
                    // Git's own form has one blank after the colon and one before the end.
                    let inside = &tail[4..4 + end];
                    let is_foreign =
                        memchr::memchr(b' ', inside.get(1..).unwrap_or_default()).is_some_and(|at| at + 2 < end);
                    (!is_foreign).then_some(4 + end + 1)
                })
            }
            _ => None,
        };
        out.extend_from_slice(before);
        match length {
            Some(length) => {
                out.extend_from_slice(format!("$Id: {oid} $").as_bytes());
                rest = &tail[length..];
                is_changed = true;
            }
            None => {
                out.extend_from_slice(&tail[..3]);
                rest = &tail[3..];
            }
        }
    }
    out.extend_from_slice(rest);
    is_changed.then_some(out)
}

/// Whether git takes this for text whose lines all end with LF.
fn is_text_of_lf(content: &[u8]) -> bool {
    let content_but_end = content.strip_suffix(b"\x1a").unwrap_or(content);
    let (mut printable, mut not) = (0_usize, 0_usize);
    for byte in content_but_end {
        match byte {
            0 | b'\r' => return false,
            b'\n' | 0x08 | b'\t' | 0x1b | 0x0c => printable += 1,
            0x7f | 0x01..=0x1f => not += 1,
            _ => printable += 1,
        }
    }
    (printable >> 7) >= not
}

fn with_crlf(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 16);
    let mut from = 0;
    for at in memchr::memchr_iter(b'\n', text) {
        if at > 0 && text[at - 1] == b'\r' {
            continue;
        }
        out.extend_from_slice(&text[from..at]);
        out.extend_from_slice(b"\r\n");
        from = at + 1;
    }
    out.extend_from_slice(&text[from..]);
    (out.len() != text.len()).then_some(out)
}

/// UTF-8 in another encoding.
fn encoded(text: &[u8], name: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok().filter(|text| !text.is_empty())?;
    let bare = name.replace(['-', '_'], "");
    let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes);
    let utf32 = |bytes: fn(u32) -> [u8; 4]| text.chars().flat_map(move |c| bytes(u32::from(c)));
    let little = [0xff, 0xfe];
    Some(match bare.as_str() {
        "UTF16" | "UTF16LEBOM" => little.into_iter().chain(utf16(u16::to_le_bytes)).collect(),
        "UTF16LE" => utf16(u16::to_le_bytes).collect(),
        "UTF16BE" => utf16(u16::to_be_bytes).collect(),
        "UTF16BEBOM" => [0xfe, 0xff].into_iter().chain(utf16(u16::to_be_bytes)).collect(),
        "UTF32" => [0xff, 0xfe, 0, 0].into_iter().chain(utf32(u32::to_le_bytes)).collect(),
        "UTF32LE" => utf32(u32::to_le_bytes).collect(),
        "UTF32BE" => utf32(u32::to_be_bytes).collect(),
        "ISO88591" | "LATIN1" => return text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect(),
        "ASCII" | "USASCII" if text.is_ascii() => text.as_bytes().to_vec(),
        _ => return in_tables(text, name),
    })
}

/// The encodings of a table, as WHATWG's standard lists them; iconv has nearly all of their characters in the same places.
fn in_tables(text: &str, name: &str) -> Option<Vec<u8>> {
    let label = match name {
        "CP874" => "windows-874",
        "CP932" => "windows-31j",
        "CP936" => "gbk",
        "CP949" | "UHC" => "euc-kr",
        "CP950" => "big5",
        "EUCJP" => "euc-jp",
        "EUCKR" => "euc-kr",
        other => other,
    };
    let Some(encoding) = Encoding::for_label(label.as_bytes()) else {
        tracing::warn!(encoding = name, "a working-tree-encoding is not known here; the file is written as UTF-8");
        return None;
    };
    let (bytes, _, has_unmappable) = encoding.encode(text);
    // The standard reads some of ISO's encodings as Microsoft's, which have more characters where ISO has control codes.
    let is_beyond_iso = |bytes: &[u8]| name.starts_with("ISO") && encoding.is_single_byte() && bytes.iter().any(is_c1);
    if has_unmappable || is_beyond_iso(&bytes) {
        tracing::warn!(encoding = name, "a text cannot be encoded as .gitattributes say; the file is written as UTF-8");
        return None;
    }
    Some(bytes.into_owned())
}

fn is_c1(byte: &u8) -> bool {
    (0x80..0xa0).contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(content: &str, rule: &Rule) -> Option<Vec<u8>> {
        converted(content.as_bytes(), rule, Oid::from_bytes(&[0xab; 20]).unwrap())
    }

    #[test]
    fn only_line_ends_that_are_lf_become_crlf() {
        let crlf = Rule { ends: Ends::Crlf, ..Rule::default() };
        assert_eq!(with("a\nb\r\nc\n\n", &crlf).unwrap(), b"a\r\nb\r\nc\r\n\r\n");
        assert_eq!(with("a\r\nb", &crlf), None);
        let auto = Rule { ends: Ends::CrlfIfText, ..Rule::default() };
        assert_eq!(with("a\nb\r\n", &auto), None);
        assert_eq!(with("a\n\0", &auto), None);
        assert_eq!(with("a\n", &auto).unwrap(), b"a\r\n");
    }

    #[test]
    fn identities_are_expanded_and_foreign_ones_kept() {
        let rule = Rule { has_ident: true, ..Rule::default() };
        let oid = "ab".repeat(20);
        let expanded = |text: &str| with(text, &rule).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(expanded("x $Id$ y").unwrap(), format!("x $Id: {oid} $ y"));
        assert_eq!(expanded("$Id: 0123 $ $Id:x$").unwrap(), format!("$Id: {oid} $ $Id: {oid} $"));
        assert_eq!(expanded("$Id: file 1.2 2026/01/01 who $"), None);
        assert_eq!(expanded("$Id: broken\n$ $Ident$ $Id"), None);
    }

    #[test]
    fn texts_are_encoded_and_what_cannot_be_is_kept() {
        let rule = |name: &str| Rule { encoding: Some(name.to_owned()), ..Rule::default() };
        assert_eq!(with("é\n", &rule("UTF-16")).unwrap(), [0xff, 0xfe, 0xe9, 0, b'\n', 0]);
        assert_eq!(with("é", &rule("UTF-16BE")).unwrap(), [0, 0xe9]);
        assert_eq!(with("é", &rule("ISO-8859-1")).unwrap(), [0xe9]);
        assert_eq!(with("€", &rule("ISO-8859-1")), None);
        assert_eq!(with("x", &rule("EBCDIC")), None);
        assert_eq!(with("žŁ", &rule("ISO-8859-2")).unwrap(), [0xbe, 0xa3]);
        assert_eq!(with("да", &rule("KOI8-R")).unwrap(), [0xc4, 0xc1]);
        assert_eq!(with("да", &rule("CP1251")).unwrap(), [0xe4, 0xe0]);
        assert_eq!(with("表\n", &rule("SHIFT_JIS")).unwrap(), [0x95, 0x5c, b'\n']);
        assert_eq!(with("語", &rule("CP932")).unwrap(), with("語", &rule("SJIS")).unwrap());
        assert_eq!(with("한", &rule("CP949")).unwrap(), [0xc7, 0xd1]);
        // Microsoft has a sign there, ISO has none.
        assert_eq!(with("Œ", &rule("CP1254")).unwrap(), [0x8c]);
        assert_eq!(with("Œ", &rule("ISO-8859-9")), None);
    }
}
