//! The reply of `ROLE`, read from its bytes: which role, and the replication offset.

use crate::ambassador_redis::resp::parse_integer;
use crate::ambassador_redis::topology::Source;

/// What a server says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Primary {
        offset: u64,
    },
    /// `linked`: the link to its primary is up, so that the offset is one of that primary's history.
    Replica {
        offset: u64,
        linked: bool,
        source: Source,
    },
}

impl Role {
    /// Reads a whole reply; `None` if it is an error, or the role of something else (a Sentinel).
    pub fn parse(reply: &[u8]) -> Option<Role> {
        let mut lines = reply.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut text = || loop {
            match lines.next()? {
                [b'$' | b'*', ..] => {}
                line => return Some(line),
            }
        };
        let integer = |line: &[u8]| parse_integer(line.strip_prefix(b":")?);
        match text()? {
            b"master" => Some(Role::Primary { offset: u64::try_from(integer(text()?)?).ok()? }),
            b"slave" => {
                let source = Source::new(text()?, integer(text()?)?);
                let linked = text()? == b"connected";
                // Without a link the offset may be -1.
                Some(Role::Replica { offset: u64::try_from(integer(text()?)?).unwrap_or(0), linked, source })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Role, Source};

    #[test]
    fn both_roles_tell_their_offset() {
        let primary =
            b"*3\r\n$6\r\nmaster\r\n:3129659\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$7\r\n3129242\r\n";
        assert_eq!(Role::parse(primary), Some(Role::Primary { offset: 3_129_659 }));
        let replica = b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:6379\r\n$9\r\nconnected\r\n:42\r\n";
        let source = Source::new(b"127.0.0.1", 6379);
        assert_eq!(Role::parse(replica), Some(Role::Replica { offset: 42, linked: true, source }));
        let alone = b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:6379\r\n$7\r\nconnect\r\n:-1\r\n";
        assert_eq!(Role::parse(alone), Some(Role::Replica { offset: 0, linked: false, source }));
    }

    #[test]
    fn an_error_or_a_sentinel_has_no_role_for_us() {
        for reply in ["-NOAUTH Authentication required.\r\n", "*2\r\n$8\r\nsentinel\r\n*0\r\n", ""] {
            assert_eq!(Role::parse(reply.as_bytes()), None);
        }
    }
}
