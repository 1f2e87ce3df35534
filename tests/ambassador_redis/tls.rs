//! TLS on both sides, with certificates of an authority of the test's own, a real redis-server and redis-cli.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::servers::{Ambassador, RedisServer};
use crate::support::{Process, free_port, wait_for};

/// An authority and what it has signed.
pub struct Authority {
    dir: TempDir,
}

impl Authority {
    pub fn new() -> Authority {
        let authority = Authority { dir: tempfile::tempdir().unwrap() };
        let at = |name: &str| authority.path(name);
        openssl(&[
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=authority",
            "-keyout",
            &at("ca.key"),
            "-out",
            &at("ca.pem"),
        ]);
        authority
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Writes `NAME.pem` and `NAME.key`: a certificate for localhost and 127.0.0.1 with this common name.
    pub fn sign(&self, name: &str, common_name: &str) {
        let at = |suffix: &str| self.path(&format!("{name}{suffix}"));
        let subject = format!("/CN={common_name}");
        openssl(&["req", "-nodes", "-subj", &subject, "-keyout", &at(".key.new"), "-out", &at(".csr")]);
        std::fs::write(at(".ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
        let (authority, key) = (self.path("ca.pem"), self.path("ca.key"));
        openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &at(".csr"),
            "-CA",
            &authority,
            "-CAkey",
            &key,
            "-CAcreateserial",
            "-extfile",
            &at(".ext"),
            "-out",
            &at(".pem.new"),
        ]);
        for suffix in [".key", ".pem"] {
            std::fs::rename(at(&format!("{suffix}.new")), at(suffix)).unwrap();
        }
    }

    fn arguments(&self, words: &[&str]) -> Vec<String> {
        let is_file = |word: &str| word.ends_with(".pem") || word.ends_with(".key");
        words.iter().map(|word| if is_file(word) { self.path(word) } else { (*word).to_owned() }).collect()
    }
}

fn openssl(arguments: &[&str]) {
    let key: &[&str] =
        if arguments[0] == "req" { &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] } else { &[] };
    let output = Command::new("openssl").args(arguments).args(key).output().expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What redis-cli prints for a command, on standard output and error.
fn redis_cli(port: u16, options: &[String], command: &str) -> String {
    let output = Command::new("redis-cli")
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(options)
        .args(command.split(' '))
        .output()
        .expect("redis-cli runs");
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).trim_end().to_owned()).concat()
}

/// The common name of the certificate that is shown there.
fn shown(port: u16) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}")])
        .stdin(std::process::Stdio::null())
        .output()
        .expect("openssl runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("subject=")).unwrap_or_default().to_owned()
}

#[test]
fn clients_speak_tls_and_without_a_certificate_they_are_turned_away() {
    let (authority, server, plain) = (Authority::new(), RedisServer::start(), free_port());
    authority.sign("server", "ambassador");
    authority.sign("client", "application");
    let listen = format!("127.0.0.1:{plain}");
    let address = format!("127.0.0.1:{}", server.port);
    let ambassador = Ambassador::start(&authority.arguments(&[
        "--primary",
        &address,
        "--tls-certificate",
        "server.pem",
        "--tls-key",
        "server.key",
        "--tls-client-authorities",
        "ca.pem",
        "--listen-plain",
        &listen,
    ]));
    ambassador.wait_until_ready();
    let known = authority.arguments(&["--tls", "--cacert", "ca.pem", "--cert", "client.pem", "--key", "client.key"]);
    assert_eq!(redis_cli(ambassador.port, &known, "SET k v"), "OK");
    let large = "x".repeat(100_000);
    assert_eq!(redis_cli(ambassador.port, &known, &format!("SET large {large}")), "OK");
    assert_eq!(redis_cli(ambassador.port, &known, "GET large"), large);
    let unknown = authority.arguments(&["--tls", "--cacert", "ca.pem"]);
    assert_ne!(redis_cli(ambassador.port, &unknown, "GET k"), "v", "no certificate was asked for");
    assert_ne!(redis_cli(ambassador.port, &[], "GET k"), "v", "plain text was answered on a TLS port");
    wait_for("the refusals to be counted", || {
        ambassador.get("/metrics").1.contains("clients_refused_total{reason=\"tls\"} 2").then_some(())
    });
    assert_eq!(redis_cli(plain, &[], "GET k"), "v");
}

