//! The order of replies of one client over all shards.
//!
//! Each request opens a place; replies and parts of replies come in in any order; bytes leave in the order of the places. A reply that
//! is first and goes out as it is is not kept: its bytes pass.

use std::collections::VecDeque;

use crate::ambassador_redis::resp::Version;

use super::merge::{How, merge};

/// The places of one client.
#[derive(Debug, Default)]
pub struct Order {
    first: u64,
    places: VecDeque<Place>,
    /// Bytes that wait for earlier replies.
    parked: usize,
    /// The beginning of the first reply has gone out.
    torn: bool,
}

#[derive(Debug)]
struct Place {
    /// Parts that are not complete.
    left: u32,
    reply: Vec<u8>,
    gathering: Option<Box<Gathering>>,
}

#[derive(Debug)]
struct Gathering {
    how: How,
    parts: Vec<Vec<u8>>,
}

impl Order {
    /// Opens a place for a reply that goes to the client as it is; returns its number.
    pub fn open(&mut self) -> u64 {
        self.push(Place { left: 1, reply: Vec::new(), gathering: None })
    }

    /// Opens a place for one reply that is made of several parts, or changed.
    pub fn open_gathering(&mut self, how: How, parts: usize) -> u64 {
        let gathering = Gathering { how, parts: vec![Vec::new(); parts] };
        self.push(Place {
            left: u32::try_from(parts).unwrap_or(u32::MAX),
            reply: Vec::new(),
            gathering: Some(Box::new(gathering)),
        })
    }

    /// Opens a place that is answered already.
    pub fn answer(&mut self, reply: &[u8]) {
        self.parked += reply.len();
        self.push(Place { left: 0, reply: reply.to_vec(), gathering: None });
    }

    fn push(&mut self, place: Place) -> u64 {
        self.places.push_back(place);
        self.first + self.places.len() as u64 - 1
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn parked(&self) -> usize {
        self.parked
    }

    /// Whether the first reply is half written: nothing may come in between.
    pub fn is_torn(&self) -> bool {
        self.torn
    }

    /// Adds bytes of a part; those of the first place go to `out` at once.
    pub fn append(&mut self, number: u64, part: usize, bytes: &[u8], out: &mut Vec<u8>) {
        let is_first = number == self.first;
        let Some(place) = number.checked_sub(self.first).and_then(|at| self.places.get_mut(at as usize)) else {
            return;
        };
        match &mut place.gathering {
            Some(gathering) => {
                if let Some(part) = gathering.parts.get_mut(part) {
                    part.extend_from_slice(bytes);
                }
            }
            None if is_first => {
                debug_assert!(place.reply.is_empty(), "what was parked has gone out");
                out.extend_from_slice(bytes);
                self.torn |= !bytes.is_empty();
                return;
            }
            None => place.reply.extend_from_slice(bytes),
        }
        self.parked += bytes.len();
    }

    /// A part is complete; everything that is first and complete goes to `out`.
    pub fn complete(&mut self, number: u64, version: Version, out: &mut Vec<u8>) {
        let Some(place) = number.checked_sub(self.first).and_then(|at| self.places.get_mut(at as usize)) else {
            return;
        };
        place.left -= 1.min(place.left);
        if place.left == 0
            && let Some(gathering) = place.gathering.take()
        {
            self.parked -= gathering.parts.iter().map(Vec::len).sum::<usize>();
            place.reply = merge(&gathering.how, gathering.parts, version);
            self.parked += place.reply.len();
        }
        self.release(out);
    }

    /// Lets out what is first.
    pub fn release(&mut self, out: &mut Vec<u8>) {
        while let Some(place) = self.places.front_mut() {
            if place.gathering.is_none() && !place.reply.is_empty() {
                self.torn = true;
                self.parked -= place.reply.len();
                match out.is_empty() {
                    true => *out = std::mem::take(&mut place.reply),
                    false => out.append(&mut place.reply),
                }
            }
            if place.left > 0 {
                return;
            }
            self.places.pop_front();
            self.first += 1;
            self.torn = false;
        }
    }

    /// Gives memory back when nothing is awaited.
    pub fn shrink(&mut self) {
        if self.places.is_empty() && self.places.capacity() > 8 {
            self.places = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn replies_leave_in_the_order_of_requests_whole(
            order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..30),
        ) {
            let mut places = Order::default();
            let mut open = Vec::new();
            for number in 0..order.len() {
                // Every third one is a sum of two parts.
                if number % 3 == 2 {
                    let place = places.open_gathering(How::Sum, 2);
                    open.extend([(place, 0), (place, 1)]);
                } else {
                    open.push((places.open(), 0));
                }
            }
            let (mut out, mut expected) = (Vec::new(), String::new());
            for number in 0..order.len() {
                expected += &format!(":{}\r\n", if number % 3 == 2 { 2 * number } else { number });
            }
            let mut turn = order.iter().cycle();
            while !open.is_empty() {
                let (index, torn) = turn.next().expect("endless");
                let (place, part) = open.remove(index.index(open.len()));
                let reply = format!(":{place}\r\n");
                let cut = if *torn { 1 } else { 0 };
                places.append(place, part, &reply.as_bytes()[..cut], &mut out);
                places.append(place, part, &reply.as_bytes()[cut..], &mut out);
                places.complete(place, Version::Resp2, &mut out);
            }
            prop_assert_eq!(String::from_utf8(out).expect("text"), expected);
            prop_assert!(places.is_empty() && places.parked() == 0);
        }
    }
}
