//! Settings of `sync-git`: git-sync's flags with git-sync's meaning, and ours beside them.
//!
//! In: what clap resolved from flag, environment, file and default. Out: values with units that the rest of the folder takes
//! as they are. Refused here: combinations that cannot be meant. Names that only git-sync's users bring along are in
//! `legacy`.

pub(super) mod auth;
mod git_config;
mod hooks;
pub(super) mod legacy;
pub(super) mod limits;
mod numbers;
pub(super) mod paths;
mod signals;
mod trust;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;

use super::gc;
use super::marks::Marks;
use super::publish::Publish;
use super::reuse::Reuse;
use super::submodules::Follow;
use crate::core::fault::Fault;
use crate::core::secret::SecretFile;
use crate::core::values;

pub(crate) use self::hooks::HookSettings;

/// Everything that a flag, a variable or a file key can say.
#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub pace: Pace,
    #[command(flatten)]
    pub hooks: hooks::HookSettings,
    #[command(flatten)]
    pub auth: auth::AuthSettings,
    #[command(flatten)]
    pub limits: limits::LimitSettings,
    #[command(flatten)]
    pub trust: trust::TrustSettings,
    #[command(flatten)]
    pub legacy: legacy::Legacy,
}

/// What to sync.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "What to sync")]
pub(crate) struct Source {
    /// The repository: https, http, ssh, git or file URL, `user@host:path`, or a path
    #[arg(long, value_name = "URL")]
    pub repo: String,

    /// What to follow: a branch, a tag, a full hash, HEAD for the remote's default branch, or the tag of the newest version in
    /// a range (semver:^1.2, semver:~1.2.3, semver:*)
    #[arg(long = "ref", value_name = "REF", default_value = "HEAD")]
    pub reference: String,

    /// How many commits of history to keep; 0 keeps all
    #[arg(long, value_name = "COMMITS", default_value = "1", value_parser = numbers::unsigned)]
    pub depth: u32,

    /// Fetch with this partial-clone filter (blob:none, tree:0, …); what the tree needs comes in one further request
    #[arg(long, value_name = "FILTER", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub filter: Option<String>,

    /// A file with git's sparse-checkout patterns: only what they let through is written
    #[arg(long, value_name = "FILE")]
    pub sparse_checkout_file: Option<PathBuf>,

    /// Write only this directory (or file) of the repository, and fetch only its files where the server can (--filter
    /// blob:none); may be repeated
    #[arg(long, value_name = "DIR", value_parser = paths::inside, conflicts_with = "sparse_checkout_file")]
    pub path: Vec<paths::Inside>,

    /// Which submodules to write
    #[arg(long, value_name = "WHICH", default_value = "recursive")]
    pub submodules: Follow,
}

/// Where to put it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Where to put it")]
pub(crate) struct Target {
    /// The directory that holds the store, the trees and, unless --link is absolute, the link
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,

    /// At start, remove everything from --root that is not part of it: git-sync does so by itself with a root that it does
    /// not know; here other files stay unless this is given
    #[arg(long)]
    pub wipe_root: bool,

    /// What to publish, absolute or relative to --root: a symbolic link, unless --publish says otherwise [default: the last
    /// part of --repo]
    #[arg(long, value_name = "PATH")]
    pub link: Option<PathBuf>,

    /// What stands at --link, and how it changes
    #[arg(long, value_name = "HOW", default_value = "symlink")]
    pub publish: Publish,

    /// How long a replaced tree stays; 0 removes it at once
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = values::duration)]
    pub stale_worktree_timeout: Duration,

    /// How many replaced trees stay at least, the newest first, whatever their age
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = numbers::unsigned)]
    pub keep_worktrees: u32,

    /// When to drop objects that no kept tree needs
    #[arg(long, value_name = "WHEN", default_value = "always")]
    pub git_gc: gc::Mode,

    /// How unchanged files come into the next tree. A file is taken over only if its type, permissions, size, inode and time
    /// are still those that were written; else it is written anew
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub reuse: Reuse,

    /// Make everything that is written writable for the group
    #[arg(long)]
    pub group_write: bool,

    /// A file to touch after each sync that changed something, absolute or relative to --root
    #[arg(long, value_name = "PATH")]
    pub touch_file: Option<PathBuf>,

    /// A file that holds the last error as JSON and is removed after a success, absolute or relative to --root
    #[arg(long, value_name = "PATH")]
    pub error_file: Option<PathBuf>,
}

