//! Connections to the servers: shared ones that carry many sessions, private ones that carry one.
//!
//! Runs of requests come in, bytes of replies go to the sessions that wait for them, in order. A connection that is lost keeps what it
//! never sent and what may be sent again; everything else is answered with an error that says so.

mod connection;
mod finished;
mod handshake;
mod life;
mod loss;
mod outbound;
mod refused;
mod replies;
mod role;
mod run;
mod state;
mod stream;

pub use connection::{Connection, Purpose};
pub use handshake::{Credentials, Greeting, Identity, Line, greet, permit_reads};
pub use loss::unreachable;
pub use outbound::Outbound;
pub use run::{Greeted, Observe, Ticket, Way};
pub use stream::own;
