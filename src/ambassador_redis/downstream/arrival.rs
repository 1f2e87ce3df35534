//! From an accepted socket to a stream with a known peer.
//!
//! A PROXY header and a TLS handshake must come within [`PATIENCE`]. Who breaks off, or says something else, is refused without a
//! word: there is no protocol yet in which to say one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UnixStream};

use crate::ambassador_redis::transport::Transport;
use crate::core::rotating::Rotating;

use super::peer::Peer;
use super::proxy_protocol::{self, HeaderError, Source, Step};

/// How long a client may take until its connection can be used.
const PATIENCE: Duration = Duration::from_secs(10);

/// An accepted client on its way to a worker.
pub struct Arrival {
    pub socket: Incoming,
    pub peer: Peer,
    /// A PROXY header comes first.
    pub proxied: bool,
    pub tls: Option<Arc<Rotating<ServerConfig>>>,
}

/// A socket that belongs to no runtime yet.
pub enum Incoming {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// Why a client gets no session.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("its socket failed: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Header(#[from] HeaderError),
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    #[error("it was not ready to speak within {PATIENCE:?}")]
    Late,
}

impl Refusal {
    /// The label of the counter.
    pub fn label(&self) -> &'static str {
        match self {
            Refusal::Io(_) => "socket",
            Refusal::Header(_) => "proxy_header",
            Refusal::Tls(_) => "tls",
            Refusal::Late => "late",
        }
    }
}

impl Arrival {
    /// Whether it can be used as it is.
    pub fn is_plain(&self) -> bool {
        !self.proxied && self.tls.is_none()
    }

    /// Says why it gets no session, as far as the socket takes it.
    pub fn turn_away(self, words: &[u8]) {
        use std::io::Write;
        let _ = match self.socket {
            Incoming::Tcp(mut stream) => stream.write(words),
            Incoming::Unix(mut stream) => stream.write(words),
        };
    }

    /// Takes a plain one over into this thread's runtime.
    ///
    /// # Errors
    /// The runtime does not take it.
    pub fn open(self) -> Result<(Transport, Peer), Refusal> {
        Ok((self.socket.register()?, self.peer))
    }

    /// Reads the PROXY header and does the handshake.
    ///
    /// # Errors
    /// What the client did wrong.
    pub async fn admit(self) -> Result<(Transport, Peer), Refusal> {
        tokio::time::timeout(PATIENCE, self.admit_now()).await.unwrap_or(Err(Refusal::Late))
    }

    async fn admit_now(self) -> Result<(Transport, Peer), Refusal> {
        let mut peer = self.peer;
        let mut transport = self.socket.register()?;
        if self.proxied {
            peer = match read_header(&mut transport).await? {
                Source::Client(address) => Peer::Tcp(address),
                Source::Local => peer,
                Source::Unknown => Peer::Unknown,
            };
        }
        match (self.tls, transport) {
            (Some(config), Transport::Tcp(stream)) => {
                let stream =
                    tokio_rustls::TlsAcceptor::from(config.current()).accept(stream).await.map_err(Refusal::Tls)?;
                Ok((Transport::tls(stream), peer))
            }
            (_, transport) => Ok((transport, peer)),
        }
    }
}

impl Incoming {
    fn register(self) -> io::Result<Transport> {
        Ok(match self {
            Incoming::Tcp(stream) => Transport::Tcp(TcpStream::from_std(stream)?),
            Incoming::Unix(stream) => Transport::Unix(UnixStream::from_std(stream)?),
        })
    }
}

/// Reads the header and nothing behind it.
async fn read_header(transport: &mut Transport) -> Result<Source, Refusal> {
    let mut header = Vec::new();
    loop {
        let at_most = match proxy_protocol::step(&header)? {
            Step::Header(source) => return Ok(source),
            Step::Incomplete { at_most } => at_most as u64,
        };
        let read = match transport {
            Transport::Tcp(stream) => stream.take(at_most).read_buf(&mut header).await?,
            Transport::Unix(stream) => stream.take(at_most).read_buf(&mut header).await?,
            Transport::Tls(_) | Transport::Closed => 0,
        };
        if read == 0 {
            return Err(Refusal::Io(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}
