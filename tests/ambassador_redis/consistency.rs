//! Read-your-writes: no reply of a replica is older than what the application was told.

use crate::servers::{Ambassador, RedisServer, Set};
use crate::support::wait_for;

/// Writers and readers on several connections: every read must return the last acknowledged write or a later one.
fn stale_reads(set: &Set) -> usize {
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut client = set.client();
            let mut n = 0u64;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for _ in 0..50 {
                    n += 1;
                    client.send(&["SET", &format!("load{}", n % 100), &"x".repeat(200)]);
                }
                (0..50).for_each(|_| drop(client.reply()));
            }
        });
        let checks: Vec<_> = (0..3)
            .map(|writer| {
                scope.spawn(move || {
                    let (mut write, mut read) = (set.client(), set.client());
                    (1..=400u64)
                        .filter(|n| {
                            assert_eq!(write.ask(&format!("SET own{writer} {n}")), "+OK");
                            read.ask(&format!("GET own{writer}")).parse::<u64>().ok() != Some(*n)
                        })
                        .count()
                })
            })
            .collect();
        let stale = checks.into_iter().map(|check| check.join().expect("no panic")).sum();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        load.join().expect("no panic");
        stale
    })
}

#[test]
fn another_connection_of_the_application_reads_what_was_acknowledged() {
    let set = Set::start(2, &[]);
    assert_eq!(stale_reads(&set), 0);
    // While the replicas trail behind the writes the primary answers; afterwards they do.
    let (mut client, before) = (set.client(), set.replica_calls("get"));
    wait_for("reads on the replicas", || {
        client.ask("GET own0");
        (set.replica_calls("get") > before).then_some(())
    });
}

#[test]
fn a_replica_that_receives_nothing_more_gives_no_old_answer() {
    let set = Set::start(1, &["--probe-period", "1h"]);
    let mut client = set.client();
    assert_eq!(client.ask("SET k old"), "+OK");
    assert_eq!(client.ask("GET k"), "old");
    wait_for("the replica to have it", || (set.replicas[0].client().ask("GET k") == "old").then_some(()));
    // The replica keeps answering, but its primary lets it in no more.
    let mut primary = set.primary.client();
    assert_eq!(primary.ask("CONFIG SET requirepass x"), "+OK");
    assert_eq!(primary.ask("CLIENT KILL TYPE replica"), ":1");
    for n in 0..200 {
        assert_eq!(client.ask(&format!("SET k {n}")), "+OK");
        assert_eq!(client.ask("GET k"), n.to_string());
    }
    assert_eq!(set.replicas[0].client().ask("GET k"), "old");
}

#[test]
fn eventual_consistency_asks_for_no_offsets() {
    let set = Set::start(1, &["--consistency", "eventual", "--probe-period", "1h"]);
    let mut client = set.client();
    let roles = set.primary.calls("role");
    for n in 0..100 {
        client.ask(&format!("SET k {n}"));
        client.ask("GET k");
    }
    // New connections ask for the role once.
    assert!(set.primary.calls("role") - roles < 10);
}

#[test]
fn a_replica_that_follows_another_server_now_gives_no_answer() {
    let set = Set::start(1, &["--probe-period", "1h"]);
    let mut client = set.client();
    // Another server, whose offset is far ahead and which has none of the data.
    let other = RedisServer::start();
    let sink = RedisServer::start();
    sink.follow(other.port);
    let mut writer = other.client();
    for n in 0..100 {
        assert_eq!(writer.ask(&format!("SET filler{n} {}", "x".repeat(1000))), "+OK");
    }
    assert_eq!(client.ask("SET k v"), "+OK");
    set.replicas[0].follow(other.port);
    for n in 0..50 {
        assert_eq!(client.ask(&format!("SET k {n}")), "+OK");
        assert_eq!(client.ask("GET k"), n.to_string());
    }
}

#[test]
fn replicas_that_join_a_lone_primary_answer() {
    // Its first replica gives a primary's history another name; the connections that are there know the old one.
    let (primary, replica) = (RedisServer::start(), RedisServer::start());
    let named = |flag: &str, server: &RedisServer| format!("--{flag}=127.0.0.1:{}", server.port);
    let ambassador = Ambassador::start(&[named("primary", &primary), named("replica", &replica)]);
    ambassador.wait_until_ready();
    let mut client = ambassador.client();
    assert_eq!(client.ask("SET k 1"), "+OK");
    replica.follow(primary.port);
    wait_for("a read by the replica", || {
        assert_eq!(client.ask("GET k"), "1");
        (replica.calls("get") > 0).then_some(())
    });
}
