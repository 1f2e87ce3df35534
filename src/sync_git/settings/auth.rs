//! Settings of authentication, with git-sync's rules about what goes with what.
//!
//! Secrets come from files that are read when used; elsewhere only as far as git-sync takes them there: from the variables
//! `GITSYNC_PASSWORD` and `GITSYNC_GITHUB_APP_PRIVATE_KEY`, from their hidden flags, and inside `--credential`.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use serde::Deserialize;
use url::Url;

use crate::core::fault::Fault;
use crate::core::secret::Secret;
use crate::core::values::ValueError;

/// Who we are, to whom.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Authentication")]
pub(crate) struct AuthSettings {
    /// The user name for --repo; the password comes from --password-file or $GITSYNC_PASSWORD
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,

    /// `$GITSYNC_PASSWORD`; git-sync still takes it as a flag, too, under two names.
    #[arg(long, alias = "__env__GITSYNC_PASSWORD", hide = true, hide_env_values = true, value_parser = secret)]
    pub password: Option<Secret>,

    /// A file with the password or token; it is read again before each sync
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// Credentials for further URLs (submodules), as JSON: one object or a list of objects with the keys url, username,
    /// and password or password-file
    #[arg(long, value_name = "JSON", value_parser = credentials, hide_env_values = true)]
    pub credential: Vec<CredentialList>,

    /// A URL that answers with lines username=… and password=…, asked before each sync
    #[arg(long, value_name = "URL")]
    pub askpass_url: Option<Url>,

    /// Send the cookies of /etc/git-secret/cookie_file
    #[arg(long)]
    pub cookie_file: bool,

    /// A private key for ssh; several are tried in order
    #[arg(long, value_name = "FILE", default_value = "/etc/git-secret/ssh", value_delimiter = ':')]
    pub ssh_key_file: Vec<PathBuf>,

    /// Talk only to hosts that the known_hosts file vouches for
    #[arg(long, default_value = "true", action = clap::ArgAction::SetFalse)]
    pub ssh_known_hosts: bool,

    /// The known_hosts file
    #[arg(long, value_name = "FILE", default_value = "/etc/git-secret/known_hosts")]
    pub ssh_known_hosts_file: PathBuf,

    /// The id of a GitHub App to authenticate as
    #[arg(long, value_name = "ID", value_parser = super::numbers::signed)]
    pub github_app_application_id: Option<i64>,

    /// The client id of a GitHub App to authenticate as, instead of its application id
    #[arg(long, value_name = "ID")]
    pub github_app_client_id: Option<String>,

    /// The id of that App's installation
    #[arg(long, value_name = "ID", value_parser = super::numbers::signed)]
    pub github_app_installation_id: Option<i64>,

    /// A file with that App's private key (PEM)
    #[arg(long, value_name = "FILE")]
    pub github_app_private_key_file: Option<PathBuf>,

    /// `$GITSYNC_GITHUB_APP_PRIVATE_KEY`, which is no flag of git-sync's but in its tests.
    #[arg(long = "__env__GITSYNC_GITHUB_APP_PRIVATE_KEY", hide = true, hide_env_values = true, value_parser = secret)]
    pub github_app_private_key: Option<Secret>,

    /// Where GitHub's API is
    #[arg(long, value_name = "URL", default_value = "https://api.github.com/")]
    pub github_base_url: Url,

    /// Further settings in git's own names: `key:value,"quoted key":"value"`; see the manual for those that have a meaning
    #[arg(long, value_name = "PAIRS", value_parser = super::git_config::pairs, hide_env_values = true)]
    pub git_config: Option<super::git_config::Pairs>,

    /// One such pair; may be repeated
    #[arg(long, value_name = "PAIR", value_parser = super::git_config::pairs, hide_env_values = true)]
    pub git_config_add: Vec<super::git_config::Pairs>,
}

/// The credentials of one `--credential`.
#[derive(Clone, Debug)]
pub(crate) struct CredentialList(pub Vec<Given>);

/// One credential, as it was given.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub url: String,
    pub username: String,
    pub password: Password,
}

/// Where a password comes from.
#[derive(Clone, Debug)]
pub(crate) enum Password {
    Here(Secret),
    File(PathBuf),
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    #[serde(default)]
    url: String,
    #[serde(default)]
    username: String,
    password: Option<String>,
    password_file: Option<PathBuf>,
}

