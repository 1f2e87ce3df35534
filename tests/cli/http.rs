//! Probes, the status page, our own metrics, and what changes something only from this machine.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::modes::{ALL, READY, complaint, printed, started};
use crate::support::{free_port, get, http, patterns, run, wait_for};

#[test]
fn every_mode_answers_probes_and_says_why_it_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    for least in &ALL {
        let (_process, port) = least.start(dir.path(), &[]);
        let (status, text) = get(port, "/livez").unwrap();
        assert_eq!((status, text.as_str()), (200, "alive\n"), "{}", least.mode);
        let ready =
            wait_for("an answer with a reason", || get(port, "/readyz").filter(|(_, text)| !text.contains("not yet")));
        let started = get(port, "/startupz").unwrap();
        let (page_status, page) = get(port, "/").unwrap();
        if least.mode == READY.mode {
            assert_eq!((ready.0, ready.1.as_str(), started.0, page_status), (200, "ready\n", 200, 200));
        } else {
            assert_eq!((ready.0, started.0, page_status), (503, 503, 503), "{}: {}", least.mode, ready.1);
            assert!(page.contains("not ready"), "{}", least.mode);
        }
        assert!(
            page.starts_with("<!doctype html>") && page.contains(least.mode) && !page.contains("<script"),
            "{page}"
        );
    }
}

#[test]
fn the_probe_command_asks_a_running_mode() {
    let dir = tempfile::tempdir().unwrap();
    for least in &ALL {
        let (mut process, port) = least.start(dir.path(), &[]);
        let bind = format!("127.0.0.1:{port}");
        let live = run(&["probe", "live", "--http-bind", &bind]);
        assert_eq!((live.status.code(), printed(&live).as_str()), (Some(0), "alive\n"), "{}", least.mode);
        for kind in ["ready", "startup"] {
            let expected = Some(i32::from(least.mode != READY.mode));
            let asked = wait_for("an answer with a reason", || {
                let asked = run(&["probe", kind, "--http-bind", &bind]);
                (!complaint(&asked).contains("not yet")).then_some(asked)
            });
            assert_eq!(asked.status.code(), expected, "{} {kind}: {}", least.mode, complaint(&asked));
            assert_eq!(printed(&asked).is_empty(), least.mode != READY.mode, "the reason goes to standard error");
        }
        assert_eq!(process.terminate().code(), Some(0), "{}: {}", least.mode, process.log());
        let dead = run(&["probe", "live", "--http-bind", &bind]);
        assert_eq!(dead.status.code(), Some(1));
        assert!(complaint(&dead).contains(&format!("cannot reach the mode on {bind}")), "{}", complaint(&dead));
    }
}

#[test]
fn the_probe_finds_the_port_where_the_mode_finds_it() {
    let dir = tempfile::tempdir().unwrap();
    let bind = format!("127.0.0.1:{}", free_port());
    let (_process, _) = started(READY.command(dir.path()).env("PATTERNS_HTTP_BIND", &bind));
    for mode in ALL.map(|least| least.mode) {
        let output = patterns().args(["probe", "live", mode]).env("PATTERNS_HTTP_BIND", &bind).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{mode}: {}", complaint(&output));
    }
}

#[test]
fn a_probe_of_something_else_fails_within_its_time() {
    // A peer that accepts and never answers, and one that speaks no HTTP.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = silent.local_addr().unwrap().to_string();
    let output = run(&["probe", "live", "--timeout=50ms", "--http-bind", &bind]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("within 50ms"), "{}", complaint(&output));

    let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = foreign.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        let (mut peer, _) = foreign.accept().unwrap();
        assert!(peer.read(&mut [0; 512]).unwrap() > 0);
        peer.write_all(b"-ERR unknown command\r\n").unwrap();
    });
    let output = run(&["probe", "live", "--timeout=5s", "--http-bind", &bind]);
    answering.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("does not speak HTTP"), "{}", complaint(&output));
}

#[test]
fn metrics_come_in_the_format_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    for least in &ALL {
        let (_process, port) = least.start(dir.path(), &[]);
        let (status, head, body) = http(port, "GET", "/metrics", &[], b"").unwrap();
        assert_eq!(status, 200);
        assert!(head.to_lowercase().contains("text/plain; version=0.0.4"), "{head}");
        assert!(String::from_utf8(body).unwrap().contains("patterns_build_info{"), "{}", least.mode);
        let accept = [("Accept", "application/openmetrics-text; version=1.0.0")];
        let (status, head, body) = http(port, "GET", "/metrics", &accept, b"").unwrap();
        assert_eq!(status, 200);
        assert!(head.to_lowercase().contains("application/openmetrics-text; version=1.0.0"), "{head}");
        assert!(String::from_utf8(body).unwrap().ends_with("# EOF\n"), "{}", least.mode);
    }
}

#[test]
fn unknown_paths_and_wrong_methods_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_process, port) = READY.start(dir.path(), &[]);
    assert_eq!(get(port, "/nothing").unwrap().0, 404);
    let (status, head, _) = http(port, "POST", "/livez", &[], b"").unwrap();
    assert_eq!(status, 405);
    assert!(head.to_lowercase().contains("allow: get"), "{head}");
    let (status, head, body) = http(port, "HEAD", "/livez", &[], b"").unwrap();
    assert_eq!((status, body.len()), (200, 0), "{head}");
}

#[test]
fn the_log_level_changes_at_run_time() {
    let dir = tempfile::tempdir().unwrap();
    for (filters, tells_its_end) in [(&["off"][..], false), (&["off", "info"], true)] {
        let (mut process, port) = READY.start(dir.path(), &[]);
        let (status, _, body) = http(port, "PUT", "/log", &[], b"loud").unwrap();
        assert_eq!(status, 400);
        assert!(String::from_utf8_lossy(&body).contains("is not a level"));
        for filter in filters {
            assert_eq!(http(port, "PUT", "/log", &[], filter.as_bytes()).unwrap().0, 200);
        }
        assert_eq!(get(port, "/log").unwrap().0, 405, "what changes something takes PUT");
        assert_eq!(process.terminate().code(), Some(0));
        assert_eq!(process.log().contains("ending"), tells_its_end, "{filters:?}: {}", process.log());
    }
}

#[test]
fn http_can_be_switched_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = crate::support::Process::start(READY.command(dir.path()).arg("--http-bind=off"));
    process.wait_for_log("starting");
    assert_eq!(process.terminate().code(), Some(0));
    let output = run(&["probe", "live", "--http-bind=off"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("serves no HTTP"), "{}", complaint(&output));
}
