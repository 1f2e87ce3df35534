//! What is said and done when a server, a port or the process itself goes away.

use std::net::TcpListener;

use crate::client::command;
use crate::servers::{Ambassador, RedisServer, Set};
use crate::support::{free_port, run, wait_for};

#[test]
fn without_a_server_the_process_lives_says_why_and_recovers() {
    let port = free_port();
    let ambassador = Ambassador::start(&["--primary".to_owned(), format!("127.0.0.1:{port}")]);
    wait_for("the reason", || ambassador.get("/readyz").1.contains("refused").then_some(()));
    let mut client = ambassador.client();
    let answer = client.ask("GET k");
    assert!(
        answer.starts_with("-LOADING ambassador: the primary cannot be reached (127.0.0.1:")
            && answer.contains("refused"),
        "{answer}"
    );
    assert!(ambassador.get("/livez").0 == 200 && ambassador.get("/readyz").0 == 503);
    let _server = RedisServer::start_on(port, &[]);
    ambassador.wait_until_ready();
    wait_for("an answer", || (client.ask("SET k v") == "+OK").then_some(()));
}

#[test]
fn a_taken_port_is_a_clear_fault() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let listen = taken.local_addr().expect("an address").to_string();
    let output = run(&["ambassador-redis", "--listen", &listen, "--http-bind", "off", "--primary", "127.0.0.1:1"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains(&listen) && said.contains("--listen"), "{said}");
}

#[test]
fn terminated_with_replies_in_flight_it_answers_them_and_exits_0() {
    let mut set = Set::start(1, &[]);
    let mut client = set.client();
    let mut pipeline = command(&["EVAL", "for i = 1, 50000000 do end return 'slow'", "0"]);
    for n in 0..1000 {
        pipeline.extend(command(&["ECHO", &n.to_string()]));
    }
    client.send_bytes(&pipeline);
    let taken = "patterns_ambassador_redis_commands_total{command=\"echo\"} 1000";
    wait_for("the requests to be taken", || set.ambassador.get("/metrics").1.contains(taken).then_some(()));
    set.ambassador.process.signal("TERM");
    assert_eq!(client.reply(), "slow");
    for n in 0..1000 {
        assert_eq!(client.reply(), n.to_string());
    }
    assert_eq!(client.reply(), "(closed)");
    assert_eq!(set.ambassador.process.wait().code(), Some(0));
}

#[test]
fn a_killed_replica_costs_no_read() {
    let mut set = Set::start(2, &[]);
    let mut client = set.client();
    client.ask("SET k v");
    for n in 0..2000 {
        if n == 500 {
            set.replicas[0].process.signal("KILL");
            set.replicas[0].process.wait();
        }
        assert_eq!(client.ask("GET k"), "v");
    }
}

#[test]
fn a_primary_that_comes_back_costs_no_unsent_write() {
    let mut set = Set::start(0, &[]);
    let port = set.primary.port;
    assert_eq!(set.client().ask("SET k v"), "+OK");
    set.primary.process.signal("KILL");
    set.primary.process.wait();
    wait_for("the loss to be known", || (set.ambassador.get("/readyz").0 == 503).then_some(()));
    let mut client = set.client();
    client.send(&["SET", "k", "held"]);
    set.primary = RedisServer::start_on(port, &[]);
    assert_eq!(client.reply(), "+OK");
}

#[test]
fn whoever_waits_or_listens_is_told_that_the_ambassador_ends() {
    let mut set = Set::start(1, &[]);
    let (mut waiting, mut listening, mut monitor, mut counted) =
        (set.client(), set.client(), set.client(), set.client());
    waiting.send(&["BLPOP", "list", "0"]);
    assert_eq!(listening.ask("SUBSCRIBE ch"), "[subscribe, ch, :1]");
    assert_eq!(monitor.ask("MONITOR"), "+OK");
    counted.send(&["WAIT", "5", "0"]);
    wait_for("the clients to block", || {
        set.primary.client().ask("INFO clients").contains("blocked_clients:2").then_some(())
    });
    set.ambassador.process.signal("TERM");
    for client in [&mut waiting, &mut listening, &mut counted] {
        assert_eq!(client.reply(), "-LOADING ambassador: it is ending, and nothing was executed; connect again");
        assert_eq!(client.reply(), "(closed)");
    }
    wait_for("the end of the commands", || monitor.reply().starts_with("-LOADING ambassador").then_some(()));
    assert_eq!(set.ambassador.process.wait().code(), Some(0));
}
