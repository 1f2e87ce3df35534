//! Running in front of a Cluster: TLS, users, an end in good order, settings that change, reads on replicas only.

use super::servers::{Cluster, server_with};
use crate::client::command;
use crate::servers::RedisServer;
use crate::support::{free_port, wait_for};
use crate::tls::Authority;

#[test]
fn the_servers_are_spoken_to_in_tls() {
    let authority = Authority::new();
    authority.sign("server", "redis");
    let files = ["server.pem", "server.key", "ca.pem"].map(|name| authority.path(name));
    let ports: Vec<String> = (0..6).map(|_| free_port().to_string()).collect();
    let servers: Vec<RedisServer> = ports
        .iter()
        .map(|port| {
            server_with(&[
                "--tls-port",
                port,
                "--tls-cert-file",
                &files[0],
                "--tls-key-file",
                &files[1],
                "--tls-ca-cert-file",
                &files[2],
                "--tls-auth-clients",
                "no",
                "--tls-cluster",
                "yes",
                "--tls-replication",
                "yes",
            ])
        })
        .collect();
    let seed = format!("127.0.0.1:{}", ports[0]);
    let cluster = Cluster::of(servers, &[], &seed, &["--upstream-tls", "--upstream-tls-authorities", &files[2]]);
    let mut client = cluster.client();
    for key in cluster.keys() {
        assert_eq!(client.ask(&format!("SET {key} 1")), "+OK");
        assert_eq!(client.ask(&format!("GET {key}")), "1");
        let clients = cluster.owner(&key).client().ask("CLIENT LIST TYPE normal");
        let encrypted = |line: &str| ports.iter().any(|port| line.contains(&format!(" laddr=127.0.0.1:{port} ")));
        assert!(clients.lines().any(encrypted), "{clients}");
    }
    // A redirect names the TLS port too.
    let replica =
        cluster.servers.iter().find(|server| server.client().ask("ROLE").contains("slave")).expect("a replica");
    assert_eq!(replica.client().ask("CLUSTER FAILOVER"), "+OK");
    wait_for("the promotion", || replica.client().ask("ROLE").contains("master").then_some(()));
    for key in cluster.keys() {
        assert_eq!(client.ask(&format!("INCR {key}")), ":2");
    }
}

/// The SHA-256 of `secret`.
const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

#[test]
fn users_of_our_own_have_their_rights_on_every_shard() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users.acl");
    std::fs::write(&file, format!("user app on #{SECRET} ~* +@all\nuser viewer on #{SECRET} ~* +@read\n")).unwrap();
    let mirror = RedisServer::start();
    let mirrored = format!("127.0.0.1:{}", mirror.port);
    let cluster = Cluster::start(&["--users-file", &file.display().to_string(), "--mirror", &mirrored]);
    let (mut app, mut viewer) = (cluster.client(), cluster.client());
    let keys = cluster.keys();
    for key in &keys {
        assert_eq!(app.ask(&format!("SET {key} 1")), "-NOAUTH Authentication required.");
    }
    assert_eq!(app.ask("AUTH app wrong"), "-WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(app.ask("AUTH app secret"), "+OK");
    assert!(viewer.ask("HELLO 3 AUTH viewer secret").contains("standalone"));
    for key in &keys {
        assert_eq!(app.ask(&format!("SET {key} 1")), "+OK");
        assert_eq!(viewer.ask(&format!("GET {key}")), "1");
        assert!(viewer.ask(&format!("SET {key} 2")).starts_with("-NOPERM this user"));
    }
    assert!(viewer.ask(&format!("MSET {} 3 {} 3", keys[0], keys[1])).starts_with("-NOPERM this user"));
    assert!(viewer.ask("FLUSHALL").starts_with("-NOPERM this user"));
    assert!(viewer.ask("MONITOR").starts_with("-NOPERM this user"));
    assert_eq!(viewer.ask("DBSIZE"), ":3");
    assert_eq!(app.ask("RESET"), "+RESET");
    assert_eq!(app.ask(&format!("GET {}", keys[0])), "-NOAUTH Authentication required.");
    wait_for("the copies", || (mirror.calls("set") == 3).then_some(()));
    assert_eq!((mirror.calls("mset"), mirror.calls("flushall")), (0, 0), "what was refused is not copied");
}