#[test]
fn servers_and_sentinels_speak_tls_and_see_our_certificate() {
    let authority = Authority::new();
    authority.sign("server", "redis");
    authority.sign("client", "ambassador");
    let tls = authority.arguments(&[
        "--tls-cert-file",
        "server.pem",
        "--tls-key-file",
        "server.key",
        "--tls-ca-cert-file",
        "ca.pem",
        "--tls-auth-clients",
        "yes",
    ]);
    let start = |port: &str| {
        let mut arguments: Vec<&str> = tls.iter().map(String::as_str).collect();
        arguments.extend(["--tls-port", port, "--tls-replication", "yes"]);
        RedisServer::start_on(free_port(), &arguments)
    };
    let (first, second) = (free_port(), free_port());
    let (primary, replica) = (start(&first.to_string()), start(&second.to_string()));
    replica.follow(first);
    let (sentinel, _process) = sentinel(authority.dir.path(), &tls, first);

    let files = [
        "--upstream-tls-authorities",
        "ca.pem",
        "--upstream-tls-certificate",
        "client.pem",
        "--upstream-tls-key",
        "client.key",
    ];
    for sources in [
        vec![
            "--primary".to_owned(),
            format!("127.0.0.1:{first}"),
            "--replica".to_owned(),
            format!("127.0.0.1:{second}"),
        ],
        vec!["--sentinel".to_owned(), format!("127.0.0.1:{sentinel}")],
    ] {
        let mut arguments = authority.arguments(&files);
        arguments.extend(["--upstream-tls".to_owned()]);
        arguments.extend(sources);
        let ambassador = Ambassador::start(&arguments);
        ambassador.wait_until_ready();
        let (mut client, before) = (ambassador.client(), replica.calls("get"));
        assert_eq!(client.ask("SET k v"), "+OK");
        wait_for("a read on the replica", || {
            assert_eq!(client.ask("GET k"), "v");
            (replica.calls("get") > before).then_some(())
        });
    }
    assert!(primary.calls("set") >= 2);

    // Another authority does not do, unless nothing is checked.
    let primary = format!("127.0.0.1:{first}");
    let arguments = ["--primary", &primary, "--upstream-tls", "--upstream-tls-authorities", "client.pem"];
    let ambassador = Ambassador::start(&authority.arguments(&arguments));
    wait_for("the reason", || ambassador.get("/readyz").1.contains("TLS failed").then_some(()));
}

/// A Sentinel that speaks TLS only.
fn sentinel(dir: &Path, tls: &[String], primary: u16) -> (u16, Process) {
    let (path, port): (PathBuf, u16) = (dir.join("sentinel.conf"), free_port());
    let mut text =
        format!("port 0\ntls-port {port}\ntls-replication yes\nsentinel monitor mymaster 127.0.0.1 {primary} 1\n");
    for pair in tls.chunks(2) {
        text += &format!("{} {}\n", pair[0].trim_start_matches("--"), pair[1]);
    }
    std::fs::write(&path, text).unwrap();
    let process = Process::start(Command::new("redis-server").arg(&path).arg("--sentinel"));
    wait_for("a Sentinel", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    (port, process)
}

#[test]
fn a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
    let (authority, server) = (Authority::new(), RedisServer::start());
    authority.sign("server", "first");
    let address = format!("127.0.0.1:{}", server.port);
    let arguments = ["--primary", &address, "--tls-certificate", "server.pem", "--tls-key", "server.key"];
    let ambassador = Ambassador::start(&authority.arguments(&arguments));
    ambassador.wait_until_ready();
    assert!(shown(ambassador.port).contains("first"), "{}", shown(ambassador.port));
    authority.sign("server", "second");
    wait_for("the new certificate", || shown(ambassador.port).contains("second").then_some(()));
    std::fs::write(authority.path("server.pem"), "-----BEGIN NOTHING-----\n").unwrap();
    ambassador.process.wait_for_log("the last good ones stay in force");
    assert!(shown(ambassador.port).contains("second"));
}

#[test]
fn a_key_of_another_certificate_is_refused_at_the_start() {
    let authority = Authority::new();
    authority.sign("one", "one");
    authority.sign("two", "two");
    let arguments = authority.arguments(&["--tls-certificate", "one.pem", "--tls-key", "two.key"]);
    let output = crate::support::patterns()
        .args(["ambassador-redis", "--http-bind", "off", "--listen", "127.0.0.1:0", "--primary", "127.0.0.1:1"])
        .args(arguments)
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(78) && said.contains("two.key cannot be used together"), "{said}");
}
