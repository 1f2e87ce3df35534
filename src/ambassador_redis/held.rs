//! Requests that wait for a primary: none is known now, or the one that was known refused them.
//!
//! They are bounded in bytes and in time, and leave in the order in which they came.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::upstream::Ticket;

/// What all held requests of a worker may take.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The requests of one run.
#[derive(Debug)]
pub struct Held {
    pub requests: Vec<u8>,
    pub ticket: Ticket,
    pub replies: u32,
    pub why: String,
    /// The change of the roles that it waits to be followed by another.
    pub change: u64,
    since: Instant,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    held: VecDeque<Held>,
    bytes: usize,
}

impl Queue {
    /// Whether so many bytes more may be held.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes <= MAX_BYTES
    }

    /// Takes a run in; gives its ticket back if there is no room.
    ///
    /// # Errors
    /// The ticket, if too much is held already.
    pub fn push(
        &mut self,
        requests: &[u8],
        ticket: Ticket,
        replies: u32,
        why: &str,
        change: u64,
    ) -> Result<(), Ticket> {
        if !self.has_room(requests.len()) {
            return Err(ticket);
        }
        self.bytes += requests.len();
        let (requests, why) = (requests.to_vec(), why.to_owned());
        self.held.push_back(Held { requests, ticket, replies, why, change, since: Instant::now() });
        Ok(())
    }

    /// Gives out what waited for a change that has come.
    pub fn release(&mut self, change: u64) -> Vec<Held> {
        self.take(|held| held.change != change)
    }

    /// Gives out what has waited too long.
    pub fn expire(&mut self, patience: Duration) -> Vec<Held> {
        self.take(|held| held.since.elapsed() > patience)
    }

    fn take(&mut self, wanted: impl Fn(&Held) -> bool) -> Vec<Held> {
        let (out, kept): (Vec<Held>, Vec<Held>) = self.held.drain(..).partition(wanted);
        self.held = kept.into();
        self.bytes -= out.iter().map(|held| held.requests.len()).sum::<usize>();
        out
    }
}
