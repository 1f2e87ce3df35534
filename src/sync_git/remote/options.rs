//! How to reach a remote: credentials, headers, cookies, TLS, proxies. Settings fill it in; nothing here is logged.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use super::error::Reason;
use super::url::Url;

/// What proves to a server who we are.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant says it all")]
pub enum Credential {
    Basic { user: String, password: String },
    Bearer { token: String },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { .. } => f.write_str("Credential::Basic(…)"),
            Self::Bearer { .. } => f.write_str("Credential::Bearer(…)"),
        }
    }
}

/// The answer of a [`Credentials`].
pub type CredentialFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<Credential>, Reason>> + Send + 'a>>;

/// Where credentials come from. It is asked when a server wants one, and from then on before every request,
/// so that a rewritten file counts at once.
pub trait Credentials: Send + Sync {
    /// The credential for `url` (which has no userinfo), if there is one. It must be meant for that scheme, host and path.
    ///
    /// # Errors
    /// It cannot be had now (file missing, token service down): the operation fails with that reason.
    fn credential<'a>(&'a self, url: &'a Url) -> CredentialFuture<'a>;
}

/// Whether a server's certificate must be valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// It must be, for the host's name, by the roots.
    #[default]
    Required,
    /// `http.sslVerify=false`.
    Off,
}

/// Which proxy http(s) goes through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`, of either case.
    #[default]
    Environment,
    /// None.
    Direct,
    /// `http.proxy`; it may hold userinfo.
    Url(String),
}

/// The newest version of the protocol to ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Version 2, or whatever the server chooses below.
    #[default]
    V2,
    /// The original protocol.
    V0,
}

impl Protocol {
    pub(super) fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V0 => 0,
        }
    }
}

/// Which hosts SSH may talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKeys {
    /// Those that these known_hosts files vouch for.
    Known(Vec<PathBuf>),
    /// Any: `--ssh-known-hosts=false`.
    Any,
}

impl Default for HostKeys {
    fn default() -> Self {
        Self::Known(Vec::new())
    }
}

/// How SSH is spoken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshOptions {
    /// Private keys, tried in this order; those that cannot be read are passed over with a warning.
    pub keys: Vec<PathBuf>,
    /// Which hosts to trust.
    pub host_keys: HostKeys,
    /// `GIT_SSH_COMMAND`: the program to use instead of our own client.
    pub command: Option<String>,
}

/// How to reach one remote.
#[derive(Clone, Default)]
pub struct Options {
    /// Asked when the server wants one.
    pub credentials: Option<Arc<dyn Credentials>>,
    /// `http.extraHeader`: sent to the repository's own scheme, host and port only.
    pub headers: Vec<(String, String)>,
    /// A Netscape cookie file, read before every request.
    pub cookie_file: Option<PathBuf>,
    /// PEM certificates that stand in for the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the server's certificate must be valid.
    pub verification: Verification,
    /// Keys and hosts of ssh.
    pub ssh: SshOptions,
    /// Through which proxy.
    pub proxy: ProxyChoice,
    /// The newest version to ask for.
    pub protocol: Protocol,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("cookie_file", &self.cookie_file)
            .field("ca_file", &self.ca_file)
            .field("verification", &self.verification)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}
