//! `CLIENT TRACKING`: each shard's session tracks the keys that are read there, and what they tell becomes one stream.
//!
//! An invalidation overtakes no reply of the same shard that came before it. Whenever a session that tracks is lost, the client is told
//! to forget everything: what that session had tracked nobody tells of any more. A session that was asked to track is asked for nothing
//! else until it has confirmed. Refused: `REDIRECT`, which names a connection that only one server knows.

use crate::ambassador_redis::resp::Version;
use crate::ambassador_redis::resp::request::arguments;

use super::super::slots::ShardNumber;
use super::intake::Taken;
use super::legs::{Awaited, Kind, Leg, Owner, Target};
use super::{Front, Then};

/// Bytes of `CLIENT TRACKING` requests that are kept to be repeated: prefixes add up.
const KEPT: usize = 64 * 1024;
/// Tells a client that it must forget all values that it keeps.
const FORGET_ALL: &[u8] = b">2\r\n$10\r\ninvalidate\r\n_\r\n";
const REDIRECT: &str = "ERR ambassador: CLIENT TRACKING REDIRECT is not possible over a Redis Cluster, where a client is another one at each \
                        server; use RESP3 (HELLO 3), which needs no redirection";

/// How a client wants its keys to be tracked.
#[derive(Debug, Default)]
pub(super) struct Tracking {
    /// What it has said, to be repeated at each session.
    pub(super) said: Vec<Vec<u8>>,
    opts_in: bool,
    opts_out: bool,
}

/// What `CLIENT CACHING` says of the next request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Caching {
    #[default]
    Unsaid,
    Yes,
    No,
}

impl Front {
    /// `CLIENT TRACKING`.
    pub(super) fn track(&mut self, bytes: &[u8]) -> Taken {
        let has = |word: &[u8]| arguments(bytes).skip(3).any(|text| text.eq_ignore_ascii_case(word));
        let kept: usize = self.tracking.iter().flat_map(|tracking| &tracking.said).map(Vec::len).sum();
        if has(b"redirect") {
            self.refuse(REDIRECT);
        } else if kept + bytes.len() > KEPT {
            self.refuse("ERR ambassador: too many prefixes to be tracked over a Redis Cluster");
        } else {
            let place = self.order.open();
            self.then = Some(Then::Track(bytes.to_vec()));
            self.send(bytes, Awaited::new(Owner::Tracking(place), Target::Home), Kind::Requests);
            self.paused = true;
        }
        Taken::Yes
    }

    /// The home shard has answered `CLIENT TRACKING`: the others follow.
    pub(super) fn tracked(&mut self, at: usize, place: u64, reply: &[u8]) {
        let said = match self.then.take() {
            Some(Then::Track(said)) if reply.first() != Some(&b'-') => said,
            _ => return self.answer_at(place, reply),
        };
        let words: Vec<Vec<u8>> = arguments(&said).map(<[u8]>::to_ascii_lowercase).collect();
        let has = |word: &[u8]| words.iter().skip(3).any(|text| text == word);
        let home = self.legs[at].shard;
        if words.get(2).is_some_and(|word| word == b"off") {
            self.end_tracking();
            self.keep_legs(|leg| leg.kind != Kind::Requests || leg.shard == home);
            return self.answer_at(place, reply);
        }
        for leg in 0..self.legs.len() {
            if self.legs[leg].kind == Kind::Requests && self.legs[leg].shard != home {
                self.demand(leg, &said);
            }
        }
        self.attention.broadcasts |= has(b"bcast");
        let tracking = self.tracking.get_or_insert_default();
        (tracking.opts_in, tracking.opts_out) = (has(b"optin"), has(b"optout"));
        tracking.said.push(said);
        match self.attention.broadcasts {
            true => self.begin_attention(place, Kind::Requests),
            false => self.answer_at(place, reply),
        }
    }

    /// `CLIENT CACHING`: what it says is repeated at the shard of the next request.
    pub(super) fn cache(&mut self, bytes: &[u8]) -> Taken {
        let word = arguments(bytes).nth(2).map(<[u8]>::to_ascii_lowercase);
        let tracking = self.tracking.as_ref();
        let caching = match (word.as_deref(), arguments(bytes).count()) {
            (Some(b"yes"), 3) if tracking.is_some_and(|tracking| tracking.opts_in) => Caching::Yes,
            (Some(b"no"), 3) if tracking.is_some_and(|tracking| tracking.opts_out) => Caching::No,
            // The server says what is wrong.
            _ => {
                self.single(bytes, Target::Home);
                return Taken::Yes;
            }
        };
        self.caching = caching;
        self.answer(b"+OK\r\n");
        Taken::Yes
    }

    /// Tells a session what the client has said of the next request.
    pub(super) fn repeat_caching(&mut self, leg: usize, caching: Caching) {
        match caching {
            Caching::Unsaid => {}
            Caching::Yes => self.own(leg, &[b"CLIENT", b"CACHING", b"YES"]),
            Caching::No => self.own(leg, &[b"CLIENT", b"CACHING", b"NO"]),
        }
    }

    /// Nothing that the client keeps is tracked any more.
    pub(super) fn end_tracking(&mut self) {
        self.tracking = None;
        self.caching = Caching::Unsaid;
        self.attention.broadcasts = false;
    }

    /// Tells a client that tracks to forget all values that it keeps.
    pub(super) fn forget_all(&mut self) {
        if self.tracking.is_some() && self.version == Version::Resp3 {
            self.order.tell(FORGET_ALL, self.out.end());
        }
    }

    /// Lets the sessions of all shards but this one go; they are opened again when they are needed, and told what has changed.
    pub(super) fn keep_requests_at(&mut self, home: ShardNumber) {
        let goes = |leg: &Leg| leg.kind == Kind::Requests && leg.shard != home;
        if self.legs.iter().any(goes) {
            self.forget_all();
        }
        self.keep_legs(|leg| !goes(leg));
    }

    fn answer_at(&mut self, place: u64, reply: &[u8]) {
        self.order.append(place, 0, reply, self.out.end());
        self.order.complete(place, self.version, self.out.end());
    }
}
