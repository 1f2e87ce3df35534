//! A small HTTP client for hooks, credentials and JSON sources: one exchange a connection, one deadline over all of it.
//!
//! Bounded: the reply's body, the redirects, the time. A redirect never carries `Authorization` or a cookie to another
//! host, and never leads from https to http. Proxies are not asked: what is reached here is near.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, COOKIE, HOST, HeaderValue, LOCATION};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::core::tls::ClientFiles;
use crate::core::{secret, tls};

/// Where a stream of bytes leads, plain or through TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// GET, POST, …
    pub method: Method,
    /// An `http` or `https` URL. User and password in it are sent as basic authentication.
    pub url: Url,
    /// Further headers.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// The time for all of it, redirects included.
    pub timeout: Duration,
    /// The most bytes of a reply's body that are read.
    pub max_body: usize,
    /// How many redirects are followed.
    pub redirects: usize,
}

impl Exchange {
    /// A GET that follows no redirect.
    pub fn get(url: Url, timeout: Duration, max_body: usize) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout,
            max_body,
            redirects: 0,
        }
    }
}

/// What was answered, whatever its status.
#[derive(Debug)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why there is no answer. A retry is safe where the method is: nobody can know how far the server came.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The URL is not one that can be asked.
    #[error("{0} is not an http or https URL with a host")]
    Url(String),
    /// Nobody answers there.
    #[error("cannot connect to {0}")]
    Connect(String, #[source] io::Error),
    /// The server's certificate is not trusted, or it speaks no TLS.
    #[error("TLS with {0} failed")]
    Tls(String, #[source] io::Error),
    /// The authorities that we would trust cannot be read.
    #[error("TLS cannot be used: {0:#}")]
    Authorities(anyhow::Error),
    /// The server does not speak HTTP, or broke off.
    #[error("{0} gave no proper HTTP answer")]
    Protocol(String, #[source] hyper::Error),
    /// The reply's body ended before its end.
    #[error("{0} broke off its answer")]
    Cut(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// The reply is larger than what is read.
    #[error("{0} answered with more than {1} bytes")]
    TooLarge(String, usize),
    /// The time is over.
    #[error("{0} gave no whole answer within {1:?}")]
    TimedOut(String, Duration),
    /// One redirect too many, or one that would carry us from https to http.
    #[error("{0} redirects to a place that is not followed ({1})")]
    Redirect(String, String),
}

/// A client; cheap to clone, the trusted authorities are read once at the first https URL.
#[derive(Clone, Default)]
pub struct Client {
    files: ClientFiles,
    tls: Arc<OnceCell<Arc<rustls::ClientConfig>>>,
}

impl Client {
    /// A client that trusts the authorities of this PEM file instead of the machine's.
    pub fn trusting(authorities: Option<PathBuf>) -> Self {
        Self::with(ClientFiles { authorities, ..ClientFiles::default() })
    }

    /// A client that trusts, and shows of itself, what these files say.
    pub fn with(files: ClientFiles) -> Self {
        Self { files, tls: Arc::default() }
    }

    /// Sends the request and reads the whole reply. Cancel safe: dropping the future drops the connection.
    ///
    /// # Errors
    /// See [`ClientError`]. A reply of any status is no error.
    pub async fn send(&self, exchange: Exchange) -> Result<Answered, ClientError> {
        let (shown, timeout) = (shown(&exchange.url), exchange.timeout);
        tokio::time::timeout(timeout, self.follow(exchange)).await.map_err(|_| ClientError::TimedOut(shown, timeout))?
    }

    async fn follow(&self, mut exchange: Exchange) -> Result<Answered, ClientError> {
        loop {
            let answered = self.once(&exchange).await?;
            let location = answered.headers.get(LOCATION).and_then(|location| location.to_str().ok());
            let Some(location) = location.filter(|_| answered.status.is_redirection() && exchange.redirects > 0) else {
                return Ok(answered);
            };
            let refused = || ClientError::Redirect(shown(&exchange.url), secret::redact_urls(location));
            let mut next = exchange.url.join(location).map_err(|_| refused())?;
            if exchange.url.scheme() == "https" && next.scheme() != "https" {
                return Err(refused());
            }
            if next.origin() == exchange.url.origin() {
                // The same host keeps what was said to it.
                // They fail only for URLs without a host, and this one has answered.
                let _ = next.set_username(exchange.url.username());
                let _ = next.set_password(exchange.url.password());
            } else {
                exchange.headers.remove(AUTHORIZATION);
                exchange.headers.remove(COOKIE);
            }
            if matches!(answered.status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER)
                && exchange.method == Method::POST
            {
                exchange.method = Method::GET;
                exchange.body = Bytes::new();
            }
            exchange.url = next;
            exchange.redirects -= 1;
        }
    }

    async fn once(&self, exchange: &Exchange) -> Result<Answered, ClientError> {
        let url = &exchange.url;
        let shown = shown(url);
        let host = url
            .host_str()
            .filter(|_| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| ClientError::Url(shown.clone()))?;
        let stream = self.connect(url, host, &shown).await?;
        let protocol = |error| ClientError::Protocol(shown.clone(), error);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(protocol)?;
        let request = request(exchange, host).ok_or_else(|| ClientError::Url(shown.clone()))?;
        // The connection is driven here and not in a task of its own, so that dropping this future drops all of it.
        let exchange = async {
            let reply = sender.send_request(request).await.map_err(protocol)?;
            let (head, body) = reply.into_parts();
            let body = Limited::new(body, exchange.max_body).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    ClientError::TooLarge(shown.clone(), exchange.max_body)
                } else {
                    ClientError::Cut(shown.clone(), error)
                }
            })?;
            Ok(Answered { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        tokio::pin!(exchange);
        tokio::select! {
            answered = &mut exchange => answered,
            ended = connection => match ended {
                Ok(()) => exchange.await,
                Err(error) => Err(ClientError::Protocol(shown.clone(), error)),
            },
        }
    }

    async fn connect(&self, url: &Url, host: &str, shown: &str) -> Result<Box<dyn Stream>, ClientError> {
        let secure = url.scheme() == "https";
        let port = url.port_or_known_default().unwrap_or(80);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let tcp =
            TcpStream::connect((bare, port)).await.map_err(|error| ClientError::Connect(shown.to_owned(), error))?;
        // A request is written whole: waiting to fill a segment would only delay it. A failure costs nothing but that.
        drop(tcp.set_nodelay(true));
        if !secure {
            return Ok(Box::new(tcp));
        }
        let config = self.tls.get_or_try_init(|| async { tls::client_from(&self.files) }).await;
        let config = config.map_err(ClientError::Authorities)?.clone();
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| ClientError::Url(shown.to_owned()))?;
        let stream = TlsConnector::from(config).connect(name, tcp).await;
        Ok(Box::new(stream.map_err(|error| ClientError::Tls(shown.to_owned(), error))?))
    }
}

fn request(exchange: &Exchange, host: &str) -> Option<hyper::Request<Full<Bytes>>> {
    let url = &exchange.url;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = hyper::Request::new(Full::new(exchange.body.clone()));
    *request.method_mut() = exchange.method.clone();
    *request.uri_mut() = target.parse::<Uri>().ok()?;
    let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let headers = request.headers_mut();
    headers.extend(exchange.headers.clone());
    headers.insert(HOST, HeaderValue::from_str(&authority).ok()?);
    if !url.username().is_empty() && !headers.contains_key(AUTHORIZATION) {
        headers.insert(AUTHORIZATION, basic(url)?);
    }
    Some(request)
}

fn basic(url: &Url) -> Option<HeaderValue> {
    use base64::Engine;
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = format!("{}:{}", decode(url.username()), decode(url.password().unwrap_or_default()));
    let mut value =
        HeaderValue::from_str(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The URL as it may be shown: no user, no password, no query (which may carry a token).
fn shown(url: &Url) -> String {
    let end = if url.query().is_some() { "?…" } else { "" };
    format!("{}{end}", secret::redact_urls(&url[..url::Position::AfterPath]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers each connection with the next text, and tells the requests that came.
    async fn server(replies: Vec<&'static str>) -> (Url, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://me:p%40ss@{}/path?q=1", listener.local_addr().unwrap())).unwrap();
        let requests = tokio::spawn(async move {
            let mut requests = Vec::new();
            for reply in replies {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut seen = vec![0; 4096];
                let n = stream.read(&mut seen).await.unwrap();
                requests.push(String::from_utf8_lossy(&seen[..n]).into_owned());
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
            requests
        });
        (url, requests)
    }

    #[tokio::test]
    async fn a_redirect_to_another_host_carries_no_credential() {
        let (second, second_requests) = server(vec!["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]).await;
        let reply = format!(
            "HTTP/1.1 302 Found\r\nLocation: http://localhost:{}/x\r\nContent-Length: 0\r\n\r\n",
            second.port().unwrap()
        );
        let (first, first_requests) = server(vec![Box::leak(reply.into_boxed_str())]).await;
        let mut exchange = Exchange::get(first, Duration::from_secs(20), 1024);
        exchange.redirects = 3;
        let answered = Client::default().send(exchange).await.unwrap();
        assert_eq!((answered.status.as_u16(), &answered.body[..]), (200, &b"ok"[..]));
        // "me:p@ss" in base64.
        assert!(first_requests.await.unwrap()[0].to_lowercase().contains("authorization: basic bwu6cebzcw=="));
        assert!(!second_requests.await.unwrap()[0].to_lowercase().contains("authorization"));
    }

    #[tokio::test]
    async fn silence_garbage_and_floods_are_errors_that_hide_the_password() {
        let (url, _held) = server(vec![]).await;
        let client = Client::default();
        let error = client.send(Exchange::get(url, Duration::from_millis(50), 10)).await.unwrap_err();
        assert!(
            matches!(error, ClientError::TimedOut(..) | ClientError::Protocol(..) | ClientError::Connect(..)),
            "{error}"
        );
        let (url, _requests) = server(vec!["SSH-2.0-OpenSSH\r\n\r\n"]).await;
        let error = client.send(Exchange::get(url, Duration::from_secs(20), 10)).await.unwrap_err();
        assert!(matches!(error, ClientError::Protocol(..)) && !error.to_string().contains("p%40ss"), "{error}");
        let (url, _requests) = server(vec!["HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234567890123456789"]).await;
        let error = client.send(Exchange::get(url, Duration::from_secs(20), 10)).await.unwrap_err();
        assert!(matches!(error, ClientError::TooLarge(_, 10)), "{error}");
        let (url, _requests) = server(vec!["HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n012"]).await;
        let error = client.send(Exchange::get(url, Duration::from_secs(20), 100)).await.unwrap_err();
        assert!(matches!(error, ClientError::Cut(..) | ClientError::Protocol(..)), "{error}");
    }
}
