//! A JSON endpoint: one request a poll, one document, and the metrics that are taken from it.

use anyhow::Context;
use url::Url;

use super::body::Body;
use super::credentials::{Credentials, Phrase};
use super::extract::{Metric, extract};
use super::request::{Ask, Parameters, read_headers, read_status};
use crate::adapt_metrics::source::{Poll, Polling, Seen};
use crate::core::document::Fields;
use crate::core::http::client::Client;
use crate::core::secret::SecretFile;
use crate::core::tls::ClientFiles;

/// How many redirects are followed.
const REDIRECTS: usize = 3;

/// Where the document comes from, and what is taken from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    url: Url,
    ask: Ask,
    metrics: Vec<Metric>,
}

impl Endpoint {
    /// Reads the keys of a `type: json` source; what is wrong goes to the mistakes.
    pub fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let url = fields.require("url", http_url);
        let headers = read_headers(fields);
        let body = fields.text("body").map(Body::Fixed);
        let username = fields.text("username");
        let file = |path: String| Phrase::File(SecretFile::new(path));
        let password = fields.text("password-file").map(file);
        let token = fields.text("bearer-token-file").map(file);
        let authorities = fields.text("ca-file").map(Into::into);
        let status = read_status(fields, "valid-status-codes");
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
            (None, None, Some(token)) => Some(Credentials::Token("Bearer".to_owned(), token)),
            (None, None, None) => None,
            _ => {
                let at = fields.at();
                let path = fields.path("username");
                fields.mistakes().add(at, path, "goes with password-file; bearer-token-file stands alone");
                None
            }
        };
        let tls = ClientFiles { authorities, ..ClientFiles::default() };
        Some(Self { url: url?, ask: Ask { headers, body, credentials, tls, status, redirects: REDIRECTS }, metrics })
    }

    /// Begins to poll.
    pub fn poll(self) -> Box<dyn Poll> {
        Box::new(Requests { client: self.ask.client(), endpoint: self })
    }
}

struct Requests {
    client: Client,
    endpoint: Endpoint,
}

impl Poll for Requests {
    fn poll(&mut self, within: std::time::Duration) -> Polling<'_> {
        Box::pin(async move {
            let Endpoint { url, ask, metrics } = &self.endpoint;
            let body = ask.send(&self.client, url.clone(), &Parameters::new(), within).await?;
            let document = serde_json::from_slice(&body).context("the answer is not JSON")?;
            let extracted = extract(metrics, &document);
            Ok(Seen {
                skipped: extracted.missing + extracted.not_numbers,
                example: extracted.example,
                samples: extracted.samples,
            })
        })
    }
}

/// An URL that a document can be asked from.
pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; write http://127.0.0.1:8080/stats"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("it must be an http or https URL with a host".to_owned());
    }
    Ok(url)
}
