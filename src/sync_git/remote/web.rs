//! Requests beside git's protocol, to the servers that belong to a repository: over the same TLS, proxies and credentials,
//! and under the same rules about what may be shown to whom.
//!
//! In: a URL, headers that are meant for it, perhaps a body. Out: the status, and the content as it arrives. Refused: other
//! schemes than http and https, and http where the repository is reached by something safer.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_RANGE};

use super::error::RemoteError;
use super::http::body::Body;
use super::http::{Beside, HttpClient};
use super::options::Options;
use super::packets::Chunks;
use super::url::{Scheme, Url};

/// One connection at a time, kept between requests.
pub(crate) struct WebClient {
    http: HttpClient,
    repository: Scheme,
}

/// One request; with a body it is a POST.
#[derive(Default)]
pub(crate) struct Ask {
    pub accept: &'static str,
    pub content_type: &'static str,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    /// The first byte that is wanted.
    pub from: u64,
}

/// An answer.
pub(crate) struct Contents {
    pub status: u16,
    /// Which byte of the whole the content begins with.
    pub from: u64,
    body: Body,
}

impl WebClient {
    /// For servers that belong to `repository`; what is meant for it alone goes to its own scheme, host and port only.
    pub(crate) fn new(repository: &Url, options: Options) -> Self {
        Self { http: HttpClient::new(repository.clone(), Arc::new(options)), repository: repository.scheme() }
    }

    /// Sends a request; an answer of any status is an answer.
    ///
    /// # Errors
    /// See [`RemoteError::blame`]. Repeating it is safe.
    pub(crate) async fn ask(&mut self, url: &Url, ask: Ask) -> Result<Contents, RemoteError> {
        match (url.scheme(), self.repository) {
            (Scheme::Https, _) | (Scheme::Http, Scheme::Http | Scheme::Git | Scheme::File) => {}
            (Scheme::Http, _) => {
                return Err(RemoteError::Unsupported(format!("{url} is less safe than the repository's own location")));
            }
            _ => return Err(RemoteError::Unsupported(format!("{url} is neither http nor https"))),
        }
        let beside = Beside { headers: ask.headers, content_type: ask.content_type, from: ask.from };
        let response = self.http.ask(url, ask.accept, ask.body.map(Bytes::from), beside).await?;
        contents(response)
    }
}

fn contents(response: Response<Incoming>) -> Result<Contents, RemoteError> {
    let status = response.status().as_u16();
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let from = match status {
        206 => range.strip_prefix("bytes ").and_then(|range| range.split('-').next()?.parse().ok()),
        _ => Some(0),
    };
    let from = from.ok_or_else(|| RemoteError::protocol("it sent a part without saying which"))?;
    let coding = response.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
    Ok(Contents { status, from, body: Body::new(response.into_body(), coding.as_deref())? })
}

impl Contents {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The network's.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, RemoteError> {
        poll_fn(|cx| self.body.poll_chunk(cx)).await
    }

    /// The whole, up to a limit.
    ///
    /// # Errors
    /// The network's; the server's, when it sends more.
    pub(crate) async fn whole(mut self, limit: usize) -> Result<Vec<u8>, RemoteError> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.next().await? {
            if whole.len() + bytes.len() > limit {
                return Err(RemoteError::protocol(format!("its answer is longer than {limit} bytes")));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole)
    }
}
