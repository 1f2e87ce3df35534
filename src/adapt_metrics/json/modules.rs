//! json_exporter's configuration file, read as it is: modules by name, each with a way to ask and what to take.
//!
//! What it has no word for is a note, not a mistake, since it ignores it too: the file goes on working. Refused: paths
//! that cannot be read, CEL, and ways to connect that we do not have (a proxy, OAuth).

use std::collections::BTreeMap;

use super::body::Body;
use super::credentials::{Credentials, Phrase};
use super::extract::{Metric, extract};
use super::request::{Ask, Parameters, read_headers, read_status};
use crate::adapt_metrics::source::Sample;
use crate::core::document::{Fields, Mistakes, Node, Value, unknown_key};
use crate::core::http::client::Client;
use crate::core::secret::{Secret, SecretFile};
use crate::core::tls::{ClientFiles, Identity, Verify};

/// How many redirects Go's client follows.
const REDIRECTS: usize = 10;
const MODULE_KEYS: [&str; 5] = ["headers", "metrics", "http_client_config", "body", "valid_status_codes"];
const METRIC_KEYS: [&str; 12] = [
    "name",
    "path",
    "engine",
    "labels",
    "type",
    "valuetype",
    "epochtimestamp",
    "epochTimestamp",
    "help",
    "values",
    "allow_missing_key",
    "allowmissingkey",
];
const CLIENT_KEYS: [&str; 9] = [
    "basic_auth",
    "authorization",
    "bearer_token",
    "bearer_token_file",
    "tls_config",
    "follow_redirects",
    "enable_http2",
    "proxy_url",
    "oauth2",
];
const TLS_KEYS: [&str; 7] =
    ["ca_file", "cert_file", "key_file", "insecure_skip_verify", "server_name", "min_version", "max_version"];

/// All modules of a file.
#[derive(Debug, Default)]
pub struct Modules(BTreeMap<String, Module>);

/// A way to ask any target, and what to take from its documents.
#[derive(Debug)]
pub(super) struct Module {
    ask: Ask,
    metrics: Vec<Metric>,
}

/// What a probe of a target saw.
#[derive(Debug, Default)]
pub(super) struct Probed {
    /// The samples.
    pub(super) samples: Vec<Sample>,
    /// What could not be taken, in words; the last of it.
    pub(super) problem: Option<String>,
}

impl Modules {
    /// Reads a file; what is wrong goes to the mistakes, what has no effect to the notes.
    pub fn read(root: &Node, mistakes: &mut Mistakes, notes: &mut Mistakes) -> Self {
        note_unknown(root, "", &["modules"], notes);
        let mut modules = BTreeMap::new();
        match root.field("modules").map(|node| (node, &node.value)) {
            Some((_, Value::Mapping(entries))) => {
                for (name, node) in entries {
                    modules.extend(
                        Module::read(node, &format!("modules.{}", name.text), mistakes, notes)
                            .map(|module| (name.text.clone(), module)),
                    );
                }
            }
            Some((node, _)) if !node.is_null() => {
                mistakes.add(node.at, "modules", "must be a mapping of names to modules");
            }
            _ => mistakes.add(root.at, "modules", "is required, but missing"),
        }
        Self(modules)
    }

