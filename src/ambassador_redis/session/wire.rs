//! What carries a session: the client's own stream, or a front that shares one client between the sessions of several sets.

use std::io;
use std::task::{Context, Poll};

use crate::ambassador_redis::cluster::Far;
use crate::ambassador_redis::transport::Transport;

/// The session's way to its client.
#[derive(Debug)]
pub enum Wire {
    Client(Transport),
    Front(Far),
    /// The client is gone.
    Closed,
}

impl Wire {
    /// Reads what is there into `buffer`; zero bytes mean the end of the stream.
    #[inline]
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Wire::Client(transport) => transport.poll_read(cx, buffer),
            Wire::Front(far) => far.poll_read(cx, buffer).map(Ok),
            Wire::Closed => Poll::Ready(Ok(0)),
        }
    }

    /// Writes as much as it takes.
    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Wire::Client(transport) => transport.poll_write(cx, bytes),
            Wire::Front(far) => far.poll_write(cx, bytes).map(Ok),
            Wire::Closed => Poll::Ready(Ok(0)),
        }
    }
}
