//! What is not taken in request by request: a large one, which is passed on as it comes, and the stream of a client that listens.
//!
//! Bytes of the client come in and go to the session's own connection, so that a slow client holds up nobody else; a request that turns
//! out to be malformed ends the session, because half of it is on its way.

use std::rc::Rc;

use crate::ambassador_redis::resp::request::{Frame, Limits, Upload};
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

    /// A stream is not framed: the server itself answers what is wrong in it.
    pub(super) fn stream_requests(self: &Rc<Self>, state: &mut State, input: &[u8], at: usize) -> usize {
        match &state.private {
            Some(private) if private.is_full() => at,
            Some(private) => {
                private.append_stream(&input[at..], self);
                input.len()
            }
            None => input.len(),
        }
    }
}
