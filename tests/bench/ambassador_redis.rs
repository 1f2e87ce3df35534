//! The ambassador beside direct Redis, nutcracker and haproxy, in one run: `cargo bench --bench ambassador_redis [-- ROUNDS]`.
//!
//! Each cell is requests a second, the p99 in milliseconds, and the CPU seconds of the proxy for a million requests (the sum over its
//! threads, from the scheduler), alone and as a multiple of nutcracker's and of haproxy's. On few cores the client, the proxy and the
//! servers compete, so that the last are the figures to trust. A proxy that is not installed is left out.
//!
//! Then the memory of each with the clients of the last test, and what a session costs that has asked once and is idle, from 10 000 of
//! them (open files are raised to what that takes, as far as the limit allows).

#![allow(missing_docs, clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and fails by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TESTS: [(&str, &[&str], u32); 9] = [
    ("GET 3 B", &["-t", "get", "-d", "3"], 200_000),
    ("SET 3 B", &["-t", "set", "-d", "3"], 200_000),
    ("GET 1 KiB", &["-t", "get", "-d", "1024"], 150_000),
    ("GET 3 B -P16", &["-t", "get", "-d", "3", "-P", "16"], 1_600_000),
    ("SET 3 B -P16", &["-t", "set", "-d", "3", "-P", "16"], 800_000),
    ("MGET x10", &["MGET", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"], 150_000),
    // Costs a server more than the client and the proxy together: what two replicas are for.
    ("BITCOUNT 16 KiB", &["-P", "16", "BITCOUNT", "bits"], 400_000),
    ("GET 1 client", &["-t", "get", "-d", "3", "-c", "1"], 40_000),
    ("SET 1 client", &["-t", "set", "-d", "3", "-c", "1"], 40_000),
];

/// Sessions that have nothing to do.
const IDLE: u64 = 10_000;

/// A server or a proxy, killed when dropped.
struct Running {
    name: &'static str,
    port: u16,
    child: Option<Child>,
}

struct Figure {
    rps: f64,
    p99: f64,
    cpu: f64,
}

fn main() {
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(3usize);
    let dir = tempfile::tempdir().expect("a directory");
    let primary = redis(&dir, None);
    let replicas = [redis(&dir, Some(primary.port)), redis(&dir, Some(primary.port))];
    std::thread::sleep(Duration::from_secs(2));
    fill(primary.port);
    let mut subjects = vec![Running { name: "direct", port: primary.port, child: None }];
    subjects.extend(nutcracker(&dir, primary.port));
    subjects.extend(haproxy(&dir, primary.port));
    subjects.push(ambassador("primary only", primary.port, &[], &["--workers", "1"]));
    subjects.push(ambassador("split, proxy", primary.port, &replicas, &["--workers", "1"]));
    subjects.push(ambassador(
        "split, eventual",
        primary.port,
        &replicas,
        &["--workers", "1", "--consistency", "eventual"],
    ));
    for subject in &subjects {
        wait_for_port(subject.port);
    }
    std::thread::sleep(Duration::from_secs(2));
    println!("{:15} {}", "", subjects.iter().map(|subject| format!("{:>38}", subject.name)).collect::<String>());
    for (name, arguments, requests) in TESTS {
        let mut figures: Vec<Vec<Figure>> = subjects.iter().map(|_| Vec::new()).collect();
        for round in 0..rounds {
            // Every second round backwards, so that a drift of the machine hits all alike.
            let order: Vec<usize> =
                if round % 2 == 0 { (0..subjects.len()).collect() } else { (0..subjects.len()).rev().collect() };
            for at in order {
                figures[at].push(measure(&subjects[at], arguments, requests));
            }
        }
        let cells: Vec<Figure> = figures.into_iter().map(median).collect();
        let cpu_of = |name: &str| {
            let at = subjects.iter().position(|subject| subject.name == name);
            at.map_or(f64::NAN, |at| cells[at].cpu)
        };
        let (nutcracker, haproxy) = (cpu_of("nutcracker"), cpu_of("haproxy"));
        let cells = cells.iter().map(|Figure { rps, p99, cpu }| {
            format!("{rps:>12.0} {p99:>6.2} {cpu:>6.2} {:>5.2} {:>5.2}", cpu / nutcracker, cpu / haproxy)
        });
        println!("{name:15} {}", cells.collect::<String>());
        std::io::stdout().flush().expect("stdout");
    }
    for subject in subjects.iter().filter_map(|subject| Some((subject.name, subject.child.as_ref()?.id()))) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", subject.1)).unwrap_or_default();
        println!("{}: {}", subject.0, status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default());
    }
    idle_sessions(primary.port, &replicas);
}

