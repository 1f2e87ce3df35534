//! A real Cluster for one test: three primaries, three replicas, and the ambassador in front of them.

use std::collections::HashSet;
use std::process::Command;

use crate::client::Client;
use crate::servers::{Ambassador, RedisServer};
use crate::support::{free_port, wait_for};

pub struct Cluster {
    pub ambassador: Ambassador,
    pub servers: Vec<RedisServer>,
}

/// A server of a Cluster; its bus has a port of its own, so that both are free ones.
pub fn server() -> RedisServer {
    server_with(&[])
}

pub fn server_with(more: &[&str]) -> RedisServer {
    let bus = free_port().to_string();
    let usual = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "1500"];
    RedisServer::start_on(free_port(), &[&usual, more].concat())
}

/// Runs `redis-cli --cluster`.
pub fn redis_cli(arguments: &[&str]) -> String {
    let output = Command::new("redis-cli").arg("--cluster").args(arguments).output().expect("redis-cli runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "redis-cli --cluster {arguments:?}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// Waits until all servers tell the same of their slots.
pub fn agree(seed: &str) {
    let agreed = || {
        Command::new("redis-cli").args(["--cluster", "check", seed]).output().expect("redis-cli runs").status.success()
    };
    wait_for("the servers to agree", || agreed().then_some(()));
}

impl Cluster {
    /// The ambassador is told of one server only.
    pub fn start(more: &[&str]) -> Cluster {
        Cluster::with(&[], more)
    }

    pub fn with(settings: &[(&str, &str)], more: &[&str]) -> Cluster {
        let servers: Vec<RedisServer> = (0..6).map(|_| server()).collect();
        let seed = format!("127.0.0.1:{}", servers[0].port);
        Cluster::of(servers, settings, &seed, more)
    }

    /// Makes a Cluster of these servers; the ambassador is told of the one at `seed`.
    pub fn of(servers: Vec<RedisServer>, settings: &[(&str, &str)], seed: &str, more: &[&str]) -> Cluster {
        let addresses: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let mut create = vec!["create"];
        create.extend(addresses.iter().map(String::as_str));
        create.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        redis_cli(&create);
        for server in &servers {
            for (name, value) in settings {
                assert_eq!(server.client().ask(&format!("CONFIG SET {name} {value}")), "+OK");
            }
            wait_for("the servers to agree", || {
                let mut client = server.client();
                let agreed = client.ask("CLUSTER INFO").contains("cluster_state:ok")
                    && client.ask("CLUSTER SLOTS").matches("[127.0.0.1").count() == 6;
                let info = client.ask("INFO replication");
                (agreed && (info.contains("role:master") || info.contains("master_link_status:up"))).then_some(())
            });
        }
        // On a busy machine the servers take their time to agree on a failover.
        let mut arguments =
            vec!["--cluster".to_owned(), seed.to_owned(), "--failover-hold".to_owned(), "60s".to_owned()];
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        let ambassador = Ambassador::start(&arguments);
        ambassador.wait_until_ready();
        Cluster { ambassador, servers }
    }

    pub fn client(&self) -> Client {
        self.ambassador.client()
    }

    /// The servers that say that they are primaries and have slots.
    pub fn primaries(&self) -> Vec<&RedisServer> {
        let leads = |server: &&RedisServer| {
            let nodes = server.client().ask("CLUSTER NODES");
            let own = nodes.lines().find(|line| line.contains("myself")).unwrap_or_default().to_owned();
            own.contains("master") && own.split(' ').count() > 8
        };
        self.servers.iter().filter(leads).collect()
    }

    pub fn owner(&self, key: &str) -> &RedisServer {
        let slot = slot_of(&self.servers[0], key);
        self.owner_of_slot(slot)
    }

    /// The replica of a primary.
    pub fn replica_of(&self, primary: &RedisServer) -> &RedisServer {
        let follows = format!("[slave, 127.0.0.1, :{}", primary.port);
        self.servers.iter().find(|server| server.client().ask("ROLE").starts_with(&follows)).expect("a replica")
    }

    pub fn owner_of_slot(&self, slot: u16) -> &RedisServer {
        let owns = |server: &&&RedisServer| {
            let nodes = server.client().ask("CLUSTER NODES");
            let own = nodes.lines().find(|line| line.contains("myself")).unwrap_or_default().to_owned();
            own.split(' ').skip(8).any(|range| match range.split_once('-') {
                Some((first, last)) => {
                    first.parse().is_ok_and(|f: u16| f <= slot) && last.parse().is_ok_and(|l: u16| slot <= l)
                }
                None => range.parse() == Ok(slot),
            })
        };
        let primaries = self.primaries();
        primaries.iter().find(owns).expect("somebody has the slot")
    }

    /// Keys that have different primaries.
    pub fn keys(&self) -> Vec<String> {
        let mut owners = HashSet::new();
        (0..1000).map(|n| format!("key{n}")).filter(|key| owners.insert(self.owner(key).port)).take(3).collect()
    }

    pub fn calls(&self, name: &str) -> u64 {
        self.servers.iter().map(|server| server.calls(name)).sum()
    }
}

pub fn slot_of(server: &RedisServer, key: &str) -> u16 {
    server.client().ask(&format!("CLUSTER KEYSLOT {key}"))[1..].parse().expect("a slot")
}

pub fn id_of(server: &RedisServer) -> String {
    server.client().ask("CLUSTER MYID")
}
