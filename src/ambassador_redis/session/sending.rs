//! From a run to its connection: which one it takes, what a replica must prove for it, and the place of its replies.
//!
//! A batch comes in; it is appended to a connection, held until there is a primary, refused with an error that says why, or told to wait
//! until the earlier requests of its session are answered elsewhere.

use std::rc::Rc;
use std::time::Instant;

use crate::ambassador_redis::command::Class;
use crate::ambassador_redis::consistency::Mark;
use crate::ambassador_redis::resp::encode;
use crate::ambassador_redis::resp::request::arguments;
use crate::ambassador_redis::route::{Question, Reason, Target, route};
use crate::ambassador_redis::upstream::{Connection, Observe, Purpose, Ticket, Way, unreachable};

use super::intake::{Batch, Taken};
use super::{Session, State};

/// Why there is no connection for a batch.
enum Nobody {
    Primary(String),
    Replica,
}

impl Session {
    /// Sends one request that needs its own run.
    pub(super) fn send_one(
        self: &Rc<Self>,
        state: &mut State,
        bytes: &[u8],
        class: Class,
        observe: Option<Observe>,
    ) -> Taken {
        let mut batch = Batch::at(0);
        let name = arguments(bytes).next().unwrap_or_default();
        batch.add(class, self.worker.table().find(name).number);
        self.send(state, bytes, &batch, observe)
    }

    pub(super) fn send(
        self: &Rc<Self>,
        state: &mut State,
        bytes: &[u8],
        batch: &Batch,
        observe: Option<Observe>,
    ) -> Taken {
        if state.current.is_none() && state.private.is_none() && !state.slots.is_empty() {
            // Earlier requests wait for a primary.
            return Taken::NotYet;
        }
        let (connection, needs) = match &state.private {
            Some(private) if state.is_apart() => (private.clone(), None),
            _ => {
                match self.target(state, batch) {
                    Ok((connection, needs)) => (self.named(state, batch, connection), needs),
                    Err(_) if !state.slots.is_empty() => return Taken::NotYet,
                    Err(Nobody::Replica) => {
                        return self.refuse(state, batch.requests, "MASTERDOWN ambassador: no replica may answer now (--read-from replica), nothing was executed");
                    }
                    Err(Nobody::Primary(why)) => {
                        if !self.worker.may_hold(bytes.len()) {
                            return self.refuse(state, batch.requests, &unreachable(&why));
                        }
                        let ticket = self.ticket(state, batch, observe, None, Way::Shared);
                        self.worker.hold(bytes, ticket, &why);
                        return Taken::Yes;
                    }
                }
            }
        };
        let (connection, needs) = match &state.current {
            Some(current) if !Rc::ptr_eq(current, &connection) => {
                // The primary may answer what a replica may; anything else waits for the earlier replies.
                let is_own = state.private.as_ref().is_some_and(|private| Rc::ptr_eq(private, current));
                if state.is_apart() || !batch.reads || !(is_own || state.lines.is_primary(current)) {
                    return Taken::NotYet;
                }
                (current.clone(), None)
            }
            _ => (connection, needs),
        };
        let way = match connection.purpose {
            Purpose::Private(_) => Way::Own,
            _ => Way::Shared,
        };
        let ticket = self.ticket(state, batch, observe, needs, way);
        let slot = ticket.slot;
        match connection.append(bytes, ticket) {
            Ok(()) => {
                state.waits = matches!(batch.class, Class::Blocking | Class::Wait);
                state.current = Some(connection);
                Taken::Yes
            }
            Err(why) => {
                let mut reply = Vec::new();
                (0..batch.requests).for_each(|_| encode::error(&mut reply, &unreachable(&why.0)));
                if state.slots.is_first(slot) {
                    self.write(state, &reply);
                } else {
                    state.slots.park(slot, &reply);
                }
                state.slots.answered(slot, batch.requests);
                while let Some(parked) = state.slots.next_ready() {
                    self.write(state, &parked);
                }
                self.worker.stats().failed(batch.requests);
                Taken::Yes
            }
        }
    }

