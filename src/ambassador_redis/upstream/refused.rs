//! What a server refuses because it is no primary (any more): sent to the next one, once it is proved that nothing was executed.
//!
//! A reply that refuses comes in; the request goes to another server, or waits for one. `READONLY` proves that a write was not executed,
//! `UNBLOCKED` that one that waited was given nothing. Of several requests the replies are kept back until all are there: if every one
//! that is no read was refused, all of them go on; otherwise the client is told what the server has said.

use std::rc::Rc;
use std::time::Instant;

use crate::ambassador_redis::command::{Class, Table, classify};
use crate::ambassador_redis::consistency::Mark;
use crate::ambassador_redis::resp::reply::Step;
use crate::ambassador_redis::resp::request::{self, Client, Frame, Limits};
use crate::ambassador_redis::session::Session;

use super::connection::{Connection, Purpose};
use super::loss::remaining;
use super::run::{Owner, Run, Ticket};
use super::state::State;

/// Replies that are kept back at most.
const MAX_REPLIES: usize = 1024 * 1024;

/// A run of which a part was refused.
#[derive(Debug)]
pub struct Doubt {
    ticket: Ticket,
    /// What the server has said from the first refusal on.
    replies: Vec<u8>,
    /// Where each whole reply ends.
    ends: Vec<usize>,
}

impl Doubt {
    /// The replies that are there are passed on; the rest is lost with the connection.
    pub(super) fn lose(self, left: u32, why: &str) {
        let whole = self.ends.last().copied().unwrap_or(0);
        let Ticket { session, slot, .. } = self.ticket;
        session.deliver(slot, &self.replies[..whole], u32::try_from(self.ends.len()).unwrap_or(u32::MAX));
        session.fail(slot, left, why);
    }

    pub(super) fn abort(&self) {
        self.ticket.session.abort();
    }

    /// Whether nothing but reads was executed of these requests, the last ones of the run.
    fn is_proved(&self, requests: &[u8], table: &Table) -> bool {
        let mut start = 0;
        frames(requests).zip(&self.ends).all(|((bytes, frame), end)| {
            let reply = &self.replies[start..*end];
            start = *end;
            let class = classify(table, bytes, &frame).class;
            reply.starts_with(b"-READONLY")
                || class == Class::Blocking && reply.starts_with(b"-UNBLOCKED force")
                || class.is_repeatable()
        })
    }
}

impl Connection {
    /// Counts an error. Whether it means that another server may well answer.
    pub(super) fn is_refusal(&self, error: &[u8], ticket: &Ticket) -> bool {
        self.counts.errors.add(1);
        if self.purpose != Purpose::Replica {
            let is_let_go = ticket.class == Class::Blocking && error.starts_with(b"-UNBLOCKED force");
            if !error.starts_with(b"-READONLY") && !is_let_go {
                return false;
            }
            self.worker.suspect();
            let holds_nothing = match self.purpose {
                Purpose::Private(_) => {
                    // DEBUG ERROR says whatever it is told to say.
                    ticket.class != Class::Control
                        && ticket.observe.is_none()
                        && !ticket.uploaded
                        && ticket.session.holds_nothing()
                }
                _ => true,
            };
            return holds_nothing && self.worker.may_hold(0);
        }
        let retry = error.starts_with(b"-LOADING ")
            || error.starts_with(b"-MASTERDOWN ")
            || (ticket.class == Class::ReadScript && error.starts_with(b"-NOSCRIPT "));
        if retry && ticket.class != Class::ReadScript {
            self.worker.suspect();
        }
        retry && ticket.repeatable
    }

    /// What the front run still awaits was refused, or must not be answered here: it goes on elsewhere, or is doubted first.
    pub(super) fn refuse_front(&self, state: &mut State, why: &'static str) {
        match state.runs.front() {
            Some(Run { owner: Owner::Session(ticket), .. }) if !ticket.repeatable => self.doubt_front(state),
            _ => self.redo_front(state, why),
        }
    }

    /// Sends what the front run still awaits to the primary, and forgets the replies that come here.
    fn redo_front(&self, state: &mut State, why: &'static str) {
        let Some(run) = state.runs.front_mut() else { return };
        let Owner::Session(ticket) = std::mem::replace(&mut run.owner, Owner::Nobody) else { return };
        let (left, bytes) = (run.left, run.bytes);
        state.in_flight -= ticket.requests.min(state.in_flight);
        state.follow_front(&ticket.session);
        let requests = remaining(&state.out.unanswered()[..bytes], ticket.requests - left);
        match self.purpose {
            Purpose::Replica => self.worker.redo(requests, ticket, left, why),
            _ => self.worker.wait_for_other(&self.node, requests, Ticket { requests: left, ..ticket }),
        }
    }

