//! SSH, in-process: `git-upload-pack` run on the server over one channel.
//!
//! In: a URL, key files, known_hosts. Out: a [`Duplex`]. Refused: hosts that known_hosts does not vouch for (unless told to trust any), keys behind a passphrase.
//!
//! Files are read again for each connection, so that rotated keys count at once. With `GIT_SSH_COMMAND` the program that it names is used instead (`command`).
//! A connection serves one listing and one fetch, as every stream does; it is not kept between polls, so that no server process waits for us.

mod command;
mod known_hosts;

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use russh::client::{self, AuthResult, Handle};
use russh::keys::{self, Algorithm, EcdsaCurve, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, ChannelReadHalf, Preferred};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use self::known_hosts::{KnownHosts, Rejection};
use super::error::RemoteError;
use super::options::{HostKeys, Options, SshOptions};
use super::packets::Chunks;
use super::pktline::printable;
use super::stream::{Duplex, connect};
use super::url::Url;

/// Above every known_hosts, private key or certificate.
const MAX_FILE: u64 = 8 * 1024 * 1024;
/// What a server may say on its standard error.
const MAX_WORDS: usize = 4 * 1024;
/// A ticket for another server is a URL and a token.
const MAX_TICKET: usize = 64 * 1024;
/// Chunks between the connection and whoever reads them.
const IN_FLIGHT: usize = 8;

/// Opens a channel on which the server's `git-upload-pack` answers.
pub(super) async fn open_ssh(url: &Url, options: &Options) -> Result<Duplex, RemoteError> {
    open(url, options, options.protocol.number(), &upload_pack(url)).await
}

/// Runs `git-lfs-authenticate` on the server, and answers with what it says.
///
/// # Errors
/// As every connection's; a server that has no such program refuses.
pub(crate) async fn lfs_authenticate(url: &Url, options: &Options) -> Result<Vec<u8>, RemoteError> {
    let command = format!("git-lfs-authenticate {} download", quoted(url.path().trim_start_matches('/')));
    open(url, options, 0, &command).await?.into_answer(MAX_TICKET).await
}

/// Opens a channel to a program on the server.
async fn open(url: &Url, options: &Options, version: u8, program: &str) -> Result<Duplex, RemoteError> {
    if let Some(command) = &options.ssh.command {
        return command::open(command, url, &options.ssh, version, program);
    }
    let handle = authenticate(url, &options.ssh).await?;
    let broken = |error| network(format!("starting git-upload-pack on {}", url.host()), error);
    let channel = handle.channel_open_session().await.map_err(broken)?;
    if version > 0 {
        // A server that does not accept the variable answers in version 0.
        channel.set_env(false, "GIT_PROTOCOL", format!("version={version}")).await.map_err(broken)?;
    }
    channel.exec(true, program).await.map_err(broken)?;
    let (reader, writer) = channel.split();
    let (sender, chunks) = mpsc::channel(IN_FLIGHT);
    let task = AbortOnDropHandle::new(tokio::spawn(forward(reader, sender)));
    let mut duplex = Duplex::over(Box::new(Forwarded { chunks, _task: task }), Box::pin(writer.make_writer()));
    // Its end would end the connection.
    duplex.keep(handle);
    Ok(duplex)
}

/// The command for the server's shell, the path in quotes that no path can end.
fn upload_pack(url: &Url) -> String {
    format!("git-upload-pack {}", quoted(url.path()))
}

fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''").replace('!', r"'\!'"))
}

/// Connects, checks the host, proves who we are.
async fn authenticate(url: &Url, options: &SshOptions) -> Result<Handle<HostCheck>, RemoteError> {
    let known = match &options.host_keys {
        HostKeys::Any => None,
        HostKeys::Known(files) => Some(KnownHosts::parse(&read_all(files).await?)),
    };
    let keys = read_keys(&options.keys).await?;
    let preferred = known.as_ref().map_or(Preferred::DEFAULT, |known| preferred(known, url));
    let config = client::Config { preferred, nodelay: true, ..client::Config::default() };
    let rejection = Arc::new(Mutex::new(None));
    let check = HostCheck { known, host: url.host().to_owned(), port: url.port(), rejection: Arc::clone(&rejection) };
    let stream = connect(url.host(), url.port()).await?;
    let connected = client::connect_stream(Arc::new(config), stream, check).await;
    let mut handle =
        connected.map_err(|error| match rejection.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(rejection) => RemoteError::Credentials(format!("the host {} is not trusted: {rejection}", url.host())),
            None => network(format!("starting SSH with {}", url.host()), error),
        })?;
    let user = url.user().map_or_else(own_name, str::to_owned);
    let broken = |error| network(format!("authenticating at {}", url.host()), error);
    let mut tried = 0;
    for Identity { key, certificate } in keys {
        let key = Arc::new(key);
        if let Some(certificate) = certificate {
            let answer = handle.authenticate_openssh_cert(&user, Arc::clone(&key), certificate).await;
            if answer.map_err(broken)?.success() {
                return Ok(handle);
            }
        }
        let hash = match key.algorithm() {
            Algorithm::Rsa { .. } => {
                handle.best_supported_rsa_hash().await.map_err(broken)?.unwrap_or(Some(HashAlg::Sha256))
            }
            _ => None,
        };
        tried += 1;
        match handle.authenticate_publickey(&user, PrivateKeyWithHashAlg::new(key, hash)).await.map_err(broken)? {
            AuthResult::Success => return Ok(handle),
            AuthResult::Failure { .. } => {}
        }
    }
    // Some hosts let everybody read.
    if tried == 0 && handle.authenticate_none(&user).await.map_err(broken)?.success() {
        return Ok(handle);
    }
    Err(RemoteError::Credentials(match tried {
        0 => format!("authentication failed for {url}: no SSH key could be read, and the server wants one"),
        tried => format!("authentication failed for {url}: the server accepts none of the {tried} SSH keys"),
    }))
}

