//! Signatures of the real ssh-keygen and the real gpg, made by the real git: what passes, and what is never published.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::support::{self, wait_for};
use crate::world::{World, git_command, metric, misused};

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A world whose commits are signed with SSH keys.
struct Ssh {
    world: World,
}

impl Ssh {
    fn new() -> Self {
        Self { world: World::new() }
    }

    /// Makes a key and answers with its public half.
    fn key(&self, name: &str, options: &[&str]) -> String {
        let path = self.world.path(name);
        run(Command::new("ssh-keygen").args(["-q", "-N", "", "-C", name, "-f"]).arg(&path).args(options));
        std::fs::read_to_string(path.with_extension("pub")).unwrap().trim().to_owned()
    }

    fn git(&self, key: &str, arguments: &[&str]) {
        let key = format!("user.signingkey={}", self.world.path(key).display());
        run(git_command(&self.world.repo()).args(["-c", "gpg.format=ssh", "-c", &key]).args(arguments));
    }

    fn commit(&self, key: &str, content: &str) -> String {
        std::fs::write(self.world.repo().join("file"), content).unwrap();
        self.git(key, &["commit", "-qam", content, "-S"]);
        self.world.head()
    }

    fn allow(&self, lines: &str) -> String {
        let path = self.world.path("allowed");
        std::fs::write(&path, lines).unwrap();
        format!("--allowed-signers-file={}", path.display())
    }

    #[track_caller]
    fn refuses(&self, rule: &str, allowed: &str, reason: &str) {
        let output = self.world.once(&[&format!("--verify-signatures={rule}"), allowed]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(reason), "{reason:?} in {}", said(&output));
    }
}

#[test]
fn commits_of_every_kind_of_ssh_key_pass() {
    for options in
        [&["-t", "ed25519"][..], &["-t", "ecdsa", "-b", "256"], &["-t", "ecdsa", "-b", "521"], &["-t", "rsa"]]
    {
        let ssh = Ssh::new();
        let key = ssh.key("key", options);
        let commit = ssh.commit("key", "signed");
        let allowed = ssh.allow(&format!("# the team\na@x namespaces=\"git\" {key}\n"));
        ssh.world.sync(&["--verify-signatures=commit", &allowed]);
        assert_eq!(ssh.world.published(), Some(commit), "{options:?}");
        // The same again, from what is there.
        ssh.world.sync(&["--verify-signatures=commit", &allowed]);
    }
}

#[test]
fn what_is_not_signed_by_an_allowed_key_is_not_published_and_the_old_tree_stays() {
    let ssh = Ssh::new();
    let (good, other) = (ssh.key("good", &["-t", "ed25519"]), ssh.key("other", &["-t", "ed25519"]));
    let allowed = ssh.allow(&format!("a@x {good}\n"));
    ssh.refuses("commit", &allowed, "it has none");
    assert!(ssh.world.published().is_none() && ssh.world.trees().is_empty());
    let first = ssh.commit("good", "1");
    ssh.world.sync(&["--verify-signatures=commit", &allowed]);
    ssh.commit("other", "2");
    ssh.refuses("commit", &allowed, "is not among the allowed signers");
    ssh.world.commit("3");
    ssh.refuses("commit", &allowed, "it has none");
    for (lines, reason) in [
        (format!("a@x {good}\nb@x {other} \nbroken\n"), "line 3"),
        (format!("b@x valid-before=\"20200101\" {other}\n"), "not at the time"),
        (format!("b@x valid-after=\"29990101Z\" {other}\n"), "not at the time"),
        (format!("b@x namespaces=\"file\" {other}\n"), "not for git"),
        (format!("b@x cert-authority {other}\n"), "is not among the allowed signers"),
        (String::new(), "is not among the allowed signers"),
    ] {
        ssh.commit("other", &format!("as {lines}"));
        ssh.refuses("commit", &ssh.allow(&lines), reason);
    }
    std::fs::remove_file(ssh.world.path("allowed")).unwrap();
    ssh.refuses("commit", &allowed, "it is not there");
    assert_eq!((ssh.world.published(), ssh.world.trees()), (Some(first.clone()), vec![first]));
}

