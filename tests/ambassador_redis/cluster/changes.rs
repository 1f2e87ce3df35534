//! Slots that move and servers that fail, while clients write: every reply is checked against what was written.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::servers::{Cluster, agree, id_of, redis_cli, server, slot_of};
use crate::client::{Client, command};
use crate::servers::RedisServer;
use crate::support::wait_for;

/// One client with keys of its own: writes and reads them in pipelines, and knows what each must hold. Returns what was wrong.
fn check(client: &mut Client, own: usize, stop: &AtomicBool, rounds: &AtomicU64) -> Vec<String> {
    let (mut model, mut wrong) = (HashMap::new(), Vec::new());
    let mut round = 0u64;
    while !stop.load(Ordering::Relaxed) && wrong.len() < 5 {
        round += 1;
        let names: Vec<String> = (0..16).map(|n| format!("own{own}:{}", (round * 7 + n) % 400)).collect();
        let mut pipeline = Vec::new();
        for name in &names {
            pipeline.extend(command(&["INCR", name]));
            pipeline.extend(command(&["GET", name]));
        }
        let keys: Vec<&str> = std::iter::once("MGET").chain(names.iter().map(String::as_str)).collect();
        pipeline.extend(command(&keys));
        client.send_bytes(&pipeline);
        for name in &names {
            let value: &mut u64 = model.entry(name.clone()).or_default();
            *value += 1;
            for (reply, expected) in [(client.reply(), format!(":{value}")), (client.reply(), value.to_string())] {
                if reply != expected {
                    wrong.push(format!("{name} in round {round}: {reply}, not {expected}"));
                }
            }
        }
        let expected: Vec<String> = names.iter().map(|name| model[name].to_string()).collect();
        let reply = client.reply();
        if reply != format!("[{}]", expected.join(", ")) {
            wrong.push(format!("MGET in round {round}: {reply}, not {expected:?}"));
        }
        // Alone, so that a replica may answer.
        for (name, expected) in names.iter().zip(&expected) {
            let reply = client.ask(&format!("GET {name}"));
            if reply != *expected {
                wrong.push(format!("{name} read alone in round {round}: {reply}, not {expected}"));
            }
        }
        rounds.fetch_add(1, Ordering::Relaxed);
    }
    wrong
}

/// Lets clients work while `change` happens, and a while after it.
fn under_load(cluster: &Cluster, change: impl FnOnce()) -> Vec<String> {
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    /// Lets the clients end when the change fails, too.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let guard = Stop(&stop);
        let checks: Vec<_> = (0..4)
            .map(|own| {
                let (stop, rounds) = (&stop, &rounds);
                scope.spawn(move || check(&mut cluster.client(), own, stop, rounds))
            })
            .collect();
        let more = |count: u64| {
            let before = rounds.load(Ordering::Relaxed);
            wait_for("more rounds", || {
                let done =
                    rounds.load(Ordering::Relaxed) >= before + count || checks.iter().any(|check| check.is_finished());
                done.then_some(())
            });
        };
        more(20);
        change();
        more(40);
        drop(guard);
        checks.into_iter().flat_map(|check| check.join().expect("no panic")).collect()
    })
}

