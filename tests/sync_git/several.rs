//! Several repositories in one process: apart in what they write and in how they fail, together in readiness and limits.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::support::{self, Process, wait_for};
use crate::world::{World, git, misconfigured, published};

fn config(world: &World, text: &str) -> PathBuf {
    let path = world.path("patterns.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

fn command(world: &World, config: &PathBuf) -> Command {
    let mut command = world.bare_command();
    command.arg("--config").arg(config);
    command
}

fn once(world: &World, text: &str) -> Output {
    command(world, &config(world, text)).args(["--one-time"]).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Two repositories, `site` and `docs`.
fn two() -> (World, String) {
    let world = World::new();
    world.make_repo("docs");
    let text = format!(
        "sync-git:\n  root: {}\n  link: current\n  period: 50ms\n  repositories:\n    site:\n      repo: {}\n    docs:\n      repo: {}\n",
        world.root().display(),
        world.url("repo"),
        world.url("docs"),
    );
    (world, text)
}

fn post(port: u16, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let (status, _, body) = support::http(port, "POST", path, headers, b"").unwrap();
    (status, String::from_utf8_lossy(&body).trim().to_owned())
}

#[test]
fn each_has_a_root_and_a_link_of_its_own() {
    let (world, text) = two();
    let elsewhere = world.path("elsewhere");
    let output = once(&world, &format!("{text}      root: {}\n      link: other\n", elsewhere.display()));
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(published(&world.root().join("site/current")), Some(world.head()));
    assert_eq!(published(&elsewhere.join("other")), Some(git(&world.path("docs"), &["rev-parse", "HEAD"])));
    assert!(!world.root().join("docs").exists());
}

#[test]
fn a_failure_of_one_is_its_own_and_is_told_by_name() {
    let (world, text) = two();
    let site = world.root().join("site/current");
    std::fs::rename(world.path("docs"), world.path("away")).unwrap();
    let port = support::free_port();
    let bind = format!("--http-bind=127.0.0.1:{port}");
    let process = Process::start(command(&world, &config(&world, &text)).arg(bind));
    wait_for("the healthy one", || published(&site));
    let second = world.commit("2");
    wait_for("the next commit", || (published(&site)? == second).then_some(()));
    let (status, reason) = support::get(port, "/readyz").unwrap();
    assert_eq!(status, 503);
    assert!(reason.contains("docs published: ") && !reason.contains("site"), "{reason}");
    assert!(process.log().contains("repository=\"docs\""), "{}", process.log());
    std::fs::rename(world.path("away"), world.path("docs")).unwrap();
    wait_for("readiness of both", || (support::get(port, "/readyz")?.0 == 200).then_some(()));
    let page = support::get(port, "/").unwrap().1;
    assert!(page.contains("Sync of site") && page.contains("Sync of docs"), "{page}");
    let metrics = support::get(port, "/metrics").unwrap().1;
    assert!(metrics.contains("git_sync_count_total{repository=\"docs\",status=\"error\"}"), "{metrics}");
    assert!(metrics.contains("git_sync_duration_seconds_count{repository=\"site\",status=\"success\"} 2"), "{metrics}");
    for family in metrics.lines().filter(|line| line.starts_with("# TYPE ")) {
        assert_eq!(metrics.matches(&format!("{family}\n")).count(), 1, "{family}");
    }
}

#[test]
fn a_sync_is_asked_for_by_name() {
    let (world, text) = two();
    let token = world.path("token");
    std::fs::write(&token, "sesame\n").unwrap();
    let text = text.replace("50ms", "1h") + &format!("      sync-token-file: {}\n", token.display());
    let port = support::free_port();
    let bind = format!("--http-bind=127.0.0.1:{port}");
    let _process = Process::start(command(&world, &config(&world, &text)).arg(bind));
    wait_for("readiness", || (support::get(port, "/readyz")?.0 == 200).then_some(()));
    let second = world.commit("2");
    assert_eq!(post(port, "/sync?wait&repository=site", &[]), (200, second));
    assert_eq!(post(port, "/sync?repository=docs", &[]).0, 401);
    assert_eq!(post(port, "/sync?repository=docs", &[("Authorization", "Bearer sesame")]).0, 202);
    for path in ["/sync", "/sync?repository=other", "/sync?repository="] {
        assert_eq!(post(port, path, &[("Authorization", "Bearer sesame")]).0, 404, "{path}");
    }
}

#[test]
fn one_at_a_time_serves_all() {
    let (world, text) = two();
    let output = once(&world, &text.replace("  period", "  sync-concurrency: 1\n  period"));
    assert!(output.status.success(), "{}", said(&output));
    // One that fails does not keep the others from their end.
    std::fs::rename(world.path("docs"), world.path("away")).unwrap();
    let third = world.commit("3");
    let output = once(&world, &text);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("the repository docs"), "{}", said(&output));
    assert_eq!(published(&world.root().join("site/current")), Some(third));
}

#[test]
fn one_that_gives_up_ends_the_process_where_that_is_asked_for() {
    let (world, text) = two();
    std::fs::rename(world.path("docs"), world.path("away")).unwrap();
    let text = text + "      max-failures: 2\n";
    let mut process = Process::start(command(&world, &config(&world, &text)).arg("--http-bind=off"));
    assert_eq!(process.wait().code(), Some(1));
    assert!(process.log().contains("the repository docs"), "{}", process.log());
}

#[test]
fn every_mistake_of_the_file_is_told_with_its_line() {
    let (world, _) = two();
    let root = world.root();
    let text = format!(
        "sync-git:\n  root: {}\n  repositories:\n    site:\n      repo: x\n      peroid: 3s\n    ../up:\n      repo: x\n    \
         docs:\n      repo: x\n      depth: deep\n      http-bind: off\n      one-time: true\n",
        root.display()
    );
    let path = config(&world, &text);
    for arguments in [vec!["config", "check"], vec!["sync-git", "--config"]] {
        let output = support::patterns().args(arguments).arg(&path).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(78), "{said}");
        for wanted in [
            ":6: sync-git.repositories.site.peroid: is not a known key; did you mean `period`?",
            ":7: sync-git.repositories.../up: is no name",
            ":11: sync-git.repositories.docs.depth: \"deep\" is refused",
            ":12: sync-git.repositories.docs.http-bind: is the whole process'",
            ":13: sync-git.repositories.docs.one-time: is the whole process'",
        ] {
            assert!(said.contains(wanted), "{wanted} in {said}");
        }
    }
    for (repositories, wanted) in [
        ("{a: {}}", "--repo"),
        ("[]", "is a list"),
        ("{}", "must be a mapping"),
        ("{a: {repo: x, root: /r, link: l}, b: {repo: x, root: /r}}", "would both write /r"),
        ("{a: {repo: x, root: /r}, b: {repo: x, root: /r/b}}", "lies in that of a"),
        ("{a: {repo: x, link: /l}, b: {repo: x, link: /l}}", "would both write /l"),
    ] {
        let text = format!("sync-git:\n  root: {}\n  repositories: {repositories}\n", root.display());
        let output = once(&world, &text);
        assert_eq!(output.status.code(), misconfigured(), "{repositories}: {}", said(&output));
        assert!(said(&output).contains(wanted), "{repositories}: {}", said(&output));
    }
}

#[test]
fn what_is_in_force_is_printed_for_each() {
    let (world, text) = two();
    let path = config(&world, &(text + "      period: 5m\n"));
    let output = support::patterns().args(["config", "print", "sync-git", "--config"]).arg(&path).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let (section, units) =
        printed.split_once("  repositories:\n").unwrap_or_else(|| panic!("{printed}{}", printed.len()));
    assert!(section.contains("  link: current") && !section.contains("# root:"), "{section}");
    let (site, docs) = units.split_once("    docs:\n").unwrap();
    assert!(site.starts_with("    site:\n      repo: ") && !site.contains("period"), "{units}");
    assert!(docs.contains("      period: 5m") && docs.contains("patterns.yaml:10"), "{units}");
}
