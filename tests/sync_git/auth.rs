//! Credentials from every source, against git's own smart HTTP with basic authentication.

use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::remote::backend::{Backend, Mode};
use crate::remote::ssh::{Sshd, make_key, user};
use crate::support::{Process, wait_for};
use crate::web::Server;
use crate::world::{ERRORS, NOOPS, World, metric, misused};

/// `user:sesame` in base64.
const BASIC: &str = "dXNlcjpzZXNhbWU=";

fn backend(world: &World) -> Backend {
    Backend::start(&world.path(""), Mode { basic: Some(BASIC), ..Mode::default() })
}

fn command(world: &World, url: &str) -> Command {
    let mut command = world.bare_command();
    command.args(["--http-bind=off", "--period=50ms", "--link=link", "--repo", url, "--root"]).arg(world.root());
    command
}

fn url(backend: &Backend) -> String {
    format!("{}/repo", backend.origin())
}

#[track_caller]
fn succeeds(output: &Output, world: &World) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(world.content().unwrap(), "init");
    says_nothing_secret(output);
}

#[track_caller]
fn fails(output: &Output, world: &World) {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(world.published().is_none());
    says_nothing_secret(output);
}

#[track_caller]
fn says_nothing_secret(output: &Output) {
    says_nothing_secret_text(&(String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout)));
}

#[track_caller]
fn says_nothing_secret_text(text: &str) {
    for secret in ["sesame", BASIC, "wr0ng"] {
        assert!(!text.contains(secret), "{secret} is in: {text}");
    }
}

#[test]
fn auth_http_password() {
    let world = World::new();
    let backend = backend(&world);
    let with = |user: &str, password: &str| {
        command(&world, &url(&backend))
            .args(["--one-time", "--log=trace", "--username", user])
            .env("GITSYNC_PASSWORD", password)
            .output()
            .unwrap()
    };
    fails(&with("other", "sesame"), &world);
    fails(&with("user", "wr0ng"), &world);
    succeeds(&with("user", "sesame"), &world);
}

#[test]
fn auth_http_password_in_url() {
    let world = World::new();
    let backend = backend(&world);
    let with = |userinfo: &str| {
        let url = url(&backend).replace("http://", &format!("http://{userinfo}@"));
        command(&world, &url).args(["--one-time", "--log=trace"]).output().unwrap()
    };
    fails(&with("user:wr0ng"), &world);
    succeeds(&with("user:sesame"), &world);
    let config = std::fs::read_to_string(world.root().join(".git/config")).unwrap();
    assert!(!config.contains("sesame"), "{config}");
}

#[test]
fn a_password_in_the_base_of_a_rewritten_url_counts() {
    let world = World::new();
    let backend = backend(&world);
    let base = url(&backend).replace("http://", "http://user:sesame@");
    let rewrite = format!("--git-config=\"url.{base}.insteadOf\":\"hub:site\"");
    let output = command(&world, "hub:site").args(["--one-time", "--log=trace", &rewrite]).output().unwrap();
    succeeds(&output, &world);
}

#[test]
fn auth_http_password_file_and_its_rotation() {
    let world = World::new();
    let backend = backend(&world);
    let file = world.path("password");
    std::fs::write(&file, "sesame\n").unwrap();
    let port = crate::support::free_port();
    let mut command = command(&world, &url(&backend));
    command.args(["--username=user", "--period=50ms", "--max-failures=-1", "--password-file"]).arg(&file);
    let process = Process::start(command.arg(format!("--http-bind=127.0.0.1:{port}")));
    world.wait_for_content("init");
    std::fs::write(&file, "wr0ng").unwrap();
    wait_for("an error", || (metric(port, ERRORS)? >= 1.0).then_some(()));
    world.commit("2");
    let errors = metric(port, ERRORS).unwrap();
    wait_for("another error", || (metric(port, ERRORS)? > errors).then_some(()));
    assert_eq!(world.content().unwrap(), "init");
    std::fs::write(&file, "sesame").unwrap();
    world.wait_for_content("2");
    assert!(!process.log().contains("sesame") && !process.log().contains("wr0ng"));
}

