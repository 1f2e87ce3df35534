//! A ref is followed forward and back, whatever it is.

use crate::support::wait_for;
use crate::world::{FETCHES, NOOPS, SUCCESSES, World, git, metric, wait_for_metric};

/// Follows a ref through a commit and back, with git-sync's two counters.
fn moves(arguments: &[&str], advance: impl Fn(&World, &str), back: impl Fn(&World)) {
    let world = World::new();
    advance(&world, "1");
    let first = world.head();
    let (mut process, port) = world.follow_with_http(arguments);
    world.wait_for_commit(&first);
    assert_eq!(world.content().unwrap(), "1");
    wait_for_metric(port, SUCCESSES, 1.0);
    advance(&world, "2");
    world.wait_for_commit(&world.head());
    assert_eq!(world.content().unwrap(), "2");
    wait_for_metric(port, SUCCESSES, 2.0);
    back(&world);
    world.wait_for_commit(&first);
    assert_eq!(world.content().unwrap(), "1");
    wait_for_metric(port, SUCCESSES, 3.0);
    assert_eq!(metric(port, FETCHES), Some(3.0));
    wait_for("the old trees to go", || (world.trees() == [first.clone()]).then_some(()));
    assert!(process.terminate().success());
}

#[test]
fn sync_default_ref() {
    let advance = |world: &World, content: &str| {
        git(&world.repo(), &["checkout", "-q", "-B", "weird-name"]);
        world.commit(content);
    };
    moves(&[], advance, |world| {
        world.git(&["reset", "-q", "--hard", "HEAD^"]);
    });
}

#[test]
fn sync_head() {
    moves(
        &["--ref=HEAD"],
        |world, content| drop(world.commit(content)),
        |world| {
            world.git(&["reset", "-q", "--hard", "HEAD^"]);
        },
    );
}

#[test]
fn sync_branch() {
    let advance = |world: &World, content: &str| {
        world.git(&["checkout", "-q", "-B", "other-branch"]);
        world.commit(content);
    };
    moves(&["--ref=other-branch"], advance, |world| {
        world.git(&["reset", "-q", "--hard", "HEAD^"]);
    });
}

#[test]
fn sync_tag() {
    let advance = |world: &World, content: &str| {
        world.commit(content);
        world.git(&["tag", "-f", "e2e-tag"]);
    };
    moves(&["--ref=e2e-tag"], advance, |world| {
        world.git(&["tag", "-f", "e2e-tag", "HEAD^"]);
    });
}

#[test]
fn sync_annotated_tag() {
    let advance = |world: &World, content: &str| {
        world.commit(content);
        world.git(&["tag", "-f", "-a", "-m", content, "e2e-tag"]);
    };
    moves(&["--ref=e2e-tag"], advance, |world| {
        world.git(&["tag", "-f", "-a", "-m", "back", "e2e-tag", "HEAD^"]);
    });
}

#[test]
fn a_commit_after_the_tag_is_ignored() {
    let world = World::new();
    let tagged = world.commit("1");
    world.git(&["tag", "e2e-tag"]);
    let (_process, port) = world.follow_with_http(&["--ref=e2e-tag"]);
    world.wait_for_commit(&tagged);
    world.commit("2");
    let noops = metric(port, NOOPS).unwrap_or(0.0);
    wait_for("two more polls", || (metric(port, NOOPS)? >= noops + 2.0).then_some(()));
    assert_eq!(world.published().unwrap(), tagged);
}

#[test]
fn sync_sha() {
    let world = World::new();
    let pinned = world.commit("1");
    let (mut process, port) = world.follow_with_http(&["--ref", &pinned]);
    world.wait_for_commit(&pinned);
    world.commit("2");
    wait_for("three polls", || (metric(port, NOOPS)? >= 3.0).then_some(()));
    assert_eq!(world.published().unwrap(), pinned);
    assert_eq!((metric(port, SUCCESSES), metric(port, FETCHES)), (Some(1.0), Some(1.0)));
    assert!(process.terminate().success());
}

#[test]
fn sync_sha_once_sync_different_sha_known_and_unknown() {
    let world = World::new();
    let first = world.commit("1");
    let second = world.commit("2");
    let third = world.commit("3");
    for wanted in [&second, &first, &third, &first] {
        world.sync(&["--ref", wanted]);
        assert_eq!(world.published().as_ref(), Some(wanted));
        assert_eq!(world.trees().as_slice(), std::slice::from_ref(wanted));
    }
}

#[test]
fn the_hash_of_an_annotated_tag_is_peeled() {
    let world = World::new();
    let commit = world.commit("1");
    world.git(&["tag", "-a", "-m", "m", "t"]);
    let tag = world.git(&["rev-parse", "t"]);
    world.sync(&["--ref", &tag]);
    assert_eq!(world.published().unwrap(), commit);
    world.sync(&["--ref", &tag]);
}

#[test]
fn sync_branch_switch() {
    let world = World::new();
    let first = world.commit("1");
    world.git(&["checkout", "-q", "-b", "other"]);
    let second = world.commit("2");
    world.sync(&["--ref=e2e-branch"]);
    assert_eq!(world.published().unwrap(), first);
    world.sync(&["--ref=other"]);
    assert_eq!(world.published().unwrap(), second);
}

