//! What is done beside the way of a request: a copy for a mirror, a fault on purpose, and replies that the client does not want.

use std::time::Duration;

use crate::ambassador_redis::command::Entry;
use crate::ambassador_redis::faults::{self, Fault};
use crate::ambassador_redis::resp::request::{Frame, arguments};
use crate::ambassador_redis::users::Access;
use crate::core::backoff::spread;

use super::Front;
use super::intake::Taken;

/// Which replies a client does not want (`CLIENT REPLY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Silence {
    #[default]
    No,
    /// That of the next request.
    Once,
    Always,
}

impl Front {
    /// Copies a request that is seen for the first time for the mirror, if that is to have it.
    pub(super) fn mirror(&self, entry: &Entry, bytes: &[u8]) {
        let Some(mirror) = &self.fleet.shared.mirror else { return };
        let may = self.access == Access::All || self.access == Access::Read && !entry.class.may_write();
        let is_open = self.transaction.as_ref().is_some_and(|transaction| transaction.is_open());
        if may && !is_open && !entry.denied && mirror.wants(entry.class) && mirror.draws(random_part) {
            mirror.push(0, bytes);
        }
    }

    /// The fault of a request that is seen for the first time.
    pub(super) fn strike(&self, bytes: &[u8], frame: &Frame) -> Option<Fault> {
        let policy = self.fleet.shared.policy.load();
        policy.faults.as_ref()?.strike(frame.name.of(bytes), random_part)
    }

    /// Answers with an error on purpose; a transaction is spoilt by it, as by any refusal.
    pub(super) fn err_on_purpose(&mut self) -> Taken {
        match self.transaction.as_ref().is_some_and(|transaction| transaction.is_open()) {
            true => self.break_off(faults::ON_PURPOSE),
            false => {
                self.refuse(faults::ON_PURPOSE);
                Taken::Yes
            }
        }
    }

    /// Takes nothing more in for so long.
    pub(super) fn delay(&self, delay: Duration) {
        let handle = self.handle.clone();
        handle.delayed.set(true);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(delay).await;
            handle.delayed.set(false);
            handle.wake();
        });
    }

    /// `CLIENT REPLY`.
    pub(super) fn set_silence(&mut self, bytes: &[u8]) {
        let words: Vec<Vec<u8>> = arguments(bytes).skip(2).map(<[u8]>::to_ascii_lowercase).collect();
        match words.iter().map(Vec::as_slice).collect::<Vec<_>>().as_slice() {
            [b"on"] => {
                self.silence = Silence::No;
                self.order.unmute();
                self.answer(b"+OK\r\n");
            }
            [b"off"] => self.silence = Silence::Always,
            [b"skip"] if self.silence == Silence::Always => {}
            [b"skip"] => self.silence = Silence::Once,
            [_] => self.refuse("ERR syntax error"),
            _ => self.refuse("ERR wrong number of arguments for 'client|reply' command"),
        }
    }

    /// A request begins; returns whether its reply, and only that, is not wanted.
    pub(super) fn begin_silence(&mut self) -> Silence {
        let silence = self.silence;
        if silence == Silence::Once {
            self.silence = Silence::No;
        }
        match silence {
            Silence::No => self.order.unmute(),
            _ => self.order.mute(),
        }
        silence
    }

    /// A request was taken, or not yet; what is answered outside of requests is wanted as those that follow are.
    pub(super) fn end_silence(&mut self, began: Silence, taken: Taken) {
        if taken == Taken::NotYet {
            self.silence = began;
        }
        match self.silence {
            Silence::No => self.order.unmute(),
            _ => self.order.mute(),
        }
    }
}

/// A number from 0 up to 1.
fn random_part() -> f64 {
    spread(Duration::from_secs(1)).as_secs_f64()
}
