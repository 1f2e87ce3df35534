//! What a client sees of the ambassador itself: nothing, whatever state its session is in.

use crate::servers::Set;
use crate::support::wait_for;

#[test]
fn a_denied_command_is_refused_in_every_state_of_a_session() {
    let mut set = Set::start(0, &[]);
    let refused = "the command shutdown is denied here (--deny)";
    let mut client = set.client();
    assert!(client.ask("CLIENT ID").starts_with(':'));
    assert!(client.ask("SHUTDOWN NOSAVE").contains("the command 'shutdown' is denied here"));
    assert_eq!((client.ask("MULTI"), client.ask("SET k v")), ("+OK".into(), "+QUEUED".into()));
    assert!(client.ask("SHUTDOWN").starts_with("-ERR Command not allowed inside a transaction"));
    assert!(client.ask("EXEC").starts_with("-EXECABORT"));

    let mut listener = set.client();
    listener.ask("HELLO 3");
    assert_eq!(listener.ask("SUBSCRIBE ch"), ">[subscribe, ch, :1]");
    listener.send_bytes(b"*1\r\n$4\r\nPING\r\n*1\r\n$8\r\nSHUT");
    assert_eq!(listener.reply(), "+PONG");
    listener.send_bytes(b"DOWN\r\nshutdown nosave\r\n\r\nPING\r\n");
    assert!(listener.reply().contains(refused));
    assert!(listener.reply().contains(refused));
    assert_eq!(listener.reply(), "+PONG");
    let large = "x".repeat(3 << 20);
    assert_eq!(listener.ask(&format!("SET large {large}")), "+OK");
    assert_eq!(listener.ask("STRLEN large"), format!(":{}", large.len()));
    listener.send_bytes(b"*1\r\nmalformed\r\n");
    assert_eq!(listener.reply(), "-ERR Protocol error: expected '$', got 'm'");
    assert_eq!(listener.reply(), "(closed)");
    assert!(set.primary.process.is_running());
}

#[test]
fn a_monitor_is_shown_the_clients_and_not_the_ambassador() {
    let set = Set::start(1, &["--probe-period", "50ms"]);
    let (mut monitor, mut client) = (set.client(), set.client());
    assert_eq!(monitor.ask("MONITOR"), "+OK");
    let asked = set.primary.calls("role");
    // Reads on a replica behind writes: the ambassador asks for offsets, and probes.
    wait_for("questions of the ambassador", || {
        client.ask("SET k v");
        client.ask("GET k");
        (set.primary.calls("role") > asked + 2).then_some(())
    });
    assert_eq!(client.ask("SET last 1"), "+OK");
    loop {
        let line = monitor.reply();
        assert!(["\"SET\"", "\"GET\"", "\"INFO\" \"commandstats\""].iter().any(|own| line.contains(own)), "{line}");
        if line.contains("\"last\"") {
            break;
        }
    }
}

#[test]
fn clients_are_counted_and_ended_as_if_the_ambassador_were_the_server() {
    let set = Set::start(0, &[]);
    let clients = |client: &mut crate::client::Client| {
        let info = client.ask("INFO clients");
        let line = info.lines().find_map(|line| line.strip_prefix("connected_clients:")).expect("a count");
        line.parse::<u64>().expect("a number")
    };
    let (mut operator, mut one, mut other) = (set.client(), set.client(), set.client());
    assert_eq!((one.ask("PING"), other.ask("SET k v")), ("+PONG".into(), "+OK".into()));
    let direct = set.primary.client();
    wait_for("all to be counted", || (clients(&mut operator) == 4).then_some(()));
    drop(direct);
    wait_for("one to be gone", || (clients(&mut operator) == 3).then_some(()));
    assert_eq!(operator.ask("CLIENT KILL SKIPME yes"), ":2");
    assert_eq!((one.reply(), other.reply()), ("(closed)".into(), "(closed)".into()));
    assert_eq!(operator.ask("GET k"), "v");
    let mut late = set.client();
    assert_eq!(late.ask("GET k"), "v");
    wait_for("both to be counted", || (clients(&mut operator) == 2).then_some(()));
    assert_eq!(operator.ask("CLIENT KILL SKIPME no"), ":2");
    assert_eq!((operator.reply(), late.reply()), ("(closed)".into(), "(closed)".into()));
}

#[test]
fn a_reply_that_breaks_the_protocol_harms_only_who_has_provoked_it() {
    let set = Set::start(0, &[]);
    let (mut rude, mut other) = (set.client(), set.client());
    assert_eq!(other.ask("SET k v"), "+OK");
    let list = || set.primary.client().ask("CLIENT LIST");
    let shared = list().lines().find(|line| line.contains("cmd=set ")).expect("the shared connection").to_owned();
    let id = shared.split(' ').next().expect("a number").to_owned();
    // The server repeats the line end within its error.
    rude.send(&["FUNCTION", "LIST", "\r\n"]);
    assert!(rude.reply().starts_with("-ERR"));
    assert_eq!(other.ask("GET k"), "v");
    assert!(list().contains(&format!("{id} ")), "the others keep their connection");
}

#[test]
fn a_session_is_reset_and_authenticated_in_the_words_of_the_server() {
    let set = Set::start(0, &[]);
    let mut client = set.client();
    client.ask("HELLO 3");
    assert_eq!(client.ask("RESET now"), "-ERR wrong number of arguments for 'reset' command");
    assert_eq!(client.ask("GET k"), "(nil)");
    assert!(client.ask("HELLO 3 AUTH default any").starts_with('{'));
    assert!(client.ask("AUTH any").starts_with("-ERR AUTH <password> called without any password configured"));
    assert!(client.ask("CLIENT ID").starts_with(':'));
    assert!(client.ask("HELLO 3 SETNAME me").starts_with('{'));
    assert_eq!(client.ask("CLIENT GETNAME"), "me");
}

#[test]
fn while_the_primary_is_debugged_everybody_reads_from_it() {
    let set = Set::start(1, &[]);
    let (mut operator, mut other) = (set.client(), set.client());
    assert_eq!(operator.ask("DEBUG SLEEP 0"), "+OK");
    let before = set.replica_calls("get");
    for _ in 0..20 {
        assert_eq!(other.ask("GET k"), "(nil)");
    }
    assert_eq!(set.replica_calls("get"), before);
    wait_for("reads on the replica", || {
        other.ask("GET k");
        (set.replica_calls("get") > before).then_some(())
    });
}
