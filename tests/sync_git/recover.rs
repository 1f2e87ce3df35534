//! Nothing that a crash, a kill or a consumer leaves behind stops the next sync.

use std::io::Write;
use std::path::Path;

use crate::support::{self, wait_for};
use crate::world::{FETCHES, SUCCESSES, World, git, metric, names, wait_for_metric};

#[test]
fn worktree_cleanup() {
    let world = World::new();
    let (process, port) = world.follow_with_http(&[]);
    world.wait_for_content("init");
    process.signal("STOP");
    let next = world.commit_file("file2", "ok");
    let trees = world.root().join(".worktrees");
    world.git(&["worktree", "add", "-q", trees.join(&next).to_str().unwrap(), "-b", "e2e", "--no-checkout"]);
    std::fs::create_dir_all(trees.join("not_a_hash/subdir")).unwrap();
    std::fs::write(trees.join("not_a_directory"), "").unwrap();
    process.signal("CONT");
    world.wait_for_commit(&next);
    wait_for("the junk to go", || (world.trees() == [next.clone()]).then_some(()));
    assert!(world.link().join("file2").exists());
    wait_for_metric(port, SUCCESSES, 2.0);
    assert_eq!(metric(port, FETCHES), Some(2.0));
}

#[test]
fn worktree_unexpected_removal() {
    let world = World::new();
    let (process, port) = world.follow_with_http(&[]);
    world.wait_for_content("init");
    wait_for_metric(port, SUCCESSES, 1.0);
    process.signal("STOP");
    std::fs::remove_dir_all(world.root().join(".worktrees").join(world.head())).unwrap();
    process.signal("CONT");
    world.wait_for_content("init");
    wait_for_metric(port, SUCCESSES, 2.0);
    assert_eq!(metric(port, FETCHES), Some(2.0));
}

#[test]
fn a_pinned_hash_is_repaired_too() {
    let world = World::new();
    let sha = world.head();
    let _process = world.follow(&["--ref", &sha]);
    world.wait_for_content("init");
    std::fs::remove_dir_all(world.root().join(".worktrees").join(&sha)).unwrap();
    world.wait_for_content("init");
}

#[test]
fn sync_recover_wrong_worktree_hash() {
    let world = World::new();
    let (_process, port) = world.follow_with_http(&[]);
    world.wait_for_content("init");
    wait_for_metric(port, SUCCESSES, 1.0);
    std::fs::write(world.link().join("file"), "unexpected").unwrap();
    git(&world.link(), &["commit", "-qam", "corrupt it"]);
    world.wait_for_content("init");
    wait_for_metric(port, SUCCESSES, 2.0);
    assert_eq!(git(&world.link(), &["rev-parse", "HEAD"]), world.head());
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
}

#[test]
fn an_edited_file_is_noticed_and_an_added_one_is_left() {
    let world = World::new();
    let _process = world.follow(&["--verify-interval=50ms"]);
    world.wait_for_content("init");
    std::fs::write(world.link().join("added"), "theirs").unwrap();
    std::fs::remove_file(world.link().join("file")).unwrap();
    world.wait_for_content("init");
}

#[test]
fn sync_crash_no_link_cleanup_retry() {
    let world = World::new();
    world.sync(&[]);
    std::fs::remove_file(world.link()).unwrap();
    world.sync(&[]);
    assert_eq!(world.content().unwrap(), "init");
}

#[test]
fn sync_crash_no_worktree_cleanup_retry() {
    let world = World::new();
    world.sync(&[]);
    std::fs::remove_dir_all(world.root().join(".worktrees")).unwrap();
    world.sync(&[]);
    assert_eq!(world.content().unwrap(), "init");
}

#[test]
fn stale_worktree_timeout() {
    let world = World::new();
    let first = world.head();
    let _process = world.follow(&["--stale-worktree-timeout=3s"]);
    world.wait_for_commit(&first);
    let started = std::time::Instant::now();
    let second = world.commit_file("file2", "2");
    world.wait_for_commit(&second);
    let third = world.commit_file("file3", "3");
    world.wait_for_commit(&third);
    let tree = |commit: &str| world.root().join(".worktrees").join(commit);
    if started.elapsed() < std::time::Duration::from_secs(2) {
        // The grace of none can be over yet.
        assert!(tree(&first).join("file").exists() && !tree(&first).join("file2").exists());
        assert!(tree(&second).join("file2").exists() && !tree(&second).join("file3").exists());
    }
    wait_for("the old trees to go, the older one first", || {
        let trees = world.trees();
        assert!(trees.contains(&third));
        assert!(trees.contains(&second) || !trees.contains(&first), "{trees:?}");
        (trees == [third.clone()]).then_some(())
    });
    assert!(started.elapsed() >= std::time::Duration::from_secs(3), "before its grace was over");
}

