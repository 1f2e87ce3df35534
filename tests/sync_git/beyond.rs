//! What git-sync does not have: reuse, freshness, triggers, kept trees, limits, policies.

use std::os::unix::fs::MetadataExt;

use crate::support::{self, Process, wait_for};
use crate::world::{World, git, metric};

fn inode(world: &World, name: &str) -> u64 {
    std::fs::metadata(world.link().join(name)).unwrap().ino()
}

/// A tree of three files whose manifest is older than the pause in which a change could go unnoticed.
fn grown(arguments: &[&str]) -> World {
    let world = World::new();
    world.commit_file("dir/a", "a");
    world.commit_file("dir/b", "b");
    world.sync(arguments);
    world
}

#[test]
fn unchanged_files_are_taken_over_and_changed_ones_are_not() {
    let world = grown(&[]);
    let (a, b) = (inode(&world, "dir/a"), inode(&world, "dir/b"));
    world.commit_file("dir/b", "B");
    world.sync(&[]);
    assert_eq!(inode(&world, "dir/a"), a);
    assert_ne!(inode(&world, "dir/b"), b);
    assert_eq!(std::fs::read_to_string(world.link().join("dir/b")).unwrap(), "B");
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
}

#[test]
fn a_file_that_was_written_in_place_is_not_taken_over() {
    let world = grown(&[]);
    std::fs::write(world.link().join("dir/a"), "X").unwrap();
    world.commit("2");
    world.sync(&["--verify-interval=0s"]);
    assert_eq!(std::fs::read_to_string(world.link().join("dir/a")).unwrap(), "a");
}

#[test]
fn nothing_is_shared_where_old_trees_stay_or_when_told_so() {
    for argument in ["--reuse=off", "--stale-worktree-timeout=1h", "--keep-worktrees=1", "--group-write"] {
        let world = grown(&[argument]);
        let a = inode(&world, "dir/a");
        world.commit("2");
        world.sync(&[argument]);
        assert_ne!(inode(&world, "dir/a"), a, "{argument}");
    }
}

#[test]
fn reflink_falls_back_to_writing() {
    let world = grown(&["--reuse=reflink"]);
    let a = inode(&world, "dir/a");
    world.commit("2");
    world.sync(&["--reuse=reflink"]);
    assert_ne!(inode(&world, "dir/a"), a);
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
}

#[test]
fn a_file_that_became_executable_is_written_anew() {
    let world = grown(&[]);
    world.git(&["update-index", "--chmod=+x", "dir/a"]);
    world.git(&["commit", "-qm", "run"]);
    world.git(&["checkout", "-qf", "HEAD"]);
    world.sync(&[]);
    assert!(std::fs::metadata(world.link().join("dir/a")).unwrap().mode() & 0o111 != 0);
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
}

#[test]
fn group_write_lets_the_group_write() {
    let world = World::new();
    world.sync(&["--group-write"]);
    assert_eq!(std::fs::metadata(world.link().join("file")).unwrap().mode() & 0o777, 0o664);
    assert_eq!(std::fs::metadata(world.link().join(".")).unwrap().mode() & 0o777, 0o775);
}

#[test]
fn the_newest_trees_are_kept() {
    let world = World::new();
    let mut commits = vec![world.head()];
    for content in ["1", "2", "3"] {
        world.sync(&["--keep-worktrees=2"]);
        commits.push(world.commit(content));
    }
    world.sync(&["--keep-worktrees=2"]);
    let mut wanted = commits[1..].to_vec();
    wanted.sort();
    assert_eq!(world.trees(), wanted);
}

#[test]
fn links_out_of_the_tree_are_judged_by_policy() {
    let world = World::new();
    std::fs::create_dir(world.repo().join("d")).unwrap();
    std::os::unix::fs::symlink("../file", world.repo().join("d/inside")).unwrap();
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "inside"]);
    world.sync(&["--symlinks=inside-only"]);
    assert!(world.link().join("d/inside").exists());
    // The same commit under another policy is judged anew.
    assert_eq!(world.once(&["--symlinks=reject"]).status.code(), Some(1));
    for target in ["/etc/passwd", "../../.git/config", "../.git", "inside/../../.."] {
        let world = World::new();
        std::fs::create_dir(world.repo().join("d")).unwrap();
        std::os::unix::fs::symlink(target, world.repo().join("d/leak")).unwrap();
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "leak"]);
        for policy in ["inside-only", "reject"] {
            let output = world.once(&[&format!("--symlinks={policy}")]);
            assert_eq!(output.status.code(), Some(1), "{target}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("--symlinks"), "{target}");
            assert!(world.published().is_none());
        }
        world.sync(&[]);
    }
}

