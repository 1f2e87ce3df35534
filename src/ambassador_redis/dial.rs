//! The way out: a stream to a server or to a Sentinel, over TCP, TLS or a unix socket.
//!
//! An address comes in, a connected stream goes out. With TLS the certificate must carry the name that `--upstream-tls-server-name`
//! gives, or else the host of the address.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};

use super::transport::Transport;
use crate::core::fault::Fault;
use crate::core::lifecycle::Process;
use crate::core::rotating::Rotating;
use crate::core::tls::{self, ClientFiles, Identity, Verify};
use crate::core::values::{Endpoint, ValueError};

/// How servers are reached.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "TLS to the servers")]
pub struct DialSettings {
    /// Speak TLS to the servers and to the Sentinels
    #[arg(long)]
    pub upstream_tls: bool,

    /// Authorities that the servers' certificates must lead to (PEM); without it the machine's. Read again when it changes
    #[arg(long, value_name = "FILE", requires = "upstream_tls")]
    pub upstream_tls_authorities: Option<PathBuf>,

    /// Our own certificate, for servers that ask for one (PEM); read again when it changes
    #[arg(long, value_name = "FILE", requires_all = ["upstream_tls", "upstream_tls_key"])]
    pub upstream_tls_certificate: Option<PathBuf>,

    /// Its private key (PEM, not encrypted); read again when it changes
    #[arg(long, value_name = "FILE", requires = "upstream_tls_certificate")]
    pub upstream_tls_key: Option<PathBuf>,

    /// The name that the servers' certificates must carry, and that is asked for (SNI); without it the host of each address
    #[arg(long, value_name = "NAME", requires = "upstream_tls", value_parser = server_name)]
    pub upstream_tls_server_name: Option<ServerName<'static>>,

    /// How much of a server's certificate is checked
    #[arg(long, value_name = "WHAT", default_value = "full", value_enum)]
    pub upstream_tls_verify: Verify,
}

/// Opens streams.
#[derive(Clone, Default)]
pub struct Dialer {
    tls: Option<Arc<Rotating<ClientConfig>>>,
    server_name: Option<ServerName<'static>>,
}

impl Dialer {
    /// Reads the TLS files, and follows them.
    ///
    /// # Errors
    /// They are of no use.
    pub fn new(settings: &DialSettings) -> Result<Dialer, Fault> {
        if !settings.upstream_tls {
            return Ok(Dialer::default());
        }
        let identity = settings.upstream_tls_certificate.clone().zip(settings.upstream_tls_key.clone());
        let files = ClientFiles {
            authorities: settings.upstream_tls_authorities.clone(),
            identity: identity.map(|(certificate, key)| Identity { certificate, key }),
            verify: settings.upstream_tls_verify,
        };
        let tls = Rotating::new("tls_servers", files.paths(), move || tls::client_from(&files)).map_err(|error| {
            Fault::config(error.context("TLS to the servers cannot be used")).hint("see --upstream-tls-authorities")
        })?;
        Ok(Dialer { tls: Some(tls), server_name: settings.upstream_tls_server_name.clone() })
    }

    /// Follows the TLS files until the process drains.
    pub fn follow(&self, process: &Process) {
        if let Some(tls) = &self.tls {
            tls.follow(process);
        }
    }

    /// Connects. The caller bounds the time.
    ///
    /// # Errors
    /// Nobody answers there, or not one whom we trust.
    pub async fn dial(&self, address: &Endpoint) -> io::Result<Transport> {
        let (host, stream) = match address {
            Endpoint::Unix(path) => return UnixStream::connect(path).await.map(Transport::Unix),
            Endpoint::Tcp { host, port } => (host, TcpStream::connect((host.as_str(), *port)).await?),
        };
        let socket = socket2::SockRef::from(&stream);
        // Both only make a dead peer known sooner, and small requests leave at once.
        let _ = socket.set_tcp_nodelay(true);
        let _ = socket.set_tcp_keepalive(
            &socket2::TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(5)),
        );
        let Some(tls) = &self.tls else { return Ok(Transport::Tcp(stream)) };
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.clone()).map_err(io::Error::other)?,
        };
        let stream = tokio_rustls::TlsConnector::from(tls.current())
            .connect(name, stream)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("TLS failed: {error}")))?;
        Ok(Transport::tls(stream))
    }
}

fn server_name(text: &str) -> Result<ServerName<'static>, ValueError> {
    ServerName::try_from(text.to_owned()).map_err(|_| ValueError::new(format!("{text:?} is no host name")))
}
