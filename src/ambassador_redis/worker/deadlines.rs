//! What is looked at ten times a second: who waits too long, who says nothing any more.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use crate::ambassador_redis::upstream::{Purpose, unreachable};

/// How often deadlines are looked at.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// After how many of them it is asked which connections nobody uses any more.
const UNUSED: u32 = 100;
/// How long a client may keep others waiting behind a large reply that it does not read.
const PATIENCE: Duration = Duration::from_secs(5);

impl Worker {
    /// Looks at the deadlines.
    pub(super) fn tick(self: &Rc<Self>) {
        self.second.set(u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX));
        if let Some(timeout) = self.policy().reply_timeout {
            for connection in self.connections.borrow().values() {
                if connection.waits_since().is_some_and(|since| since.elapsed() > timeout) {
                    tracing::warn!(node = %connection.node.address, "a server leaves requests unanswered; its connection is given up");
                    connection.reset("it left a request unanswered for too long");
                }
            }
        }
        if let Some(timeout) = self.policy().idle_timeout {
            for session in self.sessions.borrow().values() {
                if Duration::from_secs(u64::from(self.second.get() - session.active.get())) > timeout {
                    session.leave_idle();
                }
            }
        }
        let expired = self.held.borrow_mut().expire(self.policy().failover_hold);
        for held in expired {
            held.ticket.session.fail(held.ticket.slot, held.replies, &unreachable(&held.why));
        }
        self.follow_policy();
        self.recheck_users();
        self.follow_ended();
        self.weigh_replicas();
        self.leave_silent_replicas();
        self.pool.borrow_mut().retain(|connection| !connection.is_over());
        self.privates.borrow_mut().retain(|connection| connection.strong_count() > 0);
        self.warm();
        self.ticks.set(self.ticks.get().wrapping_add(1));
        if self.ticks.get().is_multiple_of(UNUSED) {
            self.leave_unused();
        }
        self.leaving.borrow_mut().retain(|connection| {
            connection.unclog(PATIENCE);
            let is_primary =
                self.topology.borrow().primary.as_ref().is_ok_and(|node| node.number == connection.node.number);
            if !is_primary && connection.waits_since().is_some_and(|since| since.elapsed() > PATIENCE) {
                connection.retire("the server has another role now, and leaves a request unanswered");
            }
            !connection.is_over()
        });
    }

    /// Closes the sessions whose users have lost their rights.
    fn recheck_users(&self) {
        let Some(users) = self.users() else { return };
        let mut seen = self.users.borrow_mut();
        if seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &users)) {
            return;
        }
        for session in self.sessions.borrow().values() {
            session.recheck(&users);
        }
        *seen = Some(users);
    }

    /// Ends the sessions that a client has ended.
    pub(super) fn follow_ended(&self) {
        let ended = self.shared.ended.load_full();
        if Arc::ptr_eq(&ended, &self.ended.borrow()) {
            return;
        }
        for session in self.sessions.borrow().values() {
            session.end_by(&ended);
        }
        *self.ended.borrow_mut() = ended;
    }

    /// Takes reads back from replicas that leave them unanswered while they do not answer the probe either.
    fn leave_silent_replicas(&self) {
        let generation = self.generation();
        for connection in self.connections.borrow().values() {
            if connection.purpose != Purpose::Replica {
                continue;
            }
            let Some(since) = connection.waits_since() else { continue };
            if since.elapsed() < self.policy().replica_patience {
                continue;
            }
            self.suspect();
            if !connection.node.is_fit(generation) {
                connection.reset("it answers neither reads nor the probe");
            }
        }
    }
}
