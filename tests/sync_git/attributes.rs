//! `.gitattributes` and `core.autocrlf`: what is written is what git's own checkout writes, byte for byte.

use std::path::Path;

use crate::world::{World, git};

/// Contents that every rule judges otherwise.
const CONTENTS: &[(&str, &[u8])] = &[
    ("lf", b"one\ntwo\n\nthree"),
    ("crlf", b"one\r\ntwo\r\n"),
    ("mixed", b"one\r\ntwo\nthree\r\n"),
    ("lone", b"one\rtwo\nthree\n"),
    ("nul", b"one\ntwo\0\nthree\n"),
    ("bell", b"\x01\x02\x03\n"),
    ("dos", b"one\ntwo\n\x1a"),
    ("empty", b""),
    ("ident", b"a $Id$ b\n$Id: 0123456789 $ $Id:x$\n$Id: file,v 1.2 2026 who $\n$Id: no end\n$ $Identity$ $Id\n"),
    ("central", "\u{17e}lu\u{165}ou\u{10d}k\u{fd} k\u{16f}\u{148}\n".as_bytes()),
    ("cyrillic", "\u{434}\u{430}\n".as_bytes()),
    ("east", "\u{8868}\u{8a9e} ~\n".as_bytes()),
    ("utf", "caf\u{e9} \u{1f600}\nzwei\n".as_bytes()),
];

const RULES: &[&str] = &[
    "* text=auto",
    "* text=auto eol=crlf",
    "* text eol=crlf",
    "* eol=crlf\n*.keep -text\nd/** eol=lf",
    "* text\n*.keep text eol=lf",
    "* ident\n*.keep -ident",
    "* ident text eol=crlf",
    "*.wide working-tree-encoding=UTF-16LE\n*.wide text eol=crlf",
    "*.wide working-tree-encoding=UTF-16\n*.keep working-tree-encoding=UTF-16BE",
    "*.wide working-tree-encoding=ISO-8859-2\n*.keep working-tree-encoding=KOI8-R",
    "*.wide working-tree-encoding=SHIFT_JIS\n*.txt working-tree-encoding=GB18030",
    "*.wide working-tree-encoding=CP1251\n*.wide text eol=crlf\n*.keep working-tree-encoding=CP949",
    "[attr]windows text eol=crlf\n* windows\n*.keep binary",
    "* crlf\n*.keep -crlf",
    "\"s p.keep\" eol=crlf\n/utf.wide eol=crlf",
    "* eol=crlf\n*.keep !eol\n# a comment\n!refused eol=lf",
];

/// Commits every content under three names in two directories, as blobs that no attribute has touched, then the attributes.
fn fill(world: &World) {
    for directory in ["", "d/e/"] {
        for (name, content) in CONTENTS {
            for ending in ["keep", "wide", "txt"] {
                let path = world.repo().join(format!("{directory}{name}.{ending}"));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                // A byte that differs, so that no two are one blob.
                std::fs::write(path, [*content, if ending == "wide" { "" } else { ending }.as_bytes()].concat())
                    .unwrap();
            }
        }
    }
    std::fs::write(world.repo().join("s p.keep"), "a\nb\n").unwrap();
    world.git(&["-c", "core.autocrlf=false", "add", "-A"]);
    world.git(&["commit", "-qm", "contents"]);
}

fn set(world: &World, path: &str, rules: &str) {
    let path_here = world.repo().join(path);
    std::fs::write(path_here, rules).unwrap();
    world.git(&["add", path]);
    world.git(&["commit", "-qm", "attributes", "--", path]);
}

fn files(top: &Path, below: &str, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(top.join(below)).unwrap() {
        let name = format!("{below}{}", entry.unwrap().file_name().to_string_lossy());
        match top.join(&name).is_dir() {
            true if name == ".git" => {}
            true => files(top, &format!("{name}/"), into),
            false if name == ".git" => {}
            false => into.push((name.clone(), std::fs::read(top.join(&name)).unwrap())),
        }
    }
    into.sort();
}

