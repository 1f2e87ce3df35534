//! The few bytes that the ambassador itself says: small commands to an upstream, small replies to a client.

use super::Version;

/// Appends a command as a multibulk request.
pub fn command(out: &mut Vec<u8>, arguments: &[&[u8]]) {
    header(out, b'*', arguments.len());
    for argument in arguments {
        bulk(out, argument);
    }
}

/// Appends a bulk string.
pub fn bulk(out: &mut Vec<u8>, text: &[u8]) {
    header(out, b'$', text.len());
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

/// Appends an error line; line breaks in `text` become blanks, as Redis makes them.
pub fn error(out: &mut Vec<u8>, text: &str) {
    out.push(b'-');
    out.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

/// Appends the null reply of the protocol version.
pub fn null(out: &mut Vec<u8>, version: Version) {
    out.extend_from_slice(match version {
        Version::Resp2 => b"$-1\r\n",
        Version::Resp3 => b"_\r\n",
    });
}

/// Appends an integer reply.
pub fn integer(out: &mut Vec<u8>, value: u64) {
    out.push(b':');
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn header(out: &mut Vec<u8>, kind: u8, count: usize) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_command_is_a_multibulk_request() {
        let mut out = Vec::new();
        super::command(&mut out, &[b"SELECT", b"9"]);
        assert_eq!(out, b"*2\r\n$6\r\nSELECT\r\n$1\r\n9\r\n");
    }

    #[test]
    fn an_error_stays_on_one_line() {
        let mut out = Vec::new();
        super::error(&mut out, "ERR two\r\nlines");
        assert_eq!(out, b"-ERR two  lines\r\n");
    }
}