#[test]
fn terminated_it_answers_what_every_shard_was_asked_and_tells_who_waits() {
    let mut cluster = Cluster::start(&[]);
    let keys = cluster.keys();
    let (mut client, mut waiting, mut listening) = (cluster.client(), cluster.client(), cluster.client());
    waiting.send(&["BLPOP", &keys[1], "0"]);
    assert_eq!(listening.ask("SUBSCRIBE ch"), "[subscribe, ch, :1]");
    wait_for("the client to block", || {
        cluster.owner(&keys[1]).client().ask("INFO clients").contains("blocked_clients:1").then_some(())
    });
    let mut pipeline = command(&["EVAL", "for i = 1, 50000000 do end return 'slow'", "1", &keys[0]]);
    for n in 0..300 {
        pipeline.extend(command(&["SET", &keys[n % 3].replace("key", "other"), &n.to_string()]));
        pipeline.extend(command(&["ECHO", &n.to_string()]));
    }
    client.send_bytes(&pipeline);
    wait_for("the requests to be taken", || {
        let page = cluster.ambassador.get("/metrics").1;
        page.contains("patterns_ambassador_redis_commands_total{command=\"echo\"}").then_some(())
    });
    cluster.ambassador.process.signal("TERM");
    assert_eq!(client.reply(), "slow");
    let ending = "-LOADING ambassador: it is ending, and nothing was executed; connect again";
    for n in 0..300 {
        assert_eq!((client.reply(), client.reply()), ("+OK".to_owned(), n.to_string()));
    }
    assert_eq!(client.reply(), "(closed)");
    for client in [&mut waiting, &mut listening] {
        assert_eq!((client.reply().as_str(), client.reply().as_str()), (ending, "(closed)"));
    }
    assert_eq!(cluster.ambassador.process.wait().code(), Some(0));
}

#[test]
fn policy_changes_on_every_shard_while_clients_stay() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.yaml");
    let write = |more: &str| std::fs::write(&file, format!("ambassador-redis:\n{more}")).unwrap();
    write("  read-from: primary\n");
    let cluster = Cluster::start(&["--config", &file.display().to_string()]);
    let mut client = cluster.client();
    let keys = cluster.keys();
    for key in &keys {
        assert_eq!(client.ask(&format!("SET {key} 1")), "+OK");
        assert_eq!(client.ask(&format!("GET {key}")), "1");
    }
    let replicas = || {
        let primaries = cluster.primaries();
        primaries.iter().filter(|primary| cluster.replica_of(primary).calls("get") > 0).count()
    };
    assert_eq!(replicas(), 0);
    write("  read-from: prefer-replica\n  deny: [flushall]\n  fault-error: [\"strlen=100\"]\n");
    wait_for("reads on every shard's replica", || {
        keys.iter().for_each(|key| assert_eq!(client.ask(&format!("GET {key}")), "1"));
        (replicas() == 3).then_some(())
    });
    wait_for("the new policy", || client.ask("FLUSHALL").starts_with("-NOPERM ambassador").then_some(()));
    assert!(client.ask(&format!("STRLEN {}", keys[0])).contains("an error on purpose"));
}

#[test]
fn without_its_replica_a_shard_answers_no_read_if_only_replicas_may() {
    let cluster = Cluster::start(&["--read-from", "replica"]);
    let mut client = cluster.client();
    let keys = cluster.keys();
    for key in &keys {
        assert_eq!(client.ask(&format!("SET {key} 1")), "+OK");
        wait_for("a replica that is in step", || (client.ask(&format!("GET {key}")) == "1").then_some(()));
    }
    let primaries: u64 = cluster.primaries().iter().map(|primary| primary.calls("get")).sum();
    let alone = cluster.owner(&keys[1]);
    let replica = cluster.replica_of(alone);
    replica.process.signal("STOP");
    let refused = "-MASTERDOWN ambassador: no replica may answer now (--read-from replica), nothing was executed";
    wait_for("the silence to be noticed", || (client.ask(&format!("GET {}", keys[1])) == refused).then_some(()));
    for key in [&keys[0], &keys[2]] {
        assert_eq!(client.ask(&format!("GET {key}")), "1");
    }
    assert_eq!(client.ask(&format!("MGET {} {} {}", keys[0], keys[1], keys[2])), refused);
    assert_eq!(client.ask(&format!("SET {} 2", keys[1])), "+OK");
    replica.process.signal("CONT");
    wait_for("the replica again", || (client.ask(&format!("GET {}", keys[1])) == "2").then_some(()));
    let now: u64 = cluster.primaries().iter().map(|primary| primary.calls("get")).sum();
    // What a replica says that it does not have is asked of its primary, and so is what a replica may not know yet.
    assert!(now - primaries < 40, "{} reads on primaries", now - primaries);
}
