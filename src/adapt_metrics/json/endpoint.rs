//! A JSON endpoint: one request a poll, one document, and the metrics that are taken from it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::extract::{Metric, extract};
use crate::adapt_metrics::source::{Poll, Polling, Seen};
use crate::core::document::Fields;
use crate::core::http::client::{Client, Exchange};
use crate::core::secret::SecretFile;

/// The largest document that is read, in bytes.
const MAX_BODY: usize = 16 << 20;

/// Where the document comes from, and what is taken from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    url: Url,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    credentials: Option<Credentials>,
    authorities: Option<std::path::PathBuf>,
    status: Vec<u16>,
    metrics: Vec<Metric>,
}

#[derive(Debug, Clone, PartialEq)]
enum Credentials {
    Basic(String, SecretFile),
    Bearer(SecretFile),
}

impl Endpoint {
    /// Reads the keys of a `type: json` source; what is wrong goes to the mistakes.
    pub fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let url = fields.require("url", http_url);
        let headers = fields.text_map("headers");
        for (name, value) in &headers {
            if HeaderName::try_from(name.as_str()).is_err() || HeaderValue::try_from(value.as_str()).is_err() {
                let at = fields.at();
                let path = fields.path("headers");
                fields.mistakes().add(at, path, format!("{name:?} cannot be sent as a header"));
            }
        }
        let body = fields.text("body");
        let username = fields.text("username");
        let password = fields.text("password-file").map(SecretFile::new);
        let token = fields.text("bearer-token-file").map(SecretFile::new);
        let authorities = fields.text("ca-file").map(Into::into);
        let status = read_status(fields);
        let mut metrics = Vec::new();
        let items = fields.list("metrics");
        if items.is_empty() {
            let at = fields.at();
            let path = fields.path("metrics");
            fields.mistakes().add(
                at,
                path,
                "is required: a list of what to take, such as {name: queue_depth, path: .queue.depth, type: gauge}",
            );
        }
        for (path, item) in items {
            metrics.extend(Metric::read(item, &path, fields.mistakes()));
        }
        let credentials = match (username, password, token) {
            (Some(user), Some(password), None) => Some(Credentials::Basic(user, password)),
            (None, None, Some(token)) => Some(Credentials::Bearer(token)),
            (None, None, None) => None,
            _ => {
                let at = fields.at();
                let path = fields.path("username");
                fields.mistakes().add(at, path, "goes with password-file; bearer-token-file stands alone");
                None
            }
        };
        Some(Self {
            url: url?,
            headers: headers.into_iter().collect(),
            body,
            credentials,
            authorities,
            status,
            metrics,
        })
    }

    /// Begins to poll.
    pub fn poll(self) -> Box<dyn Poll> {
        Box::new(Requests { client: Client::trusting(self.authorities.clone()), endpoint: self })
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
        let authorization = match &self.credentials {
            None => return Ok(headers),
            Some(Credentials::Basic(user, password)) => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.read()?.expose())))
            }
            Some(Credentials::Bearer(token)) => format!("Bearer {}", token.read()?.expose()),
        };
        let mut value = HeaderValue::try_from(authorization)
            .map_err(|_| anyhow::anyhow!("the credential holds characters that no header can"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Ok(headers)
    }
}

struct Requests {
    client: Client,
    endpoint: Endpoint,
}

impl Poll for Requests {
    fn poll(&mut self, within: std::time::Duration) -> Polling<'_> {
        Box::pin(async move {
            let endpoint = &self.endpoint;
            let mut exchange = Exchange::get(endpoint.url.clone(), within, MAX_BODY);
            exchange.redirects = 3;
            exchange.headers = endpoint.header_map()?;
            if let Some(body) = &endpoint.body {
                exchange.method = Method::POST;
                exchange.body = Bytes::from(body.clone());
            }
            let answered = self.client.send(exchange).await?;
            let status = answered.status;
            let is_right = if endpoint.status.is_empty() {
                status.is_success()
            } else {
                endpoint.status.contains(&status.as_u16())
            };
            if !is_right {
                bail!("the endpoint answered {status}");
            }
            let document = serde_json::from_slice(&answered.body).context("the answer is not JSON")?;
            let extracted = extract(&endpoint.metrics, &document);
            Ok(Seen {
                skipped: extracted.missing + extracted.not_numbers,
                example: extracted.example,
                samples: extracted.samples,
            })
        })
    }
}

fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; write http://127.0.0.1:8080/stats"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("it must be an http or https URL with a host".to_owned());
    }
    Ok(url)
}

fn read_status(fields: &mut Fields<'_, '_>) -> Vec<u16> {
    let mut read = Vec::new();
    for (path, item) in fields.list("valid-status-codes") {
        match item.text().and_then(|text| text.parse().ok()).filter(|code| (100..600).contains(code)) {
            Some(code) => read.push(code),
            None => fields.mistakes().add(item.at, path, "is no HTTP status"),
        }
    }
    read
}
