//! The names that git-sync's users bring along.
//!
//! In: `$GITSYNC_*` (git-sync 4), `$GIT_SYNC_*` (git-sync 3), the flags that git-sync 4 still takes as deprecated. Out: the same
//! settings under their present names. Where both generations of a variable are set, the older wins, as in git-sync since 4.4.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Settings;
use crate::core::fault::{Fault, Kind};
use crate::core::mode::{Foreign, Link};

/// Called as `git-sync`: nothing is served unless asked for, and the exit codes are git-sync's.
pub(crate) const LINK: Link = Link { name: "git-sync", defaults: &[("http-bind", "off")], exit_code };

/// What git-sync's users may spell otherwise.
pub(crate) const FOREIGN: Foreign = Foreign { environment, arguments };

/// Flags of git-sync 3 that git-sync 4 still takes; hidden from the help.
#[derive(Args, Clone, Debug)]
pub(crate) struct Legacy {
    #[arg(long, hide = true)]
    branch: Option<String>,
    #[arg(long, hide = true)]
    rev: Option<String>,
    #[arg(long, hide = true)]
    dest: Option<std::path::PathBuf>,
    /// Seconds, with a fraction.
    #[arg(long, hide = true)]
    wait: Option<f64>,
    /// Whole seconds.
    #[arg(long, hide = true)]
    timeout: Option<u64>,
    #[arg(long, hide = true, value_parser = super::numbers::signed, allow_negative_numbers = true)]
    max_sync_failures: Option<i64>,
    #[arg(long, hide = true, value_parser = super::numbers::signed)]
    change_permissions: Option<i64>,
    #[arg(long, hide = true)]
    sync_hook_command: Option<String>,
    #[arg(long, hide = true)]
    ssh: bool,
    /// There is no git here to run.
    #[arg(long, hide = true)]
    pub(in super::super) git: Option<String>,
    /// Nothing here looks at /etc/passwd.
    #[arg(long, hide = true)]
    add_user: bool,
    /// The metrics are always there.
    #[arg(long, hide = true)]
    http_metrics: bool,
    /// Serves a page of the process' own figures under git-sync's path; there is no profiler.
    #[arg(long, hide = true)]
    pub(in super::super) http_pprof: bool,
    /// git-sync's level: 0 is our info, 1 to 6 debug, more is trace.
    #[arg(long, short, hide = true, value_parser = super::numbers::signed, allow_negative_numbers = true)]
    verbose: Option<i64>,
}

/// Variables of git-sync 3 whose name is not `GIT_SYNC_` and the flag's.
const RENAMED: &[(&str, &[&str])] = &[
    ("ssh-key-file", &["GIT_SYNC_SSH_KEY_FILE", "GIT_SSH_KEY_FILE"]),
    ("ssh-known-hosts", &["GIT_SYNC_KNOWN_HOSTS", "GIT_KNOWN_HOSTS"]),
    ("ssh-known-hosts-file", &["GIT_SYNC_SSH_KNOWN_HOSTS_FILE", "GIT_SSH_KNOWN_HOSTS_FILE"]),
    ("cookie-file", &["GIT_SYNC_COOKIE_FILE", "GIT_COOKIE_FILE"]),
    ("askpass-url", &["GIT_SYNC_ASKPASS_URL", "GIT_ASKPASS_URL"]),
    ("sync-hook-command", &["GIT_SYNC_HOOK_COMMAND"]),
    ("change-permissions", &["GIT_SYNC_PERMISSIONS"]),
];
/// Deprecated flags have no variable of git-sync 4, only the one of git-sync 3.
const ONLY_OLD: &[&str] =
    &["branch", "rev", "dest", "wait", "timeout", "max-sync-failures", "change-permissions", "sync-hook-command"];
/// Options that git-sync 3 did not have.
const ONLY_NEW: &[&str] = &[
    "ref",
    "stale-worktree-timeout",
    "init-period",
    "init-max-failures",
    "credential",
    "filter",
    "verbose",
    "github-base-url",
    "github-app-private-key-file",
    "github-app-client-id",
    "github-app-application-id",
    "github-app-installation-id",
];