#[test]
fn a_changed_commit_keeps_no_signature() {
    let ssh = Ssh::new();
    let key = ssh.key("key", &["-t", "ed25519"]);
    let commit = ssh.commit("key", "1");
    let text = run(git_command(&ssh.world.repo()).args(["cat-file", "commit", &commit])) + "\nnot what was signed\n";
    std::fs::write(ssh.world.path("forged"), text).unwrap();
    let forged = ssh.world.path("forged");
    let forged = ssh.world.git(&["hash-object", "-t", "commit", "-w", forged.to_str().unwrap()]);
    ssh.world.git(&["update-ref", "refs/heads/e2e-branch", &forged]);
    ssh.refuses("commit", &ssh.allow(&format!("a@x {key}\n")), "it does not fit the content");
    // A good signature of something that is not for git.
    let payload = ssh.world.path("payload");
    let parts = run(git_command(&ssh.world.repo()).args(["cat-file", "commit", &commit])) + "\n";
    let (head, tail) = parts.split_once("gpgsig ").unwrap();
    let tail = tail.split_once("-----END SSH SIGNATURE-----\n").unwrap().1;
    std::fs::write(&payload, format!("{head}{tail}")).unwrap();
    run(Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", "file", "-f"])
        .arg(ssh.world.path("key"))
        .arg(&payload));
    let signature = std::fs::read_to_string(payload.with_extension("sig")).unwrap();
    std::fs::write(&payload, format!("{head}gpgsig {}\n{tail}", signature.trim().replace('\n', "\n "))).unwrap();
    let other = ssh.world.git(&["hash-object", "-t", "commit", "-w", payload.to_str().unwrap()]);
    ssh.world.git(&["update-ref", "refs/heads/e2e-branch", &other]);
    ssh.refuses("commit", &ssh.allow(&format!("a@x {key}\n")), "not for git");
}

#[test]
fn a_certificate_counts_for_the_principals_that_its_authority_may_name() {
    let ssh = Ssh::new();
    let authority = ssh.key("ca", &["-t", "ed25519"]);
    let certify = |name: &str, options: &[&str]| {
        ssh.key(name, &["-t", "ed25519"]);
        let public = ssh.world.path(name).with_extension("pub");
        run(Command::new("ssh-keygen")
            .args(["-q", "-I", name, "-s"])
            .arg(ssh.world.path("ca"))
            .args(options)
            .arg(public));
        format!("{name}-cert.pub")
    };
    let good = certify("good", &["-n", "dev@x,ops@x", "-V", "-1d:+1d"]);
    let old = certify("old", &["-n", "dev@x", "-V", "20200101:20200102"]);
    let host = certify("host", &["-n", "dev@x", "-h"]);
    let allowed = |lines: String| ssh.allow(&lines);
    let commit = ssh.commit(&good, "1");
    ssh.world.sync(&["--verify-signatures=commit", &allowed(format!("*@x,!ops@x cert-authority {authority}\n"))]);
    assert_eq!(ssh.world.published(), Some(commit));
    ssh.refuses("commit", &allowed(format!("*@y cert-authority {authority}\n")), "other principals");
    ssh.refuses("commit", &allowed(format!("*@x {authority}\n")), "is not among the allowed signers");
    ssh.commit(&old, "2");
    ssh.refuses("commit", &allowed(format!("*@x cert-authority {authority}\n")), "was not valid when");
    ssh.commit(&host, "3");
    ssh.refuses("commit", &allowed(format!("*@x cert-authority {authority}\n")), "is a host's");
}

