//! Settings: where each value comes from, and all mistakes in one run.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use tempfile::TempDir;

use crate::modes::{ALL, complaint, printed};
use crate::support::patterns;

/// A settings file in a directory of its own.
fn file(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("patterns.yaml");
    fs::write(&path, text).unwrap();
    (dir, path)
}

fn print(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    patterns().args(["config", "print"]).args(arguments).envs(environment.iter().copied()).output().unwrap()
}

/// The line of `config print` for a key: its value and its origin.
#[track_caller]
fn row(output: &Output, key: &str) -> (String, String) {
    assert!(output.status.success(), "{}", complaint(output));
    let text = printed(output);
    let line = text.lines().find_map(|line| line.trim().trim_start_matches("# ").strip_prefix(&format!("{key}:")));
    let line = line.unwrap_or_else(|| panic!("no {key} in\n{text}"));
    let (value, origin) = line.split_once(" # ").unwrap_or_else(|| panic!("no origin in {line}"));
    (value.trim().to_owned(), origin.trim().to_owned())
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let (_dir, path) = file("sync-git:\n  period: 30s\n");
    let config = format!("--config={}", path.display());
    let least = ["sync-git", "--repo=x", "--root=y"];
    let in_file = [&least[..], &[&config]].concat();
    let with_flag = [&in_file[..], &["--period=1m"]].concat();
    let environment = [("PATTERNS_SYNC_GIT_PERIOD", "45s")];

    assert_eq!(row(&print(&least, &[]), "period"), ("10s".into(), "default".into()));
    assert_eq!(row(&print(&in_file, &[]), "period"), ("30s".into(), format!("{}:2", path.display())));
    let (value, origin) = row(&print(&in_file, &environment), "period");
    assert_eq!((value.as_str(), origin.as_str()), ("45s", "environment PATTERNS_SYNC_GIT_PERIOD"));
    assert_eq!(row(&print(&with_flag, &environment), "period"), ("1m".into(), "flag".into()));
    assert_eq!(row(&print(&least, &[]), "touch-file"), (String::new(), "not set".into()));
}

#[test]
fn a_flag_takes_back_what_the_file_or_the_environment_switched_on() {
    let (_dir, path) = file("sync-git:\n  one-time: true\n");
    let config = format!("--config={}", path.display());
    let least = ["sync-git", "--repo=x", "--root=y", &config];
    assert_eq!(row(&print(&least, &[]), "one-time").0, "true");
    let taken_back = [&least[..], &["--one-time=false"]].concat();
    for environment in [&[][..], &[("PATTERNS_SYNC_GIT_ONE_TIME", "true")]] {
        assert_eq!(row(&print(&taken_back, environment), "one-time"), ("false".into(), "flag".into()));
    }
    let again = [&least[..], &["--one-time"]].concat();
    assert_eq!(row(&print(&again, &[]), "one-time"), ("true".into(), "flag".into()));
}

#[test]
fn shared_options_stand_on_top_of_the_file_or_in_a_section() {
    let (_dir, path) = file("log: debug\ndrain-timeout: 5s\nadapt-metrics:\n  drain-timeout: 7s\n");
    let config = format!("--config={}", path.display());
    let output = print(&["adapt-metrics", "--statsd-listen=:0", &config], &[("PATTERNS_LOG_FORMAT", "json")]);
    assert_eq!(row(&output, "log"), ("debug".into(), format!("{}:1", path.display())));
    assert_eq!(row(&output, "drain-timeout"), ("7s".into(), format!("{}:4", path.display())));
    assert_eq!(row(&output, "log-format"), ("json".into(), "environment PATTERNS_LOG_FORMAT".into()));
}

#[test]
fn a_bad_variable_is_named_and_the_flag_is_not_blamed() {
    for (name, value) in
        [("PATTERNS_SYNC_GIT_PERIOD", "soon"), ("PATTERNS_DRAIN_TIMEOUT", ""), ("PATTERNS_LOG", "loud")]
    {
        let output =
            patterns().args(["sync-git", "--repo=x", "--root=/nowhere/root"]).env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{name}: {}", complaint(&output));
        let said = complaint(&output);
        assert!(said.contains(name) && said.contains(&format!("{value:?}")), "{said}");
        assert!(!said.contains("--period") && !said.contains("--drain"), "{said}");
    }
}

#[test]
fn a_bad_variable_that_a_flag_outweighs_is_not_looked_at() {
    let output = print(&["sync-git", "--repo=x", "--root=y", "--period=1m"], &[("PATTERNS_SYNC_GIT_PERIOD", "soon")]);
    assert_eq!(row(&output, "period"), ("1m".into(), "flag".into()));
}

