//! The requests that concern the session itself: answered here, or a reason for a connection of its own.
//!
//! Whatever is unusual goes to a private connection, so that the words of the answer are Redis' own.

use std::rc::Rc;
use std::time::Duration;

use crate::ambassador_redis::command::{Class, Entry};
use crate::ambassador_redis::resp::request::{Frame, arguments};
use crate::ambassador_redis::resp::{Version, parse_integer};
use crate::ambassador_redis::upstream::{Connection, Line, own, unreachable};

use super::intake::Taken;
use super::{Ending, Mode, Session, State};

impl Session {
    /// Takes a request that changes the session, or needs a connection of its own.
    pub(super) fn special(self: &Rc<Self>, state: &mut State, bytes: &[u8], frame: &Frame, entry: Entry) -> Taken {
        let class = entry.class;
        if self.is_kept(state, &entry, bytes, frame) {
            return self.keep(state, bytes, frame, entry);
        }
        if entry.denied {
            let name = String::from_utf8_lossy(frame.name.of(bytes)).to_ascii_lowercase();
            let why = format!("ambassador: the command '{name}' is denied here (--deny)");
            let queues = matches!(state.mode, Mode::Transaction { multi: true, .. } | Mode::Pinned { multi: true });
            if let (true, Some(private)) = (queues, &state.private) {
                // A request that cannot be queued spoils the transaction, as a refusal of the server's own would.
                private.append_own(&[b"EVAL"]);
                return self.refuse(state, 1, &format!("ERR Command not allowed inside a transaction, {why}"));
            }
            return self.refuse(state, 1, &format!("NOPERM {why}"));
        }
        let idle = state.slots.is_empty();
        match class {
            Class::Quit if !idle => Taken::NotYet,
            Class::Quit => {
                self.write(state, b"+OK\r\n");
                state.ending = Ending::Soon;
                Taken::Yes
            }
            Class::CrossProtocol => {
                state.ending = Ending::Soon;
                Taken::Yes
            }
            // The server says what is wrong with it.
            Class::Reset if frame.arguments > 1 => self.send_one(state, bytes, Class::Neutral, None),
            Class::Reset if !idle => Taken::NotYet,
            Class::Reset => self.reset(state),
            Class::Select | Class::Hello | Class::Auth | Class::ClientName | Class::ClientInfo => {
                match (state.mode, &state.private) {
                    // Inside a transaction it is queued like any command, and takes effect who knows when.
                    (Mode::Transaction { multi, .. }, _) => {
                        state.mode = Mode::Pinned { multi };
                        self.send_one(state, bytes, class, None)
                    }
                    (Mode::Plain, Some(_)) if !idle => Taken::NotYet,
                    _ => self.about_session(state, bytes, frame, class),
                }
            }
            Class::Info => self.overview(state, bytes),
            Class::Settings => {
                state.operates = true;
                self.send_one(state, bytes, Class::Neutral, None)
            }
            Class::Control => {
                if frame.name.of(bytes).eq_ignore_ascii_case(b"debug") {
                    state.operates = true;
                    self.worker.debug_primary();
                }
                self.on_private(state, bytes, frame, class)
            }
            Class::Stateful => {
                if let Some(duration) = pause(bytes) {
                    self.worker.pause_primary(duration);
                }
                self.on_private(state, bytes, frame, class)
            }
            _ => self.on_private(state, bytes, frame, class),
        }
    }