#[test]
fn a_credential_is_for_its_own_server() {
    let world = World::new();
    let backend = backend(&world);
    let with = |url: &str| {
        let credential = format!(r#"{{"url":"{url}","username":"user","password":"sesame"}}"#);
        command(&world, &self::url(&backend)).args(["--one-time", "--credential", &credential]).output().unwrap()
    };
    fails(&with("http://127.0.0.1:1/repo"), &world);
    succeeds(&with(&backend.origin()), &world);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let world = World::new();
    for arguments in [
        &["--username=u"][..],
        &["--password-file=/x"],
        &["--username=u", "--password-file=/x", "--github-app-client-id=1"],
        &["--github-app-installation-id=1"],
        &["--github-app-application-id=1", "--github-app-private-key-file=/x"],
        &["--credential={\"url\":\"https://x\"}"],
    ] {
        let output = command(&world, "https://127.0.0.1:1/x").arg("--one-time").args(arguments).output().unwrap();
        // A credential is read by git-sync's flag parser itself.
        let code = if arguments[0].starts_with("--credential") { Some(2) } else { misused() };
        assert_eq!(output.status.code(), code, "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let url = "https://u:p@127.0.0.1:1/x";
    let output = command(&world, url).args(["--username=u", "--password-file=/x"]).output().unwrap();
    assert_eq!(output.status.code(), misused());
}

fn askpass(answer: &str) -> Server {
    Server::start(200, answer)
}

#[test]
fn auth_askpass_url_wrong_and_correct_password() {
    let world = World::new();
    let backend = backend(&world);
    let with = |answer: &str| {
        let server = askpass(answer);
        let output = command(&world, &url(&backend))
            .args(["--one-time", "--log=trace", &format!("--askpass-url=http://127.0.0.1:{}/git_askpass", server.port)])
            .output()
            .unwrap();
        assert_eq!(server.count(), 1);
        output
    };
    fails(&with("username=user\npassword=wr0ng\n"), &world);
    fails(&with("nonsense"), &world);
    succeeds(&with("username=user\npassword=sesame\n"), &world);
}

#[test]
fn auth_askpass_url_flaky() {
    let world = World::new();
    let backend = backend(&world);
    let server = askpass("username=user\npassword=sesame\n");
    let port = crate::support::free_port();
    let mut command = command(&world, &url(&backend));
    command.args(["--period=50ms", "--max-failures=-1", &format!("--http-bind=127.0.0.1:{port}")]);
    let _process = Process::start(command.arg(format!("--askpass-url=http://127.0.0.1:{}/", server.port)));
    world.wait_for_content("init");
    for (round, status) in [503, 200, 503, 200].into_iter().enumerate() {
        server.answer(status);
        let sample = if status == 200 { NOOPS } else { ERRORS };
        let before = metric(port, sample).unwrap();
        wait_for("a sync", || (metric(port, sample)? > before).then_some(()));
        if status == 200 {
            let content = format!("round {round}");
            world.commit(&content);
            world.wait_for_content(&content);
        }
    }
    assert!(metric(port, "git_sync_askpass_calls{status=\"error\"}").unwrap() >= 2.0);
}

/// Right and wrong in turn: two failures in a row would end the process, and never come.
#[test]
fn auth_askpass_url_sometimes_wrong() {
    let world = World::new();
    let backend = backend(&world);
    let server = Server::in_turn(&["username=user\npassword=wr0ng\n", "username=user\npassword=sesame\n"]);
    let port = crate::support::free_port();
    let mut command = command(&world, &url(&backend));
    command.args(["--max-failures=2", &format!("--http-bind=127.0.0.1:{port}")]);
    let mut process = Process::start(command.arg(format!("--askpass-url=http://127.0.0.1:{}/", server.port)));
    world.wait_for_content("init");
    for content in ["2", "3"] {
        world.commit(content);
        world.wait_for_content(content);
    }
    wait_for("three errors", || (metric(port, ERRORS)? >= 3.0).then_some(()));
    assert!(process.is_running());
    says_nothing_secret_text(&process.log());
}

#[test]
fn auth_askpass_url_slow_start() {
    let world = World::new();
    let backend = backend(&world);
    let port = crate::support::free_port();
    let mut command = command(&world, &url(&backend));
    command.args(["--period=100ms", "--max-failures=500"]);
    let process = Process::start(command.arg(format!("--askpass-url=http://127.0.0.1:{port}/git_askpass")));
    process.wait_for_log("is tried again");
    assert!(world.published().is_none());
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let _server = Server::start_on(listener, 200, &["username=user\npassword=sesame\n"]);
    world.wait_for_content("init");
}

/// The servers of git-sync's own tests are shell scripts: lines end without a carriage return, no length is told, and the
/// connection ends when the script does.
#[test]
fn an_answer_of_a_shell_script_is_understood() {
    let world = World::new();
    let backend = backend(&world);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = std::io::BufReader::new(stream.unwrap());
            let mut line = String::new();
            while std::io::BufRead::read_line(&mut reader, &mut line).unwrap() > 2 {
                line.clear();
            }
            let mut stream = reader.into_inner();
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\n\nusername=user\npassword=sesame\n").unwrap();
        }
    });
    let output = command(&world, &url(&backend))
        .args(["--one-time", &format!("--askpass-url=http://127.0.0.1:{port}/git_askpass")])
        .arg(format!("--webhook-url=http://127.0.0.1:{port}"))
        .output()
        .unwrap();
    succeeds(&output, &world);
}