/// Reads `--credential`; an empty text holds none.
///
/// # Errors
/// When it is not the JSON that is wanted. The text itself is not repeated: it may hold a password.
pub(crate) fn credentials(text: &str) -> Result<CredentialList, ValueError> {
    if text.trim().is_empty() {
        return Ok(CredentialList(Vec::new()));
    }
    let bad = |why: String| {
        ValueError::new(format!("not a credential: {why}; write {{\"url\":…,\"username\":…,\"password-file\":…}}"))
    };
    let written: Vec<Written> = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(text),
        false => serde_json::from_str(text).map(|one| vec![one]),
    }
    .map_err(|error| bad(format!("line {} column {} cannot be read", error.line(), error.column())))?;
    let given = |written: Written| {
        let password = match (written.password, written.password_file) {
            (Some(password), None) => Password::Here(Secret::new(password)),
            (None, Some(path)) => Password::File(path),
            _ => return Err(bad("exactly one of password and password-file must be there".to_owned())),
        };
        if written.url.is_empty() || written.username.is_empty() {
            return Err(bad("url and username must be there".to_owned()));
        }
        Ok(Given { url: written.url, username: written.username, password })
    };
    written.into_iter().map(given).collect::<Result<_, _>>().map(CredentialList)
}

/// Whether `--repo` names a user itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Userinfo {
    Given,
    None,
}

impl AuthSettings {
    /// git-sync's rules about what must and what must not go together.
    ///
    /// # Errors
    /// A usage fault that names the options.
    pub(super) fn check(&self, userinfo: Userinfo) -> Result<(), Fault> {
        let refuse = |text: &str| Err(Fault::usage(anyhow!("{text}")));
        let (has_password, has_file) = (self.password.is_some(), self.password_file.is_some());
        let has_key = self.github_app_private_key.is_some();
        match self.username {
            Some(_) if has_password && has_file => {
                refuse("only one of $GITSYNC_PASSWORD and --password-file may be set")
            }
            Some(_) if !has_password && !has_file => refuse("--username needs $GITSYNC_PASSWORD or --password-file"),
            Some(_) if userinfo == Userinfo::Given => {
                refuse("credentials may stand in --repo or in --username, not in both")
            }
            None if has_password => refuse("$GITSYNC_PASSWORD needs --username"),
            None if has_file => refuse("--password-file needs --username"),
            _ => Ok(()),
        }?;
        let has_id = self.github_app_application_id.is_some_and(|id| id != 0);
        let has_client = self.github_app_client_id.as_ref().is_some_and(|id| !id.is_empty());
        let has_installation = self.github_app_installation_id.is_some_and(|id| id != 0);
        let has_key_file = self.github_app_private_key_file.is_some();
        if !has_id && !has_client {
            return match has_installation {
                true => {
                    refuse("--github-app-installation-id needs --github-app-application-id or --github-app-client-id")
                }
                false => Ok(()),
            };
        }
        match () {
            () if has_id && has_client => {
                refuse("only one of --github-app-application-id and --github-app-client-id may be set")
            }
            () if !has_installation => refuse("a GitHub App needs --github-app-installation-id"),
            () if has_key && has_key_file => {
                refuse("only one of $GITSYNC_GITHUB_APP_PRIVATE_KEY and --github-app-private-key-file may be set")
            }
            () if !has_key && !has_key_file => {
                refuse("a GitHub App needs --github-app-private-key-file or $GITSYNC_GITHUB_APP_PRIVATE_KEY")
            }
            () if self.username.is_some() => refuse("a GitHub App and --username cannot be set together"),
            () => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_one_or_many() {
        let one = r#"{"url":"https://a","username":"u","password":"p"}"#;
        assert_eq!(credentials(one).unwrap().0.len(), 1);
        let many = format!(r#"[{one},{{"url":"https://b","username":"u","password-file":"/f"}}]"#);
        assert_eq!(credentials(&many).unwrap().0.len(), 2);
        assert_eq!(credentials("").unwrap().0.len(), 0);
    }

    #[test]
    fn a_refused_credential_is_not_repeated() {
        for wrong in [
            r#"{"url":"https://a","username":"u","password":"sesame","extra":1}"#,
            r#"{"url":"https://a","username":"u"}"#,
            r#"{"url":"https://a","username":"u","password":"sesame","password-file":"/f"}"#,
            r#"{"username":"u","password":"sesame"}"#,
            "sesame",
        ] {
            assert!(!credentials(wrong).unwrap_err().to_string().contains("sesame"), "{wrong}");
        }
    }
}
