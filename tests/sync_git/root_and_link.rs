//! Roots and links of every shape, and what of the volume is not ours.

use crate::world::{World, git, names, published};

fn once_into(world: &World, root: &std::path::Path, link: &str) {
    let output = world
        .bare_command()
        .args(["--http-bind=off", "--one-time", "--repo", &world.url("repo"), "--link", link, "--root"])
        .arg(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn init_root_doesnt_exist() {
    let world = World::new();
    once_into(&world, &world.path("a/b/root"), "link");
    assert_eq!(published(&world.path("a/b/root/link")).unwrap(), world.head());
}

#[test]
fn init_root_exists_empty() {
    let world = World::new();
    std::fs::create_dir(world.root()).unwrap();
    world.sync(&[]);
    assert_eq!(world.content().unwrap(), "init");
}

#[test]
fn init_root_flag_is_weird() {
    let world = World::new();
    let root = world.root();
    let weird = format!("../../../../../../..//{}/../../{}", root.display(), root.strip_prefix("/").unwrap().display());
    let weird = weird.replace("/../../", &"/..".repeat(root.components().count()).add("/"));
    once_into(&world, std::path::Path::new(&weird), "link");
    assert_eq!(world.content().unwrap(), "init");
}

trait Add {
    fn add(self, more: &str) -> String;
}
impl Add for String {
    fn add(mut self, more: &str) -> String {
        self.push_str(more);
        self
    }
}

#[test]
fn init_root_flag_has_symlink() {
    let world = World::new();
    std::fs::create_dir(world.root()).unwrap();
    std::os::unix::fs::symlink(world.root(), world.path("alias")).unwrap();
    once_into(&world, &world.path("alias"), "link");
    assert_eq!(world.content().unwrap(), "init");
    assert!(world.path("alias").is_symlink());
}

#[test]
fn init_root_is_under_another_repo() {
    let world = World::new();
    let root = world.root();
    std::fs::create_dir_all(root.join("sub")).unwrap();
    git(&root, &["init", "-q"]);
    std::fs::write(root.join("sub/theirs"), "kept").unwrap();
    once_into(&world, &root.join("sub"), "link");
    assert_eq!(published(&root.join("sub/link")).unwrap(), world.head());
    assert_eq!(std::fs::read_to_string(root.join("sub/theirs")).unwrap(), "kept");
}

#[test]
fn init_root_fails_sanity() {
    let world = World::new();
    std::fs::create_dir(world.root()).unwrap();
    git(&world.root(), &["init", "-q"]);
    std::fs::write(world.root().join(".git/HEAD"), "ref: refs/heads/nonexist").unwrap();
    std::fs::write(world.root().join(".git/shallow.lock"), "").unwrap();
    world.sync(&[]);
    assert_eq!(world.content().unwrap(), "init");
}

#[test]
fn sync_head_absolute_link() {
    let world = World::new();
    let link = world.path("other/dir/link");
    once_into(&world, &world.root(), link.to_str().unwrap());
    assert_eq!(published(&link).unwrap(), world.head());
    assert!(std::fs::read_link(&link).unwrap().is_relative());
    assert!(link.join("file").exists());
    assert!(!world.link().exists());
}

#[test]
fn sync_head_subdir_link() {
    let world = World::new();
    once_into(&world, &world.root(), "other/dir/link");
    assert_eq!(published(&world.root().join("other/dir/link")).unwrap(), world.head());
}

#[test]
fn the_link_is_named_by_the_repository() {
    let world = World::new();
    let output = world
        .bare_command()
        .args(["--http-bind=off", "--one-time", "--repo", &world.url("repo"), "--root"])
        .arg(world.root())
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(published(&world.root().join("repo")).unwrap(), world.head());
}

#[test]
fn sync_sha_shafile_exists() {
    let world = World::new();
    let sha = world.head();
    std::fs::create_dir(world.root()).unwrap();
    std::fs::write(world.root().join(&sha), "theirs").unwrap();
    world.sync(&["--ref", &sha]);
    assert_eq!(world.published().unwrap(), sha);
    assert_eq!(std::fs::read_to_string(world.root().join(&sha)).unwrap(), "theirs");
}

#[test]
fn what_is_not_ours_in_the_root_is_kept() {
    let world = World::new();
    std::fs::create_dir_all(world.root().join("lost+found")).unwrap();
    std::fs::write(world.root().join("theirs"), "kept").unwrap();
    std::os::unix::fs::symlink("nowhere", world.root().join("dangling")).unwrap();
    world.sync(&[]);
    world.commit("2");
    world.sync(&[]);
    assert_eq!(world.content().unwrap(), "2");
    assert_eq!(std::fs::read_to_string(world.root().join("theirs")).unwrap(), "kept");
    assert!(world.root().join("lost+found").is_dir() && world.root().join("dangling").is_symlink());
}

#[test]
fn a_directory_in_the_links_place_is_kept_and_named() {
    let world = World::new();
    std::fs::create_dir_all(world.link()).unwrap();
    std::fs::write(world.link().join("theirs"), "kept").unwrap();
    let output = world.once(&[]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("is not a symbolic link"), "{message}");
    assert!(world.link().join("theirs").exists());
}

#[test]
fn two_instances_share_a_link_directory() {
    let world = World::new();
    std::fs::create_dir(world.path("links")).unwrap();
    // What git-sync leaves behind when it is killed between its two calls; its next sync fails for ever.
    std::os::unix::fs::symlink("nowhere", world.path("links/tmp-link")).unwrap();
    for name in ["one", "two"] {
        once_into(&world, &world.path(name), world.path("links").join(name).to_str().unwrap());
        assert_eq!(published(&world.path("links").join(name)).unwrap(), world.head());
    }
}

#[test]
fn unknown_files_in_the_root_go_only_when_that_is_asked_for() {
    let world = World::new();
    world.sync(&["--link=a/link", "--touch-file=marks/touch"]);
    let theirs = ["somebody.txt", "lost+found/x", "some directory/y", ".hidden"];
    for name in theirs {
        let path = world.root().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    }
    world.commit("2");
    world.sync(&["--link=a/link", "--touch-file=marks/touch"]);
    assert!(theirs.iter().all(|name| world.root().join(name).exists()));
    world.sync(&["--link=a/link", "--touch-file=marks/touch", "--wipe-root"]);
    assert_eq!(names(&world.root()), [".git", ".worktrees", "a", "marks"]);
    assert_eq!(std::fs::read_to_string(world.root().join("a/link/file")).unwrap(), "2");
}

#[test]
fn packs_that_a_killed_run_left_are_swept() {
    let world = World::new();
    world.sync(&[]);
    let left = world.root().join(".git/objects/pack/tmp_pack_1_2_3");
    std::fs::write(&left, "half").unwrap();
    world.sync(&[]);
    assert!(!left.exists());
}
