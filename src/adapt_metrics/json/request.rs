//! The request for a document: headers, body, credentials and TLS in, the answer's bytes out.
//!
//! Refused: an answer with another status than those that are right, and more than [`MAX_BODY`] bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::body::Body;
use super::credentials::Credentials;
use crate::core::document::Fields;
use crate::core::http::client::{Client, Exchange};
use crate::core::tls::ClientFiles;

/// The largest document that is read, in bytes.
const MAX_BODY: usize = 16 << 20;

/// How a document is asked for, wherever it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ask {
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<Body>,
    pub(super) credentials: Option<Credentials>,
    pub(super) tls: ClientFiles,
    /// The right ones; empty for all from 200 to 299.
    pub(super) status: Vec<u16>,
    pub(super) redirects: usize,
}

/// What fills a body's template: each parameter with its values.
pub(super) type Parameters = BTreeMap<String, Vec<String>>;

impl Ask {
    /// A client for the connections.
    pub(super) fn client(&self) -> Client {
        Client::with(self.tls.clone())
    }

    /// Asks once. Cancel safe: dropping the future drops the connection.
    ///
    /// # Errors
    /// There is no answer, or its status is none of the right ones; a retry is safe where the body changes nothing there.
    pub(super) async fn send(
        &self,
        client: &Client,
        url: Url,
        parameters: &Parameters,
        within: Duration,
    ) -> Result<Bytes> {
        let mut exchange = Exchange::get(url, within, MAX_BODY);
        exchange.redirects = self.redirects;
        exchange.headers = self.header_map()?;
        if let Some(body) = &self.body {
            exchange.method = Method::POST;
            exchange.body = Bytes::from(body.text(parameters));
        }
        let answered = client.send(exchange).await?;
        let status = answered.status;
        let is_right =
            if self.status.is_empty() { status.is_success() } else { self.status.contains(&status.as_u16()) };
        if !is_right {
            bail!("the endpoint answered {status}");
        }
        Ok(answered.body)
    }

    fn header_map(&self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if self.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &self.headers {
            headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        if let Some(credentials) = &self.credentials {
            headers.insert(AUTHORIZATION, credentials.header()?);
        }
        Ok(headers)
    }
}

/// Reads the `headers` key.
pub(super) fn read_headers(fields: &mut Fields<'_, '_>) -> BTreeMap<String, String> {
    let headers = fields.text_map("headers");
    for (name, value) in &headers {
        if HeaderName::try_from(name.as_str()).is_err() || HeaderValue::try_from(value.as_str()).is_err() {
            let (at, path) = (fields.at(), fields.path("headers"));
            fields.mistakes().add(at, path, format!("{name:?} cannot be sent as a header"));
        }
    }
    headers.into_iter().collect()
}

/// Reads a list of statuses.
pub(super) fn read_status(fields: &mut Fields<'_, '_>, key: &'static str) -> Vec<u16> {
    let mut read = Vec::new();
    for (path, item) in fields.list(key) {
        match item.text().and_then(|text| text.parse().ok()).filter(|code| (100..600).contains(code)) {
            Some(code) => read.push(code),
            None => fields.mistakes().add(item.at, path, "is no HTTP status"),
        }
    }
    read
}
