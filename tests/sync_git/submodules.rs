//! Submodules in every mode, sparse trees and partial fetches.

use std::path::Path;

use crate::remote::backend::{Backend, Mode};
use crate::world::{World, git, git_output, names};

/// Adds the repository `name` as a submodule of `holder` under the same name.
fn add(world: &World, holder: &str, url: &str, name: &str) {
    let holder = world.path(holder);
    git(&holder, &["submodule", "--quiet", "add", url, name]);
    git(&holder, &["commit", "-qam", &format!("add {name}")]);
}

fn commit_in(world: &World, repo: &str, content: &str) {
    let repo = world.path(repo);
    std::fs::write(repo.join("file"), content).unwrap();
    git(&repo, &["commit", "-qam", content]);
}

/// Moves the submodule `name` of `holder` to what its source has now.
fn update(world: &World, holder: &str, name: &str) {
    let holder = world.path(holder);
    git(&holder, &["submodule", "--quiet", "update", "--remote", "--recursive", name]);
    git(&holder, &["commit", "-qam", &format!("update {name}")]);
}

fn local(world: &World, name: &str) -> String {
    format!("file://{}", world.path(name).display())
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim_end().to_owned())
}

/// `repo` holds `sub`, which holds `nested`.
fn family(world: &World) {
    for name in ["sub", "nested"] {
        world.make_repo(name);
        commit_in(world, name, &format!("{name} 1"));
    }
    add(world, "sub", &local(world, "nested"), "nested");
    add(world, "repo", &local(world, "sub"), "sub");
}

#[test]
fn submodule_sync_default() {
    let world = World::new();
    for name in ["sub", "nested"] {
        world.make_repo(name);
        commit_in(&world, name, &format!("{name} 1"));
    }
    let _process = world.follow(&[]);
    world.wait_for_content("init");
    let wait = |what: &str, path: &str, wanted: Option<&str>| {
        crate::support::wait_for(what, || (read(&world.link().join(path)).as_deref() == wanted).then_some(()));
    };
    add(&world, "repo", &local(&world, "sub"), "sub");
    wait("the submodule", "sub/file", Some("sub 1"));
    commit_in(&world, "sub", "sub 2");
    update(&world, "repo", "sub");
    wait("its change", "sub/file", Some("sub 2"));
    git(&world.repo(), &["reset", "-q", "--hard", "HEAD^"]);
    wait("the way back", "sub/file", Some("sub 1"));
    add(&world, "sub", &local(&world, "nested"), "nested");
    git(&world.repo(), &["submodule", "--quiet", "update", "--recursive"]);
    update(&world, "repo", "sub");
    wait("the nested one", "sub/nested/file", Some("nested 1"));
    git(&world.path("sub"), &["rm", "-q", "nested"]);
    git(&world.path("sub"), &["commit", "-qm", "without nested"]);
    update(&world, "repo", "sub");
    wait("the nested one to go", "sub/nested/file", None);
    git(&world.repo(), &["rm", "-qf", "sub"]);
    git(&world.repo(), &["commit", "-qm", "without sub"]);
    wait("the submodule to go", "sub/file", None);
}

#[test]
fn a_submodule_is_a_clean_worktree_of_its_depth() {
    let world = World::new();
    family(&world);
    world.sync(&["--depth=1"]);
    for path in ["sub", "sub/nested"] {
        let tree = world.link().join(path);
        assert_eq!(git(&tree, &["rev-list", "--count", "HEAD"]), "1", "{path}");
        assert_eq!(git(&tree, &["status", "--porcelain"]), "", "{path}");
    }
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
    commit_in(&world, "sub", "sub 2");
    update(&world, "repo", "sub");
    world.sync(&["--depth=1"]);
    assert_eq!(read(&world.link().join("sub/file")).unwrap(), "sub 2");
    assert_eq!(git(&world.link().join("sub"), &["rev-list", "--count", "HEAD"]), "1");
    assert_eq!(names(&world.root().join(".git/modules/sub/worktrees")), [world.head()]);
}

#[test]
fn submodule_sync_off_and_shallow() {
    let world = World::new();
    family(&world);
    world.sync(&["--submodules=off"]);
    assert!(names(&world.link().join("sub")).is_empty());
    world.sync(&["--submodules=shallow"]);
    assert_eq!(read(&world.link().join("sub/file")).unwrap(), "sub 1");
    assert!(names(&world.link().join("sub/nested")).is_empty());
    // Another setting makes the same commit's tree anew.
    world.sync(&[]);
    assert_eq!(read(&world.link().join("sub/nested/file")).unwrap(), "nested 1");
}

