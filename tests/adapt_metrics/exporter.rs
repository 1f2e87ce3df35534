//! As a stand-in for statsd_exporter: its command line, its mapping files, its sockets, its routes.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;

use tempfile::TempDir;

use crate::support::{self, Process, wait_for};

/// An adapter under statsd_exporter's own command line.
struct Exporter {
    process: Process,
    http: u16,
    port: u16,
    dir: TempDir,
}

impl Exporter {
    fn start(mapping: &str, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (http, port) = (support::free_port(), support::free_port());
        let file = dir.path().join("mapping.yml");
        std::fs::write(&file, mapping).unwrap();
        let mut command = support::patterns();
        command.arg("adapt-metrics").args([
            &format!("--web.listen-address=127.0.0.1:{http}"),
            &format!("--statsd.listen-udp=127.0.0.1:{port}"),
            &format!("--statsd.listen-tcp=127.0.0.1:{port}"),
            &format!("--statsd.listen-unixgram={}", dir.path().join("gram").display()),
            "--statsd.mapping-config",
            file.to_str().unwrap(),
            "--statsd.event-flush-interval=200ms",
        ]);
        let mut process = Process::start(command.args(arguments));
        wait_for("the adapter to be ready", || {
            assert!(process.is_running(), "the adapter ended:\n{}", process.log());
            support::get(http, "/-/ready").filter(|(status, _)| *status == 200)
        });
        Self { process, http, port, dir }
    }

