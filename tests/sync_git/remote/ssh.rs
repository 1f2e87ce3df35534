//! SSH against a real OpenSSH server on a free port, with keys made by ssh-keygen.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use patterns::sync_git::remote::{Blame, FetchRequest, HostKeys, Options, Remote, RemoteError, SshOptions, Url};

use super::repository::{Source, Store, depth, tip};

fn keygen(directory: &Path, arguments: &[&str]) {
    let output =
        Command::new("ssh-keygen").args(arguments).current_dir(directory).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "ssh-keygen {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn make_key(directory: &Path, name: &str, options: &[&str]) -> PathBuf {
    keygen(directory, &[&["-q", "-N", "", "-f", name], options].concat());
    directory.join(name)
}

/// sshd with one host key of its own, letting in whoever has a key in `authorized`.
pub(crate) struct Sshd {
    child: Child,
    pub(crate) port: u16,
    directory: tempfile::TempDir,
}

impl Sshd {
    pub(crate) fn start(more: &str, authorized: &[&Path]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        make_key(path, "host", &["-t", "ed25519"]);
        make_key(path, "authority", &["-t", "ed25519"]);
        keygen(path, &["-q", "-s", "authority", "-I", "host", "-h", "-n", "127.0.0.1", "-V", "-1h:+1h", "host.pub"]);
        let keys: String =
            authorized.iter().map(|key| std::fs::read_to_string(key.with_extension("pub")).unwrap()).collect();
        std::fs::write(path.join("authorized"), keys).unwrap();
        // Where sshd's unprivileged half is kept; the package makes it at boot.
        std::fs::create_dir_all("/run/sshd").ok();
        loop {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let config = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\nPidFile none\n\
                 StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
                 AcceptEnv GIT_PROTOCOL\nMaxAuthTries 10\n{1}\n",
                path.display(),
                more.replace("DIR", path.to_str().unwrap())
            );
            std::fs::write(path.join("config"), config).unwrap();
            let mut child = Command::new("/usr/sbin/sshd")
                .args(["-D", "-e", "-f"])
                .arg(path.join("config"))
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("OpenSSH's server is installed");
            let deadline = Instant::now() + Duration::from_secs(10);
            while Instant::now() < deadline {
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { child, port, directory };
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

    fn url(&self, source: &Source) -> Url {
        Url::parse(&format!("ssh://{}@127.0.0.1:{}{}", user(), self.port, source.path().display())).unwrap()
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn public(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.directory.path().join(name).with_extension("pub")).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// A known_hosts file with this text, in which HOST stands for the server and KEY for its key.
    pub(crate) fn known_hosts(&self, text: &str) -> HostKeys {
        let path = self.directory.path().join("known_hosts");
        let text = text.replace("HOST", &format!("[127.0.0.1]:{}", self.port)).replace("KEY", &self.public("host"));
        std::fs::write(&path, text.replace("AUTHORITY", &self.public("authority"))).unwrap();
        HostKeys::Known(vec![path])
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn options(keys: &[&Path], host_keys: HostKeys) -> Options {
    let keys = keys.iter().map(|key| key.to_path_buf()).collect();
    Options { ssh: SshOptions { keys, host_keys, command: None }, ..Options::default() }
}

#[tokio::test]
async fn keys_of_every_kind_and_format_open_the_door() {
    let source = Source::new();
    let directory = tempfile::tempdir().unwrap();
    let kinds: [(&str, &[&str]); 6] = [
        ("ed25519", &["-t", "ed25519"]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
        ("rsa_pem", &["-t", "rsa", "-b", "2048", "-m", "PEM"]),
        ("rsa_pkcs8", &["-t", "rsa", "-b", "2048", "-m", "PKCS8"]),
        ("ecdsa", &["-t", "ecdsa"]),
        ("ecdsa_pem", &["-t", "ecdsa", "-b", "384", "-m", "PEM"]),
    ];
    let keys: Vec<PathBuf> =
        kinds.iter().map(|(name, arguments)| make_key(directory.path(), name, arguments)).collect();
    let sshd = Sshd::start("", &keys.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    for key in &keys {
        let mut remote = Remote::new(sshd.url(&source), options(&[key], sshd.known_hosts("HOST KEY\n")));
        assert_eq!(tip(&mut remote, "main").await, source.oid("main"), "{}", key.display());
    }
}

#[tokio::test]
async fn the_third_key_counts_and_wrong_ones_are_named_as_such() {
    let source = Source::new();
    let directory = tempfile::tempdir().unwrap();
    let keys: Vec<PathBuf> =
        (0..3).map(|at| make_key(directory.path(), &format!("key{at}"), &["-t", "ed25519"])).collect();
    let sshd = Sshd::start("", &[&keys[2]]);
    let absent = directory.path().join("absent");
    let all = options(&[&absent, &keys[0], &keys[1], &keys[2]], HostKeys::Any);
    let mut remote = Remote::new(sshd.url(&source), all);
    let store = Store::new();
    let first = tip(&mut remote, "main").await;
    store
        .fetch(&mut remote, &FetchRequest { wants: vec![first], depth: depth(1), ..FetchRequest::default() })
        .await
        .unwrap();
    store.check();
    let second = source.commit(11);
    assert_eq!(tip(&mut remote, "main").await, second);
    let request = FetchRequest {
        wants: vec![second],
        haves: vec![first],
        shallow: store.shallow(),
        depth: depth(1),
        ..FetchRequest::default()
    };
    store.fetch(&mut remote, &request).await.unwrap();
    store.check();

    let wrong = options(&[&keys[0], &keys[1]], HostKeys::Any);
    let error = Remote::new(sshd.url(&source), wrong).ls_refs(&[]).await.unwrap_err();
    assert!(error.to_string().ends_with("the server accepts none of the 2 SSH keys"), "{error}");
    assert_eq!(error.blame(), Blame::Credentials);
    let error = Remote::new(sshd.url(&source), options(&[&absent], HostKeys::Any)).ls_refs(&[]).await.unwrap_err();
    assert!(error.to_string().contains("no SSH key could be read"), "{error}");
}

#[tokio::test]
async fn only_a_known_host_is_trusted() {
    let source = Source::new();
    let directory = tempfile::tempdir().unwrap();
    let key = make_key(directory.path(), "key", &["-t", "ed25519"]);
    let sshd = Sshd::start("HostCertificate DIR/host-cert.pub", &[&key]);
    let other = make_key(directory.path(), "other", &["-t", "ed25519"]);
    let other = std::fs::read_to_string(other.with_extension("pub")).unwrap();
    for (text, expected) in [
        ("HOST KEY\n", None),
        ("127.0.0.1 KEY\n", None),
        ("# nobody\n", Some("not in known_hosts")),
        (&format!("HOST {other}"), Some("another one than known_hosts has")),
        (&format!("HOST {other}HOST KEY\n"), None),
        ("HOST KEY\n@revoked * KEY\n", Some("is revoked")),
        ("@cert-authority HOST AUTHORITY\n", None),
        ("@cert-authority *.example.com AUTHORITY\n", Some("not in known_hosts")),
        ("@cert-authority HOST AUTHORITY\n@revoked * AUTHORITY\n", Some("is revoked")),
    ] {
        let mut remote = Remote::new(sshd.url(&source), options(&[&key], sshd.known_hosts(text)));
        match (remote.ls_refs(&["HEAD".to_owned()]).await, expected) {
            (Ok(_), None) => {}
            (Err(RemoteError::Credentials(words)), Some(expected)) => {
                assert!(words.contains(expected), "{text}: {words}");
            }
            (outcome, _) => panic!("{text}: {outcome:?}"),
        }
    }
    let known = sshd.known_hosts("HOST KEY\n");
    keygen(sshd.directory.path(), &["-q", "-H", "-f", "known_hosts"]);
    assert!(std::fs::read_to_string(sshd.directory.path().join("known_hosts")).unwrap().starts_with("|1|"));
    tip(&mut Remote::new(sshd.url(&source), options(&[&key], known)), "main").await;
    let error =
        Remote::new(sshd.url(&source), options(&[&key], HostKeys::Known(vec!["/nowhere".into()]))).ls_refs(&[]).await;
    assert!(error.unwrap_err().to_string().contains("/nowhere"));
}

#[tokio::test]
async fn an_expired_host_certificate_is_refused() {
    let source = Source::new();
    let directory = tempfile::tempdir().unwrap();
    let key = make_key(directory.path(), "key", &["-t", "ed25519"]);
    let sshd = Sshd::start("HostCertificate DIR/host-cert.pub", &[&key]);
    let path = sshd.directory.path();
    for (name, validity, expected) in
        [("127.0.0.1", "-2h:-1h", "has expired"), ("example.com", "-1h:+1h", "for another host")]
    {
        keygen(path, &["-q", "-s", "authority", "-I", "host", "-h", "-n", name, "-V", validity, "host.pub"]);
        // sshd reads its certificate at the start of each connection's process, by starting itself again at a signal.
        rustix_hangup(&sshd.child);
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let known = sshd.known_hosts("@cert-authority HOST AUTHORITY\n");
            let outcome = Remote::new(sshd.url(&source), options(&[&key], known)).ls_refs(&["HEAD".to_owned()]).await;
            if outcome.as_ref().is_err_and(|error| error.to_string().contains(expected)) {
                break;
            }
            assert!(Instant::now() < deadline, "{outcome:?}");
        }
    }
}

fn rustix_hangup(child: &Child) {
    let status = Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn the_servers_own_words_explain_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let key = make_key(directory.path(), "key", &["-t", "ed25519"]);
    let sshd = Sshd::start("", &[&key]);
    let url = Url::parse(&format!("ssh://{}@127.0.0.1:{}/nowhere/it's!", user(), sshd.port)).unwrap();
    let error = Remote::new(url, options(&[&key], HostKeys::Any)).ls_refs(&[]).await.unwrap_err();
    assert!(matches!(&error, RemoteError::Refused(words) if words.contains("/nowhere/it's!")), "{error:?}");
}

#[tokio::test]
async fn another_program_speaks_ssh_when_git_ssh_command_says_so() {
    let source = Source::new();
    let directory = tempfile::tempdir().unwrap();
    let key = make_key(directory.path(), "key", &["-t", "ed25519"]);
    let sshd = Sshd::start("", &[&key]);
    let mut options = options(&[&key], sshd.known_hosts("HOST KEY\n"));
    options.ssh.command = Some("ssh -F '/dev/null' -oIdentitiesOnly=yes".to_owned());
    let mut remote = Remote::new(sshd.url(&source), options.clone());
    let store = Store::new();
    let wants = vec![tip(&mut remote, "main").await];
    store.fetch(&mut remote, &FetchRequest { wants, depth: depth(1), ..FetchRequest::default() }).await.unwrap();
    store.check();
    options.ssh.command = Some("sh -c 'echo nothing doing >&2; exit 9'".to_owned());
    let error = Remote::new(sshd.url(&source), options.clone()).ls_refs(&[]).await.unwrap_err();
    assert_eq!(error.to_string(), "the server refused: nothing doing");
    options.ssh.command = Some("ssh 'unclosed".to_owned());
    Remote::new(sshd.url(&source), options).ls_refs(&[]).await.unwrap_err();
}

#[tokio::test]
async fn what_git_ssh_command_started_ends_with_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    // The shell's child would outlive a kill of the shell alone.
    let command = format!("sh -c 'sleep 1000 & echo $! > {}; wait'", file.display());
    let ssh = SshOptions { command: Some(command), ..SshOptions::default() };
    let mut remote = Remote::new(Url::parse("git@example.invalid:x").unwrap(), Options { ssh, ..Options::default() });
    let prefixes = ["HEAD".to_owned()];
    let mut listing = Box::pin(remote.ls_refs(&prefixes));
    let pid = loop {
        tokio::select! {
            outcome = &mut listing => panic!("{outcome:?}"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
        if let Ok(pid) = std::fs::read_to_string(&file).unwrap_or_default().trim().parse::<u32>() {
            break pid;
        }
    };
    drop(listing);
    let deadline = Instant::now() + Duration::from_secs(10);
    let is_alive = || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    while is_alive() {
        assert!(Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}
