//! What is generated and committed (completions, man pages) is what the binary generates now.
//!
//! `PATTERNS_REGENERATE=1 cargo test --test generated` writes them anew.
#![cfg(all(feature = "sync-git", feature = "ambassador-redis", feature = "adapt-metrics"))]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use patterns::tools::{SHELLS, generate, pages};

fn compare(dir: &str, expected: Vec<(String, Vec<u8>)>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let there: BTreeSet<String> = fs::read_dir(&dir)
        .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    if std::env::var_os("PATTERNS_REGENERATE").is_some() {
        fs::create_dir_all(&dir).unwrap();
        there.iter().for_each(|name| fs::remove_file(dir.join(name)).unwrap());
        expected.iter().for_each(|(name, content)| fs::write(dir.join(name), content).unwrap());
        return;
    }
    let names: BTreeSet<String> = expected.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(there, names, "{} does not hold the right files", dir.display());
    for (name, content) in expected {
        let path = dir.join(&name);
        assert!(
            fs::read(&path).unwrap() == content,
            "{} is out of date: PATTERNS_REGENERATE=1 cargo test --test generated",
            path.display()
        );
    }
}

#[test]
fn completions_are_up_to_date() {
    compare("completions", SHELLS.iter().map(|(shell, name)| ((*name).to_owned(), generate(*shell))).collect());
}

#[test]
fn man_pages_are_up_to_date() {
    compare("man", pages());
}

#[test]
fn man_pages_are_clean_roff() {
    let Ok(version) = Command::new("mandoc").arg("-V").output() else {
        assert!(std::env::var_os("CI").is_none(), "mandoc is missing");
        println!("skipped: mandoc is missing");
        return;
    };
    drop(version);
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in pages() {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        let output = Command::new("mandoc").args(["-Tlint", "-Wwarning"]).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
