//! The drain: what is in flight is finished and a last scrape works, until the time for it is over or a second signal
//! comes. The work in flight is a real Redis that takes long for one reply.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::modes::started;
use crate::support::{Process, free_port, get, patterns, redis_server, wait_for};

/// An ambassador with one request in flight that takes much longer than any test.
struct Busy {
    ambassador: Process,
    http: u16,
    client: TcpStream,
    primary: Process,
}

/// `None` where there is no redis-server; in CI there must be one.
fn busy(dir: &Path, drain_timeout: &str) -> Option<Busy> {
    if Command::new("redis-server").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "redis-server is missing");
        println!("skipped: redis-server is missing");
        return None;
    }
    let (primary_port, port) = (free_port(), free_port());
    let primary = Process::start(&mut redis_server(primary_port, dir));
    let mut command = patterns();
    command.args([
        "ambassador-redis",
        "--http-bind=127.0.0.1:0",
        "--log-format=text",
        "--drain-timeout",
        drain_timeout,
    ]);
    command.args([format!("--listen=127.0.0.1:{port}"), format!("--primary=127.0.0.1:{primary_port}")]);
    let (ambassador, http) = started(&mut command);
    wait_for("the primary", || get(http, "/readyz").filter(|(status, _)| *status == 200));
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.write_all(b"PING\r\n").unwrap();
    client.read_exact(&mut [0; 7]).unwrap();
    client.write_all(b"DEBUG SLEEP 3600\r\n").unwrap();
    // The primary sleeps once it answers nobody else any more.
    wait_for("the primary to sleep", || {
        let mut other = TcpStream::connect(("127.0.0.1", primary_port)).ok()?;
        other.set_read_timeout(Some(std::time::Duration::from_millis(50))).ok()?;
        other.write_all(b"PING\r\n").ok()?;
        other.read(&mut [0; 7]).err()
    });
    Some(Busy { ambassador, http, client, primary })
}

#[test]
fn a_drain_tells_that_it_goes_on_and_a_second_signal_cuts_it() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut busy) = busy(dir.path(), "1h") else { return };
    busy.ambassador.signal("TERM");
    wait_for("the drain", || get(busy.http, "/readyz").filter(|(_, text)| text.starts_with("draining")));
    assert_eq!(get(busy.http, "/livez").unwrap().0, 200, "a drain is no reason to be killed");
    assert!(get(busy.http, "/metrics").unwrap().1.contains("patterns_build_info"), "the last scrape works");
    assert!(busy.ambassador.is_running());
    busy.ambassador.signal("TERM");
    assert_eq!(busy.ambassador.wait().code(), Some(1), "{}", busy.ambassador.log());
    let log = busy.ambassador.log();
    assert!(log.contains("a second signal (SIGTERM) cut"), "{log}");
    assert!(busy.primary.is_running());
}

#[test]
fn a_drain_that_takes_too_long_is_cut_and_says_what_to_raise() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut busy) = busy(dir.path(), "200ms") else { return };
    busy.ambassador.signal("TERM");
    assert_eq!(busy.ambassador.wait().code(), Some(1), "{}", busy.ambassador.log());
    let log = busy.ambassador.log();
    assert!(log.contains("still busy after 200ms") && log.contains("raise --drain-timeout"), "{log}");
    let mut rest = Vec::new();
    // The client is told, or its connection is closed; it does not wait for ever.
    let _ = busy.client.read_to_end(&mut rest);
}
