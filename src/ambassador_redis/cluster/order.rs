//! The order of replies of one client over all shards.
//!
//! Each request opens a place; replies and parts of replies come in in any order; bytes leave in the order of the places. A reply that
//! is first and goes out as it is is not kept: its bytes pass. What a server tells unasked overtakes no reply that came before it: a
//! client that hears of a change before it gets the value that was changed would keep that value.

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
    /// The replies of places that are opened now are not for the client (`CLIENT REPLY`).
    mute: bool,
}

#[derive(Debug)]
struct Place {
    /// Parts that are not complete.
    left: u32,
    reply: Vec<u8>,
    gathering: Option<Box<Gathering>>,
    is_silent: bool,
    /// What was told unasked behind what has come of this reply.
    told: Vec<u8>,
}

#[derive(Debug)]
struct Gathering {
    how: How,
    parts: Vec<Vec<u8>>,
}

impl Order {
    /// From now on the client does not want to have replies.
    pub fn mute(&mut self) {
        self.mute = true;
    }

    /// From now on it wants to.
    pub fn unmute(&mut self) {
        self.mute = false;
    }

    pub fn is_mute(&self) -> bool {
        self.mute
    }

    /// Opens a place for a reply that goes to the client as it is; returns its number.
    pub fn open(&mut self) -> u64 {
        self.push(1, Vec::new(), None)
    }

    /// Opens a place for one reply that is made of several parts, or changed.
    pub fn open_gathering(&mut self, how: How, parts: usize) -> u64 {
        let gathering = Gathering { how, parts: vec![Vec::new(); parts] };
        self.push(u32::try_from(parts).unwrap_or(u32::MAX), Vec::new(), Some(Box::new(gathering)))
    }

    /// Opens a place that is answered already.
    pub fn answer(&mut self, reply: &[u8]) {
        let reply = if self.mute { Vec::new() } else { reply.to_vec() };
        self.parked += reply.len();
        self.push(0, reply, None);
    }

    fn push(&mut self, left: u32, reply: Vec<u8>, gathering: Option<Box<Gathering>>) -> u64 {
        self.places.push_back(Place { left, reply, gathering, is_silent: self.mute, told: Vec::new() });
        self.first + self.places.len() as u64 - 1
    }

    /// What a server tells unasked: behind every reply of which something has come, and as soon as that allows.
    pub fn tell(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let has_come = |place: &Place| {
            let gathered = |gathering: &Gathering| gathering.parts.iter().any(|part| !part.is_empty());
            !place.reply.is_empty() || !place.told.is_empty() || place.gathering.as_deref().is_some_and(gathered)
        };
        let last = self.places.iter().rposition(has_come).or(self.torn.then_some(0));
        match last.and_then(|last| self.places.get_mut(last)) {
            Some(place) => {
                self.parked += bytes.len();
                place.told.extend_from_slice(bytes);
            }
            None => out.extend_from_slice(bytes),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether everything before this place has gone out.
    pub fn is_first(&self, number: u64) -> bool {
        number == self.first
    }

    /// Bytes that wait for earlier replies.
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
            _ if place.is_silent => return,
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
            if !place.is_silent {
                place.reply = merge(&gathering.how, gathering.parts, version);
                self.parked += place.reply.len();
            }
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
            self.parked -= place.told.len();
            out.append(&mut place.told);
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

    fn text(out: &mut Vec<u8>) -> String {
        String::from_utf8(std::mem::take(out)).expect("text")
    }

    #[test]
    fn what_is_told_unasked_overtakes_no_reply_that_came_before_it() {
        let (mut order, mut out) = (Order::default(), Vec::new());
        let [slow, fast, late] = [order.open(), order.open(), order.open_gathering(How::Concat, 2)];
        order.tell(b">told at once", &mut out);
        assert_eq!(text(&mut out), ">told at once");
        order.append(fast, 0, b"+fast\r\n", &mut out);
        order.complete(fast, Version::Resp3, &mut out);
        order.tell(b">after fast", &mut out);
        order.append(slow, 0, b"+sl", &mut out);
        order.append(slow, 0, b"ow\r\n", &mut out);
        order.complete(slow, Version::Resp3, &mut out);
        assert_eq!(text(&mut out), "+slow\r\n+fast\r\n>after fast");
        order.append(late, 0, b"*0\r\n", &mut out);
        order.tell(b">after late", &mut out);
        assert_eq!(text(&mut out), "", "a part of it has come");
        order.append(late, 1, b"*0\r\n", &mut out);
        (0..2).for_each(|_| order.complete(late, Version::Resp3, &mut out));
        assert_eq!(text(&mut out), "*0\r\n>after late");
        let torn = order.open();
        order.append(torn, 0, b"$4\r\nto", &mut out);
        order.tell(b">after torn", &mut out);
        order.append(torn, 0, b"rn\r\n", &mut out);
        order.complete(torn, Version::Resp3, &mut out);
        assert_eq!(text(&mut out), "$4\r\ntorn\r\n>after torn");
        assert_eq!((order.parked(), order.is_empty()), (0, true));
    }

    #[test]
    fn muted_places_keep_the_order_and_say_nothing() {
        let (mut order, mut out) = (Order::default(), Vec::new());
        order.mute();
        let [silent, summed] = [order.open(), order.open_gathering(How::Sum, 1)];
        order.answer(b"+silent\r\n");
        order.unmute();
        order.answer(b"+heard\r\n");
        for place in [summed, silent] {
            order.append(place, 0, b":1\r\n", &mut out);
            order.complete(place, Version::Resp2, &mut out);
        }
        assert_eq!(text(&mut out), "+heard\r\n");
        assert_eq!((order.parked(), order.is_empty()), (0, true));
    }
}
