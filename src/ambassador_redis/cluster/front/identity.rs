//! What a client says about itself: who it is, which protocol it speaks, what it is called.
//!
//! The home shard's session answers; sessions of other shards are told the same when they are opened.

use crate::ambassador_redis::command::Class;
use crate::ambassador_redis::resp::Version;
use crate::ambassador_redis::resp::request::arguments;

use super::super::merge::How;
use super::super::slots::ShardNumber;
use super::aside::Silence;
use super::attention::Attention;
use super::intake::Taken;
use super::legs::{Awaited, Kind, Owner, Target};
use super::{Front, Then, Told, access_at_first};

impl Front {
    /// What the client says about itself: the home shard's session answers, and those that come later are told the same.
    pub(super) fn about_client(&mut self, bytes: &[u8], class: Class) -> Taken {
        let words: Vec<&[u8]> = arguments(bytes).collect();
        let is = |place: usize, word: &[u8]| words.get(place).is_some_and(|text| text.eq_ignore_ascii_case(word));
        let told = match class {
            Class::Hello => Some((
                Told::Hello,
                words.get(1).map(|version| match *version {
                    b"3" => Version::Resp3,
                    _ => Version::Resp2,
                }),
            )),
            Class::Auth => Some((Told::Auth, None)),
            Class::ClientInfo => Some((Told::Info(u8::from(is(2, b"lib-ver"))), None)),
            Class::ClientName if is(1, b"setname") => Some((Told::Name, None)),
            _ => None,
        };
        match class {
            Class::Hello => {
                let place = self.order.open_gathering(How::Hello, 1);
                self.send(bytes, Awaited::new(Owner::Place(place, 0), Target::Home), Kind::Requests);
            }
            _ => self.single(bytes, Target::Home),
        }
        self.then = told.map(|(told, version)| Then::Tell(told, bytes.to_vec(), version));
        self.paused = true;
        Taken::Yes
    }

    /// Acts on the reply to the only request that was awaited.
    pub(super) fn then(&mut self, shard: ShardNumber, reply: &[u8]) {
        let Some(then) = self.then.take().filter(|_| reply.first() != Some(&b'-')) else { return };
        let (told, said, version) = match then {
            Then::Tell(told, said, version) => (told, said, version),
            Then::Watched => return self.watched(shard),
            Then::Track(_) => return,
        };
        self.learn_access(&said);
        self.version = version.unwrap_or(self.version);
        self.preamble.retain(|(before, _)| *before != told);
        self.preamble.push((told, said.clone()));
        // The others are opened again when they are needed, and told then; those that listen go on, in the protocol that was chosen.
        self.keep_requests_at(shard);
        if told == Told::Hello {
            for at in (0..self.legs.len()).filter(|at| self.legs[*at].kind != Kind::Requests).collect::<Vec<_>>() {
                self.own(at, &arguments(&said).collect::<Vec<_>>());
            }
        }
    }

    /// The client has proved who it is.
    fn learn_access(&mut self, said: &[u8]) {
        let Some(users) = &self.fleet.shared.users else { return };
        let words: Vec<&[u8]> = arguments(said).collect();
        let auth = words.iter().position(|word| word.eq_ignore_ascii_case(b"auth"));
        let user: &[u8] = match (auth, words.as_slice()) {
            (Some(0), [_, _]) => b"default",
            (Some(at), words) => words.get(at + 1).copied().unwrap_or_default(),
            (None, _) => return,
        };
        self.access = users.current().access(user).unwrap_or_default();
    }

    pub(super) fn reset(&mut self) {
        self.keep_legs(|_| false);
        self.preamble.clear();
        (self.transaction, self.ears) = (None, None);
        self.end_tracking();
        (self.attention, self.silence) = (Attention::default(), Silence::No);
        self.handle.attends.set(false);
        self.order.unmute();
        (self.version, self.access) = (Version::Resp2, access_at_first(&self.fleet));
        self.answer(b"+RESET\r\n");
    }
}
