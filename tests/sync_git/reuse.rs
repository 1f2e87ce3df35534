//! Unchanged files and directories that become parts of the next tree.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use crate::support::{Process, wait_for};
use crate::world::{World, git, names};

/// A followed repository with two directories beside `file`, published.
fn followed(arguments: &[&str]) -> (World, Process) {
    let world = World::new();
    for name in ["still/a", "still/below/b", "moving/c", "moving/d"] {
        world.commit_file(name, "1");
    }
    std::os::unix::fs::symlink("still/a", world.repo().join("pointer")).unwrap();
    let head = world.commit_file("moving/c", "2");
    let process = world.follow(arguments);
    world.wait_for_commit(&head);
    (world, process)
}

fn spare(world: &World) -> PathBuf {
    world.root().join(".git/patterns-spare/tree")
}

/// Publishes a commit that changes `moving/c`, and waits until all is quiet again.
fn change(world: &World, content: &str) {
    wait_for("a spare tree", || spare(world).join("still/a").exists().then_some(()));
    let head = world.commit_file("moving/c", content);
    world.wait_for_commit(&head);
    wait_for("one tree", || (world.trees() == [head.as_str()]).then_some(()));
}

fn inode(path: PathBuf) -> u64 {
    std::fs::metadata(path).unwrap().ino()
}

/// The link shows the head of the source, and git agrees.
#[track_caller]
fn assert_whole(world: &World) {
    assert_eq!(git(&world.link(), &["status", "--porcelain", "--ignored"]), "");
    assert_eq!(git(&world.link(), &["rev-parse", "HEAD^{tree}"]), world.git(&["rev-parse", "HEAD^{tree}"]));
    assert_eq!(git(&world.link(), &["write-tree"]), world.git(&["rev-parse", "HEAD^{tree}"]));
}

#[test]
fn a_change_moves_whole_directories_from_the_spare() {
    let (world, _process) = followed(&[]);
    wait_for("a spare tree", || spare(&world).join("still/a").exists().then_some(()));
    let (still, moving, d) = ["still", "moving", "moving/d"].map(|name| inode(spare(&world).join(name))).into();
    change(&world, "3");
    assert_eq!(inode(world.link().join("still")), still);
    // What holds a change is a new directory; the file that did not change moved into it.
    assert_ne!(inode(world.link().join("moving")), moving);
    assert_eq!(inode(world.link().join("moving/d")), d);
    assert_whole(&world);
    change(&world, "4");
    assert_whole(&world);
    assert_eq!(std::fs::read_to_string(world.link().join("moving/c")).unwrap(), "4");
}

#[test]
fn recycled_trees_share_no_file() {
    let (world, _process) = followed(&["--reuse=recycle"]);
    let first = inode(world.link().join("still/a"));
    let head = world.commit_file("moving/c", "3");
    world.wait_for_commit(&head);
    assert_ne!(inode(world.link().join("still/a")), first);
    change(&world, "4");
    assert_eq!(inode(world.link().join("still/a")), first);
    assert_eq!(std::fs::metadata(world.link().join("still/a")).unwrap().nlink(), 1);
    assert_whole(&world);
}

#[test]
fn a_tree_that_is_kept_for_its_grace_is_the_spare_afterwards() {
    let (world, _process) = followed(&["--stale-worktree-timeout=1s", "--group-write"]);
    let head = world.commit_file("moving/c", "3");
    world.wait_for_commit(&head);
    change(&world, "4");
    assert_whole(&world);
}

/// What somebody did to the spare.
type Touch = fn(PathBuf);

#[test]
fn what_was_touched_in_the_spare_is_written_anew() {
    let touches: &[(&str, Touch)] = &[
        ("content", |tree| std::fs::write(tree.join("still/a"), "X").unwrap()),
        ("an added file", |tree| std::fs::write(tree.join("still/below/added"), "X").unwrap()),
        ("an added directory", |tree| std::fs::create_dir(tree.join("still/added")).unwrap()),
        ("a removed file", |tree| std::fs::remove_file(tree.join("still/below/b")).unwrap()),
        ("permissions", |tree| {
            std::fs::set_permissions(tree.join("still/a"), std::fs::Permissions::from_mode(0o600)).unwrap();
        }),
        ("a directory's permissions", |tree| {
            std::fs::set_permissions(tree.join("still/below"), std::fs::Permissions::from_mode(0o711)).unwrap();
        }),
        ("a link in a directory's place", |tree| {
            std::fs::rename(tree.join("still"), tree.join("away")).unwrap();
            std::os::unix::fs::symlink("away", tree.join("still")).unwrap();
        }),
        ("all of it", |tree| std::fs::remove_dir_all(tree).unwrap()),
    ];
    let (world, _process) = followed(&["--verify-interval=0s"]);
    for (number, (what, touch)) in touches.iter().enumerate() {
        wait_for("a spare tree", || spare(&world).join("still/a").exists().then_some(()));
        touch(spare(&world));
        let head = world.commit_file("moving/c", &format!("after {number}"));
        world.wait_for_commit(&head);
        wait_for("one tree", || (world.trees() == [head.as_str()]).then_some(()));
        assert_eq!(std::fs::read_to_string(world.link().join("still/a")).unwrap(), "1", "{what}");
        assert_eq!(names(&world.link().join("still/below")), ["b"], "{what}");
        assert_eq!(names(&world.link().join("still")), ["a", "below"], "{what}");
        let mode = |name: &str| std::fs::metadata(world.link().join(name)).unwrap().mode() & 0o777;
        assert_eq!((mode("still/a"), mode("still/below")), (0o644, 0o755), "{what}");
        assert_whole(&world);
    }
}

#[test]
fn a_program_in_an_old_tree_sees_its_files_or_none() {
    let (world, _process) = followed(&[]);
    let held = std::fs::File::open(std::fs::canonicalize(world.link()).unwrap().join("moving")).unwrap();
    let content = || {
        let path = format!("/proc/self/fd/{}/c", std::os::fd::AsRawFd::as_raw_fd(&held));
        std::fs::read_to_string(path).ok()
    };
    assert_eq!(content().as_deref(), Some("2"));
    for number in 3..9 {
        change(&world, &number.to_string());
        assert!(content().is_none_or(|content| content == "2"), "{number}");
    }
}

#[test]
fn submodules_and_sparse_trees_are_whole_after_changes() {
    let world = World::new();
    world.make_repo("sub");
    let sub = format!("file://{}", world.path("sub").display());
    world.git(&["submodule", "add", "-q", &sub, "deep/sub"]);
    world.commit_file("deep/x", "1");
    world.commit_file("moving/c", "1");
    let patterns = world.path("patterns");
    std::fs::write(&patterns, "/*\n!/left-out\n").unwrap();
    world.commit_file("left-out/y", "1");
    let sparse = format!("--sparse-checkout-file={}", patterns.display());
    let _process = world.follow(&[&sparse]);
    world.wait_for_commit(&world.head());
    for number in 2..6 {
        let head = world.commit_file("moving/c", &number.to_string());
        world.wait_for_commit(&head);
        assert_eq!(std::fs::read_to_string(world.link().join("deep/sub/file")).unwrap(), "init\n");
        assert!(!world.link().join("left-out").exists());
        assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
    }
}

#[test]
fn a_run_that_does_not_want_a_spare_removes_it() {
    let (world, process) = followed(&[]);
    change(&world, "3");
    drop(process);
    world.sync(&[]);
    assert!(!spare(&world).exists());
    assert_whole(&world);
}