/// Compares the published tree with a fresh clone by git.
#[track_caller]
fn same_as_git(world: &World, what: &str, settings: &[&str]) {
    let clone = world.path("clone");
    let _ = std::fs::remove_dir_all(&clone);
    let settings: Vec<&str> = settings.iter().flat_map(|setting| ["-c", setting]).collect();
    git(&world.path(""), &[&settings[..], &["clone", "-q", world.repo().to_str().unwrap(), "clone"]].concat());
    let (mut wanted, mut ours) = (Vec::new(), Vec::new());
    files(&clone, "", &mut wanted);
    files(&world.link().canonicalize().unwrap(), "", &mut ours);
    let names = |list: &[(String, Vec<u8>)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&wanted), "{what}");
    for ((name, wanted), (_, ours)) in wanted.iter().zip(&ours) {
        let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
        assert_eq!(shown(ours), shown(wanted), "{what}: {name}");
    }
}

#[test]
fn contents_are_written_as_git_writes_them() {
    let world = World::new();
    fill(&world);
    for rules in RULES {
        set(&world, ".gitattributes", rules);
        // In one pass with the pack; then into what is there, from files that other rules have written.
        for fresh in [false, true] {
            if fresh {
                std::fs::remove_dir_all(world.root()).unwrap();
            }
            world.sync(&[]);
            same_as_git(&world, rules, &[]);
        }
    }
}

#[test]
fn gits_settings_of_line_ends_count() {
    let world = World::new();
    fill(&world);
    for rules in ["", "* text=auto", "*.keep text\n*.wide -text", "* eol=lf"] {
        set(&world, ".gitattributes", &format!("{rules}\n"));
        for settings in [&["core.autocrlf=true"][..], &["core.eol=crlf"], &["core.autocrlf=input"], &[]] {
            let arguments: Vec<String> =
                settings.iter().map(|setting| format!("--git-config-add={}", setting.replace('=', ":"))).collect();
            world.sync(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            same_as_git(&world, &format!("{rules:?} {settings:?}"), settings);
        }
    }
}

#[test]
fn a_list_further_down_counts_below_it_and_unchanged_files_follow_its_changes() {
    let world = World::new();
    fill(&world);
    set(&world, ".gitattributes", "*.txt eol=crlf\n");
    let process = world.follow(&[]);
    for (path, rules) in [
        ("d/.gitattributes", "*.txt eol=lf\n*.keep eol=crlf\n"),
        ("d/e/.gitattributes", "/lf.txt eol=crlf\n"),
        ("d/.gitattributes", "*.wide ident\n"),
        (".gitattributes", "* -text\n"),
    ] {
        set(&world, path, rules);
        world.wait_for_commit(&world.head());
        same_as_git(&world, path, &[]);
        // A change beside them leaves them as they are.
        std::fs::write(world.repo().join("d/beside"), rules).unwrap();
        world.git(&["add", "d/beside"]);
        world.git(&["commit", "-qm", "beside", "--", "d/beside"]);
        world.wait_for_commit(&world.head());
        same_as_git(&world, path, &[]);
    }
    drop(process);
}

#[test]
fn a_directory_that_is_changed_in_place_follows_them_too() {
    let world = World::new();
    world.commit_file("d/a.txt", "one\n");
    for (rules, wanted) in
        [("*.txt eol=crlf\n", "one\r\n"), ("*.txt eol=lf\n", "one\n"), ("* ident eol=crlf\n", "one\r\n")]
    {
        world.commit_file(".gitattributes", rules);
        world.sync(&["--publish=in-place"]);
        assert_eq!(std::fs::read_to_string(world.link().join("d/a.txt")).unwrap(), wanted, "{rules}");
    }
}

#[test]
fn what_is_written_otherwise_is_clean_to_git_and_whole_to_us() {
    let world = World::new();
    world.commit_file("a.txt", "one\ntwo\n");
    world.commit_file(".gitattributes", "*.txt eol=crlf ident\n");
    world.sync(&[]);
    assert_eq!(git(&world.link(), &["status", "--porcelain"]), "");
    let before = std::fs::metadata(world.link().join("a.txt")).unwrap().modified().unwrap();
    world.sync(&["--verify-interval=10ms"]);
    assert_eq!(std::fs::metadata(world.link().join("a.txt")).unwrap().modified().unwrap(), before);
    std::fs::write(world.link().join("a.txt"), "broken").unwrap();
    world.sync(&[]);
    assert_eq!(std::fs::read(world.link().join("a.txt")).unwrap(), b"one\r\ntwo\r\n");
    // Attributes count for submodules and single directories, too.
    world.commit_file("d/b.txt", "x\n");
    world.sync(&["--path=d"]);
    assert_eq!(std::fs::read(world.link().join("d/b.txt")).unwrap(), b"x\r\n");
}
