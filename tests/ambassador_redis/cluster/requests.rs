//! What a client of one Redis sends, over several shards.

use std::collections::HashSet;

use super::servers::Cluster;
use crate::client::command;
use crate::support::wait_for;

#[test]
fn requests_find_their_shards_and_replies_keep_their_order() {
    let cluster = Cluster::start(&[]);
    let mut client = cluster.client();
    let mut pipeline = Vec::new();
    for n in 0..500 {
        pipeline.extend(command(&["SET", &format!("k{n}"), &n.to_string()]));
        pipeline.extend(command(&["GET", &format!("k{n}")]));
        pipeline.extend(command(&["ECHO", &n.to_string()]));
    }
    client.send_bytes(&pipeline);
    for n in 0..500 {
        assert_eq!(client.reply(), "+OK");
        assert_eq!(client.reply(), n.to_string());
        assert_eq!(client.reply(), n.to_string());
    }
    assert!(cluster.primaries().iter().all(|primary| primary.calls("set") > 0));
    // Once the replicas are known to be in step they answer.
    let replicas =
        || cluster.calls("get") - cluster.primaries().iter().map(|primary| primary.calls("get")).sum::<u64>();
    wait_for("reads on the replicas", || {
        let before = replicas();
        for n in 0..100 {
            assert_eq!(client.ask(&format!("GET k{n}")), n.to_string());
        }
        (replicas() - before == 100).then_some(())
    });
}

#[test]
fn commands_with_several_keys_are_taken_apart_or_refused() {
    let cluster = Cluster::start(&[]);
    let mut client = cluster.client();
    let keys = cluster.keys();
    let (a, b, c) = (&keys[0], &keys[1], &keys[2]);
    assert_eq!(client.ask(&format!("MSET {a} 1 {b} 2 {c} 3")), "+OK");
    assert_eq!(client.ask(&format!("MGET {a} missing {c} {b}")), "[1, (nil), 3, 2]");
    assert_eq!(client.ask(&format!("EXISTS {a} {b} {a} missing")), ":3");
    assert_eq!(client.ask(&format!("TOUCH {a} {b}")), ":2");
    assert_eq!(client.ask(&format!("DEL {a} {b}")), ":2");
    assert_eq!(client.ask(&format!("UNLINK {c} {b}")), ":1");
    client.ask(&format!("RPUSH {a} x"));
    client.ask(&format!("SET {b} 2"));
    assert_eq!(client.ask(&format!("MGET {a} {b}")), "[(nil), 2]");
    let crossed = "-CROSSSLOT Keys in request don't hash to the same slot; ambassador: over a Redis Cluster their names must have the same \
                   part in braces, as {x}a and {x}b have";
    for line in
        ["MSETNX @ 1 # 2", "RENAME @ #", "SINTER @ #", "EVAL x 2 @ #", "BLPOP @ # 1", "WATCH @ #", "SUNIONSTORE @ #"]
    {
        assert_eq!(client.ask(&line.replace("@", a).replace("#", b)), crossed, "{line}");
    }
    assert_eq!(client.ask("MSETNX {t}a 1 {t}b 2"), ":1");
    assert_eq!(client.ask("MGET {t}a {t}b"), "[1, 2]");
    assert_eq!(client.ask("EVAL return{KEYS[1],ARGV[1]} 1 {t}a x"), "[{t}a, x]");
    assert_eq!(client.ask("MSET a"), "-ERR wrong number of arguments for 'mset' command");
    assert_eq!(client.ask("MSET a 1 b"), "-ERR wrong number of arguments for 'mset' command");
    assert_eq!(client.ask("GET"), "-ERR wrong number of arguments for 'get' command");
    assert!(client.ask("NONSENSE x").starts_with("-ERR unknown command 'NONSENSE'"));
}

