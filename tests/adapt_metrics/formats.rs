//! The page in every format, judged by those who read it: Prometheus itself and Python's client library.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::adapter::Adapter;
use crate::support::{self, Process, wait_for};

const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

/// An adapter that has a series of every kind.
fn adapter() -> Adapter {
    let adapter = Adapter::start(&[]);
    let odd = "quo\"te\\back";
    adapter.send(&format!("web.hits:5|c|#path:{odd}\nweb.latency:320|ms\nqueue:5|g\nusers:ann|s\nsize:12|h"));
    adapter.wait_for_line("users 1");
    adapter
}

fn fetch(adapter: &Adapter, headers: &[(&str, &str)], path: &str) -> (String, Vec<u8>) {
    let (status, head, body) = support::http(adapter.http, "GET", path, headers, b"").unwrap();
    assert_eq!(status, 200);
    (head.to_lowercase(), body)
}

/// Feeds a page to a Python program that uses prometheus_client, or nothing where that is not installed.
fn python(program: &str, page: &[u8]) -> Option<String> {
    let mut child = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(page).ok()?;
    let output = child.wait_with_output().ok()?;
    let told = String::from_utf8_lossy(&output.stderr);
    if told.contains("No module named") {
        println!("skipped: python3 has no prometheus_client");
        return None;
    }
    assert!(output.status.success(), "{told}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn openmetrics_is_parsed_by_the_reference_library() {
    let adapter = adapter();
    for version in ["1.0.0", "0.0.1"] {
        let accept = format!("application/openmetrics-text;version={version}");
        let (head, page) = fetch(&adapter, &[("Accept", &accept)], "/metrics");
        assert!(
            head.contains(&format!("content-type: application/openmetrics-text; version={version}; charset=utf-8")),
            "{head}"
        );
        let program = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    if not family.name.startswith(('patterns', 'process')):
        print(family.name, family.type, sorted({s.name for s in family.samples}))
";
        if let Some(read) = python(program, &page) {
            insta::assert_snapshot!("openmetrics_families", read);
        }
    }
}

/// Names that mean the same to OpenMetrics, or are those of our own process, in one of statsd_exporter's spellings.
#[test]
fn names_that_collide_leave_the_page_sound_and_keep_their_values() {
    let adapter = Adapter::start(&["--statsd-naming=exact"]);
    adapter
        .send("foo:1|c\nfoo_total:2|c\nbar:3|g\nbar_total:4|c\nbaz_info:5|g\nbaz_total:6|c\nqux:7|ms\nqux_count:8|g");
    adapter.send("process_cpu_seconds_total:9|c\nprocess_open_fds:10|g|#of:app\npatterns_x:1|g\nlast:1|g");
    adapter.wait_for_line("last 1");
    let text = adapter.page();
    let accept = [("Accept", "application/openmetrics-text;version=1.0.0")];
    let (_, page) = fetch(&adapter, &accept, "/metrics");
    let openmetrics = String::from_utf8(page.clone()).unwrap();
    for line in [
        "foo 1",
        "foo_total 2",
        "bar 3",
        "bar_total 4",
        "baz_info 5",
        "baz_total 6",
        "qux_sum 0.007",
        "qux_count 1",
        "process_cpu_seconds_total 9",
        "process_open_fds{of=\"app\"} 10",
    ] {
        for page in [&text, &openmetrics] {
            assert_eq!(page.lines().filter(|found| *found == line).count(), 1, "{line}:\n{page}");
        }
    }
    for page in [&text, &openmetrics] {
        let mut heads: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        heads.sort_unstable();
        assert!(heads.windows(2).all(|pair| pair[0] != pair[1]), "{heads:?}");
    }
    let program = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(len(list(text_string_to_metric_families(sys.stdin.read()))))
";
    python(program, &page);
    let dir = tempfile::tempdir().unwrap();
    let prometheus = prometheus(dir.path(), adapter.http, "");
    for (query, value) in [("up", "1"), ("foo", "1"), ("foo_total", "2"), ("process_cpu_seconds_total", "9")] {
        assert_eq!(wait_for(&format!("Prometheus to answer {query}"), || prometheus.query(query)), value);
    }
}

#[test]
fn text_is_parsed_by_the_reference_library() {
    let (_, page) = fetch(&adapter(), &[("Accept", "text/plain;version=1.0.0;escaping=underscores")], "/metrics");
    let program = "
import sys
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    if family.name == 'web_hits':
        print(family.samples[0].labels, family.samples[0].value)
";
    if let Some(read) = python(program, &page) {
        assert!(read.starts_with("{'path': 'quo\"te\\\\back'} 5"), "{read}");
    }
}

#[test]
fn gzip_and_a_choice_of_families() {
    let adapter = adapter();
    let (head, packed) = fetch(&adapter, &[("Accept-Encoding", "gzip")], "/metrics");
    assert!(head.contains("content-encoding: gzip") && packed.starts_with(&[0x1f, 0x8b]), "{head}");
    let (head, page) = fetch(&adapter, &[], "/metrics?name[]=queue&name%5B%5D=users");
    assert!(!head.contains("content-encoding"));
    let page = String::from_utf8(page).unwrap();
    let samples: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(samples, ["queue 5", "users 1"]);
}

#[test]
fn prometheus_scrapes_text_openmetrics_and_native_histograms() {
    let dir = tempfile::tempdir().unwrap();
    let mapping = dir.path().join("mapping.yml");
    std::fs::write(&mapping, "defaults: {observer_type: histogram}\n").unwrap();
    let adapter = Adapter::start(&[&format!("--statsd-mapping={}", mapping.display()), "--statsd-naming=uniform"]);
    adapter.send("web.hits:5|c|#path:/a\nweb.latency:320|ms\nweb.latency:80|ms\nqueue:-5|g");
    let _ = adapter.wait_for_line("queue -5");
    let (head, _) = fetch(&adapter, &[("Accept", PROTOBUF)], "/metrics");
    assert!(head.contains("content-type: application/vnd.google.protobuf"), "{head}");
    for feature in ["native-histograms", ""] {
        let prometheus = prometheus(dir.path(), adapter.http, feature);
        let value = |query: &str| wait_for(&format!("Prometheus to answer {query}"), || prometheus.query(query));
        assert_eq!(value("up"), "1");
        assert_eq!(value("web_hits_total{path=\"/a\"}"), "5");
        assert_eq!(value("queue"), "-5");
        if feature.is_empty() {
            assert_eq!(value("web_latency_seconds_count"), "2");
            assert_eq!(value("web_latency_seconds_bucket{le=\"0.1\"}"), "1");
        } else {
            assert_eq!(value("histogram_count(web_latency_seconds)"), "2");
            let median: f64 = value("histogram_quantile(0.5, web_latency_seconds)").parse().unwrap();
            assert!((0.07..0.09).contains(&median), "{median}");
        }
    }
}

struct Prometheus {
    _process: Process,
    port: u16,
}

fn prometheus(dir: &std::path::Path, target: u16, feature: &str) -> Prometheus {
    let port = support::free_port();
    let config = dir.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n- job_name: adapter\n  static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
    );
    std::fs::write(&config, text).unwrap();
    let data = dir.join(format!("data-{port}"));
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", data.display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg(format!("--enable-feature={feature}"));
    Prometheus { _process: Process::start(&mut command), port }
}

impl Prometheus {
    /// The value of the first series that a query finds.
    fn query(&self, query: &str) -> Option<String> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (status, body) = support::get(self.port, &format!("/api/v1/query?query={encoded}"))?;
        if status != 200 {
            return None;
        }
        let (_, value) = body.split_once("\"value\":[")?;
        Some(value.split('"').nth(1)?.to_owned())
    }
}