#[test]
fn every_mistake_of_a_file_is_told_in_one_run_with_its_line_and_the_nearest_name() {
    let (_dir, path) = file(
        "logg: info\nsync-git:\n  repo: x\n  root: y\n  peroid: 3s\n  period: soon\n  depth: [1, 2]\nadapt-metric: {}\n",
    );
    let shown = path.display();
    for command in [&["sync-git", "--config"][..], &["config", "check"]] {
        let output = patterns().args(command).arg(&path).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{command:?}");
        let said = complaint(&output);
        for mistake in [
            format!("{shown}:5: sync-git.peroid: is not a known key; did you mean `period`?"),
            format!("{shown}:6: sync-git.period: \"soon\" is refused: \"soon\" does not begin with a number; write"),
            format!("{shown}:7: sync-git.depth: "),
            format!("{shown}:8: adapt-metric: is neither a section nor a shared option; did you mean `adapt-metrics`?"),
            format!("{shown}:1: logg: is neither a section nor a shared option; did you mean `log`?"),
        ] {
            assert!(said.contains(&mistake), "{mistake} is missing in\n{said}");
        }
        assert!(said.starts_with(&format!("error: 5 mistakes in {shown}")), "{said}");
    }
}

#[test]
fn mistakes_of_the_file_and_of_the_environment_are_told_together() {
    let (_dir, path) = file("sync-git:\n  peroid: 3s\n");
    let output = patterns()
        .args(["sync-git", "--repo=x", "--root=y", "--config"])
        .arg(&path)
        .env("PATTERNS_SYNC_GIT_DEPTH", "deep")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = complaint(&output);
    assert!(said.contains("peroid") && said.contains("PATTERNS_SYNC_GIT_DEPTH"), "{said}");
}

#[test]
fn a_file_that_is_not_there_or_no_yaml_is_named() {
    let (_dir, path) = file("sync-git: [\n");
    for (config, reason) in [("/nowhere/patterns.yaml", "cannot read"), (path.to_str().unwrap(), "not YAML")] {
        let output = patterns().args(["sync-git", "--repo=x", "--root=y", "--config", config]).output().unwrap();
        assert_eq!(output.status.code(), Some(78));
        let said = complaint(&output);
        assert!(said.contains(config) && said.contains(reason), "{said}");
    }
}

#[test]
fn what_config_print_prints_is_a_settings_file_without_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    for least in &ALL {
        let command = least.command(dir.path());
        let output = patterns().args(["config", "print"]).args(command.get_args()).output().unwrap();
        assert!(output.status.success(), "{}", complaint(&output));
        let (_dir, path) = file(&printed(&output));
        let checked = patterns().args(["config", "check"]).arg(&path).output().unwrap();
        assert!(checked.status.success(), "{}\n{}", complaint(&checked), printed(&output));
        let again = patterns().args(["config", "print", least.mode, "--config"]).arg(&path).output().unwrap();
        assert!(again.status.success(), "{}", complaint(&again));
    }
}

#[test]
fn a_password_in_a_url_is_never_printed() {
    let repo = "--repo=https://user:hunter2@127.0.0.1:1/site.git";
    let printed_settings = print(&["sync-git", repo, "--root=y"], &[]);
    assert!(printed_settings.status.success());
    let dir = tempfile::tempdir().unwrap();
    let root = format!("--root={}", dir.path().display());
    let failed = patterns().args(["sync-git", repo, &root, "--log=trace", "--http-bind=off"]).output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "{}", complaint(&failed));
    for output in [&printed_settings, &failed] {
        let said = printed(output) + &complaint(output);
        assert!(said.contains("127.0.0.1:1") && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn options_that_need_or_exclude_each_other_are_judged_in_a_file_as_behind_flags() {
    let (_dir, path) = file("ambassador-redis:\n  sentinel: [127.0.0.1:1, 127.0.0.1:2]\n");
    let config = format!("--config={}", path.display());
    let output = print(&["ambassador-redis", &config], &[]);
    assert_eq!(row(&output, "sentinel"), ("[127.0.0.1:1, 127.0.0.1:2]".into(), format!("{}:2", path.display())));
    let output = print(&["ambassador-redis", &config, "--sentinel=127.0.0.1:3"], &[]);
    assert_eq!(row(&output, "sentinel"), ("127.0.0.1:3".into(), "flag".into()));
    let output = print(&["ambassador-redis", &config, "--upstream=127.0.0.1:3"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let said = complaint(&output);
    assert!(said.contains("--sentinel") && said.contains("--upstream"), "{said}");
}
