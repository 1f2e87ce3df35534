//! What the adapter does besides running.

use crate::adapter::Adapter;
use crate::support;

const MAPPING: &str = "mappings:\n- {match: web.*.hits, name: web_hits_total, labels: {host: $1}}\n- {match: web.a.hits, name: x}\n- {match: '^t', match_type: regex, name: t, labels: {l: $1_x}}\n";

fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_line_is_explained_rule_by_rule() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("m.yml");
    std::fs::write(&file, MAPPING).unwrap();
    let output = support::run(&[
        "adapt-metrics",
        "explain",
        "--line",
        "web.a.hits:3|c|@0.5|#x:y:bad",
        "--statsd-mapping",
        file.to_str().unwrap(),
    ]);
    insta::assert_snapshot!(text(&output));
}

#[test]
fn a_capture_is_replayed_and_two_files_compared() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (old, new) = (write("old.yml", MAPPING), write("new.yml", "mappings: [{match: web.*.hits, name: hits}]"));
    let capture = write("capture", "web.a.hits:1|c\nweb.b.hits:2|c\nother:1|g\nbroken\n");
    let page = text(&support::run(&["adapt-metrics", "replay", &capture, "--statsd-mapping", &old]));
    assert!(page.contains("web_hits_total{host=\"b\"} 2\n") && page.contains("# refused 1: malformed_line"), "{page}");
    let output = support::run(&["adapt-metrics", "diff", &old, &new, "--capture", &capture]);
    insta::assert_snapshot!(text(&output));
}

#[test]
fn a_check_names_rules_that_nothing_reaches() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("m.yml");
    std::fs::write(&file, MAPPING).unwrap();
    let output = support::run(&["adapt-metrics", "check", "--format=json", file.to_str().unwrap()]);
    assert!(output.status.success());
    insta::assert_snapshot!(text(&output).replace(file.to_str().unwrap(), "m.yml"));
}

#[test]
fn the_next_lines_of_a_running_adapter_are_shown() {
    let adapter = Adapter::start(&[]);
    let address = format!("127.0.0.1:{}", adapter.http);
    let dump = std::thread::spawn(move || support::run(&["adapt-metrics", "dump", "--count=1", "--adapter", &address]));
    while !dump.is_finished() {
        adapter.send("seen:1|c|#a:b");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let output = dump.join().unwrap();
    let told = text(&output);
    let is_right = told.contains("line    seen:1|c|#a:b") && told.contains("counter seen_total{a=\"b\"}");
    assert!(is_right, "{told}{}", String::from_utf8_lossy(&output.stderr));
}
