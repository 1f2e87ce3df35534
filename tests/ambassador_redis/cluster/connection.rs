//! What concerns the client's whole connection, over several shards: tracking, monitoring, muted replies; a mirror and faults.

use std::time::{Duration, Instant};

use super::servers::{Cluster, id_of, slot_of};
use crate::client::{Client, command};
use crate::servers::RedisServer;
use crate::support::wait_for;

const FORGET_ALL: &str = ">[invalidate, (nil)]";

fn greeted(cluster: &Cluster) -> Client {
    let mut client = cluster.client();
    client.ask("HELLO 3");
    client
}

#[test]
fn tracking_invalidates_what_was_read_on_any_shard() {
    let cluster = Cluster::start(&[]);
    let (mut cache, mut other) = (greeted(&cluster), cluster.client());
    let keys = cluster.keys();
    assert_eq!(cache.ask("CLIENT TRACKING ON NOLOOP"), "+OK");
    for key in &keys {
        assert_eq!(cache.ask(&format!("GET {key}")), "(nil)");
    }
    for key in &keys {
        assert_eq!(other.ask(&format!("SET {key} 1")), "+OK");
        assert_eq!(cache.reply(), format!(">[invalidate, [{key}]]"));
    }
    assert_eq!(cache.ask(&format!("MGET {}", keys.join(" "))), "[1, 1, 1]");
    assert_eq!(cache.ask(&format!("SET {} mine", keys[0])), "+OK", "not told of what it writes itself");
    assert_eq!(other.ask(&format!("SET {} 2", keys[1])), "+OK");
    assert_eq!(cache.reply(), format!(">[invalidate, [{}]]", keys[1]));
    assert!(cache.ask("CLIENT TRACKINGINFO").contains("noloop"));
    assert_eq!(cache.ask("CLIENT TRACKING OFF"), "+OK");
    assert_eq!(cache.ask(&format!("GET {}", keys[2])), "1");
    assert_eq!(other.ask(&format!("SET {} 3", keys[2])), "+OK");
    assert_eq!(cache.ask("PING"), "+PONG");
    assert!(cache.ask("CLIENT TRACKING ON REDIRECT 7").starts_with("-ERR ambassador: CLIENT TRACKING REDIRECT"));
    assert_eq!(cache.ask("CLIENT TRACKING ON NONSENSE"), "-ERR syntax error");
    assert_eq!(cache.ask(&format!("GET {}", keys[2])), "3");
}

#[test]
fn tracking_on_request_tracks_the_next_request_wherever_it_goes() {
    let cluster = Cluster::start(&[]);
    let (mut cache, mut other) = (greeted(&cluster), cluster.client());
    let keys = cluster.keys();
    let wrong = cache.ask("CLIENT CACHING YES");
    assert!(wrong.starts_with("-ERR CLIENT CACHING can be called only when"), "{wrong}");
    assert_eq!(cache.ask("CLIENT TRACKING ON OPTIN"), "+OK");
    assert!(cache.ask("CLIENT CACHING NO").starts_with("-ERR CLIENT CACHING NO is only valid"));
    for key in &keys {
        assert_eq!(cache.ask("CLIENT CACHING YES"), "+OK");
        assert_eq!(cache.ask(&format!("GET {key}")), "(nil)");
        // Not the one behind it.
        assert_eq!(cache.ask(&format!("GET {{{key}}}other")), "(nil)");
        assert_eq!(other.ask(&format!("SET {{{key}}}other 1")), "+OK");
        assert_eq!(other.ask(&format!("SET {key} 1")), "+OK");
        assert_eq!(cache.reply(), format!(">[invalidate, [{key}]]"));
    }
    for words in [&["CLIENT", "CACHING", "YES"][..], &["MGET", &keys[0], &keys[1], &keys[2]]] {
        cache.send(words);
    }
    assert_eq!((cache.reply(), cache.reply()), ("+OK".to_owned(), "[1, 1, 1]".to_owned()));
    for key in &keys {
        other.ask(&format!("DEL {key}"));
        assert_eq!(cache.reply(), format!(">[invalidate, [{key}]]"));
    }
    for line in ["CLIENT CACHING YES", "MULTI"] {
        assert_eq!(cache.ask(line), "+OK");
    }
    assert_eq!(cache.ask(&format!("GET {}", keys[1])), "+QUEUED");
    assert_eq!(cache.ask("EXEC"), "[(nil)]");
    other.ask(&format!("SET {} 9", keys[1]));
    assert_eq!(cache.reply(), format!(">[invalidate, [{}]]", keys[1]));
    assert_eq!(cache.ask("CLIENT TRACKING OFF"), "+OK");
    assert_eq!(cache.ask("CLIENT TRACKING ON OPTOUT"), "+OK");
    assert_eq!(cache.ask("CLIENT CACHING NO"), "+OK");
    assert_eq!(cache.ask(&format!("GET {}", keys[1])), "9");
    assert_eq!(cache.ask(&format!("GET {}", keys[2])), "(nil)");
    other.ask(&format!("SET {} 10", keys[1]));
    other.ask(&format!("SET {} 10", keys[2]));
    assert_eq!(cache.reply(), format!(">[invalidate, [{}]]", keys[2]));
}