/// A private key, and the certificate beside it.
struct Identity {
    key: PrivateKey,
    certificate: Option<keys::Certificate>,
}

/// Reads the keys that are there; ssh, too, passes over those that are not.
async fn read_keys(files: &[PathBuf]) -> Result<Vec<Identity>, RemoteError> {
    let mut identities = Vec::new();
    for file in files {
        let text = match read(file).await {
            Ok(text) => text,
            Err(error) => {
                tracing::warn!(path = %file.display(), %error, "an SSH key cannot be read");
                continue;
            }
        };
        // Some editors and secret stores leave carriage returns, or take the last newline.
        let text = format!("{}\n", text.replace('\r', "").trim());
        match keys::decode_secret_key(&text, None) {
            Ok(key) => identities.push(Identity { key, certificate: read_certificate(file).await }),
            Err(error) => {
                tracing::warn!(path = %file.display(), %error, "not an SSH key that can be used (a passphrase cannot be given)");
            }
        }
    }
    Ok(identities)
}

async fn read_certificate(key: &Path) -> Option<keys::Certificate> {
    let mut path = key.as_os_str().to_owned();
    path.push("-cert.pub");
    let text = read(Path::new(&path)).await.ok()?;
    keys::Certificate::from_openssh(text.trim())
        .inspect_err(|error| tracing::warn!(%error, "an SSH certificate is not valid"))
        .ok()
}

async fn read_all(files: &[PathBuf]) -> Result<String, RemoteError> {
    let mut all = String::new();
    for file in files {
        let text = read(file).await;
        all += &text.map_err(|error| {
            RemoteError::Credentials(format!("known_hosts cannot be read: {}: {error}", file.display()))
        })?;
        all.push('\n');
    }
    Ok(all)
}

async fn read(path: &Path) -> io::Result<String> {
    if tokio::fs::metadata(path).await?.len() > MAX_FILE {
        return Err(io::Error::other("it is larger than 8 MiB"));
    }
    tokio::fs::read_to_string(path).await
}

/// Asks first for the kinds of key that are known for the host, and for certificates only where an authority is.
fn preferred(known: &KnownHosts, url: &Url) -> Preferred {
    let is_known = known.algorithms(url.host(), url.port());
    let is_same_kind =
        |a: &Algorithm, b: &Algorithm| a == b || matches!((a, b), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }));
    let mut preferred = Preferred::DEFAULT;
    let mut order = preferred.key.to_vec();
    order.sort_by_key(|algorithm| !is_known.iter().any(|known| is_same_kind(known, algorithm)));
    if known.has_authority(url.host(), url.port()) {
        preferred.host_key_certificates = Cow::Borrowed(&CERTIFICATES);
    }
    preferred.key = Cow::Owned(order);
    preferred
}

const CERTIFICATES: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// Whom ssh would log in as; a container's user often has no name.
fn own_name() -> String {
    ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "git".to_owned())
}

/// Decides whether the host is who it should be.
struct HostCheck {
    /// `None`: any host will do.
    known: Option<KnownHosts>,
    host: String,
    port: u16,
    rejection: Arc<Mutex<Option<Rejection>>>,
}

impl client::Handler for HostCheck {
    type Error = russh::Error;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let Some(known) = &self.known else { return Ok(true) };
        match known.check(&self.host, self.port, presented, SystemTime::now()) {
            Ok(()) => Ok(true),
            Err(rejection) => {
                *self.rejection.lock().unwrap_or_else(PoisonError::into_inner) = Some(rejection);
                Ok(false)
            }
        }
    }
}

/// Hands on what the channel brings; what the program said of its failure is the error at the end.
async fn forward(mut channel: ChannelReadHalf, chunks: mpsc::Sender<Result<Bytes, RemoteError>>) {
    let mut words = Vec::new();
    let mut status = None;
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } if data.is_empty() => {}
            ChannelMsg::Data { data } => match chunks.send(Ok(data)).await {
                Ok(()) => {}
                Err(_) => return,
            },
            ChannelMsg::ExtendedData { data, .. } => {
                let room = MAX_WORDS - words.len();
                words.extend_from_slice(&data[..data.len().min(room)]);
            }
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            ChannelMsg::Failure => words.extend_from_slice(b"the server does not run git-upload-pack"),
            _ => {}
        }
    }
    if let Some(error) = ended(&words, status.map(|status| status as i32)) {
        // Nobody may be reading any more; then nobody needs to know.
        let _ = chunks.send(Err(error)).await;
    }
}

/// The error of a program that ended: its own words if it left any.
fn ended(words: &[u8], status: Option<i32>) -> Option<RemoteError> {
    let words = printable(words);
    match (words.as_str(), status) {
        ("", None | Some(0)) => None,
        ("", Some(status)) => Some(RemoteError::Refused(format!("git-upload-pack ended with status {status}"))),
        (words, _) => Some(RemoteError::Refused(words.to_owned())),
    }
}

/// Chunks that a task of ours reads.
struct Forwarded {
    chunks: mpsc::Receiver<Result<Bytes, RemoteError>>,
    _task: AbortOnDropHandle<()>,
}

impl Chunks for Forwarded {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RemoteError>> {
        self.chunks.poll_recv(cx).map(Option::transpose)
    }
}

fn network(doing: String, error: russh::Error) -> RemoteError {
    match error {
        russh::Error::IO(error) => RemoteError::network(doing, error),
        error => RemoteError::network(doing, io::Error::other(error)),
    }
}