/// Prints what an idle session costs.
fn idle_sessions(primary: u16, replicas: &[Running]) {
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let wanted = limits.maximum.map_or(IDLE + 100, |maximum| maximum.min(IDLE + 100));
    let raised = rustix::process::Rlimit { current: Some(wanted.max(limits.current.unwrap_or(wanted))), ..limits };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).expect("within the hard limit");
    let sessions = IDLE.min(wanted - 100);
    let ambassador = ambassador("idle", primary, replicas, &["--workers", "1", "--max-clients", "20000"]);
    wait_for_port(ambassador.port);
    let id = ambassador.child.as_ref().expect("it was started").id();
    let connect = || {
        let mut stream = TcpStream::connect(("127.0.0.1", ambassador.port)).expect("the port is open");
        stream.write_all(b"*2\r\n$3\r\nGET\r\n$2\r\nk0\r\n").expect("the socket takes it");
        let mut reply = [0; 11];
        stream.read_exact(&mut reply).expect("a reply");
        assert_eq!(&reply, b"$5\r\nvalue\r\n");
        stream
    };
    let first = connect();
    let before = private_bytes(id);
    let idle: Vec<TcpStream> = (0..sessions).map(|_| connect()).collect();
    let after = private_bytes(id);
    println!(
        "idle: {sessions} sessions: {:.1} MiB of its own, with one session {:.1} MiB: {} bytes a session",
        after as f64 / f64::from(1 << 20),
        before as f64 / f64::from(1 << 20),
        after.saturating_sub(before) / sessions.max(1)
    );
    drop((first, idle));
}

/// The memory of a process that it has written to and shares with nobody.
fn private_bytes(id: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).expect("the process runs");
    let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).expect("the kernel counts it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Each figure's median.
fn median(mut figures: Vec<Figure>) -> Figure {
    let mut of = |figure: fn(&Figure) -> f64| {
        figures.sort_by(|a, b| figure(a).total_cmp(&figure(b)));
        figure(&figures[figures.len() / 2])
    };
    Figure { rps: of(|f| f.rps), p99: of(|f| f.p99), cpu: of(|f| f.cpu) }
}

fn measure(subject: &Running, arguments: &[&str], requests: u32) -> Figure {
    let before = cpu(subject);
    let mut command = Command::new("redis-benchmark");
    command.args(["-p", &subject.port.to_string(), "-n", &requests.to_string(), "-r", "100000", "--csv"]);
    if !arguments.contains(&"-c") {
        command.args(["-c", "50"]);
    }
    let output = command.args(arguments).output().expect("redis-benchmark runs");
    let cpu = (cpu(subject) - before) / f64::from(requests) * 1e6;
    let text = String::from_utf8_lossy(&output.stdout);
    let row: Vec<f64> = text
        .lines()
        .last()
        .unwrap_or_default()
        .rsplit("\",\"")
        .take(7)
        .map(|cell| cell.trim_matches('"').parse().unwrap_or(0.0))
        .collect();
    // From the end: max, p99, p95, p50, min, mean, rps.
    Figure { rps: row.get(6).copied().unwrap_or(0.0), p99: row.get(1).copied().unwrap_or(0.0), cpu }
}

/// CPU seconds of all threads.
fn cpu(subject: &Running) -> f64 {
    let Some(child) = &subject.child else { return 0.0 };
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", child.id())) else { return 0.0 };
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
        .sum::<f64>()
        / 1e9
}

fn redis(dir: &tempfile::TempDir, primary: Option<u16>) -> Running {
    let port = free_port();
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--save", "", "--repl-diskless-sync-delay", "0", "--dir"])
        .arg(dir.path());
    command.args(["--dbfilename", &format!("{port}.rdb")]);
    if let Some(primary) = primary {
        command.args(["--replicaof", "127.0.0.1", &primary.to_string()]);
    }
    let running = start("redis", port, &mut command);
    wait_for_port(port);
    running
}

fn ambassador(name: &'static str, primary: u16, replicas: &[Running], more: &[&str]) -> Running {
    let port = free_port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_patterns"));
    command.args(["ambassador-redis", "--http-bind", "off", "--listen", &format!("127.0.0.1:{port}")]);
    command.args(["--primary", &format!("127.0.0.1:{primary}")]).args(more);
    for replica in replicas {
        command.args(["--replica", &format!("127.0.0.1:{}", replica.port)]);
    }
    start(name, port, &mut command)
}

fn nutcracker(dir: &tempfile::TempDir, primary: u16) -> Option<Running> {
    let port = free_port();
    let path = dir.path().join("nutcracker.yml");
    let text = format!(
        "a:\n  listen: 127.0.0.1:{port}\n  redis: true\n  preconnect: true\n  servers:\n   - 127.0.0.1:{primary}:1\n"
    );
    std::fs::write(&path, text).expect("a file");
    let stats = free_port().to_string();
    installed("nutcracker")?;
    Some(start("nutcracker", port, Command::new("nutcracker").arg("-c").arg(&path).args(["-s", &stats])))
}

fn haproxy(dir: &tempfile::TempDir, primary: u16) -> Option<Running> {
    let port = free_port();
    let path = dir.path().join("haproxy.cfg");
    let text = format!(
        "global\n nbthread 1\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m\n\
         listen a\n bind 127.0.0.1:{port}\n server p 127.0.0.1:{primary}\n"
    );
    std::fs::write(&path, text).expect("a file");
    installed("haproxy")?;
    Some(start("haproxy", port, Command::new("haproxy").arg("-f").arg(&path)))
}

fn installed(program: &str) -> Option<()> {
    Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().ok().map(|_| ())
}

fn start(name: &'static str, port: u16, command: &mut Command) -> Running {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    Running { name, port, child: Some(child) }
}

fn fill(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the port is open");
    for n in 0..10 {
        stream.write_all(format!("SET k{n} value\r\n").as_bytes()).expect("the socket takes it");
    }
    stream.write_all(b"SETRANGE bits 16383 x\r\n").expect("the socket takes it");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn wait_for_port(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(20), "nobody listens on {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Both fail only when it is gone already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
