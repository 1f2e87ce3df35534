//! Repositories made by git, git daemon, and an object store to fetch into, checked by git.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use git2::Oid;
use patterns::sync_git::pack::{PackReceiver, PackReport, PackStore, Visitor};
use patterns::sync_git::remote::{
    Depth, FetchOutcome, FetchRequest, Options, Remote, RemoteError, Selector, Url, parse_oid,
};

/// Runs git, isolated from the machine's configuration, and returns what it printed.
pub(super) fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.invalid",
            "-c",
            "commit.gpgsign=false",
            "-c",
            "gc.auto=0",
        ])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A source repository with a work tree.
pub(super) struct Source {
    pub(super) root: tempfile::TempDir,
}

impl Source {
    /// Ten commits on `main`, each changing `file` and adding one of its own; a lightweight and an annotated tag on the fifth.
    pub(super) fn new() -> Self {
        // Git makes it once; each test has its own copy.
        static ORIGINAL: OnceLock<Source> = OnceLock::new();
        let copy = Self { root: tempfile::tempdir().unwrap() };
        copy_directory(&ORIGINAL.get_or_init(Self::make).path(), &copy.path());
        copy
    }

    fn make() -> Self {
        // Never dropped, so it lives where `cargo clean` finds it.
        let source = Self { root: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        std::fs::create_dir(source.path()).unwrap();
        git(&source.path(), &["init", "-q", "-b", "main"]);
        for number in 1..=10 {
            source.commit(number);
            if number == 5 {
                git(&source.path(), &["tag", "light"]);
                git(&source.path(), &["tag", "-a", "-m", "annotated", "heavy"]);
            }
        }
        source
    }

    pub(super) fn path(&self) -> PathBuf {
        self.root.path().join("repo")
    }

    pub(super) fn commit(&self, number: u32) -> Oid {
        let path = self.path();
        let lines: String =
            (0..200).map(|line| format!("line {line} of {}\n", if line == number { number } else { 0 })).collect();
        std::fs::write(path.join("file"), lines).unwrap();
        std::fs::create_dir_all(path.join("dir/sub")).unwrap();
        std::fs::write(path.join(format!("dir/sub/{number}")), format!("{number}\n")).unwrap();
        git(&path, &["add", "-A"]);
        git(&path, &["commit", "-q", "-m", &format!("commit {number}")]);
        self.oid("HEAD")
    }

    pub(super) fn oid(&self, revision: &str) -> Oid {
        parse_oid(git(&self.path(), &["rev-parse", revision]).as_bytes()).unwrap()
    }
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_directory(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// git daemon on a free port; ended on drop.
pub(super) struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    pub(super) fn start(base: &Path) -> Self {
        // git daemon cannot be told to choose a port: try until one is free.
        loop {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            // The program itself: `git daemon` would be a parent whose end does not end it.
            let program = Path::new(&git(base, &["--exec-path"])).join("git-daemon");
            let mut child = Command::new(program)
                .args(["--export-all", "--reuseaddr", "--listen=127.0.0.1", &format!("--port={port}")])
                .arg(format!("--base-path={}", base.display()))
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_CONFIG_COUNT", "2")
                .env("GIT_CONFIG_KEY_0", "safe.directory")
                .env("GIT_CONFIG_VALUE_0", "*")
                .env("GIT_CONFIG_KEY_1", "uploadpack.allowFilter")
                .env("GIT_CONFIG_VALUE_1", "true")
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let deadline = Instant::now() + Duration::from_secs(10);
            while Instant::now() < deadline {
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { child, port };
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::yield_now();
            }
            child.kill().ok();
            child.wait().unwrap();
        }
    }

    pub(super) fn url(&self) -> Url {
        Url::parse(&format!("git://127.0.0.1:{}/repo", self.port)).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A bare repository to fetch into.
pub(super) struct Store {
    root: tempfile::TempDir,
}

impl Store {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        git(root.path(), &["init", "-q", "--bare", "."]);
        Self { root }
    }

    pub(super) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(super) fn pack_store(&self) -> PackStore {
        PackStore::new(self.path().join("objects"))
    }

    /// Fetches, and puts the shallow boundaries and a reference in place as the sync would.
    pub(super) async fn fetch(
        &self,
        remote: &mut Remote,
        request: &FetchRequest,
    ) -> Result<(FetchOutcome, PackReport), RemoteError> {
        let (outcome, report, ()) = self.fetch_with(remote, request, ()).await?;
        Ok((outcome, report))
    }

    pub(super) async fn fetch_with<V: Visitor>(
        &self,
        remote: &mut Remote,
        request: &FetchRequest,
        visitor: V,
    ) -> Result<(FetchOutcome, PackReport, V), RemoteError> {
        let mut receiver = PackReceiver::start(self.pack_store(), visitor);
        let outcome = remote.fetch(request, &mut receiver).await?;
        let (report, visitor) = receiver.finish().await.unwrap();
        let mut shallow = self.shallow();
        shallow.retain(|oid| !outcome.unshallow.contains(oid));
        shallow.extend(&outcome.shallow);
        let text: String = shallow.iter().map(|oid| format!("{oid}\n")).collect();
        let file = self.path().join("shallow");
        if text.is_empty() {
            drop(std::fs::remove_file(file));
        } else {
            std::fs::write(file, text).unwrap();
        }
        for want in &request.wants {
            git(self.path(), &["update-ref", &format!("refs/test/{want}"), &want.to_string()]);
        }
        Ok((outcome, report, visitor))
    }

    pub(super) fn shallow(&self) -> Vec<Oid> {
        let text = std::fs::read_to_string(self.path().join("shallow")).unwrap_or_default();
        text.lines().map(|line| parse_oid(line.as_bytes()).unwrap()).collect()
    }

    /// git's own opinion of what is in the store.
    pub(super) fn check(&self) {
        git(self.path(), &["fsck", "--full", "--strict"]);
        for entry in std::fs::read_dir(self.path().join("objects/pack")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with("pack-"), "left over: {name}");
            if name.ends_with(".idx") {
                git(self.path(), &["verify-pack", path.to_str().unwrap()]);
            }
        }
    }

    pub(super) fn count(&self, oid: Oid) -> usize {
        git(self.path(), &["rev-list", "--count", &oid.to_string()]).parse().unwrap()
    }

    pub(super) fn has_temporary_files(&self) -> bool {
        let Ok(files) = std::fs::read_dir(self.path().join("objects/pack")) else { return false };
        files.map(|file| file.unwrap().file_name()).any(|name| name.to_str().unwrap().starts_with("tmp_"))
    }

    pub(super) fn is_empty(&self) -> bool {
        std::fs::read_dir(self.path().join("objects/pack")).unwrap().next().is_none()
    }
}

pub(super) fn remote(url: &Url) -> Remote {
    Remote::new(url.clone(), Options::default())
}

pub(super) async fn tip(remote: &mut Remote, name: &str) -> Oid {
    remote.resolve(&Selector::parse(name).unwrap()).await.unwrap().oid
}

pub(super) fn depth(commits: u32) -> Depth {
    Depth::Commits(commits.try_into().unwrap())
}
