//! The ambassador's own users at a session: who has not proved who it is may only greet, and who may only read does not write.
//!
//! With a users file `AUTH` and `HELLO … AUTH` are answered here, in Redis' words, and never reach a server. Without one this file has
//! nothing to do: a session then may whatever the servers let it.

use std::rc::Rc;
use std::sync::Arc;

use crate::ambassador_redis::command::{Class, Entry};
use crate::ambassador_redis::resp::request::{Client, Frame, Limits, Scanner, Step, arguments};
use crate::ambassador_redis::resp::{Version, encode};
use crate::ambassador_redis::upstream::Credentials;
use crate::ambassador_redis::users::{Access, Users};

use super::greeting::HelloRequest;
use super::intake::Taken;
use super::{Ending, Mode, Session, State};

const NOAUTH: &str = "NOAUTH Authentication required.";
const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const NOAUTH_HELLO: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> \
                            option can be used to authenticate the client and select the RESP protocol version at the same time";

impl Session {
    /// Whether a request must be looked at here before anything else.
    pub(super) fn is_kept(&self, state: &State, entry: &Entry, bytes: &[u8], frame: &Frame) -> bool {
        state.users.is_some()
            && (matches!(entry.class, Class::Auth | Class::Hello)
                || !allows(state.access, entry.class, frame.name.of(bytes), frame.second.of(bytes)))
    }

    /// Answers what [`Session::is_kept`] has found.
    pub(super) fn keep(self: &Rc<Self>, state: &mut State, bytes: &[u8], frame: &Frame, entry: Entry) -> Taken {
        let Some(users) = self.worker.users() else { return self.refuse(state, 1, NOAUTH) };
        match entry.class {
            Class::Auth | Class::Hello if matches!(state.mode, Mode::Transaction { .. }) => {
                self.refuse(state, 1, "ERR Command not allowed inside a transaction")
            }
            Class::Auth | Class::Hello if !state.slots.is_empty() => Taken::NotYet,
            Class::Auth => self.log_in(state, &users, &arguments(bytes).collect::<Vec<_>>()),
            Class::Hello => self.greet(state, &users, &arguments(bytes).collect::<Vec<_>>()),
            _ if state.access == Access::Stranger => self.refuse(state, 1, NOAUTH),
            _ => {
                let name = String::from_utf8_lossy(frame.name.of(bytes)).to_ascii_lowercase();
                self.refuse(state, 1, &format!("NOPERM this user has no permissions to run the '{name}' command"))
            }
        }
    }

    fn log_in(&self, state: &mut State, users: &Arc<Users>, arguments: &[&[u8]]) -> Taken {
        let (user, password): (&[u8], &[u8]) = match arguments {
            [_, password] => (b"default", password),
            [_, user, password] => (user, password),
            [_] => return self.refuse(state, 1, "ERR wrong number of arguments for 'auth' command"),
            _ => return self.refuse(state, 1, "ERR syntax error"),
        };
        match self.prove(state, users, user, password) {
            true => self.write(state, b"+OK\r\n"),
            false => return self.refuse(state, 1, WRONGPASS),
        }
        Taken::Yes
    }

    /// Whether the credentials are right; then the session has their rights.
    fn prove(&self, state: &mut State, users: &Arc<Users>, user: &[u8], password: &[u8]) -> bool {
        let Some(access) = users.check(user, password) else {
            tracing::info!(session = self.id, peer = %self.peer, "a client has sent wrong credentials");
            return false;
        };
        state.access = access;
        state.extra.get_or_insert_default().user = Some(user.to_vec());
        true
    }

