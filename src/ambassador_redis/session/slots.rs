//! The order of replies: whatever connection a reply comes from, the client gets it in the order of its requests.
//!
//! A run opens a slot; bytes for the first slot go straight to the client, bytes for a later one are parked until it is first.

use std::collections::VecDeque;

/// The slots of one session.
#[derive(Debug, Default)]
pub struct Slots {
    /// The number of the first slot.
    first: u64,
    open: VecDeque<Slot>,
    /// Replies that are awaited over all slots.
    awaited: u32,
    parked: usize,
}

#[derive(Debug)]
struct Slot {
    left: u32,
    parked: Vec<u8>,
}

impl Slots {
    /// Opens a slot for `replies` replies; returns its number.
    pub fn open(&mut self, replies: u32) -> u64 {
        self.awaited += replies;
        self.open.push_back(Slot { left: replies, parked: Vec::new() });
        self.first + self.open.len() as u64 - 1
    }

    /// Opens a slot that is already answered. Use only if another slot is open.
    pub fn open_answered(&mut self, reply: &[u8]) {
        self.parked += reply.len();
        self.open.push_back(Slot { left: 0, parked: reply.to_vec() });
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub fn awaited(&self) -> u32 {
        self.awaited
    }

    /// Bytes that wait for an earlier slot.
    pub fn parked(&self) -> usize {
        self.parked
    }

    /// Whether bytes of this slot may go to the client now.
    pub fn is_first(&self, slot: u64) -> bool {
        slot == self.first && !self.open.is_empty()
    }

    /// Keeps bytes of a slot that is not the first.
    pub fn park(&mut self, slot: u64, bytes: &[u8]) {
        if let Some(slot) = slot.checked_sub(self.first).and_then(|at| self.open.get_mut(at as usize)) {
            slot.parked.extend_from_slice(bytes);
            self.parked += bytes.len();
        }
    }

    /// Counts replies of a slot. Then call [`Slots::next_ready`] until it has nothing more.
    pub fn answered(&mut self, slot: u64, replies: u32) {
        if let Some(slot) = slot.checked_sub(self.first).and_then(|at| self.open.get_mut(at as usize)) {
            slot.left -= replies.min(slot.left);
            self.awaited -= replies.min(self.awaited);
        }
    }

    /// Closes the first slot if it is fully answered, and returns what was parked for the slot that is first then.
    pub fn next_ready(&mut self) -> Option<Vec<u8>> {
        let front = self.open.front()?;
        if front.left > 0 {
            return None;
        }
        self.open.pop_front();
        self.first += 1;
        let parked = self.open.front_mut().map(|slot| std::mem::take(&mut slot.parked)).unwrap_or_default();
        self.parked -= parked.len();
        Some(parked)
    }

    /// Gives memory back when nothing is awaited.
    pub fn shrink(&mut self) {
        if self.open.is_empty() && self.open.capacity() > 8 {
            self.open = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;
    use proptest::prelude::*;

    /// What the client receives when `replies` (slot, text) arrive in this order.
    fn deliver(slots: &mut Slots, slot: u64, text: &[u8], out: &mut Vec<u8>) {
        if slots.is_first(slot) {
            out.extend_from_slice(text);
        } else {
            slots.park(slot, text);
        }
        slots.answered(slot, 1);
        while let Some(parked) = slots.next_ready() {
            out.extend_from_slice(&parked);
        }
    }

    proptest! {
        #[test]
        fn replies_leave_in_the_order_of_requests(order in prop::collection::vec(any::<prop::sample::Index>(), 1..30)) {
            let mut slots = Slots::default();
            let mut numbers: Vec<u64> = (0..order.len()).map(|_| slots.open(1)).collect();
            let mut out = Vec::new();
            for index in &order {
                let number = numbers.remove(index.index(numbers.len()));
                deliver(&mut slots, number, &[number as u8], &mut out);
            }
            prop_assert_eq!(out, (0..order.len() as u8).collect::<Vec<_>>());
            prop_assert!(slots.is_empty());
            prop_assert_eq!((slots.awaited(), slots.parked()), (0, 0));
        }
    }
}
