//! From bytes to runs: frames the input, classes each request, and sends consecutive requests for the same place as one run.
//!
//! A batch (what one read brought) that holds anything but plain reads goes to the primary as a whole: the order of execution is kept
//! and the bytes are copied once.

use std::rc::Rc;

use crate::ambassador_redis::command::{Class, Entry, classify};
use crate::ambassador_redis::faults::{self, Fault};
use crate::ambassador_redis::metrics::MIXED;
use crate::ambassador_redis::resp::encode;
use crate::ambassador_redis::resp::request::{Frame, Limits, Scanner, Step};

use super::upload::{Begun, SPOOL};
use super::{Ending, Mode, Session, State};

/// Requests of one session that may be awaited at a time, at first and at most. In between, as many as had replies of [`BUDGET`] together
/// when they were last measured: a client that asks for large values and does not read them costs its own window only.
pub(super) const FIRST_WINDOW: u32 = 16;
const LAST_WINDOW: u32 = 4096;
const BUDGET: usize = 1024 * 1024;
/// Consecutive requests that go to the same place.
pub(super) struct Batch {
    /// Where the first one begins in the input.
    pub(super) start: usize,
    pub(super) requests: u32,
    /// The class of the first request, for the statistics.
    pub(super) class: Class,
    /// The number of their command, or `MIXED`.
    pub(super) command: u16,
    pub(super) reads: bool,
    pub(super) repeatable: bool,
}

/// Whether a request could be taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// It must wait until every earlier request is answered.
    NotYet,
}

impl Batch {
    pub(super) fn at(start: usize) -> Batch {
        Batch { start, requests: 0, class: Class::Neutral, command: MIXED, reads: true, repeatable: true }
    }

    pub(super) fn add(&mut self, class: Class, command: u16) {
        if self.requests == 0 {
            self.command = command;
        } else if self.command != command {
            self.command = MIXED;
        }
        if self.requests == 0 || !class.is_repeatable() {
            self.class = class;
        }
        self.requests += 1;
        self.reads &= matches!(class, Class::Read | Class::ReadScript);
        self.repeatable &= class.is_repeatable();
    }
}

impl Session {
    /// Takes new bytes in, behind those that had to wait.
    pub(super) fn take(self: &Rc<Self>, state: &mut State, fresh: &[u8]) {
        if state.tail.is_empty() {
            let used = self.requests(state, fresh);
            state.tail.extend_from_slice(&fresh[used..]);
            return;
        }
        let mut tail = std::mem::take(&mut state.tail);
        tail.extend_from_slice(fresh);
        let used = self.requests(state, &tail);
        if used < tail.len() {
            tail.drain(..used);
            state.tail = tail;
        }
    }

    /// Takes as many whole requests as it may; returns how many bytes they had.
    fn requests(self: &Rc<Self>, state: &mut State, input: &[u8]) -> usize {
        let mut limits = Limits { bulk: self.worker.policy().max_bulk, client: state.client() };
        let mut at = 0;
        let mut batch = Batch::at(0);
        let faults = self.worker.policy().faults.clone();
        while at < input.len() && state.ending == Ending::No && !state.paused && !state.delayed {
            if state.upload.is_some() {
                at = self.continue_upload(state, input, at, limits);
                batch.start = at;
                if state.upload.is_some() {
                    return at;
                }
                continue;
            }
            if state.mode == Mode::Stream {
                return self.stream_requests(state, input, at, limits);
            }
            match state.scanner.step(&input[at..], limits) {
                Ok(Step::Incomplete) if state.scanner.expected(&input[at..]).max(input.len() - at) > SPOOL => {
                    let begun = match self.commit(state, input, &mut batch, at) {
                        Taken::Yes => self.begin_upload(state, &input[at..]),
                        Taken::NotYet => Begun::Later,
                    };
                    match begun {
                        Begun::Yes { passed_on } => at += passed_on,
                        Begun::Later => {
                            state.paused = true;
                            state.scanner = Scanner::default();
                            break;
                        }
                        Begun::No => break,
                    }
                }
                Ok(Step::Incomplete) => break,
                Ok(Step::Request(frame)) => {
                    let bytes = &input[at..at + frame.len];
                    let entry = self.entry(state, bytes, &frame);
                    if at >= state.counted {
                        self.note(state, &entry, bytes, &frame);
                        match faults.as_ref().and_then(|faults| self.strike(faults, bytes, &frame)) {
                            None => {}
                            Some(Fault::Error) => {
                                self.refuse(state, 1, faults::ON_PURPOSE);
                                at += frame.len;
                                batch.start = at;
                                continue;
                            }
                            Some(Fault::Delay(delay)) => {
                                state.counted = at + frame.len;
                                self.delay(state, delay);
                                break;
                            }
                        }
                    }
                    if is_plain(state, &entry) {
                        batch.add(entry.class, entry.number);
                        at += frame.len;
                        // With faults each request goes alone, so that one can be struck without those before it.
                        if faults.is_some() && self.commit(state, input, &mut batch, at) == Taken::Yes {
                            continue;
                        }
                        if state.slots.awaited() + batch.requests < state.window {
                            continue;
                        }
                        // More than the window: the rest is taken when these are answered.
                        if self.commit(state, input, &mut batch, at) == Taken::Yes {
                            state.paused = true;
                        }
                        break;
                    }
                    if self.commit(state, input, &mut batch, at) == Taken::NotYet
                        || self.special(state, bytes, &frame, entry) == Taken::NotYet
                    {
                        state.counted = state.counted.max(at + frame.len);
                        state.paused = true;
                        break;
                    }
                    at += frame.len;
                    limits.client = state.client();
                }
                Ok(Step::Inline { len, multibulk }) => {
                    if self.commit(state, input, &mut batch, at) == Taken::NotYet
                        || self.single(state, &multibulk, limits) == Taken::NotYet
                    {
                        state.paused = true;
                        break;
                    }
                    at += len;
                    limits.client = state.client();
                }
                Ok(Step::Nothing { len }) => {
                    if self.commit(state, input, &mut batch, at) == Taken::NotYet {
                        break;
                    }
                    at += len;
                }
                Err(error) => {
                    if self.commit(state, input, &mut batch, at) == Taken::NotYet {
                        break;
                    }
                    let mut reply = Vec::new();
                    encode::error(&mut reply, &error.to_string());
                    self.answer(state, &reply);
                    self.worker.stats().protocol_error();
                    state.ending = Ending::Soon;
                    return input.len();
                }
            }
            batch.start = at;
        }
        if self.commit(state, input, &mut batch, at) == Taken::NotYet {
            state.paused = true;
        }
        let used = match batch.requests {
            0 => at,
            // The scanner stands behind requests that will be looked at again.
            _ => {
                state.scanner = Scanner::default();
                batch.start
            }
        };
        state.counted = state.counted.max(at).saturating_sub(used);
        used
    }

