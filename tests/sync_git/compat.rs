//! git-sync's own command line and variables: every flag, its default, both generations of its variable, the exit codes.

use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use crate::support::{self, Process, wait_for};
use crate::world::{World, misused};

/// What of git-sync's settings is told of one option: its name, its default, a value that it takes.
/// `-` stands for no default.
const OPTIONS: &[(&str, &str, &str)] = &[
    ("repo", "-", "https://host/repo"),
    ("ref", "HEAD", "v1"),
    ("depth", "1", "0x10"),
    ("filter", "-", "blob:none"),
    ("submodules", "recursive", "shallow"),
    ("sparse-checkout-file", "-", "/sparse"),
    ("root", "-", "/git"),
    ("link", "-", "current"),
    ("group-write", "false", "true"),
    ("stale-worktree-timeout", "0s", "1h2m3.5s"),
    ("touch-file", "-", "touched"),
    ("error-file", "-", "error.json"),
    ("git-gc", "always", "aggressive"),
    ("period", "10s", "100ms"),
    ("init-period", "-", "1s"),
    ("one-time", "false", "true"),
    ("max-failures", "0", "-1"),
    ("init-max-failures", "-", "-1"),
    ("sync-timeout", "120s", "1m"),
    ("sync-on-signal", "-", "SIGHUP"),
    ("username", "-", "me"),
    ("password-file", "-", "/password"),
    ("credential", "-", r#"{"url":"https://h","username":"u","password-file":"/f"}"#),
    ("askpass-url", "-", "http://localhost:1/ask"),
    ("cookie-file", "false", "true"),
    ("ssh-key-file", "/etc/git-secret/ssh", "/key"),
    ("ssh-known-hosts", "true", "false"),
    ("ssh-known-hosts-file", "/etc/git-secret/known_hosts", "/known"),
    ("github-app-application-id", "-", "12"),
    ("github-app-client-id", "-", "Iv1.a"),
    ("github-app-installation-id", "-", "34"),
    ("github-app-private-key-file", "-", "/key.pem"),
    ("github-base-url", "https://api.github.com/", "https://github.example.test/api/"),
    ("git-config", "-", "k.k:v"),
    ("git-config-add", "-", "k.k:v"),
    ("exechook-command", "-", "/hook"),
    ("exechook-timeout", "30s", "1m"),
    ("exechook-backoff", "3s", "1m"),
    ("pre-publish-exechook-command", "-", "/hook"),
    ("pre-publish-exechook-timeout", "30s", "1m"),
    ("pre-publish-exechook-backoff", "3s", "1m"),
    ("webhook-url", "-", "http://localhost:1/"),
    ("webhook-method", "POST", "GET"),
    ("webhook-success-status", "200", "-1"),
    ("webhook-timeout", "1s", "1m"),
    ("webhook-backoff", "3s", "1m"),
    ("http-bind", "off", ":1"),
];

/// Options that are taken, but of which `config print` says nothing: deprecated ones, and those that mean nothing here.
const SILENT: &[(&str, &str)] = &[
    ("verbose", "6"),
    ("v", "6"),
    ("add-user", "true"),
    ("git", "/usr/bin/git"),
    ("http-metrics", "true"),
    ("http-pprof", "true"),
    ("branch", "main"),
    ("rev", "v1"),
    ("dest", "current"),
    ("wait", "0.5"),
    ("timeout", "30"),
    ("max-sync-failures", "3"),
    ("change-permissions", "0"),
    ("sync-hook-command", "/hook"),
    ("ssh", "true"),
    ("password", "sesame"),
    ("__env__GITSYNC_PASSWORD", "sesame"),
    ("__env__GITSYNC_GITHUB_APP_PRIVATE_KEY", "sesame"),
];

/// Variables of git-sync 3 that still count, and the option that each sets.
const OLD: &[(&str, &str)] = &[
    ("GIT_SYNC_REPO", "repo"),
    ("GIT_SYNC_DEPTH", "depth"),
    ("GIT_SYNC_SUBMODULES", "submodules"),
    ("GIT_SYNC_SPARSE_CHECKOUT_FILE", "sparse-checkout-file"),
    ("GIT_SYNC_ROOT", "root"),
    ("GIT_SYNC_LINK", "link"),
    ("GIT_SYNC_ERROR_FILE", "error-file"),
    ("GIT_SYNC_PERIOD", "period"),
    ("GIT_SYNC_SYNC_TIMEOUT", "sync-timeout"),
    ("GIT_SYNC_ONE_TIME", "one-time"),
    ("GIT_SYNC_SYNC_ON_SIGNAL", "sync-on-signal"),
    ("GIT_SYNC_MAX_FAILURES", "max-failures"),
    ("GIT_SYNC_TOUCH_FILE", "touch-file"),
    ("GIT_SYNC_GROUP_WRITE", "group-write"),
    ("GIT_SYNC_EXECHOOK_COMMAND", "exechook-command"),
    ("GIT_SYNC_EXECHOOK_TIMEOUT", "exechook-timeout"),
    ("GIT_SYNC_EXECHOOK_BACKOFF", "exechook-backoff"),
    ("GIT_SYNC_WEBHOOK_URL", "webhook-url"),
    ("GIT_SYNC_WEBHOOK_METHOD", "webhook-method"),
    ("GIT_SYNC_WEBHOOK_SUCCESS_STATUS", "webhook-success-status"),
    ("GIT_SYNC_WEBHOOK_TIMEOUT", "webhook-timeout"),
    ("GIT_SYNC_WEBHOOK_BACKOFF", "webhook-backoff"),
    ("GIT_SYNC_USERNAME", "username"),
    ("GIT_SYNC_PASSWORD_FILE", "password-file"),
    ("GIT_SYNC_SSH_KEY_FILE", "ssh-key-file"),
    ("GIT_SSH_KEY_FILE", "ssh-key-file"),
    ("GIT_SYNC_KNOWN_HOSTS", "ssh-known-hosts"),
    ("GIT_KNOWN_HOSTS", "ssh-known-hosts"),
    ("GIT_SYNC_SSH_KNOWN_HOSTS_FILE", "ssh-known-hosts-file"),
    ("GIT_SSH_KNOWN_HOSTS_FILE", "ssh-known-hosts-file"),
    ("GIT_SYNC_COOKIE_FILE", "cookie-file"),
    ("GIT_COOKIE_FILE", "cookie-file"),
    ("GIT_SYNC_ASKPASS_URL", "askpass-url"),
    ("GIT_ASKPASS_URL", "askpass-url"),
    ("GIT_SYNC_GIT_CONFIG", "git-config"),
    ("GIT_SYNC_GIT_GC", "git-gc"),
    ("GIT_SYNC_HTTP_BIND", "http-bind"),
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The binary under the name `git-sync`.
fn git_sync() -> Command {
    let mut command = support::patterns();
    command.arg0("git-sync");
    command
}

/// `config print` for somebody who calls us git-sync.
fn settings(variables: &[(&str, &str)], flags: &[String]) -> Output {
    let mut command = support::patterns();
    command.args(["config", "print", "git-sync"]).args(flags).envs(variables.iter().copied());
    command.output().unwrap()
}

/// The line of an option, without what pads it.
fn row(output: &Output, option: &str) -> String {
    let page = text(&output.stdout);
    let found =
        page.lines().map(str::trim).find(|line| line.trim_start_matches("# ").starts_with(&format!("{option}:")));
    found.unwrap_or_else(|| panic!("{option}: {page}{}", text(&output.stderr))).to_owned()
}

/// The two options without which there is nothing to print.
fn least(but: &str) -> Vec<String> {
    ["repo", "root"].iter().filter(|name| **name != but).map(|name| format!("--{name}=/x")).collect()
}

#[test]
fn a_refused_setting_shows_no_secret() {
    let world = World::new();
    for wrong in [
        r#"--credential={"url":"https://h","username":"u","password":"sesame","more":1}"#,
        "--git-config-add=http.extraHeader Authorization sesame",
        "--git-config=http.extraHeader Authorization sesame",
        "--webhook-url=http://u:sesame@[bad",
        "--askpass-url=ht tp://u:sesame@h",
        "--repo=http://u:sesame@h h/x",
    ] {
        let output = world.once(&[wrong, "--error-file=error"]);
        // What the parser itself refuses ends git-sync with 2 as well.
        assert!([Some(2), misused()].contains(&output.status.code()), "{wrong}");
        let said = text(&output.stderr) + &std::fs::read_to_string(world.root().join("error")).unwrap_or_default();
        assert!(!said.contains("sesame"), "{wrong}: {said}");
    }
    let file = world.path("settings.yaml");
    std::fs::write(&file, "sync-git:\n  repo: /x\n  root: /x\n  git-config: 'http.extraHeader=sesame'\n").unwrap();
    let output = world.bare_command().arg("--config").arg(&file).output().unwrap();
    assert!(!output.status.success() && !text(&output.stderr).contains("sesame"), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("has no colon"));
}

#[test]
fn a_git_program_that_is_named_is_said_to_be_ignored() {
    let world = World::new();
    let said = |git: &str| text(&world.once(&[git]).stderr).matches("--git is ignored").count();
    assert_eq!((said("--git=/usr/local/bin/wrapper"), said("--git=git")), (1, 0));
    assert_eq!(world.content().unwrap(), "init");
}

#[test]
fn every_flag_of_git_sync_is_taken_and_every_default_is_its() {
    let defaults = settings(&[], &least(""));
    for (option, default, value) in OPTIONS {
        let line = row(&defaults, option);
        match *default {
            "-" if ["repo", "root"].contains(option) => {}
            "-" => assert!(line.starts_with("# ") && line.ends_with("# not set"), "{line}"),
            default => assert!(line.starts_with(&format!("{option}: {default} ")), "{line} {default}"),
        }
        for spelled in [vec![format!("--{option}={value}")], vec![format!("--{option}"), (*value).to_owned()]] {
            if spelled.len() == 2 && ["true", "false"].contains(value) {
                continue;
            }
            let given = settings(&[], &[least(option), spelled].concat());
            assert!(row(&given, option).ends_with("# flag"), "{option}: {}", row(&given, option));
        }
    }
    for (option, value) in SILENT {
        let given = settings(&[], &[least(""), vec![format!("--{option}={value}")]].concat());
        assert!(given.status.success(), "{option}: {}", text(&given.stderr));
        assert!(!text(&given.stdout).contains("sesame"), "{option}");
    }
}

#[test]
fn every_variable_of_both_generations_is_taken_and_the_older_wins() {
    for (option, default, value) in OPTIONS {
        let name = format!("GITSYNC_{}", option.replace('-', "_").to_uppercase());
        let line = row(&settings(&[(&name, value)], &least(option)), option);
        assert!(line.ends_with(&format!("# environment {name}")), "{line}");
        // Manifests set variables to nothing.
        if !["repo", "root"].contains(option) {
            let line = row(&settings(&[(&name, "")], &least("")), option);
            assert!(line.ends_with(if *default == "-" { "# not set" } else { "# default" }), "{line}");
        }
        // A flag is stronger than any variable.
        let line =
            row(&settings(&[(&name, value)], &[least(option), vec![format!("--{option}={value}")]].concat()), option);
        assert!(line.ends_with("# flag"), "{line}");
    }
    for (name, option) in OLD {
        let (.., value) = OPTIONS.iter().find(|(known, ..)| known == option).unwrap();
        let new = format!("GITSYNC_{}", option.replace('-', "_").to_uppercase());
        let line = row(&settings(&[(name, value), (&new, value)], &least(option)), option);
        assert!(line.ends_with(&format!("# environment {name}")), "{line}");
    }
}

#[test]
fn deprecated_variables_and_flags_do_what_their_successors_do() {
    let world = World::new();
    world.git(&["branch", "other"]);
    world.commit("2");
    let mut command = support::patterns();
    command.arg("sync-git").env("GIT_SYNC_REPO", world.url("repo")).env("GIT_SYNC_ROOT", world.root());
    command.env("GIT_SYNC_BRANCH", "other").env("GIT_SYNC_DEST", "link").env("GIT_SYNC_WAIT", "0.01");
    command.env("GIT_SYNC_MAX_SYNC_FAILURES", "2").env("GIT_SYNC_TIMEOUT", "60").env("GIT_SYNC_ONE_TIME", "true");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(world.content().unwrap(), "init");
    let both = world.once(&["--branch=other", "--rev=v1"]);
    assert_eq!(both.status.code(), misused(), "{}", text(&both.stderr));
    assert!(world.once(&["--change-permissions=511"]).status.code() == misused());
    world.sync(&["--branch=e2e-branch", "--rev=HEAD", "--ssh", "--add-user", "--git=/nowhere/git", "--v=3"]);
    assert_eq!(world.content().unwrap(), "2");
}

#[test]
fn called_as_git_sync_its_exit_codes_are_git_syncs() {
    let world = World::new();
    let run = |arguments: &[&str]| {
        let output = git_sync().args(arguments).current_dir(world.path("")).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let least = ["--repo=x", "--root=root"];
    for mistake in [
        "--ref=",
        "--depth=-1",
        "--submodules=all",
        "--git-gc=sometimes",
        "--period=1ms",
        "--sync-timeout=1ms",
        "--username=u",
        "--sync-on-signal=SIGNOTHING",
        "--git-config=k",
        "--webhook-success-status=-2",
    ] {
        let (code, _, said) = run(&[&least[..], &[mistake]].concat());
        assert_eq!(code, 1, "{mistake}: {said}");
        assert!(!said.is_empty(), "{mistake}");
    }
    assert_eq!((run(&[]).0, run(&["--repo=x"]).0, run(&["--root=root"]).0), (1, 1, 1));
    for unreadable in ["--nonsense", "--depth=many", "--period=10", "--one-time=perhaps", "--max-failures=x", "-x"] {
        let (code, _, said) = run(&[&least[..], &[unreadable]].concat());
        assert_eq!(code, 2, "{unreadable}: {said}");
    }
    let malformed = git_sync().args(least).env("GITSYNC_DEPTH", "many").output().unwrap();
    assert_eq!(malformed.status.code(), Some(1));
    assert!(text(&malformed.stderr).contains("GITSYNC_DEPTH"));
    for (asked, answer) in [
        ("--version", "0."),
        ("--man", "--exechook-command"),
        ("--help", "--period"),
        ("-h", "--period"),
        ("-?", "--period"),
    ] {
        let (code, said, complained) = run(&[asked]);
        assert_eq!((code, complained.as_str()), (0, ""), "{asked}");
        assert!(said.contains(answer), "{asked}: {said}");
    }
    // The failure of a sync is the same under both names.
    let (code, _, said) = run(&["--repo=nowhere", "--root=root", "--one-time"]);
    assert_eq!(code, 1, "{said}");
}

#[test]
fn a_mistake_in_the_settings_stands_in_the_error_file() {
    let world = World::new();
    let output = world.once(&["--error-file=../error", "--username=u"]);
    assert_eq!(output.status.code(), misused());
    let written = std::fs::read_to_string(world.path("error")).unwrap();
    assert!(written.contains("--username needs"), "{written}");
    let output = world.once(&["--error-file=dir/error", "--link=.git/x"]);
    assert_eq!(output.status.code(), misused());
    assert!(std::fs::read_to_string(world.root().join("dir/error")).unwrap().contains("--link"));
    world.sync(&["--error-file=../error"]);
    assert!(!world.path("error").exists());
}

#[test]
fn called_as_git_sync_nothing_is_served_unless_asked_and_then_on_every_path() {
    let world = World::new();
    let port = support::free_port();
    let start = |command: &mut Command| {
        let repo = format!("--repo={}", world.url("repo"));
        let root = format!("--root={}", world.root().display());
        Process::start(command.args([&repo, &root, "--link=link", "--period=50ms", "--max-failures=-1", "--ref=later"]))
    };
    let silent = start(&mut git_sync());
    silent.wait_for_log("\"http\":\"off\"");
    drop(silent);
    let mut speaking = start(git_sync().arg(format!("--http-bind=:{port}")));
    wait_for("the listener", || support::get(port, "/"));
    for path in ["/", "/healthz", "/any/path"] {
        assert_eq!(support::get(port, path).unwrap().0, 503, "{path}");
    }
    world.git(&["branch", "later"]);
    wait_for("readiness", || (support::get(port, "/")?.0 == 200).then_some(()));
    assert_eq!(support::get(port, "/any/path").unwrap().0, 200);
    // As there, it stays ready while the remote is away, unless --max-staleness says otherwise.
    std::fs::rename(world.repo(), world.path("away")).unwrap();
    wait_for("an error", || (crate::world::metric(port, crate::world::ERRORS)? >= 3.0).then_some(()));
    assert_eq!(support::get(port, "/").unwrap().0, 200);
    assert!(speaking.terminate().success());
}

#[test]
fn one_sync_needs_no_port() {
    let world = World::new();
    let neighbour = std::net::TcpListener::bind(("::", 9101));
    let output = world.command().arg("--one-time").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    drop(neighbour);
}

#[test]
fn git_syncs_metrics_have_its_names_and_its_numbers() {
    let world = World::new();
    let (_process, port) = world.follow_with_http(&[]);
    world.wait_for_content("init");
    let page = wait_for("a no-op", || {
        let (_, page) = support::get(port, "/metrics")?;
        (!page.contains("git_sync_count_total{status=\"noop\"} 0\n")).then_some(page)
    });
    for line in [
        "git_sync_count_total{status=\"success\"} 1\n",
        "git_sync_count_total{status=\"error\"} 0\n",
        "git_fetch_count_total 1\n",
        "git_sync_duration_seconds_sum{status=\"success\"} ",
        "git_sync_duration_seconds_count{status=\"success\"} 1\n",
        "# TYPE git_sync_duration_seconds summary\n",
        "# TYPE git_sync_count_total counter\n",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
}

#[test]
fn git_syncs_verbosity_becomes_a_level() {
    let world = World::new();
    let levels = |flags: &[&str]| {
        let mut command = git_sync();
        command.args(["--one-time", "--link=link", "--repo", &world.url("repo"), "--root"]).arg(world.root());
        let output = command.args(flags).output().unwrap();
        assert!(output.status.success());
        text(&output.stderr)
    };
    assert!(!levels(&[]).contains("\"DEBUG\""));
    assert!(levels(&["-v=6"]).contains("\"DEBUG\""));
    assert!(levels(&["-v", "6"]).contains("\"DEBUG\""));
    // Whatever is logged, each line is an object of its own.
    for line in levels(&["-v9"]).lines() {
        assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
    }
}
