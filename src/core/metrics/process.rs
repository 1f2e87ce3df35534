//! What the process tells about itself, under the names that every Prometheus client uses.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Collect, Encoder, FamilyHead, Kind, Point};

/// The process's own families, read from `/proc` when asked for.
pub(super) struct Process {
    started: f64,
}

impl Process {
    pub(super) fn new() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self { started }
    }
}

impl Collect for Process {
    fn collect(&self, out: &mut dyn Encoder) {
        out.family(&FamilyHead {
            name: "patterns_build_info",
            kind: Kind::Info,
            unit: "",
            help: "The build that runs here.",
        });
        out.sample(&[("version", env!("CARGO_PKG_VERSION"))], Point::Info);
        let mut gauge = |name, unit, help, value: Option<f64>| {
            if let Some(value) = value {
                out.family(&FamilyHead { name, kind: Kind::Gauge, unit, help });
                out.sample(&[], Point::Value(value));
            }
        };
        gauge("process_start_time_seconds", "seconds", "When the process started, in Unix time.", Some(self.started));
        gauge(
            "process_resident_memory_bytes",
            "bytes",
            "Resident memory.",
            status_kib("VmRSS:").map(|kib| kib * 1024.0),
        );
        gauge(
            "process_virtual_memory_bytes",
            "bytes",
            "Virtual memory.",
            status_kib("VmSize:").map(|kib| kib * 1024.0),
        );
        gauge(
            "process_max_fds",
            "",
            "How many file descriptors may be open.",
            rustix::process::getrlimit(rustix::process::Resource::Nofile).current.map(|most| most as f64),
        );
        gauge(
            "process_open_fds",
            "",
            "Open file descriptors.",
            std::fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count() as f64),
        );
        if let Some(seconds) = cpu_seconds() {
            let help = "User and system CPU time spent.";
            out.family(&FamilyHead { name: "process_cpu_seconds_total", kind: Kind::Counter, unit: "seconds", help });
            out.sample(&[], Point::Value(seconds));
        }
    }
}

fn status_kib(key: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}
