//! Reload: SIGHUP, a new content of the settings file, and a ConfigMap's swap of links. A bad one changes nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::modes::{ALL, READY, started};
use crate::support::get;

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
        process.wait_for_log("reloading: SIGHUP");
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
        process.wait_for_log("the settings file has changed");
        assert_eq!(get(port, "/livez").unwrap().0, 200, "{}", least.mode);
        assert_eq!(process.terminate().code(), Some(0), "{}", process.log());
        assert_eq!(process.log().matches("the settings file has changed").count(), 1, "{}", process.log());
    }
}

#[test]
fn a_reload_with_mistakes_keeps_the_process_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("patterns.yaml");
    fs::write(&path, "adapt-metrics:\n  statsd-listen: 127.0.0.1:0\n").unwrap();
    let mut command = READY.command(dir.path());
    let (mut process, port) = started(command.arg("--config").arg(&path).args(["--http-bind", "127.0.0.1:0"]));
    fs::write(&path, "adapt-metrics:\n  statsd-lisen: [\n").unwrap();
    process.wait_for_log("the settings file has changed");
    assert_eq!(get(port, "/readyz").unwrap().0, 200);
    assert_eq!(process.terminate().code(), Some(0), "{}", process.log());
}
