//! What the tests of every mode share: the binary as a process, waiting for a condition, one plain HTTP request.
//!
//! Each test target compiles this file for itself and uses a part of it.
#![allow(dead_code, unreachable_pub, reason = "each test target uses a part of it, as a module of its own")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long any condition is waited for. Generous: it is only reached when a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A command that starts the binary with a clean environment: no setting of the caller's reaches it.
pub fn patterns() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patterns"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("PATTERNS_") || name.starts_with("GITSYNC_") || name.starts_with("GIT_SYNC_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str]) -> Output {
    patterns().args(arguments).output().expect("the binary starts")
}

/// Waits until `probe` answers with something, or fails the test with `what`.
#[track_caller]
pub fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A port that was free a moment ago, for servers that cannot be asked which one they took. It is below those that the
/// kernel gives to outgoing connections, one of which could take it first, and was given to nobody else of this process.
pub fn free_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 10_000..30_000;
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Other processes with tests begin elsewhere.
    let start = std::process::id().wrapping_mul(2_654_435_761) % u32::from(PORTS.end - PORTS.start);
    let mut ports = std::iter::repeat_with(|| {
        let steps = u32::from(GIVEN.fetch_add(1, Ordering::Relaxed));
        PORTS.start + ((start + steps) % u32::from(PORTS.end - PORTS.start)) as u16
    });
    let is_free =
        |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok() && UdpSocket::bind(("127.0.0.1", *port)).is_ok();
    ports.by_ref().take(1000).find(is_free).expect("a free port")
}

/// A redis-server that keeps nothing, in a directory of its own.
pub fn redis_server(port: u16, dir: &Path) -> Command {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--enable-debug-command", "yes", "--port", &port.to_string()]);
    command.arg("--dir").arg(dir);
    command
}

/// A running process, killed when dropped, whose standard error is kept.
pub struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Process {
    /// Starts a command and reads its standard error from now on.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, kept) = (child.stderr.take().expect("stderr is piped"), log.clone());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&String::from_utf8_lossy(&line));
                kept.push('\n');
            }
        });
        Self { child, log, reader }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the process has written to standard error.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a text in the log.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < PATIENCE, "waited in vain for {text:?} in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal by name (`TERM`, `HUP`, `STOP`, …).
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().expect("kill runs");
        assert!(status.success(), "kill -{name} failed");
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the process can be waited for").is_none()
    }

    /// Waits for the end, and for the end of the log.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                while !self.reader.is_finished() && start.elapsed() < PATIENCE {
                    std::thread::sleep(Duration::from_millis(1));
                }
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the process did not end; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends SIGTERM and waits for the end.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends one HTTP request to this machine and reads the whole reply: status, head and body. `None` when nobody listens.
pub fn http(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<(u16, String, Vec<u8>)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    stream.write_all(request.as_bytes()).ok()?;
    stream.write_all(b"\r\n").ok()?;
    stream.write_all(body).ok()?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).ok()?;
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&reply[..end]).into_owned();
    let status = head.get(9..12)?.parse().ok()?;
    Some((status, head, reply[end + 4..].to_vec()))
}

/// GET as text: status and body. `None` when nobody listens.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    http(port, "GET", path, &[], b"").map(|(status, _, body)| (status, String::from_utf8_lossy(&body).into_owned()))
}