#[test]
fn tracking_by_prefix_hears_every_shard() {
    let cluster = Cluster::start(&[]);
    let (mut cache, mut other) = (greeted(&cluster), cluster.client());
    assert_eq!(cache.ask("CLIENT TRACKING ON BCAST PREFIX key PREFIX x"), "+OK");
    let overlap = cache.ask("CLIENT TRACKING ON BCAST PREFIX keys");
    assert!(overlap.starts_with("-ERR Prefix 'keys' overlaps"), "{overlap}");
    for key in cluster.keys() {
        assert_eq!(other.ask(&format!("SET {{{key}}}y 1")), "+OK");
        assert_eq!(other.ask(&format!("SET {key} 1")), "+OK");
        assert_eq!(cache.reply(), format!(">[invalidate, [{key}]]"));
    }
    assert_eq!(cache.ask("CLIENT TRACKING ON BCAST PREFIX {"), "+OK");
    for key in cluster.keys() {
        assert_eq!(other.ask(&format!("SET {{{key}}}y 2")), "+OK");
        assert_eq!(cache.reply(), format!(">[invalidate, [{{{key}}}y]]"));
    }
}

/// Reads until the client is told to forget everything.
fn until_told_to_forget(client: &mut Client) {
    while client.reply() != FORGET_ALL {}
}

#[test]
fn whoever_caches_is_told_to_forget_when_a_shard_that_tracks_is_lost() {
    let cluster = Cluster::start(&[]);
    let (mut cache, mut broadcast, mut other) = (greeted(&cluster), greeted(&cluster), cluster.client());
    let keys = cluster.keys();
    assert_eq!(broadcast.ask("CLIENT TRACKING ON BCAST"), "+OK");
    assert_eq!(cache.ask("CLIENT TRACKING ON"), "+OK");
    for key in &keys {
        assert_eq!(cache.ask(&format!("GET {key}")), "(nil)");
    }
    let owner = cluster.owner(&keys[1]);
    let replica = cluster
        .servers
        .iter()
        .find(|server| server.client().ask("ROLE").starts_with(&format!("[slave, 127.0.0.1, :{}", owner.port)))
        .expect("a replica");
    assert_eq!(replica.client().ask("CLUSTER FAILOVER"), "+OK");
    until_told_to_forget(&mut cache);
    // Once when the session is lost, and once when there is another one.
    until_told_to_forget(&mut broadcast);
    until_told_to_forget(&mut broadcast);
    assert_eq!(cache.ask(&format!("GET {}", keys[1])), "(nil)");
    assert_eq!(other.ask(&format!("SET {} 1", keys[1])), "+OK");
    assert_eq!(cache.reply(), format!(">[invalidate, [{}]]", keys[1]), "the next primary tracks");
    assert_eq!(broadcast.reply(), format!(">[invalidate, [{}]]", keys[1]));
}

