//! The process: exit codes, signals, failures, HTTP.

use crate::remote::tls::{certificate, terminate_tls, tunnel_to};
use crate::support::{self, Process, wait_for};
use crate::world::{ERRORS, World, metric, misused, wait_for_metric};

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn bad_ref_non_zero_exit() {
    let world = World::new();
    let output = world.once(&["--ref=does-not-exist"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("couldn't find remote ref does-not-exist"), "{}", stderr(&output));
    assert!(!world.link().exists());
}

#[test]
fn a_repository_that_is_not_there_is_a_clear_error() {
    let world = World::new();
    let output = world
        .bare_command()
        .args(["--http-bind=off", "--one-time", "--repo", &world.url("nope"), "--root"])
        .arg(world.root())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("error"));
}

#[test]
fn a_root_that_cannot_be_made_is_a_clear_error() {
    let world = World::new();
    std::fs::write(world.root(), "a file").unwrap();
    let output = world.once(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--root cannot be used"), "{}", stderr(&output));
}

#[test]
fn missing_and_unknown_options_are_usage_errors() {
    let world = World::new();
    for (arguments, code) in [
        (&["--one-time"][..], misused()),
        (&["--repo=x", "--root=y", "--nonsense"], Some(2)),
        (&["--repo=x", "--root=y", "--period=1"], Some(2)),
    ] {
        let output = world.bare_command().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), code, "{arguments:?}: {}", stderr(&output));
    }
    let output = world.bare_command().args(["--repo=x", "--root=y", "--ref=--upload-pack=touch x"]).output().unwrap();
    assert_eq!(output.status.code(), misused());
}

#[test]
fn git_syncs_variables_are_taken() {
    let world = World::new();
    let sync = |name: &str, value: &std::path::Path| {
        support::patterns()
            .args(["sync-git", "--log-format=text", "--http-bind=off", "--one-time"])
            .env(name, value)
            .env("GITSYNC_REPO", world.url("repo"))
            .env("GITSYNC_LINK", "link")
            .output()
            .unwrap()
    };
    let output = sync("GITSYNC_ROOT", &world.root());
    assert!(output.status.success(), "{}", stderr(&output));
    let output = sync("GIT_SYNC_ROOT", &world.path("root2"));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("GIT_SYNC_ROOT"), "{}", stderr(&output));
}

#[test]
fn sigterm_ends_with_zero_and_the_tree_stays() {
    let world = World::new();
    let mut process = world.follow(&[]);
    world.wait_for_content("init");
    assert_eq!(process.terminate().code(), Some(0));
    assert_eq!(world.content().unwrap(), "init");
}

fn behind(
    world: &World,
    mode: crate::remote::backend::Mode,
) -> (crate::remote::backend::Backend, std::process::Command) {
    let backend = crate::remote::backend::Backend::start(&world.path(""), mode);
    let mut command = world.bare_command();
    command.args(["--http-bind=off", "--link=link", "--repo", &format!("{}/repo", backend.origin()), "--root"]);
    command.arg(world.root());
    (backend, command)
}

fn stalling() -> crate::remote::backend::Mode {
    crate::remote::backend::Mode { stalls: true, ..Default::default() }
}

fn dripping() -> crate::remote::backend::Mode {
    crate::remote::backend::Mode { drips: true, ..Default::default() }
}

