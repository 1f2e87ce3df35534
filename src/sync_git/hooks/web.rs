//! A hook that is a URL.
//!
//! In: an event. Out: one request whose header `Gitsync-Hash` names the commit, `Gitsync-Previous-Hash` the one before it and
//! `Gitsync-Ref` the ref; without a body, or with the event as JSON. Redirects are followed. Any status but the one that
//! means success is a failure, unless every answer is good enough.

use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method};
use url::Url;

use super::super::changes::Change;
use super::{Event, HookError};
use crate::core::http::client::{Client, Exchange};
use crate::core::secret::redact_urls;

/// What of an answer's body is read.
const MAX_BODY: usize = 64 << 10;
const REDIRECTS: usize = 10;

/// A URL and how to call it.
#[derive(Clone)]
pub(crate) struct Web {
    pub client: Client,
    pub url: Url,
    pub method: Method,
    /// `None`: any answer will do.
    pub success: Option<u16>,
    pub timeout: Duration,
    pub body: Body,
}

/// What a call says beside its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Body {
    /// Nothing
    None,
    /// The hashes, the ref and the changed paths
    Json,
}

/// Paths in one body; more are left out, which is then said.
const MOST_PATHS: usize = 10_000;

impl Web {
    pub(super) async fn call(&self, event: &Event) -> Result<(), HookError> {
        let mut headers = HeaderMap::new();
        let hash = HeaderValue::from_str(&event.commit.to_string()).map_err(|_| HookError::Header)?;
        headers.insert("gitsync-hash", hash);
        if let Some(before) = event.before {
            headers.insert(
                "gitsync-previous-hash",
                HeaderValue::from_str(&before.to_string()).map_err(|_| HookError::Header)?,
            );
        }
        if let Ok(reference) = HeaderValue::from_bytes(event.reference.as_bytes()) {
            headers.insert("gitsync-ref", reference);
        }
        let body = match self.body {
            Body::None => Bytes::new(),
            Body::Json => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                json(event).to_string().into()
            }
        };
        let exchange = Exchange {
            method: self.method.clone(),
            url: self.url.clone(),
            headers,
            body,
            timeout: self.timeout,
            max_body: MAX_BODY,
            redirects: REDIRECTS,
        };
        let answered = self.client.send(exchange).await?.status.as_u16();
        match self.success {
            Some(wanted) if wanted != answered => {
                Err(HookError::Status(redact_urls(self.url.as_str()), answered, wanted))
            }
            _ => Ok(()),
        }
    }
}

/// The event for programs. A path that is no UTF-8 has replacement characters.
fn json(event: &Event) -> serde_json::Value {
    let list = event.changes.as_ref().map(|list| &list.changes);
    let path = |(path, change): (&Vec<u8>, &Change)| serde_json::json!({ "change": change.letter().to_string(), "path": String::from_utf8_lossy(path) });
    serde_json::json!({
        "hash": event.commit.to_string(),
        "previous": event.before.map(|before| before.to_string()),
        "ref": event.reference,
        "changes": list.map(|list| list.iter().take(MOST_PATHS).map(path).collect::<Vec<_>>()),
        "truncated": list.is_some_and(|list| list.len() > MOST_PATHS),
    })
}
