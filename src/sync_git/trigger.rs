//! `POST /sync`: a sync is asked for over HTTP, by a person, a pipeline or a forge's webhook.
//!
//! In: a request with the shared secret of `--sync-token-file`: as a bearer token, as GitLab's `X-Gitlab-Token`, or as the
//! HMAC-SHA256 of the body that GitHub (`X-Hub-Signature-256`) and Gitea (`X-Gitea-Signature`) send. Out: one wake-up of the
//! cycle, however many ask meanwhile, and at most one a second; with `?wait` the result of the sync that follows. Without
//! a token only this machine may ask. The secret is read at each request and compared in constant time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use ring::hmac;
use tokio::sync::{Notify, watch};

use crate::core::http::{Access, Reply, Request, Routes};
use crate::core::secret::SecretFile;

/// The shortest time between two syncs that were asked for.
const PAUSE: Duration = Duration::from_secs(1);

/// How a sync ended, for those who wait for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// How many syncs have ended.
    number: u64,
    /// The commit, or the error.
    result: Option<Result<String, String>>,
}

/// The door between the route and the cycle.
#[derive(Clone)]
pub(crate) struct Trigger {
    wake: Arc<Notify>,
    told: watch::Sender<Told>,
    last: Arc<Mutex<Option<Instant>>>,
    /// How many syncs have begun.
    begun: Arc<AtomicU64>,
}

impl Trigger {
    pub(crate) fn new() -> Self {
        Self {
            wake: Arc::default(),
            told: watch::channel(Told::default()).0,
            last: Arc::default(),
            begun: Arc::default(),
        }
    }

    /// Adds the route.
    pub(crate) fn serve(&self, routes: &Routes, token: Option<SecretFile>) {
        let access = if token.is_some() { Access::Public } else { Access::Loopback };
        let (trigger, token) = (self.clone(), token.map(Arc::new));
        routes.route(Method::POST, "/sync", access, move |request| {
            let (trigger, token) = (trigger.clone(), token.clone());
            async move { trigger.answer(&request, token.as_deref()).await }
        });
    }

    /// Waits until somebody asks for a sync.
    pub(crate) async fn asked(&self) {
        self.wake.notified().await;
        let wait = self.last.lock().unwrap_or_else(PoisonError::into_inner).map(|last| last + PAUSE);
        if let Some(until) = wait {
            tokio::time::sleep_until(until.into()).await;
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// A sync begins: who asks from now on waits for the next one.
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells those who wait how a sync has ended.
    pub(crate) fn tell(&self, result: Result<String, String>) {
        self.told.send_modify(|told| {
            told.number += 1;
            told.result = Some(result);
        });
    }

    /// Answers a request for a sync.
    pub(crate) async fn answer(&self, request: &Request, token: Option<&SecretFile>) -> Reply {
        if let Some(file) = token {
            match file.read() {
                Ok(secret) if is_proved(request, secret.expose().as_bytes()) => {}
                Ok(_) => return Reply::text(StatusCode::UNAUTHORIZED, "the token or signature is missing or wrong\n"),
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "the sync token cannot be read");
                    return Reply::text(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "the token cannot be checked; see the log\n",
                    );
                }
            }
        }
        let mut told = self.told.subscribe();
        // A sync that is under way may have looked at the ref already: the one after it surely has not.
        let number = self.begun.load(Ordering::Relaxed);
        self.wake.notify_one();
        if !request.query.split('&').any(|word| word == "wait" || word.starts_with("wait=")) {
            return Reply::text(StatusCode::ACCEPTED, "a sync will begin\n");
        }
        let ended = told.wait_for(|told| told.number > number).await.map(|told| told.result.clone());
        match ended {
            Ok(Some(Ok(commit))) => Reply::text(StatusCode::OK, format!("{commit}\n")),
            Ok(Some(Err(error))) => Reply::text(StatusCode::BAD_GATEWAY, format!("{error}\n")),
            _ => Reply::text(StatusCode::SERVICE_UNAVAILABLE, "the process is ending\n"),
        }
    }
}

/// Whether the request proves that it knows the secret. An empty secret proves nothing.
fn is_proved(request: &Request, secret: &[u8]) -> bool {
    if secret.is_empty() {
        return false;
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    // Comparing the MACs of two texts takes the same time whatever they are.
    let is_secret = |text: &str| {
        let given = hmac::sign(&key, text.as_bytes());
        hmac::verify(&key, secret, given.as_ref()).is_ok()
    };
    let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    if [bearer, request.header("x-gitlab-token")].into_iter().flatten().any(is_secret) {
        return true;
    }
    let github = request.header("x-hub-signature-256").and_then(|value| value.strip_prefix("sha256="));
    let signatures = [github, request.header("x-gitea-signature")].into_iter().flatten().filter_map(from_hex);
    signatures.into_iter().any(|signature| hmac::verify(&key, &request.body, &signature).is_ok())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (text.len() == 64).then(|| (0..64).step_by(2).map(pair).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn request(name: &'static str, value: &str, body: &'static [u8]) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        let (path, query) = ("/sync".to_owned(), String::new());
        Request { path, query, headers, body: body.into(), peer: [127, 0, 0, 1].into() }
    }

    #[test]
    fn each_forges_proof_is_taken() {
        // GitHub's documented example.
        let secret = b"It's a Secret to Everybody";
        let signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let body = b"Hello, World!";
        assert!(is_proved(&request("x-hub-signature-256", &format!("sha256={signature}"), body), secret));
        assert!(is_proved(&request("x-gitea-signature", signature, body), secret));
        assert!(is_proved(&request("x-gitlab-token", "It's a Secret to Everybody", b""), secret));
        assert!(is_proved(&request("authorization", "Bearer It's a Secret to Everybody", b""), secret));
    }

    #[test]
    fn anything_else_is_not() {
        let secret = b"sesame";
        for (name, value) in [
            ("x-gitlab-token", "sesam"),
            ("x-gitlab-token", ""),
            ("authorization", "Basic sesame"),
            ("authorization", "Bearer "),
            ("x-hub-signature-256", "sha256=00"),
            ("x-gitea-signature", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
            ("x-other", "sesame"),
        ] {
            assert!(!is_proved(&request(name, value, b"body"), secret), "{name}: {value}");
        }
        assert!(!is_proved(&request("authorization", "Bearer ", b""), b""));
    }
}
