//! StatsD in: sockets, packets, lines, tags and numbers.
//!
//! ```text
//! socket ─ datagrams ─→ desk ─→ intake ─(known key)──────────────→ table
//!                                  └─(new key)→ line, tags → rules ─┘
//! ```

pub mod datagrams;
pub mod desk;
pub mod intake;
pub mod keys;
pub mod line;
pub mod number;
pub mod places;
pub mod relay;
pub mod sockets;
pub mod streams;
pub mod tags;
pub mod tally;