    /// Sends the request on a connection of the session's own, and remembers what that connection holds from now on.
    fn on_private(self: &Rc<Self>, state: &mut State, bytes: &[u8], frame: &Frame, class: Class) -> Taken {
        if let (Some(private), Some(current)) = (&state.private, &state.current)
            && !Rc::ptr_eq(private, current)
        {
            return Taken::NotYet;
        }
        if state.private.is_none() {
            if !state.slots.is_empty() {
                return Taken::NotYet;
            }
            let attached = match class {
                Class::Replication => self
                    .worker
                    .fresh(&Line { db: 0, ..state.line.clone() })
                    .inspect(|private| private.belong_to(Some(self.clone()))),
                Class::Stateful | Class::Stream => {
                    self.worker.untouched(&state.line).inspect(|private| self.dress(state, private))
                }
                _ => self.attach(state),
            };
            match attached {
                Ok(private) => state.private = Some(private),
                Err(why) => return self.refuse(state, 1, &unreachable(&why)),
            }
        }
        let transaction = match state.mode {
            Mode::Transaction { multi, watch } => (multi, watch),
            Mode::Pinned { multi } => (multi, false),
            _ => (false, false),
        };
        let (multi, watch) = match class {
            Class::Multi => (true, transaction.1),
            Class::Exec | Class::Discard if frame.arguments == 1 && transaction.0 => (false, false),
            Class::Watch if frame.arguments > 1 && !transaction.0 => (false, true),
            Class::Unwatch if !transaction.0 => (false, false),
            _ => transaction,
        };
        state.mode = match (state.mode, class) {
            (_, Class::Stream | Class::Replication) => Mode::Stream,
            (Mode::Pinned { .. }, _) | (_, Class::Stateful) => Mode::Pinned { multi },
            _ if multi || watch => Mode::Transaction { multi, watch },
            _ => Mode::Plain,
        };
        match &state.private {
            Some(private) if class == Class::Stream => {
                private.append_stream(bytes, self);
                return Taken::Yes;
            }
            // The server accepts it only as the first word.
            Some(private) if class == Class::Replication => {
                private.append_stream(bytes, self);
                return Taken::Yes;
            }
            // WAIT is about the writes of its connection: a first command tells the server that all earlier ones are meant.
            Some(private) if class == Class::Wait && !multi && state.told => private.append_own(&[own::PING]),
            _ => {}
        }
        let observe = match class {
            Class::Stateful if !multi => self.killing(state.private.as_ref(), &arguments(bytes).collect::<Vec<_>>()),
            _ => None,
        };
        self.send_one(state, bytes, class, observe)
    }

    /// A connection of the session's own, in the state in which the client believes its connection to be.
    pub(super) fn attach(self: &Rc<Self>, state: &State) -> Result<Rc<Connection>, String> {
        self.worker.private(&state.line).inspect(|private| self.dress(state, private))
    }

    /// Tells a connection who the client is.
    fn dress(self: &Rc<Self>, state: &State, private: &Connection) {
        private.belong_to(Some(self.clone()));
        if let Some(extra) = &state.extra {
            if !extra.name.is_empty() {
                private.append_own(&[own::CLIENT, b"SETNAME", &extra.name]);
            }
            for info in &extra.infos {
                let mut words: Vec<&[u8]> = arguments(info).collect();
                words.iter_mut().take(1).for_each(|name| *name = own::CLIENT);
                private.append_own(&words);
            }
        }
    }

    pub(super) fn about_session(
        self: &Rc<Self>,
        state: &mut State,
        bytes: &[u8],
        frame: &Frame,
        class: Class,
    ) -> Taken {
        let arguments: Vec<&[u8]> = arguments(bytes).collect();
        match class {
            Class::Select => {
                match arguments.get(1).and_then(|db| parse_integer(db)).and_then(|db| u32::try_from(db).ok()) {
                    Some(db) if arguments.len() == 2 => self.select(state, bytes, db),
                    _ => self.send_one(state, bytes, Class::Neutral, None),
                }
            }
            Class::ClientName => self.client_name(state, bytes, &arguments),
            Class::ClientInfo => {
                let taken = self.send_one(state, bytes, Class::Neutral, None);
                let infos = &mut state.extra.get_or_insert_default().infos;
                // A client has two things to tell; who tells more is not believed.
                if taken == Taken::Yes && frame.len < 1024 && infos.len() < 4 {
                    infos.push(bytes.to_vec());
                }
                taken
            }
            Class::Hello => self.hello(state, bytes, &arguments),
            _ => self.auth(state, bytes, &arguments),
        }
    }

    fn reset(self: &Rc<Self>, state: &mut State) -> Taken {
        if let Some(private) = state.private.take() {
            private.belong_to(None);
            private.retire("its session was reset");
        }
        state.mode = Mode::Plain;
        state.operates = false;
        state.line = self.worker.usual_line(Version::Resp2);
        state.lines = self.worker.lines(&state.line);
        state.forget_user();
        if let Some(extra) = &mut state.extra {
            // What library it uses stays, as with Redis.
            (extra.name, extra.user) = (Vec::new(), None);
        }
        self.write(state, b"+RESET\r\n");
        Taken::Yes
    }
}

/// For how long `CLIENT PAUSE` lets the server pause; no time at all for `CLIENT UNPAUSE`.
fn pause(bytes: &[u8]) -> Option<Duration> {
    let mut words = arguments(bytes).skip(1);
    match words.next()?.to_ascii_lowercase().as_slice() {
        b"unpause" => Some(Duration::ZERO),
        b"pause" => Some(Duration::from_millis(u64::try_from(parse_integer(words.next()?)?).ok()?)),
        _ => None,
    }
}
