//! Commands that the ambassador knows only from the servers: those of modules, before and after a failover.

use std::process::Command;

use tempfile::TempDir;

use crate::servers::{Ambassador, RedisServer, Set};
use crate::support::{free_port, wait_for};

/// The compiled module.
fn module(dir: &TempDir) -> String {
    let path = dir.path().join("probe.so").display().to_string();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ambassador_redis/module.c");
    let done = Command::new("cc").args(["-shared", "-fPIC", "-o", &path, source]).status().expect("a C compiler");
    assert!(done.success());
    path
}

#[test]
fn commands_of_modules_are_learned_and_again_from_the_next_primary() {
    let dir = tempfile::tempdir().expect("a directory");
    let module = module(&dir);
    let with_module = || RedisServer::start_on(free_port(), &["--loadmodule", &module]);
    let (mut old, new, replica) = (RedisServer::start(), with_module(), with_module());
    new.follow(old.port);
    replica.follow(old.port);
    let address = |server: &RedisServer| format!("127.0.0.1:{}", server.port);
    let ambassador = Ambassador::start(&[
        "--primary".to_owned(),
        address(&old),
        "--replica".to_owned(),
        address(&new),
        "--replica".to_owned(),
        address(&replica),
    ]);
    ambassador.wait_until_ready();
    let mut client = ambassador.client();
    // What is not known goes to the primary, which does not know it either.
    assert!(client.ask("PROBE.READ k").starts_with("-ERR unknown command"));
    assert_eq!(new.client().ask("REPLICAOF NO ONE"), "+OK");
    replica.follow(new.port);
    old.process.signal("KILL");
    old.process.wait();
    wait_for("reads on the replica", || {
        client.ask("PROBE.READ k");
        (replica.calls("probe.read") > 0).then_some(())
    });
    assert_eq!((client.ask("PROBE.READ k"), client.ask("PROBE.WRITE k")), (":2".into(), ":2".into()));
    assert_eq!((new.calls("probe.write"), replica.calls("probe.write")), (1, 0));
}

#[test]
fn who_may_change_the_servers_roles_is_for_their_acl_to_say() {
    let set = Set::start(1, &[]);
    let mut client = set.client();
    assert_eq!(client.ask("REPLICAOF NO ONE"), "+OK");
    assert_eq!(set.primary.calls("replicaof"), 1);
    assert_eq!(set.primary.client().ask("ACL SETUSER default -replicaof"), "+OK");
    assert!(client.ask("REPLICAOF NO ONE").starts_with("-NOPERM"));
    assert!(client.ask("FAILOVER").contains("the command 'failover' is denied here (--deny)"));
}
