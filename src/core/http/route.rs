//! Routes: a method, a path, who may ask, and a handler from a [`Request`] to a [`Reply`].

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};

use super::status::Section;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone who reaches the port.
    Public,
    /// Only peers on this machine (in a Pod: its containers).
    Loopback,
}

/// A request whose body has been read.
#[derive(Debug)]
pub struct Request {
    /// The path without the query.
    pub path: String,
    /// The query, without the question mark.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most 1 MiB.
    pub body: Bytes,
    /// Who asks.
    pub peer: IpAddr,
}

impl Request {
    /// A header's text, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What is answered.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    content_type: HeaderValue,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Reply {
    /// Plain text.
    pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body)
    }

    /// Any content.
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self::typed(status, HeaderValue::from_static(content_type), body)
    }

    /// Any content, of a type that is not known before.
    pub fn typed(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn into_response(self) -> hyper::Response<Full<Bytes>> {
        let mut response = hyper::Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, self.content_type);
        response.headers_mut().extend(self.headers);
        response
    }
}

type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;
type Handler = Arc<dyn Fn(Request) -> Answering + Send + Sync>;
type Describe = Arc<dyn Fn() -> Section + Send + Sync>;

#[derive(Clone)]
struct Route {
    method: Method,
    path: String,
    access: Access,
    handler: Handler,
}

/// The routes of a process and the sections of its status page. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Routes(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    routes: Vec<Route>,
    elsewhere: Option<Handler>,
    sections: Vec<Describe>,
}

impl Routes {
    /// Adds a route, or replaces the one of the same method and path.
    pub fn route<F, R>(&self, method: Method, path: impl Into<String>, access: Access, handler: F)
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let path = path.into();
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.routes.retain(|route| route.method != method || route.path != path);
        inner.routes.push(Route { method, path, access, handler });
    }

    /// What GET of every path without a route is answered with; without it, 404.
    pub fn elsewhere<F, R>(&self, handler: F)
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elsewhere = Some(handler);
    }

    /// Adds a section to the status page; it is asked anew for each view.
    pub fn status(&self, describe: impl Fn() -> Section + Send + Sync + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sections.push(Arc::new(describe));
    }

    /// The sections of the status page, as they are now.
    pub fn sections(&self) -> Vec<Section> {
        let sections = self.0.lock().unwrap_or_else(PoisonError::into_inner).sections.clone();
        sections.iter().map(|describe| describe()).collect()
    }

    /// Finds the handler; HEAD is answered as GET.
    ///
    /// # Errors
    /// The reply that refuses: no such path, another method, or a peer from elsewhere.
    pub(super) fn find(&self, method: &Method, path: &str, peer: IpAddr) -> Result<Handler, Reply> {
        let asked = if *method == Method::HEAD { &Method::GET } else { method };
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here: Vec<&Route> = inner.routes.iter().filter(|route| route.path == path).collect();
        if here.is_empty() {
            if let Some(handler) = inner.elsewhere.as_ref().filter(|_| *asked == Method::GET) {
                return Ok(handler.clone());
            }
            return Err(Reply::text(StatusCode::NOT_FOUND, "nothing is served here; see / for what is\n"));
        }
        let Some(route) = here.iter().find(|route| route.method == *asked) else {
            let allowed = here.iter().map(|route| route.method.as_str()).collect::<Vec<_>>().join(", ");
            let reply = Reply::text(StatusCode::METHOD_NOT_ALLOWED, format!("this path takes {allowed}\n"));
            return Err(match HeaderValue::from_str(&allowed) {
                Ok(value) => reply.header(ALLOW, value),
                Err(_) => reply,
            });
        };
        if route.access == Access::Loopback && !peer.to_canonical().is_loopback() {
            return Err(Reply::text(StatusCode::FORBIDDEN, "this path answers only peers on the loopback interface\n"));
        }
        Ok(route.handler.clone())
    }
}
