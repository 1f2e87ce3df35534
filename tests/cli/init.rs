//! As PID 1 of a container: signals reach the mode, orphans are reaped, and the exit code is the mode's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{Process, wait_for};

/// The processes whose parent is `pid`: number, name and state.
fn children(pid: u32) -> Vec<(u32, String, char)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(number) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        // A process may end while it is looked at.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let (Some(open), Some(close)) = (stat.find('('), stat.rfind(')')) else { continue };
        let mut rest = stat[close + 2..].split(' ');
        let state = rest.next().unwrap().chars().next().unwrap();
        if rest.next().unwrap().parse() == Ok(pid) {
            found.push((number, stat[open + 1..close].to_owned(), state));
        }
    }
    found
}

fn may_unshare() -> bool {
    let can = Command::new("unshare").args(["--pid", "--fork", "true"]).status().is_ok_and(|status| status.success());
    assert!(can || std::env::var_os("CI").is_none(), "CI must be able to make a PID namespace");
    can
}

#[test]
fn pid_1_forwards_signals_reaps_orphans_and_ends_as_the_mode_does() {
    if !may_unshare() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.test"];
        let status = Command::new("git").arg("-C").arg(path("repo")).args(identity).args(arguments).status().unwrap();
        assert!(status.success());
    };
    fs::create_dir(path("repo")).unwrap();
    git(&["init", "-q"]);
    git(&["commit", "-q", "--allow-empty", "-m", "one"]);
    // The hook leaves an orphan behind, which ends a little later and becomes a zombie unless somebody waits for it.
    let hook = path("hook");
    fs::write(&hook, format!("#!/bin/sh\n(sleep 0.2; touch {}) &\n", path("orphan-ended"))).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();

    let repo = format!("file://{}", path("repo"));
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", env!("CARGO_BIN_EXE_patterns"), "sync-git", "--http-bind=off"]);
    command.args(["--repo", &repo, "--root", &path("root"), "--link", "web", "--exechook-command", &hook]);
    let mut outside = Process::start(&mut command);
    wait_for("the orphan's end", || fs::exists(path("orphan-ended")).unwrap().then_some(()));

    let (init, ..) = children(outside.pid()).pop().expect("PID 1 runs");
    let only_the_mode = || children(init).iter().all(|(_, name, state)| name == "patterns" && *state != 'Z');
    wait_for("every orphan to be reaped", || only_the_mode().then_some(()));
    assert_eq!(children(init).len(), 1, "PID 1 has one child, the mode: {:?}", children(init));

    let status = Command::new("kill").arg("-TERM").arg(init.to_string()).status().unwrap();
    assert!(status.success());
    assert_eq!(outside.wait().code(), Some(0), "{}", outside.log());
    assert!(outside.log().contains("SIGTERM"), "{}", outside.log());
}