#[test]
fn error_slow_git_short_timeout() {
    for mode in [stalling(), dripping()] {
        let world = World::new();
        let (_backend, mut command) = behind(&world, mode);
        let output = command.args(["--one-time", "--sync-timeout=500ms"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("longer than its timeout of 500ms"), "{}", stderr(&output));
        assert!(world.published().is_none() && world.trees().is_empty());
    }
}

/// A server that takes its time, but less than there is, once for a first sync and once for the next.
#[test]
fn sync_slow_git_long_timeout() {
    let world = World::new();
    let delay = Some(std::time::Duration::from_millis(300));
    let (_backend, mut command) = behind(&world, crate::remote::backend::Mode { delay, ..Default::default() });
    let process = Process::start(command.args(["--period=50ms", "--sync-timeout=30s"]));
    world.wait_for_content("init");
    world.commit("2");
    world.wait_for_content("2");
    assert!(!process.log().contains("is tried again"), "{}", process.log());
}

#[test]
fn sigterm_during_a_sync_ends_with_zero_and_leaves_nothing() {
    for mode in [stalling(), dripping()] {
        let world = World::new();
        let (backend, mut command) = behind(&world, mode);
        let mut process = Process::start(&mut command);
        wait_for("the request", || (!backend.seen().is_empty()).then_some(()));
        assert_eq!(process.terminate().code(), Some(0), "{}", process.log());
        assert!(world.published().is_none() && world.trees().is_empty());
    }
}

#[test]
fn init_max_failures_exceeded() {
    let world = World::new();
    let output = world.once(&["--ref=nope", "--max-failures=-1", "--init-max-failures=3", "--period=10ms"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output).matches("is tried again").count(), 2, "{}", stderr(&output));
}

#[test]
fn max_failures_zero_and_one_both_end_at_the_first() {
    let world = World::new();
    for most in ["0", "1"] {
        let output = world.once(&["--ref=nope", "--max-failures", most]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stderr(&output).matches("is tried again").count(), 0);
    }
}

#[test]
fn a_ref_that_appears_later_is_picked_up() {
    let world = World::new();
    let (mut process, port) = world.follow_with_http(&["--ref=later", "--max-failures=-1"]);
    wait_for("two failures", || (metric(port, ERRORS)? >= 2.0).then_some(()));
    assert_eq!(support::get(port, "/").unwrap().0, 503);
    let (status, reason) = support::get(port, "/readyz").unwrap();
    assert_eq!(status, 503);
    assert!(reason.contains("couldn't find remote ref later"), "{reason}");
    assert_eq!(support::get(port, "/livez").unwrap().0, 200);
    world.git(&["branch", "later"]);
    world.wait_for_content("init");
    wait_for("readiness", || (support::get(port, "/readyz")?.0 == 200).then_some(()));
    assert_eq!(support::get(port, "/startupz").unwrap().0, 200);
    let (status, page) = support::get(port, "/").unwrap();
    assert_eq!(status, 200);
    assert!(page.contains(&world.head()), "{page}");
    assert!(process.terminate().success());
}

#[test]
fn expose_http_after_restart() {
    let world = World::new();
    world.sync(&[]);
    let (_process, port) = world.follow_with_http(&[]);
    wait_for("readiness", || (support::get(port, "/")?.0 == 200).then_some(()));
    wait_for_metric(port, crate::world::SUCCESSES, 1.0);
}

#[test]
fn what_the_volume_holds_is_served_while_the_remote_is_away() {
    let world = World::new();
    world.sync(&[]);
    std::fs::rename(world.repo(), world.path("away")).unwrap();
    let (mut process, port) = world.follow_with_http(&["--max-failures=-1"]);
    wait_for("an error", || (metric(port, ERRORS)? >= 1.0).then_some(()));
    assert_eq!(support::get(port, "/readyz").unwrap().0, 200);
    assert_eq!(world.content().unwrap(), "init");
    std::fs::rename(world.path("away"), world.repo()).unwrap();
    wait_for_metric(port, crate::world::SUCCESSES, 1.0);
    assert!(process.terminate().success());
}

#[test]
fn init_period_faster_initial_sync() {
    let world = World::new();
    let process = Process::start(world.command().args([
        "--http-bind=off",
        "--period=100s",
        "--init-period=10ms",
        "--init-max-failures=-1",
        "--ref=later",
    ]));
    process.wait_for_log("is tried again");
    world.git(&["branch", "later"]);
    world.wait_for_content("init");
}

/// The pauses that were meant are on the status page; a signal cuts any of them short.
#[test]
fn failures_in_a_row_are_tried_again_ever_later() {
    let world = World::new();
    let (process, port) = world.follow_with_http(&[
        "--ref=later",
        "--max-failures=-1",
        "--max-backoff=1h",
        "--period-jitter=0",
        "--sync-on-signal=USR1",
    ]);
    process.wait_for_log("is tried again");
    let page = wait_for("a pause of many doublings", || {
        process.signal("USR1");
        let (_, page) = support::get(port, "/")?;
        (page.contains("in 59m") || page.contains("in 1h")).then_some(page)
    });
    assert!(page.contains("in a row"), "{page}");
    world.git(&["branch", "later"]);
    process.signal("USR1");
    world.wait_for_content("init");
    let second = {
        world.commit("2");
        world.git(&["branch", "-f", "later"]);
        world.head()
    };
    // After the success the pause is the period again.
    world.wait_for_commit(&second);
}

fn signalled(name: &str) {
    let world = World::new();
    let on = format!("--sync-on-signal={name}");
    let process = Process::start(world.command().args(["--http-bind=off", "--period=100s", &on]));
    world.wait_for_content("init");
    world.commit("2");
    process.signal("HUP");
    world.wait_for_content("2");
}

#[test]
fn sync_on_signal_sighup() {
    signalled("SIGHUP");
}

#[test]
fn sync_on_signal_hup() {
    signalled("HUP");
}

#[test]
fn sync_on_signal_1() {
    signalled("1");
}

#[test]
fn a_signal_during_a_sync_queues_one_more() {
    let world = World::new();
    let process = Process::start(world.command().args(["--http-bind=off", "--period=100s", "--sync-on-signal=HUP"]));
    process.wait_for_log("starting");
    world.wait_for_content("init");
    for content in ["2", "3", "4"] {
        world.commit(content);
        process.signal("HUP");
    }
    world.wait_for_content("4");
}

#[test]
fn touch_file_and_error_file() {
    let world = World::new();
    let touch = world.path("marks/touch");
    let error = world.path("marks/error");
    let arguments = [format!("--touch-file={}", touch.display()), format!("--error-file={}", error.display())];
    let arguments: Vec<&str> =
        arguments.iter().map(String::as_str).chain(["--max-failures=-1", "--ref=later"]).collect();
    let process = world.follow(&arguments);
    let text = wait_for("the error file", || std::fs::read_to_string(&error).ok());
    assert!(text.contains("couldn't find remote ref"), "{text}");
    assert!(!touch.exists());
    world.git(&["branch", "later"]);
    wait_for("the touch file", || touch.exists().then_some(()));
    wait_for("the error file to go", || (!error.exists()).then_some(()));
    std::fs::remove_file(&touch).unwrap();
    world.commit("2");
    world.git(&["branch", "-f", "later"]);
    wait_for("the touch file", || touch.exists().then_some(()));
    drop(process);
}

/// github.com as it looks from inside: TLS by a certificate for that name, behind a proxy that resolves it.
#[test]
fn github_https() {
    let world = World::new();
    std::fs::create_dir(world.path("kubernetes")).unwrap();
    std::fs::rename(world.repo(), world.path("kubernetes/git-sync")).unwrap();
    let (key, certificate) = certificate(&world.path(""), "github.com");
    let backend = crate::remote::backend::Backend::start(&world.path(""), Default::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let proxy = runtime.block_on(async {
        let server = terminate_tls(&backend, &key, &certificate).await;
        tunnel_to(server, "github.com", std::sync::Arc::default()).await
    });
    let once = |more: &[&str]| {
        let mut command = world.bare_command();
        command.args(["--http-bind=off", "--one-time", "--link=link", "--repo=https://github.com/kubernetes/git-sync"]);
        command
            .arg("--root")
            .arg(world.root())
            .arg(format!("--git-config-add=http.proxy:http://u:p@{proxy}"))
            .args(more);
        command.output().unwrap()
    };
    let distrustful = once(&[]);
    assert_eq!(distrustful.status.code(), Some(1));
    assert!(stderr(&distrustful).contains("certificate"), "{}", stderr(&distrustful));
    let output = once(&[&format!("--git-config=http.sslCAInfo:{}", certificate.display())]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(world.content().unwrap(), "init");
}
