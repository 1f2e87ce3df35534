//! Where clients arrive: several ports, unix sockets on both sides, headers of a proxy, a second process on the same port.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::client::Client;
use crate::servers::{Ambassador, RedisServer};
use crate::support::{PATIENCE, free_port, wait_for};

fn ask(stream: &mut UnixStream, line: &str) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    let mut reply = [0; 512];
    let read = stream.read(&mut reply).unwrap();
    String::from_utf8_lossy(&reply[..read]).into_owned()
}

#[test]
fn unix_sockets_lead_in_and_out_and_a_stale_one_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, outside) = (dir.path().join("server.sock"), dir.path().join("client.sock"));
    let _server = RedisServer::start_on(free_port(), &["--unixsocket", inside.to_str().unwrap()]);
    drop(std::os::unix::net::UnixListener::bind(&outside).unwrap());
    let mut ambassador = Ambassador::start(&[
        "--primary".to_owned(),
        format!("unix:{}", inside.display()),
        "--listen".to_owned(),
        format!("unix:{}", outside.display()),
        "--unix-socket-mode".to_owned(),
        "600".to_owned(),
    ]);
    ambassador.wait_until_ready();
    let mut client = UnixStream::connect(&outside).unwrap();
    assert_eq!(ask(&mut client, "SET k v"), "+OK\r\n");
    // The TCP port is another door to the same servers.
    assert_eq!(ambassador.client().ask("GET k"), "v");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&outside).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    drop(client);
    assert_eq!(ambassador.process.terminate().code(), Some(0));
    assert!(!outside.exists(), "the socket's name was left behind");
}

#[test]
fn a_proxy_header_is_taken_from_those_who_are_trusted_only() {
    let server = RedisServer::start();
    let primary = ["--primary".to_owned(), format!("127.0.0.1:{}", server.port)];
    let trusting = ["--proxy-protocol-from".to_owned(), "127.0.0.0/8".to_owned()];
    let ambassador = Ambassador::start(&[primary.clone(), trusting].concat());
    ambassador.wait_until_ready();
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for header in [b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 6379\r\n".as_slice(), local] {
        let mut client = Client::connect(ambassador.port);
        // Byte by byte: a header may come in pieces.
        header.iter().for_each(|byte| client.send_bytes(&[*byte]));
        assert_eq!(client.ask("PING"), "+PONG");
    }
    for hostile in [b"*1\r\n$4\r\nPING\r\n".as_slice(), b"PROXY TCP4 1.2.3.4\r\n", &[b'P'; 500]] {
        let mut client = Client::connect(ambassador.port);
        client.send_bytes(hostile);
        assert_eq!(client.reply(), "(closed)");
    }
    wait_for("the refusals to be counted", || {
        ambassador.get("/metrics").1.contains("clients_refused_total{reason=\"proxy_header\"} 3").then_some(())
    });

    let distrusting = Ambassador::start(&primary);
    distrusting.wait_until_ready();
    let mut client = distrusting.client();
    client.send_bytes(b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 6379\r\n");
    assert!(client.reply().starts_with("-ERR unknown command"));
}

#[test]
fn a_second_process_takes_the_port_over_while_the_first_finishes() {
    let server = RedisServer::start();
    let arguments = ["--reuse-port".to_owned(), "--primary".to_owned(), format!("127.0.0.1:{}", server.port)];
    let mut first = Ambassador::start(&arguments);
    first.wait_until_ready();
    let mut old = first.client();
    old.send(&["BLPOP", "k", "0"]);
    wait_for("the old client to wait", || server.client().ask("CLIENT LIST").contains("cmd=blpop").then_some(()));
    let mut listen = arguments.to_vec();
    listen.extend(["--listen".to_owned(), format!("127.0.0.1:{}", first.port)]);
    let second = Ambassador::start(&listen);
    second.wait_until_ready();
    first.process.signal("TERM");
    assert_eq!(first.process.wait().code(), Some(0));
    // Nobody but the second is left on the port.
    for _ in 0..20 {
        assert_eq!(Client::connect(first.port).ask("PING"), "+PONG");
    }
}
