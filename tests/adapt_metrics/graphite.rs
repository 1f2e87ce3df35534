//! Graphite and InfluxDB as inputs, over their own sockets.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};

use crate::adapter::{Adapter, promtool};
use crate::support;

#[test]
fn graphite_and_influx_stand_beside_statsd() {
    let (plain, pickle, influx) = (support::free_port(), support::free_port(), support::free_port());
    let dir = tempfile::tempdir().unwrap();
    let mapping = dir.path().join("graphite.yml");
    std::fs::write(&mapping, "mappings: [{match: servers.*.cpu, name: server_cpu, labels: {server: $1}}]").unwrap();
    let adapter = Adapter::start(&[
        &format!("--graphite-listen=127.0.0.1:{plain}"),
        &format!("--graphite-listen-pickle=127.0.0.1:{pickle}"),
        &format!("--graphite-mapping={}", mapping.display()),
        &format!("--influx-listen=127.0.0.1:{influx}"),
        "--influx-http",
    ]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.send_to(
        format!("servers.a.cpu 0.5 {now}\nrack.temp;dc=x 21 {now}\nlong.ago 1 10\n").as_bytes(),
        ("127.0.0.1", plain),
    )
    .unwrap();
    udp.send_to(b"disk,host=h free=7i", ("127.0.0.1", influx)).unwrap();
    let mut tcp = TcpStream::connect(("127.0.0.1", plain)).unwrap();
    tcp.write_all(format!("servers.b.cpu 0.75 {now}\n").as_bytes()).unwrap();
    // [("pickled.metric", (now, 3))] in protocol 2, and garbage that must not end more than itself.
    let mut point = b"\x80\x02]q\x00X\x0e\x00\x00\x00pickled.metricq\x01J".to_vec();
    point.extend_from_slice(&(now as u32).to_le_bytes());
    point.extend_from_slice(b"K\x03\x86q\x02\x86q\x03a.");
    let mut pickles = TcpStream::connect(("127.0.0.1", pickle)).unwrap();
    for packet in [b"cos\nsystem\n.".to_vec(), point] {
        pickles.write_all(&(packet.len() as u32).to_be_bytes()).unwrap();
        pickles.write_all(&packet).unwrap();
    }
    let (status, _, _) =
        support::http(adapter.http, "POST", "/api/v2/write", &[], b"cpu,core=0 busy=0.25,idle=0.75\n").unwrap();
    assert_eq!(status, 204);
    adapter.send("web.hits:1|c");
    for line in ["server_cpu{server=\"b\"} 0.75", "pickled_metric 3", "disk_free{host=\"h\"} 7", "web_hits_total 1"] {
        adapter.wait_for_line(line);
    }
    let page = adapter.wait_for_line("server_cpu{server=\"a\"} 0.5");
    assert_eq!(
        adapter.samples(),
        [
            "cpu_busy{core=\"0\"} 0.25",
            "cpu_idle{core=\"0\"} 0.75",
            "disk_free{host=\"h\"} 7",
            "pickled_metric 3",
            "rack_temp{dc=\"x\"} 21",
            "server_cpu{server=\"a\"} 0.5",
            "server_cpu{server=\"b\"} 0.75",
            "web_hits_total 1",
        ]
    );
    assert!(
        page.contains("patterns_adapt_metrics_event_errors_total{receiver=\"graphite-udp\",reason=\"too_old\"} 1\n")
    );
    assert!(page.contains(
        "patterns_adapt_metrics_sample_errors_total{receiver=\"graphite-pickle\",reason=\"malformed_line\"} 1\n"
    ));
    assert_eq!(promtool(&page), "");
}

#[test]
fn a_reading_that_is_not_repeated_leaves() {
    let plain = support::free_port();
    let adapter = Adapter::start(&[&format!("--graphite-listen=127.0.0.1:{plain}"), "--sample-expiry=1s"]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 5;
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(format!("a.b 1 {now}").as_bytes(), ("127.0.0.1", plain)).unwrap();
    adapter.wait_for_line("patterns_adapt_metrics_expired_series_total 1");
    assert!(adapter.samples().is_empty());
}