impl Target {
    /// Where the marks for others are made.
    pub(crate) fn marks(&self) -> Marks {
        let resolve = |path: &PathBuf| std::path::absolute(self.root.join(path)).unwrap_or_else(|_| path.clone());
        Marks { touch: self.touch_file.as_ref().map(resolve), error: self.error_file.as_ref().map(resolve) }
    }
}

/// When to sync, and when to give up.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "When to sync")]
pub(crate) struct Pace {
    /// The pause after a sync
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = values::duration)]
    pub period: Duration,

    /// The pause until the first success [default: --period]
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub init_period: Option<Duration>,

    /// How much longer than --period a pause may be, drawn anew each time, in per cent: spreads the polls of many replicas
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub period_jitter: u8,

    /// After failures in a row the pause doubles each time, up to this; 0 keeps to the period. A signal or POST /sync cuts
    /// any pause short
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = values::duration)]
    pub max_backoff: Duration,

    /// Sync once, then exit
    #[arg(long)]
    pub one_time: bool,

    /// The time for all of one sync
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = values::duration)]
    pub sync_timeout: Duration,

    /// How many repositories may sync at the same time, where the settings file has several
    #[arg(long, value_name = "COUNT", default_value = "2", value_parser = clap::value_parser!(u16).range(1..))]
    pub sync_concurrency: u16,

    /// How many syncs may fail in a row before the process exits with 1: 0 and 1 exit at the first failure, negative never
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = numbers::signed, allow_negative_numbers = true)]
    pub max_failures: i64,

    /// The same before the first success [default: --max-failures]
    #[arg(long, value_name = "COUNT", value_parser = numbers::signed, allow_negative_numbers = true)]
    pub init_max_failures: Option<i64>,

    /// A signal (SIGHUP, HUP or its number) that starts a sync at once
    #[arg(long, value_name = "SIGNAL", value_parser = signals::number)]
    pub sync_on_signal: Option<std::ffi::c_int>,

    /// A file with the token or webhook secret for POST /sync, which starts a sync at once; without it only this machine may ask
    #[arg(long, value_name = "FILE")]
    pub sync_token_file: Option<SecretFile>,

    /// Not ready any more when the last success is older than this; 0: never
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = values::duration)]
    pub max_staleness: Duration,

    /// How often to compare every published file with the commit, and write the tree again if it differs; 0 only at start.
    /// Nothing that can be fetched again is forced to the disk (fsync): what a power cut takes is found by the comparison at
    /// start
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = values::duration)]
    pub verify_interval: Duration,
}

impl Pace {
    /// The pause after a sync, before jitter: of the time before the first success or after it, and longer after the second
    /// and each further failure in a row.
    pub(crate) fn pause(&self, has_succeeded: bool, failures: u64) -> Duration {
        let pause = self.init_period.filter(|_| !has_succeeded).unwrap_or(self.period);
        let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let grown = pause.saturating_mul(2u32.saturating_pow(doublings));
        grown.min(self.max_backoff).max(pause)
    }

    /// The most by which jitter prolongs a pause.
    pub(crate) fn jitter(&self, pause: Duration) -> Duration {
        pause.mul_f64(f64::from(self.period_jitter) / 100.0)
    }
}

/// The shortest pause and the shortest deadline that git-sync takes.
const SHORTEST: Duration = Duration::from_millis(10);

