//! A remote repository: what it holds, and how to bring it here. In-process: no git, no ssh, no OpenSSL.
//!
//! ```text
//! Url + Options ─▶ Remote ─ ls_refs ─▶ Refs ─ Selector::pick ─▶ Tip ─ fetch ─▶ pack bytes ─▶ PackSink (pack::PackReceiver)
//!                    │
//!                    ├─ Session: http(s) (hyper, rustls) · ssh (russh) · git://    version 2, else 0/1, as packets
//!                    └─ local:   file:// and paths                   the object database itself
//! ```
//!
//! A poll is one `ls-refs` with exact prefixes, over http on a kept-alive connection. Every future here may be dropped at any await: the
//! connection goes with it and the next call opens another. Nothing here keeps time; whoever calls sets the deadline.

mod capabilities;
mod error;
mod http;
mod local;
mod options;
mod packets;
mod pktline;
mod protocol_v0;
mod protocol_v2;
mod refs;
mod request;
mod session;
mod ssh;
mod stream;
mod url;
mod versions;

use std::sync::Arc;

pub use self::error::{Blame, Reason, RemoteError};
pub(super) use self::local::isolate_libgit2;
pub use self::options::{
    Credential, CredentialFuture, Credentials, HostKeys, Options, Protocol, ProxyChoice, SshOptions, Verification,
};
pub use self::refs::{Ref, Refs, Selector, Tip, parse_oid};
pub use self::request::{Absent, Depth, FetchOutcome, FetchRequest, FilterUse, MAX_HAVES, PackSink};
pub use self::url::{Scheme, Url, UrlError};
pub use self::versions::Versions;

use self::local::{LocalRepository, Match};
use self::session::Session;

/// One repository, and the connection to it.
pub struct Remote {
    url: Url,
    reach: Reach,
}

enum Reach {
    Local(LocalRepository),
    Server(Box<Server>),
}

/// A repository behind a server.
struct Server {
    url: Url,
    options: Arc<Options>,
    session: Option<Session>,
}

impl Remote {
    /// Nothing is opened before the first call.
    pub fn new(url: Url, options: Options) -> Self {
        let reach = match url.scheme() {
            Scheme::File => Reach::Local(LocalRepository::new(url.path())),
            _ => Reach::Server(Box::new(Server { url: url.clone(), options: Arc::new(options), session: None })),
        };
        Self { url, reach }
    }

    /// Where it is.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Lists the references whose names start with one of `prefixes` (all, when there is none).
    ///
    /// # Errors
    /// See [`RemoteError::blame`]. Repeating it is safe.
    pub async fn ls_refs(&mut self, prefixes: &[String]) -> Result<Refs, RemoteError> {
        match &mut self.reach {
            Reach::Local(repository) => repository.ls_refs(prefixes, Match::Prefix).await,
            Reach::Server(server) => server.ls_refs(prefixes).await,
        }
    }

    /// Finds what `selector` means, in one `ls-refs`.
    ///
    /// # Errors
    /// [`RemoteError::UnknownRef`] when the repository has no such reference; else as [`ls_refs`](Self::ls_refs).
    pub async fn resolve(&mut self, selector: &Selector) -> Result<Tip, RemoteError> {
        let candidates = selector.candidates();
        if candidates.is_empty() {
            return selector.pick(&Refs::default());
        }
        let refs = match &mut self.reach {
            Reach::Local(repository) => {
                let matching = if matches!(selector, Selector::Newest(_)) { Match::Prefix } else { Match::Exact };
                repository.ls_refs(&candidates, matching).await?
            }
            Reach::Server(server) => server.ls_refs(&candidates).await?,
        };
        selector.pick(&refs)
    }

    /// Fetches a pack into `sink`. When it returns the whole pack was handed over; whether it is sound is the sink's to say.
    ///
    /// # Errors
    /// See [`RemoteError::blame`]; the sink's own errors are [`RemoteError::Local`]. Repeating it with a fresh sink is safe.
    pub async fn fetch(
        &mut self,
        request: &FetchRequest,
        sink: &mut impl PackSink,
    ) -> Result<FetchOutcome, RemoteError> {
        match &mut self.reach {
            Reach::Local(repository) => repository.fetch(request, sink).await,
            Reach::Server(server) => server.fetch(request, sink).await,
        }
    }

    /// Lets go of a connection for which the server keeps a process (git://, ssh); a kept-alive HTTP connection stays.
    /// Call it before a long sleep.
    pub fn rest(&mut self) {
        if let Reach::Server(server) = &mut self.reach {
            server.session = server.session.take().filter(|session| !session.holds_process());
        }
    }
}

impl Server {
    async fn ls_refs(&mut self, prefixes: &[String]) -> Result<Refs, RemoteError> {
        let kept = self.session.take().filter(Session::can_list);
        if let Some(mut session) = kept {
            match session.ls_refs(prefixes).await {
                Ok(refs) => {
                    self.session = Some(session);
                    return Ok(refs);
                }
                // The server may have closed it while we slept, or forgotten us.
                Err(error) => {
                    tracing::debug!(%error, "the kept session is of no use; opening another");
                }
            }
        }
        let mut session = Session::open(&self.url, &self.options).await?;
        let refs = session.ls_refs(prefixes).await?;
        self.session = Some(session);
        Ok(refs)
    }

    async fn fetch(&mut self, request: &FetchRequest, sink: &mut impl PackSink) -> Result<FetchOutcome, RemoteError> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&self.url, &self.options).await?,
        };
        let answer = match session.request(request).await {
            Err(error @ RemoteError::Network { .. }) if session.was_used => {
                tracing::debug!(%error, "the kept session is of no use; opening another");
                session = Session::open(&self.url, &self.options).await?;
                session.request(request).await?
            }
            answer => answer?,
        };
        let outcome = session.receive(answer, request, sink).await?;
        if session.can_fetch_again() {
            self.session = Some(session);
        }
        Ok(outcome)
    }
}
