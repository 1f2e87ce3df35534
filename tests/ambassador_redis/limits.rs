//! The bounds that the settings set: clients, silence, unanswered requests, sizes.

use crate::servers::Set;
use crate::support::wait_for;

#[test]
fn clients_above_the_limit_are_turned_away_in_redis_words() {
    let set = Set::start(0, &["--max-clients", "2"]);
    let (mut first, mut second) = (set.client(), set.client());
    assert_eq!((first.ask("PING"), second.ask("PING")), ("+PONG".to_owned(), "+PONG".to_owned()));
    assert_eq!(set.client().reply(), "-ERR max number of clients reached");
    drop(first);
    wait_for("a free place", || (set.client().ask("PING") == "+PONG").then_some(()));
}

#[test]
fn who_says_nothing_for_long_is_closed_and_who_speaks_is_not() {
    let set = Set::start(0, &["--idle-timeout", "1s"]);
    let (mut silent, mut speaking) = (set.client(), set.client());
    assert_eq!(silent.ask("PING"), "+PONG");
    let watched = std::thread::spawn(move || silent.reply());
    wait_for("the silent one to be closed", || {
        assert_eq!(speaking.ask("PING"), "+PONG");
        watched.is_finished().then_some(())
    });
    assert_eq!(watched.join().unwrap(), "(closed)");
    assert_eq!(speaking.ask("PING"), "+PONG");
}

#[test]
fn a_server_that_leaves_a_request_unanswered_costs_an_error_not_a_client() {
    let set = Set::start(0, &["--reply-timeout", "300ms", "--failover-hold", "0s"]);
    let mut client = set.client();
    assert_eq!(client.ask("SET k v"), "+OK");
    set.primary.process.signal("STOP");
    let answer = client.ask("SET k w");
    set.primary.process.signal("CONT");
    assert!(answer.starts_with('-') && answer.contains("ambassador"), "{answer}");
    wait_for("an answer", || client.ask("GET k").len().eq(&1).then_some(()));
}

#[test]
fn an_argument_that_is_too_long_is_refused_before_it_is_received() {
    let set = Set::start(0, &["--max-bulk", "1KiB"]);
    let mut client = set.client();
    client.send_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1025\r\n");
    assert_eq!(client.reply(), "-ERR Protocol error: invalid bulk length");
    assert_eq!(client.reply(), "(closed)");
}