#[test]
fn a_tag_is_verified_where_the_rule_says_so() {
    let ssh = Ssh::new();
    let key = ssh.key("key", &["-t", "ed25519"]);
    let allowed = ssh.allow(&format!("a@x {key}\n"));
    let commit = ssh.world.head();
    ssh.git("key", &["tag", "-sm", "release", "v1"]);
    ssh.world.git(&["tag", "-am", "release", "unsigned"]);
    ssh.world.git(&["tag", "light"]);
    let once = |rule: &str, reference: &str| {
        let output = ssh.world.once(&[&format!("--verify-signatures={rule}"), &format!("--ref={reference}"), &allowed]);
        (output.status.success(), said(&output))
    };
    assert!(once("tag", "v1").0);
    assert_eq!(ssh.world.published(), Some(commit));
    assert!(once("either", "v1").0);
    assert!(once("commit", "v1").1.contains("it has none"));
    assert!(once("tag", "unsigned").1.contains("it has none"));
    assert!(once("either", "unsigned").1.contains("of the commit"));
    for reference in ["light", "e2e-branch"] {
        assert!(once("tag", reference).1.contains("names an annotated tag"), "{reference}");
    }
    // An old release under the name of a new one.
    let tag = ssh.world.git(&["rev-parse", "v1"]);
    ssh.world.git(&["update-ref", "refs/tags/v2", &tag]);
    assert!(once("tag", "v2").1.contains("calls itself \"v1\""));
    // A signed commit behind an unsigned tag.
    ssh.commit("key", "2");
    ssh.world.git(&["tag", "-fam", "release", "unsigned"]);
    assert!(once("either", "unsigned").0);
    assert!(!once("tag", "unsigned").0);
}

#[test]
fn a_tag_that_is_signed_later_is_fetched_though_its_commit_is_here() {
    let ssh = Ssh::new();
    let key = ssh.key("key", &["-t", "ed25519"]);
    let allowed = ssh.allow(&format!("a@x {key}\n"));
    ssh.world.git(&["tag", "-am", "release", "v1"]);
    let (process, port) =
        ssh.world.follow_with_http(&["--verify-signatures=tag", "--ref=v1", "--max-failures=-1", &allowed]);
    process.wait_for_log("it has none");
    let reason = wait_for("readiness", || support::get(port, "/readyz").filter(|(status, _)| *status == 503));
    assert!(reason.1.contains("not trusted: it has none"), "{}", reason.1);
    assert!(ssh.world.published().is_none());
    ssh.git("key", &["tag", "-fsm", "release", "v1"]);
    ssh.world.wait_for_commit(&ssh.world.head());
    wait_for("readiness", || (support::get(port, "/readyz")?.0 == 200).then_some(()));
    let page = support::get(port, "/").unwrap().1;
    assert!(page.contains("signed by") && page.contains("a@x with the SSH key SHA256:"), "{page}");
    assert!(metric(port, "patterns_sync_git_untrusted_total{reason=\"unsigned\"}").unwrap() >= 1.0);
}

#[test]
fn a_key_that_is_taken_out_counts_no_more() {
    let ssh = Ssh::new();
    let key = ssh.key("key", &["-t", "ed25519"]);
    let allowed = ssh.allow(&format!("a@x {key}\n"));
    let first = ssh.commit("key", "1");
    let error_file = ssh.world.path("error.json");
    let errors = format!("--error-file={}", error_file.display());
    let (_process, port) =
        ssh.world.follow_with_http(&["--verify-signatures=commit", "--max-failures=-1", &errors, &allowed]);
    ssh.world.wait_for_commit(&first);
    ssh.allow("");
    ssh.commit("key", "2");
    let text = wait_for("the error file", || std::fs::read_to_string(&error_file).ok());
    assert!(text.contains("is not among the allowed signers"), "{text}");
    let sample = "patterns_sync_git_untrusted_total{reason=\"unknown_key\"}";
    wait_for("the metric", || (metric(port, sample)? >= 1.0).then_some(()));
    let page = support::get(port, "/").unwrap().1;
    assert!(page.contains("is not among the allowed signers"), "{page}");
    assert_eq!(ssh.world.published(), Some(first));
    let back = ssh.commit("key", "3");
    ssh.allow(&format!("a@x {key}\n"));
    ssh.world.wait_for_commit(&back);
}

#[test]
fn what_an_earlier_run_published_is_served_without_the_remote_only_if_it_is_signed() {
    let ssh = Ssh::new();
    let key = ssh.key("key", &["-t", "ed25519"]);
    let allowed = ssh.allow(&format!("a@x {key}\n"));
    ssh.commit("key", "1");
    ssh.world.sync(&[]);
    std::fs::rename(ssh.world.repo(), ssh.world.path("away")).unwrap();
    let arguments = ["--verify-signatures=commit", "--max-failures=-1", &allowed];
    {
        let (process, _) = ssh.world.follow_with_http(&arguments);
        process.wait_for_log("an earlier run's tree is whole and is served");
    }
    ssh.allow("");
    let (process, port) = ssh.world.follow_with_http(&arguments);
    process.wait_for_log("is not served before the remote is reached");
    assert_eq!(support::get(port, "/readyz").unwrap().0, 503);
}

