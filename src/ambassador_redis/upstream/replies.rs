//! What comes back: each reply goes to the session that waits for it, or to us.
//!
//! Bytes of the server come in; what is refused or too old is sent to another server; what cannot be matched ends the connection.

use std::rc::Rc;
use std::time::Instant;

use crate::ambassador_redis::consistency::Mark;
use crate::ambassador_redis::resp::reply::{Scanner, Step};
use crate::ambassador_redis::session::{Position, Session, recounted, with_clients};

use super::connection::{Connection, Purpose};
use super::handshake::history_in;
use super::role::Role;
use super::run::{Observe, Owner, Run};
use super::state::State;

/// The longest reply of our own questions.
const MAX_CARRY: usize = 256 * 1024;
/// Unread bytes of a large reply beyond which its connection is read no further: when nobody else waits on it, and when others do.
const UNREAD: usize = 4 * 1024 * 1024;
const UNREAD_BEFORE_OTHERS: usize = 16 * 1024 * 1024;

/// Whether a reply may be that of a key that is not there. While a slot is being moved, a replica of its old shard says so of keys that
/// are at the new one; only its primary knows better.
fn may_mean_missing(reply: &[u8]) -> bool {
    let mut rest = reply;
    // The first value within a list: nulls and zeros are the answer for each thing that was asked about the key.
    while let [b'*' | b'~' | b'%', digit, ..] = rest
        && matches!(digit, b'1'..=b'9')
        && let Some(end) = memchr::memchr(b'\n', rest)
    {
        rest = &rest[end + 1..];
    }
    match rest {
        [] | [_] => true,
        [b'*' | b'~' | b'%' | b'$', b'0' | b'-', ..] | [b'_' | b':', b'-' | b'\r', ..] => true,
        [b':', b'0', b'\r', ..] | [b':', b'0'] | [b'#', b'f', ..] => true,
        _ => rest.starts_with(b"+none"),
    }
}

impl Connection {
    pub(super) fn receive(self: &Rc<Self>, state: &mut State, data: &[u8]) -> Result<(), String> {
        state.heard = self.worker.second();
        // All that one read brings came at the same moment.
        let now = Instant::now();
        if state.carry.is_empty() {
            return self.scan(state, data, now);
        }
        let mut joined = std::mem::take(&mut state.carry);
        joined.extend_from_slice(data);
        if joined.len() > MAX_CARRY + data.len() {
            return Err("a reply to the ambassador itself is too long".to_owned());
        }
        self.scan(state, &joined, now)
    }

