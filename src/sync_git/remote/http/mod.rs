//! The smart HTTP transport (gitprotocol-http(5)).
//!
//! In: a repository's URL and [`Options`]. Out: the advertisement, and the answer to each request, as packets on one kept-alive connection.
//! Refused: the dumb protocol, redirects of anything but the first request, redirects from https to http.
//!
//! A credential is sent only after the server asked for one, and only to the scheme, host and port that it was looked up for; extra headers and
//! cookies obey the same rule. The first 401 asks [`Credentials`](super::options::Credentials), a second one is final.

pub(super) mod body;
mod connection;
mod cookies;
mod proxy;
mod tls;

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use rustls::ClientConfig;

use self::body::Body;
use self::connection::Connection;
use super::capabilities::agent;
use super::error::RemoteError;
use super::options::{Credential, Options};
use super::packets::PacketReader;
use super::pktline::printable;
use super::url::{Scheme, Url};

const ADVERTISEMENT: &str = "application/x-git-upload-pack-advertisement";
const REQUEST: &str = "application/x-git-upload-pack-request";
const RESULT: &str = "application/x-git-upload-pack-result";
/// As curl and git count them.
const MAX_REDIRECTS: usize = 20;
/// An error page that is longer is not worth its connection.
const MAX_ERROR_PAGE: usize = 64 * 1024;

pub(super) struct HttpClient {
    options: Arc<Options>,
    configured: Url,
    /// Where the repository really is: `configured`, or what it redirected to.
    base: Url,
    tls: Option<Arc<ClientConfig>>,
    connection: Option<Connection>,
    /// The server asked for a credential before: send it unasked from now on.
    authenticates: bool,
}

/// One request, in a form that can be sent again.
struct Call {
    method: Method,
    url: Url,
    accept: &'static str,
    body: Bytes,
    purpose: Purpose,
}

/// What is asked for.
enum Purpose {
    /// Git's own protocol.
    Git,
    /// Something beside it.
    Beside(Beside),
}

/// What a request beside git's protocol carries.
#[derive(Default)]
pub(super) struct Beside {
    /// For this URL's scheme, host and port alone.
    pub(super) headers: Vec<(String, String)>,
    pub(super) content_type: &'static str,
    /// The first byte that is wanted.
    pub(super) from: u64,
}

impl HttpClient {
    pub(super) fn new(url: Url, options: Arc<Options>) -> Self {
        Self {
            options,
            base: url.without_userinfo(),
            configured: url,
            tls: None,
            connection: None,
            authenticates: false,
        }
    }

    /// Asks for the advertisement, following redirects.
    pub(super) async fn advertisement(&mut self) -> Result<PacketReader, RemoteError> {
        self.base = self.configured.without_userinfo();
        let mut call = Call {
            method: Method::GET,
            url: service_url(&self.base),
            accept: "*/*",
            body: Bytes::new(),
            purpose: Purpose::Git,
        };
        for _ in 0..=MAX_REDIRECTS {
            let response = self.authenticated(&call).await?;
            if !response.status().is_redirection() {
                self.base = repository_url(&call.url)?;
                return answer(response, &call, ADVERTISEMENT);
            }
            let target = redirect_target(&call.url, response.headers())?;
            self.discard(response).await;
            tracing::debug!(from = %call.url, to = %target, "following a redirect");
            call.url = target;
        }
        Err(RemoteError::protocol("more than 20 redirects"))
    }

    /// Sends one request of the protocol.
    pub(super) async fn post(&mut self, body: Vec<u8>) -> Result<PacketReader, RemoteError> {
        let mut url = self.base.clone();
        url.path = format!("{}/git-upload-pack", url.path.trim_end_matches('/'));
        let call = Call { method: Method::POST, url, accept: RESULT, body: body.into(), purpose: Purpose::Git };
        let response = self.authenticated(&call).await?;
        answer(response, &call, RESULT)
    }

