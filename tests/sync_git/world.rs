//! A source repository made by the real git, a volume, and the binary between them.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{self, Process, wait_for};

/// One test's directory: `repo` (the source), `root` (the volume).
pub struct World {
    dir: tempfile::TempDir,
    daemon: Option<(Process, u16)>,
}

/// The exit code of settings that cannot be used: git-sync's, when the tests call us so.
pub fn misused() -> Option<i32> {
    Some(if is_git_sync() { 1 } else { 2 })
}

/// The exit code of a settings file that is wrong, likewise.
pub fn misconfigured() -> Option<i32> {
    Some(if is_git_sync() { 1 } else { 78 })
}

fn is_git_sync() -> bool {
    std::env::var("AS_LINK").is_ok_and(|name| name == "git-sync")
}

/// git with no configuration but ours.
pub fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = git_output(dir, arguments);
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&said));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn git_output(dir: &Path, arguments: &[&str]) -> Output {
    git_command(dir).args(arguments).output().expect("git runs")
}

pub fn git_command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "a")
        .env("GIT_AUTHOR_EMAIL", "a@example.test")
        .env("GIT_COMMITTER_NAME", "a")
        .env("GIT_COMMITTER_EMAIL", "a@example.test")
        .args(["-c", "protocol.file.allow=always"]);
    command
}

impl World {
    /// A source with one commit on `e2e-branch`: `file` holding `init`.
    pub fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap(), daemon: None };
        world.make_repo("repo");
        world
    }

    /// The same, served by `git daemon`.
    pub fn served() -> Self {
        let mut world = Self::new();
        let port = support::free_port();
        let base = format!("--base-path={}", world.path("").display());
        let daemon = Process::start(Command::new("git").args([
            "daemon",
            "--export-all",
            "--reuseaddr",
            "--listen=127.0.0.1",
            &format!("--port={port}"),
            &base,
        ]));
        wait_for("git daemon", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        world.daemon = Some((daemon, port));
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    pub fn make_repo(&self, name: &str) -> PathBuf {
        let repo = self.path(name);
        std::fs::create_dir_all(&repo).unwrap();
        git(&repo, &["init", "-q", "-b", "e2e-branch"]);
        std::fs::write(repo.join("file"), "init\n").unwrap();
        git(&repo, &["add", "file"]);
        git(&repo, &["commit", "-qm", "init"]);
        repo
    }

    pub fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    pub fn root(&self) -> PathBuf {
        self.path("root")
    }

    pub fn link(&self) -> PathBuf {
        self.path("root/link")
    }

    /// Writes `content` to `file` of the source, commits it, and answers with the hash.
    pub fn commit(&self, content: &str) -> String {
        self.commit_file("file", content)
    }

    pub fn commit_file(&self, name: &str, content: &str) -> String {
        let path = self.repo().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", content.get(..40).unwrap_or(content)]);
        self.head()
    }

    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git in the source.
    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.repo(), arguments)
    }

    /// The URL of the repository `name`.
    pub fn url(&self, name: &str) -> String {
        match &self.daemon {
            Some((_, port)) => format!("git://127.0.0.1:{port}/{name}"),
            None => format!("file://{}", self.path(name).display()),
        }
    }

    /// `patterns sync-git` for this world, without arguments for the source or the volume. With `AS_LINK` in the
    /// environment of the tests it is called by that name instead.
    pub fn bare_command(&self) -> Command {
        let mut command = support::patterns();
        match std::env::var("AS_LINK") {
            Ok(name) => drop(command.arg0(name)),
            Err(_) => drop(command.arg("sync-git")),
        }
        command.current_dir(self.dir.path()).args(["--log-format=text", "--log=debug"]);
        command
    }

    /// `patterns sync-git --repo … --root … --link link`.
    pub fn command(&self) -> Command {
        let mut command = self.bare_command();
        command.arg("--repo").arg(self.url("repo")).arg("--root").arg(self.root()).arg("--link=link");
        command
    }

    /// Starts a process that polls every 50 ms.
    pub fn follow(&self, arguments: &[&str]) -> Process {
        Process::start(self.command().args(["--http-bind=off", "--period=50ms"]).args(arguments))
    }

    /// Starts a process that polls every 50 ms and serves HTTP.
    pub fn follow_with_http(&self, arguments: &[&str]) -> (Process, u16) {
        let port = support::free_port();
        let bind = format!("--http-bind=127.0.0.1:{port}");
        (Process::start(self.command().args([&bind, "--period=50ms"]).args(arguments)), port)
    }

    /// Syncs once.
    pub fn once(&self, arguments: &[&str]) -> Output {
        self.command().args(["--http-bind=off", "--one-time"]).args(arguments).output().unwrap()
    }

    /// Syncs once and expects it to succeed.
    #[track_caller]
    pub fn sync(&self, arguments: &[&str]) {
        let output = self.once(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The commit that the link shows.
    pub fn published(&self) -> Option<String> {
        published(&self.link())
    }

    /// What the published `file` holds.
    pub fn content(&self) -> Option<String> {
        std::fs::read_to_string(self.link().join("file")).ok().map(|text| text.trim_end().to_owned())
    }

    #[track_caller]
    pub fn wait_for_content(&self, wanted: &str) {
        wait_for(&format!("the content {wanted:?}"), || (self.content().as_deref() == Some(wanted)).then_some(()));
    }

    #[track_caller]
    pub fn wait_for_commit(&self, wanted: &str) {
        wait_for(&format!("the commit {wanted}"), || (self.published().as_deref() == Some(wanted)).then_some(()));
    }

    /// The names under `.worktrees`.
    pub fn trees(&self) -> Vec<String> {
        names(&self.root().join(".worktrees"))
    }
}

pub fn published(link: &Path) -> Option<String> {
    let target = std::fs::read_link(link).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .map(|entries| entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

/// The value of a sample on the metrics page.
pub fn metric(port: u16, sample: &str) -> Option<f64> {
    let (_, page) = support::get(port, "/metrics")?;
    let line = page.lines().find(|line| line.strip_prefix(sample).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[track_caller]
pub fn wait_for_metric(port: u16, sample: &str, wanted: f64) {
    wait_for(&format!("{sample} to be {wanted}"), || (metric(port, sample)? == wanted).then_some(()));
}

pub const SUCCESSES: &str = "git_sync_count_total{status=\"success\"}";
pub const NOOPS: &str = "git_sync_count_total{status=\"noop\"}";
pub const ERRORS: &str = "git_sync_count_total{status=\"error\"}";
pub const FETCHES: &str = "git_fetch_count_total";
