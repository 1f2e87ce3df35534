//! Beginning and end: bad settings, a taken port, and a drain that loses nothing.

use std::net::UdpSocket;

use crate::adapter::Adapter;
use crate::support::{self, Process};

#[test]
fn what_the_kernel_had_taken_is_counted_before_the_end() {
    let mut adapter = Adapter::start(&[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    adapter.process.signal("STOP");
    for _ in 0..500 {
        socket.send_to(b"drained:1|c\ndrained:1|c", ("127.0.0.1", adapter.statsd)).unwrap();
    }
    // A connection that is open when the drain begins still gets its page.
    let http = adapter.http;
    let last = std::thread::spawn(move || support::get(http, "/metrics"));
    adapter.process.signal("TERM");
    adapter.process.signal("CONT");
    let status = adapter.process.wait();
    assert!(status.success(), "{status}\n{}", adapter.process.log());
    // The drain may be over before the request is read; if it is answered, the page has every line.
    if let Ok(Some((200, page))) = last.join() {
        assert!(page.contains("process_start_time_seconds"), "{page}");
    }
    assert!(
        adapter.process.log().contains("1000 lines") || adapter.process.log().contains("\"lines\":1000"),
        "{}",
        adapter.process.log()
    );
}

#[test]
fn every_mistake_of_a_file_is_told_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.yaml");
    std::fs::write(&file, "adapt-metrics:\n  statsd-listn: :9125\n  series-limit: many\n  sources:\n    - name: a\n      type: jsn\n    - {name: b, type: json, url: x}\n").unwrap();
    let output = support::run(&["adapt-metrics", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8_lossy(&output.stderr).replace(file.to_str().unwrap(), "bad.yaml");
    for mistake in [
        "bad.yaml:2: adapt-metrics.statsd-listn: is not a known key; did you mean `statsd-listen`?",
        "bad.yaml:3: adapt-metrics.series-limit: ",
        "bad.yaml:6: ",
        "bad.yaml:7: ",
    ] {
        assert!(told.contains(mistake), "{mistake:?} is not told:\n{told}");
    }
}

#[test]
fn a_taken_port_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let http = format!("--http-bind=127.0.0.1:{}", support::free_port());
    let mut process = Process::start(support::patterns().args(["adapt-metrics", &http, "--statsd-listen", &address]));
    assert_eq!(process.wait().code(), Some(1));
    let log = process.log();
    assert!(log.contains(&address) && log.contains("--statsd-listen"), "{log}");
}
