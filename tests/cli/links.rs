//! Links: the name that the binary is called by decides which mode it is, by the exact base name.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::modes::{complaint, printed};
use crate::support::run;

#[test]
fn install_links_makes_a_link_for_every_name_and_each_is_its_mode() {
    let dir = tempfile::tempdir().unwrap();
    // Twice: a link that is there is replaced.
    for _ in 0..2 {
        let output = run(&["install-links", dir.path().to_str().unwrap()]);
        assert!(output.status.success(), "{}", complaint(&output));
    }
    let expected = [
        ("sync-git", "shared volume", "--period"),
        ("git-sync", "shared volume", "--period"),
        ("ambassador-redis", "one Redis on localhost", "--primary"),
        ("adapt-metrics", "one page", "--statsd-listen"),
    ];
    let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let mut wanted: Vec<_> = expected.iter().map(|(name, ..)| std::ffi::OsString::from(name)).collect();
    wanted.sort();
    assert_eq!(names, wanted);
    for (name, about, flag) in expected {
        let output = Command::new(dir.path().join(name)).arg("-h").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}: {}", complaint(&output));
        let help = printed(&output);
        assert!(help.contains(about) && help.contains(flag), "{name}:\n{help}");
        let output = Command::new(dir.path().join(name)).arg(format!("{flag}x=1")).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(complaint(&output).contains(&format!("'{flag}'")), "{name}: {}", complaint(&output));
    }
}

#[test]
fn a_name_that_only_resembles_a_mode_is_no_mode() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["my-git-sync", "git-sync2", "sync_git", "patterns-old"] {
        let link = dir.path().join(name);
        symlink(env!("CARGO_BIN_EXE_patterns"), &link).unwrap();
        let output = Command::new(&link).arg("--help").output().unwrap();
        assert!(printed(&output).contains("install-links"), "{name} became a mode");
    }
}

#[test]
fn a_file_that_is_no_link_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("git-sync"), "somebody's own").unwrap();
    let output = run(&["install-links", dir.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("is there and is no link"), "{}", complaint(&output));
    assert_eq!(fs::read_to_string(dir.path().join("git-sync")).unwrap(), "somebody's own");
}