#[test]
fn settings_that_would_verify_nothing_are_refused() {
    let world = World::new();
    for argument in ["--verify-signatures=commit", "--allowed-signers-file=x"] {
        assert_eq!(world.once(&[argument]).status.code(), misused(), "{argument}");
    }
    assert_eq!(world.once(&["--verify-signatures=no"]).status.code(), Some(2));
}

/// A world whose commits are signed with OpenPGP keys.
struct Gpg {
    world: World,
    home: tempfile::TempDir,
}

impl Gpg {
    fn new() -> Self {
        let home =
            tempfile::Builder::new().prefix("g").permissions(PermissionsExt::from_mode(0o700)).tempdir().unwrap();
        Self { world: World::new(), home }
    }

    fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(self.home.path());
        command.args(["--batch", "--quiet", "--yes", "--pinentry-mode=loopback", "--passphrase="]).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        output.stdout
    }

    /// Makes a key for this address.
    fn key(&self, who: &str, algorithm: &str, time: &[&str]) {
        self.gpg(&[time, &["--quick-gen-key", who, algorithm, "sign", "1y"]].concat());
    }

    fn fingerprint(&self, who: &str) -> String {
        let listed = String::from_utf8(self.gpg(&["--with-colons", "--list-keys", who])).unwrap();
        listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap().trim_end_matches(':').to_owned()
    }

    /// Commits, signed by this address' key at a time (a gpg option, or nothing for now).
    fn commit(&self, who: &str, time: &str, content: &str) -> String {
        self.git(who, time, &["commit", "-qam", content, "-S"], content)
    }

    fn git(&self, who: &str, time: &str, arguments: &[&str], content: &str) -> String {
        let program = self.world.path("gpg.sh");
        let script = format!(
            "#!/bin/sh\nexec gpg --homedir {} --batch --pinentry-mode=loopback --passphrase= {time} \"$@\"\n",
            self.home.path().display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::write(self.world.repo().join("file"), content).unwrap();
        let settings = [format!("gpg.program={}", program.display()), format!("user.signingkey={who}")];
        run(git_command(&self.world.repo()).args(["-c", &settings[0], "-c", &settings[1]]).args(arguments));
        self.world.head()
    }

    fn export(&self, options: &[&str]) -> String {
        let path: PathBuf = self.world.path("keyring");
        std::fs::write(&path, self.gpg(options)).unwrap();
        format!("--openpgp-keyring-file={}", path.display())
    }

    #[track_caller]
    fn refuses(&self, keyring: &str, reason: &str) {
        let output = self.world.once(&["--verify-signatures=commit", keyring]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(reason), "{reason:?} in {}", said(&output));
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        // The agent that gpg has started.
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.home.path()).args(["--kill", "all"]).output();
    }
}

/// In 2020, when nothing here had happened yet.
const LONG_AGO: &str = "--faked-system-time=20200101T120000!";

#[test]
fn commits_of_every_kind_of_openpgp_key_pass() {
    let gpg = Gpg::new();
    for (who, algorithm) in [("e@x", "ed25519"), ("p@x", "nistp256"), ("q@x", "nistp384"), ("r@x", "rsa2048")] {
        gpg.key(who, algorithm, &[]);
    }
    for (who, options) in [("e@x", ""), ("p@x", ""), ("p@x", "--digest-algo SHA384"), ("q@x", ""), ("r@x", "")] {
        let commit = gpg.commit(who, options, &format!("{who}{options}"));
        for options in [&["--export"][..], &["--armor", "--export"]] {
            gpg.world.sync(&["--verify-signatures=commit", &gpg.export(options)]);
            assert_eq!(gpg.world.published(), Some(commit.clone()), "{who}");
        }
    }
    gpg.git("e@x", "", &["tag", "-sm", "release", "v1"], "");
    gpg.world.sync(&["--verify-signatures=tag", "--ref=v1", &gpg.export(&["--export"])]);
}

