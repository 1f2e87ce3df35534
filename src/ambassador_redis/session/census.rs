//! Who is there: for a client the clients are the ambassador's sessions, not the connections that carry them.
//!
//! `INFO` comes from the primary with one figure set right, `connected_clients`; `CLIENT KILL` of everybody ends the sessions too, and
//! counts them. What names a client at the server (`CLIENT KILL ID`, `ADDR`, `CLIENT LIST`) is about the connections that the server has:
//! a session that has asked for its own number has one.

use std::rc::Rc;

use crate::ambassador_redis::command::Class;
use crate::ambassador_redis::resp::encode;
use crate::ambassador_redis::upstream::{Connection, Observe};

use super::intake::Taken;
use super::{Ending, Mode, Session, State};

/// The sessions that a client has ended: all with a lower number, but its own, which the server closes or spares.
#[derive(Debug, Default)]
pub struct Ended {
    pub below: u64,
    pub by: u64,
}

impl Session {
    /// `INFO`, unless its reply comes later, in that of a transaction.
    pub(super) fn overview(self: &Rc<Self>, state: &mut State, bytes: &[u8]) -> Taken {
        let queues = matches!(state.mode, Mode::Transaction { multi: true, .. } | Mode::Pinned { multi: true });
        self.send_one(state, bytes, Class::Neutral, (!queues).then_some(Observe::Clients))
    }

    /// What is to be set right in the reply to a `CLIENT KILL` that concerns everybody.
    pub(super) fn killing(&self, private: Option<&Rc<Connection>>, arguments: &[&[u8]]) -> Option<Observe> {
        let [_, kill, skip_me, answer] = arguments else { return None };
        let is = |text: &[u8], word: &[u8]| text.eq_ignore_ascii_case(word);
        if !self.worker.is_alone() || !is(kill, b"kill") || !is(skip_me, b"skipme") {
            return None;
        }
        let spared = match () {
            () if is(answer, b"yes") => 1,
            () if is(answer, b"no") => 0,
            () => return None,
        };
        // Counted now: some may be closed before the reply is here.
        let ours = private?.node.connections().saturating_sub(spared);
        let theirs = self.worker.everybody().saturating_sub(spared);
        Some(Observe::Killed { by: self.id, ours, theirs })
    }

    /// A client has ended the sessions of all.
    pub fn end_by(&self, ended: &Ended) {
        if self.id < ended.below && self.id != ended.by {
            self.state.borrow_mut().ending = Ending::Now;
            self.wake();
        }
    }
}

/// The number in an integer reply once `ours` of what it counts are the ambassador's own, and `theirs` are counted instead.
pub fn recounted(reply: &[u8], ours: u64, theirs: u64) -> Option<Vec<u8>> {
    let number = reply.strip_prefix(b":")?.strip_suffix(b"\r\n")?;
    let number: u64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    let mut out = Vec::new();
    encode::integer(&mut out, number.saturating_sub(ours) + theirs);
    Some(out)
}

/// The reply of `INFO` with another number of clients; `None` if it tells none.
pub fn with_clients(reply: &[u8], ours: u64, theirs: u64) -> Option<Vec<u8>> {
    const NAME: &[u8] = b"\nconnected_clients:";
    let head = memchr::memchr(b'\n', reply)? + 1;
    // As a bulk, or in RESP3 as a verbatim string.
    let sign = *reply.first().filter(|sign| matches!(sign, b'$' | b'='))?;
    let text = reply.get(head..)?.strip_suffix(b"\r\n")?;
    let start = memchr::memmem::find(text, NAME)? + NAME.len();
    let end = start + memchr::memchr(b'\r', &text[start..])?;
    let number: u64 = std::str::from_utf8(&text[start..end]).ok()?.parse().ok()?;
    let number = (number.saturating_sub(ours) + theirs).to_string();
    let len = start + number.len() + text.len() - end;
    let mut out = Vec::with_capacity(reply.len() + 8);
    out.push(sign);
    out.extend_from_slice(len.to_string().as_bytes());
    for part in [b"\r\n", &text[..start], number.as_bytes(), &text[end..], b"\r\n"] {
        out.extend_from_slice(part);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clients_of_an_overview_are_counted_anew() {
        let reply = b"$51\r\n# Clients\r\nconnected_clients:9\r\nblocked_clients:0\r\n\r\n";
        let expected = &b"$52\r\n# Clients\r\nconnected_clients:42\r\nblocked_clients:0\r\n\r\n"[..];
        assert_eq!(with_clients(reply, 7, 40).as_deref(), Some(expected));
        // More of ours than the server has counted yet.
        let none = with_clients(reply, 12, 0).expect("a reply");
        assert!(none.windows(20).any(|part| part == b"connected_clients:0\r"));
        let verbatim = b"=36\r\ntxt:# Clients\r\nconnected_clients:9\r\n\r\n";
        assert_eq!(
            with_clients(verbatim, 9, 1).as_deref(),
            Some(&b"=36\r\ntxt:# Clients\r\nconnected_clients:1\r\n\r\n"[..])
        );
        assert_eq!(with_clients(b"$8\r\n# Server\r\n", 1, 1), None);
        assert_eq!(with_clients(b"-NOPERM no\r\n", 1, 1), None);
    }

    #[test]
    fn a_count_of_connections_becomes_one_of_sessions() {
        assert_eq!(recounted(b":9\r\n", 7, 2).as_deref(), Some(&b":4\r\n"[..]));
        assert_eq!(recounted(b"-ERR syntax error\r\n", 7, 2), None);
    }
}