#[test]
fn stale_worktree_timeout_restart() {
    let world = World::new();
    let first = world.head();
    world.sync(&["--stale-worktree-timeout=1h"]);
    let second = world.commit("2");
    world.sync(&["--stale-worktree-timeout=1h"]);
    let mut both = vec![first.clone(), second.clone()];
    both.sort();
    assert_eq!(world.trees(), both);
    assert_eq!(git(&world.root().join(".worktrees").join(&first), &["log", "--format=%H"]), first);
    world.sync(&["--stale-worktree-timeout=10ms"]);
    assert_eq!(world.trees(), [second]);
}

#[test]
fn leftover_locks_of_every_kind_do_not_wedge() {
    let world = World::new();
    world.sync(&[]);
    let git_dir = world.root().join(".git");
    let tree = git_dir.join("worktrees").join(world.head());
    let locks = [
        git_dir.join("index.lock"),
        git_dir.join("HEAD.lock"),
        git_dir.join("shallow.lock"),
        git_dir.join("config.lock"),
        git_dir.join("refs/heads/git-sync.lock"),
        tree.join("index.lock"),
        tree.join("HEAD.lock"),
    ];
    for lock in &locks {
        std::fs::write(lock, "").unwrap();
    }
    world.commit("2");
    world.sync(&[]);
    assert_eq!(world.content().unwrap(), "2");
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
}

/// Breaks the store in one way.
type Break = fn(&Path);

#[test]
fn a_damaged_store_is_filled_again() {
    let breaks: [(&str, Break); 7] = [
        ("no objects", |git| std::fs::remove_dir_all(git.join("objects")).unwrap()),
        ("packs cut in half", |git| {
            for name in names(&git.join("objects/pack")) {
                let path = git.join("objects/pack").join(name);
                let length = std::fs::metadata(&path).unwrap().len();
                std::fs::remove_file(path.with_extension("cut")).unwrap_or_default();
                let bytes = std::fs::read(&path).unwrap();
                std::fs::remove_file(&path).unwrap();
                std::fs::write(&path, &bytes[..length as usize / 2]).unwrap();
            }
        }),
        ("no index", |git| {
            for name in names(&git.join("objects/pack")).iter().filter(|name| name.ends_with(".idx")) {
                std::fs::remove_file(git.join("objects/pack").join(name)).unwrap();
            }
        }),
        ("no git directory", |git| std::fs::remove_dir_all(git).unwrap()),
        ("a file for a git directory", |git| {
            std::fs::remove_dir_all(git).unwrap();
            std::fs::write(git, "gitdir: /nowhere").unwrap();
        }),
        ("a false HEAD and configuration", |git| {
            std::fs::write(git.join("HEAD"), [0xff; 100]).unwrap();
            std::fs::write(git.join("config"), "[include]\npath = /etc/passwd\n[core").unwrap();
        }),
        ("a false shallow file", |git| std::fs::write(git.join("shallow"), "nonsense\n").unwrap()),
    ];
    for (what, damage) in breaks {
        let world = World::new();
        world.commit("1");
        world.sync(&[]);
        damage(&world.root().join(".git"));
        world.sync(&[]);
        assert_eq!(world.content().unwrap(), "1", "{what}");
        damage(&world.root().join(".git"));
        world.commit("2");
        world.sync(&[]);
        assert_eq!(world.content().unwrap(), "2", "{what}");
        assert_eq!(git(&world.link(), &["status", "--porcelain"]), "", "{what}");
        git(&world.link(), &["fsck"]);
    }
}

/// What a run is about when it is killed: gc, other depths of history, hooks, a gate, everything written anew, trees that stay,
/// an archive.
const OCCUPATIONS: [&[&str]; 9] = [
    &[],
    &["--git-gc=aggressive"],
    &["--depth=0", "--git-gc=always"],
    &["--depth=3", "--stale-worktree-timeout=30ms"],
    &["--exechook-command=HOOK"],
    &["--pre-publish-exechook-command=HOOK", "--pre-publish-exechook-gate"],
    &["--reuse=off", "--group-write"],
    &["--keep-worktrees=2", "--git-gc=aggressive"],
    &["--archive=site.tar.gz"],
];

/// The same of a directory in the link's place.
const IN_A_DIRECTORY: [&[&str]; 4] = [
    &["--publish=exchange"],
    &["--publish=exchange", "--git-gc=aggressive", "--depth=2"],
    &["--publish=exchange", "--group-write"],
    &["--publish=exchange", "--reuse=recycle", "--depth=0"],
];

