//! One HTTP/1.1 connection to one origin: TCP, a proxy's tunnel where there is one, TLS, hyper.
//!
//! In: a URL and options. Out: a sender of requests that keeps the connection alive. Dropping it ends the connection.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::super::error::RemoteError;
use super::super::options::ProxyChoice;
use super::super::pktline::printable;
use super::super::stream::connect;
use super::super::url::{Scheme, Url};
use super::proxy::Proxy;

pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    origin: Url,
    /// A plain proxy is told the whole URL, and who we are; behind a tunnel it is told nothing.
    pub(super) plain_proxy: Option<Proxy>,
    _driver: AbortOnDropHandle<()>,
}

impl Connection {
    /// Opens a connection on which requests for `url` can be sent.
    pub(super) async fn open(url: &Url, choice: &ProxyChoice, tls: &Arc<ClientConfig>) -> Result<Self, RemoteError> {
        let proxy = Proxy::select(choice, url)?;
        let mut tcp = match &proxy {
            Some(proxy) => connect(&proxy.host, proxy.port).await?,
            None => connect(url.host(), url.port()).await?,
        };
        let origin = url.without_userinfo();
        if url.scheme() != Scheme::Https {
            return Self::start(tcp, origin, proxy).await;
        }
        if let Some(proxy) = &proxy {
            tunnel(&mut tcp, url, proxy).await?;
        }
        let name = ServerName::try_from(url.host().to_owned()).map_err(|_| {
            RemoteError::Unsupported(format!("{:?} is not a name that a certificate can have", url.host()))
        })?;
        let stream = TlsConnector::from(Arc::clone(tls))
            .connect(name, tcp)
            .await
            .map_err(|error| RemoteError::network(format!("starting TLS with {}", url.host()), error))?;
        Self::start(stream, origin, None).await
    }

    async fn start<S>(stream: S, origin: Url, plain_proxy: Option<Proxy>) -> Result<Self, RemoteError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
        TokioIo<S>: Read + Write,
    {
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| RemoteError::network("starting HTTP", io::Error::other(error)))?;
        // Its errors reach us through the requests that they end.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, origin, plain_proxy, _driver: AbortOnDropHandle::new(driver) })
    }

    /// Whether a request for `url` may be sent here, as far as anyone can know before sending it.
    pub(super) async fn is_ready_for(&mut self, url: &Url) -> bool {
        self.origin.is_same_origin(url) && self.sender.ready().await.is_ok()
    }
}

/// More than any proxy says before it opens the tunnel.
const MAX_TUNNEL_ANSWER: usize = 16 * 1024;

async fn tunnel(tcp: &mut TcpStream, url: &Url, proxy: &Proxy) -> Result<(), RemoteError> {
    let broken = |error| RemoteError::network(format!("asking the proxy {} for a tunnel", proxy.host), error);
    let target = match url.host().contains(':') {
        true => format!("[{}]:{}", url.host(), url.port()),
        false => format!("{}:{}", url.host(), url.port()),
    };
    let authorization =
        proxy.authorization.as_ref().map(|value| format!("Proxy-Authorization: {value}\r\n")).unwrap_or_default();
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n");
    tcp.write_all(request.as_bytes()).await.map_err(broken)?;
    // Byte by byte: what follows the empty line belongs to TLS.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == MAX_TUNNEL_ANSWER {
            return Err(broken(io::Error::other("its answer does not end")));
        }
        answer.push(tcp.read_u8().await.map_err(broken)?);
    }
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status = line
        .split(|byte| *byte == b' ')
        .nth(1)
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(status) => {
            Err(RemoteError::Status { status, request: format!("CONNECT {target} through the proxy {}", proxy.host) })
        }
        None => Err(broken(io::Error::other(format!("it answered \"{}\"", printable(line))))),
    }
}
