//! A run: consecutive requests of one session on one upstream connection, awaited and answered together.

use std::rc::Rc;
use std::time::Instant;

use crate::ambassador_redis::command::Class;
use crate::ambassador_redis::consistency::{Mark, Pending};
use crate::ambassador_redis::resp::Version;
use crate::ambassador_redis::session::Session;

use super::handshake::Identity;
use super::refused::Doubt;

/// One entry of a connection's queue of awaited replies.
#[derive(Debug)]
pub struct Run {
    pub owner: Owner,
    /// Replies still awaited.
    pub left: u32,
    /// Length of the requests, which are kept until the last reply is there.
    pub bytes: usize,
}

/// Whose replies these are.
#[derive(Debug)]
pub enum Owner {
    Session(Ticket),
    /// Everything from here on belongs to this session, for as long as the connection lives.
    Stream(Rc<Session>),
    /// A part was refused: the replies are kept back until it is known whether any was executed.
    Doubtful(Box<Doubt>),
    /// Nobody waits for these any more.
    Nobody,
    /// The `ROLE` behind a batch on the primary.
    Watermark(Pending),
    /// The question for the primary's history, when another one than it told is in force.
    History,
    /// The `ROLE` in front of reads on a replica, and the generation in which it was sent.
    Applied(u64),
}

/// Whose connection a run needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Shared,
    /// It may wait, or run for long: one of its session's own.
    Own,
}

/// What a session wants to know of its run.
#[derive(Debug)]
pub struct Ticket {
    pub session: Rc<Session>,
    /// The place in the session's order of replies.
    pub slot: u64,
    pub requests: u32,
    pub class: Class,
    /// The number of the command, or `MIXED`.
    pub command: u16,
    /// Whether every request of the run may be sent again.
    pub repeatable: bool,
    /// What the replica must have reached for its replies to count.
    pub needs: Option<Mark>,
    /// On which connection to the primary it goes.
    pub way: Way,
    /// What the session learns from the reply.
    pub observe: Option<Observe>,
    pub started: Instant,
    /// Whether part of a reply has already gone to the client.
    pub torn: bool,
    /// Bytes of replies so far.
    pub received: usize,
    /// Whether the request is passed on as it comes, and not kept.
    pub uploaded: bool,
}

/// What a session learns from a reply that is no error.
#[derive(Debug)]
pub enum Observe {
    Select(u32),
    Greeted(Greeted),
    Nothing,
    /// The reply tells how many clients there are.
    Clients,
    /// The reply tells how many clients were ended: all, or all but the one that has asked for it.
    Killed {
        by: u64,
        /// The ambassador's own connections among those.
        ours: u64,
        /// The sessions that end.
        theirs: u64,
    },
}

/// The session has proved who it is, or chosen its protocol version.
#[derive(Debug)]
pub struct Greeted {
    pub identity: Rc<Identity>,
    pub version: Version,
    pub name: Option<Vec<u8>>,
}
