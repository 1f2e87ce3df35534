//! What can go wrong between us and a remote repository, whose fault it is, and whether trying again may help.

use std::io;

use super::pktline::{PacketError, printable};

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Between us and the server: name resolution, connecting, a connection that broke.
    Network,
    /// The server answered what it should not.
    Server,
    /// The credentials, or what they may see.
    Credentials,
    /// What was asked for: the repository, the reference, the settings.
    Request,
    /// This machine: the disk, a limit that was set here.
    Local,
}

/// A boxed reason, of whatever layer.
pub type Reason = Box<dyn std::error::Error + Send + Sync>;

/// Why a remote could not be asked. No message holds a secret.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its variant is")]
pub enum RemoteError {
    #[error("{doing}: {source}")]
    Network { doing: String, source: io::Error },
    #[error("the server broke the git protocol: {0}")]
    Protocol(String),
    /// The server's own words, escaped.
    #[error("the server refused: {0}")]
    Refused(String),
    #[error("the server answered {status} to {request}{}", explain(*.status))]
    Status { status: u16, request: String },
    #[error("couldn't find remote ref {name}{why}")]
    UnknownRef { name: String, why: &'static str },
    #[error("{0}")]
    Credentials(String),
    /// The server, or this program, lacks what was asked for.
    #[error("{0}")]
    Unsupported(String),
    #[error("{doing}: {source}")]
    Local { doing: String, source: Reason },
}

impl RemoteError {
    pub(super) fn network(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Network { doing: doing.into(), source }
    }

    pub(super) fn hung_up(doing: &str) -> Self {
        Self::network(doing, io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"))
    }

    pub(super) fn protocol(what: impl Into<String>) -> Self {
        Self::Protocol(what.into())
    }

    pub(super) fn local(doing: impl Into<String>, source: impl Into<Reason>) -> Self {
        Self::Local { doing: doing.into(), source: source.into() }
    }

    /// A server's refusal (an ERR packet, band 3), told apart where its words are known.
    pub(super) fn refused(words: &[u8]) -> Self {
        Self::Refused(printable(words))
    }

    /// Who has to act.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Network { .. } => Blame::Network,
            Self::Protocol(_) => Blame::Server,
            Self::Status { status: 500.., .. } => Blame::Server,
            Self::Credentials(_) | Self::Status { status: 401 | 403 | 407, .. } => Blame::Credentials,
            Self::Refused(_) | Self::Status { .. } | Self::UnknownRef { .. } | Self::Unsupported(_) => Blame::Request,
            Self::Local { .. } => Blame::Local,
        }
    }

    /// Whether the same request may succeed later without anybody changing a setting here.
    /// Every request of this module is safe to repeat.
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Network { .. } | Self::Protocol(_) | Self::Local { .. } => true,
            // The branch may be pushed, the credential's file rewritten, the repository created.
            Self::UnknownRef { .. } | Self::Credentials(_) | Self::Refused(_) | Self::Status { .. } => true,
            Self::Unsupported(_) => false,
        }
    }
}

impl From<PacketError> for RemoteError {
    fn from(error: PacketError) -> Self {
        Self::Protocol(error.to_string())
    }
}

fn explain(status: u16) -> &'static str {
    match status {
        401 | 403 => ": the credentials are wrong or may not read this repository",
        404 | 410 => ": no such repository, or one that these credentials may not see",
        407 => ": the proxy wants credentials",
        429 => ": too many requests",
        _ => "",
    }
}
