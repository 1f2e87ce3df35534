//! The state of a connection: its stream, the bytes on their way, and the queue of runs whose replies it awaits.

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;

use crate::ambassador_redis::consistency::{History, Mark};
use crate::ambassador_redis::resp::encode;
use crate::ambassador_redis::resp::reply::Scanner;
use crate::ambassador_redis::session::Session;
use crate::ambassador_redis::topology::Seat;
use crate::ambassador_redis::transport::Transport;

use super::outbound::Outbound;
use super::run::{Owner, Run, Ticket};
use super::stream::{Stream, own};

#[derive(Default)]
pub(super) struct State {
    pub(super) transport: Option<Transport>,
    /// Its place among the connections to the server, while it is connected.
    pub(super) seat: Option<Seat>,
    pub(super) out: Outbound,
    pub(super) runs: VecDeque<Run>,
    pub(super) scanner: Scanner,
    /// The beginning of a reply that must be seen whole before it is acted upon.
    pub(super) carry: Vec<u8>,
    /// The replication history that a primary told last.
    pub(super) history: History,
    /// The generation in which it was asked for that again: its history has another name once the first replica comes.
    pub(super) asked_history: u64,
    /// The offset that this server is known to have applied.
    pub(super) applied: Mark,
    /// Whether a `ROLE` waits unsent before the reads of this turn.
    pub(super) asks_applied: bool,
    /// Requests were appended since the last `ROLE` behind a batch.
    pub(super) unmarked: bool,
    /// The last answer about the offset did not suffice.
    pub(super) behind: bool,
    pub(super) hello: Option<Rc<[u8]>>,
    /// Why the last attempt to connect failed.
    pub(super) failure: Option<String>,
    pub(super) last_up: Option<Instant>,
    pub(super) in_flight: u32,
    pub(super) retired: Option<&'static str>,
    pub(super) spoiled: bool,
    /// A session has, or had, this private connection.
    pub(super) used: bool,
    /// Why the stream is given up.
    pub(super) broken: Option<&'static str>,
    /// The session whose reply is too large for what its client reads, and since when.
    pub(super) clog: Option<(Rc<Session>, Instant)>,
    /// The stream of its session, if it has come to that.
    pub(super) stream: Stream,
    /// The second in which the server last said something.
    pub(super) heard: u32,
    /// Another connection carries what comes from now on.
    pub(super) replaced: bool,
    pub(super) session: Option<Rc<Session>>,
    pub(super) waker: Option<Waker>,
}

impl State {
    /// Whether replies to other sessions come behind those to this one.
    pub(super) fn others_wait(&self, session: &Rc<Session>) -> bool {
        self.runs
            .iter()
            .any(|run| matches!(&run.owner, Owner::Session(ticket) if !Rc::ptr_eq(session, &ticket.session)))
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    pub(super) fn push(&mut self, requests: &[u8], ticket: Ticket, generation: u64) {
        if ticket.needs.is_some() && !self.asks_applied {
            self.ask_applied(generation);
        }
        self.unmarked = true;
        self.in_flight += ticket.requests;
        self.out.end().extend_from_slice(requests);
        self.runs.push_back(Run { left: ticket.requests, bytes: requests.len(), owner: Owner::Session(ticket) });
    }

    pub(super) fn own(&mut self, arguments: &[&[u8]], owner: Owner) {
        let buffer = self.out.end();
        let before = buffer.len();
        encode::command(buffer, arguments);
        let bytes = buffer.len() - before;
        self.runs.push_back(Run { owner, left: 1, bytes });
    }

    pub(super) fn ask_applied(&mut self, generation: u64) {
        self.asks_applied = true;
        self.own(&[own::ROLE], Owner::Applied(generation));
    }

    pub(super) fn requeue(&mut self, runs: VecDeque<Run>, bytes: &[u8], generation: u64) {
        let mut at = 0;
        for run in runs {
            let requests = &bytes[at..at + run.bytes];
            at += run.bytes;
            match run.owner {
                Owner::Session(ticket) => self.push(requests, ticket, generation),
                owner => {
                    self.out.end().extend_from_slice(requests);
                    self.runs.push_back(Run { owner, ..run });
                }
            }
        }
    }

    /// The front run has its last reply.
    pub(super) fn finish_front(&mut self) {
        let Some(run) = self.runs.front() else { return };
        if run.left > 0 {
            return;
        }
        self.out.mark_answered(run.bytes);
        if let Owner::Session(ticket) = &run.owner {
            self.in_flight -= ticket.requests.min(self.in_flight);
        }
        self.runs.pop_front();
    }
}
