//! `--publish=exchange` and `--publish=in-place`: a directory where the link would be.

use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use crate::support::wait_for;
use crate::world::{World, git, names};

fn inode(world: &World, name: &str) -> u64 {
    std::fs::symlink_metadata(world.link().join(name)).unwrap().ino()
}

fn text(world: &World, name: &str) -> Option<String> {
    std::fs::read_to_string(world.link().join(name)).ok()
}

/// The directory is the source's head, and git agrees.
#[track_caller]
fn assert_whole(world: &World) {
    assert_eq!(git(&world.link(), &["rev-parse", "HEAD"]), world.head());
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
    assert!(std::fs::symlink_metadata(world.link()).unwrap().is_dir());
}

/// Whether the directory is at that commit.
fn stands(world: &World, commit: &str) -> Option<()> {
    let pointer = std::fs::read_to_string(world.link().join(".git")).ok()?;
    (pointer.trim_end().ends_with(commit) && !world.root().join(".git/patterns-in-place").exists()).then_some(())
}

#[test]
fn a_directory_is_exchanged_for_the_next_one() {
    let world = World::new();
    world.commit_file("dir/a", "1");
    world.sync(&["--publish=exchange"]);
    assert_whole(&world);
    let held = std::fs::File::open(world.link()).unwrap();
    world.commit_file("dir/a", "2");
    world.sync(&["--publish=exchange", "--stale-worktree-timeout=1h"]);
    assert_whole(&world);
    assert_eq!(text(&world, "dir/a").as_deref(), Some("2"));
    // Who is in the old directory stays there.
    let old = std::fs::read_to_string(format!("/proc/self/fd/{}/dir/a", held.as_raw_fd())).unwrap();
    assert_eq!(old, "1");
    assert_eq!(world.trees().len(), 1);
    world.sync(&["--publish=exchange"]);
    assert_eq!(world.trees(), [""; 0]);
    assert_whole(&world);
}

#[test]
fn readers_of_an_exchanged_directory_see_one_commit() {
    let world = World::new();
    for name in ["a", "b"] {
        std::fs::write(world.repo().join(name), "0").unwrap();
    }
    let head = world.commit_file("a", "0");
    let _process = world.follow(&["--publish=exchange"]);
    wait_for("the first tree", || stands(&world, &head));
    for number in 1..15 {
        std::fs::write(world.repo().join("b"), number.to_string()).unwrap();
        let head = world.commit_file("a", &number.to_string());
        wait_for("the next tree", || {
            let directory = std::fs::File::open(world.link()).unwrap();
            let read = |name| std::fs::read_to_string(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()));
            if let (Ok(a), Ok(b)) = (read("a"), read("b")) {
                assert_eq!(a, b);
            }
            stands(&world, &head)
        });
    }
    assert_whole(&world);
}

#[test]
fn only_what_changed_is_replaced_in_place() {
    let world = World::new();
    for name in ["dir/a", "dir/b", "gone/c", "turns", "was/file"] {
        world.commit_file(name, "1");
    }
    let head = world.head();
    let _process = world.follow(&["--publish=in-place"]);
    wait_for("the first tree", || stands(&world, &head));
    assert_whole(&world);
    std::fs::write(world.link().join("theirs"), "x").unwrap();
    std::fs::write(world.link().join("dir/theirs"), "x").unwrap();
    let (top, a, b) = (inode(&world, "."), inode(&world, "dir/a"), inode(&world, "dir/b"));
    for round in 2..5 {
        // A file becomes a directory, a directory a file, and back.
        world.git(&["rm", "-rq", "--ignore-unmatch", "turns", "was", "gone"]);
        std::fs::write(world.repo().join("dir/b"), round.to_string()).unwrap();
        let (turns, was) = if round % 2 == 0 { ("turns/deep/x", "was") } else { ("turns", "was/file") };
        world.commit_file(turns, &round.to_string());
        let head = world.commit_file(was, &round.to_string());
        wait_for("the next tree", || stands(&world, &head));
        assert_eq!(text(&world, turns).as_deref(), Some(&*round.to_string()));
        assert_eq!(text(&world, was).as_deref(), Some(&*round.to_string()));
    }
    assert_eq!((inode(&world, "."), inode(&world, "dir/a")), (top, a));
    assert_ne!(inode(&world, "dir/b"), b);
    assert!(!world.link().join("gone").exists());
    assert_eq!((text(&world, "theirs").as_deref(), text(&world, "dir/theirs").as_deref()), (Some("x"), Some("x")));
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "?? dir/theirs\n?? theirs");
}