#[test]
fn auth_github_app_application_id_and_client_id() {
    let world = World::new();
    let token = base64::engine::general_purpose::STANDARD.encode("-:granted");
    let backend =
        Backend::start(&world.path(""), Mode { basic: Some(Box::leak(token.into_boxed_str())), ..Mode::default() });
    let file = world.path("key.pem");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f"])
        .arg(&file)
        .status();
    assert!(made.unwrap().success());
    for id in ["--github-app-application-id=42", "--github-app-client-id=Iv1.42"] {
        let github = Server::start(201, r#"{"token":"granted","expires_at":"2999-01-01T00:00:00Z"}"#);
        let _ = std::fs::remove_dir_all(world.root());
        let output = command(&world, &url(&backend))
            .args(["--one-time", "--log=trace", id, "--github-app-installation-id=7", "--github-app-private-key-file"])
            .arg(&file)
            .arg(format!("--github-base-url=http://127.0.0.1:{}/api/v3", github.port))
            .output()
            .unwrap();
        succeeds(&output, &world);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("granted"));
        let head = github.heads().remove(0);
        assert!(head.starts_with("POST /api/v3/app/installations/7/access_tokens "), "{head}");
        let token = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["iss"], id.split('=').nth(1).unwrap());
        assert!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap() <= 600);
    }
}

#[test]
fn additional_git_configs() {
    let world = World::new();
    world.sync(&[
        r#"--git-config=http.postBuffer:10485760,sect.k1:v1,"sect.k2":"v,2""#,
        "--git-config-add=protocol.file.allow:always",
        "--git-config-add=safe.directory:*",
    ]);
    let output = world.once(&["--git-config=broken"]);
    assert_eq!(output.status.code(), misused());
}

#[test]
fn a_secret_header_is_sent_and_not_told() {
    let world = World::new();
    let backend = Backend::start(&world.path(""), Mode::default());
    let output = command(&world, &url(&backend))
        .args(["--one-time", "--log=trace", "-v=6", "--git-config=http.extraHeader:Authorization: Basic sesame"])
        .output()
        .unwrap();
    succeeds(&output, &world);
    assert!(backend.seen().iter().all(|seen| seen.header("authorization") == Some("Basic sesame")));
}

