//! The end of a connection: what was never sent, or may be sent again, goes on elsewhere; the rest is answered with an error.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use crate::ambassador_redis::resp::request;
use crate::ambassador_redis::session::Session;

use super::connection::{Connection, Purpose};
use super::run::{Owner, Run, Ticket};

impl Connection {
    /// The connection is gone: keep what was not sent and what may be sent again, fail the rest.
    pub(super) fn lose(&self, why: &str) {
        let mut state = self.state.borrow_mut();
        tracing::debug!(node = %self.node.address, why, "connection lost");
        (state.transport, state.seat) = (None, None);
        state.last_up = Some(Instant::now());
        state.failure = Some(format!("{}: {why}", self.node.address));
        let runs = std::mem::take(&mut state.runs);
        let out = std::mem::take(&mut state.out);
        let (mut at, in_flight) = (0, out.in_flight());
        state.in_flight = 0;
        let unknown = last_unknown(&runs, in_flight);
        for (place, mut run) in runs.into_iter().enumerate() {
            let requests = &out.unanswered()[at..at + run.bytes];
            let unsent = at >= in_flight;
            at += run.bytes;
            match run.owner {
                Owner::Stream(session) => session.abort(),
                Owner::Nobody | Owner::Watermark(_) | Owner::History | Owner::Applied(_) => {}
                Owner::Doubtful(doubt) => doubt.lose(run.left, &lost(&self.node.address.to_string(), why)),
                Owner::Session(ticket) if ticket.torn => ticket.session.abort(),
                Owner::Session(ticket) if matches!(self.purpose, Purpose::Private(_)) && !ticket.session.is_plain() => {
                    ticket.session.fail(ticket.slot, run.left, &lost(&self.node.address.to_string(), why));
                }
                Owner::Session(ticket)
                    if unsent
                        || ticket.repeatable
                            && unknown.get(&Rc::as_ptr(&ticket.session)).is_none_or(|last| *last < place) =>
                {
                    let requests = remaining(requests, ticket.requests - run.left);
                    match self.purpose {
                        Purpose::Replica | Purpose::Private(_) => {
                            self.worker.redo(requests, ticket, run.left, "the connection was lost");
                        }
                        Purpose::Primary(_) => {
                            run.bytes = requests.len();
                            state.in_flight += run.left;
                            state.out.end().extend_from_slice(requests);
                            state.runs.push_back(Run {
                                owner: Owner::Session(Ticket { requests: run.left, needs: None, ..ticket }),
                                ..run
                            });
                        }
                    }
                }
                Owner::Session(ticket) => {
                    ticket.session.fail(ticket.slot, run.left, &lost(&self.node.address.to_string(), why));
                }
            }
        }
    }

    /// Connecting failed: what has waited too long is answered.
    pub(super) fn fail_to_open(&self, why: String) {
        let mut state = self.state.borrow_mut();
        if state.failure.as_ref() != Some(&why) {
            tracing::warn!(node = %self.node.address, reason = %why, "cannot connect");
        }
        state.failure = Some(why);
        if self.purpose == Purpose::Replica || self.refusal(&state).is_some() {
            drop(state);
            self.give_up();
        }
    }

    /// Answers everything that waits with an error.
    pub(super) fn give_up(&self) {
        let mut state = self.state.borrow_mut();
        let runs = std::mem::take(&mut state.runs);
        let out = std::mem::take(&mut state.out);
        state.in_flight = 0;
        let why = state.failure.clone().unwrap_or_else(|| "the connection is closed".to_owned());
        let session = state.session.take();
        // What waited for a primary that is none any more waits for the next one.
        let moved = matches!(self.purpose, Purpose::Primary(_)) && state.retired.is_some();
        drop(state);
        let mut at = 0;
        for run in runs {
            let requests = &out.unanswered()[at..at + run.bytes];
            at += run.bytes;
            match run.owner {
                Owner::Session(ticket) if self.purpose == Purpose::Replica => {
                    self.worker.redo(requests, ticket, run.left, "the replica cannot be reached");
                }
                Owner::Session(ticket) if moved => self.worker.redo(
                    remaining(requests, ticket.requests - run.left),
                    ticket,
                    run.left,
                    "the primary is another server now",
                ),
                Owner::Session(ticket) => ticket.session.fail(ticket.slot, run.left, &unreachable(&why)),
                Owner::Doubtful(doubt) => doubt.lose(run.left, &lost(&self.node.address.to_string(), &why)),
                Owner::Stream(session) => session.abort(),
                _ => {}
            }
        }
        if let (Purpose::Private(_), Some(session)) = (self.purpose, session) {
            session.private_closed();
        }
    }
}

/// For each session, its last run that may or may not have been executed: a read in front of that cannot be asked again, because the
/// answer could tell of what came behind it.
fn last_unknown(runs: &VecDeque<Run>, in_flight: usize) -> HashMap<*const Session, usize> {
    let mut at = 0;
    let mut last = HashMap::new();
    for (place, run) in runs.iter().enumerate() {
        match &run.owner {
            Owner::Session(ticket) if at < in_flight && !ticket.repeatable => {
                last.insert(Rc::as_ptr(&ticket.session), place);
            }
            _ => {}
        }
        at += run.bytes;
    }
    last
}

/// Ends the sessions of a connection whose task ended by a defect of ours: what they were to receive is not known any more.
pub(super) struct Abandon(pub(super) Rc<Connection>);

impl Drop for Abandon {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        tracing::error!(node = %self.0.node.address, "a connection ended by a defect of ours, and its sessions with it");
        let Ok(mut state) = self.0.state.try_borrow_mut() else { return };
        state.retired = Some("a defect of the ambassador ended the connection");
        let runs = std::mem::take(&mut state.runs);
        drop(state);
        self.0.worker.replace(&self.0);
        for run in runs {
            match run.owner {
                Owner::Session(Ticket { session, .. }) | Owner::Stream(session) => session.abort(),
                Owner::Doubtful(doubt) => doubt.abort(),
                _ => {}
            }
        }
    }
}

/// The requests behind the first `answered` ones.
pub(super) fn remaining(mut requests: &[u8], answered: u32) -> &[u8] {
    let limits = request::Limits { bulk: i64::MAX >> 1, client: request::Client::Known };
    for _ in 0..answered {
        match request::Scanner::default().step(requests, limits) {
            Ok(request::Step::Request(frame)) => requests = &requests[frame.len..],
            _ => return &[],
        }
    }
    requests
}

fn lost(node: &str, why: &str) -> String {
    format!(
        "ERR ambassador: the connection to {node} was lost before the reply ({why}); the command may or may not have been executed"
    )
}

/// The error for a command that was not sent.
pub fn unreachable(why: &str) -> String {
    format!("LOADING ambassador: the primary cannot be reached ({why}); nothing was executed, try again")
}