    /// What a client with a name writes goes over the connection that bears the name; and what it reads, if no replica
    /// ever could or the primary is what it is about.
    fn named(self: &Rc<Self>, state: &mut State, batch: &Batch, connection: Rc<Connection>) -> Rc<Connection> {
        let is_looked_at = state.operates || self.worker.is_debugged();
        let is_shared = batch.reads && !state.lines.replicas.is_empty() && !is_looked_at;
        if !state.is_named() || is_shared || !state.lines.is_primary(&connection) {
            return connection;
        }
        if state.private.is_none() && state.slots.is_empty() {
            state.private = self.attach(state).ok();
        }
        state.private.clone().unwrap_or(connection)
    }

    /// Opens the place for the replies.
    fn ticket(
        self: &Rc<Self>,
        state: &mut State,
        batch: &Batch,
        observe: Option<Observe>,
        needs: Option<Mark>,
        way: Way,
    ) -> Ticket {
        Ticket {
            session: self.clone(),
            slot: state.slots.open(batch.requests),
            requests: batch.requests,
            class: batch.class,
            command: batch.command,
            repeatable: batch.repeatable && observe.is_none(),
            needs,
            way,
            observe,
            started: Instant::now(),
            torn: false,
            received: 0,
            uploaded: false,
        }
    }

    /// Answers requests that nobody can execute now.
    pub(super) fn refuse(&self, state: &mut State, requests: u32, text: &str) -> Taken {
        let mut reply = Vec::new();
        (0..requests).for_each(|_| encode::error(&mut reply, text));
        self.worker.stats().failed(requests);
        self.answer(state, &reply);
        Taken::Yes
    }

    /// Which shared connection the batch goes to, and what a replica must prove.
    fn target(&self, state: &mut State, batch: &Batch) -> Result<(Rc<Connection>, Option<Mark>), Nobody> {
        if state.lines.epoch != self.worker.epoch() {
            state.lines = self.worker.lines(&state.line);
        }
        let lines = state.lines.clone();
        let primary = || lines.primary.clone().map(|primary| (primary, None)).map_err(Nobody::Primary);
        let reason = match () {
            () if !batch.reads => Some(Reason::Command),
            () if state.operates || self.worker.is_debugged() => Some(Reason::Policy),
            () if lines.replicas.is_empty() => Some(Reason::NoReplica),
            () => None,
        };
        if let Some(reason) = reason {
            state.told = true;
            self.worker.stats().routed_to_primary(reason, batch.requests);
            return primary();
        }
        let policy = self.worker.policy();
        let reach = self.worker.watermark().reach();
        let question = Question {
            reads: batch.reads,
            read_from: policy.read_from,
            consistency: policy.consistency,
            primary_ready: lines.primary.as_ref().is_ok_and(|primary| primary.is_ready()),
            primary_in_flight: lines.primary.as_ref().map_or(u32::MAX, |primary| primary.in_flight()),
            primary_tier: lines.primary.as_ref().map_or(0, |primary| primary.node.tier()),
            settled: reach.mark.is_some(),
            reach: reach.mark.unwrap_or_default(),
            told: state.told,
            sticky: state.sticky,
            session: self.id,
        };
        self.worker.note_read();
        match route(&question, lines.replicas.iter().map(|replica| replica.candidate(reach.generation))) {
            Target::Primary(reason) => {
                if reason == Reason::Behind {
                    lines
                        .replicas
                        .iter()
                        .filter(|replica| replica.is_ready())
                        .for_each(|replica| replica.ask_applied());
                }
                state.told = true;
                self.worker.stats().routed_to_primary(reason, batch.requests);
                primary()
            }
            Target::Replica { index, needs, moved } => {
                let replica = &lines.replicas[index];
                state.sticky = Some(replica.node.number);
                if moved && policy.is_guarded() {
                    // The replica that it leaves may have shown more than this one has: ask the primary, which covers both.
                    state.told = true;
                    self.worker.acknowledge(self.worker.private_lane());
                    self.worker.stats().routed_to_primary(Reason::Unsettled, batch.requests);
                    return primary();
                }
                self.worker.stats().routed_to_replica(batch.requests);
                Ok((replica.clone(), needs))
            }
            Target::Nobody => Err(Nobody::Replica),
        }
    }
}