/// Asserts that every file of the published commit is there as it was committed, and no other.
fn assert_whole(world: &World, round: usize) {
    let tree = world.link();
    let Ok(pointer) = std::fs::read_to_string(tree.join(".git")) else { return };
    let commit = pointer.trim_end().rsplit('/').next().unwrap().to_owned();
    if let Some(linked) = world.published() {
        assert_eq!(commit, linked, "round {round}");
    }
    assert_eq!(git(&tree, &["status", "--porcelain", "--untracked-files=no"]), "", "round {round}");
    assert_eq!(git(&tree, &["log", "-1", "--format=%H"]), commit, "round {round}");
    git(&tree, &["fsck", "--no-progress"]);
    let listed = world.git(&["ls-tree", "-r", &commit]);
    let (wanted, paths): (Vec<&str>, Vec<&str>) = listed
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(meta, path)| (&meta[meta.len() - 40..], path))
        .unzip();
    let mut hashing = crate::world::git_command(&tree);
    hashing.args(["hash-object", "--no-filters", "--stdin-paths"]).stdin(std::process::Stdio::piped());
    let mut hashing = hashing.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut input = hashing.stdin.take().unwrap();
    for path in &paths {
        writeln!(input, "{}", tree.join(path).display()).unwrap();
    }
    drop(input);
    let here = String::from_utf8(hashing.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(here.lines().collect::<Vec<_>>(), wanted, "round {round}: the tree of {commit} is torn");
    let extra = names(&tree).into_iter().filter(|name| name != ".git" && name != "made-by-hook");
    let tops: std::collections::BTreeSet<_> =
        paths.iter().map(|path| path.split('/').next().unwrap().to_owned()).collect();
    assert_eq!(extra.collect::<std::collections::BTreeSet<_>>(), tops, "round {round}: {commit}");
}

/// A kill at any moment leaves a published tree that is whole and a worktree to git, and the next run goes on. The moments are
/// drawn from a seed, so that a failure can be repeated: `KILL_ROUNDS` and `KILL_SEED` make it longer and other.
#[test]
fn killed_runs_leave_no_torn_tree_and_no_wedge() {
    let world = killed_again_and_again(&OCCUPATIONS, 40);
    world.sync(&[]);
    assert_eq!(world.trees(), [world.head()]);
    assert_clean(&world);
}

#[test]
fn killed_exchanges_leave_no_torn_tree_and_no_wedge() {
    let world = killed_again_and_again(&IN_A_DIRECTORY, 20);
    world.sync(&["--publish=exchange"]);
    assert_eq!(world.trees(), [""; 0]);
    assert_clean(&world);
}

/// Asserts that the newest commit is published whole and that nothing unfinished is left.
#[track_caller]
fn assert_clean(world: &World) {
    assert_eq!(std::fs::read_to_string(world.link().join("file")).unwrap(), world.git(&["show", "HEAD:file"]));
    assert_whole(world, usize::MAX);
    let store = world.root().join(".git");
    let metadata = store.join("worktrees");
    assert_eq!(names(&metadata), [world.head()]);
    for dir in [world.root(), world.link(), store.clone(), store.join("refs/heads"), metadata.join(world.head())] {
        let left: Vec<_> = names(&dir).into_iter().filter(|name| name.starts_with(".patterns")).collect();
        assert!(left.is_empty(), "{left:?} in {}", dir.display());
    }
}

fn killed_again_and_again(occupations: &[&[&str]], rounds: u64) -> World {
    let variable = |name: &str, default: u64| std::env::var(name).map_or(default, |value| value.parse().unwrap());
    let (rounds, mut seed) = (variable("KILL_ROUNDS", rounds) as usize, variable("KILL_SEED", 0x9e37_79b9));
    let world = World::new();
    for number in 0..40 {
        std::fs::create_dir_all(world.repo().join(format!("d{}", number % 4))).unwrap();
        let text = format!("{number} ").repeat(number * 100);
        std::fs::write(world.repo().join(format!("d{}/f{number}", number % 4)), text).unwrap();
    }
    world.commit("0");
    let hook = world.path("hook");
    std::fs::write(&hook, "#!/bin/sh\ntouch made-by-hook\nexec sleep 0.01\n").unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut draw = move |below: u64| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) % below
    };
    for round in 0..rounds {
        let occupation = occupations[draw(occupations.len() as u64) as usize];
        let arguments = occupation.iter().map(|word| word.replace("HOOK", hook.to_str().unwrap()));
        let mut command = world.command();
        let process = support::Process::start(command.args(["--http-bind=off", "--period=10ms"]).args(arguments));
        for number in 0..draw(12) {
            std::fs::write(world.repo().join(format!("d{}/f{number}", number % 4)), format!("{round}")).unwrap();
        }
        world.commit(&format!("round {round}"));
        // Not a wait for a condition: the point is to strike at a moment that nobody chose.
        std::thread::sleep(std::time::Duration::from_micros(draw(150_000)));
        drop(process);
        assert_whole(&world, round);
    }
    world
}
