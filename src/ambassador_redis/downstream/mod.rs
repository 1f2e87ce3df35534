//! The way in: where clients arrive, over what, and who they are.
//!
//! ```text
//! door (address, unix socket) → accept → arrival: PROXY header → TLS handshake → a stream and its peer → a worker's session
//! ```
//!
//! And the way back: [`unread`], what a client was answered and has not read.
//!
//! A plain arrival costs nothing but its accept; only one that brings a header or a handshake has a task and a deadline.

mod arrival;
mod door;
mod peer;
mod proxy_protocol;
mod trusted;
mod unix_socket;
pub mod unread;

pub use arrival::{Arrival, Incoming, Refusal};
pub use door::{Door, DoorSettings, DoorSocket, Doors};
pub use peer::Peer;
pub use unread::Unread;