/// git-sync ends with 2 where its flag parser cannot read the command line, and with 1 at every other mistake.
fn exit_code(fault: &Fault) -> u8 {
    match (fault.parse_error(), fault.kind()) {
        (Some(error), _) if error.exit_code() == 0 => 0,
        (Some(error), _) if is_unreadable(error) => 2,
        (Some(_), _) | (None, Kind::Usage | Kind::Config) => 1,
        (None, Kind::Failed | Kind::Bug) => fault.exit_code(),
    }
}

/// Options whose value is any text to git-sync's flag parser, and judged later.
const JUDGED_LATER: &[&str] = &[
    "--submodules",
    "--git-gc",
    "--sync-on-signal",
    "--git-config",
    "--webhook",
    "--askpass-url",
    "--github",
    "--http-bind",
];

fn is_unreadable(error: &clap::Error) -> bool {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    match error.kind() {
        ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict => false,
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let flag = text(ContextKind::InvalidArg);
            // A number or a duration below zero can be read, but not be meant.
            let is_negative = text(ContextKind::InvalidValue).strip_prefix('-').is_some_and(|rest| {
                super::numbers::signed(rest).is_ok() || crate::core::values::duration(rest).is_ok()
            });
            !is_negative && !JUDGED_LATER.iter().any(|later| flag.starts_with(later))
        }
        _ => true,
    }
}

fn environment(long: &str) -> Vec<String> {
    if let Some(name) = long.strip_prefix("__env__") {
        return vec![name.to_owned()];
    }
    let spelled = long.replace('-', "_").to_uppercase();
    let old = match RENAMED.iter().find(|(name, _)| *name == long) {
        Some((_, names)) => names.iter().map(|name| (*name).to_owned()).collect(),
        None if ONLY_NEW.contains(&long) => Vec::new(),
        None => vec![format!("GIT_SYNC_{spelled}")],
    };
    let new = (!ONLY_OLD.contains(&long)).then(|| format!("GITSYNC_{spelled}"));
    old.into_iter().chain(new).collect()
}

/// `-?` is git-sync's third spelling of `--help`, and `--v` its oldest of `--verbose`. A verbosity, by flag or variable,
/// becomes the level of `--log` unless that is given.
fn arguments(given: Vec<OsString>) -> Vec<OsString> {
    let given = respelled(given);
    let is_log =
        |argument: &OsString| argument.to_str().is_some_and(|text| text == "--log" || text.starts_with("--log="));
    let level = match verbosity(&given) {
        Some(1..=6) => "--log=debug",
        Some(7..) => "--log=trace",
        _ => return given,
    };
    if given.iter().any(is_log) || std::env::var_os("PATTERNS_LOG").is_some() {
        return given;
    }
    std::iter::once(level.into()).chain(given).collect()
}

fn verbosity(given: &[OsString]) -> Option<i64> {
    let number = |text: &str| super::numbers::signed(text).ok();
    let flag = given.iter().enumerate().rev().find_map(|(at, argument)| {
        let text = argument.to_str()?;
        match text {
            "-v" | "--verbose" => number(given.get(at + 1)?.to_str()?),
            _ => number(
                text.strip_prefix("--verbose=")
                    .or_else(|| text.strip_prefix("-v="))
                    .or_else(|| text.strip_prefix("-v"))?,
            ),
        }
    });
    flag.or_else(|| number(&std::env::var("GITSYNC_VERBOSE").ok()?))
}

/// Options of which git-sync takes an empty value for none.
const MAY_BE_EMPTY: &[&str] = &[
    "--askpass-url",
    "--branch",
    "--dest",
    "--error-file",
    "--exechook-command",
    "--filter",
    "--git",
    "--git-config",
    "--github-app-client-id",
    "--github-app-private-key-file",
    "--http-bind",
    "--link",
    "--password",
    "--__env__GITSYNC_PASSWORD",
    "--__env__GITSYNC_GITHUB_APP_PRIVATE_KEY",
    "--password-file",
    "--pre-publish-exechook-command",
    "--rev",
    "--sparse-checkout-file",
    "--sync-hook-command",
    "--sync-on-signal",
    "--touch-file",
    "--username",
    "--webhook-url",
];

