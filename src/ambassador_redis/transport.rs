//! One byte stream, whatever carries it: TCP or a unix socket.
//!
//! Polled, never awaited: a session writes its replies from the task of the upstream that received them, with the session's own waker,
//! so that the session is woken only when the socket was full.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connected stream.
#[derive(Debug)]
pub enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// The client is gone.
    Closed,
}

impl Transport {
    /// Reads what is there into `buffer`; zero bytes mean the end of the stream.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        match self {
            Transport::Tcp(stream) => ready!(Pin::new(stream).poll_read(cx, &mut buffer))?,
            Transport::Unix(stream) => ready!(Pin::new(stream).poll_read(cx, &mut buffer))?,
            Transport::Closed => {}
        }
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Writes as much as the socket takes.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Closed => Poll::Ready(Ok(0)),
        }
    }
}