/// Three keys of which the server knows the third; and the URL in both of git's forms.
fn over_ssh(url: impl Fn(&Sshd, &World) -> String) {
    let world = World::new();
    let keys = ["one", "two", "three"].map(|name| make_key(&world.path(""), name, &["-t", "ed25519"]));
    let sshd = Sshd::start("", &[&keys[2]]);
    let url = url(&sshd, &world);
    let with = |keys: &[&std::path::PathBuf], more: &[&str]| {
        let mut command = command(&world, &url);
        command.arg("--one-time").args(more);
        for key in keys {
            command.arg("--ssh-key-file").arg(key);
        }
        command.output().unwrap()
    };
    fails(&with(&[&keys[0]], &["--ssh-known-hosts=false"]), &world);
    fails(&with(&[&keys[2]], &["--ssh-known-hosts-file=/dev/null"]), &world);
    succeeds(&with(&[&keys[0], &keys[1], &keys[2]], &["--ssh-known-hosts=false"]), &world);
    let _ = sshd.known_hosts("HOST KEY\n");
    let known = sshd.directory().join("known_hosts");
    succeeds(&with(&[&keys[2]], &[&format!("--ssh-known-hosts-file={}", known.display())]), &world);
}

/// The form without a scheme, with the port as git has it there.
#[test]
fn auth_ssh() {
    over_ssh(|sshd, world| format!("[{}@127.0.0.1:{}]:{}", user(), sshd.port, world.repo().display()));
}

/// The commonest form; the port is the external client's business.
#[test]
fn auth_ssh_by_an_external_client() {
    let world = World::new();
    let key = make_key(&world.path(""), "one", &["-t", "ed25519"]);
    let sshd = Sshd::start("", &[&key]);
    let with = |port: u16| {
        command(&world, &format!("{}@127.0.0.1:{}", user(), world.repo().display()))
            .args(["--one-time", "--ssh-known-hosts=false", "--ssh-key-file"])
            .arg(&key)
            .env("GIT_SSH_COMMAND", format!("ssh -F /dev/null -p {port}"))
            .output()
            .unwrap()
    };
    fails(&with(1), &world);
    succeeds(&with(sshd.port), &world);
}

#[test]
fn auth_ssh_url() {
    over_ssh(|sshd, world| format!("ssh://{}@127.0.0.1:{}{}", user(), sshd.port, world.repo().display()));
}

