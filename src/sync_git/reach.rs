//! How remotes are reached: the settings, in the words of the remote layer.
//!
//! In: the authentication settings, git's own settings from `--git-config`. Out: one `remote::Options` for the repository and
//! its submodules, and rewritten URLs (`url.<base>.insteadOf`). Git's settings that have no meaning here are named in the
//! log, without their values, and otherwise ignored.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;

use super::attributes::LineEnds;
use super::credentials::{Askpass, Vault, in_url};
use super::github::App;
use super::remote::{HostKeys, Options, Protocol, ProxyChoice, SshOptions, Url, Verification};
use super::settings::auth::{AuthSettings, Given, Password};
use super::threads::Threads;
use crate::core::fault::Fault;
use crate::core::metrics::Registry;

/// Where git-sync's users mount their cookies.
const COOKIES: &str = "/etc/git-secret/cookie_file";

/// What is needed to open any remote of this sync.
#[derive(Clone)]
pub(crate) struct Reach {
    pub options: Options,
    pub vault: Arc<Vault>,
    /// Submodules may be on this machine though the repository is not.
    pub allows_local: bool,
    /// `core.autocrlf` and `core.eol`.
    pub line_ends: LineEnds,
    /// Those that store what is fetched.
    pub threads: Threads,
    rewrites: Arc<[(String, String)]>,
}

impl Reach {
    /// # Errors
    /// A usage fault where a setting cannot be used; a failure where a file that must be there is not.
    pub(crate) fn new(repo: &Url, auth: AuthSettings, registry: &Registry) -> Result<Self, Fault> {
        let mut options = Options::default();
        let mut rewrites = Vec::new();
        if auth.cookie_file {
            std::fs::metadata(COOKIES)
                .map_err(|error| Fault::failed(error).context(format!("--cookie-file needs the file {COOKIES}")))?;
            options.cookie_file = Some(PathBuf::from(COOKIES));
        }
        options.ssh = SshOptions {
            keys: auth.ssh_key_file.clone(),
            host_keys: match auth.ssh_known_hosts {
                true => HostKeys::Known(vec![auth.ssh_known_hosts_file.clone()]),
                false => HostKeys::Any,
            },
            command: std::env::var("GIT_SSH_COMMAND").ok().filter(|command| !command.trim().is_empty()),
        };
        let (mut allows_local, mut line_ends) = (false, LineEnds::default());
        let pairs = auth.git_config.iter().chain(&auth.git_config_add).flat_map(|pairs| &pairs.0);
        for (key, value) in pairs {
            if key.eq_ignore_ascii_case("protocol.file.allow") || key.eq_ignore_ascii_case("protocol.allow") {
                allows_local = value == "always";
            } else if key.eq_ignore_ascii_case("core.autocrlf") {
                line_ends.auto_crlf = matches!(value.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "1" | "");
            } else if key.eq_ignore_ascii_case("core.eol") {
                line_ends.text_crlf = value.eq_ignore_ascii_case("crlf");
            } else if !apply(&mut options, &mut rewrites, key, value)? {
                tracing::info!(key, "a git setting has no meaning here and is ignored");
            }
        }
        let bases =
            rewrites.iter().filter_map(|(_, base): &(String, String)| in_url(&Url::parse(base).ok()?)).collect();
        let vault = Arc::new(vault(repo, auth, bases, registry).map_err(Fault::usage)?);
        options.credentials = Some(vault.clone());
        Ok(Self { options, vault, allows_local, line_ends, threads: Threads::default(), rewrites: rewrites.into() })
    }

    /// The location that `url.<base>.insteadOf` makes of a location: the longest prefix is replaced.
    pub(crate) fn rewritten(&self, text: &str) -> String {
        let best = self.rewrites.iter().filter(|(prefix, _)| text.starts_with(prefix.as_str()));
        match best.max_by_key(|(prefix, _)| prefix.len()) {
            Some((prefix, base)) => format!("{base}{}", &text[prefix.len()..]),
            None => text.to_owned(),
        }
    }
}