#[test]
fn submodule_sync_relative() {
    let world = World::new();
    world.make_repo("sub");
    git(&world.repo(), &["remote", "add", "origin", &local(&world, "repo")]);
    add(&world, "repo", "../sub", "sub");
    let text = std::fs::read_to_string(world.repo().join(".gitmodules")).unwrap();
    assert!(text.contains("../sub"), "{text}");
    world.sync(&[]);
    assert_eq!(read(&world.link().join("sub/file")).unwrap(), "init");
}

#[test]
fn a_damaged_submodule_is_noticed() {
    let world = World::new();
    family(&world);
    world.sync(&[]);
    std::fs::remove_file(world.link().join("sub/nested/file")).unwrap();
    world.sync(&[]);
    assert_eq!(read(&world.link().join("sub/nested/file")).unwrap(), "nested 1");
    std::fs::remove_dir_all(world.root().join(".git/modules")).unwrap();
    world.sync(&[]);
    assert_eq!(git(&world.link().join("sub/nested"), &["status", "--porcelain"]), "");
}

#[test]
fn a_submodule_that_cannot_be_had_fails_the_sync_and_is_named() {
    let world = World::new();
    family(&world);
    world.sync(&[]);
    let before = world.published();
    std::fs::rename(world.path("nested"), world.path("gone")).unwrap();
    commit_in(&world, "sub", "sub 2");
    std::fs::write(world.repo().join("file"), "2").unwrap();
    git(&world.repo(), &["commit", "-qam", "2"]);
    std::fs::remove_dir_all(world.root().join(".git/modules")).unwrap();
    let output = world.once(&[]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("the submodule") && message.contains("nested"), "{message}");
    assert_eq!(world.published(), before);
}

