//! Connections that stay open for several commands: git://, and ssh's channel.
//!
//! In: a host and port, or the two halves of a stream. Out: [`Chunks`] to read, a writer, each step of which can be cancelled.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::error::RemoteError;
use super::packets::{Chunks, PacketReader};
use super::pktline::write_data;
use super::url::Url;

/// A stream's reading half as chunks.
struct ReadChunks<R> {
    io: R,
    buffer: BytesMut,
}

/// One read; the buffer is used again as soon as nobody holds what was read into it.
const READ_SIZE: usize = 64 * 1024;

impl<R: AsyncRead + Send + Unpin> Chunks for ReadChunks<R> {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RemoteError>> {
        self.buffer.reserve(READ_SIZE);
        let read = ready!(tokio_util::io::poll_read_buf(Pin::new(&mut self.io), cx, &mut self.buffer));
        match read {
            Ok(0) => Poll::Ready(Ok(None)),
            Ok(_) => Poll::Ready(Ok(Some(self.buffer.split().freeze()))),
            Err(error) => Poll::Ready(Err(RemoteError::network("reading from the server", error))),
        }
    }
}

/// An open conversation with an upload-pack process.
pub(super) struct Duplex {
    pub(super) reader: PacketReader,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// What must live as long as the conversation does.
    _kept: Option<Box<dyn Send>>,
}

impl Duplex {
    pub(super) fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        Self::over(Box::new(ReadChunks { io: reader, buffer: BytesMut::new() }), writer)
    }

    pub(super) fn over(chunks: Box<dyn Chunks>, writer: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { reader: PacketReader::new(chunks), writer: Box::new(writer), _kept: None }
    }

    pub(super) fn keep(&mut self, kept: impl Send + 'static) {
        self._kept = Some(Box::new(kept));
    }

    /// Says nothing, and reads what the other side says until it ends.
    pub(super) async fn into_answer(self, limit: usize) -> Result<Vec<u8>, RemoteError> {
        let Self { reader, writer, _kept } = self;
        drop(writer);
        reader.rest(limit).await
    }

    pub(super) async fn send(&mut self, request: &[u8]) -> Result<(), RemoteError> {
        let sent = async {
            self.writer.write_all(request).await?;
            self.writer.flush().await
        };
        sent.await.map_err(|error| RemoteError::network("sending the request", error))
    }
}

/// Opens git:// and asks for the repository, in version 2 unless `version` says otherwise.
pub(super) async fn open_git(url: &Url, version: u8) -> Result<Duplex, RemoteError> {
    let stream = connect(url.host(), url.port()).await?;
    let (reader, writer) = stream.into_split();
    let mut duplex = Duplex::new(reader, writer);
    let mut line = format!("git-upload-pack {}\0host={}\0", url.path(), url.host_port());
    if version > 0 {
        line.push_str(&format!("\0version={version}\0"));
    }
    let mut request = Vec::new();
    write_data(&mut request, line.as_bytes());
    duplex.send(&request).await?;
    Ok(duplex)
}

/// After this long an address gets a rival (RFC 8305): a dead IPv6 route must not cost the sync's deadline.
const RIVAL_AFTER: Duration = Duration::from_millis(250);

/// Connects to the first address that answers. TCP_NODELAY is set: every request is one write.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, RemoteError> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| RemoteError::network(format!("looking up {host}"), error))?
        .collect();
    let mut attempts = tokio::task::JoinSet::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut waiting = addresses.into_iter();
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(TcpStream::connect(address));
        }
        let outcome = match (waiting.len(), attempts.is_empty()) {
            (_, true) => {
                return Err(RemoteError::network(format!("connecting to {host}:{port}"), last));
            }
            (0, _) => attempts.join_next().await,
            _ => match tokio::time::timeout(RIVAL_AFTER, attempts.join_next()).await {
                Ok(outcome) => outcome,
                Err(_) => continue,
            },
        };
        match outcome {
            Some(Ok(Ok(stream))) => {
                stream.set_nodelay(true).map_err(|error| RemoteError::network("setting TCP_NODELAY", error))?;
                return Ok(stream);
            }
            Some(Ok(Err(error))) => last = error,
            Some(Err(_)) | None => {}
        }
    }
}
