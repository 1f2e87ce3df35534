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

/// Every way in which a secret can reach this process, none of which may reach a hook's environment or any output.
#[test]
fn no_secret_reaches_a_hook() {
    let world = World::new();
    let (after, _) = program(&world, "after", "env > ../../../environment-after");
    let (before, _) = program(&world, "before", "env > ../../../environment-before");
    let credential = |host: &str| format!(r#"{{"url":"https://{host}","username":"u","password":"sesame-{host}"}}"#);
    let output = world
        .command()
        .args(["--http-bind=off", "--one-time", "-v=9", "--username=user", "--exechook-command"])
        .arg(&after)
        .arg(format!("--pre-publish-exechook-command={}", before.display()))
        .args(["--git-config-add=http.extraHeader:X: sesame-header", "--credential", &credential("flag")])
        .env("GITSYNC_PASSWORD", "sesame-password")
        .env("GIT_SYNC_PASSWORD", "sesame-old")
        .env("GITSYNC_GITHUB_APP_PRIVATE_KEY", "sesame-key")
        .env("GITSYNC_CREDENTIAL", credential("variable"))
        .env("GITSYNC_GIT_CONFIG", "http.extraHeader:Y: sesame-config")
        .env("GITSYNC_WEBHOOK_URL", "")
        .env("HTTPS_PROXY", "http://me:sesame-proxy@127.0.0.1:9")
        .env("PATTERNS_INIT_CHILD", "1")
        .env("GITSYNC_PREVIOUS_HASH", "of-an-outer-sync")
        .env("SOMETHING_ELSE", "kept")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["environment-before", "environment-after"] {
        let environment = std::fs::read_to_string(world.path(name)).unwrap();
        assert!(!environment.contains("sesame") && !environment.contains("outer"), "{environment}");
        assert!(environment.contains("SOMETHING_ELSE=kept"), "{environment}");
        assert!(environment.contains("GITSYNC_REF=HEAD"), "{environment}");
    }
    assert!(!String::from_utf8_lossy(&output.stderr).contains("sesame"));
}

#[test]
fn hooks_are_told_both_hashes_the_ref_and_what_changed() {
    let world = World::new();
    world.commit_file("dir/gone", "x");
    let script = r#"{ echo "$GITSYNC_PREVIOUS_HASH $GITSYNC_HASH $GITSYNC_REF"; [ -z "$GITSYNC_CHANGES" ] || cat "$GITSYNC_CHANGES"; }"#;
    let (after, _) = program(&world, "after", &format!("{script} > ../../../told-after"));
    let (before, _) = program(&world, "before", &format!("{script} > ../../../told-before"));
    let hits = Server::start(200, "");
    let web = format!("--webhook-url=http://127.0.0.1:{}/", hits.port);
    let arguments = [
        format!("--exechook-command={}", after.display()),
        format!("--pre-publish-exechook-command={}", before.display()),
        "--pre-publish-exechook-gate".to_owned(),
        "--ref=e2e-branch".to_owned(),
        web,
        "--webhook-body=json".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let first = world.head();
    world.sync(&arguments);
    let told = |name: &str| std::fs::read_to_string(world.path(name)).unwrap();
    // Of a first tree nothing is known to be as before.
    assert_eq!(told("told-after"), format!(" {first} e2e-branch\n"));
    assert_eq!(told("told-before"), told("told-after"));
    std::fs::remove_file(world.repo().join("dir/gone")).unwrap();
    std::fs::write(world.repo().join("a \"b\""), "new").unwrap();
    let second = world.commit("2");
    world.sync(&arguments);
    let list = "A\t\"a \\\"b\\\"\"\nD\tdir/gone\nM\tfile\n";
    assert_eq!(told("told-after"), format!("{first} {second} e2e-branch\n{list}"));
    assert_eq!(told("told-before"), told("told-after"));
    let heads = hits.heads();
    assert!(!heads[0].contains("gitsync-previous-hash"), "{}", heads[0]);
    for line in [format!("gitsync-previous-hash: {first}"), "gitsync-ref: e2e-branch".into(), "application/json".into()]
    {
        assert!(heads[1].contains(&line), "{line}: {}", heads[1]);
    }
    let body: serde_json::Value = serde_json::from_str(&hits.bodies()[1]).unwrap();
    assert_eq!((body["hash"].as_str(), body["previous"].as_str()), (Some(&*second), Some(&*first)));
    assert_eq!(body["changes"][1], serde_json::json!({ "change": "D", "path": "dir/gone" }));
    assert_eq!(body["truncated"], false);
}

#[test]
fn the_touch_file_moves_when_quick_hooks_are_done() {
    let world = World::new();
    let touch = world.path("touch");
    let (hook, log) = program(&world, "hook", "sleep 0.1; test ! -e ../../../touch && touch done");
    let process = follow(
        &world,
        &[&format!("--exechook-command={}", hook.display()), &format!("--touch-file={}", touch.display())],
    );
    wait_for("the touch file", || touch.exists().then_some(()));
    assert!(world.link().join("done").exists());
    assert_eq!(lines(&log).len(), 1);
    drop(process);
}

#[test]
fn a_tree_that_was_written_again_is_told_again() {
    let world = World::new();
    let (hook, log) = program(&world, "hook", "touch made-by-the-hook");
    let process = follow(&world, &[&format!("--exechook-command={}", hook.display())]);
    wait_for("a run", || (lines(&log).len() == 1).then_some(()));
    std::fs::remove_dir_all(world.link().canonicalize().unwrap()).unwrap();
    wait_for("another run", || (lines(&log).len() == 2).then_some(()));
    wait_for("its work", || world.link().join("made-by-the-hook").exists().then_some(()));
    drop(process);
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