#[test]
fn submodule_sync_over_http_different_passwords() {
    let world = World::new();
    // user:one, user:two, user:three
    let keys = ["dXNlcjpvbmU=", "dXNlcjp0d28=", "dXNlcjp0aHJlZQ=="];
    let servers = keys.map(|key| Backend::start(&world.path(""), Mode { basic: Some(key), ..Mode::default() }));
    let url = |at: usize, name: &str| format!("{}/{name}", servers[at].origin());
    for name in ["sub", "nested"] {
        world.make_repo(name);
    }
    add(&world, "sub", &local(&world, "nested"), "nested");
    add(&world, "repo", &local(&world, "sub"), "sub");
    for (holder, at, name) in [("sub", 2, "nested"), ("repo", 1, "sub")] {
        let text = std::fs::read_to_string(world.path(holder).join(".gitmodules")).unwrap();
        let text = text.replace(&local(&world, name), &url(at, name));
        std::fs::write(world.path(holder).join(".gitmodules"), text).unwrap();
        git(&world.path(holder), &["commit", "-qam", "over http"]);
    }
    git(&world.repo(), &["-c", "protocol.file.allow=always", "-C", "sub", "pull", "-q"]);
    git(&world.repo(), &["commit", "-qam", "newest sub"]);
    let with = |passwords: [&str; 3]| {
        let credential = |at: usize| {
            format!(r#"{{"url":"{}","username":"user","password":"{}"}}"#, servers[at].origin(), passwords[at])
        };
        world
            .bare_command()
            .args(["--http-bind=off", "--one-time", "--link=link", "--repo", &url(0, "repo"), "--root"])
            .arg(world.root())
            .args(["--credential", &credential(0), "--credential", &credential(1), "--credential", &credential(2)])
            .output()
            .unwrap()
    };
    assert_eq!(with(["one", "two", "wrong"]).status.code(), Some(1));
    let output = with(["one", "two", "three"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(read(&world.link().join("sub/nested/file")).unwrap(), "init");
}

#[test]
fn a_remote_repository_does_not_lead_to_this_machine() {
    let world = World::served();
    world.make_repo("private");
    add(&world, "repo", &local(&world, "private"), "sub");
    let output = world.once(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("protocol.file.allow"));
    assert!(world.published().is_none());
    world.sync(&["--git-config-add=protocol.file.allow:always"]);
    assert!(world.link().join("sub/file").exists());
}

fn patterns(world: &World, text: &str) -> String {
    let path = world.path("sparse");
    std::fs::write(&path, text).unwrap();
    format!("--sparse-checkout-file={}", path.display())
}

fn files(world: &World) {
    for name in ["file2", "dir/a", "dir/sub/b.txt", "other/c.txt", "other/d"] {
        world.commit_file(name, name);
    }
}

#[test]
fn sparse_checkout() {
    let world = World::new();
    files(&world);
    world.sync(&[&patterns(&world, "!/*\n!/*/\nfile2\n")]);
    assert_eq!(names(&world.link()), [".git", "file2"]);
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
    // The file is read again, and the same commit's tree made anew.
    world.sync(&[&patterns(&world, "/dir/\n")]);
    assert_eq!(names(&world.link()), [".git", "dir"]);
    world.sync(&[]);
    assert!(world.link().join("other/d").exists());
}

#[test]
fn sparse_trees_are_those_of_git() {
    let world = World::new();
    files(&world);
    let clone = world.path("clone");
    git(&world.path(""), &["clone", "-q", world.repo().to_str().unwrap(), "clone"]);
    for text in [
        "/*\n!/*/\n",
        "*.txt\n",
        "dir\n!dir/sub\n",
        "/other/*\n!/other/d\n",
        "**/b.txt\n",
        "/*\n!other\n",
        "[df]*\n",
        "dir/**\n",
    ] {
        git(&clone, &["sparse-checkout", "init", "--no-cone"]);
        std::fs::write(clone.join(".git/info/sparse-checkout"), text).unwrap();
        git_output(&clone, &["sparse-checkout", "reapply"]);
        world.sync(&[&patterns(&world, text)]);
        let list = |dir: &Path| {
            let find = std::process::Command::new("find")
                .args([".", "-name", ".git", "-prune", "-o", "-type", "f", "-print"])
                .current_dir(dir)
                .output();
            let mut lines: Vec<String> =
                String::from_utf8(find.unwrap().stdout).unwrap().lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(list(&world.link()), list(&clone), "{text:?}");
        assert_eq!(git(&world.link(), &["status", "--porcelain"]), "", "{text:?}");
    }
}

#[test]
fn a_sparse_file_that_is_not_there_is_a_clear_error() {
    let world = World::new();
    let output = world.once(&["--sparse-checkout-file=/nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--sparse-checkout-file /nowhere is not there"));
}

fn promisors(world: &World) -> usize {
    names(&world.root().join(".git/objects/pack")).iter().filter(|name| name.ends_with(".promisor")).count()
}

#[test]
fn filter_partial_clone_and_sparse_and_updates() {
    for filter in ["blob:none", "tree:0"] {
        let world = World::served();
        files(&world);
        world.git(&["config", "uploadpack.allowFilter", "true"]);
        let arguments = [format!("--filter={filter}"), patterns(&world, "/dir/\n/file\n")];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        world.sync(&arguments);
        assert_eq!(names(&world.link()), [".git", "dir", "file"], "{filter}");
        assert!(promisors(&world) > 0);
        let left_out = world.git(&["rev-parse", "HEAD:other/d"]);
        let here = git_output(&world.root(), &["cat-file", "--batch-all-objects", "--batch-check"]);
        assert!(!String::from_utf8_lossy(&here.stdout).contains(&left_out), "{filter}: the filter was not used");
        world.commit_file("dir/new", "new");
        world.sync(&arguments);
        assert!(world.link().join("dir/new").exists());
        world.sync(&arguments[..1]);
        assert!(world.link().join("other/d").exists(), "{filter}");
    }
}

#[test]
fn filter_partial_clone_blob_none_of_a_local_repository() {
    let world = World::new();
    world.git(&["config", "uploadpack.allowFilter", "true"]);
    world.sync(&["--filter=blob:none"]);
    assert_eq!(world.content().unwrap(), "init");
    assert!(promisors(&world) > 0);
}

/// Bytes of packs in the volume's store.
fn stored(world: &World) -> u64 {
    let pack = world.root().join(".git/objects/pack");
    names(&pack).iter().map(|name| std::fs::metadata(pack.join(name)).unwrap().len()).sum()
}

#[test]
fn only_the_wanted_directories_are_written_and_fetched() {
    let world = World::new();
    let noise = |seed: u32| {
        (0..40_000_u32).map(move |n| char::from(b'!' + ((n * 31 + seed).wrapping_mul(2_654_435_761) >> 24) as u8 % 90))
    };
    world.commit_file("docs/a b/page", "1");
    world.commit_file("docs/other", "1");
    world.commit_file("big/one", &noise(1).collect::<String>());
    world.commit_file("src/docs/page", "1");
    let listed = || {
        git(&world.link(), &["ls-files", "-t"])
            .lines()
            .filter_map(|l| l.strip_prefix("H "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    world.sync(&["--path=docs/a b", "--path=/src/"]);
    assert_eq!(listed(), ["docs/a b/page", "src/docs/page"]);
    assert_eq!(names(&world.link()), [".git", "docs", "src"]);
    assert!(stored(&world) < 20_000, "{}", stored(&world));
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
    // Old objects of a store that never had all go away, too; those that are wanted stay.
    for round in 2..8 {
        world.commit_file("src/docs/page", &noise(round).collect::<String>());
        world.sync(&["--path=docs/a b", "--path=/src/"]);
    }
    assert!(stored(&world) < 100_000, "{}", stored(&world));
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
    world.sync(&["--path=docs"]);
    assert_eq!(listed(), ["docs/a b/page", "docs/other"]);
    world.sync(&[]);
    assert!(world.link().join("big/one").exists());
    let both = world.once(&["--path=docs", "--sparse-checkout-file=x"]);
    assert!(!both.status.success());
}
