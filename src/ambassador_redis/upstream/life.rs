//! The life of a connection: it opens, sends and receives until it is lost, and opens again if it is shared.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::ambassador_redis::consistency::Mark;
use crate::ambassador_redis::resp::reply::Scanner;
use crate::core::backoff::Backoff;

use super::connection::{Connection, Purpose};
use super::handshake::Greeting;
use super::role::Role;
use super::run::{Owner, Run, Ticket};
use super::state::State;
use super::stream::own;

/// Reads in one turn of the task, so that one busy server cannot starve the others.
const READS_A_TURN: usize = 8;

impl Connection {
    /// The life of a shared connection.
    pub(super) async fn keep(self: Rc<Self>) {
        let mut backoff = Backoff::new(self.worker.policy().reconnect_first, self.worker.policy().reconnect_longest);
        while !self.is_over() && !self.state.borrow().replaced {
            match self.open().await {
                Ok(()) => {
                    backoff.reset();
                    let why = poll_fn(|cx| self.drive(cx)).await;
                    self.lose(&why);
                    self.worker.suspect();
                }
                Err(why) => {
                    self.worker.suspect();
                    self.fail_to_open(why);
                }
            }
            if self.is_over() || self.state.borrow().replaced {
                break;
            }
            self.worker.pause(backoff.next_pause()).await;
        }
        self.retire("another connection has taken its place");
        self.give_up();
    }

    /// The life of a private connection.
    pub(super) async fn once(self: Rc<Self>) {
        match self.open().await {
            Ok(()) => {
                let why = poll_fn(|cx| self.drive(cx)).await;
                self.lose(&why);
            }
            Err(why) => self.state.borrow_mut().failure = Some(why),
        }
        let was_wanted = self.state.borrow().retired.is_none();
        self.state.borrow_mut().retired.get_or_insert("the connection is closed");
        self.give_up();
        if was_wanted {
            self.worker.miss();
        }
    }

    async fn open(&self) -> Result<(), String> {
        let seat = self.state.borrow_mut().seat.take().unwrap_or_else(|| self.node.seat());
        let (transport, greeting) = self.worker.connect(&self.node, &self.line, self.purpose).await?;
        match (self.purpose, greeting.role) {
            (Purpose::Primary(_), Some(Role::Replica { .. })) => {
                return Err(format!("{} is a replica now, not the primary", self.node.address));
            }
            (Purpose::Replica, Some(Role::Primary { .. })) => {
                return Err(format!("{} is a primary now, not a replica", self.node.address));
            }
            _ => {}
        }
        let mut state = self.state.borrow_mut();
        let Greeting { hello, history, .. } = greeting;
        state.hello = Some(hello.into());
        (state.transport, state.seat) = (Some(transport), Some(seat));
        state.scanner = Scanner::default();
        state.carry.clear();
        (state.applied, state.asked_history) = (Mark::default(), 0);
        (state.asks_applied, state.unmarked, state.behind) = (false, false, false);
        state.failure = None;
        if matches!(self.purpose, Purpose::Primary(_)) {
            // It may be another server now, with another history: then the replicas must be proved anew.
            state.history = self.worker.enter_history(history, state.last_up);
        }
        state.last_up = Some(Instant::now());
        // What waited while there was no connection is queued again, so that ROLE stands where this connection needs it.
        let waiting = std::mem::take(&mut state.runs);
        let bytes = std::mem::take(&mut state.out);
        state.in_flight = 0;
        state.requeue(waiting, bytes.unanswered(), self.worker.generation());
        drop(state);
        self.worker.became_ready();
        Ok(())
    }

    /// Sends and receives until the connection is lost; the text says why.
    fn drive(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<String> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        for _ in 0..READS_A_TURN {
            if let Some(why) = state.retired.or(state.broken.take()) {
                return Poll::Ready(why.to_owned());
            }
            if let Err(error) = self.send(state, cx) {
                return Poll::Ready(error.to_string());
            }
            let Some(transport) = &mut state.transport else { return Poll::Ready("it is not connected".to_owned()) };
            if state.session.as_ref().is_some_and(|session| session.is_clogged()) {
                return Poll::Pending;
            }
            if let Some((session, _)) = &state.clog {
                if session.is_clogged() {
                    return Poll::Pending;
                }
                state.clog = None;
            }
            if state.replaced && state.runs.is_empty() {
                return Poll::Ready("another connection has taken its place".to_owned());
            }
            let mut scratch = self.worker.upstream_scratch();
            let read = match transport.poll_read(cx, &mut scratch) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready("it closed the connection".to_owned()),
                Poll::Ready(Ok(read)) => read,
                Poll::Ready(Err(error)) => return Poll::Ready(error.to_string()),
            };
            if let Err(why) = self.receive(state, &scratch[..read]) {
                return Poll::Ready(why);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn send(&self, state: &mut State, cx: &mut Context<'_>) -> std::io::Result<()> {
        if matches!(self.purpose, Purpose::Primary(_)) && state.unmarked && self.worker.wants_mark() {
            state.unmarked = false;
            if let Some(pending) = self.worker.watermark().mark(state.history) {
                state.own(&[own::ROLE], Owner::Watermark(pending));
            } else if state.asked_history != self.worker.generation() {
                state.asked_history = self.worker.generation();
                state.own(&[own::INFO, b"replication"], Owner::History);
            }
        }
        let Some(transport) = &mut state.transport else { return Ok(()) };
        while !state.out.unsent().is_empty() {
            match transport.poll_write(cx, state.out.unsent()) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(std::io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => state.out.mark_sent(written),
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        state.asks_applied = false;
        // What is never sent again need not be kept.
        if let Some(Run {
            owner: Owner::Stream(session) | Owner::Session(Ticket { session, uploaded: true, .. }),
            bytes,
            ..
        }) = state.runs.front_mut()
        {
            let sent = state.out.in_flight().min(*bytes);
            *bytes -= sent;
            state.out.mark_answered(sent);
            if sent > 0 {
                session.wake();
            }
        }
        Ok(())
    }
}