#[test]
fn sync_repo_switch() {
    let world = World::new();
    world.sync(&[]);
    let other = world.make_repo("repo2");
    std::fs::write(other.join("file"), "other").unwrap();
    git(&other, &["commit", "-qam", "other"]);
    let output = world
        .bare_command()
        .args(["--http-bind=off", "--one-time", "--link=link", "--repo", &world.url("repo2"), "--root"])
        .arg(world.root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(world.content().unwrap(), "other");
}

fn depth(world: &World) -> String {
    git(&world.link(), &["rev-list", "--count", "HEAD"])
}

#[test]
fn sync_depth_across_updates() {
    let world = World::new();
    world.commit("1");
    let process = world.follow(&[]);
    world.wait_for_content("1");
    assert_eq!(depth(&world), "1");
    world.commit("2");
    world.wait_for_content("2");
    assert_eq!(depth(&world), "1");
    world.git(&["reset", "-q", "--hard", "HEAD^"]);
    world.wait_for_content("1");
    assert_eq!(depth(&world), "1");
    drop(process);
}

#[test]
fn sync_depth_change_on_restart() {
    let world = World::new();
    world.commit("1");
    world.commit("2");
    world.commit("3");
    for (asked, here) in [("1", "1"), ("2", "2"), ("1", "1"), ("0", "4"), ("3", "3")] {
        world.sync(&["--depth", asked]);
        assert_eq!(depth(&world), here, "--depth {asked}");
        assert_eq!(world.content().unwrap(), "3");
    }
    git(&world.link(), &["fsck", "--no-dangling"]);
}

#[test]
fn the_published_link_is_a_clean_git_worktree() {
    let world = World::new();
    world.commit_file("dir/with space/x", "1");
    std::fs::write(world.repo().join("run"), "#!/bin/sh\n").unwrap();
    std::os::unix::fs::symlink("dir", world.repo().join("a-link")).unwrap();
    world.git(&["add", "-A"]);
    world.git(&["update-index", "--chmod=+x", "run"]);
    world.git(&["commit", "-qm", "kinds"]);
    world.sync(&["--depth=0"]);
    let link = world.link();
    assert_eq!(git(&link, &["status", "--porcelain"]), "");
    assert_eq!(git(&link, &["log", "--format=%H", "-1"]), world.head());
    git(&link, &["fsck", "--strict"]);
    let tar = crate::world::git_output(&link, &["archive", "HEAD"]);
    assert!(tar.status.success() && tar.stdout.len() > 1024);
}

#[test]
fn readlink() {
    let world = World::new();
    let process = world.follow(&[]);
    for content in ["1", "2"] {
        let commit = world.commit(content);
        world.wait_for_commit(&commit);
        let target = std::fs::read_link(world.link()).unwrap();
        assert!(target.is_relative());
    }
    drop(process);
}

#[test]
fn the_newest_version_in_a_range_is_followed() {
    let world = World::new();
    let tag = |name: &str| {
        let commit = world.commit(name);
        world.git(&["tag", "-a", "-m", name, name]);
        commit
    };
    let first = tag("v1.2.0");
    tag("v2.0.0");
    tag("v1.3.0-rc.1");
    world.commit("untagged");
    let hook = world.path("hook");
    std::fs::write(&hook, "#!/bin/sh\necho $GITSYNC_REF >> ../../../refs\n").unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let process = world.follow(&["--ref=semver:^1.2", &format!("--exechook-command={}", hook.display())]);
    world.wait_for_commit(&first);
    let second = tag("v1.10.0");
    world.wait_for_commit(&second);
    // A lower version that comes later changes nothing; one that goes away leads back.
    tag("v1.9.9");
    let third = tag("1.11");
    world.wait_for_commit(&third);
    world.git(&["tag", "-d", "1.11"]);
    world.wait_for_commit(&second);
    drop(process);
    let refs = std::fs::read_to_string(world.path("refs")).unwrap();
    assert!(refs.lines().all(|line| ["v1.2.0", "v1.10.0", "1.11"].contains(&line)), "{refs}");
    for (reference, why) in
        [("semver:^9", "no tag is a version that is wanted"), ("semver:newest", "no range of versions")]
    {
        let output = world.once(&["--ref", reference]);
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("couldn't find remote ref") && said.contains(why), "{said}");
    }
}

#[test]
fn the_newest_version_is_found_over_every_protocol() {
    let world = World::served();
    let wanted = world.commit("2");
    world.git(&["tag", "v1.2.3"]);
    world.commit("3");
    let backend = crate::remote::backend::Backend::start(&world.path(""), Default::default());
    for url in [world.url("repo"), format!("{}/repo", backend.origin()), format!("file://{}", world.repo().display())] {
        let _ = std::fs::remove_dir_all(world.root());
        let mut command = world.bare_command();
        command.args(["--http-bind=off", "--one-time", "--link=link", "--ref=semver:~1.2", "--repo", &url, "--root"]);
        let output = command.arg(world.root()).output().unwrap();
        assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(world.published().unwrap(), wanted, "{url}");
    }
}
