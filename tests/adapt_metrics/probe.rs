//! json_exporter's modules file as it is: probes of targets, its answers to what is wrong, and a reload.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::adapter::{Adapter, promtool};
use crate::support::{self, wait_for};

const DOCUMENT: &str = r#"{"counter": 1234, "big": 12345678, "location": "mars", "values": [
    {"id": "id-A", "count": 1, "some_boolean": true, "state": "ACTIVE"},
    {"id": "id-B", "count": 2, "some_boolean": true, "state": "INACTIVE"},
    {"id": "id-C", "count": 3, "some_boolean": false, "state": "ACTIVE"}]}"#;

const MODULES: &str = r#"---
modules:
  default:
    headers:
      X-Dummy: my-test-header
    metrics:
    - name: example_global_value
      path: '{ .counter }'
      help: A value at the top
      labels:
        environment: beta # static
        location: 'planet-{ .location }'
        size: '{ .big }'
        absent: '{ .nowhere }'
    - name: example_value
      type: object
      help: Values below
      path: '{ .values[?(@.state == "ACTIVE")] }'
      valuetype: gauge
      labels:
        environment: beta
        id: '{ .id }'
      values:
        active: 1
        count: '{ .count }'
        boolean: '{ .some_boolean }'
    - {name: example_text, path: .counter}
    - {name: example_missing, path: '{ .missing }', allow_missing_key: true}
    http_client_config:
      basic_auth: {username: myUser, password: mySecret}
  bodies:
    body:
      content: 'pi is {{ .pi | first }}'
      templatize: true
    valid_status_codes: [201]
  empty:
"#;

/// A server that answers every request alike, and remembers what the last one said; it ends with the test.
struct Target {
    port: u16,
    asked: Arc<Mutex<String>>,
    reply: Arc<Mutex<String>>,
}

impl Target {
    fn start(status: &str, document: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Self { port: listener.local_addr().unwrap().port(), asked: Arc::default(), reply: Arc::default() };
        target.answer(status, document);
        let (asked, reply) = (target.asked.clone(), target.reply.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = Vec::new();
                let mut piece = [0; 4096];
                // Header and body; the tests' bodies announce their length.
                while let Ok(count @ 1..) = stream.read(&mut piece) {
                    request.extend_from_slice(&piece[..count]);
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head.lines().find_map(|line| {
                        line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
                    });
                    if body.len() >= length.unwrap_or(0) {
                        break;
                    }
                }
                *asked.lock().unwrap() = String::from_utf8_lossy(&request).into_owned();
                let _ = stream.write_all(reply.lock().unwrap().as_bytes());
            }
        });
        target
    }

    fn answer(&self, status: &str, document: &str) {
        *self.reply.lock().unwrap() =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{document}", document.len());
    }
}

fn modules(dir: &Path, text: &str) -> String {
    let path = dir.join("modules.yml");
    std::fs::write(&path, text).unwrap();
    format!("  json-modules: {}\n", path.display())
}

#[test]
fn a_module_takes_from_a_target_what_json_exporter_takes() {
    let dir = tempfile::tempdir().unwrap();
    let adapter = Adapter::with_settings(&modules(dir.path(), MODULES), &[]);
    let target = Target::start("200 OK", DOCUMENT);
    let probe = format!("/probe?module=default&target=http://127.0.0.1:{}/x", target.port);
    let (status, page) = support::get(adapter.http, &probe).unwrap();
    assert_eq!(status, 200, "{page}");
    assert_eq!(
        page,
        "# HELP example_global_value A value at the top\n\
         # TYPE example_global_value untyped\n\
         example_global_value{absent=\"\",environment=\"beta\",location=\"planet-mars\",size=\"1.2345678e+07\"} 1234\n\
         # HELP example_value_active Values below\n\
         # TYPE example_value_active gauge\n\
         example_value_active{environment=\"beta\",id=\"id-A\"} 1\n\
         example_value_active{environment=\"beta\",id=\"id-C\"} 1\n\
         # HELP example_value_boolean Values below\n\
         # TYPE example_value_boolean gauge\n\
         example_value_boolean{environment=\"beta\",id=\"id-A\"} 1\n\
         example_value_boolean{environment=\"beta\",id=\"id-C\"} 0\n\
         # HELP example_value_count Values below\n\
         # TYPE example_value_count gauge\n\
         example_value_count{environment=\"beta\",id=\"id-A\"} 1\n\
         example_value_count{environment=\"beta\",id=\"id-C\"} 3\n"
    );
    assert_eq!(promtool(&page.replace("_count", "_number")), "");
    let asked = target.asked.lock().unwrap().to_ascii_lowercase();
    for header in ["accept: application/json", "x-dummy: my-test-header", "authorization: basic bxlvc2vyom15u2vjcmv0"] {
        assert!(asked.contains(header), "{header}\n{asked}");
    }
}

