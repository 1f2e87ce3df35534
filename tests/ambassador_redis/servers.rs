//! Real servers for one test: a primary with replicas, and the ambassador in front of them.

use tempfile::TempDir;

use crate::client::Client;
use crate::support::{Process, free_port, http, patterns, redis_server, wait_for};

/// A redis-server, killed when dropped.
pub struct RedisServer {
    pub port: u16,
    pub process: Process,
    _dir: TempDir,
}

impl RedisServer {
    pub fn start() -> RedisServer {
        RedisServer::start_on(free_port(), &[])
    }

    pub fn start_on(port: u16, more: &[&str]) -> RedisServer {
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = redis_server(port, dir.path());
        command.args(["--repl-diskless-sync-delay", "0"]).args(more);
        let process = Process::start(&mut command);
        wait_for("redis-server", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        RedisServer { port, process, _dir: dir }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }

    pub fn follow(&self, primary: u16) {
        assert_eq!(self.client().ask(&format!("REPLICAOF 127.0.0.1 {primary}")), "+OK");
        wait_for("the replica to be in step", || {
            self.client().ask("INFO replication").contains("master_link_status:up").then_some(())
        });
    }

    /// How often the server has executed a command, as it says itself.
    pub fn calls(&self, name: &str) -> u64 {
        let info = self.client().ask("INFO commandstats");
        let Some(line) = info.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:"))) else { return 0 };
        line.split("calls=").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok()).expect("a count")
    }
}

/// The ambassador as a process.
pub struct Ambassador {
    pub port: u16,
    pub http: u16,
    pub process: Process,
}

impl Ambassador {
    pub fn start(arguments: &[String]) -> Ambassador {
        let (port, http) = (free_port(), free_port());
        let mut command = patterns();
        command.arg("ambassador-redis").args([
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--http-bind",
            &format!("127.0.0.1:{http}"),
        ]);
        let process = Process::start(command.args(arguments));
        process.wait_for_log("listening");
        Ambassador { port, http, process }
    }

    /// A figure of the process's own status, such as `VmHWM:`, in KiB.
    pub fn memory_kib(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a figure");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = http(self.http, "GET", path, &[], b"").expect("the HTTP port answers");
        (status, String::from_utf8(body).expect("text"))
    }

    pub fn wait_until_ready(&self) {
        wait_for("readiness", || (self.get("/readyz").0 == 200).then_some(()));
    }
}

/// A primary, its replicas, and the ambassador.
pub struct Set {
    pub ambassador: Ambassador,
    pub primary: RedisServer,
    pub replicas: Vec<RedisServer>,
}

impl Set {
    pub fn start(replicas: usize, more: &[&str]) -> Set {
        let set = Set::guarded(replicas, more);
        set.wait_for_replica_reads();
        set
    }

    /// The same where clients must prove who they are.
    pub fn guarded(replicas: usize, more: &[&str]) -> Set {
        let primary = RedisServer::start();
        let replicas: Vec<RedisServer> = (0..replicas).map(|_| RedisServer::start()).collect();
        for replica in &replicas {
            replica.follow(primary.port);
        }
        let mut arguments = vec!["--primary".to_owned(), format!("127.0.0.1:{}", primary.port)];
        for replica in &replicas {
            arguments.extend(["--replica".to_owned(), format!("127.0.0.1:{}", replica.port)]);
        }
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        let ambassador = Ambassador::start(&arguments);
        ambassador.wait_until_ready();
        Set { ambassador, primary, replicas }
    }

    /// Until the replicas are known to be fit, reads go to the primary.
    fn wait_for_replica_reads(&self) {
        if self.replicas.is_empty() {
            return;
        }
        let mut client = self.ambassador.client();
        wait_for("reads on replicas", || {
            client.ask("GET warm-up");
            (self.replica_calls("get") > 0).then_some(())
        });
    }

    pub fn client(&self) -> Client {
        self.ambassador.client()
    }

    pub fn replica_calls(&self, name: &str) -> u64 {
        self.replicas.iter().map(|replica| replica.calls(name)).sum()
    }
}