    /// Takes one request that does not stand in the input as it is.
    fn single(self: &Rc<Self>, state: &mut State, bytes: &[u8], limits: Limits) -> Taken {
        let Ok(Step::Request(frame)) = Scanner::default().step(bytes, limits) else { return Taken::Yes };
        let entry = self.entry(state, bytes, &frame);
        let taken = match is_plain(state, &entry) {
            true => self.send_one(state, bytes, entry.class, None),
            false => self.special(state, bytes, &frame, entry),
        };
        if taken == Taken::Yes {
            self.worker.stats().command(entry.number);
        }
        taken
    }

    fn entry(&self, state: &State, bytes: &[u8], frame: &Frame) -> Entry {
        let entry = classify(&self.worker.table(), bytes, frame);
        // EXEC and DISCARD without MULTI are errors that any connection gives.
        let class = match entry.class {
            // What a paused server keeps waiting must not stand in front of what it answers.
            Class::Write | Class::Neutral if self.worker.is_paused() => Class::Script,
            // It may write what it has counted, so that a pause of writes is one of it too.
            Class::Read if self.worker.is_paused() && frame.name.of(bytes).eq_ignore_ascii_case(b"pfcount") => {
                Class::Script
            }
            Class::Neutral if self.worker.is_alone() => match frame.name.of(bytes) {
                name if name.eq_ignore_ascii_case(b"info") => Class::Info,
                // Its errors repeat line ends of the client, which nobody else's replies may stand behind.
                name if name.eq_ignore_ascii_case(b"function") => Class::Script,
                _ => Class::Neutral,
            },
            Class::Exec | Class::Discard | Class::Unwatch if state.private.is_none() => Class::Neutral,
            Class::Multi if frame.arguments != 1 => Class::Neutral,
            class => class,
        };
        let denied = entry.denied || self.is_kept(state, &entry, bytes, frame);
        Entry { class, denied, ..entry }
    }

    /// Sends the batch, which ends at `end`; leaves an empty one that begins there.
    fn commit(self: &Rc<Self>, state: &mut State, input: &[u8], batch: &mut Batch, end: usize) -> Taken {
        if batch.requests == 0 {
            batch.start = end;
            return Taken::Yes;
        }
        let taken = self.send(state, &input[batch.start..end], batch, None);
        if taken == Taken::Yes {
            *batch = Batch::at(end);
        }
        taken
    }
}

/// The next window: as many replies as the budget holds, and at most twice the last window.
pub(super) fn window(last: u32, replies: u32, bytes: usize) -> u32 {
    let average = (bytes / replies.max(1) as usize).max(1);
    let fits = u32::try_from(BUDGET / average).unwrap_or(u32::MAX);
    fits.min(last.saturating_mul(2)).clamp(1, LAST_WINDOW)
}

/// Whether the request needs nothing but to be forwarded.
fn is_plain(state: &State, entry: &Entry) -> bool {
    let is_pinned = matches!(state.mode, Mode::Pinned { .. });
    match entry.class {
        _ if entry.denied => false,
        Class::Read | Class::ReadScript | Class::PrimaryRead | Class::Write | Class::Neutral => true,
        Class::Script => state.private.is_some(),
        Class::Blocking | Class::Wait | Class::Control => state.private.is_some() && is_pinned,
        Class::Reset | Class::Quit | Class::CrossProtocol | Class::Stream | Class::Replication => false,
        Class::Multi | Class::Exec | Class::Discard | Class::Info | Class::Stateful => false,
        // Remembered, for the connection that comes when this one is given up.
        Class::ClientInfo => state.mode == Mode::Pinned { multi: true },
        _ => is_pinned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_grows_with_small_replies_and_shrinks_with_large_ones() {
        assert_eq!(window(FIRST_WINDOW, 16, 16 * 5), 2 * FIRST_WINDOW);
        assert_eq!(window(LAST_WINDOW, 4096, 4096 * 5), LAST_WINDOW);
        assert_eq!(window(64, 64, 64 << 20), 1);
        assert_eq!(window(64, 64, 64 << 16), 16);
    }
}