#[test]
fn an_edited_file_is_mended_in_place() {
    let world = World::new();
    let head = world.commit_file("dir/a", "1");
    world.sync(&["--publish=in-place"]);
    std::fs::write(world.link().join("dir/a"), "X").unwrap();
    std::fs::remove_file(world.link().join("file")).unwrap();
    world.sync(&["--publish=in-place"]);
    assert_eq!((text(&world, "dir/a").as_deref(), text(&world, "file").as_deref()), (Some("1"), Some("init\n")));
    stands(&world, &head).unwrap();
    assert_whole(&world);
}

#[test]
fn other_settings_make_the_same_commit_other_files_in_place() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.commit_file("a/x", "1");
    world.commit_file("b/y", "1");
    let how = ["--publish=in-place"];
    world.sync(&how);
    world.sync(&["--publish=in-place", "--group-write"]);
    let mode = |name: &str| std::fs::metadata(world.link().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode("a"), mode("a/x")), (0o775, 0o775, 0o664));
    world.sync(&["--publish=in-place", "--path=a"]);
    assert_eq!((mode("a"), mode("a/x")), (0o755, 0o644));
    assert_eq!(names(&world.link()), [".git", "a"]);
    world.sync(&how);
    assert_eq!(text(&world, "b/y").as_deref(), Some("1"));
    assert_whole(&world);
}

#[test]
fn a_file_whose_encoding_changes_is_written_again_though_its_object_and_size_are_the_same() {
    let world = World::new();
    world.commit_file(".gitattributes", "*.wide working-tree-encoding=UTF-16LE\n");
    world.commit_file("plain", "same");
    std::fs::write(world.repo().join("a.wide"), b"a\0b\0").unwrap();
    world.commit("1");
    let object = || world.git(&["rev-parse", "HEAD:a.wide"]);
    let before = object();
    world.sync(&["--publish=in-place"]);
    let plain = inode(&world, "plain");
    assert_eq!(std::fs::read(world.link().join("a.wide")).unwrap(), b"a\0b\0");
    std::fs::write(world.repo().join("a.wide"), b"\0a\0b").unwrap();
    world.commit_file(".gitattributes", "*.wide working-tree-encoding=UTF-16BE\n");
    assert_eq!(object(), before);
    world.sync(&["--publish=in-place"]);
    assert_eq!(std::fs::read(world.link().join("a.wide")).unwrap(), b"\0a\0b");
    assert_eq!(inode(&world, "plain"), plain);
    assert_whole(&world);
}

