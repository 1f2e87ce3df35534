//! Senders that mean harm: the rest goes on, in a bounded memory.

use std::io::Write;
use std::net::TcpStream;

use crate::adapter::{Adapter, promtool};
use crate::support::{self, wait_for};

/// The most memory that the adapter has had, in MiB.
fn most_memory(adapter: &Adapter) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", adapter.process.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse::<u64>().unwrap() >> 10
}

fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

#[test]
fn lines_of_every_hostile_size_are_counted_and_the_rest_goes_on() {
    let adapter = Adapter::start(&[]);
    let tags: Vec<String> = (0..7000).map(|i| format!("k{}:v", 9999 - i)).collect();
    let nameless = vec![b'x'; 65_000];
    let many_values = format!("packed{}|ms", ":1".repeat(30_000));
    let many_samples = format!("samples:1|c{}", ":1|c".repeat(15_000));
    let many_fields = format!("fields:1|c{}", "|#a:b".repeat(12_000));
    let many_lines = "\n".repeat(65_000);
    for _ in 0..3 {
        adapter.send_bytes(&nameless);
        adapter.send(&format!("tagged:1|c|#{}", tags.join(",")));
        adapter.send(&format!("named,{}:1|c", tags.join(",").replace(':', "=")));
        adapter.send(&many_values);
        adapter.send(&many_samples);
        adapter.send(&many_fields);
        adapter.send(&many_lines);
        adapter.send_bytes(b"\xff\xfe:1|c\nname:\xff|c\nname:1|\xff\nname:1|c|#\xff:\xff");
        adapter
            .send_bytes(b"\0:1|c\n::::\n||||\n:|\na:|c\na:1|\na:1||\na:1|c|\na:1|c|@\na:1|c|#\n#:1|c\n[:1|c\n],[:1|c");
    }
    adapter.send("good:1|c");
    let page = adapter.wait_for_line("good_total 1");
    let refused = |reason: &str| {
        value(&page, &format!("patterns_adapt_metrics_sample_errors_total{{receiver=\"udp\",reason=\"{reason}\"}}"))
    };
    assert_eq!(refused("too_many_labels"), 6.0, "{page}");
    assert!(refused("malformed_component") >= 3.0 && refused("malformed_line") >= 12.0, "{page}");
    assert!(page.contains("\npacked_seconds_count 90000\n") && page.contains("\nsamples_total 45003\n"), "{page}");
    assert_eq!(promtool(&page), "");
    assert!(most_memory(&adapter) < 64, "{} MiB", most_memory(&adapter));
}

#[test]
fn a_storm_of_names_takes_no_more_than_the_limit_allows() {
    let adapter = Adapter::start(&["--series-limit=2000"]);
    let quiet = most_memory(&adapter);
    adapter.send("before:1|c");
    for packet in 0..2500 {
        let lines: Vec<String> =
            (0..20).map(|i| format!("storm.{packet}.of.rather.long.names.{i}:1|c|#some:tag{packet}")).collect();
        adapter.send(&lines.join("\n"));
    }
    adapter.send("before:1|c");
    let page = adapter.wait_for_line("patterns_adapt_metrics_series 2000");
    assert!(page.contains("patterns_adapt_metrics_limit_hits_total{receiver=\"udp\",family=\"other\"}"), "{page}");
    adapter.wait_for_line("before_total 2");
    assert!(most_memory(&adapter) < quiet + 16, "{} MiB, {quiet} MiB before", most_memory(&adapter));
}

#[test]
fn a_thousand_half_lines_leave_room_for_whole_ones() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(8192, |maximum| maximum.min(8192));
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).unwrap();
    }
    if wanted < 4096 {
        println!("skipped: no more than {wanted} files may be open");
        return;
    }
    let port = support::free_port();
    let adapter = Adapter::start(&[&format!("--statsd-listen-tcp=127.0.0.1:{port}")]);
    let half = [b"half.a.line.".as_slice(), &[b'x'; 8000]].concat();
    let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut kept = connect();
    kept.write_all(b"kept:1|c\n").unwrap();
    adapter.wait_for_line("kept_total 1");
    let slow: Vec<TcpStream> = (0..1100)
        .map(|_| {
            let mut stream = connect();
            // One that was told to leave may have closed already.
            let _ = stream.write_all(&half);
            stream
        })
        .collect();
    connect().write_all(b"whole:1|c\n").unwrap();
    let page = adapter.wait_for_line("whole_total 1");
    wait_for("silent connections to make room", || {
        let evicted = value(&adapter.page(), "patterns_adapt_metrics_evicted_connections_total{receiver=\"tcp\"}");
        (evicted == 78.0).then_some(())
    });
    assert_eq!(value(&page, "patterns_adapt_metrics_too_long_lines_total{receiver=\"tcp\"}"), 0.0);
    assert_eq!(support::get(adapter.http, "/livez").map(|(status, _)| status), Some(200));
    kept.write_all(b"kept:1|c\n").unwrap();
    adapter.wait_for_line("kept_total 2");
    assert!(most_memory(&adapter) < 96, "{} MiB", most_memory(&adapter));
    drop(slow);
}
