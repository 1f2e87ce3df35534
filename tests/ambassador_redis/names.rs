//! A name that stands for many addresses, as a headless Service does, and whose addresses change.

use std::process::Command;

use tempfile::TempDir;

use crate::servers::Ambassador;
use crate::support::{Process, free_port, wait_for};

/// A server on a loopback address of its own: all of them have one port, as Pods do.
struct Pod {
    host: String,
    port: u16,
    process: Process,
    _dir: TempDir,
}

impl Pod {
    fn start(number: u8, port: u16) -> Pod {
        let (dir, host) = (tempfile::tempdir().unwrap(), format!("127.0.0.{number}"));
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", &host, "--save", "", "--protected-mode", "no"]);
        command.args(["--repl-diskless-sync-delay", "0", "--dir"]).arg(dir.path());
        let pod = Pod { process: Process::start(&mut command), host, port, _dir: dir };
        wait_for("redis-server", || pod.ask("PING").contains("PONG").then_some(()));
        pod
    }

    fn following(number: u8, primary: &Pod) -> Pod {
        let pod = Pod::start(number, primary.port);
        pod.follow(primary);
        pod
    }

    fn follow(&self, primary: &Pod) {
        assert!(self.ask(&format!("REPLICAOF {} {}", primary.host, primary.port)).starts_with("OK"));
        wait_for("the replica to be in step", || self.ask("INFO replication").contains("link_status:up").then_some(()));
    }

    fn ask(&self, line: &str) -> String {
        let at = ["-h", &self.host, "-p", &self.port.to_string()].map(str::to_owned);
        let output = Command::new("redis-cli").args(at).args(line.split(' ')).output().expect("redis-cli runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn reads(&self) -> u64 {
        let info = self.ask("INFO commandstats");
        let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_get:calls="));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }
}

const OWN_NAMES: [&str; 3] = ["--map-root-user", "--mount", "--propagation=private"];

/// Whether a process can be given names of its own.
fn may_have_own_names() -> bool {
    let can = Command::new("unshare").args(OWN_NAMES).arg("true").status().is_ok_and(|status| status.success());
    assert!(can || std::env::var_os("CI").is_none(), "CI must be able to make a mount namespace");
    can
}

#[test]
fn a_headless_services_servers_come_and_go_with_its_addresses() {
    if !may_have_own_names() {
        return;
    }
    let first = Pod::start(2, free_port());
    let mut second = Pod::following(3, &first);
    let dir = tempfile::tempdir().unwrap();
    let hosts = dir.path().join("hosts");
    // In place, since that file is what the other sees as its own.
    let name = |pods: &[&Pod]| {
        let lines: String = pods.iter().map(|pod| format!("{} redis.test\n", pod.host)).collect();
        std::fs::write(&hosts, lines).unwrap();
    };
    name(&[&first, &second]);
    let (port, http) = (free_port(), free_port());
    let mut command = Command::new("unshare");
    command.args(OWN_NAMES).args(["sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]).arg(&hosts);
    command.args([env!("CARGO_BIN_EXE_patterns"), "ambassador-redis", "--listen", &format!("127.0.0.1:{port}")]);
    command.args(["--http-bind", &format!("127.0.0.1:{http}"), "--upstream", &format!("redis.test:{}", first.port)]);
    let process = Process::start(&mut command);
    process.wait_for_log("listening");
    let ambassador = Ambassador { port, http, process };
    ambassador.wait_until_ready();
    let mut client = ambassador.client();
    assert_eq!(client.ask("SET k v"), "+OK");
    let read_at = |pod: &Pod| {
        wait_for("a read there", || {
            let before = pod.reads();
            // Each client begins with another replica.
            assert_eq!(ambassador.client().ask("GET k"), "v");
            (pod.reads() > before).then_some(())
        });
    };
    read_at(&second);

    // Another replica takes the place of the first one, which then ends.
    let third = Pod::following(4, &first);
    name(&[&first, &third]);
    read_at(&third);
    second.process.signal("KILL");
    second.process.wait();

    // The primary moves to another address.
    let fourth = Pod::following(5, &first);
    name(&[&third, &fourth]);
    assert!(fourth.ask("REPLICAOF NO ONE").starts_with("OK"));
    third.follow(&fourth);
    drop(first);
    assert_eq!(client.ask("SET k w"), "+OK");
    assert_eq!(fourth.ask("GET k").trim_end(), "w");
    assert_eq!(client.ask("GET k"), "w");
}
