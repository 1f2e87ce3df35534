//! A running adapter, something to send to it, and its page.

use std::io::Write;
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{self, Process, wait_for};

/// A running adapter.
pub struct Adapter {
    pub process: Process,
    pub http: u16,
    pub statsd: u16,
    /// Kept for as long as the adapter runs.
    _dir: TempDir,
}

impl Adapter {
    /// Starts an adapter that receives StatsD, with further arguments.
    pub fn start(arguments: &[&str]) -> Self {
        Self::with_settings("", arguments)
    }

    /// Starts an adapter that receives StatsD, with lines for its section of the settings file.
    pub fn with_settings(section: &str, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let http = support::free_port();
        // Not one of the kernel's choice, which another test's sending socket may be given before the adapter is there.
        let statsd = support::free_port();
        let settings = dir.path().join("settings.yaml");
        let text = format!(
            "adapt-metrics:\n  http-bind: 127.0.0.1:{http}\n  statsd-listen: 127.0.0.1:{statsd}\n  termination-log: {}\n{section}",
            dir.path().join("termination").display()
        );
        std::fs::write(&settings, text).unwrap();
        let mut command = support::patterns();
        command.arg("adapt-metrics").arg("--config").arg(&settings).args(arguments);
        let process = Process::start(&mut command);
        let mut adapter = Self { process, http, statsd, _dir: dir };
        adapter.wait_until_ready();
        adapter
    }

    fn wait_until_ready(&mut self) {
        let http = self.http;
        wait_for("the adapter to be ready", || {
            assert!(self.process.is_running(), "the adapter ended:\n{}", self.process.log());
            support::get(http, "/readyz").filter(|(status, _)| *status == 200)
        });
    }

    /// Sends one datagram.
    pub fn send(&self, packet: &str) {
        self.send_bytes(packet.as_bytes());
    }

    /// Sends one datagram.
    pub fn send_bytes(&self, packet: &[u8]) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(packet, ("127.0.0.1", self.statsd)).unwrap();
    }

    /// The page as text.
    pub fn page(&self) -> String {
        support::get(self.http, "/metrics").expect("the page is served").1
    }

    /// Waits until the page has this line.
    #[track_caller]
    pub fn wait_for_line(&self, line: &str) -> String {
        let start = std::time::Instant::now();
        loop {
            let page = self.page();
            if page.lines().any(|found| found == line) {
                return page;
            }
            assert!(start.elapsed() < support::PATIENCE, "waited in vain for {line:?}; the page:\n{page}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// The samples of the page that are not our own.
    pub fn samples(&self) -> Vec<String> {
        let is_ours =
            |line: &str| line.starts_with('#') || line.starts_with("patterns_") || line.starts_with("process_");
        self.page().lines().filter(|line| !is_ours(line)).map(str::to_owned).collect()
    }
}

/// What promtool says against a page; nothing when it is fine.
pub fn promtool(page: &str) -> String {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed (Debian: prometheus)");
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { String::new() } else { told }
}