    /// Sends a request beside git's protocol (with a body: POST, without: GET) and follows redirects. A header of the caller's
    /// goes where it was meant for, and no further; with one that authorizes, nothing else is shown.
    pub(super) async fn ask(
        &mut self,
        url: &Url,
        accept: &'static str,
        body: Option<Bytes>,
        beside: Beside,
    ) -> Result<Response<Incoming>, RemoteError> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let body = body.unwrap_or_default();
        let mut call = Call { method, url: url.clone(), accept, body, purpose: Purpose::Beside(beside) };
        for _ in 0..=MAX_REDIRECTS {
            let response = match call.authorizes_itself() {
                true => self.send(&call, None).await?,
                false => self.authenticated(&call).await?,
            };
            let is_followed = response.status().is_redirection()
                && (call.method == Method::GET || matches!(response.status().as_u16(), 307 | 308));
            if !is_followed {
                return Ok(response);
            }
            let target = redirect_target(&call.url, response.headers())?;
            self.discard(response).await;
            if let Purpose::Beside(beside) = &mut call.purpose
                && !target.is_same_origin(&call.url)
            {
                beside.headers.clear();
            }
            call.url = target;
        }
        Err(RemoteError::protocol("more than 20 redirects"))
    }

    /// Sends `call`, with a credential if the server wants one.
    async fn authenticated(&mut self, call: &Call) -> Result<Response<Incoming>, RemoteError> {
        let sent = if self.authenticates { self.credential(&call.url).await? } else { None };
        let response = self.send(call, sent.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        self.discard(response).await;
        let refused = || {
            RemoteError::Credentials(format!(
                "authentication failed for {}: the server refuses the credentials",
                call.url
            ))
        };
        if sent.is_some() {
            // They were read a moment ago: asking again would give the same.
            return Err(refused());
        }
        let Some(credential) = self.credential(&call.url).await? else {
            return Err(RemoteError::Credentials(format!(
                "authentication failed for {}: the server wants credentials, and none are configured for it",
                call.url
            )));
        };
        self.authenticates = true;
        let response = self.send(call, Some(&credential)).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(refused());
        }
        Ok(response)
    }

    async fn credential(&self, url: &Url) -> Result<Option<Credential>, RemoteError> {
        if let Some(credentials) = &self.options.credentials {
            let found = credentials.credential(url).await;
            let found =
                found.map_err(|reason| RemoteError::Credentials(format!("no credentials for {url}: {reason}")))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        let own = self.configured.user().filter(|_| self.configured.is_same_origin(url));
        Ok(own.map(|user| Credential::Basic {
            user: user.to_owned(),
            password: self.configured.password().unwrap_or_default().to_owned(),
        }))
    }

    /// Sends `call` once; a kept connection that turns out closed is replaced.
    async fn send(&mut self, call: &Call, credential: Option<&Credential>) -> Result<Response<Incoming>, RemoteError> {
        let headers = self.headers(call, credential).await?;
        let mut kept = self.connection.take();
        if let Some(connection) = &mut kept
            && !connection.is_ready_for(&call.url).await
        {
            kept = None;
        }
        let is_kept = kept.is_some();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect(&call.url).await?,
        };
        let mut response = connection.sender.send_request(request(call, &headers, &connection)?).await;
        // The server may close a kept connection at any time, also while we write to it. Every request here is safe to repeat.
        if response.is_err() && is_kept {
            connection = self.connect(&call.url).await?;
            response = connection.sender.send_request(request(call, &headers, &connection)?).await;
        }
        let response = response.map_err(|error| RemoteError::network(call.to_string(), io::Error::other(error)))?;
        self.connection = Some(connection);
        Ok(response)
    }

    async fn connect(&mut self, url: &Url) -> Result<Connection, RemoteError> {
        let tls = match &self.tls {
            Some(tls) => Arc::clone(tls),
            None => {
                let options = Arc::clone(&self.options);
                let built = tokio::task::spawn_blocking(move || tls::client_config(&options)).await;
                let tls = built.map_err(|error| RemoteError::local("preparing TLS", error))??;
                Arc::clone(self.tls.insert(tls))
            }
        };
        Connection::open(url, &self.options.proxy, &tls).await
    }

    async fn headers(&self, call: &Call, credential: Option<&Credential>) -> Result<HeaderMap, RemoteError> {
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, text: &str| {
            let mut value = HeaderValue::from_str(text).map_err(|_| {
                RemoteError::Unsupported(format!("the value for the header {name} holds a control character"))
            })?;
            value.set_sensitive(name == header::AUTHORIZATION || name == header::COOKIE);
            headers.append(name, value);
            Ok::<_, RemoteError>(())
        };
        put(header::HOST, &call.url.host_port())?;
        put(header::USER_AGENT, &agent())?;
        put(header::ACCEPT, call.accept)?;
        let version = self.options.protocol.number();
        if version > 0 && matches!(call.purpose, Purpose::Git) {
            put(HeaderName::from_static("git-protocol"), &format!("version={version}"))?;
        }
        if let Purpose::Beside(beside) = &call.purpose {
            put(header::ACCEPT_ENCODING, "identity")?;
            if call.method == Method::POST {
                put(header::CONTENT_TYPE, beside.content_type)?;
            }
            if beside.from > 0 {
                put(header::RANGE, &format!("bytes={}-", beside.from))?;
            }
            for (name, value) in &beside.headers {
                let name = HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| RemoteError::protocol("it wants a header whose name is not valid"))?;
                // The connection is ours to keep.
                if name != header::HOST && name != header::CONNECTION && name != header::CONTENT_LENGTH {
                    put(name, value)?;
                }
            }
        } else if call.method == Method::GET {
            // A pack is compressed already, a list of references is not.
            put(header::ACCEPT_ENCODING, "gzip, deflate")?;
            put(header::PRAGMA, "no-cache")?;
        } else {
            put(header::CONTENT_TYPE, REQUEST)?;
        }
        match credential {
            Some(Credential::Basic { user, password }) => {
                put(header::AUTHORIZATION, &format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))?;
            }
            Some(Credential::Bearer { token }) => put(header::AUTHORIZATION, &format!("Bearer {token}"))?,
            None => {}
        }
        if !self.configured.is_same_origin(&call.url) {
            return Ok(headers);
        }
        for (name, value) in &self.options.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| RemoteError::Unsupported("an extra header's name is not valid".to_owned()))?;
            let is_authorized = credential.is_some() || call.authorizes_itself();
            if !(is_authorized && name == header::AUTHORIZATION) {
                put(name, value)?;
            }
        }
        if let Some(path) = &self.options.cookie_file {
            let doing = || format!("reading the cookie file {}", path.display());
            let size = tokio::fs::metadata(path).await.map_err(|error| RemoteError::local(doing(), error))?.len();
            if size > cookies::MAX_FILE {
                return Err(RemoteError::local(doing(), "it is larger than 1 MiB"));
            }
            let text = tokio::fs::read(path).await.map_err(|error| RemoteError::local(doing(), error))?;
            if let Some(value) = cookies::header(&String::from_utf8_lossy(&text), &call.url, SystemTime::now()) {
                put(header::COOKIE, &value)?;
            }
        }
        Ok(headers)
    }

    /// Reads a short answer away, so that its connection can be used again.
    async fn discard(&mut self, response: Response<Incoming>) {
        if Limited::new(response.into_body(), MAX_ERROR_PAGE).collect().await.is_err() {
            self.connection = None;
        }
    }
}

