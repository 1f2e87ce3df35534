//! Who the client is and what it speaks: `SELECT`, `HELLO`, `AUTH`, the name of the connection. Answered at once where the answer is
//! known; otherwise a fresh connection is asked, and the session learns from what the server says.

use std::rc::Rc;

use crate::ambassador_redis::command::Class;
use crate::ambassador_redis::resp::{Version, encode};
use crate::ambassador_redis::upstream::{Credentials, Greeted, Identity, Line, Observe, unreachable};

use super::Session;
use super::intake::Taken;
use super::state::State;

impl Session {
    /// `SELECT`: right at once if the server has let somebody with these credentials into that database, otherwise it is asked.
    pub(super) fn select(self: &Rc<Self>, state: &mut State, bytes: &[u8], db: u32) -> Taken {
        if !state.slots.is_empty() {
            return Taken::NotYet;
        }
        let line = Line { db, ..state.line.clone() };
        if self.worker.is_proved(&line) && state.private.is_none() {
            self.write(state, b"+OK\r\n");
            state.lines = self.worker.lines(&line);
            state.line = line;
            return Taken::Yes;
        }
        self.on_its_own(state, bytes, Observe::Select(db))
    }

    /// Sends a request whose reply changes the session: nothing further is taken before it is there.
    pub(super) fn learn(self: &Rc<Self>, state: &mut State, bytes: &[u8], observe: Observe) -> Taken {
        let taken = self.send_one(state, bytes, Class::Neutral, Some(observe));
        state.paused = !state.slots.is_empty();
        taken
    }

    pub(super) fn client_name(self: &Rc<Self>, state: &mut State, bytes: &[u8], arguments: &[&[u8]]) -> Taken {
        match arguments {
            [_, set, name]
                if set.eq_ignore_ascii_case(b"setname") && name.iter().all(|byte| (b'!'..=b'~').contains(byte)) =>
            {
                if !state.slots.is_empty() {
                    return Taken::NotYet;
                }
                if state.private.is_none() && !name.is_empty() {
                    match self.attach(state) {
                        Ok(private) => state.private = Some(private),
                        Err(why) => return self.refuse(state, 1, &unreachable(&why)),
                    }
                }
                let taken = match state.private.is_some() {
                    // The server says that it is done: from then on others see it.
                    true => self.send_one(state, bytes, Class::Neutral, None),
                    false => {
                        self.answer(state, b"+OK\r\n");
                        Taken::Yes
                    }
                };
                state.extra.get_or_insert_default().name = name.to_vec();
                taken
            }
            [_, get] if get.eq_ignore_ascii_case(b"getname") => {
                let mut reply = Vec::new();
                match state.extra.as_ref().map(|extra| extra.name.as_slice()) {
                    Some(name) if !name.is_empty() => encode::bulk(&mut reply, name),
                    _ => encode::null(&mut reply, state.line.version),
                }
                self.answer(state, &reply);
                Taken::Yes
            }
            // Wrong: the server says how.
            _ => self.send_one(state, bytes, Class::Neutral, None),
        }
    }

    /// `HELLO`: the greeting that the shared connection of that version got, with the session's own number in it.
    pub(super) fn hello(self: &Rc<Self>, state: &mut State, bytes: &[u8], arguments: &[&[u8]]) -> Taken {
        if !state.slots.is_empty() {
            return Taken::NotYet;
        }
        let Some(wanted) = HelloRequest::read(arguments, state.line.version) else {
            return self.on_its_own(state, bytes, Observe::Nothing);
        };
        if let Some(credentials) = wanted.credentials.filter(|given| !self.is_known(state, given)) {
            // Only the server can say whether they are right.
            let identity = Rc::new(Identity::Client(credentials));
            return self.on_its_own(
                state,
                bytes,
                Observe::Greeted(Box::new(Greeted { identity, version: wanted.version, name: wanted.name })),
            );
        }
        let line = Line { version: wanted.version, ..state.line.clone() };
        let lines = self.worker.lines(&line);
        let primary = match &lines.primary {
            Ok(primary) => primary,
            Err(why) => return self.refuse(state, 1, &unreachable(why)),
        };
        match primary.hello() {
            Some(hello) => {
                if hello.first() == Some(&b'-') {
                    self.write(state, &hello);
                    return Taken::Yes;
                }
                self.write(state, &with_id(&hello, self.id));
                (state.line.version, state.lines) = (wanted.version, lines);
                if let Some(name) = wanted.name {
                    state.extra.get_or_insert_default().name = name;
                }
                // The connection that bears the old name speaks the old version.
                if let Some(private) = state.private.take() {
                    private.belong_to(None);
                    private.retire("its session has greeted anew");
                }
                if state.is_named() {
                    state.private = self.attach(state).ok();
                }
                Taken::Yes
            }
            None => {
                let Some(why) = primary.why_not() else {
                    // Still connecting: look again when that has succeeded or failed.
                    self.worker.wake_when_ready(self);
                    return Taken::NotYet;
                };
                self.refuse(state, 1, &unreachable(&why))
            }
        }
    }

