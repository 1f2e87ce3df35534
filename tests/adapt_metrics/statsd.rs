//! StatsD over UDP, from the packet to the page.

use crate::adapter::{Adapter, promtool};

#[test]
fn every_type_arrives_named_typed_and_with_its_unit() {
    let adapter = Adapter::start(&[]);
    adapter.send("web.hits:1|c|#path:/a\nweb.hits:2|c|@0.5|#path:/a\nweb.latency:320|ms\nqueue:5|g\nqueue:-2|g\nusers:ann|s\nusers:bob|s");
    let page = adapter.wait_for_line("users 2");
    assert_eq!(
        adapter.samples(),
        [
            "queue 3",
            "users 2",
            "web_hits_total{path=\"/a\"} 5",
            "web_latency_seconds{quantile=\"0.5\"} 0.32",
            "web_latency_seconds{quantile=\"0.9\"} 0.32",
            "web_latency_seconds{quantile=\"0.99\"} 0.32",
            "web_latency_seconds_sum 0.32",
            "web_latency_seconds_count 1",
        ]
    );
    for family in ["web_hits_total counter", "web_latency_seconds summary", "queue gauge"] {
        assert!(page.contains(&format!("# TYPE {family}\n")), "{page}");
    }
    assert_eq!(promtool(&page), "");
}

#[test]
fn garbage_is_counted_and_shown_and_the_rest_goes_on() {
    let adapter = Adapter::start(&[]);
    adapter
        .send_bytes(b"no-colon\nbad.value:x|c\nutf8:1|c|#a:\xff\ngood:1|c\n:1|c\nnan:NaN|c\nback:-1|c\nhuge:1e400|g");
    adapter.send_bytes(&vec![b'x'; 60_000]);
    adapter.send("after:1|c");
    let page = adapter.wait_for_line("after_total 1");
    assert!(page.contains("\ngood_total 1\n"));
    for (reason, count) in [("malformed_line", 4), ("malformed_value", 2)] {
        let line =
            format!("patterns_adapt_metrics_sample_errors_total{{receiver=\"udp\",reason=\"{reason}\"}} {count}\n");
        assert!(page.contains(&line), "{line} is not on the page:\n{page}");
    }
    for reason in ["illegal_negative_counter", "not_finite"] {
        let line = format!("patterns_adapt_metrics_event_errors_total{{receiver=\"udp\",reason=\"{reason}\"}} 1\n");
        assert!(page.contains(&line), "{line} is not on the page:\n{page}");
    }
    let (_, status) = crate::support::get(adapter.http, "/").unwrap();
    assert!(status.contains("<td>malformed_value</td><td>2</td><td>huge:1e400|g</td>"), "{status}");
    assert_eq!(promtool(&page), "");
}

#[test]
fn over_the_limit_sums_stay_right() {
    let adapter = Adapter::start(&["--series-limit-per-family=10"]);
    for i in 0..50 {
        adapter.send(&format!("hits:1|c|#user:u{i}"));
    }
    let page = adapter.wait_for_line("hits_total{overflow=\"true\"} 40");
    assert!(page.contains("patterns_adapt_metrics_limit_hits_total{receiver=\"udp\",family=\"hits_total\"} 40\n"));
    assert_eq!(promtool(&page), "");
}

#[test]
fn a_silent_series_leaves_and_comes_back_from_zero() {
    let adapter = Adapter::start(&["--statsd-ttl=300ms"]);
    adapter.send("gone:5|c");
    adapter.wait_for_line("patterns_adapt_metrics_expired_series_total 1");
    assert!(adapter.samples().is_empty());
    adapter.send("gone:2|c");
    adapter.wait_for_line("gone_total 2");
}
