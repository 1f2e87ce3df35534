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

#[test]
fn a_changed_rules_file_is_taken_up_and_a_wrong_one_is_not() {
    let Some(jvm) = Jvm::open() else { return };
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.yaml");
    let write = |name: &str| {
        let text = format!("rules:\n- {{pattern: 'java.lang<type=Threading><>ThreadCount', name: {name}}}\n");
        std::fs::write(&rules, text).unwrap();
    };
    write("before");
    let more = format!("jvm-families: false, naming: exact, rules-file: {}", rules.display());
    let adapter = Adapter::with_settings(&section(&jvm, &more), &[]);
    let has = |name: &str| adapter.page().lines().any(|line| line.starts_with(&format!("{name} ")));
    wait_for("the first rule's family", || has("before").then_some(()));
    write("afterwards");
    wait_for("the second rule's family", || (has("afterwards") && !has("before")).then_some(()));
    std::fs::write(&rules, "rules:\n- pattern: '('\n  name: never_seen\n").unwrap();
    wait_for("the refusal", || adapter.process.log().contains("the last good ones stay").then_some(()));
    assert!(has("afterwards"));
}

#[test]
fn a_jvm_that_is_not_there_is_told_with_one_reason() {
    let port = crate::support::free_port();
    let section = format!("  sources:\n    - {{name: app, type: jmx, address: '127.0.0.1:{port}', interval: 200ms}}\n");
    let adapter = Adapter::with_settings(&section, &[]);
    let log = wait_for("the warning", || {
        let log = adapter.process.log();
        log.contains("the source cannot be read").then_some(log)
    });
    let line = log.lines().find(|line| line.contains("the source cannot be read")).unwrap();
    assert_eq!(line.matches("onnection refused").count(), 1, "{line}");
}

#[test]
fn a_jvms_values_are_shown_and_explained_as_rules_see_them() {
    let Some(jvm) = Jvm::open() else { return };
    let output = run(&["adapt-metrics", "dump", "--jmx", &format!("127.0.0.1:{}", jvm.port)]);
    let dump = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(dump.contains("java.lang<type=Memory><HeapMemoryUsage>used: "), "{dump}");
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.yaml");
    std::fs::write(
        &rules,
        "rules:\n- {pattern: nothing, name: a}\n- {pattern: 'lang<type=(\\w+)><(\\w+)>used', name: b_$1, labels: {of: $2}, valueFactor: 2, type: GAUGE}\n- {pattern: used, name: c}\n",
    )
    .unwrap();
    let explain = |value: &str| {
        let output = run(&["adapt-metrics", "explain", "--bean", value, "--rules-file", rules.to_str().unwrap()]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let told = explain("java.lang<type=Memory><HeapMemoryUsage>used: 21");
    assert!(told.contains("rule    1: nothing does not match"), "{told}");
    assert!(told.contains("used would match, but another rule is before it"), "{told}");
    assert!(told.ends_with("result  gauge b_Memory{of=\"HeapMemoryUsage\"} 42\n"), "{told}");
    let told = explain("d<type=T, name=\"x, <y><z>\"><A, B>used: text");
    assert!(told.ends_with("c would be text, which is no number\n"), "{told}");
    assert_eq!(run(&["adapt-metrics", "explain", "--bean", "nonsense"]).status.code(), Some(2));
}