#[test]
fn a_sample_has_the_time_of_its_document_and_a_page_is_packed_for_who_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let text = "modules:\n  default:\n    metrics:\n    - {name: a, path: '{ .v }', valuetype: gauge, help: A., epochTimestamp: '{ .t }'}\n    - {name: b, path: '{ .v }', valuetype: counter, help: B.}\n";
    let adapter = Adapter::with_settings(&modules(dir.path(), text), &[]);
    let target = Target::start("200 OK", r#"{"v": 1, "t": 1700000000123}"#);
    let probe = format!("/probe?target=http://127.0.0.1:{}/x", target.port);
    let page = "# HELP a A.\n# TYPE a gauge\na 1 1700000000123\n# HELP b B.\n# TYPE b counter\nb 1\n";
    assert_eq!(support::get(adapter.http, &probe), Some((200, page.to_owned())));
    let open = [("Accept", "application/openmetrics-text;version=1.0.0"), ("Accept-Encoding", "gzip")];
    let (status, head, body) = support::http(adapter.http, "GET", &probe, &open, b"").unwrap();
    assert!(status == 200 && head.to_ascii_lowercase().contains("content-encoding: gzip"), "{head}");
    let mut read = String::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut read).unwrap();
    assert!(read.contains("\na 1 1.700000000123e+09\n") || read.contains("\na 1 1700000000.123\n"), "{read}");
}

#[test]
fn parameters_of_a_probe_fill_the_body() {
    let dir = tempfile::tempdir().unwrap();
    let adapter = Adapter::with_settings(&modules(dir.path(), MODULES), &[]);
    let target = Target::start("201 Created", "{}");
    let probe = format!("/probe?module=bodies&target=http://127.0.0.1:{}&pi=3.14", target.port);
    assert_eq!(support::get(adapter.http, &probe), Some((200, String::new())));
    let asked = target.asked.lock().unwrap().clone();
    assert!(asked.starts_with("POST / ") && asked.ends_with("\r\n\r\npi is 3.14"), "{asked}");
    target.answer("200 OK", "{}");
    let (status, told) = support::get(adapter.http, &probe).unwrap();
    assert!(status == 503 && told.contains("200 OK"), "{status} {told}");
}

#[test]
fn what_is_wrong_with_a_probe_is_said_with_json_exporters_status() {
    let dir = tempfile::tempdir().unwrap();
    let adapter = Adapter::with_settings(&modules(dir.path(), MODULES), &[]);
    let target = Target::start("200 OK", "no JSON");
    let url = format!("http://127.0.0.1:{}", target.port);
    let closed = support::free_port();
    for (query, status, words) in [
        (String::new(), 400, "target is missing"),
        (format!("module=nope&target={url}"), 400, "no module \"nope\""),
        ("target=http%3A%2F%2F127.0.0.1%3A".to_owned() + &closed.to_string(), 503, "cannot connect"),
        ("target=nonsense".to_owned(), 503, "no URL"),
        (format!("target={url}"), 200, ""),
        (format!("module=empty&target={url}"), 200, ""),
    ] {
        let (found, told) = support::get(adapter.http, &format!("/probe?{query}")).unwrap();
        assert!(found == status && told.contains(words), "{query}: {found} {told}");
    }
}

#[test]
fn a_changed_modules_file_is_taken_up_and_a_wrong_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let adapter = Adapter::with_settings(&modules(dir.path(), MODULES), &[]);
    let target = Target::start("200 OK", DOCUMENT);
    let module = |name: &str| {
        let probe = format!("/probe?module={name}&target=http://127.0.0.1:{}", target.port);
        support::get(adapter.http, &probe).map(|(status, _)| status)
    };
    assert_eq!(module("new"), Some(400));
    modules(dir.path(), "modules: {new: {metrics: [{name: a, path: '{.counter}'}]}}");
    wait_for("the new module", || (module("new") == Some(200)).then_some(()));
    modules(dir.path(), "modules: {newer: {metrics: [{name: a, path: '{.counter'}]}}");
    wait_for("the refusal", || adapter.process.log().contains("never closed").then_some(()));
    assert_eq!((module("new"), module("newer")), (Some(200), Some(400)));
}

#[test]
fn a_check_knows_a_file_by_its_shape() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let check = |file: &str| {
        let output = support::run(&["adapt-metrics", "check", file]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, told) = check(&write("a.yml", MODULES));
    assert!(code == Some(0) && told.contains("3 rules"), "{told}");
    let (code, told) = check(&write("b.yml", "rules: [{patern: a}]\nlowercaseOutputName: true\n"));
    assert!(code == Some(0) && told.contains("note") && told.contains("did you mean `pattern`?"), "{told}");
    let (code, told) =
        check(&write("c.yml", "modules: {m: {metrics: [{name: a, engine: cel, path: x}, {name: 1a, path: x}]}}"));
    assert!(code == Some(78) && told.contains("CEL") && told.contains("metrics[1].name"), "{told}");
}
