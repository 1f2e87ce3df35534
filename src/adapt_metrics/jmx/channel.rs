//! One socket that speaks RMI: dialled, greeted, then calls out and replies back in order.
//!
//! Calls are pipelined in a window, because a bean's round trip costs more than its reading. Both sides of the window
//! are bounded, in calls and in bytes, so that server and client can never both be stuck in a full socket buffer.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::JmxError;
use super::rmi::{AGREED, HANDSHAKE, Reply, ReplyReader, Shape, describe_answer};
use super::serial::Limits;
use super::tls::Tls;

/// Calls that may be without a reply.
const WINDOW: usize = 64;
/// Bytes of calls that may be without a reply, unless a single call is larger. Less than any socket buffer.
const WINDOW_BYTES: usize = 48 << 10;
const READ_SIZE: usize = 16 << 10;
/// A buffer that has grown beyond this is given back once it is empty.
const BUFFER_KEPT: usize = 256 << 10;
/// A JVM greets at once; a server that does not greet may be waiting for the rest of a line.
const GREETING: Duration = Duration::from_millis(1500);
/// And when it then says nothing either, it is busy or dumb.
const PROVOKED: Duration = Duration::from_millis(500);

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

pub(crate) struct Channel {
    socket: Box<dyn Socket>,
    peer: String,
    input: BytesMut,
    output: Vec<u8>,
}

/// Whether to wrap the socket.
#[derive(Clone, Copy)]
pub(crate) enum Cover<'a> {
    Plain,
    Tls(&'a Tls),
}

/// How far a batch of calls came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    All,
    /// The reply to this call broke off, and the server has closed the socket. Replies to later calls are lost.
    BrokenOff(usize),
}

/// The calls that are without a reply.
#[derive(Default)]
struct Window {
    sizes: VecDeque<usize>,
    bytes: usize,
}

impl Window {
    /// Whether a call of this size may go out now. One that is too large to go beside others waits until it is alone.
    fn admit(&mut self, size: usize) -> bool {
        let admitted = self.bytes == 0 || self.bytes + size <= WINDOW_BYTES;
        if admitted {
            self.sizes.push_back(size);
            self.bytes += size;
        }
        admitted
    }

    fn answered(&mut self) {
        self.bytes -= self.sizes.pop_front().unwrap_or(0);
    }
}

impl Channel {
    /// # Errors
    /// Nothing listens there, or it is not an RMI server; the error names what it is.
    pub(crate) async fn open(host: &str, port: u16, cover: Cover<'_>) -> Result<Channel, JmxError> {
        let peer = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let connect = |source| JmxError::Connect { peer: peer.clone(), source };
        let socket = TcpStream::connect((host, port)).await.map_err(connect)?;
        socket.set_nodelay(true).map_err(connect)?;
        let local = socket.local_addr().map_err(connect)?;
        let socket: Box<dyn Socket> = match cover {
            Cover::Plain => Box::new(socket),
            Cover::Tls(tls) => Box::new(tls.wrap(host, &peer, socket).await?),
        };
        let mut channel = Channel { socket, peer, input: BytesMut::new(), output: Vec::new() };
        channel.greet().await?;
        // The server wants to know how we see ourselves. It never uses it.
        let ip = local.ip().to_string();
        let mut end = Vec::with_capacity(64);
        end.extend_from_slice(&(ip.len() as u16).to_be_bytes());
        end.extend_from_slice(ip.as_bytes());
        end.extend_from_slice(&i32::from(local.port()).to_be_bytes());
        channel.send(&end).await?;
        Ok(channel)
    }

    pub(crate) fn peer(&self) -> &str {
        &self.peer
    }