impl Settings {
    /// Applies the deprecated names and refuses what cannot be meant.
    ///
    /// # Errors
    /// A usage fault that names the option.
    pub(crate) fn checked(mut self) -> Result<Self, Fault> {
        self.adopt_legacy()?;
        let Source { repo, reference, .. } = &self.source;
        if repo.is_empty() || repo.starts_with('-') {
            return Err(Fault::usage(anyhow!("--repo must be a URL or a path, not {repo:?}")));
        }
        if reference.is_empty() || reference.starts_with('-') {
            return Err(Fault::usage(anyhow!("--ref must be a branch, a tag, a hash or HEAD, not {reference:?}")));
        }
        let pauses = [
            ("--period", Some(self.pace.period)),
            ("--init-period", self.pace.init_period),
            ("--sync-timeout", Some(self.pace.sync_timeout)),
        ];
        for (flag, pause) in pauses {
            if pause.is_some_and(|pause| pause < SHORTEST) {
                return Err(Fault::usage(anyhow!("{flag} must be at least 10ms")));
            }
        }
        self.hooks.check()?;
        self.trust.check()?;
        let is_web = |scheme: &str| repo.to_ascii_lowercase().starts_with(scheme);
        let has_user = (is_web("http://") || is_web("https://")) && crate::core::secret::redact_urls(repo) != *repo;
        self.auth.check(if has_user { auth::Userinfo::Given } else { auth::Userinfo::None })?;
        Ok(self)
    }

    /// The link's path as given, or the last part of the repository's.
    pub(crate) fn link(&self) -> PathBuf {
        let last = || self.source.repo.trim_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        self.target.link.clone().unwrap_or_else(|| last().into())
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Settings, Fault> {
        let command = Settings::augment_args(clap::Command::new("sync-git").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments).map_err(Fault::usage)?;
        Settings::from_arg_matches(&matches).map_err(Fault::usage)?.checked()
    }

    #[test]
    fn the_defaults_are_git_syncs() {
        let settings = parsed(&["--repo", "https://host/a/b.git/", "--root=/git"]).unwrap();
        assert_eq!(settings.link(), PathBuf::from("b.git"));
        assert_eq!(settings.source.reference, "HEAD");
        assert_eq!(settings.source.depth, 1);
        assert_eq!(settings.pace.period, Duration::from_secs(10));
        assert_eq!(settings.pace.sync_timeout, Duration::from_secs(120));
        assert_eq!((settings.pace.max_failures, settings.pace.init_max_failures), (0, None));
    }

    #[test]
    fn options_that_could_be_taken_for_flags_are_refused() {
        for wrong in [["--ref=--upload-pack=touch x", "--repo=x"], ["--repo=--x", "--ref=y"], ["--ref=", "--repo=x"]] {
            let refused = parsed(&[wrong[0], wrong[1], "--root=/git"]).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{wrong:?}");
        }
    }

    #[test]
    fn pauses_below_ten_milliseconds_are_refused() {
        for flag in ["--period", "--init-period", "--sync-timeout"] {
            assert!(parsed(&["--repo=x", "--root=/git", flag, "9ms"]).is_err(), "{flag}");
        }
    }

    #[test]
    fn pauses_grow_after_failures_only_where_that_is_asked_for() {
        let pauses = |arguments: &[&str]| {
            let pace = parsed(&[&["--repo=x", "--root=/git", "--period=4s", "--init-period=1s"], arguments].concat());
            let pace = pace.unwrap().pace;
            let ahead = (0..4).map(|failures| pace.pause(false, failures).as_secs());
            ahead.chain([1, 2, 3, 500].map(|failures| pace.pause(true, failures).as_secs())).collect::<Vec<_>>()
        };
        assert_eq!(pauses(&[]), [1, 1, 1, 1, 4, 4, 4, 4]);
        assert_eq!(pauses(&["--max-backoff=10s"]), [1, 1, 2, 4, 4, 8, 10, 10]);
        assert_eq!(pauses(&["--max-backoff=2s"]), [1, 1, 2, 2, 4, 4, 4, 4]);
        let pace = parsed(&["--repo=x", "--root=/git", "--period-jitter=25"]).unwrap().pace;
        assert_eq!(pace.jitter(Duration::from_secs(8)), Duration::from_secs(2));
    }

    #[test]
    fn negative_failure_limits_and_hexadecimal_depths_are_taken() {
        let settings = parsed(&["--repo=x", "--root=/git", "--max-failures", "-1", "--depth=0x10"]).unwrap();
        assert_eq!((settings.pace.max_failures, settings.source.depth), (-1, 16));
        assert!(parsed(&["--repo=x", "--root=/git", "--depth=-1"]).is_err());
    }
}
