//! A hook that is a URL.
//!
//! In: an event. Out: one request without a body, whose header `Gitsync-Hash` names the commit. Redirects are followed. Any
//! status but the one that means success is a failure, unless every answer is good enough.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method};
use url::Url;

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
}

impl Web {
    pub(super) async fn call(&self, event: &Event) -> Result<(), HookError> {
        let mut headers = HeaderMap::new();
        let hash = HeaderValue::from_str(&event.commit.to_string()).map_err(|_| HookError::Header)?;
        headers.insert("gitsync-hash", hash);
        let exchange = Exchange {
            method: self.method.clone(),
            url: self.url.clone(),
            headers,
            body: Bytes::new(),
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