    fn doubt_front(&self, state: &mut State) {
        let Some(run) = state.runs.front_mut() else { return };
        if let Owner::Session(ticket) = std::mem::replace(&mut run.owner, Owner::Nobody) {
            // Nothing more of it may go to the next primary before this is known.
            ticket.session.detour();
            run.owner = Owner::Doubtful(Box::new(Doubt { ticket, replies: Vec::new(), ends: Vec::new() }));
        }
    }

    /// Keeps the replies of the front run back; returns how many bytes they were.
    pub(super) fn scan_doubtful(&self, state: &mut State, data: &[u8]) -> Result<usize, String> {
        let State { runs, scanner, .. } = state;
        let Some(Run { owner: Owner::Doubtful(doubt), left, .. }) = runs.front_mut() else { return Ok(0) };
        let mut at = 0;
        while at < data.len() && *left > 0 {
            match scanner.step(&data[at..]).map_err(|error| error.to_string())? {
                Step::Reply { len, .. } => {
                    doubt.replies.extend_from_slice(&data[at..at + len]);
                    doubt.ends.push(doubt.replies.len());
                    at += len;
                    *left -= 1;
                }
                Step::Partial => {
                    doubt.replies.extend_from_slice(&data[at..]);
                    at = data.len();
                }
                Step::Push { .. } => return Err("it pushed what nobody subscribed to".to_owned()),
            }
        }
        if *left == 0 || doubt.replies.len() > MAX_REPLIES {
            self.settle_doubt(state);
        }
        Ok(at)
    }

    /// All is known that will be known of the front run.
    fn settle_doubt(&self, state: &mut State) {
        let Some(run) = state.runs.front_mut() else { return };
        let (left, bytes) = (run.left, run.bytes);
        let Owner::Doubtful(doubt) = std::mem::replace(&mut run.owner, Owner::Nobody) else { return };
        let answered = u32::try_from(doubt.ends.len()).unwrap_or(u32::MAX);
        let requests = remaining(&state.out.unanswered()[..bytes], doubt.ticket.requests - answered - left);
        let table = self.worker.table().clone();
        if left == 0 && doubt.is_proved(requests, &table) && state.may_wait(&doubt.ticket.session, &table) {
            let ticket = doubt.ticket;
            let (session, count) = (ticket.session.clone(), ticket.requests);
            self.worker.wait_for_other(&self.node, requests, Ticket { requests: answered, ..ticket });
            state.in_flight -= count.min(state.in_flight);
            state.follow_front(&session);
            state.finish_front();
            return;
        }
        let Doubt { mut ticket, replies, .. } = *doubt;
        if let Purpose::Primary(lane) | Purpose::Private(lane) = self.purpose {
            self.worker.acknowledge(lane);
        }
        ticket.torn = !state.scanner.is_between();
        ticket.received += replies.len();
        ticket.session.deliver(ticket.slot, &replies, answered);
        if let Some(run) = state.runs.front_mut() {
            run.owner = Owner::Session(ticket);
        }
        if left == 0 {
            self.note_finished(state, Instant::now());
            state.finish_front();
        }
    }
}

impl State {
    /// Whether the front run may go elsewhere although its session has asked for more behind it. What is a read, or will be refused alike,
    /// goes the same way; of anything else a part may be executed before it.
    fn may_wait(&self, session: &Rc<Session>, table: &Table) -> bool {
        let mut at = 0;
        self.runs.iter().enumerate().all(|(place, run)| {
            let requests = &self.out.unanswered()[at..at + run.bytes];
            at += run.bytes;
            match &run.owner {
                Owner::Session(later) if place > 0 && Rc::ptr_eq(&later.session, session) => {
                    let refused_alike = |(bytes, frame): (&[u8], Frame)| {
                        let class = classify(table, bytes, &frame).class;
                        class == Class::Write || class.is_repeatable()
                    };
                    later.requests == 1 || frames(requests).all(refused_alike)
                }
                _ => true,
            }
        })
    }

    /// What the session has asked behind its front run must not be answered as of an earlier moment: it takes the same way.
    fn follow_front(&mut self, session: &Rc<Session>) {
        for run in self.runs.iter_mut().skip(1) {
            match &mut run.owner {
                Owner::Session(later)
                    if (later.repeatable || later.requests > 1) && Rc::ptr_eq(&later.session, session) =>
                {
                    later.needs = Some(Mark::BEYOND);
                }
                _ => {}
            }
        }
    }
}

/// The requests of a run, one after the other.
fn frames(mut requests: &[u8]) -> impl Iterator<Item = (&[u8], Frame)> {
    let limits = Limits { bulk: i64::MAX >> 1, client: Client::Known };
    std::iter::from_fn(move || {
        let Ok(request::Step::Request(frame)) = request::Scanner::default().step(requests, limits) else { return None };
        let (bytes, rest) = requests.split_at(frame.len);
        requests = rest;
        Some((bytes, frame))
    })
}
