//! A request that the session's own connection could not answer, because its server is no primary any more: asked again of the next one.
//!
//! Only what was not executed comes here, with its place among the replies. A client that has gone meanwhile is given nothing.

use std::rc::Rc;

use crate::ambassador_redis::command::{Class, with_remaining_wait};
use crate::ambassador_redis::upstream::{Ticket, unreachable};

use super::{Ending, Session, Wire};

impl Session {
    /// Sends requests on a connection of the session's own, a new one if the one that it has is not the primary's.
    pub fn again(self: &Rc<Self>, requests: &[u8], ticket: Ticket) {
        let mut state = self.state.borrow_mut();
        if state.ending == Ending::Now || matches!(state.transport, Wire::Closed) {
            return;
        }
        let (slot, replies) = (ticket.slot, ticket.requests);
        let private = match state.private.take() {
            Some(private) if self.worker.is_current(&private) => Ok(private),
            old => {
                if let Some(old) = old {
                    // What else it was asked is still answered.
                    old.belong_to(None);
                    old.leave();
                }
                self.attach(&state)
            }
        };
        let waits = (ticket.class == Class::Blocking).then(|| with_remaining_wait(requests, ticket.started.elapsed()));
        let sent = private.and_then(|private| {
            (state.private, state.current) = (Some(private.clone()), Some(private.clone()));
            private.append(waits.as_deref().unwrap_or(requests), ticket).map_err(|why| why.0)
        });
        drop(state);
        if let Err(why) = sent {
            self.fail(slot, replies, &unreachable(&why));
        }
    }
}
