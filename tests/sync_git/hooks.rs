//! Programs and URLs that hear of a publication, or decide on it.

use std::path::{Path, PathBuf};

use crate::support::wait_for;
use crate::web::Server;
use crate::world::{World, metric};

/// A program that appends `hash previous cwd ENVKEY GITSYNC_PASSWORD` to a log, then ends with `status`.
fn program(world: &World, name: &str, body: &str) -> (PathBuf, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let (path, log) = (world.path(&format!("{name}.sh")), world.path(&format!("{name}.log")));
    let script = format!(
        "#!/bin/sh\necho \"$GITSYNC_HASH ${{GITSYNC_PREVIOUS_HASH:-none}} $(pwd -P) $ENVKEY ${{GITSYNC_PASSWORD:-clean}} $(cat file)\" >> {}\n{body}\n",
        log.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    (path, log)
}

fn lines(log: &Path) -> Vec<String> {
    std::fs::read_to_string(log).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn follow(world: &World, arguments: &[&str]) -> (crate::support::Process, u16) {
    world.follow_with_http(arguments)
}

/// The two kinds of program differ only in their flag.
fn succeeds(flag: &str, name: &str) {
    let world = World::new();
    let (path, log) = program(&world, "hook", "exit 0");
    let first = world.head();
    let port = crate::support::free_port();
    let process = crate::support::Process::start(
        world
            .command()
            .env("ENVKEY", "envval")
            .args([&format!("--http-bind=127.0.0.1:{port}"), "--period=50ms", flag])
            .arg(&path),
    );
    wait_for("the first run", || (lines(&log).len() == 1).then_some(()));
    let tree = world.root().join(".worktrees").join(&first);
    assert_eq!(lines(&log)[0], format!("{first} none {} envval clean init", tree.display()));
    let second = world.commit("2");
    wait_for("the second run", || (lines(&log).len() == 2).then_some(()));
    assert!(lines(&log)[1].starts_with(&format!("{second} {first} ")), "{:?}", lines(&log));
    let sample = format!("git_sync_hook_run_count_total{{name=\"{name}\",status=\"success\"}}");
    wait_for("the counter", || (metric(port, &sample)? == 2.0).then_some(()));
    drop(process);
    assert_eq!(lines(&log).len(), 2);
}

#[test]
fn exechook_success() {
    succeeds("--exechook-command", "exechook");
}

#[test]
fn pre_publish_exechook_success() {
    succeeds("--pre-publish-exechook-command", "pre-publish-exechook");
}

fn fails_and_is_retried(flag: &str) {
    let world = World::new();
    let (path, log) = program(&world, "hook", "exit 1");
    let hook = format!("{flag}-command={}", path.display());
    let backoff = format!("{flag}-backoff=1s");
    let _process = follow(&world, &[&hook, &backoff]);
    world.wait_for_content("init");
    wait_for("two runs", || (lines(&log).len() >= 2).then_some(()));
}

#[test]
fn exechook_fail_retry() {
    fails_and_is_retried("--exechook");
}

#[test]
fn pre_publish_exechook_fail_retry() {
    fails_and_is_retried("--pre-publish-exechook");
}

fn once(flag: &str, body: &str, code: i32) {
    let world = World::new();
    let (path, log) = program(&world, "hook", body);
    let output = world.once(&[&format!("{flag}-command={}", path.display()), &format!("{flag}-backoff=1s")]);
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lines(&log).len(), 1);
    assert_eq!(world.content().unwrap(), "init");
    if code == 0 {
        assert!(world.path("slept").exists());
    }
}

#[test]
fn exechook_success_once_waits_for_a_slow_hook() {
    once("--exechook", "sleep 0.3; touch ../../../slept", 0);
}

#[test]
fn exechook_fail_once() {
    once("--exechook", "sleep 0.2; exit 1", 1);
}

#[test]
fn pre_publish_exechook_success_once() {
    once("--pre-publish-exechook", "sleep 0.3; touch ../../../slept", 0);
}

#[test]
fn pre_publish_exechook_fail_once_publishes_all_the_same() {
    once("--pre-publish-exechook", "sleep 0.2; exit 1", 1);
}

#[test]
fn exechook_startup_after_crash_and_pre_publish_not() {
    let world = World::new();
    world.sync(&[]);
    let (after, after_log) = program(&world, "after", "exit 0");
    let (before, before_log) = program(&world, "before", "exit 0");
    world.sync(&[
        &format!("--exechook-command={}", after.display()),
        &format!("--pre-publish-exechook-command={}", before.display()),
    ]);
    assert_eq!((lines(&after_log).len(), lines(&before_log).len()), (1, 0));
}

#[test]
fn a_gate_keeps_the_old_tree_until_it_accepts() {
    let world = World::new();
    let (path, log) = program(&world, "gate", "grep -q good file");
    let good = world.commit("good");
    let hook = format!("--pre-publish-exechook-command={}", path.display());
    let (process, port) = follow(&world, &[&hook, "--pre-publish-exechook-gate", "--max-failures=-1"]);
    world.wait_for_commit(&good);
    world.commit("bad");
    wait_for("two refusals", || (metric(port, crate::world::ERRORS)? >= 2.0).then_some(()));
    assert_eq!(world.published().unwrap(), good);
    let better = world.commit("good again");
    world.wait_for_commit(&better);
    assert!(lines(&log).len() >= 4);
    assert!(process.log().contains("refused the new tree"));
}

#[test]
fn a_gate_that_refuses_once_publishes_nothing() {
    let world = World::new();
    let (path, log) = program(&world, "gate", "exit 3");
    let output =
        world.once(&[&format!("--pre-publish-exechook-command={}", path.display()), "--pre-publish-exechook-gate"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((lines(&log).len(), world.published()), (1, None));
}

#[test]
fn a_hook_that_hangs_is_killed_with_all_its_children() {
    let world = World::new();
    let (path, log) = program(&world, "hook", "sleep 1000 & echo $! >> ../../../child; wait");
    let output = world.once(&[&format!("--exechook-command={}", path.display()), "--exechook-timeout=1s"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines(&log).len(), 1);
    let child = std::fs::read_to_string(world.path("child")).unwrap();
    let gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).ok();
        stat.is_none_or(|stat| stat.contains(") Z ")).then_some(())
    };
    wait_for("the child to be gone", gone);
}

#[test]
fn no_secret_reaches_a_hook() {
    let world = World::new();
    let (path, _) = program(&world, "hook", "env > ../../../environment");
    let output = world
        .command()
        .args(["--http-bind=off", "--one-time", "--exechook-command"])
        .arg(&path)
        .env("GITSYNC_GITHUB_APP_PRIVATE_KEY", "sesame-key")
        .env("GIT_SYNC_PASSWORD", "sesame-old")
        .env("SOMETHING_ELSE", "kept")
        .output()
        .unwrap();
    let environment = std::fs::read_to_string(world.path("environment")).unwrap_or_default();
    if output.status.success() {
        assert!(!environment.contains("sesame") && environment.contains("kept"), "{environment}");
    }
    assert!(!String::from_utf8_lossy(&output.stderr).contains("sesame"));
}

#[test]
fn exechook_git_archive() {
    let world = World::new();
    let (path, _) = program(&world, "hook", "git archive --format=tar -o ../../../archive.tar HEAD");
    world.sync(&[&format!("--exechook-command={}", path.display())]);
    assert!(std::fs::metadata(world.path("archive.tar")).unwrap().len() > 512);
}

fn url(server: &Server) -> String {
    format!("--webhook-url=http://127.0.0.1:{}/hook?x=1", server.port)
}

#[test]
fn webhook_success() {
    let world = World::new();
    let hits = Server::start(200, "");
    let (process, _) = follow(&world, &[&url(&hits)]);
    wait_for("a hit", || (hits.count() == 1).then_some(()));
    let second = world.commit("2");
    wait_for("another hit", || (hits.count() == 2).then_some(()));
    drop(process);
    let heads = hits.heads();
    assert!(heads[1].starts_with("POST /hook?x=1 "), "{}", heads[1]);
    assert!(heads[1].contains(&format!("gitsync-hash: {second}")), "{}", heads[1]);
}

#[test]
fn webhook_fail_retry() {
    let world = World::new();
    let hits = Server::start(500, "");
    let (process, _) = follow(&world, &[&url(&hits), "--webhook-backoff=1s"]);
    wait_for("two hits", || (hits.count() >= 2).then_some(()));
    hits.answer(200);
    process.wait_for_log("the hook has run");
    let settled = hits.count();
    drop(process);
    assert_eq!(hits.count(), settled);
}

#[test]
fn webhook_success_once() {
    let world = World::new();
    let hits = Server::start(200, "");
    world.sync(&[&url(&hits)]);
    assert_eq!(hits.count(), 1);
}

#[test]
fn webhook_fail_retry_once() {
    let world = World::new();
    let hits = Server::start(500, "");
    assert_eq!(world.once(&[&url(&hits)]).status.code(), Some(1));
    assert_eq!(hits.count(), 1);
    assert_eq!(world.content().unwrap(), "init");
}

#[test]
fn webhook_fire_and_forget() {
    let world = World::new();
    let hits = Server::start(404, "");
    world.sync(&[&url(&hits), "--webhook-success-status=0"]);
    assert_eq!(hits.count(), 1);
}
