//! The house rules that the compiler does not know: who may import whom, and that every file says what it is.

use std::fs;
use std::path::{Path, PathBuf};

const PATTERNS: [&str; 3] = ["sync_git", "ambassador_redis", "adapt_metrics"];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    sources(&root.join("src"), &mut found);
    assert!(found.len() > 20, "the sources were not found");
    found
        .iter()
        .map(|path| (path.strip_prefix(root).unwrap().display().to_string(), fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_module_begins_with_what_it_is() {
    let silent: Vec<String> =
        all().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "these files do not begin with `//! `: {silent:#?}");
}

#[test]
fn no_pattern_knows_another_and_core_knows_none() {
    let mut wrong = Vec::new();
    for (path, text) in all() {
        let own = PATTERNS.iter().find(|pattern| path.starts_with(&format!("src/{pattern}/")));
        let is_core = path.starts_with("src/core/");
        if own.is_none() && !is_core {
            continue;
        }
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let foreign = PATTERNS
                .iter()
                .filter(|pattern| Some(*pattern) != own)
                .any(|pattern| line.contains(&format!("{pattern}::")));
            let upward = line.contains("crate::modes") || line.contains("crate::tools");
            if foreign || upward {
                wrong.push(format!("{path}:{}: {}", i + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "these imports go against the grain: {wrong:#?}");
}

#[test]
fn nothing_unfinished_is_left_lying() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), "todo!(", "unimplemented!("];
    let mut found = Vec::new();
    for (path, text) in all() {
        for (i, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                found.push(format!("{path}:{}: {}", i + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "finish these: {found:#?}");
}