#[test]
fn what_concerns_all_keys_is_asked_of_all_shards() {
    let cluster = Cluster::start(&[]);
    let mut client = cluster.client();
    for n in 0..300 {
        client.send(&["SET", &format!("k{n}"), "v"]);
    }
    (0..300).for_each(|_| assert_eq!(client.reply(), "+OK"));
    assert_eq!(client.ask("DBSIZE"), ":300");
    assert!(client.ask("INFO keyspace").contains("db0:keys=300,"));
    assert_eq!(client.ask("KEYS k1*").split(", ").count(), 111);
    assert_eq!(client.ask("CONFIG SET slowlog-log-slower-than 0"), "+OK");
    assert_eq!(client.ask("SLOWLOG GET 2").matches("127.0.0.1:").count(), 2);
    assert_eq!(client.ask("CONFIG SET slowlog-log-slower-than -1"), "+OK");
    let all: HashSet<String> = (0..300).map(|n| format!("k{n}")).collect();
    let (mut seen, mut cursor, mut count) = (HashSet::new(), "0".to_owned(), 0);
    loop {
        let reply = client.ask(&format!("SCAN {cursor} COUNT 10"));
        let (next, keys) = reply[1..reply.len() - 1].split_once(", ").expect("a cursor and keys");
        let keys = keys.trim_matches(['[', ']']);
        for key in keys.split(", ").filter(|key| !key.is_empty()) {
            seen.insert(key.to_owned());
            count += 1;
        }
        cursor = next.to_owned();
        assert!(cursor.parse::<i64>().is_ok(), "an integer for any client");
        if cursor == "0" {
            break;
        }
    }
    assert_eq!((seen, count), (all.clone(), 300));
    let random: HashSet<String> = (0..50).map(|_| client.ask("RANDOMKEY")).collect();
    assert!(random.len() > 5 && random.is_subset(&all));
    let sha = client.ask("SCRIPT LOAD return(1)");
    assert_eq!(client.ask(&format!("SCRIPT EXISTS {sha} 0000")), "[:1, :0]");
    for key in cluster.keys() {
        assert_eq!(client.ask(&format!("EVALSHA {sha} 1 {key}")), ":1");
    }
    assert_eq!(client.ask("CONFIG SET slowlog-max-len 77"), "+OK");
    assert!(
        cluster.primaries().iter().all(|primary| primary.client().ask("CONFIG GET slowlog-max-len").contains("77"))
    );
    assert_eq!(client.ask("WAIT 1 1000"), ":1");
    assert_eq!(client.ask("FLUSHALL"), "+OK");
    assert_eq!(client.ask("DBSIZE"), ":0");
    assert_eq!(client.ask("RANDOMKEY"), "(nil)");
}

#[test]
fn the_application_sees_a_redis_that_stands_alone() {
    let cluster = Cluster::start(&[]);
    let mut client = cluster.client();
    assert!(client.ask("HELLO 3").contains("mode, standalone"));
    let info = client.ask("INFO");
    assert!(info.contains("redis_mode:standalone") && info.contains("cluster_enabled:0"), "{info}");
    for line in ["CLUSTER INFO", "CLUSTER SLOTS", "READONLY", "ASKING"] {
        assert_eq!(client.ask(line), "-ERR This instance has cluster support disabled");
    }
    assert_eq!(client.ask("SELECT 0"), "+OK");
    assert_eq!(client.ask("SELECT 1"), "-ERR SELECT is not allowed in cluster mode");
    assert_eq!(client.ask("CLIENT SETNAME me"), "+OK");
    assert_eq!(client.ask("CLIENT GETNAME"), "me");
    for key in cluster.keys() {
        assert_eq!(client.ask(&format!("GET {key}")), "(nil)");
        client.ask(&format!("HSET {key} f v"));
        assert_eq!(client.ask(&format!("HGETALL {key}")), "{f, v}", "every shard speaks RESP3 to it");
    }
    assert_eq!(client.ask("RESET"), "+RESET");
    assert_eq!(client.ask("CLIENT GETNAME"), "(nil)");
    assert_eq!(client.ask("HGETALL absent"), "[]");
    assert_eq!(client.ask("QUIT"), "+OK");
    assert_eq!(client.reply(), "(closed)");
}