    /// `AUTH`: right at once if they are the credentials that we use ourselves, otherwise the server is asked.
    pub(super) fn auth(self: &Rc<Self>, state: &mut State, bytes: &[u8], arguments: &[&[u8]]) -> Taken {
        if !state.slots.is_empty() {
            return Taken::NotYet;
        }
        let credentials = match arguments {
            [_, password] => Credentials { user: b"default".to_vec(), password: password.to_vec() },
            [_, user, password] => Credentials { user: user.to_vec(), password: password.to_vec() },
            _ => return self.send_one(state, bytes, Class::Neutral, None),
        };
        // A password alone is an error where none is needed, though the server has accepted it with a name.
        let is_bare = arguments.len() == 2 && *state.line.identity != Identity::Own;
        if !is_bare && self.is_known(state, &credentials) {
            self.write(state, b"+OK\r\n");
            return Taken::Yes;
        }
        let identity = Rc::new(Identity::Client(credentials));
        let greeted = Greeted { identity, version: state.line.version, name: None };
        self.on_its_own(state, bytes, Observe::Greeted(Box::new(greeted)))
    }

    /// Whether these are the credentials that the session's connections have used.
    fn is_known(&self, state: &State, given: &Credentials) -> bool {
        match &*state.line.identity {
            Identity::Client(known) => known.are(given),
            // A password that cannot be read now is none that we could compare.
            Identity::Own => self.worker.own_credentials().ok().flatten().is_some_and(|own| own.are(given)),
        }
    }

    /// Lets a fresh connection answer, and learns from what it says.
    pub(super) fn on_its_own(self: &Rc<Self>, state: &mut State, bytes: &[u8], observe: Observe) -> Taken {
        if state.private.is_none() {
            // Who is still a stranger may be let into no other database.
            let line = Line { db: 0, ..state.line.clone() };
            match self.worker.private(&line) {
                Ok(private) => {
                    private.belong_to(Some(self.clone()));
                    state.private = Some(private);
                }
                Err(why) => return self.refuse(state, 1, &unreachable(&why)),
            }
        }
        if let Some(private) = &state.private {
            private.spoil();
        }
        self.learn(state, bytes, observe)
    }
}

/// A `HELLO` that can be understood without asking the server.
pub(super) struct HelloRequest {
    pub(super) version: Version,
    pub(super) credentials: Option<Credentials>,
    pub(super) name: Option<Vec<u8>>,
}

impl HelloRequest {
    pub(super) fn read(arguments: &[&[u8]], current: Version) -> Option<HelloRequest> {
        let mut wanted = HelloRequest { version: current, credentials: None, name: None };
        let Some((version, mut options)) = arguments.get(1..)?.split_first() else { return Some(wanted) };
        wanted.version = match *version {
            b"2" => Version::Resp2,
            b"3" => Version::Resp3,
            _ => return None,
        };
        while let Some((option, rest)) = options.split_first() {
            options = match rest {
                [user, password, rest @ ..] if option.eq_ignore_ascii_case(b"auth") => {
                    wanted.credentials = Some(Credentials { user: user.to_vec(), password: password.to_vec() });
                    rest
                }
                [name, rest @ ..]
                    if option.eq_ignore_ascii_case(b"setname")
                        && name.iter().all(|byte| (b'!'..=b'~').contains(byte)) =>
                {
                    wanted.name = Some(name.to_vec());
                    rest
                }
                _ => return None,
            };
        }
        Some(wanted)
    }
}

/// The greeting with another client number.
fn with_id(hello: &[u8], id: u64) -> Vec<u8> {
    let mut reply = Vec::with_capacity(hello.len() + 20);
    match memchr::memmem::find(hello, b"$2\r\nid\r\n:") {
        Some(at) => {
            let start = at + b"$2\r\nid\r\n".len();
            let end = start + memchr::memchr(b'\n', &hello[start..]).map_or(0, |end| end + 1);
            reply.extend_from_slice(&hello[..start]);
            encode::integer(&mut reply, id);
            reply.extend_from_slice(&hello[end..]);
        }
        None => reply.extend_from_slice(hello),
    }
    reply
}
