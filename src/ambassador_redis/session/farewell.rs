//! The end of the process, as a client sees it: what it has asked is answered; whoever waits or listens is told why that ends.
//!
//! A client that waits at the server (`BLPOP`) is let go by the server itself, so that an element that was popped in the last moment
//! still reaches it.

use super::{Ending, Mode, Position, Session};

/// What the server answers to whom we let go.
const LET_GO: &[u8] = b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n";
/// Clients connect again after an error that begins like this.
const ENDING: &[u8] = b"-LOADING ambassador: it is ending, and nothing was executed; connect again\r\n";

/// The answer to a client that was let go.
pub(super) fn translated(reply: &[u8]) -> &[u8] {
    if reply == LET_GO { ENDING } else { reply }
}

impl Session {
    /// Ends when everything that has arrived is answered.
    pub fn drain(&self) {
        let mut state = self.state.borrow_mut();
        state.draining = true;
        if state.mode == Mode::Stream {
            if state.position == Position::Between {
                self.write(&mut state, ENDING);
            }
            state.ending = Ending::Now;
        }
        let waiting_on = state.waits.then(|| state.private.clone());
        drop(state);
        // Who waits for the next primary waits nowhere.
        if let Some(private) = waiting_on
            && !private.is_some_and(|private| self.worker.let_go(&private))
        {
            self.cut();
        }
        self.wake();
    }

    /// Ends a session that still waits, although it was to be let go.
    pub fn cut(&self) {
        let mut state = self.state.borrow_mut();
        if state.waits {
            self.write(&mut state, ENDING);
            state.ending = Ending::Now;
        }
        drop(state);
        self.wake();
    }

    /// Ends if nothing is awaited; a client that waits or listens is not idle.
    pub fn leave_idle(&self) {
        let mut state = self.state.borrow_mut();
        if !state.waits && state.mode != Mode::Stream {
            state.draining = true;
        }
        drop(state);
        self.wake();
    }
}