#[test]
fn a_transaction_is_done_by_the_shard_of_its_first_key() {
    let cluster = Cluster::start(&[]);
    let (mut one, mut other) = (cluster.client(), cluster.client());
    let keys = cluster.keys();
    for key in &keys {
        assert_eq!(one.ask("MULTI"), "+OK");
        assert_eq!(one.ask("PING"), "+QUEUED");
        assert_eq!(one.ask(&format!("INCR {key}")), "+QUEUED");
        assert_eq!(one.ask(&format!("GET {key}")), "+QUEUED");
        assert_eq!(one.ask("EXEC"), "[+PONG, :1, 1]");
    }
    let (a, b) = (&keys[0], &keys[1]);
    assert_eq!(one.ask(&format!("WATCH {a}")), "+OK");
    assert_eq!(one.ask(&format!("GET {b}")), "1");
    assert_eq!(other.ask(&format!("SET {a} other")), "+OK");
    assert_eq!(one.ask("MULTI"), "+OK");
    assert_eq!(one.ask(&format!("SET {a} one")), "+QUEUED");
    assert_eq!(one.ask("EXEC"), "(nil)");
    assert_eq!(one.ask(&format!("GET {a}")), "other");
    assert_eq!(one.ask("MULTI"), "+OK");
    assert_eq!(one.ask(&format!("SET {a} x")), "+QUEUED");
    assert!(
        one.ask(&format!("SET {b} x"))
            .starts_with("-CROSSSLOT Keys in request don't hash to the same slot; ambassador")
    );
    assert_eq!(one.ask("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
    assert_eq!(one.ask(&format!("GET {a}")), "other");
    assert_eq!(one.ask("MULTI"), "+OK");
    assert_eq!(one.ask(&format!("SET {a} x")), "+QUEUED");
    assert_eq!(one.ask("DISCARD"), "+OK");
    assert_eq!(one.ask("MULTI"), "+OK");
    assert_eq!(one.ask("EXEC"), "[]");
    assert_eq!(one.ask("EXEC"), "-ERR EXEC without MULTI");
    assert_eq!(one.ask("MULTI"), "+OK");
    assert_eq!(
        one.ask(&format!("NONSENSE {a}")).split(' ').take(3).collect::<Vec<_>>().join(" "),
        "-ERR unknown command"
    );
    assert_eq!(one.ask("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
    // All of it in one packet, as client libraries send it.
    let mut pipeline = Vec::new();
    for key in &keys {
        for words in [&["MULTI"][..], &["SET", key, "piped"], &["GET", key], &["EXEC"], &["GET", key]] {
            pipeline.extend(command(words));
        }
    }
    one.send_bytes(&pipeline);
    for _ in &keys {
        for expected in ["+OK", "+QUEUED", "+QUEUED", "[+OK, piped]", "piped"] {
            assert_eq!(one.reply(), expected);
        }
    }
}

#[test]
fn blocking_commands_wait_at_their_shard_and_an_abandoned_one_takes_nothing() {
    let cluster = Cluster::start(&[]);
    let mut pushing = cluster.client();
    for key in cluster.keys() {
        let blocked = || cluster.owner(&key).client().ask("INFO clients").contains("blocked_clients:1");
        let mut waiting = cluster.client();
        waiting.send(&["BLPOP", &key, "0"]);
        wait_for("the client to block", || blocked().then_some(()));
        assert_eq!(pushing.ask(&format!("RPUSH {key} a")), ":1");
        assert_eq!(waiting.reply(), format!("[{key}, a]"));
        waiting.send(&["BLPOP", &key, "0"]);
        wait_for("the client to block", || blocked().then_some(()));
        drop(waiting);
        wait_for("the block to end", || (!blocked()).then_some(()));
        assert_eq!(pushing.ask(&format!("RPUSH {key} b")), ":1");
        assert_eq!(pushing.ask(&format!("LLEN {key}")), ":1");
    }
}

#[test]
fn large_values_stream_in_both_directions() {
    let cluster = Cluster::start(&[]);
    let mut client = cluster.client();
    let large = "x".repeat(40 << 20);
    for key in cluster.keys() {
        client.send(&["SET", &key, &large]);
        client.send(&["STRLEN", &key]);
        client.send(&["GET", &key]);
        client.send(&["DEL", &key]);
        assert_eq!(client.reply(), "+OK");
        assert_eq!(client.reply(), format!(":{}", large.len()));
        assert!(client.reply() == large);
        assert_eq!(client.reply(), ":1");
    }
    let peak = cluster.ambassador.memory_kib("VmHWM:");
    assert!(peak < 100 << 10, "{peak} KiB");
}

#[test]
fn subscribers_hear_what_is_published_on_any_shard() {
    let cluster = Cluster::start(&[]);
    let (mut two, mut three, mut publisher) = (cluster.client(), cluster.client(), cluster.client());
    let keys = cluster.keys();
    assert_eq!(two.ask("SUBSCRIBE a b"), "[subscribe, a, :1]");
    assert_eq!(two.reply(), "[subscribe, b, :2]");
    three.ask("HELLO 3");
    assert_eq!(three.ask("PSUBSCRIBE *"), ">[psubscribe, *, :1]");
    assert_eq!(publisher.ask("PUBLISH a hi"), ":2");
    assert_eq!(two.reply(), "[message, a, hi]");
    assert_eq!(three.reply(), ">[pmessage, *, a, hi]");
    assert_eq!(cluster.servers[5].client().ask("PUBLISH b from-elsewhere"), ":0");
    assert_eq!(two.reply(), "[message, b, from-elsewhere]");
    assert_eq!(three.reply(), ">[pmessage, *, b, from-elsewhere]");
    assert_eq!(two.ask("PING"), "[pong, ]");
    assert!(two.ask("GET k").contains("only (P|S)SUBSCRIBE"), "the rule of RESP2");
    let left = [two.ask("UNSUBSCRIBE"), two.reply()];
    assert!(left[0].ends_with(":1]") && left[1].ends_with(":0]"), "{left:?}");
    for key in &keys {
        assert_eq!(two.ask(&format!("SET {key} 1")), "+OK", "an ordinary client again");
        assert_eq!(three.ask(&format!("GET {key}")), "1", "RESP3 allows both");
    }
    // Sharded channels: one client, three shards.
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(three.ask(&format!("SSUBSCRIBE {key}")), format!(">[ssubscribe, {key}, :{}]", n + 1));
        assert_eq!(publisher.ask(&format!("SPUBLISH {key} m{n}")), ":1");
        assert_eq!(three.reply(), format!(">[smessage, {key}, m{n}]"));
    }
    let counts = publisher.ask(&format!("PUBSUB SHARDNUMSUB {} {} none", keys[0], keys[2]));
    assert_eq!(counts, format!("[{}, :1, {}, :1, none, :0]", keys[0], keys[2]));
    assert_eq!(three.ask(&format!("SUNSUBSCRIBE {}", keys[1])), format!(">[sunsubscribe, {}, :2]", keys[1]));
}

#[test]
fn keyspace_events_of_all_shards_are_heard() {
    let cluster = Cluster::with(&[("notify-keyspace-events", "KEA")], &[]);
    let (mut listening, mut writing) = (cluster.client(), cluster.client());
    assert_eq!(listening.ask("PSUBSCRIBE __keyevent@0__:set"), "[psubscribe, __keyevent@0__:set, :1]");
    for key in cluster.keys() {
        assert_eq!(writing.ask(&format!("SET {key} 1")), "+OK");
        assert_eq!(listening.reply(), format!("[pmessage, __keyevent@0__:set, __keyevent@0__:set, {key}]"));
    }
    assert_eq!(listening.ask("PUNSUBSCRIBE"), "[punsubscribe, __keyevent@0__:set, :0]");
    assert_eq!(listening.ask("PING"), "+PONG");
}
