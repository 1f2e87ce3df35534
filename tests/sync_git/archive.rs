//! The tree as one file: read by the real tar, checked by the real sha256sum, the same for the same commit.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crate::support::wait_for;
use crate::world::{World, git, misused};

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn check(directory: &Path, name: &str) {
    run(Command::new("sha256sum").current_dir(directory).args(["--check", "--strict", &format!("{name}.sha256")]));
}

/// A world with files of every kind and names of every length.
fn full() -> World {
    let world = World::new();
    let long = format!("{}/{}", "d".repeat(99), "f".repeat(120));
    world.commit_file(&long, "long\n");
    world.commit_file("d/ü b", &"x".repeat(1536));
    std::os::unix::fs::symlink("l".repeat(150), world.repo().join("link")).unwrap();
    std::fs::write(world.repo().join("empty"), "").unwrap();
    world.git(&["add", "-A"]);
    world.git(&["update-index", "--chmod=+x", "file"]);
    world.git(&["commit", "-qm", "run"]);
    world
}

#[test]
fn tar_unpacks_what_git_would_check_out() {
    let world = full();
    for name in ["tree.tar.gz", "tree.tgz", "d/tree.tar"] {
        world.sync(&[&format!("--archive={name}")]);
        let (ours, gits) = (world.path(&format!("ours-{}", name.len())), world.path(&format!("gits-{}", name.len())));
        std::fs::create_dir_all(&ours).unwrap();
        std::fs::create_dir_all(&gits).unwrap();
        let file = world.root().join(name);
        run(Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(&ours));
        git(&world.repo(), &["archive", "-o", world.path("git.tar").to_str().unwrap(), "HEAD"]);
        run(Command::new("tar").arg("-xf").arg(world.path("git.tar")).arg("-C").arg(&gits));
        run(Command::new("diff").args(["-r", "--no-dereference"]).arg(&ours).arg(&gits));
        assert_ne!(std::fs::metadata(ours.join("file")).unwrap().mode() & 0o111, 0);
        let listed = run(Command::new("tar").arg("--numeric-owner").arg("-tvf").arg(&file));
        assert!(listed.lines().all(|line| line.contains(" 0/0 ")) && !listed.contains(".git"), "{listed}");
        check(file.parent().unwrap(), Path::new(name).file_name().unwrap().to_str().unwrap());
    }
}

#[test]
fn the_same_commit_makes_the_same_bytes_and_an_archive_that_is_there_is_left_alone() {
    let world = full();
    world.sync(&["--archive=tree.tar.gz"]);
    let file = world.root().join("tree.tar.gz");
    let (bytes, inode) = (std::fs::read(&file).unwrap(), std::fs::metadata(&file).unwrap().ino());
    world.sync(&["--archive=tree.tar.gz"]);
    assert_eq!(std::fs::metadata(&file).unwrap().ino(), inode);
    let other = world.path("other");
    let mut command = world.bare_command();
    command.args(["--repo", &world.url("repo"), "--link=l", "--one-time", "--group-write", "--root"]).arg(&other);
    run(command.arg("--archive=x.tar.gz"));
    assert_eq!(std::fs::read(other.join("x.tar.gz")).unwrap(), bytes);
    // A lost one is made again, also where nothing changed.
    std::fs::remove_file(&file).unwrap();
    world.sync(&["--archive=tree.tar.gz"]);
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[test]
fn a_change_replaces_the_archive_before_the_link_turns() {
    let world = World::new();
    let _process = world.follow(&["--archive=tree.tar"]);
    world.wait_for_content("init");
    for content in ["2", "3"] {
        let commit = world.commit(content);
        wait_for("the link", || (world.published()? == commit).then_some(()));
        let file = world.root().join("tree.tar");
        assert_eq!(run(Command::new("tar").arg("-xOf").arg(file).arg("file")), content);
        check(&world.root(), "tree.tar");
    }
}

#[test]
fn an_archive_that_cannot_be_written_leaves_the_old_tree() {
    let world = World::new();
    world.sync(&[]);
    let first = world.published();
    std::fs::create_dir(world.root().join("tree.tar")).unwrap();
    std::fs::write(world.root().join("tree.tar/x"), "").unwrap();
    world.commit("2");
    let output = world.once(&["--archive=tree.tar"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the archive: "), "{output:?}");
    assert_eq!(world.published(), first);
    for wrong in ["--archive=tree.zip", "--archive=.git/x.tar", "--archive=link/x.tar"] {
        assert_eq!(world.once(&[wrong]).status.code(), misused(), "{wrong}");
    }
}