fn respelled(given: Vec<OsString>) -> Vec<OsString> {
    let mut respelled = Vec::with_capacity(given.len());
    let mut given = given.into_iter().peekable();
    while let Some(argument) = given.next() {
        let text = argument.to_str().unwrap_or_default();
        if MAY_BE_EMPTY.contains(&text.strip_suffix('=').unwrap_or_default()) {
            continue;
        }
        if MAY_BE_EMPTY.contains(&text) && given.next_if(|value| value.is_empty()).is_some() {
            continue;
        }
        respelled.push(match text {
            "-?" => "--help".into(),
            "--v" => "--verbose".into(),
            _ => match text.strip_prefix("--v=") {
                Some(level) => format!("--verbose={level}").into(),
                None => argument,
            },
        });
    }
    respelled
}

impl Settings {
    /// Moves the deprecated flags to the present ones.
    pub(super) fn adopt_legacy(&mut self) -> Result<(), Fault> {
        let legacy = self.legacy.clone();
        let rev = legacy.rev.filter(|rev| !rev.is_empty());
        match (legacy.branch.filter(|branch| !branch.is_empty()), rev) {
            (Some(branch), None) => self.source.reference = branch,
            (Some(branch), Some(rev)) if rev == "HEAD" => self.source.reference = branch,
            (None, Some(rev)) => self.source.reference = rev,
            (None, None) => {}
            (Some(_), Some(_)) => {
                return Err(Fault::usage(anyhow!("--branch and --rev are both deprecated and cannot both be set"))
                    .hint("set --ref to the branch, the tag or the hash"));
            }
        }
        if legacy.change_permissions.unwrap_or(0) != 0 {
            return Err(Fault::usage(anyhow!("--change-permissions is no longer supported")).hint("set --group-write"));
        }
        if let Some(dest) = legacy.dest {
            self.target.link = Some(dest);
        }
        if let Some(wait) = legacy.wait.filter(|wait| *wait != 0.0) {
            self.pace.period =
                Duration::try_from_secs_f64(wait).map_err(|error| Fault::usage(anyhow!("--wait={wait}: {error}")))?;
        }
        if let Some(timeout) = legacy.timeout.filter(|timeout| *timeout != 0) {
            self.pace.sync_timeout = Duration::from_secs(timeout);
        }
        if let Some(max) = legacy.max_sync_failures.filter(|max| *max != 0) {
            self.pace.max_failures = max;
        }
        if let Some(program) = legacy.sync_hook_command {
            self.hooks.exechook_command = Some(program);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_name_of_a_variable_is_the_stronger() {
        assert_eq!(environment("repo"), ["GIT_SYNC_REPO", "GITSYNC_REPO"]);
        assert_eq!(environment("ref"), ["GITSYNC_REF"]);
        assert_eq!(environment("branch"), ["GIT_SYNC_BRANCH"]);
        assert_eq!(
            environment("ssh-known-hosts"),
            ["GIT_SYNC_KNOWN_HOSTS", "GIT_KNOWN_HOSTS", "GITSYNC_SSH_KNOWN_HOSTS"]
        );
    }

    #[test]
    fn the_oldest_spellings_are_rewritten() {
        let given = ["-?", "--v=5", "--v", "--verify-interval=1s"].map(OsString::from).to_vec();
        assert_eq!(respelled(given), ["--help", "--verbose=5", "--verbose", "--verify-interval=1s"]);
    }

    #[test]
    fn an_empty_value_is_none_where_git_sync_has_it_so() {
        let given = ["--link=", "--username", "", "--ref=", "--touch-file", "x"].map(OsString::from).to_vec();
        assert_eq!(respelled(given), ["--ref=", "--touch-file", "x"]);
    }

    #[test]
    fn verbosity_becomes_a_level_unless_one_is_given() {
        let levels = |given: &[&str]| arguments(given.iter().map(OsString::from).collect());
        assert_eq!(levels(&["-v=6"])[0], "--log=debug");
        assert_eq!(levels(&["-v", "9"])[0], "--log=trace");
        assert_eq!(levels(&["-v5", "--log=warn"])[0], "-v5");
        assert_eq!(levels(&["--verbose=0"])[0], "--verbose=0");
    }
}
