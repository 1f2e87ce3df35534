//! Large requests with one key: passed on as they come, on the session of their shard, and not kept.

use crate::ambassador_redis::command::Class;
use crate::ambassador_redis::resp::request::{Limits, Scanner, Upload as Rest};

use super::super::keys::Keys;
use super::super::plan::Plan;
use super::super::slots::slot;
use super::intake::Taken;
use super::legs::{Awaited, Kind, Owner, Target};
use super::{Ending, Front, Upload};

impl Front {
    /// Begins to pass a large request with one key on; returns how much was passed on. Later if something is awaited.
    pub(super) fn begin_upload(&mut self, input: &[u8]) -> Option<usize> {
        let (name, key) = (self.scanner.name()?, self.scanner.second()?);
        let commands = self.fleet.commands();
        let entry = commands.table.find(name.of(input));
        let has_one_key = matches!(
            commands.plans.of(entry.number, name.of(input), b""),
            Plan::Keyed(Keys::Range { first: 1, last: 1, .. })
        );
        let is_plain = matches!(entry.class, Class::Write) && !entry.denied;
        if !has_one_key || !is_plain || self.transaction.is_some() {
            return None;
        }
        let slot = slot(key.of(input));
        let leg = self.fleet.cluster.owners.shard(slot).filter(|_| self.order.is_empty());
        let Some(leg) = leg.and_then(|shard| self.leg(shard, Kind::Requests)) else {
            self.paused = true;
            self.scanner = Scanner::default();
            return None;
        };
        if !self.legs[leg].awaited.is_empty() {
            // What it was told first is not answered yet.
            self.paused = true;
            self.scanner = Scanner::default();
            return None;
        }
        let silence = self.begin_silence();
        let place = self.order.open();
        self.end_silence(silence, Taken::Yes);
        let leg = &mut self.legs[leg];
        let (rest, passed_on) = Rest::begin(std::mem::take(&mut self.scanner));
        leg.pipe.upload(true);
        leg.pipe.push(&input[..passed_on]);
        leg.awaited.push_back(Awaited::new(Owner::Place(place, 0), Target::Slot(slot)));
        self.upload = Some(Box::new(Upload { rest, pipe: leg.pipe.clone() }));
        Some(passed_on)
    }

    /// Passes on what belongs to the large request; returns how much that is.
    pub(super) fn continue_upload(&mut self, input: &[u8], limits: Limits) -> usize {
        let Some(upload) = &mut self.upload else { return 0 };
        if upload.pipe.is_full() {
            return 0;
        }
        match upload.rest.feed(input, limits) {
            Ok(taken) => {
                upload.pipe.push(&input[..taken]);
                if upload.rest.is_complete() {
                    // What is read from now on is read after all of it: nothing further is taken before it is answered.
                    self.upload = None;
                    self.paused = true;
                }
                taken
            }
            Err(_) => {
                // Half of the request is on its way: only closing ends it.
                self.ending = Ending::Now;
                input.len()
            }
        }
    }
}