#[test]
fn submodule_sync_over_ssh_different_keys() {
    let world = World::new();
    let keys = ["one", "two", "three"].map(|name| make_key(&world.path(""), name, &["-t", "ed25519"]));
    let servers = keys.each_ref().map(|key| Sshd::start("", &[key]));
    let url = |at: usize, name: &str| {
        format!("ssh://{}@127.0.0.1:{}{}", user(), servers[at].port, world.path(name).display())
    };
    for name in ["sub", "nested"] {
        world.make_repo(name);
    }
    for (holder, at, name) in [("sub", 2, "nested"), ("repo", 1, "sub")] {
        let (holder, commit) = (world.path(holder), crate::world::git(&world.path(name), &["rev-parse", "HEAD"]));
        let text = format!("[submodule \"{name}\"]\n\tpath = {name}\n\turl = {}\n", url(at, name));
        std::fs::write(holder.join(".gitmodules"), text).unwrap();
        crate::world::git(&holder, &["add", ".gitmodules"]);
        crate::world::git(&holder, &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{name}")]);
        crate::world::git(&holder, &["commit", "-qm", name]);
    }
    let mut command = command(&world, &url(0, "repo"));
    command.args(["--one-time", "--ssh-known-hosts=false"]);
    for key in &keys {
        command.arg("--ssh-key-file").arg(key);
    }
    succeeds(&command.output().unwrap(), &world);
    assert!(world.link().join("sub/nested/file").exists());
}

/// Every kind of credential at once, some of them wrong, and everything that this program ever says or writes.
#[test]
fn no_secret_is_in_any_output() {
    let world = World::new();
    let backend = backend(&world);
    let write = |name: &str, text: &str| {
        std::fs::write(world.path(name), text).unwrap();
        world.path(name)
    };
    let (password, token) = (write("password", "sesame\n"), write("token", "wr0ng-sync-token"));
    let key = make_key(&world.path(""), "key", &["-t", "ed25519"]);
    let private = std::fs::read_to_string(&key).unwrap();
    let hook = write("hook", "#!/bin/sh\nenv > ../../../environment\n");
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let askpass = askpass("username=user\npassword=wr0ng-askpass\n");
    let port = crate::support::free_port();
    let base = |command: &mut Command| {
        command.args(["--log=trace", "-v=9", "--max-failures=-1", "--error-file=../error", "--max-staleness=1ms"]);
        command.arg(format!("--http-bind=127.0.0.1:{port}")).arg("--exechook-command").arg(&hook);
        command.arg(format!("--sync-token-file={}", token.display())).arg("--ssh-key-file").arg(&key);
        command.args(["--git-config=http.extraHeader:X-Private: wr0ng-header", "--credential"]);
        command.arg(r#"[{"url":"https://a.example.test","username":"me","password":"wr0ng-credential"}]"#);
        command.arg("--webhook-url=http://me:wr0ng-hook@127.0.0.1:1/?token=wr0ng-query");
        command.env("GITSYNC_GITHUB_APP_PRIVATE_KEY", "wr0ng-app-key");
    };
    let mut said = String::new();
    let mut look = |process: &Process| {
        for path in ["/", "/metrics", "/readyz", "/livez", "/startupz", "/debug/pprof/"] {
            said += &crate::support::get(port, path).map_or(String::new(), |(_, page)| page);
        }
        let headers = [("Authorization", "Bearer wr0ng-guess")];
        let refused = crate::support::http(port, "POST", "/sync", &headers, b"wr0ng-body").unwrap();
        said += &String::from_utf8_lossy(&refused.2);
        said += &process.log();
        for file in ["error", "environment", "root/.git/config"] {
            said += &std::fs::read_to_string(world.path(file)).unwrap_or_default();
        }
    };
    // Refused by the server: a password in the URL, an askpass URL, GitHub.
    let userinfo = url(&backend).replace("http://", "http://user:wr0ng-userinfo@");
    let asked = format!("--askpass-url=http://me:wr0ng-asker@127.0.0.1:{}/?key=wr0ng-key", askpass.port);
    for (url, more) in [
        (userinfo, vec![]),
        (url(&backend), vec![asked]),
        (format!("ssh://{}@127.0.0.1:1/x", user()), vec![]),
        (url(&backend), vec!["--github-app-client-id=1".into(), "--github-app-installation-id=2".into()]),
    ] {
        let mut command = command(&world, &url);
        base(&mut command);
        let process = Process::start(command.args(&more));
        wait_for("an error", || (metric(port, ERRORS)? >= 1.0).then_some(()));
        look(&process);
    }
    // Taken by it.
    let mut command = command(&world, &url(&backend));
    base(&mut command);
    let process = Process::start(command.args(["--username=user", "--password-file"]).arg(&password));
    world.wait_for_content("init");
    process.wait_for_log("the hook failed");
    wait_for("the hook's environment", || world.path("environment").exists().then_some(()));
    look(&process);
    assert!(
        said.contains("GITSYNC_HASH=") && said.contains("[remote \"origin\"]") && said.contains("git_sync_count_total")
    );
    says_nothing_secret_text(&said);
    let body = private.lines().nth(1).unwrap();
    assert!(!said.contains(body), "the private key");
}