    /// The module of this name.
    pub(super) fn module(&self, name: &str) -> Option<&Module> {
        self.0.get(name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Module {
    fn read(node: &Node, path: &str, mistakes: &mut Mistakes, notes: &mut Mistakes) -> Option<Self> {
        if node.is_null() {
            let ask = Ask { redirects: REDIRECTS, ..Ask::default() };
            return Some(Self { ask, metrics: Vec::new() });
        }
        note_unknown(node, path, &MODULE_KEYS, notes);
        let mut fields = node.fields(path, mistakes)?;
        let headers = read_headers(&mut fields);
        let status = read_status(&mut fields, "valid_status_codes");
        let mut metrics = Vec::new();
        for (path, item) in fields.list("metrics") {
            note_unknown(item, &path, &METRIC_KEYS, notes);
            metrics.extend(Metric::read_theirs(item, &path, fields.mistakes()));
        }
        let body = fields.take("body").and_then(|node| {
            let path = fields.path("body");
            node.fields(&path, fields.mistakes()).and_then(body)
        });
        let mut ask = Ask { headers, status, body, redirects: REDIRECTS, ..Ask::default() };
        if let Some(node) = fields.take("http_client_config") {
            let path = fields.path("http_client_config");
            note_unknown(node, &path, &CLIENT_KEYS, notes);
            if let Some(fields) = node.fields(&path, fields.mistakes()) {
                connect(fields, &mut ask, notes);
            }
        }
        Some(Self { ask, metrics })
    }

    /// Asks a target.
    ///
    /// # Errors
    /// There is no right answer. One that is not JSON has no samples, and says so.
    pub(super) async fn probe(
        &self,
        target: url::Url,
        parameters: &Parameters,
        within: std::time::Duration,
    ) -> anyhow::Result<Probed> {
        // A file of authorities may have changed since the last probe, which is seconds ago: it is read each time.
        let client: Client = self.ask.client();
        let body = self.ask.send(&client, target, parameters, within).await?;
        let document = match serde_json::from_slice(&body) {
            Ok(document) => document,
            Err(error) => {
                return Ok(Probed { samples: Vec::new(), problem: Some(format!("the answer is not JSON: {error}")) });
            }
        };
        let extracted = extract(&self.metrics, &document);
        Ok(Probed { samples: extracted.samples, problem: extracted.example })
    }
}

fn body(mut fields: Fields<'_, '_>) -> Option<Body> {
    let is_template = fields.read("templatize", boolean).unwrap_or(false);
    let content = fields.text("content").filter(|content| !content.is_empty());
    if !is_template {
        return content.map(Body::Fixed);
    }
    fields.read("content", Body::template).filter(|_| content.is_some())
}

/// Reads `http_client_config`, as far as it says something that we do.
fn connect(mut fields: Fields<'_, '_>, ask: &mut Ask, notes: &mut Mistakes) {
    for key in ["proxy_url", "oauth2"] {
        if let Some(node) = fields.take(key) {
            let path = fields.path(key);
            fields.mistakes().add(node.at, path, "is not supported");
        }
    }
    if fields.read("follow_redirects", boolean) == Some(false) {
        ask.redirects = 0;
    }
    let written = |text: String| Phrase::Written(Secret::new(text));
    let file = |path: String| Phrase::File(SecretFile::new(path));
    let bearer = fields.text("bearer_token").map(written).or(fields.text("bearer_token_file").map(file));
    ask.credentials = bearer.map(|token| Credentials::Token("Bearer".to_owned(), token));
    for (key, is_basic) in [("authorization", false), ("basic_auth", true)] {
        let Some(node) = fields.take(key) else { continue };
        let path = fields.path(key);
        let Some(mut inner) = node.fields(&path, fields.mistakes()) else { continue };
        ask.credentials = if is_basic {
            let password = inner.text("password").map(written).or(inner.text("password_file").map(file));
            let user = inner.text("username").unwrap_or_default();
            Some(Credentials::Basic(user, password.unwrap_or_else(|| written(String::new()))))
        } else {
            let kind = inner.text("type").unwrap_or_else(|| "Bearer".to_owned());
            let secret = inner.text("credentials").map(written).or(inner.text("credentials_file").map(file));
            secret.map(|secret| Credentials::Token(kind, secret))
        };
        inner.finish();
    }
    if let Some(node) = fields.take("tls_config") {
        let path = fields.path("tls_config");
        note_unknown(node, &path, &TLS_KEYS, notes);
        if let Some(inner) = node.fields(&path, fields.mistakes()) {
            ask.tls = tls(inner);
        }
    }
}

fn tls(mut fields: Fields<'_, '_>) -> ClientFiles {
    let authorities = fields.text("ca_file").map(Into::into);
    let pair = (fields.text("cert_file"), fields.text("key_file"));
    let identity = match pair {
        (Some(certificate), Some(key)) => Some(Identity { certificate: certificate.into(), key: key.into() }),
        (None, None) => None,
        _ => {
            let (at, path) = (fields.at(), fields.path("cert_file"));
            fields.mistakes().add(at, path, "and key_file go together");
            None
        }
    };
    let verify = match fields.read("insecure_skip_verify", boolean) {
        Some(true) => Verify::None,
        _ => Verify::Full,
    };
    ClientFiles { authorities, identity, verify }
}

/// As YAML 1.1 spells them.
fn boolean(text: &str) -> Result<bool, &'static str> {
    crate::adapt_metrics::rules::scalar::boolean(text)
}

fn note_unknown(node: &Node, path: &str, known: &[&'static str], notes: &mut Mistakes) {
    let Value::Mapping(entries) = &node.value else { return };
    for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
        let path = if path.is_empty() { key.text.clone() } else { format!("{path}.{}", key.text) };
        notes.add(key.at, path, unknown_key(&key.text, known.iter().copied()));
    }
}
