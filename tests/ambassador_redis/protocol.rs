//! What crosses the wire: pipelines in order, both protocol versions, inline commands, and the words for what is wrong.

use crate::client::command;
use crate::servers::Set;

#[test]
fn a_mixed_pipeline_is_answered_in_order() {
    let set = Set::start(2, &[]);
    let mut client = set.client();
    let mut pipeline = Vec::new();
    for n in 0..500 {
        pipeline.extend(command(&["SET", &format!("k{n}"), &format!("v{n}")]));
        pipeline.extend(command(&["GET", &format!("k{n}")]));
        pipeline.extend(command(&["ECHO", &format!("e{n}")]));
        pipeline.extend(command(&["NOSUCH"]));
        pipeline.extend(command(&["LRANGE", "none", "0", "-1"]));
    }
    client.send_bytes(&pipeline);
    for n in 0..500 {
        assert_eq!(client.reply(), "+OK");
        assert_eq!(client.reply(), format!("v{n}"));
        assert_eq!(client.reply(), format!("e{n}"));
        assert!(client.reply().starts_with("-ERR unknown command 'NOSUCH'"));
        assert_eq!(client.reply(), "[]");
    }
}

#[test]
fn requests_that_arrive_byte_by_byte_are_understood() {
    let set = Set::start(1, &[]);
    let mut client = set.client();
    for byte in [command(&["SET", "slow", "a\r\nb"]), command(&["GET", "slow"])].concat() {
        client.send_bytes(&[byte]);
    }
    assert_eq!((client.reply(), client.reply()), ("+OK".into(), "a\r\nb".into()));
}

#[test]
fn each_session_speaks_the_version_that_it_chose() {
    let set = Set::start(1, &[]);
    let (mut two, mut three) = (set.client(), set.client());
    let hello = three.ask("HELLO 3");
    assert!(hello.contains("proto, :3") && hello.contains("role, master"), "{hello}");
    assert_eq!(two.ask("HSET h a 1"), ":1");
    assert_eq!(two.ask("HGETALL h"), "[a, 1]");
    assert_eq!(three.ask("HGETALL h"), "{a, 1}");
    assert!(three.ask("HELLO 2").starts_with('['), "back to RESP2");
    assert_eq!(three.ask("HGETALL h"), "[a, 1]");
    assert_eq!(two.ask("HELLO 4"), "-NOPROTO unsupported protocol version");
}

#[test]
fn inline_commands_and_empty_lines_are_understood() {
    let set = Set::start(1, &[]);
    let mut client = set.client();
    client.send_bytes(b"\r\nset inline \"a b\\x21\"\r\n*0\r\nget inline\r\n");
    assert_eq!((client.reply(), client.reply()), ("+OK".into(), "a b!".into()));
}

#[test]
fn what_is_wrong_is_said_in_the_words_of_redis_and_ends_the_connection() {
    let set = Set::start(0, &[]);
    for garbage in [
        &b"*1\r\nfoo\r\n"[..],
        b"*x\r\n",
        b"*1\r\n$-5\r\n",
        b"*1\r\n$999999999999\r\n",
        b"set \"a\r\n",
        b"\x16\x03\x01\x02\x01\n'\r\n",
    ] {
        let answers: Vec<Vec<String>> = [set.client(), set.primary.client()]
            .into_iter()
            .map(|mut client| {
                client.send_bytes(garbage);
                let first = client.reply();
                let closed = first.starts_with("-ERR Protocol error");
                vec![first, if closed { client.reply() } else { String::new() }]
            })
            .collect();
        assert_eq!(answers[0], answers[1], "{garbage:?}");
    }
    let mut browser = set.client();
    browser.send_bytes(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(browser.reply(), "(closed)");
}

#[test]
fn a_value_of_many_megabytes_passes_both_ways() {
    let set = Set::start(1, &[]);
    let mut client = set.client();
    let value = "0123456789abcdef".repeat(1 << 20);
    client.send(&["SET", "big", &value]);
    assert_eq!(client.reply(), "+OK");
    client.send(&["GET", "big"]);
    assert!(client.reply() == value, "the same bytes");
    assert_eq!(client.ask("PING"), "+PONG");
}

#[test]
fn a_client_that_reads_nothing_costs_little_and_holds_up_nobody() {
    let set = Set::start(1, &["--workers", "1"]);
    let mut client = set.client();
    client.send(&["SET", "big", &"x".repeat(1 << 20)]);
    assert_eq!(client.reply(), "+OK");
    let mut greedy = set.client();
    greedy.send_bytes(&command(&["GET", "big"]).repeat(400));
    let mut huge = set.client();
    huge.send(&["SETRANGE", "huge", "200000000", "x"]);
    assert_eq!(huge.reply(), ":200000001");
    huge.send(&["GET", "huge"]);
    for n in 0..500 {
        assert_eq!(client.ask(&format!("SET k {n}")), "+OK");
        assert_eq!(client.ask("GET k"), n.to_string());
    }
    // The pages of the program's own file are no memory that a client costs; a build with debug information has many.
    let kib = set.ambassador.memory_kib("VmHWM:") - set.ambassador.memory_kib("RssFile:");
    assert!(kib < 64 * 1024, "{kib} KiB");
    for _ in 0..400 {
        assert_eq!(greedy.reply().len(), 1 << 20);
    }
}

#[test]
fn a_large_request_is_passed_on_and_what_follows_is_understood() {
    let set = Set::start(1, &[]);
    let mut client = set.client();
    let value = "0123456789abcdef".repeat(1 << 17);
    let mut pipeline = command(&["SET", "a", "1"]);
    pipeline.extend(command(&["SET", "big", &value]));
    pipeline.extend(command(&["STRLEN", "big"]));
    pipeline.extend(command(&["APPEND", "big", &value]));
    pipeline.extend(command(&["PING"]));
    client.send_bytes(&pipeline);
    let replies: Vec<String> = (0..5).map(|_| client.reply()).collect();
    assert_eq!(replies, ["+OK", "+OK", ":2097152", ":4194304", "+PONG"]);
}

#[test]
fn a_request_of_very_many_small_arguments_is_passed_on() {
    let set = Set::start(0, &[]);
    let mut client = set.client();
    for count in [30_000, 34_830, 60_000, 120_000] {
        let members: Vec<String> = (0..count).flat_map(|n| [n.to_string(), format!("member:{n}")]).collect();
        let mut arguments = vec!["ZADD", "many"];
        arguments.extend(members.iter().map(String::as_str));
        client.send(&arguments);
        assert_eq!(client.reply(), format!(":{count}"));
        assert_eq!(client.ask("DEL many"), ":1");
    }
}