#[test]
fn a_subkey_signs_for_its_primary_key_until_it_is_revoked() {
    let gpg = Gpg::new();
    gpg.gpg(&["--quick-gen-key", "a@x", "ed25519", "cert", "1y"]);
    let fingerprint = gpg.fingerprint("a@x");
    gpg.gpg(&["--quick-add-key", &fingerprint, "rsa2048", "encr", "1y"]);
    gpg.gpg(&["--quick-add-key", &fingerprint, "ed25519", "sign", "1y"]);
    let commit = gpg.commit("a@x", "", "1");
    gpg.world.sync(&["--verify-signatures=commit", &gpg.export(&["--export"])]);
    assert_eq!(gpg.world.published(), Some(commit));
    // `key 2` is the second subkey.
    let edit = ["--command-fd=0", "--expert", "--edit-key", &fingerprint];
    let mut command = Command::new("gpg");
    command.arg("--homedir").arg(gpg.home.path()).args(["--quiet", "--no-tty", "--pinentry-mode=loopback"]);
    let mut child = command
        .args(["--passphrase="])
        .args(edit)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"key 2\nrevkey\ny\n0\n\ny\nsave\n").unwrap();
    assert!(child.wait().unwrap().success());
    gpg.refuses(&gpg.export(&["--export"]), "is revoked");
}

#[test]
fn expired_revoked_unknown_and_unusable_openpgp_keys_do_not_count() {
    let gpg = Gpg::new();
    gpg.key("old@x", "ed25519", &[LONG_AGO]);
    gpg.key("new@x", "ed25519", &[]);
    gpg.commit("old@x", LONG_AGO, "1");
    gpg.refuses(&gpg.export(&["--export"]), "has expired");
    gpg.commit("new@x", "", "2");
    gpg.refuses(&gpg.export(&["--export", "old@x"]), "is not in the keyring");
    let fingerprint = gpg.fingerprint("new@x");
    let revocation = gpg.home.path().join(format!("openpgp-revocs.d/{fingerprint}.rev"));
    let text = std::fs::read_to_string(&revocation).unwrap().replace("\n:-----BEGIN", "\n-----BEGIN");
    std::fs::write(&revocation, text).unwrap();
    let secret = gpg.export(&["--export-secret-keys", "new@x"]);
    gpg.refuses(&secret, "secret key");
    gpg.gpg(&["--import", revocation.to_str().unwrap()]);
    gpg.refuses(&gpg.export(&["--export", "new@x"]), "is revoked");
    for (content, reason) in [("", "neither armoured nor OpenPGP"), ("\u{99}\u{1}", "cut short")] {
        let path = gpg.world.path("keyring");
        std::fs::write(&path, content).unwrap();
        gpg.refuses(&format!("--openpgp-keyring-file={}", path.display()), reason);
    }
    gpg.refuses(&format!("--openpgp-keyring-file={}", gpg.home.path().join("pubring.kbx").display()), "keybox");
    gpg.refuses("--allowed-signers-file=x", "it is an OpenPGP signature");
}

#[test]
fn weak_and_short_lived_openpgp_signatures_do_not_count() {
    let gpg = Gpg::new();
    gpg.key("a@x", "rsa2048", &[LONG_AGO]);
    gpg.gpg(&["--quick-set-expire", &gpg.fingerprint("a@x"), "0"]);
    let keyring = gpg.export(&["--export"]);
    gpg.commit("a@x", LONG_AGO, "1");
    gpg.world.sync(&["--verify-signatures=commit", &keyring]);
    gpg.commit("a@x", "--digest-algo SHA1", "2");
    gpg.refuses(&keyring, "SHA-1");
    gpg.commit("a@x", &format!("{LONG_AGO} --default-sig-expire 1d"), "3");
    gpg.refuses(&keyring, "it has expired");
    gpg.commit("a@x", "--faked-system-time=29990101T120000!", "4");
    gpg.refuses(&keyring, "in the future");
}
