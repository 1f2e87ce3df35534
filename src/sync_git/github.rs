//! A GitHub App: its key becomes a signed token, that becomes an installation's token, which is the password.
//!
//! In: the App's id, the installation's id, the key (PEM, PKCS#1 or PKCS#8; a file is read at each use). Out: a token that is
//! valid for half a minute at least. Refused: a key that is not RSA, answers that are not 201, tokens without an end.
//! Source: GitHub's REST documentation, "Authenticating as a GitHub App installation"; RFC 7515 and 7519.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method, StatusCode};
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use super::settings::auth::Password;
use crate::core::http::client::{Client, Exchange};
use crate::core::metrics::{Counter, Registry};
use crate::core::secret::{Secret, SecretFile};

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_BODY: usize = 256 << 10;
/// GitHub takes at most ten minutes.
const VALID: Duration = Duration::from_secs(540);
/// For clocks that differ.
const SKEW: Duration = Duration::from_secs(60);
/// A token that ends sooner is replaced.
const MARGIN: Duration = Duration::from_secs(30);

/// One installation of one App.
pub(crate) struct App {
    client: Client,
    /// `…/app/installations/<id>/access_tokens`.
    url: url::Url,
    issuer: String,
    key: Password,
    current: Mutex<Option<(Secret, SystemTime)>>,
    success: Counter,
    error: Counter,
}

#[derive(Deserialize)]
struct Granted {
    token: String,
    expires_at: String,
}

impl App {
    /// # Errors
    /// When the base URL cannot be joined with a path.
    pub(crate) fn new(
        base: &url::Url,
        issuer: String,
        installation: i64,
        key: Password,
        registry: &Registry,
    ) -> anyhow::Result<Self> {
        let mut base = base.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let url = base.join(&format!("app/installations/{installation}/access_tokens"));
        let help = "Refreshes of the GitHub App's token, by result.";
        let counter = |status| registry.counter("git_sync_refresh_github_app_token_count", help, &[("status", status)]);
        Ok(Self {
            client: Client::default(),
            url: url.context("--github-base-url cannot be used")?,
            issuer,
            key,
            current: Mutex::new(None),
            success: counter("success"),
            error: counter("error"),
        })
    }

    /// A token that is valid for a while; asked for only when the last one is about to end.
    ///
    /// # Errors
    /// When the key cannot be used or GitHub does not grant a token.
    pub(crate) async fn token(&self) -> anyhow::Result<Secret> {
        let now = SystemTime::now();
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((token, ends)) = current
            && ends > now + MARGIN
        {
            return Ok(token);
        }
        let granted = self.ask(now).await.context("GitHub granted no token to the App");
        let counter = if granted.is_ok() { &self.success } else { &self.error };
        counter.increment();
        let (token, ends) = granted?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.clone(), ends));
        Ok(token)
    }

    async fn ask(&self, now: SystemTime) -> anyhow::Result<(Secret, SystemTime)> {
        let key = match &self.key {
            Password::Here(secret) => secret.clone(),
            Password::File(path) => SecretFile::new(path).read()?,
        };
        let token = signed(&self.issuer, now, &key)?;
        let mut headers = HeaderMap::new();
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| anyhow!("the token is no header"))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("patterns-sync-git"));
        let mut exchange = Exchange::get(self.url.clone(), TIMEOUT, MAX_BODY);
        exchange.method = Method::POST;
        exchange.headers = headers;
        let answered = self.client.send(exchange).await?;
        if answered.status != StatusCode::CREATED {
            bail!(
                "it answered {}, not 201: are the App's id, its installation and its key right?",
                answered.status.as_u16()
            );
        }
        let granted: Granted =
            serde_json::from_slice(&answered.body).map_err(|_| anyhow!("its answer holds no token"))?;
        let ends = instant(&granted.expires_at).ok_or_else(|| anyhow!("its answer says not when the token ends"))?;
        Ok((Secret::new(granted.token), ends))
    }
}

/// A JWT for GitHub: RS256 over issuer and times.
fn signed(issuer: &str, now: SystemTime, key: &Secret) -> anyhow::Result<String> {
    let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = serde_json::json!({ "iat": seconds(now - SKEW), "exp": seconds(now + VALID), "iss": issuer });
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    let text = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let pair = key_pair(key)?;
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
        .map_err(|_| anyhow!("the key cannot sign"))?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn key_pair(key: &Secret) -> anyhow::Result<RsaKeyPair> {
    // Variables often hold the PEM in base64 once more.
    let text = match key.expose().contains("-----BEGIN") {
        true => key.expose().as_bytes().to_vec(),
        false => STANDARD.decode(key.expose().trim()).unwrap_or_default(),
    };
    let rejected = |_| anyhow!("the App's key is not an RSA key of 2048 bits or more");
    match PrivateKeyDer::from_pem_slice(&text).map_err(|_| anyhow!("the App's key is not PEM"))? {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).map_err(rejected),
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(rejected),
        _ => bail!("the App's key is not an RSA key"),
    }
}

/// A time as GitHub writes it: `2016-07-11T22:14:10Z`.
fn instant(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':').map(|part| part.split('.').next().unwrap_or_default().parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 in the civil calendar, counting years from March so that the leap day is the last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let seconds = u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_github_writes_them() {
        let seconds = |text| instant(text).map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2016-07-11T22:14:10Z"), Some(1_468_275_250));
        assert_eq!(seconds("2024-02-29T23:59:59.123Z"), Some(1_709_251_199));
        for wrong in ["", "2016-07-11", "2016-13-11T22:14:10Z", "yesterday"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused_without_being_shown() {
        for wrong in ["sesame", "-----BEGIN RSA PRIVATE KEY-----\nc2VzYW1l\n-----END RSA PRIVATE KEY-----\n"] {
            let error = signed("1", SystemTime::now(), &Secret::new(wrong)).unwrap_err().to_string();
            assert!(!error.contains("sesame"), "{error}");
        }
    }
}
