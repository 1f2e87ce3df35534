//! The places where clients arrive, and what is asked of them there.
//!
//! Options come in; open sockets go out. Refused: a place that is taken, with the setting to change.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use rustls::ServerConfig;
use tokio::net::{TcpListener, UnixListener};

use crate::core::fault::Fault;
use crate::core::lifecycle::Process;
use crate::core::net::{self, Sharing};
use crate::core::rotating::Rotating;
use crate::core::tls::{self, ClientCertificates, Identity, ServerFiles};
use crate::core::values::{Bind, ValueError};

use super::arrival::{Arrival, Incoming};
use super::peer::Peer;
use super::trusted::Trusted;
use super::unix_socket::{self, Name};

/// How clients reach us.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Where clients arrive")]
pub struct DoorSettings {
    /// Where the application finds its Redis: HOST:PORT, or unix:/path for a unix socket; may be given several times. With
    /// --tls-certificate the TCP ports speak TLS
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', default_value = "127.0.0.1:6379")]
    pub listen: Vec<Listen>,

    /// A further port, which speaks no TLS although --listen does; may be given several times
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', requires = "tls_certificate")]
    pub listen_plain: Vec<Listen>,

    /// The mode of the unix sockets, in octal; 660 lets in the owner and the group (in a Pod: fsGroup)
    #[arg(long, value_name = "MODE", default_value = "660", value_parser = mode)]
    pub unix_socket_mode: u32,

    /// Let another process listen on the same ports and unix sockets (SO_REUSEPORT), so that a new one takes over while this one
    /// finishes what it has
    #[arg(long)]
    pub reuse_port: bool,

    /// Whose connections begin with a PROXY protocol header (version 1 or 2) that names the client: networks such as 10.0.0.0/8, and
    /// `unix`; a comma between two. From all others a header is not understood. Default: nobody's
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',')]
    pub proxy_protocol_from: Vec<Trusted>,

    /// The certificate to show to clients, and behind it those that lead to its authority (PEM); read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,

    /// Its private key (PEM, not encrypted); read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,

    /// Authorities of the clients' certificates (PEM); without it clients are not asked for one
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_client_authorities: Option<PathBuf>,

    /// Whether a client must show a certificate of those authorities
    #[arg(long, value_name = "RULE", default_value = "required", value_enum)]
    pub tls_client_certificates: ClientCertificates,
}

/// A place to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    Tcp(Bind),
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Listen, ValueError> {
        match text.strip_prefix("unix:") {
            Some("") => Err(ValueError::new("the path after unix: is missing")),
            Some(path) => Ok(Listen::Unix(PathBuf::from(path))),
            None => text.parse().map(Listen::Tcp),
        }
    }
}

/// All places, open.
pub struct Doors(pub Vec<Door>);

/// One open place.
pub struct Door {
    pub socket: DoorSocket,
    /// What is spoken on it; `None` for plain text.
    pub tls: Option<Arc<Rotating<ServerConfig>>>,
    /// Who is believed when they name somebody else.
    pub trusted: Arc<[Trusted]>,
}

pub enum DoorSocket {
    Tcp(TcpListener),
    /// The name goes when the socket does.
    Unix(UnixListener, Name),
}

impl Doors {
    /// Opens all.
    ///
    /// # Errors
    /// A place is taken or not ours, the TLS files are of no use, or there is no place at all.
    pub fn open(settings: &DoorSettings, process: &Process) -> Result<Doors, Fault> {
        let tls = certificates(settings)?;
        if let Some(tls) = &tls {
            tls.follow(process);
        }
        let sharing = if settings.reuse_port { Sharing::Shared } else { Sharing::Exclusive };
        let trusted: Arc<[Trusted]> = settings.proxy_protocol_from.clone().into();
        let plain = settings.listen_plain.iter().map(|place| (place, None, "listen-plain"));
        let places = settings.listen.iter().map(|place| (place, tls.clone(), "listen")).chain(plain);
        let mut doors = Vec::new();
        for (place, tls, setting) in places {
            let (socket, tls) = match place {
                Listen::Tcp(bind) => match net::listen(bind, sharing, setting)? {
                    Some(listener) => (DoorSocket::Tcp(TcpListener::from_std(listener).map_err(Fault::failed)?), tls),
                    None => continue,
                },
                Listen::Unix(path) => {
                    let (listener, name) = unix_socket::listen(path, settings.unix_socket_mode, sharing)
                        .map_err(|error| unix_fault(error, path, setting))?;
                    (DoorSocket::Unix(UnixListener::from_std(listener).map_err(Fault::failed)?, name), None)
                }
            };
            doors.push(Door { socket, tls, trusted: trusted.clone() });
        }
        match doors.is_empty() {
            true => Err(Fault::config(anyhow!("there is nowhere to listen")).hint("set --listen")),
            false => Ok(Doors(doors)),
        }
    }
}

impl Door {
    /// What is to be done with a client that came in here.
    pub fn arrival(&self, socket: Incoming, peer: Peer) -> Arrival {
        let proxied = self.trusted.iter().any(|trusted| trusted.contains(&peer));
        Arrival { socket, peer, proxied, tls: self.tls.clone() }
    }

    /// The address, for the log.
    pub fn shown(&self) -> String {
        match &self.socket {
            DoorSocket::Tcp(listener) => {
                listener.local_addr().as_ref().map_or_else(ToString::to_string, SocketAddr::to_string)
            }
            DoorSocket::Unix(_, name) => format!("unix:{}", name.path().display()),
        }
    }
}

fn certificates(settings: &DoorSettings) -> Result<Option<Arc<Rotating<ServerConfig>>>, Fault> {
    let (Some(certificate), Some(key)) = (&settings.tls_certificate, &settings.tls_key) else { return Ok(None) };
    let files = ServerFiles {
        identity: Identity { certificate: certificate.clone(), key: key.clone() },
        clients: settings.tls_client_authorities.clone().map(|file| (file, settings.tls_client_certificates)),
    };
    let rotating = Rotating::new("tls_clients", files.paths(), move || tls::server(&files)).map_err(|error| {
        Fault::config(error.context("clients cannot be offered TLS")).hint("see --tls-certificate and --tls-key")
    })?;
    Ok(Some(rotating))
}

fn unix_fault(error: std::io::Error, path: &std::path::Path, setting: &str) -> Fault {
    let hint = match error.kind() {
        std::io::ErrorKind::AddrInUse => format!("another process listens there; set --{setting} to another path"),
        std::io::ErrorKind::AlreadyExists => {
            format!("a file that is no socket has that name; set --{setting} to another path")
        }
        _ => format!("the directory must exist and be writable; see --{setting}"),
    };
    Fault::failed(anyhow!(error).context(format!("cannot listen on unix:{}", path.display()))).hint(hint)
}

fn mode(text: &str) -> Result<u32, ValueError> {
    let bad = || ValueError::new(format!("{text:?} is no file mode; write it in octal, such as 660 or 777"));
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777).ok_or_else(bad)
}
