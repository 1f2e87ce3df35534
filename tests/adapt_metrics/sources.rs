//! Sources that are polled, from the settings file to the page.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use crate::adapter::{Adapter, promtool};
use crate::support;

/// A JSON application whose document can be changed; it ends with the test.
struct Application {
    port: u16,
    reply: Arc<Mutex<String>>,
}

impl Application {
    fn start(document: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let application = Self { port, reply: Arc::default() };
        application.say(document);
        let reply = application.reply.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                // A request fits into one read; what it says does not matter.
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(reply.lock().unwrap().as_bytes());
            }
        });
        application
    }

    fn say(&self, document: &str) {
        self.raw(&format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{document}",
            document.len()
        ));
    }

    fn raw(&self, reply: &str) {
        *self.reply.lock().unwrap() = reply.to_owned();
    }

    fn section(&self, interval: &str) -> String {
        format!(
            r#"  sources:
    - name: shop
      type: json
      url: http://127.0.0.1:{}/stats
      interval: {interval}
      keep: 1
      labels: {{app: shop}}
      prefix: shop_
      metrics:
        - {{name: queue_depth, path: .queue.depth, type: gauge, help: Orders that wait.}}
        - {{name: orders, path: "{{.orders}}", type: counter, help: Orders taken.}}
        - name: worker
          type: object
          valuetype: gauge
          path: "{{.workers[*]}}"
          help: A worker.
          labels: {{id: "{{.id}}"}}
          values: {{busy: "{{.busy}}"}}
"#,
            self.port
        )
    }
}

const DOCUMENT: &str =
    r#"{"queue": {"depth": 4}, "orders": 17, "workers": [{"id": "a", "busy": true}, {"id": "b", "busy": false}]}"#;

#[test]
fn json_and_statsd_stand_on_one_page() {
    let application = Application::start(DOCUMENT);
    let adapter = Adapter::with_settings(&application.section("100ms"), &[]);
    adapter.send("web.hits:1|c");
    let page = adapter.wait_for_line("web_hits_total 1");
    assert_eq!(
        adapter.samples(),
        [
            "shop_orders_total{app=\"shop\"} 17",
            "shop_queue_depth{app=\"shop\"} 4",
            "shop_worker_busy{app=\"shop\",id=\"a\"} 1",
            "shop_worker_busy{app=\"shop\",id=\"b\"} 0",
            "web_hits_total 1",
        ]
    );
    assert_eq!(promtool(&page), "");
    application.say(r#"{"queue": {"depth": 5}, "orders": 18, "workers": []}"#);
    adapter.wait_for_line("shop_queue_depth{app=\"shop\"} 5");
    assert!(!adapter.page().contains("shop_worker_busy"), "a worker that is gone stays on the page");
}

#[test]
fn on_scrape_sources_are_polled_for_the_page() {
    let application = Application::start(DOCUMENT);
    let adapter = Adapter::with_settings(&application.section("on-scrape"), &[]);
    application.say(&DOCUMENT.replace("17", "99"));
    // A poll younger than a second answers a scraper too.
    adapter.wait_for_line("shop_orders_total{app=\"shop\"} 99");
}

#[test]
fn a_source_that_fails_keeps_its_last_good_series_for_a_while() {
    let application = Application::start(DOCUMENT);
    let adapter = Adapter::with_settings(&application.section("200ms"), &[]);
    adapter.wait_for_line("patterns_adapt_metrics_source_up{source=\"shop\"} 1");
    application.raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    adapter.wait_for_line("patterns_adapt_metrics_source_up{source=\"shop\"} 0");
    adapter.wait_for_line("patterns_adapt_metrics_source_series{source=\"shop\"} 0");
    assert!(!adapter.page().contains("shop_orders"));
    let (_, status) = support::get(adapter.http, "/").unwrap();
    assert!(status.contains("the endpoint answered 500"), "{status}");
    application.raw("SSH-2.0-OpenSSH_9\r\n");
    adapter.send("still:1|c");
    adapter.wait_for_line("still_total 1");
    application.say(DOCUMENT);
    adapter.wait_for_line("shop_orders_total{app=\"shop\"} 17");
}
