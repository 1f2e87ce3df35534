//! Primaries that die or freeze under load, and slots that move under whoever waits: every reply is checked against what was asked for.

use super::servers::{Cluster, id_of, slot_of};
use crate::load::{LOST_AT_MOST, under_load};
use crate::servers::RedisServer;
use crate::support::wait_for;

/// Waits until another server has the slots of this one.
fn replaced(cluster: &Cluster, replica: &RedisServer) {
    wait_for("the promotion", || replica.client().ask("ROLE").starts_with("[master").then_some(()));
    cluster.ambassador.wait_until_ready();
}

#[test]
fn a_primary_that_is_killed_under_load_costs_no_wrong_reply() {
    let cluster = Cluster::start(&[]);
    let primary = cluster.primaries()[0];
    let replica = cluster.replica_of(primary);
    let lost = under_load(&cluster.ambassador, || {
        primary.process.signal("KILL");
        replaced(&cluster, replica);
    });
    assert!(lost <= LOST_AT_MOST, "{lost} acknowledged writes are gone");
}

#[test]
fn a_primary_that_freezes_under_load_and_comes_back_costs_no_wrong_reply() {
    let cluster = Cluster::start(&[]);
    let primary = cluster.primaries()[0];
    let replica = cluster.replica_of(primary);
    let lost = under_load(&cluster.ambassador, || {
        primary.process.signal("STOP");
        replaced(&cluster, replica);
        primary.process.signal("CONT");
        wait_for("its demotion", || primary.client().ask("ROLE").starts_with("[slave").then_some(()));
    });
    assert!(lost <= LOST_AT_MOST, "{lost} acknowledged writes are gone");
}

/// Gives a slot to another primary, key by key.
fn move_slot(cluster: &Cluster, slot: u16, keys: &[&str], between: impl FnOnce()) {
    let from = cluster.owner_of_slot(slot);
    let to = *cluster.primaries().iter().find(|primary| primary.port != from.port).expect("another one");
    assert_eq!(to.client().ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", id_of(from))), "+OK");
    assert_eq!(from.client().ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", id_of(to))), "+OK");
    let port = to.port.to_string();
    let mut between = Some(between);
    for key in keys {
        assert_eq!(from.client().ask(&format!("MIGRATE 127.0.0.1 {port} {key} 0 5000")), "+OK");
        if let Some(between) = between.take() {
            between();
        }
    }
    for server in [to, from].into_iter().chain(cluster.primaries()) {
        assert_eq!(server.client().ask(&format!("CLUSTER SETSLOT {slot} NODE {}", id_of(to))), "+OK");
    }
}

#[test]
fn several_streams_are_read_whole_while_their_slot_moves() {
    let cluster = Cluster::start(&[]);
    let (mut client, mut reading) = (cluster.client(), cluster.client());
    for stream in ["{t}a", "{t}b"] {
        assert_eq!(client.ask(&format!("XADD {stream} 1-1 f {stream}")), "1-1");
        assert_eq!(client.ask(&format!("XGROUP CREATE {stream} g 0")), "+OK");
    }
    let expected = "[[{t}a, [[1-1, [f, {t}a]]]], [{t}b, [[1-1, [f, {t}b]]]]]";
    let slot = slot_of(&cluster.servers[0], "{t}");
    move_slot(&cluster, slot, &["{t}a", "{t}b"], || {
        // One stream is here and one is there: none of it is answered in half.
        reading.send(&["XREAD", "STREAMS", "{t}a", "{t}b", "0", "0"]);
        reading.send(&["XREADGROUP", "GROUP", "g", "c", "STREAMS", "{t}a", "{t}b", ">", ">"]);
        wait_for("the request to be tried", || {
            let told = |server: &RedisServer| server.client().ask("INFO errorstats").contains("TRYAGAIN");
            cluster.primaries().iter().any(|server| told(server)).then_some(())
        });
    });
    assert_eq!(reading.reply(), expected);
    assert_eq!(reading.reply(), expected);
    assert_eq!(client.ask("XREADGROUP GROUP g c STREAMS {t}a {t}b > >"), "(nil)", "taken once");
}

#[test]
fn whoever_waits_for_a_stream_goes_with_its_slot() {
    let cluster = Cluster::start(&[]);
    let (mut waiting, mut client) = (cluster.client(), cluster.client());
    assert_eq!(client.ask("XADD {t}a 1-1 f v"), "1-1");
    waiting.send(&["XREAD", "BLOCK", "0", "STREAMS", "{t}a", "{t}b", "1-1", "0"]);
    let slot = slot_of(&cluster.servers[0], "{t}");
    let from = cluster.owner_of_slot(slot);
    wait_for("the client to block", || from.client().ask("INFO clients").contains("blocked_clients:1").then_some(()));
    move_slot(&cluster, slot, &["{t}a"], || {});
    let blocked = |server: &&RedisServer| server.client().ask("INFO clients").contains("blocked_clients:1");
    wait_for("the client to block at the new place", || {
        (cluster.owner_of_slot(slot).port != from.port && blocked(&cluster.owner_of_slot(slot))).then_some(())
    });
    assert_eq!(client.ask("XADD {t}b 2-1 f v"), "2-1");
    assert_eq!(waiting.reply(), "[[{t}b, [[2-1, [f, v]]]]]");
}