#[test]
fn while_slots_move_no_reply_is_wrong() {
    let cluster = Cluster::start(&[]);
    let primaries = cluster.primaries();
    let (from, to) = (id_of(primaries[0]), id_of(primaries[1]));
    let seed = format!("127.0.0.1:{}", cluster.servers[0].port);
    let wrong = under_load(&cluster, || {
        let from_to = ["--cluster-from", &from, "--cluster-to", &to];
        redis_cli(&[&["reshard", &seed][..], &from_to, &["--cluster-slots", "2000", "--cluster-yes"]].concat());
        agree(&seed);
        let to_from = ["--cluster-from", &to, "--cluster-to", &from];
        redis_cli(&[&["reshard", &seed][..], &to_from, &["--cluster-slots", "1000", "--cluster-yes"]].concat());
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_server_that_joins_is_used_as_soon_as_it_has_slots() {
    let cluster = Cluster::start(&[]);
    let seed = format!("127.0.0.1:{}", cluster.servers[0].port);
    let joining = server();
    let wrong = under_load(&cluster, || {
        redis_cli(&["add-node", &format!("127.0.0.1:{}", joining.port), &seed]);
        wait_for("the servers to know it", || {
            cluster
                .servers
                .iter()
                .all(|server| server.client().ask("CLUSTER NODES").contains(&id_of(&joining)))
                .then_some(())
        });
        agree(&seed);
        wait_for("its readiness", || joining.client().ask("CLUSTER INFO").contains("cluster_state:ok").then_some(()));
        let (from, to) = (id_of(cluster.primaries()[0]), id_of(&joining));
        let from_to = ["--cluster-from", &from, "--cluster-to", &to];
        redis_cli(&[&["reshard", &seed][..], &from_to, &["--cluster-slots", "3000", "--cluster-yes"]].concat());
    });
    assert_eq!(wrong, Vec::<String>::new());
    assert!(joining.calls("incr") > 0);
}

#[test]
fn a_failover_by_the_operator_shows_no_error_and_loses_nothing() {
    let cluster = Cluster::start(&[]);
    let wrong = under_load(&cluster, || {
        let replica =
            cluster.servers.iter().find(|server| server.client().ask("ROLE").contains("slave")).expect("a replica");
        assert_eq!(replica.client().ask("CLUSTER FAILOVER"), "+OK");
        wait_for("the promotion", || replica.client().ask("ROLE").contains("master").then_some(()));
    });
    assert_eq!(wrong, Vec::<String>::new());
}

/// Makes a slot one that is being moved, without moving a key.
fn begin_to_move(slot: u16, from: &RedisServer, to: &RedisServer) {
    assert_eq!(to.client().ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", id_of(from))), "+OK");
    assert_eq!(from.client().ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", id_of(to))), "+OK");
}

fn move_keys(keys: &str, from: &RedisServer, to: &RedisServer) {
    let mut words =
        vec!["MIGRATE".to_owned(), "127.0.0.1".to_owned(), to.port.to_string(), String::new(), "0".to_owned()];
    words.extend(["5000", "KEYS"].map(str::to_owned));
    words.extend(keys.split(' ').map(str::to_owned));
    let mut client = from.client();
    client.send(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(client.reply(), "+OK");
}

#[test]
fn keys_of_a_slot_that_is_being_moved_are_found_at_both_places() {
    let cluster = Cluster::start(&[]);
    let mut client = cluster.client();
    let keys = ["{t}a", "{t}b", "{t}c"];
    for key in keys {
        assert_eq!(client.ask(&format!("SET {key} 1")), "+OK");
    }
    let slot = slot_of(&cluster.servers[0], "{t}");
    let from = cluster.owner_of_slot(slot);
    let to = *cluster.primaries().iter().find(|primary| primary.port != from.port).expect("another one");
    // Reads are the replicas' now.
    let before = from.calls("get");
    wait_for("reads on the replica", || {
        let at_primary = from.calls("get");
        assert_eq!(client.ask("GET {t}a"), "1");
        (from.calls("get") == at_primary && at_primary >= before).then_some(())
    });
    begin_to_move(slot, from, to);
    move_keys("{t}a", from, to);
    for _ in 0..20 {
        assert_eq!(client.ask("GET {t}a"), "1", "its old replica says that there is none");
        assert_eq!(client.ask("GET {t}b"), "1");
        assert_eq!(client.ask("GET {t}none"), "(nil)");
    }
    assert_eq!(client.ask("INCR {t}a"), ":2");
    // One key is here and one is there: it waits until the slot has moved.
    client.send(&["MSET", "{t}a", "9", "{t}b", "9"]);
    wait_for("the request to be tried", || {
        (from.calls("mset") > 0
            || to.client().ask("INFO errorstats").contains("TRYAGAIN")
            || from.client().ask("INFO errorstats").contains("TRYAGAIN"))
        .then_some(())
    });
    move_keys("{t}b {t}c", from, to);
    for server in cluster.primaries() {
        assert_eq!(server.client().ask(&format!("CLUSTER SETSLOT {slot} NODE {}", id_of(to))), "+OK");
    }
    assert_eq!(client.reply(), "+OK");
    assert_eq!(client.ask("MGET {t}a {t}b {t}c"), "[9, 9, 1]");
}

#[test]
fn a_transaction_whose_slot_moves_is_done_at_the_new_place() {
    let cluster = Cluster::start(&[]);
    let (mut plain, mut watching) = (cluster.client(), cluster.client());
    let slot = slot_of(&cluster.servers[0], "{t}");
    let from = cluster.owner_of_slot(slot);
    let to = *cluster.primaries().iter().find(|primary| primary.port != from.port).expect("another one");
    assert_eq!(watching.ask("WATCH {t}a"), "+OK");
    for client in [&mut plain, &mut watching] {
        assert_eq!(client.ask("MULTI"), "+OK");
        assert_eq!(client.ask("INCR {t}a"), "+QUEUED");
    }
    for server in [to, from].into_iter().chain(cluster.primaries()) {
        assert_eq!(server.client().ask(&format!("CLUSTER SETSLOT {slot} NODE {}", id_of(to))), "+OK");
    }
    for client in [&mut plain, &mut watching] {
        assert_eq!(client.ask("INCR {t}b"), "+QUEUED");
    }
    assert_eq!(plain.ask("EXEC"), "[:1, :1]");
    assert_eq!(watching.ask("EXEC"), "(nil)");
    assert_eq!(plain.ask("MGET {t}a {t}b"), "[1, 1]");
}

#[test]
fn a_killed_primary_is_replaced_and_no_read_and_no_new_write_fails() {
    let mut cluster = Cluster::start(&[]);
    let keys = cluster.keys();
    let mut client = cluster.client();
    for key in &keys {
        assert_eq!(client.ask(&format!("SET {key} 1")), "+OK");
    }
    assert_eq!(client.ask("WAIT 1 5000"), ":1");
    let port = cluster.owner(&keys[0]).port;
    let killed = cluster.servers.iter_mut().find(|server| server.port == port).expect("it is one of them");
    killed.process.signal("KILL");
    killed.process.wait();
    let mut client = cluster.client();
    for key in &keys {
        assert_eq!(client.ask(&format!("GET {key}")), "1");
        assert_eq!(client.ask(&format!("INCR {key}")), ":2");
        assert_eq!(client.ask(&format!("GET {key}")), "2");
    }
    cluster.ambassador.wait_until_ready();
}

#[test]
fn a_replica_that_stands_still_costs_no_read() {
    let cluster = Cluster::start(&[]);
    let mut client = cluster.client();
    let keys = cluster.keys();
    for key in &keys {
        assert_eq!(client.ask(&format!("SET {key} 1")), "+OK");
    }
    let replica =
        cluster.servers.iter().find(|server| server.client().ask("ROLE").contains("slave")).expect("a replica");
    replica.process.signal("STOP");
    for _ in 0..50 {
        for key in &keys {
            assert_eq!(client.ask(&format!("GET {key}")), "1");
        }
    }
    replica.process.signal("CONT");
}

#[test]
fn without_a_cluster_each_request_is_answered_with_the_reason() {
    let port = crate::support::free_port();
    let ambassador = crate::servers::Ambassador::start(&["--cluster".to_owned(), format!("127.0.0.1:{port}")]);
    wait_for("the reason", || ambassador.get("/readyz").1.contains("refused").then_some(()));
    let answer = ambassador.client().ask("GET k");
    assert!(answer.starts_with("-LOADING ambassador: the Cluster is not known (127.0.0.1:"), "{answer}");
    let _alone = RedisServer::start_on(port, &[]);
    wait_for("another reason", || ambassador.get("/readyz").1.contains("cluster support disabled").then_some(()));
}
