//! The command line: help, mistakes with the nearest right name, output that nobody reads.

use std::process::Stdio;

use crate::modes::{ALL, complaint, printed};
use crate::support::{patterns, run};

#[test]
fn an_unknown_flag_is_told_with_the_nearest_name() {
    let tempting = [
        ("sync-git", "--peroid=3s", "--period"),
        ("ambassador-redis", "--primry=127.0.0.1:1", "--primary"),
        ("adapt-metrics", "--statsd-lisen=:0", "--statsd-listen"),
    ];
    for (mode, wrong, right) in tempting {
        let output = run(&[mode, wrong]);
        assert_eq!(output.status.code(), Some(2), "{mode}");
        let said = complaint(&output);
        assert!(said.contains(&format!("'{right}'")), "{mode}: {said}");
        assert_eq!(printed(&output), "", "{mode}: mistakes go to standard error");
    }
}

#[test]
fn an_unknown_command_is_told_with_the_nearest_name() {
    for (wrong, right) in [("sync-gti", "sync-git"), ("prob", "probe")] {
        let output = run(&[wrong]);
        assert_eq!(output.status.code(), Some(2));
        assert!(complaint(&output).contains(right), "{}", complaint(&output));
    }
    let output = run(&["config", "print", "ambassador-reddis"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(complaint(&output).contains("did you mean ambassador-redis?"), "{}", complaint(&output));
}

#[test]
fn a_bad_value_of_a_flag_is_told_with_an_example() {
    let output = run(&["sync-git", "--repo=x", "--root=y", "--period=soon"]);
    assert_eq!(output.status.code(), Some(2));
    let said = complaint(&output);
    assert!(said.contains("--period") && said.contains("soon") && said.contains("30s"), "{said}");
}

#[test]
fn what_is_required_is_named() {
    let output = run(&["sync-git"]);
    assert_eq!(output.status.code(), Some(2));
    let said = complaint(&output);
    assert!(said.contains("--repo") && said.contains("--root"), "{said}");
}

#[test]
fn nothing_to_do_shows_what_there_is() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    for name in
        ["sync-git", "ambassador-redis", "adapt-metrics", "probe", "config", "completions", "man", "install-links"]
    {
        assert!(complaint(&output).contains(name), "{name} is missing:\n{}", complaint(&output));
    }
}

#[test]
fn help_goes_to_standard_output_and_ends_with_examples_that_work() {
    for least in &ALL {
        for flag in ["-h", "--help"] {
            let output = run(&[least.mode, flag]);
            assert_eq!((output.status.code(), complaint(&output).as_str()), (Some(0), ""));
            let help = printed(&output);
            let (_, examples) =
                help.split_once("Examples:\n").unwrap_or_else(|| panic!("{} {flag}: no examples", least.mode));
            let examples: Vec<&str> =
                examples.lines().map(str::trim).filter(|line| line.starts_with("patterns ")).collect();
            assert!(examples.len() >= 2, "{}: {examples:?}", least.mode);
            for example in examples {
                // A settings file that an example names is one of the samples that we ship.
                let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/config");
                let words = example.split_whitespace().skip(1);
                let output = patterns().args(["config", "print"]).args(words).current_dir(samples).output().unwrap();
                assert!(output.status.success(), "{example}\n{}", complaint(&output));
            }
        }
    }
}

#[test]
fn every_option_has_a_help_and_a_variable() {
    for least in &ALL {
        let command = patterns::core::settings::command(patterns::modes::by_name(least.mode).unwrap());
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let long =
                argument.get_long().unwrap_or_else(|| panic!("{}: {} has no long name", least.mode, argument.get_id()));
            assert!(argument.get_help().is_some(), "{}: --{long} has no help", least.mode);
            assert!(argument.get_env().is_some(), "{}: --{long} has no variable", least.mode);
            let is_injected = long == "port" || long.starts_with("port-") || long.starts_with("service-");
            assert!(!is_injected, "{}: Kubernetes sets variables that look like --{long}", least.mode);
        }
    }
}

#[test]
fn the_version_says_which_modes_are_in_it() {
    let short = printed(&run(&["-V"]));
    assert_eq!(short, format!("patterns {}\n", env!("CARGO_PKG_VERSION")));
    let long = printed(&run(&["--version"]));
    assert!(long.contains("commit: ") && long.contains("sync-git, ambassador-redis, adapt-metrics"), "{long}");
}

#[test]
fn output_that_nobody_reads_is_no_fault() {
    for arguments in [&["--help"][..], &["sync-git", "--help"], &["config", "schema"], &["completions", "bash"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = patterns().args(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.code(), complaint(&output).as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn no_two_modes_serve_http_on_one_port_by_default() {
    let mut binds: Vec<&str> = patterns::modes::ALL.iter().map(|mode| mode.http_bind).collect();
    binds.sort_unstable();
    binds.dedup();
    assert_eq!(binds.len(), ALL.len(), "the modes of a Pod share its network: {binds:?}");
}

#[test]
fn every_verb_says_what_it_does() {
    for mode in patterns::modes::ALL {
        for verb in mode.verbs {
            let help = printed(&run(&[mode.name, verb.name, "--help"]));
            assert!(help.starts_with(verb.about), "{} {}:\n{help}", mode.name, verb.name);
        }
    }
}
