//! What is not taken in request by request: a large one, which is passed on as it comes, and the stream of a client that listens.
//!
//! Bytes of the client come in and go to the session's own connection, so that a slow client holds up nobody else; a request that turns
//! out to be malformed ends the session, because half of it is on its way.

use std::rc::Rc;

use crate::ambassador_redis::resp::encode;
use crate::ambassador_redis::resp::request::{Frame, Limits, Scanner, Step, Upload, arguments};
use crate::ambassador_redis::upstream::unreachable;

use super::{Ending, Session, State};

/// A request that is longer is passed on as it comes, on a connection of the session's own.
pub(super) const SPOOL: usize = 1024 * 1024;

/// Whether a large request is being passed on.
pub(super) enum Begun {
    Yes { passed_on: usize },
    Later,
    No,
}

impl Session {
    /// Begins to pass a large request on. It has a connection of its own, so that a slow client holds up nobody else.
    pub(super) fn begin_upload(self: &Rc<Self>, state: &mut State, input: &[u8]) -> Begun {
        let Some(name) = state.scanner.name() else { return Begun::No };
        let entry = self.worker.table().find(name.of(input));
        if entry.denied {
            return Begun::No;
        }
        if self.is_kept(state, &entry, input, &Frame { name, ..Frame::default() }) {
            // It is not worth receiving.
            self.refuse(state, 1, "NOPERM this user has no permissions to run this command");
            state.ending = Ending::Soon;
            return Begun::No;
        }
        if !state.slots.is_empty() {
            return Begun::Later;
        }
        if state.private.is_none() {
            match self.attach(state) {
                Ok(private) => state.private = Some(private),
                Err(why) => {
                    self.refuse(state, 1, &unreachable(&why));
                    // What follows cannot be told from requests: the client must begin anew.
                    state.ending = Ending::Soon;
                    return Begun::No;
                }
            }
        }
        let (upload, passed_on) = Upload::begin(std::mem::take(&mut state.scanner));
        state.upload = Some(Box::new(upload));
        self.send_one(state, &input[..passed_on], entry.class, None);
        if let Some(private) = &state.private {
            // From here on the session is woken when the connection has room.
            private.append_upload(&[]);
        }
        self.worker.stats().command(entry.number);
        Begun::Yes { passed_on }
    }

    /// Passes on what belongs to the large request; returns the place behind it.
    pub(super) fn continue_upload(
        self: &Rc<Self>,
        state: &mut State,
        input: &[u8],
        at: usize,
        limits: Limits,
    ) -> usize {
        let (Some(upload), Some(private)) = (&mut state.upload, &state.private) else { return at };
        if private.is_full() {
            return at;
        }
        match upload.feed(&input[at..], limits) {
            Ok(taken) => {
                private.append_upload(&input[at..at + taken]);
                if upload.is_complete() {
                    state.upload = None;
                }
                at + taken
            }
            Err(_) => {
                // Half of the request is on its way: only closing ends it.
                state.ending = Ending::Now;
                input.len()
            }
        }
    }

    /// Passes on what a client sends whose replies are not counted. What is denied reaches the server as a command that it does not know, so
    /// that the refusal stands where the reply would; what is malformed is refused by the server itself.
    pub(super) fn stream_requests(
        self: &Rc<Self>,
        state: &mut State,
        input: &[u8],
        start: usize,
        limits: Limits,
    ) -> usize {
        let Some(private) = state.private.clone() else { return input.len() };
        if private.is_full() {
            return start;
        }
        let (mut passed, mut at) = (start, start);
        while at < input.len() {
            let denied = |name: &[u8]| self.worker.table().find(name).denied.then(|| stand_in(name));
            let (len, denied) = match state.scanner.step(&input[at..], limits) {
                Ok(Step::Request(frame)) => (frame.len, denied(frame.name.of(&input[at..]))),
                Ok(Step::Inline { len, multibulk }) => (len, denied(arguments(&multibulk).next().unwrap_or_default())),
                Ok(Step::Nothing { len }) => (len, None),
                Ok(Step::Incomplete) if input.len() - at <= SPOOL => break,
                Ok(Step::Incomplete) => match state.scanner.name().map(|name| denied(name.of(&input[at..]))) {
                    Some(None) => {
                        let (upload, begun) = Upload::begin(std::mem::take(&mut state.scanner));
                        state.upload = Some(Box::new(upload));
                        at += begun;
                        break;
                    }
                    _ => break,
                },
                Err(_) => {
                    state.scanner = Scanner::default();
                    (input.len() - at, None)
                }
            };
            if let Some(stand_in) = denied {
                private.append_stream(&input[passed..at], self);
                private.append_stream(&stand_in, self);
                passed = at + len;
            }
            at += len;
        }
        if passed < at {
            private.append_stream(&input[passed..at], self);
        }
        at
    }
}

/// A request that the server refuses in place of one that is denied.
fn stand_in(name: &[u8]) -> Vec<u8> {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let mut bytes = Vec::new();
    encode::command(&mut bytes, &[format!("ambassador: the command {name} is denied here (--deny)").as_bytes()]);
    bytes
}
