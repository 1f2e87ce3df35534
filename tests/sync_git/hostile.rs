//! Trees that nobody should write out: made with git's own plumbing, refused by us, with nothing outside the root.

use std::io::Write;
use std::process::Stdio;

use crate::world::{World, git, git_command};

/// Stores a tree object with exactly these entries, whatever git thinks of them.
fn raw_tree(world: &World, entries: &[(&str, &[u8], &str)]) -> String {
    let mut bytes = Vec::new();
    for (mode, name, oid) in entries {
        bytes.extend_from_slice(mode.as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend((0..20).map(|at| u8::from_str_radix(&oid[2 * at..2 * at + 2], 16).unwrap()));
    }
    hash(world, "tree", &bytes)
}

fn hash(world: &World, kind: &str, bytes: &[u8]) -> String {
    let mut child = git_command(&world.repo())
        .args(["hash-object", "-t", kind, "-w", "--stdin", "--literally"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

fn publish_tree(world: &World, tree: &str) {
    let commit = world.git(&["commit-tree", "-m", "hostile", tree]);
    world.git(&["update-ref", "refs/heads/hostile", &commit]);
}

/// Syncs the tree and expects a refusal that says `why`, with nothing published and nothing written elsewhere.
#[track_caller]
fn refused(world: &World, tree: &str, why: &str) {
    publish_tree(world, tree);
    let before = listing(world);
    let output = world.once(&["--ref=hostile"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(why), "{why:?} is not in: {message}");
    assert!(world.published().is_none());
    assert!(world.trees().is_empty(), "{:?}", world.trees());
    assert_eq!(listing(world), before, "something was written outside the root");
}

/// Everything beside the root and the source.
fn listing(world: &World) -> Vec<String> {
    let mut names = crate::world::names(&world.path(""));
    names.retain(|name| name != "root");
    names
}

#[test]
fn names_that_escape_are_refused() {
    let names: [&[u8]; 9] =
        [b"..", b".", b"../evil", b"/evil", b"a/b", b".git", b".GIT", b"git~1", b".g\xe2\x80\x8cit"];
    for name in names {
        let world = World::new();
        let blob = hash(&world, "blob", b"evil");
        let below = raw_tree(&world, &[("100644", b"config", &blob)]);
        let is_file = name.contains(&b'/');
        let tree = match is_file {
            true => raw_tree(&world, &[("100644", name, &blob)]),
            false => raw_tree(&world, &[("40000", name, &below)]),
        };
        refused(&world, &tree, "is not safe to create");
        assert!(!world.path("evil").exists());
    }
}

#[test]
fn a_link_and_a_directory_of_one_name_are_refused() {
    let world = World::new();
    let target = hash(&world, "blob", b"../../../../outside");
    std::fs::create_dir(world.path("outside")).unwrap();
    let blob = hash(&world, "blob", b"evil");
    let below = raw_tree(&world, &[("100644", b"evil", &blob)]);
    let adjacent = raw_tree(&world, &[("120000", b"a", &target), ("40000", b"a", &below)]);
    refused(&world, &adjacent, "there twice");
    let apart = raw_tree(&world, &[("120000", b"a", &target), ("100644", b"a.b", &blob), ("40000", b"a", &below)]);
    refused(&world, &apart, "there twice");
    assert!(crate::world::names(&world.path("outside")).is_empty());
}

#[test]
fn disorder_and_strange_modes_are_refused() {
    let world = World::new();
    let blob = hash(&world, "blob", b"x");
    let disorder = raw_tree(&world, &[("100644", b"b", &blob), ("100644", b"a", &blob)]);
    refused(&world, &disorder, "out of order");
    let device = raw_tree(&world, &[("60000", b"dev", &blob)]);
    refused(&world, &device, "which git does not have");
}

#[test]
fn a_file_that_is_a_tree_is_refused() {
    let world = World::new();
    let empty = raw_tree(&world, &[]);
    let tree = raw_tree(&world, &[("100644", b"a", &empty)]);
    publish_tree(&world, &tree);
    let output = world.once(&["--ref=hostile"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(world.published().is_none());
}

#[test]
fn a_tree_without_end_is_refused() {
    let world = World::new();
    let blob = hash(&world, "blob", b"x");
    let mut tree = raw_tree(&world, &[("100644", b"a", &blob)]);
    for _ in 0..200 {
        tree = raw_tree(&world, &[("40000", b"d", &tree)]);
    }
    refused(&world, &tree, "more directories deep");
}

#[test]
fn a_good_commit_after_a_hostile_one_is_published() {
    let world = World::new();
    let blob = hash(&world, "blob", b"x");
    let tree = raw_tree(&world, &[("100644", b"..", &blob)]);
    publish_tree(&world, &tree);
    let process = world.follow(&["--ref=hostile", "--max-failures=-1"]);
    process.wait_for_log("is not safe to create");
    world.git(&["branch", "-f", "hostile", "e2e-branch"]);
    world.wait_for_content("init");
}

#[test]
fn nothing_that_a_repository_contains_is_executed_or_obeyed() {
    let world = World::new();
    let marker = world.path("executed");
    let script = format!("#!/bin/sh\ntouch {}\n", marker.display());
    world.commit_file("hooks/post-checkout", &script);
    world.commit_file(".gitattributes", "* filter=evil\n*.txt text eol=lf\n");
    world.commit_file(
        ".gitconfig",
        &format!(
            "[core]\nfsmonitor = {0}\nhooksPath = hooks\n[filter \"evil\"]\nsmudge = touch {0}\n",
            marker.display()
        ),
    );
    world.sync(&[]);
    assert!(!marker.exists());
    assert!(!git(&world.link(), &["config", "--list"]).contains("evil"));
}
