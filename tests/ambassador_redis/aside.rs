//! Beside the way of a request: a mirror that gets copies, and faults on purpose.

use std::time::{Duration, Instant};

use crate::client::command;
use crate::servers::{RedisServer, Set};
use crate::support::{free_port, wait_for};

#[test]
fn a_mirror_gets_what_is_written_and_nothing_that_was_refused() {
    let mirror = RedisServer::start();
    let address = format!("127.0.0.1:{}", mirror.port);
    let set = Set::start(0, &["--mirror", &address, "--deny", "flushall"]);
    let mut client = set.client();
    client.ask("SELECT 3");
    for n in 0..200 {
        assert_eq!(client.ask(&format!("SET k{n} {n}")), "+OK");
    }
    client.ask("FLUSHALL");
    client.ask("MULTI");
    client.ask("SET inside 1");
    client.ask("EXEC");
    client.ask("GET k1");
    wait_for("the copies", || (mirror.calls("set") == 200).then_some(()));
    let mut seen = mirror.client();
    seen.ask("SELECT 3");
    assert_eq!((seen.ask("GET k199"), seen.ask("EXISTS inside")), ("199".to_owned(), ":0".to_owned()));
    // The read that is counted here is our own.
    assert_eq!((mirror.calls("get"), mirror.calls("flushall")), (1, 0));
    assert!(set.ambassador.get("/metrics").1.contains("mirrored_total{result=\"copied\"} 200"));
}

#[test]
fn a_mirror_that_is_not_there_costs_nothing_but_what_it_misses() {
    let set = Set::start(0, &["--mirror", &format!("127.0.0.1:{}", free_port())]);
    let mut client = set.client();
    let mut pipeline = Vec::new();
    (0..9000).for_each(|_| pipeline.extend(command(&["INCR", "k"])));
    client.send_bytes(&pipeline);
    for n in 1..=9000 {
        assert_eq!(client.reply(), format!(":{n}"));
    }
    let page = set.ambassador.get("/metrics").1;
    assert!(
        page.contains("mirrored_total{result=\"copied\"} 8192")
            && page.contains("mirrored_total{result=\"dropped\"} 808"),
        "{page}"
    );
}

#[test]
fn faults_on_purpose_strike_what_they_name_and_keep_the_order() {
    let set = Set::start(0, &["--fault-error", "get=100", "--fault-delay", "incr=200ms@100"]);
    let mut client = set.client();
    let mut pipeline = Vec::new();
    for words in [&["SET", "k", "1"][..], &["GET", "k"], &["INCR", "k"], &["ECHO", "last"], &["GET", "k"]] {
        pipeline.extend(command(words));
    }
    let begun = Instant::now();
    client.send_bytes(&pipeline);
    assert_eq!(client.reply(), "+OK");
    let error = "-ERR ambassador: an error on purpose (--fault-error), nothing was executed";
    assert_eq!(client.reply(), error);
    // Others do not wait for the delay of this one.
    assert_eq!(set.client().ask("PING"), "+PONG");
    assert_eq!(client.reply(), ":2");
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!((client.reply(), client.reply()), ("last".to_owned(), error.to_owned()));
    assert_eq!(set.primary.calls("get"), 0);
}
