//! One byte stream, whatever carries it: TCP, TLS over TCP, or a unix socket.
//!
//! Polled, never awaited: a session writes its replies from the task of the upstream that received them, with the session's own waker,
//! so that the session is woken only when the socket was full. After `Pending`, a write is repeated with the same bytes (more may
//! stand behind them): with TLS they are on their way already, and count as written when the socket has taken all of them.
//!
//! A plain socket is tried first, and asked to wake the task only if it would block: most reads and nearly all writes need no more than
//! their system call.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use rustix::net::{RecvFlags, SendFlags};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

/// A connected stream.
#[derive(Debug)]
pub enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<Tls>),
    /// The client is gone.
    Closed,
}

/// A TLS stream, and what it has taken but not yet sent.
#[derive(Debug)]
pub struct Tls {
    stream: TlsStream<TcpStream>,
    /// Bytes of the caller that are encrypted, but wait for the socket.
    taken: usize,
}

impl Transport {
    pub fn tls(stream: impl Into<TlsStream<TcpStream>>) -> Transport {
        Transport::Tls(Box::new(Tls { stream: stream.into(), taken: 0 }))
    }

    /// Reads what is there into `buffer`; zero bytes mean the end of the stream.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Transport::Tcp(stream) => poll_read(stream, cx, buffer),
            Transport::Unix(stream) => poll_read(stream, cx, buffer),
            Transport::Tls(tls) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut tls.stream).poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
            Transport::Closed => Poll::Ready(Ok(0)),
        }
    }

    /// Writes as much as the socket takes.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Transport::Tcp(stream) => poll_write(stream, cx, bytes),
            Transport::Unix(stream) => poll_write(stream, cx, bytes),
            Transport::Tls(tls) => tls.poll_write(cx, bytes),
            Transport::Closed => Poll::Ready(Ok(0)),
        }
    }
}

/// For the control plane, whose own writer also repeats what was not written.
impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(Transport::poll_read(self.get_mut(), cx, buffer.initialize_unfilled()))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Transport::poll_write(self.get_mut(), cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        *self.get_mut() = Transport::Closed;
        Poll::Ready(Ok(()))
    }
}

/// What the runtime says about a plain socket.
trait Socket: AsFd {
    fn try_io<R>(&self, interest: Interest, operation: impl FnOnce() -> io::Result<R>) -> io::Result<R>;
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Socket for TcpStream {
    #[inline]
    fn try_io<R>(&self, interest: Interest, operation: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        TcpStream::try_io(self, interest, operation)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        TcpStream::poll_read_ready(self, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        TcpStream::poll_write_ready(self, cx)
    }
}

impl Socket for UnixStream {
    #[inline]
    fn try_io<R>(&self, interest: Interest, operation: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        UnixStream::try_io(self, interest, operation)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        UnixStream::poll_read_ready(self, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        UnixStream::poll_write_ready(self, cx)
    }
}

fn poll_read(socket: &impl Socket, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    loop {
        let mut read = 0;
        let tried = socket.try_io(Interest::READABLE, || {
            (_, read) = rustix::net::recv(socket, &mut *buffer, RecvFlags::empty())?;
            // A short read has emptied the socket. Saying so spares the next one its system call: it waits for the kernel to tell of more.
            if (1..buffer.len()).contains(&read) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match tried {
            _ if read > 0 => return Poll::Ready(Ok(read)),
            Ok(()) => return Poll::Ready(Ok(0)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(socket.poll_read_ready(cx))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

fn poll_write(socket: &impl Socket, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    loop {
        let tried = socket.try_io(Interest::WRITABLE, || Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?));
        match tried {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(socket.poll_write_ready(cx))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => return Poll::Ready(written),
        }
    }
}

impl Tls {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.taken == 0 {
            self.taken = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.taken)))
    }
}

impl Drop for Tls {
    /// Says goodbye, as far as the socket takes it: without it the other side cannot tell an end from a cut.
    fn drop(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        match &mut self.stream {
            TlsStream::Client(stream) => stream.get_mut().1.send_close_notify(),
            TlsStream::Server(stream) => stream.get_mut().1.send_close_notify(),
        }
        let _ = Pin::new(&mut self.stream).poll_flush(&mut cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream whose socket takes little must neither lose nor repeat what was written to it.
    #[tokio::test]
    async fn tls_through_a_full_socket_keeps_every_byte_once() {
        let (server, client) = pair().await;
        let (mut writer, mut reader) = (Transport::tls(server), Transport::tls(client));
        let sent: Vec<u8> = (0..4_000_000u32).flat_map(u32::to_le_bytes).collect();
        let wanted = sent.clone();
        let reading = tokio::spawn(async move {
            let (mut got, mut piece) = (Vec::new(), vec![0; 1 << 16]);
            while got.len() < wanted.len() {
                let read = std::future::poll_fn(|cx| reader.poll_read(cx, &mut piece)).await.expect("a read");
                assert!(read > 0, "the stream ended after {} bytes", got.len());
                got.extend_from_slice(&piece[..read]);
            }
            assert!(got == wanted, "other bytes than were sent");
        });
        let mut at = 0;
        while at < sent.len() {
            at += std::future::poll_fn(|cx| writer.poll_write(cx, &sent[at..])).await.expect("a write");
        }
        reading.await.expect("the reader");
    }

    async fn pair() -> (TlsStream<TcpStream>, TlsStream<TcpStream>) {
        use crate::core::tls::{ClientFiles, Identity, ServerFiles, Verify, client_from, server};
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        let made = std::process::Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-keyout"])
            .arg(at("key.pem"))
            .arg("-out")
            .arg(at("cert.pem"))
            .output()
            .expect("openssl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let identity = Identity { certificate: at("cert.pem"), key: at("key.pem") };
        let acceptor =
            tokio_rustls::TlsAcceptor::from(server(&ServerFiles { identity, clients: None }).expect("files"));
        let config = client_from(&ClientFiles { verify: Verify::None, ..ClientFiles::default() }).expect("a client");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let socket = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
        let (accepted, _) = listener.accept().await.expect("a connection");
        let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
        let connector = tokio_rustls::TlsConnector::from(config);
        let (server, client) = tokio::join!(acceptor.accept(accepted), connector.connect(name, socket));
        (server.expect("a handshake").into(), client.expect("a handshake").into())
    }
}