#[test]
fn every_limit_bites_and_is_named() {
    let world = World::new();
    world.commit_file("a/b/c/d", &"x".repeat(10_000));
    for (limit, named) in [
        ("--max-tree-bytes=1KiB", "--max-tree-bytes"),
        ("--max-path-depth=2", "--max-path-depth"),
        ("--max-object-bytes=1KiB", ""),
        ("--max-pack-bytes=100", ""),
        ("--max-objects=2", ""),
    ] {
        let output = world.once(&[limit]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{limit}: {message}");
        assert!(message.contains(named), "{limit}: {message}");
        assert!(world.published().is_none() && world.trees().is_empty(), "{limit}");
    }
    world.sync(&[]);
}

#[test]
fn readiness_ends_when_the_last_success_is_too_old() {
    let world = World::new();
    let (_process, port) = world.follow_with_http(&["--max-failures=-1", "--max-staleness=300ms"]);
    wait_for("readiness", || (support::get(port, "/readyz")?.0 == 200).then_some(()));
    std::fs::rename(world.repo(), world.path("away")).unwrap();
    let reason = wait_for("staleness", || support::get(port, "/readyz").filter(|(status, _)| *status == 503));
    assert!(reason.1.contains("--max-staleness"), "{}", reason.1);
    std::fs::rename(world.path("away"), world.repo()).unwrap();
    wait_for("readiness again", || (support::get(port, "/readyz")?.0 == 200).then_some(()));
}

fn slow(world: &World, arguments: &[&str]) -> (Process, u16) {
    let port = support::free_port();
    let bind = format!("--http-bind=127.0.0.1:{port}");
    let process = Process::start(world.command().args([&bind, "--period=1h", "--max-failures=-1"]).args(arguments));
    wait_for("readiness", || (support::get(port, "/readyz")?.0 == 200).then_some(()));
    (process, port)
}

fn post(port: u16, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let (status, _, body) = support::http(port, "POST", path, headers, body).unwrap();
    (status, String::from_utf8_lossy(&body).trim().to_owned())
}

#[test]
fn a_sync_is_triggered_over_http_and_its_result_awaited() {
    let world = World::new();
    let (_process, port) = slow(&world, &[]);
    let second = world.commit("2");
    assert_eq!(post(port, "/sync?wait", &[], b""), (200, second));
    std::fs::rename(world.repo(), world.path("away")).unwrap();
    assert_eq!(post(port, "/sync?wait", &[], b"").0, 502);
    std::fs::rename(world.path("away"), world.repo()).unwrap();
    world.commit("3");
    assert_eq!(post(port, "/sync", &[], b"").0, 202);
    world.wait_for_content("3");
    assert_eq!(support::get(port, "/sync").unwrap().0, 405);
}

#[test]
fn a_trigger_wants_the_token_where_there_is_one() {
    let world = World::new();
    let token = world.path("token");
    std::fs::write(&token, "It's a Secret to Everybody\n").unwrap();
    let (process, port) = slow(&world, &[&format!("--sync-token-file={}", token.display())]);
    assert_eq!(post(port, "/sync", &[], b"").0, 401);
    assert_eq!(post(port, "/sync", &[("Authorization", "Bearer wrong")], b"").0, 401);
    let second = world.commit("2");
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(post(port, "/sync?wait", &[("X-Hub-Signature-256", signature)], b"Hello, World!"), (200, second));
    assert_eq!(post(port, "/sync", &[("X-Hub-Signature-256", signature)], b"Hello, world!").0, 401);
    // Rotated without a restart.
    std::fs::write(&token, "other").unwrap();
    assert_eq!(post(port, "/sync", &[("X-Gitlab-Token", "other")], b"").0, 202);
    assert!(!process.log().contains("Secret to Everybody"));
}

#[test]
fn many_triggers_are_one_sync() {
    let world = World::new();
    let (_process, port) = slow(&world, &[]);
    let noops = metric(port, crate::world::NOOPS).unwrap();
    for _ in 0..20 {
        assert_eq!(post(port, "/sync", &[], b"").0, 202);
    }
    wait_for("a sync", || (metric(port, crate::world::NOOPS)? > noops).then_some(()));
    let syncs = metric(port, crate::world::NOOPS).unwrap() - noops;
    assert!(syncs <= 5.0, "{syncs} syncs");
}

#[test]
fn expose_http() {
    let world = World::new();
    world.git(&["branch", "-m", "hidden"]);
    let (_process, port) =
        world.follow_with_http(&["--ref=later", "--max-failures=-1", "--http-metrics", "--http-pprof", "-v=6"]);
    wait_for("the listener", || support::get(port, "/livez"));
    assert_eq!(support::get(port, "/").unwrap().0, 503);
    world.git(&["branch", "later"]);
    wait_for("readiness", || (support::get(port, "/")?.0 == 200).then_some(()));
    for path in ["/metrics", "/debug/pprof/"] {
        assert_eq!(support::get(port, path).unwrap().0, 200, "{path}");
    }
}