#[test]
fn keys_that_move_with_their_slot_are_invalidated() {
    let cluster = Cluster::start(&[]);
    let (mut cache, mut other) = (greeted(&cluster), cluster.client());
    assert_eq!(other.ask("SET {t}a 1"), "+OK");
    assert_eq!(cache.ask("CLIENT TRACKING ON OPTIN"), "+OK");
    let slot = slot_of(&cluster.servers[0], "{t}");
    let from = cluster.owner_of_slot(slot);
    let to = *cluster.primaries().iter().find(|primary| primary.port != from.port).expect("another one");
    assert_eq!(cache.ask("CLIENT CACHING YES"), "+OK");
    assert_eq!(cache.ask("GET {t}a"), "1");
    assert_eq!(to.client().ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", id_of(from))), "+OK");
    assert_eq!(from.client().ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", id_of(to))), "+OK");
    let mut migrate = from.client();
    migrate.send(&["MIGRATE", "127.0.0.1", &to.port.to_string(), "{t}a", "0", "5000"]);
    assert_eq!(migrate.reply(), "+OK");
    assert_eq!(cache.reply(), ">[invalidate, [{t}a]]");
    // Who asks at the new place while the slot is on its way is not tracked there, and is told not to keep it.
    assert_eq!(cache.ask("CLIENT CACHING YES"), "+OK");
    assert_eq!(cache.ask("GET {t}a"), "1");
    assert_eq!(cache.reply(), FORGET_ALL);
}

#[test]
fn replies_that_a_client_does_not_want_are_left_out() {
    let (cluster, single) = (Cluster::start(&[]), RedisServer::start());
    let keys = cluster.keys();
    let mut script = Vec::new();
    let lines = [
        "CLIENT REPLY SKIP",
        "SET @ 1",
        "GET @",
        "CLIENT REPLY OFF",
        "SET # 2",
        "MGET @ #",
        "NONSENSE @",
        "MULTI",
        "INCR @",
        "EXEC",
        "CLIENT REPLY SKIP",
        "CLIENT REPLY NONSENSE",
        "CLIENT REPLY",
        "PING",
        "CLIENT REPLY ON",
        "MGET @ #",
        "CLIENT REPLY SKIP",
        "CLIENT REPLY SKIP",
        "MGET @ #",
        "CLIENT REPLY NONSENSE",
        "CLIENT REPLY",
        "CLIENT REPLY SKIP",
        "DEL @ #",
        "EXISTS @ #",
        "CLIENT REPLY OFF",
        "RESET",
        "PING",
        "CLIENT REPLY OFF",
        "QUIT",
    ];
    for line in lines {
        let line = line.replace('@', &keys[0]).replace('#', &keys[1]);
        script.extend(command(&line.split(' ').collect::<Vec<_>>()));
    }
    let all = |mut client: Client| {
        client.send_bytes(&script);
        let mut replies = Vec::new();
        while replies.last().is_none_or(|reply| reply != "(closed)") {
            replies.push(client.reply());
        }
        replies
    };
    assert_eq!(all(cluster.client()), all(single.client()));
}

#[test]
fn a_monitor_sees_what_is_done_on_every_shard() {
    let cluster = Cluster::start(&[]);
    let (mut monitor, mut other) = (cluster.client(), cluster.client());
    assert_eq!(monitor.ask("MONITOR"), "+OK");
    for key in cluster.keys() {
        assert_eq!(other.ask(&format!("SET {key} seen")), "+OK");
        let wanted = format!("\"SET\" \"{key}\" \"seen\"");
        wait_for("the line", || monitor.reply().ends_with(&wanted).then_some(()));
    }
    monitor.send(&["RESET"]);
    wait_for("the end of it", || (monitor.reply() == "+RESET").then_some(()));
    assert_eq!(other.ask("PING"), "+PONG");
    assert_eq!(monitor.ask("PING"), "+PONG");
}

#[test]
fn whoever_listens_goes_on_listening_when_it_says_more_about_itself() {
    let cluster = Cluster::start(&[]);
    let (mut listening, mut publisher) = (greeted(&cluster), cluster.client());
    assert_eq!(listening.ask("SUBSCRIBE ch"), ">[subscribe, ch, :1]");
    assert_eq!(listening.ask("CLIENT SETNAME me"), "+OK");
    assert_eq!(publisher.ask("PUBLISH ch one"), ":1");
    assert_eq!(listening.reply(), ">[message, ch, one]");
    listening.ask("HELLO 2");
    assert_eq!(publisher.ask("PUBLISH ch two"), ":1");
    assert_eq!(listening.reply(), "[message, ch, two]");
}

#[test]
fn a_large_value_goes_to_a_shard_that_must_be_greeted_first() {
    let cluster = Cluster::start(&[]);
    let large = "x".repeat(5 << 20);
    for key in cluster.keys() {
        let mut client = greeted(&cluster);
        client.send(&["SET", &key, &large]);
        assert_eq!(client.reply(), "+OK");
        assert_eq!(client.ask(&format!("STRLEN {key}")), format!(":{}", large.len()));
    }
}

#[test]
fn what_a_client_does_not_read_is_not_fetched_for_it() {
    let cluster = Cluster::start(&[]);
    let mut client = cluster.client();
    let keys = cluster.keys();
    for key in &keys {
        client.send(&["SET", key, &"x".repeat(1 << 20)]);
        assert_eq!(client.reply(), "+OK");
    }
    let before = cluster.ambassador.memory_kib("VmRSS:");
    let mut pipeline = Vec::new();
    (0..300).for_each(|n| pipeline.extend(command(&["GET", &keys[n % keys.len()]])));
    client.send_bytes(&pipeline);
    wait_for("the servers to have been asked", || (cluster.calls("get") >= 3).then_some(()));
    let mut patient = cluster.client();
    for key in keys.iter().cycle().take(60) {
        assert_eq!(patient.ask(&format!("STRLEN {key}")), format!(":{}", 1 << 20));
    }
    for _ in 0..300 {
        assert_eq!(client.reply().len(), 1 << 20);
    }
    let peak = cluster.ambassador.memory_kib("VmHWM:") - before;
    assert!(peak < 100 << 10, "{peak} KiB for a client that does not read");
}

#[test]
fn a_mirror_gets_what_the_application_has_sent() {
    let mirror = RedisServer::start();
    let cluster = Cluster::start(&["--mirror", &format!("127.0.0.1:{}", mirror.port)]);
    let mut client = cluster.client();
    let keys = cluster.keys();
    assert_eq!(client.ask(&format!("MSET {} 1 {} 2 {} 3", keys[0], keys[1], keys[2])), "+OK");
    for n in 0..100 {
        client.send(&["INCR", &format!("n{n}")]);
    }
    (0..100).for_each(|_| assert_eq!(client.reply(), ":1"));
    client.ask("GET n1");
    wait_for("the copies", || (mirror.calls("incr") == 100).then_some(()));
    assert_eq!((mirror.calls("mset"), mirror.calls("set"), mirror.calls("get")), (1, 0, 0));
    assert!(cluster.ambassador.get("/metrics").1.contains("mirrored_total{result=\"copied\"} 101"));
}

#[test]
fn faults_on_purpose_strike_what_they_name_and_keep_the_order() {
    let cluster = Cluster::start(&["--fault-error", "get=100", "--fault-delay", "incr=200ms@100"]);
    let mut client = cluster.client();
    let mut pipeline = Vec::new();
    for words in [&["SET", "k", "1"][..], &["GET", "k"], &["INCR", "k"], &["ECHO", "last"], &["GET", "k"]] {
        pipeline.extend(command(words));
    }
    let begun = Instant::now();
    client.send_bytes(&pipeline);
    assert_eq!(client.reply(), "+OK");
    let error = "-ERR ambassador: an error on purpose (--fault-error), nothing was executed";
    assert_eq!(client.reply(), error);
    assert_eq!(cluster.client().ask("PING"), "+PONG", "others do not wait");
    assert_eq!(client.reply(), ":2");
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!((client.reply(), client.reply()), ("last".to_owned(), error.to_owned()));
    assert_eq!(client.ask("MGET k absent"), "[2, (nil)]", "its parts are not struck");
    assert_eq!(client.ask("MULTI"), "+OK");
    assert_eq!(client.ask("GET k"), error);
    assert!(client.ask("EXEC").starts_with("-EXECABORT"));
}