impl Call {
    /// Whether the request brings its own proof of who asks.
    fn authorizes_itself(&self) -> bool {
        matches!(&self.purpose, Purpose::Beside(beside)
            if beside.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")))
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

fn request(call: &Call, headers: &HeaderMap, connection: &Connection) -> Result<Request<Full<Bytes>>, RemoteError> {
    let path = if call.url.path.is_empty() { "/" } else { &call.url.path };
    let query = call.url.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let target = match &connection.plain_proxy {
        Some(_) => format!("http://{}{path}{query}", call.url.host_port()),
        None => format!("{path}{query}"),
    };
    let mut request =
        Request::builder().method(call.method.clone()).uri(target).body(Full::new(call.body.clone())).map_err(
            |error| RemoteError::Unsupported(format!("{} is not a URL that HTTP can ask for: {error}", call.url)),
        )?;
    *request.headers_mut() = headers.clone();
    if let Some(authorization) = connection.plain_proxy.as_ref().and_then(|proxy| proxy.authorization.as_ref())
        && let Ok(value) = HeaderValue::from_str(authorization)
    {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, value);
    }
    Ok(request)
}

fn service_url(base: &Url) -> Url {
    let mut url = base.clone();
    url.path = format!("{}/info/refs", base.path.trim_end_matches('/'));
    let query = base.query.as_ref().map(|query| format!("{query}&")).unwrap_or_default();
    url.query = Some(format!("{query}service=git-upload-pack"));
    url
}

/// The repository whose advertisement was found at `url`.
fn repository_url(url: &Url) -> Result<Url, RemoteError> {
    let path = url.path.strip_suffix("/info/refs");
    let path = path
        .ok_or_else(|| RemoteError::protocol(format!("it redirected to {url}, which is no repository's info/refs")))?;
    let query = url.query.as_deref().unwrap_or_default();
    let query = query
        .split('&')
        .filter(|pair| *pair != "service=git-upload-pack" && !pair.is_empty())
        .collect::<Vec<_>>()
        .join("&");
    let mut repository = url.clone();
    path.clone_into(&mut repository.path);
    repository.query = (!query.is_empty()).then_some(query);
    Ok(repository)
}

fn redirect_target(from: &Url, headers: &HeaderMap) -> Result<Url, RemoteError> {
    let location =
        headers.get(header::LOCATION).ok_or_else(|| RemoteError::protocol("it redirected to nowhere (no Location)"))?;
    let wrong =
        || RemoteError::protocol(format!("it redirected to \"{}\", which is no URL", printable(location.as_bytes())));
    let text = location.to_str().map_err(|_| wrong())?;
    let base = url::Url::parse(&from.to_config_text()).map_err(|_| wrong())?;
    let joined = base.join(text).map_err(|_| wrong())?;
    // Whatever userinfo a server puts there is not ours to send.
    let target = Url::parse(joined.as_str()).map_err(|_| wrong())?.without_userinfo();
    match (from.scheme(), target.scheme()) {
        (_, Scheme::Https) | (Scheme::Http, Scheme::Http) => Ok(target),
        (Scheme::Https, Scheme::Http) => {
            Err(RemoteError::protocol(format!("it redirected from https to http: {target}")))
        }
        _ => Err(RemoteError::protocol(format!("it redirected to another protocol: {target}"))),
    }
}

fn answer(response: Response<Incoming>, call: &Call, expected: &str) -> Result<PacketReader, RemoteError> {
    let status = response.status();
    if status != StatusCode::OK {
        return Err(RemoteError::Status { status: status.as_u16(), request: call.to_string() });
    }
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if kind != expected.as_bytes() {
        return Err(RemoteError::Unsupported(format!(
            "{} is no git repository, or offers only the dumb HTTP protocol: its answer is \"{}\", not {expected}",
            call.url,
            printable(kind)
        )));
    }
    let coding = response.headers().get(header::CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
    Ok(PacketReader::new(Box::new(Body::new(response.into_body(), coding.as_deref())?)))
}
