//! The end of a process: signals, ports that are taken, the termination log, exit codes.

use std::fs;
use std::net::TcpListener;

use crate::modes::{ALL, READY, complaint, started};
use crate::support::{Process, get, patterns};

#[test]
fn sigterm_and_sigint_end_every_mode_with_success() {
    let dir = tempfile::tempdir().unwrap();
    for least in &ALL {
        for signal in ["TERM", "INT"] {
            let (mut process, _) = least.start(dir.path(), &[]);
            process.signal(signal);
            assert_eq!(process.wait().code(), Some(0), "{} {signal}: {}", least.mode, process.log());
            assert!(process.log().contains("ended"), "{}", process.log());
        }
    }
}

#[test]
fn a_port_that_is_taken_is_told_with_the_settings_name() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for least in &ALL {
        let output = least.command(dir.path()).args(["--http-bind", &address]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", least.mode);
        let said = complaint(&output);
        assert!(said.contains(&format!("cannot listen on {address}")) && said.contains("--http-bind"), "{said}");
    }
    let output = patterns()
        .args(["ambassador-redis", "--primary=127.0.0.1:1", "--http-bind=off", "--log-format=text"])
        .args(["--listen", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("set --listen to a free one"), "{}", complaint(&output));

    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = patterns()
        .args(["adapt-metrics", "--http-bind=off", "--log-format=text", "--statsd-listen", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = complaint(&output);
    assert!(said.contains(&address) && said.contains("--statsd-listen"), "{said}");
}

#[test]
fn a_fatal_end_leaves_its_reason_in_the_termination_log_that_exists() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (there, absent) = (dir.path().join("there"), dir.path().join("absent"));
    fs::write(&there, "what an earlier run left, longer than anything that follows ".repeat(100)).unwrap();
    for log in [&there, &absent] {
        let mut command = READY.command(dir.path());
        let output = command.args(["--http-bind", &address, "--termination-log"]).arg(log).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
    }
    let left = fs::read_to_string(&there).unwrap();
    assert!(left.starts_with(&format!("error: cannot listen on {address}\n")), "{left}");
    assert!(!left.contains("earlier run") && !absent.exists());
}

#[test]
fn logs_are_one_json_object_a_line_where_nobody_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for least in &ALL {
        let mut command = least.command(dir.path());
        let output = command.args(["--log-format=auto", "--http-bind", &address]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = complaint(&output);
        let records: Vec<serde_json::Value> =
            said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
        let last = records.last().expect("a record");
        assert_eq!((&last["level"], &last["message"]), (&"ERROR".into(), &"ended by a fault".into()), "{said}");
        assert!(last["error"].as_str().unwrap().contains(&address), "{said}");
    }
}

#[test]
fn nothing_is_printed_on_standard_output_by_a_running_mode() {
    let dir = tempfile::tempdir().unwrap();
    for least in &ALL {
        let out = dir.path().join("stdout");
        let script = format!("exec \"$0\" \"$@\" >{}", out.display());
        let command = least.command(dir.path());
        let mut shell = std::process::Command::new("sh");
        shell.arg("-c").arg(script).arg(command.get_program()).args(command.get_args()).arg("--http-bind=127.0.0.1:0");
        let mut process = Process::start(&mut shell);
        process.wait_for_log("starting");
        assert_eq!(process.terminate().code(), Some(0));
        assert_eq!(fs::read_to_string(&out).unwrap(), "", "{}", least.mode);
    }
}

#[test]
fn a_remote_that_is_down_at_the_start_ends_no_process() {
    let dir = tempfile::tempdir().unwrap();
    for least in &ALL {
        let (mut process, port) = least.start(dir.path(), &[]);
        let (status, _) = get(port, "/livez").unwrap();
        assert_eq!(status, 200);
        assert!(process.is_running(), "{}: {}", least.mode, process.log());
    }
}

#[test]
fn every_mode_runs_without_an_environment_or_a_home() {
    let dir = tempfile::tempdir().unwrap();
    for least in &ALL {
        let mut command = least.command(dir.path());
        let (mut process, _) =
            started(command.env_clear().current_dir("/").args(["--log-format=text", "--http-bind=127.0.0.1:0"]));
        assert_eq!(process.terminate().code(), Some(0), "{}: {}", least.mode, process.log());
    }
}