    fn send(&self, packet: &str) {
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(packet.as_bytes(), ("127.0.0.1", self.port)).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    #[track_caller]
    fn wait_for_line(&self, line: &str) -> String {
        let start = std::time::Instant::now();
        loop {
            let page = support::get(self.http, "/metrics").expect("the page is served").1;
            if page.lines().any(|found| found == line) {
                return page;
            }
            assert!(start.elapsed() < support::PATIENCE, "waited in vain for {line:?}; the page:\n{page}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

const MAPPING: &str = r#"
defaults: {observer_type: histogram, histogram_options: {buckets: [0.1, 1]}}
mappings:
- match: "api.*.*.time"
  name: api_seconds
  help: How long requests take.
  labels: {verb: "$1", path: "/${2}"}
- match: noise.*
  action: drop
  name: noise
- match: 'pool\.(\w+)'
  match_type: regex
  name: "pool_${1}"
  scale: 0.5
"#;

#[test]
fn a_mapping_file_and_the_command_line_run_unchanged() {
    let exporter = Exporter::start(MAPPING, &[]);
    exporter.send("api.get.users.time:250|ms|#zone:a\nnoise.x:1|c\npool.size:8|g\nother.metric:3|c\nfoo:1|s");
    let page = exporter.wait_for_line("statsd_exporter_events_actions_total{action=\"map\"} 2");
    for line in [
        "# HELP api_seconds How long requests take.",
        "# TYPE api_seconds histogram",
        "api_seconds_bucket{path=\"/users\",verb=\"get\",zone=\"a\",le=\"0.1\"} 0",
        "api_seconds_bucket{path=\"/users\",verb=\"get\",zone=\"a\",le=\"1\"} 1",
        "api_seconds_sum{path=\"/users\",verb=\"get\",zone=\"a\"} 0.25",
        "pool_size 4",
        "other_metric 3",
        "statsd_exporter_lines_total 5",
        "statsd_exporter_events_actions_total{action=\"drop\"} 1",
        "statsd_exporter_events_unmapped_total 1",
        "statsd_exporter_sample_errors_total{reason=\"illegal_event\"} 1",
        "statsd_exporter_loaded_mappings 3",
    ] {
        assert!(page.lines().any(|found| found == line), "{line:?} is not on the page:\n{page}");
    }
    assert!(!page.contains("noise{") && !page.contains("\nnoise "));
}

#[test]
fn tcp_and_unix_sockets_take_the_same_lines() {
    let unix = tempfile::tempdir().unwrap();
    let stream = unix.path().join("stream");
    let mut exporter = Exporter::start("", &[&format!("--statsd-listen-unix={}", stream.display())]);
    let mut tcp = TcpStream::connect(("127.0.0.1", exporter.port)).unwrap();
    tcp.write_all(b"a:1|c\na:2").unwrap();
    tcp.write_all(b"|c\nhalf:1|c").unwrap();
    drop(tcp);
    UnixDatagram::unbound().unwrap().send_to(b"gram:5|g\ngram:+1|g", exporter.path("gram")).unwrap();
    let mut packets = UnixStream::connect(&stream).unwrap();
    packets.write_all(b"\x0a\0\0\0packed:1|c\x0b\0\0\0packed:3|c\n").unwrap();
    drop(packets);
    exporter.wait_for_line("a 3");
    exporter.wait_for_line("half 1");
    exporter.wait_for_line("gram 6");
    exporter.wait_for_line("packed 4");
    let mut flood = TcpStream::connect(("127.0.0.1", exporter.port)).unwrap();
    // The other side hangs up in the midst of it.
    let _ = flood.write_all(&vec![b'x'; 200_000]);
    exporter.wait_for_line("patterns_adapt_metrics_too_long_lines_total{receiver=\"tcp\"} 1");
    assert!(exporter.process.terminate().success());
    assert!(!exporter.path("gram").exists() && !stream.exists(), "socket files stay behind");
}

#[test]
fn rules_are_reloaded_and_wrong_ones_refused() {
    let exporter = Exporter::start("mappings: [{match: a.*, name: before, ttl: 1h}]", &[]);
    exporter.send("a.x:1|c\nstays:1|c");
    exporter.wait_for_line("before 1");
    std::fs::write(exporter.path("mapping.yml"), "mappings: [{match: a.*, nam: after}]").unwrap();
    let (status, told) = post(exporter.http, "/-/reload");
    assert!(status == 500 && told.contains("did you mean `name`?"), "{status} {told}");
    std::fs::write(exporter.path("mapping.yml"), "mappings: [{match: a.*, name: after}]").unwrap();
    assert_eq!(post(exporter.http, "/-/reload").0, 200);
    exporter.send("a.x:1|c");
    let page = exporter.wait_for_line("after 1");
    assert!(page.contains("\nstays 1\n"), "a reload lost what it did not touch:\n{page}");
    // The file's change is also seen by itself.
    std::fs::write(exporter.path("mapping.yml"), "mappings: [{match: a.*, name: third}]").unwrap();
    let deadline = std::time::Instant::now() + support::PATIENCE;
    while !support::get(exporter.http, "/metrics").unwrap().1.contains("\nthird ") {
        assert!(std::time::Instant::now() < deadline, "{}", exporter.process.log());
        exporter.send("a.x:1|c");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn the_relay_sends_lines_on_and_its_failure_reaches_nobody() {
    let downstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    downstream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let relay = format!("--statsd.relay.address={}", downstream.local_addr().unwrap());
    let mut exporter = Exporter::start("", &[&relay, "--statsd.relay.packet-length=64"]);
    exporter.send(&format!("a:1|c\n\n{}:1|c\nb:2|c", "long".repeat(30)));
    exporter.wait_for_line("b 2");
    let mut packet = [0; 100];
    let length = downstream.recv(&mut packet).unwrap();
    assert_eq!(&packet[..length], b"a:1|c\nb:2|c\n");
    exporter.wait_for_line("patterns_adapt_metrics_relay_too_long_lines_total 1");
    drop(downstream);
    for _ in 0..2000 {
        exporter.send("after:1|c");
    }
    exporter.send("end:1|c");
    exporter.wait_for_line("end 1");
    assert!(exporter.process.terminate().success());
}

#[test]
fn quit_ends_the_process_cleanly() {
    let mut exporter = Exporter::start("", &["--web.enable-lifecycle"]);
    assert_eq!(support::get(exporter.http, "/-/healthy").unwrap().0, 200);
    assert_eq!(post(exporter.http, "/-/quit").0, 200);
    assert!(exporter.process.wait().success());
}

#[test]
fn check_config_judges_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) = (dir.path().join("good.yml"), dir.path().join("bad.yml"));
    std::fs::write(&good, MAPPING).unwrap();
    std::fs::write(&bad, "mappings:\n- match: a..b\n  name: 1x\n").unwrap();
    let judged = |path: &Path| {
        support::run(&["adapt-metrics", "--check-config", "--statsd.mapping-config", path.to_str().unwrap()])
    };
    assert!(judged(&good).status.success());
    let output = judged(&bad);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(78));
    assert!(told.contains("bad.yml:2: mistake: ") && told.contains("bad.yml:3: mistake: "), "{told}");
}

fn post(port: u16, path: &str) -> (u16, String) {
    let (status, _, body) = support::http(port, "POST", path, &[], b"").expect("the route answers");
    (status, String::from_utf8_lossy(&body).into_owned())
}