    fn scan(self: &Rc<Self>, state: &mut State, data: &[u8], now: Instant) -> Result<(), String> {
        let mut at = 0;
        while at < data.len() {
            let Some(run) = state.runs.front_mut() else {
                return self.unexpected(state, &data[at..]);
            };
            match &mut run.owner {
                Owner::Stream(session) => {
                    if let Purpose::Private(lane) = self.purpose {
                        self.worker.acknowledge(lane);
                    }
                    let data = &data[at..];
                    let used =
                        state.stream.pass(&mut state.scanner, data, |bytes, position| session.stream(bytes, position));
                    state.carry.extend_from_slice(&data[used..]);
                    return Ok(());
                }
                Owner::Session(_) => at = self.scan_session(state, data, at, now)?,
                Owner::Doubtful(_) => at += self.scan_doubtful(state, &data[at..])?,
                Owner::Nobody | Owner::Watermark(_) | Owner::History | Owner::Applied(_) => {
                    match state.scanner.step(&data[at..]).map_err(|e| e.to_string())? {
                        Step::Partial if matches!(run.owner, Owner::Nobody) => return Ok(()),
                        Step::Partial => {
                            state.scanner = Scanner::default();
                            state.carry = data[at..].to_vec();
                            return Ok(());
                        }
                        Step::Push { .. } => return Err("it pushed what nobody subscribed to".to_owned()),
                        Step::Reply { len, .. } => {
                            self.own_reply(state, &data[at..at + len]);
                            at += len;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Acts on a reply to a question of our own.
    fn own_reply(&self, state: &mut State, reply: &[u8]) {
        let Some(run) = state.runs.front_mut() else { return };
        run.left -= 1;
        match (&run.owner, Role::parse(reply)) {
            (Owner::Watermark(pending), Some(Role::Primary { offset })) => {
                let lane = match self.purpose {
                    Purpose::Primary(lane) if !state.replaced && lane != self.worker.private_lane() => Some(lane),
                    _ => None,
                };
                self.worker.watermark().cover(pending, lane, offset);
            }
            (Owner::History, _) => {
                state.history = history_in(reply).unwrap_or(state.history);
                // What was told without being marked is marked now.
                state.unmarked = true;
            }
            (Owner::Watermark(_), Some(Role::Replica { .. })) => self.worker.suspect(),
            (Owner::Applied(generation), Some(Role::Replica { offset, linked: true, source }))
                if self.node.follows(source) =>
            {
                state.applied = Mark::new(*generation, offset);
                state.behind = self.worker.watermark().is_behind(state.applied);
            }
            (Owner::Applied(_), _) => {
                state.applied = Mark::default();
                state.behind = true;
                self.worker.suspect();
            }
            _ => {}
        }
        state.finish_front();
    }

    /// Hands the replies of the front run to its session; returns the place behind them.
    fn scan_session(
        self: &Rc<Self>,
        state: &mut State,
        data: &[u8],
        start: usize,
        now: Instant,
    ) -> Result<usize, String> {
        let State { runs, scanner, carry, applied, behind, session, replaced, .. } = state;
        let Some(Run { owner: Owner::Session(ticket), left, .. }) = runs.front_mut() else { return Ok(start) };
        if ticket.needs.take().is_some_and(|needs| *applied < needs) {
            *behind = true;
            self.refuse_front(state, "it is behind what the application has seen");
            return Ok(start);
        }
        let (mut at, mut replies, mut refused) = (start, 0, None);
        let (mut torn, mut reworded) = (None, None);
        let confirms = self.purpose == Purpose::Replica && ticket.repeatable && self.worker.confirms_missing();
        while at < data.len() && replies < *left {
            let whole = scanner.is_between();
            if confirms && whole && may_mean_missing(&data[at..]) {
                refused = Some("it has no such key");
                break;
            }
            match scanner.step(&data[at..]).map_err(|error| error.to_string())? {
                Step::Reply { len, kind } => {
                    if kind == b'-' && self.is_refusal(&data[at..at + len], ticket) {
                        refused = Some("it refused a read");
                        *scanner = Scanner::default();
                        break;
                    }
                    if let Some(observe) = ticket.observe.take() {
                        reworded = self.learn(&ticket.session, observe, &data[at..at + len]);
                    }
                    at += len;
                    replies += 1;
                    ticket.torn = false;
                }
                // Nobody looks for a number of clients in so much text.
                Step::Partial
                    if data.len() - at > MAX_CARRY / 2 && matches!(ticket.observe, Some(Observe::Clients)) =>
                {
                    ticket.observe = None;
                    (at, ticket.torn) = (data.len(), true);
                }
                // Errors are looked at whole, as are replies that the session learns from.
                Step::Partial if whole && (data[at] == b'-' || ticket.observe.is_some()) => {
                    *scanner = Scanner::default();
                    *carry = data[at..].to_vec();
                    break;
                }
                Step::Partial => {
                    at = data.len();
                    ticket.torn = true;
                }
                Step::Push { len } if matches!(self.purpose, Purpose::Private(_)) => at += len,
                Step::Push { .. } => return Err("it pushed what nobody subscribed to".to_owned()),
            }
        }
        if at > start {
            match self.purpose {
                // Two connections must not count in one lane.
                Purpose::Primary(_) if *replaced => self.worker.acknowledge(self.worker.private_lane()),
                Purpose::Primary(lane) => self.worker.acknowledge(lane),
                Purpose::Private(lane) => {
                    self.worker.acknowledge(lane);
                    self.worker.want_cover(&self.line);
                }
                Purpose::Replica => {}
            }
            ticket.received += at - start;
            let bytes = reworded.as_deref().unwrap_or(&data[start..at]);
            ticket.session.deliver(ticket.slot, bytes, replies);
            torn = (ticket.torn && session.is_none()).then(|| ticket.session.clone());
        }
        *left -= replies;
        if let Some(session) = torn {
            self.check_clog(state, &session);
            return Ok(at);
        }
        if let Some(why) = refused {
            self.refuse_front(state, why);
        } else if *left == 0 {
            self.note_finished(state, now);
            state.finish_front();
        } else if !carry.is_empty() {
            return Ok(data.len());
        }
        Ok(at)
    }

    /// The session learns from a reply; what it is told instead, if it is told something else.
    fn learn(&self, session: &Rc<Session>, observe: Observe, reply: &[u8]) -> Option<Vec<u8>> {
        match observe {
            Observe::Clients => with_clients(reply, self.node.connections(), self.worker.everybody()),
            Observe::Killed { by, ours, theirs, spared } if reply.first() == Some(&b':') => {
                self.worker.end_everybody(by);
                if spared == 0 {
                    session.end_after_reply();
                }
                recounted(reply, ours, theirs)
            }
            observe => {
                session.observe(observe, reply);
                None
            }
        }
    }

    /// Stops reading while the client of a large reply does not keep up. What comes from now on takes another connection.
    fn check_clog(self: &Rc<Self>, state: &mut State, session: &Rc<Session>) {
        let allowed = if state.others_wait(session) { UNREAD_BEFORE_OTHERS } else { UNREAD };
        if session.unread() <= allowed {
            return;
        }
        state.clog.get_or_insert_with(|| (session.clone(), Instant::now()));
        if !std::mem::replace(&mut state.replaced, true) {
            self.worker.replace(self);
            self.redo_behind(state, session);
        }
    }

    /// Sends the reads of other sessions again, on the connection that takes this one's place: they need not wait for a client that does
    /// not read. A read behind a write of its own session stays.
    fn redo_behind(&self, state: &mut State, clogging: &Rc<Session>) {
        let State { runs, out, in_flight, .. } = state;
        let (mut at, mut stay) = (0, vec![clogging.clone()]);
        for run in runs.iter_mut() {
            let requests = &out.unanswered()[at..at + run.bytes];
            at += run.bytes;
            let Owner::Session(ticket) = &run.owner else { continue };
            if stay.iter().any(|session| Rc::ptr_eq(session, &ticket.session)) {
                continue;
            }
            if !ticket.repeatable || ticket.torn || run.left < ticket.requests {
                stay.push(ticket.session.clone());
                continue;
            }
            if let Owner::Session(ticket) = std::mem::replace(&mut run.owner, Owner::Nobody) {
                *in_flight -= ticket.requests.min(*in_flight);
                self.worker.redo(requests, ticket, run.left, "it stood behind a client that does not read");
            }
        }
    }

    fn unexpected(&self, state: &mut State, data: &[u8]) -> Result<(), String> {
        match (&state.session, state.scanner.step(data)) {
            (Some(session), Ok(Step::Push { len })) if matches!(self.purpose, Purpose::Private(_)) => {
                session.stream(&data[..len], Position::Between);
                if len < data.len() { Err("it answered without being asked".to_owned()) } else { Ok(()) }
            }
            _ => Err("it answered without being asked".to_owned()),
        }
    }
}
