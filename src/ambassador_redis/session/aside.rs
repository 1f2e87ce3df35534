//! What is done beside the way of a request: counting, a sample of the keys, copies for a mirror, faults on purpose.

use std::rc::Rc;
use std::time::Duration;

use crate::ambassador_redis::command::Entry;
use crate::ambassador_redis::faults::{Fault, Faults};
use crate::ambassador_redis::resp::request::Frame;

use super::{Mode, Session, State};

impl Session {
    /// A request is seen for the first time.
    pub(super) fn note(&self, state: &State, entry: &Entry, bytes: &[u8], frame: &Frame) {
        self.worker.stats().command(entry.number);
        if self.worker.is_sampled() {
            self.worker.note_key(entry.class, frame.name.of(bytes), frame.second.of(bytes));
        }
        if let Some(mirror) = self.worker.mirror()
            && mirror.wants(entry.class)
            && !entry.denied
            && !matches!(state.mode, Mode::Transaction { .. })
            && mirror.draws(|| self.worker.random_part())
        {
            mirror.push(state.line.db, bytes);
        }
    }

    /// The fault of a request that is seen for the first time.
    pub(super) fn strike(&self, faults: &Faults, bytes: &[u8], frame: &Frame) -> Option<Fault> {
        faults.strike(frame.name.of(bytes), || self.worker.random_part())
    }

    /// Takes nothing more in for so long.
    pub(super) fn delay(self: &Rc<Self>, state: &mut State, delay: Duration) {
        state.delayed = true;
        let session = self.clone();
        self.worker.spawn(async move {
            tokio::time::sleep(delay).await;
            session.state.borrow_mut().delayed = false;
            session.wake();
        });
    }
}
