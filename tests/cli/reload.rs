//! Reload: SIGHUP, a new content of the settings file, and a ConfigMap's swap of links. A bad one changes nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::modes::{ALL, READY, started};
use crate::support::{Process, get, wait_for};

/// Publishes a generation of a volume as the kubelet does: a directory, and a link that turns to it in one step.
fn publish(volume: &Path, generation: &str, text: &str) {
    fs::create_dir(volume.join(generation)).unwrap();
    fs::write(volume.join(generation).join("patterns.yaml"), text).unwrap();
    symlink(generation, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
}

#[test]
fn every_mode_outlives_a_hangup() {
    let dir = tempfile::tempdir().unwrap();
    for least in &ALL {
        let (mut process, port) = least.start(dir.path(), &[]);
        process.signal("HUP");
        wait_for_reloads(port, "done", 1);
        assert_eq!(get(port, "/livez").unwrap().0, 200, "{}", least.mode);
        assert_eq!(process.terminate().code(), Some(0), "{}", process.log());
    }
}

#[test]
fn a_swap_of_a_configmap_is_one_reload() {
    let dir = tempfile::tempdir().unwrap();
    let volume = dir.path().join("config");
    fs::create_dir(&volume).unwrap();
    publish(&volume, "..1", "log: info\n");
    symlink("..data/patterns.yaml", volume.join("patterns.yaml")).unwrap();
    let config = format!("--config={}", volume.join("patterns.yaml").display());
    for least in &ALL {
        let (mut process, port) = least.start(dir.path(), &[&config]);
        let generation = format!("..{}", least.mode);
        publish(&volume, &generation, &format!("log: info\n# {generation}\n"));
        wait_for_reloads(port, "done", 1);
        assert_eq!(get(port, "/livez").unwrap().0, 200, "{}", least.mode);
        assert_eq!(process.terminate().code(), Some(0), "{}", process.log());
        assert_eq!(process.log().matches("the settings file has changed").count(), 1, "{}", process.log());
    }
}

/// A mode that runs with a settings file of this text.
fn running(dir: &Path, text: &str) -> (Process, u16, PathBuf) {
    let path = dir.join("patterns.yaml");
    fs::write(&path, text).unwrap();
    let mut command = READY.command(dir);
    let (process, port) = started(command.arg("--config").arg(&path).args(["--http-bind", "127.0.0.1:0"]));
    (process, port, path)
}

/// Waits until so many reloads ended like this.
#[track_caller]
fn wait_for_reloads(port: u16, result: &str, count: u64) {
    let sample = format!("patterns_settings_reloads_total{{result=\"{result}\"}} {count}\n");
    wait_for(&sample, || get(port, "/metrics").filter(|(_, page)| page.contains(&sample)));
}

#[test]
fn a_reload_with_mistakes_keeps_the_last_good_settings_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (mut process, port, path) = running(dir.path(), "drain-timeout: 5s\n");
    for (i, wrong) in ["drain-timeout: soon\nlogg: x\n", "[\n", ""].into_iter().enumerate() {
        if wrong.is_empty() {
            fs::remove_file(&path).unwrap();
            process.signal("HUP");
        } else {
            fs::write(&path, wrong).unwrap();
        }
        wait_for_reloads(port, "refused", i as u64 + 1);
    }
    let log = process.log();
    assert!(
        log.contains("not reloaded") && log.contains("did you mean `log`?") && log.contains(":1: drain-timeout"),
        "{log}"
    );
    assert_eq!(get(port, "/readyz").unwrap().0, 200);
    fs::write(&path, "drain-timeout: 6s\n").unwrap();
    wait_for_reloads(port, "done", 1);
    assert_eq!(process.terminate().code(), Some(0), "{}", process.log());
    let log = process.log();
    assert!(log.contains("wait for the next start settings=\"drain-timeout\""), "{log}");
}

#[test]
fn a_new_log_filter_is_in_force_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut process, port, path) = running(dir.path(), "log: info\n");
    fs::write(&path, "log: off\n").unwrap();
    wait_for_reloads(port, "done", 1);
    assert_eq!(process.terminate().code(), Some(0));
    assert!(!process.log().contains("ending"), "{}", process.log());
}