    /// `HELLO`: what concerns users is done here, the rest as without them.
    fn greet(self: &Rc<Self>, state: &mut State, users: &Arc<Users>, arguments: &[&[u8]]) -> Taken {
        let Some(wanted) = HelloRequest::read(arguments, state.line.version) else {
            let text = match arguments.get(1).copied() {
                Some(version) if !version.iter().all(u8::is_ascii_digit) => {
                    "ERR Protocol version is not an integer or out of range"
                }
                Some(b"2" | b"3") | None => "ERR Syntax error in HELLO option",
                Some(_) => "NOPROTO unsupported protocol version",
            };
            return self.refuse(state, 1, text);
        };
        if let Some(Credentials { user, password }) = &wanted.credentials
            && !self.prove(state, users, user, password)
        {
            return self.refuse(state, 1, WRONGPASS);
        }
        if state.access == Access::Stranger {
            return self.refuse(state, 1, NOAUTH_HELLO);
        }
        // The server hears of it without the credentials, if at all.
        let mut bytes = Vec::new();
        let version = if wanted.version == Version::Resp3 { b"3" } else { b"2" };
        let mut words: Vec<&[u8]> = vec![b"HELLO", version];
        if let Some(name) = &wanted.name {
            words.extend([b"SETNAME".as_slice(), name]);
        }
        encode::command(&mut bytes, &words);
        let limits = Limits { bulk: i64::MAX >> 1, client: Client::Known };
        match (Scanner::default().step(&bytes, limits), state.mode) {
            (Ok(Step::Request(_)), Mode::Pinned { .. }) => self.send_one(state, &bytes, Class::Hello, None),
            (Ok(Step::Request(frame)), _) => self.about_session(state, &bytes, &frame, Class::Hello),
            _ => Taken::Yes,
        }
    }

    /// The users have changed: whoever has lost rights, or got others, must prove itself anew.
    pub fn recheck(&self, users: &Users) {
        let mut state = self.state.borrow_mut();
        let now = match state.extra.as_ref().and_then(|extra| extra.user.as_ref()) {
            Some(user) => users.access(user),
            None => Some(users.access_at_first()),
        };
        if now == Some(state.access) {
            return;
        }
        tracing::info!(session = self.id, peer = %self.peer, "a client's user has changed; it is closed");
        state.ending = Ending::Now;
        drop(state);
        self.wake();
    }
}

impl State {
    /// Whose limits the client has.
    pub(super) fn client(&self) -> Client {
        if self.access == Access::Stranger { Client::Stranger } else { Client::Known }
    }

    /// Forgets who the client has proved to be.
    pub(super) fn forget_user(&mut self) {
        self.access = self.users.as_ref().map_or(Access::All, |users| users.access_at_first());
    }
}

/// Whether somebody with this access may send a command.
fn allows(access: Access, class: Class, name: &[u8], second: &[u8]) -> bool {
    let is = |text: &[u8], words: &[&[u8]]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match (access, class) {
        (Access::All, _) => true,
        (_, Class::Auth | Class::Hello | Class::Quit | Class::Reset | Class::CrossProtocol) => true,
        (Access::Stranger | Access::Nothing, _) => false,
        (Access::Read, Class::Read | Class::ReadScript | Class::PrimaryRead) => true,
        (Access::Read, Class::Multi | Class::Exec | Class::Discard | Class::Watch | Class::Unwatch) => true,
        (Access::Read, Class::Select | Class::ClientName | Class::ClientInfo) => true,
        (Access::Read, Class::Blocking) => is(name, &[b"xread"]),
        (Access::Read, Class::Stateful) => is(second, &[b"id", b"info", b"trackinginfo"]),
        (Access::Read, Class::Info) => true,
        (Access::Read, Class::Neutral) => {
            is(name, &[b"ping", b"echo", b"info", b"time", b"role", b"lastsave", b"command", b"readonly", b"readwrite"])
        }
        (Access::Read, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambassador_redis::command::Table;

    #[test]
    fn who_may_only_read_can_do_nothing_that_changes_anything() {
        let table = Table::built_in();
        let may = |access, name: &str| allows(access, table.find(name.as_bytes()).class, name.as_bytes(), b"");
        for name in "get mget hscan eval_ro multi exec watch select ping info xread xrange command dbsize".split(' ') {
            assert!(may(Access::Read, name), "{name}");
        }
        for name in "set eval fcall publish subscribe monitor config acl debug script function blpop xreadgroup client flushall sync wait \
                     save bgsave module cluster slowlog latency json.set client"
            .split_whitespace()
        {
            assert!(!may(Access::Read, name) && may(Access::All, name), "{name}");
        }
        for name in "get ping info multi".split(' ') {
            assert!(!may(Access::Stranger, name) && !may(Access::Nothing, name), "{name}");
        }
    }
}
