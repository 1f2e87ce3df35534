//! Requests that could not be answered where they were sent, or that nobody can answer now.
//!
//! They go to the primary; while there is none they wait for the next picture of the servers, within the bounds of `held.rs`.

use std::rc::Rc;
use std::time::Instant;

use super::Worker;
use crate::ambassador_redis::session::Session;
use crate::ambassador_redis::topology::Node;
use crate::ambassador_redis::upstream::{Ticket, Way, unreachable};

impl Worker {
    /// Sends requests that another connection could not answer to the primary.
    pub fn redo(self: &Rc<Self>, requests: &[u8], ticket: Ticket, replies: u32, why: &'static str) {
        self.stats().redone(why, replies);
        ticket.session.detour();
        self.to_primary(requests, Ticket { requests: replies, needs: None, torn: false, ..ticket });
    }

    /// Keeps a request that a server refused because it is no primary any more, until there is another one.
    pub fn wait_for_other(self: &Rc<Self>, refused_by: &Node, requests: &[u8], ticket: Ticket) {
        ticket.session.detour();
        let ticket = Ticket { needs: None, ..ticket };
        let is_other = self.topology.borrow().primary.as_ref().is_ok_and(|primary| primary.number != refused_by.number);
        match is_other {
            true => self.to_primary(requests, ticket),
            false => self.hold(requests, ticket, "it is read-only now"),
        }
    }

    /// Sends requests to the primary, or holds them until there is one.
    fn to_primary(self: &Rc<Self>, requests: &[u8], ticket: Ticket) {
        let (session, slot, replies) = (ticket.session.clone(), ticket.slot, ticket.requests);
        match &session.lines().primary {
            Ok(_) if ticket.way == Way::Own => {
                // Later: the connection that refused them is being looked at.
                let requests = requests.to_vec();
                self.spawn(async move { session.again(&requests, ticket) });
            }
            Ok(primary) => {
                if let Err(why) = primary.append(requests, ticket) {
                    session.fail(slot, replies, &unreachable(&why.0));
                }
            }
            Err(why) => self.hold(requests, ticket, why),
        }
    }

    /// Whether requests without a primary wait for one.
    pub fn may_hold(&self, bytes: usize) -> bool {
        self.had_primary.get() && !self.policy().failover_hold.is_zero() && self.held.borrow().has_room(bytes)
    }

    /// Keeps requests until the roles change. They fail if that takes too long, or if there was never a primary.
    pub fn hold(&self, requests: &[u8], ticket: Ticket, why: &str) {
        let (replies, change) = (ticket.requests, self.changes.get());
        let refused = match self.may_hold(requests.len()) {
            true => self.held.borrow_mut().push(requests, ticket, replies, why, change).err(),
            false => Some(ticket),
        };
        if let Some(ticket) = refused {
            ticket.session.fail(ticket.slot, replies, &unreachable(why));
        }
    }

    /// Sends what waited for another picture of the servers.
    pub(super) fn release_held(self: &Rc<Self>) {
        let released = self.held.borrow_mut().release(self.changes.get());
        for held in released {
            self.to_primary(&held.requests, held.ticket);
        }
    }

    /// A connection is up, or the roles have changed: those who waited for that look again.
    pub fn became_ready(&self) {
        let had = self.had_primary.get()
            || self.lines.borrow().values().any(|lines| lines.primary.as_ref().is_ok_and(|primary| primary.is_ready()));
        self.had_primary.set(had);
        if had {
            self.primary_up.set(Some(Instant::now()));
        }
        for session in self.waiting.borrow_mut().drain(..) {
            session.wake();
        }
    }

    pub fn wake_when_ready(&self, session: &Rc<Session>) {
        self.waiting.borrow_mut().push(session.clone());
    }
}
