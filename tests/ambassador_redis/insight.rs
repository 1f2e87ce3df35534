//! What a person on call can see: slow requests, hot keys, large values, times by command and server, and explanations.

use std::process::Output;

use crate::servers::{RedisServer, Set};
use crate::support::run;

#[test]
fn slow_requests_are_kept_with_their_arguments_for_this_machine_only() {
    let set = Set::start(0, &["--slowlog-slower-than", "100ms"]);
    let mut client = set.client();
    client.ask("SET k quick");
    client.ask("DEBUG SLEEP 0.2");
    client.ask("AUTH secret");
    client.ask("BLPOP nothing 0.2");
    let (status, log) = set.ambassador.get("/debug/slowlog");
    assert!(status == 200 && log.contains("\"SLEEP\"") && log.contains("127.0.0.1:"), "{log}");
    assert!(!log.contains("secret") && !log.contains("quick") && !log.contains("BLPOP"), "{log}");
    let page = set.ambassador.get("/").1;
    assert!(page.contains("Slow requests (1 so far") && page.contains("DEBUG") && !page.contains("SLEEP"), "{page}");
}

#[test]
fn hot_keys_and_large_values_are_found() {
    let set = Set::start(0, &["--key-sampling", "4"]);
    let mut client = set.client();
    client.send(&["SET", "large", &"x".repeat(200_000)]);
    client.reply();
    for n in 0..300 {
        client.ask("GET hot");
        client.ask(&format!("GET cold:{n}"));
    }
    let keys = set.ambassador.get("/debug/hotkeys").1;
    let first = keys.find("\"key\"").expect("a key");
    assert!(keys[first..first + 20].contains("\"hot\""), "{keys}");
    assert!(keys.contains("\"key\": \"large\"") && keys.contains("\"command\": \"set\""), "{keys}");
    assert!(!set.ambassador.get("/").1.contains("cold:"));
}

#[test]
fn times_are_counted_by_command_and_by_server() {
    let set = Set::start(1, &[]);
    let mut client = set.client();
    client.ask("SET k v");
    client.ask("INCR k");
    let page = set.ambassador.get("/metrics").1;
    let primary = format!("127.0.0.1:{}", set.primary.port);
    for expected in [
        "command_duration_seconds_count{command=\"set\"} 1".to_owned(),
        format!("node_errors_total{{node=\"{primary}\"}} 1"),
        format!("node_request_duration_seconds_count{{node=\"127.0.0.1:{}\"}}", set.replicas[0].port),
    ] {
        assert!(page.contains(&expected), "{expected} in {page}");
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn explain_tells_where_a_command_would_go_with_and_without_servers() {
    let offline = |words: &[&str]| said(&run(&[&["ambassador-redis", "explain"], words].concat()));
    let read = offline(&["GET", "k"]);
    assert!(read.contains("GET only reads") && read.contains("a replica that is in step, else the primary"), "{read}");
    assert!(offline(&["--read-from", "primary", "GET", "k"]).contains("the primary: --read-from primary"));
    assert!(offline(&["--deny", "get", "GET", "k"]).contains("is refused: --deny"));
    assert!(offline(&["JSON.SET", "k", "$", "1"]).contains("taken for a write"));

    let (primary, replica) = (RedisServer::start(), RedisServer::start());
    replica.follow(primary.port);
    let (primary, replica) = (format!("127.0.0.1:{}", primary.port), format!("127.0.0.1:{}", replica.port));
    let live = |words: &[&str]| {
        let flags = ["ambassador-redis", "explain", "--primary", &primary, "--replica", &replica];
        said(&run(&[&flags, words].concat()))
    };
    let read = live(&["GET", "k"]);
    assert!(read.contains(&format!("now: {replica}")), "{read}");
    assert!(live(&["SET", "k", "v"]).contains(&format!("now: {primary}")));
}