/// `given` is what other settings have said already.
fn vault(repo: &Url, auth: AuthSettings, mut given: Vec<Given>, registry: &Registry) -> anyhow::Result<Vault> {
    let password = auth.password.map(Password::Here);
    if let Some(username) = auth.username {
        let password = auth.password_file.map(Password::File).or(password);
        let password = password.ok_or_else(|| anyhow!("--username needs $GITSYNC_PASSWORD or --password-file"))?;
        given.push(Given { url: repo.without_userinfo().to_config_text(), username, password });
    } else {
        given.extend(in_url(repo));
    }
    given.extend(auth.credential.into_iter().flat_map(|list| list.0));
    let askpass = auth.askpass_url.map(|url| Askpass::new(url, registry));
    let issuer = auth.github_app_client_id.filter(|id| !id.is_empty());
    let issuer = issuer.or_else(|| auth.github_app_application_id.filter(|id| *id != 0).map(|id| id.to_string()));
    let app = match (issuer, auth.github_app_installation_id) {
        (Some(issuer), Some(installation)) => {
            let key = auth.github_app_private_key_file.map(Password::File);
            let key = key.or_else(|| auth.github_app_private_key.map(Password::Here));
            let key = key.ok_or_else(|| anyhow!("a GitHub App needs its private key"))?;
            Some(App::new(&auth.github_base_url, issuer, installation, key, registry)?)
        }
        _ => None,
    };
    Vault::new(repo, given, askpass, app)
}

/// Applies one of git's settings; answers whether it means something here.
fn apply(options: &mut Options, rewrites: &mut Vec<(String, String)>, key: &str, value: &str) -> Result<bool, Fault> {
    let lower = key.to_ascii_lowercase();
    match lower.as_str() {
        "http.extraheader" => {
            let (name, text) = value.split_once(':').ok_or_else(|| {
                Fault::usage(anyhow!("http.extraHeader in --git-config must be a header, as in \"Name: value\""))
            })?;
            options.headers.push((name.trim().to_owned(), text.trim().to_owned()));
        }
        "http.sslcainfo" => options.ca_file = Some(PathBuf::from(value)),
        "http.sslverify" => {
            let is_off = matches!(value.to_ascii_lowercase().as_str(), "false" | "no" | "off" | "0");
            options.verification = if is_off { Verification::Off } else { Verification::Required };
        }
        "http.proxy" if value.is_empty() => options.proxy = ProxyChoice::Direct,
        "http.proxy" => options.proxy = ProxyChoice::Url(value.to_owned()),
        "http.cookiefile" => options.cookie_file = Some(PathBuf::from(value)),
        "protocol.version" => options.protocol = if value == "2" { Protocol::V2 } else { Protocol::V0 },
        _ => {
            let base = lower.strip_prefix("url.").and_then(|rest| rest.strip_suffix(".insteadof"));
            let Some(base) = base else { return Ok(false) };
            rewrites.push((value.to_owned(), key[4..4 + base.len()].to_owned()));
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_rewritten_prefix_wins() {
        let (mut options, mut rewrites) = (Options::default(), Vec::new());
        apply(&mut options, &mut rewrites, "url.https://Mirror/.insteadOf", "https://h/").unwrap();
        apply(&mut options, &mut rewrites, "url.ssh://git@h/.insteadOf", "https://h/private/").unwrap();
        let repo = Url::parse("https://h/x").unwrap();
        let vault = Arc::new(Vault::new(&repo, Vec::new(), None, None).unwrap());
        let reach = Reach {
            options,
            vault,
            allows_local: false,
            line_ends: LineEnds::default(),
            threads: Threads::default(),
            rewrites: rewrites.into(),
        };
        assert_eq!(reach.rewritten("https://h/a"), "https://Mirror/a");
        assert_eq!(reach.rewritten("https://h/private/a"), "ssh://git@h/a");
        assert_eq!(reach.rewritten("https://other/a"), "https://other/a");
    }

    #[test]
    fn settings_without_a_meaning_are_told_apart() {
        let (mut options, mut rewrites) = (Options::default(), Vec::new());
        let mut known = |key: &str, value: &str| apply(&mut options, &mut rewrites, key, value).unwrap();
        assert!(known("HTTP.sslVerify", "false") && known("http.extraHeader", "X: y"));
        assert!(!known("safe.directory", "*") && !known("http.postBuffer", "1"));
        assert_eq!(options.verification, Verification::Off);
    }
}
