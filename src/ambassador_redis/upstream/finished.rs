//! The end of a run: it is counted, and remembered if it was slow or large.

use std::time::{Instant, SystemTime};

use crate::ambassador_redis::command::Class;
use crate::ambassador_redis::insight::{Slow, has_key, shown_arguments};
use crate::ambassador_redis::metrics::MIXED;
use crate::ambassador_redis::resp::request::arguments;

use super::connection::Connection;
use super::run::{Owner, Run};
use super::state::State;

/// A request or a reply of more bytes is noted with its key.
const LARGE: usize = 64 * 1024;

impl Connection {
    /// The front run has its last reply.
    pub(super) fn note_finished(&self, state: &State, now: Instant) {
        let Some(Run { owner: Owner::Session(ticket), bytes, .. }) = state.runs.front() else { return };
        let stats = self.worker.stats();
        let took = now.saturating_duration_since(ticket.started);
        stats.replied(ticket, took, self.purpose, &self.counts);
        let waits = matches!(ticket.class, Class::Blocking | Class::Wait);
        let is_slow = took >= self.worker.policy().slow && !waits;
        let large = (*bytes).max(ticket.received);
        if !is_slow && large < LARGE {
            return;
        }
        // What was passed on as it came is not kept.
        let request = state.out.unanswered().get(..*bytes).unwrap_or_default();
        if is_slow {
            self.worker.slowlog().add(Slow {
                at: SystemTime::now(),
                took,
                session: ticket.session.id,
                peer: ticket.session.peer,
                node: self.node.address.to_string(),
                requests: ticket.requests,
                arguments: shown_arguments(request),
            });
        }
        let mut words = arguments(request);
        if let (Some(name), Some(key)) = (words.next(), words.next())
            && large >= LARGE
            && ticket.command != MIXED
            && has_key(ticket.class, name)
        {
            stats.keys().note_large(key, ticket.command, large / ticket.requests.max(1) as usize);
        }
    }
}
