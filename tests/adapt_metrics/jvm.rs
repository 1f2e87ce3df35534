//! A JVM as a source of the real binary: its own families, and a jmx_exporter file as it is.

use crate::adapter::{Adapter, promtool};
use crate::jmx::Jvm;
use crate::support::{run, wait_for};

fn section(jvm: &Jvm, more: &str) -> String {
    format!("  sources:\n    - {{name: app, type: jmx, address: '127.0.0.1:{}', interval: 200ms, {more}}}\n", jvm.port)
}

#[test]
fn a_jvm_without_rules_gives_its_beans_and_the_families_that_dashboards_know() {
    let Some(jvm) = Jvm::open() else { return };
    let adapter = Adapter::with_settings(&section(&jvm, "labels: {app: shop}"), &[]);
    let page = wait_for("the JVM's families", || {
        let page = adapter.page();
        page.contains("jvm_memory_used_bytes{").then_some(page)
    });
    assert!(page.contains("java_lang_threading_thread_count{"), "{page}");
    assert!(
        page.lines().any(|line| line.starts_with("jvm_threads_current{") && line.contains("app=\"shop\"")),
        "{page}"
    );
    assert_eq!(promtool(&page), "");
}

#[test]
fn a_jmx_exporter_file_decides_what_leaves_and_under_which_name() {
    let Some(jvm) = Jvm::open() else { return };
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.yaml");
    std::fs::write(
        &rules,
        "lowercaseOutputName: true\nrules:\n- pattern: 'java.lang<type=Threading><>(\\w+)Count'\n  name: threads_$1\n  type: GAUGE\n  help: Threads, $1.\n",
    )
    .unwrap();
    let more = format!("jvm-families: false, rules-file: {}", rules.display());
    let adapter = Adapter::with_settings(&section(&jvm, &more), &[]);
    let page = wait_for("the rule's family", || {
        let page = adapter.page();
        page.lines().any(|line| line.starts_with("threads_thread ")).then_some(page)
    });
    assert!(
        page.contains("# TYPE threads_thread gauge") && page.contains("# HELP threads_thread Threads, Thread."),
        "{page}"
    );
    assert!(!page.contains("jvm_memory_used_bytes") && !page.contains("java_lang_"), "{page}");
}

#[test]
fn a_mistake_in_a_rules_file_is_told_with_its_line_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.yaml");
    std::fs::write(&rules, "rules:\n- pattern: '('\n  name: x\n").unwrap();
    let settings = dir.path().join("patterns.yaml");
    let text = format!(
        "adapt-metrics:\n  sources:\n    - {{name: app, type: jmx, address: 'localhost:9010', rules-file: {}}}\n",
        rules.display()
    );
    std::fs::write(&settings, text).unwrap();
    let output = run(&["config", "check", settings.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("rules.yaml:2: rules[0].pattern"), "{told}");
}
