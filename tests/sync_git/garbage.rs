//! Old objects and old layouts go away.

use crate::world::{World, git, names};

fn packs(world: &World) -> usize {
    names(&world.root().join(".git/objects/pack")).iter().filter(|name| name.ends_with(".pack")).count()
}

fn bytes(world: &World) -> u64 {
    let pack = world.root().join(".git/objects/pack");
    names(&pack).iter().map(|name| std::fs::metadata(pack.join(name)).unwrap().len()).sum()
}

/// Bytes that no compression makes small.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state % 90) as u8)
    };
    (0..length).map(|_| next()).collect()
}

fn grows_and_shrinks(mode: &str, shrinks: bool) {
    let world = World::new();
    let gc = format!("--git-gc={mode}");
    for seed in 1..=4 {
        world.commit_file("big", &noise(seed * 7919, 300_000));
    }
    world.sync(&["--depth=0", &gc]);
    let whole = bytes(&world);
    assert!(whole > 800_000, "{whole}");
    world.sync(&["--depth=1", &gc]);
    let shallow = bytes(&world);
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
    assert_eq!(git(&world.link(), &["rev-list", "--count", "HEAD"]), "1");
    std::fs::remove_file(world.repo().join("big")).unwrap();
    world.commit("small");
    world.sync(&["--depth=1", &gc]);
    let small = bytes(&world);
    git(&world.link(), &["fsck"]);
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
    if shrinks {
        assert!(shallow < whole / 2 && small < 100_000, "{mode}: {whole} {shallow} {small}");
    } else {
        assert!(small >= whole, "{mode}: {whole} {shallow} {small}");
    }
    world.commit("after");
    world.sync(&["--depth=1", &gc]);
    assert_eq!(world.content().unwrap(), "after");
}

#[test]
fn the_shallow_boundary_lists_what_is_here_and_no_more() {
    let world = World::new();
    for number in 0..6 {
        world.commit(&number.to_string());
        world.sync(&["--keep-worktrees=1"]);
    }
    let listed = std::fs::read_to_string(world.root().join(".git/shallow")).unwrap();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, world.trees());
}

#[test]
fn a_shortened_history_leaves_the_kept_trees_worktrees_too() {
    let world = World::new();
    for number in 0..6 {
        world.commit(&number.to_string());
        world.sync(&["--depth=3", "--keep-worktrees=3"]);
    }
    let output = world.once(&["--depth=1", "--keep-worktrees=3"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("cannot be packed anew"));
    assert_eq!(world.trees().len(), 4);
    for tree in world.trees() {
        let tree = world.root().join(".worktrees").join(tree);
        assert_eq!(git(&tree, &["status", "--porcelain"]), "");
        git(&tree, &["log"]);
        git(&tree, &["fsck"]);
    }
    assert_eq!(git(&world.link(), &["rev-list", "--count", "HEAD"]), "1");
}

/// What `du` counts in the volume while history, then files, are given up: bytes on disk, in KiB.
#[test]
fn gc_default() {
    let world = World::new();
    let small = world.head();
    let mut seed = 1;
    let mut big = |name: &str| {
        seed += 1;
        std::fs::write(world.repo().join(name), noise(seed * 7919, 4 << 20)).unwrap();
        world.git(&["add", "."]);
        world.git(&["commit", "-qm", name]);
        world.head()
    };
    let (one, two) = (big("big1"), big("big2"));
    let used = || {
        let output = std::process::Command::new("du").arg("-sk").arg(world.root()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    for (commit, depth, bounds) in [
        (&two, "--depth=0", 14_000..=18_000),
        (&two, "--depth=1", 14_000..=18_000),
        (&one, "--depth=1", 7_000..=9_000),
        (&small, "--depth=1", 1..=1_000),
    ] {
        world.sync(&[&format!("--ref={commit}"), depth]);
        assert!(bounds.contains(&used()), "{commit} {depth}: {} of {bounds:?}", used());
    }
}

#[test]
fn gc_default_and_always() {
    grows_and_shrinks("always", true);
}

#[test]
fn gc_aggressive() {
    grows_and_shrinks("aggressive", true);
}

#[test]
fn gc_off() {
    grows_and_shrinks("off", false);
}

#[test]
fn gc_auto_waits_until_it_is_worth_it() {
    let world = World::new();
    for number in 0..5 {
        world.commit(&number.to_string());
        world.sync(&["--git-gc=auto"]);
    }
    assert!(packs(&world) >= 5);
    world.sync(&["--git-gc=aggressive"]);
    world.commit("5");
    world.sync(&["--git-gc=aggressive"]);
    assert_eq!(packs(&world), 1);
}

#[test]
fn kept_trees_keep_their_objects() {
    let world = World::new();
    let first = world.commit("1");
    world.sync(&["--git-gc=aggressive", "--stale-worktree-timeout=1h"]);
    world.commit("2");
    world.sync(&["--git-gc=aggressive", "--stale-worktree-timeout=1h"]);
    std::fs::create_dir(world.root().join(".worktrees/junk")).unwrap();
    world.commit("3");
    world.sync(&["--git-gc=aggressive", "--stale-worktree-timeout=1h"]);
    let old = world.root().join(".worktrees").join(&first);
    assert_eq!(git(&old, &["show", "HEAD:file"]), "1");
    assert_eq!(git(&old, &["status", "--porcelain"]), "");
}

#[test]
fn v3_v4_upgrade_in_place() {
    let world = World::new();
    let first = world.head();
    let root = world.root();
    git(&world.path(""), &["clone", "-q", "--no-checkout", "--depth=1", &world.url("repo"), "root"]);
    git(&root, &["worktree", "add", "-q", "--detach", root.join(&first).to_str().unwrap(), &first]);
    std::os::unix::fs::symlink(&first, world.link()).unwrap();
    assert_eq!(world.content().unwrap(), "init");
    world.sync(&[]);
    assert_eq!(world.published().unwrap(), first);
    assert_eq!(std::fs::read_link(world.link()).unwrap(), std::path::Path::new(".worktrees").join(&first));
    assert!(!root.join(&first).exists());
    world.commit("2");
    world.sync(&[]);
    assert_eq!(world.content().unwrap(), "2");
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
}

#[test]
fn a_volume_of_git_sync_4_is_taken_over() {
    let world = World::new();
    let (first, root) = (world.head(), world.root());
    git(&world.path(""), &["init", "-q", "-b", "git-sync", "root"]);
    git(&root, &["fetch", "-q", "--depth=1", &world.url("repo"), "HEAD"]);
    let tree = root.join(".worktrees").join(&first);
    git(&root, &["worktree", "add", "-q", "--detach", tree.to_str().unwrap(), &first]);
    std::fs::write(tree.join(".git"), format!("gitdir: ../../.git/worktrees/{first}\n")).unwrap();
    std::os::unix::fs::symlink(format!(".worktrees/{first}"), world.link()).unwrap();
    world.sync(&[]);
    assert_eq!(world.content().unwrap(), "init");
    world.commit("2");
    world.sync(&[]);
    assert_eq!(world.content().unwrap(), "2");
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
    assert_eq!(world.trees(), [world.head()]);
}