/// Where a process may be killed between two renames, the next one finds what stands here.
#[test]
fn what_a_kill_leaves_of_a_change_is_finished_or_goes() {
    for how in ["--publish=exchange", "--publish=in-place"] {
        let world = World::new();
        world.commit_file("a/x", "1");
        world.sync(&[how]);
        // Published, and its staged tree not taken away yet.
        let left = world.root().join(".worktrees").join(world.head());
        std::fs::create_dir_all(left.join("a")).unwrap();
        world.sync(&[how]);
        assert_eq!(world.trees(), [""; 0], "{how}");
        // The metadata are those of the new settings already, the files are not.
        let metadata = world.root().join(".git/worktrees").join(world.head());
        let (index, recipe) = (metadata.join("index"), metadata.join("patterns-recipe"));
        let old = [&index, &recipe].map(|path| std::fs::read(path).unwrap());
        world.sync(&[how, "--path=none"]);
        let new = [&index, &recipe].map(|path| std::fs::read(path).unwrap());
        [&index, &recipe].iter().zip(old).for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
        world.sync(&[how]);
        assert_eq!(text(&world, "a/x").as_deref(), Some("1"), "{how}");
        [&index, &recipe].iter().zip(new).for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
        std::fs::write(world.root().join(".git/patterns-in-place"), format!("{}\n", world.head())).unwrap();
        world.sync(&[how, "--path=none"]);
        assert_eq!(names(&world.link()), [".git"], "{how}");
        world.sync(&[how]);
        assert_whole(&world);
    }
}

#[test]
fn submodules_come_along() {
    for how in ["--publish=exchange", "--publish=in-place"] {
        let world = World::new();
        let sub = world.make_repo("sub");
        let url = format!("file://{}", sub.display());
        world.git(&["submodule", "add", "-q", &url, "deep/sub"]);
        world.commit("with");
        world.sync(&[how]);
        assert_eq!(text(&world, "deep/sub/file").as_deref(), Some("init\n"));
        std::fs::write(sub.join("file"), "next\n").unwrap();
        git(&sub, &["commit", "-qam", "next"]);
        git(&world.repo().join("deep/sub"), &["pull", "-q"]);
        world.commit("moved");
        world.sync(&[how]);
        assert_eq!(text(&world, "deep/sub/file").as_deref(), Some("next\n"), "{how}");
        assert_whole(&world);
        world.git(&["rm", "-qf", "deep/sub"]);
        world.commit("without");
        world.sync(&[how]);
        assert!(!world.link().join("deep").exists(), "{how}");
        assert_whole(&world);
    }
}

#[test]
fn what_is_not_ours_is_not_replaced() {
    for how in ["--publish=exchange", "--publish=in-place"] {
        let world = World::new();
        std::fs::create_dir_all(world.link()).unwrap();
        std::fs::write(world.link().join("theirs"), "x").unwrap();
        let output = world.once(&[how]);
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("is no tree of this volume"), "{how}");
        assert_eq!(names(&world.link()), ["theirs"]);
        std::fs::remove_file(world.link().join("theirs")).unwrap();
        // An empty directory is taken.
        world.sync(&[how]);
        assert_whole(&world);
    }
}

#[test]
fn killed_changes_are_finished_by_the_next_run() {
    for how in ["--publish=exchange", "--publish=in-place"] {
        let world = World::new();
        for number in 0..60 {
            let path = world.repo().join(format!("d{}/f{number}", number % 7));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "0").unwrap();
        }
        world.commit("0");
        world.sync(&[how]);
        for round in 1..13_u64 {
            for number in 0..60 {
                let path = world.repo().join(format!("d{}/f{number}", number % 7));
                std::fs::write(path, round.to_string()).unwrap();
            }
            std::fs::write(world.repo().join(format!("only{round}")), "x").unwrap();
            let _ = std::fs::remove_file(world.repo().join(format!("only{}", round - 1)));
            world.commit(&round.to_string());
            let mut child = world.command().args(["--http-bind=off", "--one-time", how]).spawn().unwrap();
            // Somewhere in the middle, later each time.
            std::thread::sleep(std::time::Duration::from_micros(6000 * round));
            let _ = child.kill();
            let _ = child.wait();
            if round % 3 == 0 {
                world.sync(&[how]);
                assert_whole(&world);
                assert_eq!(text(&world, "d3/f3").as_deref(), Some(&*round.to_string()), "{how}");
                assert!(names(&world.link()).iter().filter(|name| name.starts_with("only")).count() == 1, "{how}");
            }
        }
        assert!(names(&world.root()).iter().all(|name| !name.starts_with(".patterns-tmp")));
    }
}