    /// Makes `count` calls: `encode` appends the numbered call, `each` gets its reply.
    ///
    /// Not cancel safe: a channel whose exchange was dropped has to be dropped too.
    ///
    /// # Errors
    /// The connection is lost or the server broke the protocol. Reading calls are safe to repeat on a new channel.
    pub(crate) async fn exchange(
        &mut self,
        count: usize,
        shape: Shape,
        mut encode: impl FnMut(usize, Vec<u8>) -> Vec<u8>,
        mut each: impl FnMut(usize, Reply),
    ) -> Result<Finished, JmxError> {
        let (mut sent, mut answered) = (0, 0);
        let mut window = Window::default();
        let mut reply = ReplyReader::new(shape, Limits::default());
        loop {
            while answered < count {
                let mut piece = &self.input[..];
                let read = reply.read(&mut piece);
                let used = self.input.len() - piece.len();
                self.input.advance(used);
                let read = read.map_err(|source| JmxError::Protocol { peer: self.peer.clone(), source })?;
                let Some(whole) = read else { break };
                let broken_off = matches!(whole, Reply::Aborted(_));
                each(answered, whole);
                if broken_off {
                    return Ok(Finished::BrokenOff(answered));
                }
                answered += 1;
                window.answered();
                reply = ReplyReader::new(shape, Limits::default());
            }
            if answered == count {
                self.give_back();
                return Ok(Finished::All);
            }
            // Refilled by halves, so that a full window does not turn into one packet for each call.
            if window.sizes.len() <= WINDOW / 2 {
                let mut output = std::mem::take(&mut self.output);
                output.clear();
                while sent < count && window.sizes.len() < WINDOW {
                    let before = output.len();
                    output = encode(sent, output);
                    if !window.admit(output.len() - before) {
                        output.truncate(before);
                        break;
                    }
                    sent += 1;
                }
                let written = self.send(&output).await;
                self.output = output;
                written?;
            }
            self.fill().await?;
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), JmxError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let written = async {
            self.socket.write_all(bytes).await?;
            self.socket.flush().await
        };
        written.await.map_err(|source| JmxError::Lost { peer: self.peer.clone(), source })
    }

    async fn fill(&mut self) -> Result<usize, JmxError> {
        self.input.reserve(READ_SIZE);
        let lost = |source| JmxError::Lost { peer: self.peer.clone(), source };
        match self.socket.read_buf(&mut self.input).await.map_err(lost)? {
            0 => Err(lost(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed it"))),
            read => Ok(read),
        }
    }

    fn give_back(&mut self) {
        if self.input.is_empty() && self.input.capacity() > BUFFER_KEPT {
            self.input = BytesMut::new();
        }
        if self.output.capacity() > BUFFER_KEPT {
            self.output = Vec::new();
        }
    }

    /// The handshake, and finding out who is there when it is not an RMI server.
    async fn greet(&mut self) -> Result<(), JmxError> {
        self.send(HANDSHAKE).await?;
        match timeout(GREETING, self.fill()).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(self.not_rmi()),
            Err(_) => {
                // Servers of text protocols wait for the end of the line. Give it to them, and see what they say.
                self.send(b"\r\n\r\n").await?;
                return match timeout(PROVOKED, self.fill()).await {
                    Ok(_) => Err(self.not_rmi()),
                    Err(_) => {
                        let answer = format!("it accepted the connection and then said nothing for {GREETING:?}");
                        Err(JmxError::NotRmi { peer: self.peer.clone(), answer })
                    }
                };
            }
        }
        if self.input.first() != Some(&AGREED) {
            return Err(self.not_rmi());
        }
        // Our own address as the server sees it: text and a number, both unused.
        loop {
            if let [_, high, low, ..] = self.input[..] {
                let length = 3 + usize::from(u16::from_be_bytes([high, low])) + 4;
                if self.input.len() >= length {
                    self.input.advance(length);
                    return Ok(());
                }
            }
            self.fill().await?;
        }
    }

    fn not_rmi(&self) -> JmxError {
        match self.input[..] {
            [0x15 | 0x16, 0x03, ..] => JmxError::TlsWanted { peer: self.peer.clone() },
            _ => JmxError::NotRmi { peer: self.peer.clone(), answer: describe_answer(&self.input) },
        }
    }
}
