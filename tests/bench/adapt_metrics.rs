//! What StatsD costs: CPU per million lines, loss, memory per series, the time of a large page.
//!
//! `cargo bench --bench adapt_metrics [-- SCENARIO…]` starts the release binary and sends to it over real sockets, with the
//! sender on the same machine; the sender's cost is not in the figures. Scenarios: packed, single, mapped, unixgram, series,
//! storm; collectd and statsd (npm) measure those where they are installed, and STATSD_EXPORTER names a binary of it. All
//! lines: 1000 series, 60 % counters, 20 % gauges, 20 % timers, about 67 bytes.
//!
//! *floor* is a bare loop that reads the same packets and throws them away, with naps of the length that serves it best: what
//! the kernel takes of each receiver on this machine. It and the mapped scenario take turns with the adapter within one run,
//! a fifth of a second each, so that a noisy machine is equally noisy to both.
#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg};

const HTTP: u16 = 29_102;
const STATSD: u16 = 29_125;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|scenario| scenario == name);
    println!("{:<34} {:>12} {:>8} {:>14} {:>10}", "scenario", "lines/s", "loss", "CPU-s/M lines", "RSS MiB");
    for rate in [300_000, 1_000_000] {
        if is_asked("packed") {
            udp("packed", rate, 1400);
        }
    }
    if is_asked("mapped") {
        let dir = std::env::temp_dir().join(format!("patterns-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let mapping = write_mapping(&dir);
        mapped(&format!("--statsd-mapping={}", mapping.display()));
        std::fs::remove_dir_all(&dir).unwrap();
    }
    for rate in [50_000, 100_000, 200_000] {
        if is_asked("single") {
            udp("single", rate, 1);
        }
    }
    if is_asked("unixgram") {
        unixgram();
    }
    if is_asked("series") {
        series();
    }
    if is_asked("storm") {
        storm();
    }
    for peer in ["collectd", "statsd", "statsd_exporter"] {
        if is_asked(peer) {
            peers(peer);
        }
    }
}

/// The adapter, killed when dropped.
struct Adapter(Child);

impl Drop for Adapter {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Adapter {
    fn start(arguments: &[&str]) -> Self {
        Self::beside(0, arguments)
    }

    /// The one of this number, on ports of its own.
    fn beside(number: u16, arguments: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_patterns"))
            .args([
                "adapt-metrics",
                &format!("--http-bind=127.0.0.1:{}", HTTP + number),
                &format!("--statsd-listen=127.0.0.1:{}", STATSD + number),
            ])
            .args(arguments)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let adapter = Self(child);
        while ask(HTTP + number, "/readyz", "").is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        adapter
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

fn get(path: &str, headers: &str) -> Option<Vec<u8>> {
    ask(HTTP, path, headers)
}

fn ask(port: u16, path: &str, headers: &str) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").ok()?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).ok()?;
    Some(reply)
}

/// The sum of a counter's series on the page.
fn counted(name: &str) -> u64 {
    counted_at(HTTP, name)
}

fn counted_at(port: u16, name: &str) -> u64 {
    let page = String::from_utf8_lossy(&ask(port, "/metrics", "").unwrap_or_default()).into_owned();
    page.lines()
        .filter(|line| line.starts_with(name))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum::<f64>() as u64
}

/// CPU time of a process so far, in seconds: of all its threads, as exactly as the scheduler knows it.
fn cpu(pid: u32) -> f64 {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return 0.0 };
    threads.filter_map(|thread| on_cpu(&thread.ok()?.path())).sum()
}

fn on_cpu(thread: &Path) -> Option<f64> {
    let told = std::fs::read_to_string(thread.join("schedstat")).ok()?;
    told.split(' ').next()?.parse::<f64>().ok().map(|nanos| nanos / 1e9)
}

fn rss(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

/// 1000 lines in the mix of types.
fn lines(tags: Tags) -> Vec<String> {
    let line = |i: usize| {
        let (kind, value) = match i % 5 {
            0..=2 => ("c", "1"),
            3 => ("g", "42.5"),
            _ => ("ms", "120"),
        };
        let name = format!("app.service{}.requests.handled{i}", i % 17);
        let (host, code) = (i % 31, 200 + i % 7);
        match tags {
            Tags::DogStatsD => format!("{name}:{value}|{kind}|#host:web-{host:03},code:{code}"),
            Tags::InName => format!("{name},host=web-{host:03},code={code}:{value}|{kind}"),
        }
    };
    (0..1000).map(line).collect()
}

#[derive(Clone, Copy)]
enum Tags {
    DogStatsD,
    InName,
}

/// Packets of lines: as many as fit into `length` bytes, at least one.
fn packets(lines: &[String], length: usize) -> Vec<(Vec<u8>, usize)> {
    let mut packets: Vec<(Vec<u8>, usize)> = Vec::new();
    for line in lines {
        match packets.last_mut() {
            Some((packet, count)) if packet.len() + line.len() < length => {
                packet.push(b'\n');
                packet.extend_from_slice(line.as_bytes());
                *count += 1;
            }
            _ => packets.push((line.clone().into_bytes(), 1)),
        }
    }
    packets
}

/// Sends at a rate for some time; how many lines and packets went out.
fn send(port: u16, packets: &[(Vec<u8>, usize)], rate: usize, during: Duration) -> (u64, u64) {
    const BATCH: usize = 32;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    let mut headers = MultiHeaders::<()>::preallocate(BATCH, None);
    let (start, mut sent, mut count, mut at) = (Instant::now(), 0u64, 0, 0);
    while start.elapsed() < during {
        let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
        if sent >= due {
            std::thread::sleep(Duration::from_micros(100));
            continue;
        }
        let batch: Vec<&(Vec<u8>, usize)> = (0..BATCH).map(|i| &packets[(at + i) % packets.len()]).collect();
        let slices: Vec<[IoSlice<'_>; 1]> = batch.iter().map(|(packet, _)| [IoSlice::new(packet)]).collect();
        let addresses = [None::<()>; BATCH];
        let done = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, addresses, [], MsgFlags::empty())
            .map_or(0, Iterator::count);
        sent += batch[..done].iter().map(|(_, lines)| *lines as u64).sum::<u64>();
        count += done as u64;
        at = (at + done) % packets.len();
    }
    (sent, count)
}

const LINES: &str = "patterns_adapt_metrics_lines_total";

/// The adapter and the bare loop in turns.
fn udp(name: &str, rate: usize, length: usize) {
    let adapter = Adapter::start(&[]);
    let floor = Floor::start();
    let packets = packets(&lines(Tags::DogStatsD), length);
    warm(&packets, rate, &[STATSD]);
    let (before, counted_before) = (cpu(adapter.pid()), counted(LINES));
    let turns = turns(&packets, rate, &[STATSD, floor.port]);
    let used = cpu(adapter.pid()) - before;
    let got = counted(LINES) - counted_before;
    tell(name, turns[0], got, used, rss(adapter.pid()));
    let (read, used) = floor.end();
    let lines_a_packet = turns[1].0 as f64 / turns[1].2 as f64;
    tell(&format!("{name}, floor"), turns[1], (read as f64 * lines_a_packet) as u64, used, 0.0);
}

/// An adapter with a hundred globs and one without in turns.
fn mapped(mapping: &str) {
    let (plain, mapped) = (Adapter::start(&[]), Adapter::beside(1, &[mapping]));
    let packets = packets(&lines(Tags::DogStatsD), 1400);
    let ports = [STATSD, STATSD + 1];
    warm(&packets, 100_000, &ports);
    let before = [&plain, &mapped].map(|adapter| cpu(adapter.pid()));
    let counted_before = [HTTP, HTTP + 1].map(|port| counted_at(port, LINES));
    let turns = turns(&packets, 300_000, &ports);
    for (i, (name, adapter)) in [("packed, no mapping", &plain), ("packed, 100 globs", &mapped)].into_iter().enumerate()
    {
        let used = cpu(adapter.pid()) - before[i];
        let got = counted_at(HTTP + i as u16, LINES) - counted_before[i];
        tell(name, turns[i], got, used, rss(adapter.pid()));
    }
}

/// Once through all keys, so that the measure is of the steady state.
fn warm(packets: &[(Vec<u8>, usize)], rate: usize, ports: &[u16]) {
    for port in ports {
        send(*port, packets, rate.min(100_000), Duration::from_millis(500));
    }
    std::thread::sleep(Duration::from_millis(300));
}

/// Sends to some receivers in turns; for each the lines, the seconds and the packets.
fn turns(packets: &[(Vec<u8>, usize)], rate: usize, ports: &[u16]) -> Vec<(u64, f64, u64)> {
    let mut sums = vec![(0, 0.0, 0); ports.len()];
    for round in 0..20 {
        for turn in 0..ports.len() {
            // Who is first changes from round to round.
            let at = (round + turn) % ports.len();
            let start = Instant::now();
            let (lines, sent) = send(ports[at], packets, rate, Duration::from_millis(200));
            sums[at] = (sums[at].0 + lines, sums[at].1 + start.elapsed().as_secs_f64(), sums[at].2 + sent);
            // What is still in the buffer is read before the other's turn.
            std::thread::sleep(Duration::from_millis(30));
        }
    }
    sums
}

/// A thread that reads packets and throws them away.
struct Floor {
    port: u16,
    end: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: std::thread::JoinHandle<(u64, f64)>,
}

impl Floor {
    fn start() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 4 << 20).is_err() {
            socket.set_recv_buffer_size(4 << 20).unwrap();
        }
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        let end = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let ended = end.clone();
        let thread = std::thread::spawn(move || {
            let mut headers = MultiHeaders::<()>::preallocate(64, None);
            let mut room = vec![0u8; 64 * 2112];
            let mut read = 0;
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                let mut slices: Vec<[IoSliceMut<'_>; 1]> =
                    room.chunks_mut(2112).map(|slot| [IoSliceMut::new(slot)]).collect();
                let flags = MsgFlags::MSG_WAITFORONE;
                let count = recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None)
                    .map_or(0, Iterator::count);
                read += count as u64;
                if (1..64).contains(&count) {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            (read, on_cpu(Path::new("/proc/thread-self")).unwrap_or_default())
        });
        Self { port, end, thread }
    }

    /// The packets read, and the CPU seconds that they took.
    fn end(self) -> (u64, f64) {
        self.end.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn tell(name: &str, (sent, took, _): (u64, f64, u64), got: u64, used: f64, rss: f64) {
    let loss = 100.0 * (1.0 - got as f64 / sent as f64);
    let rate = sent as f64 / took;
    println!("{name:<34} {rate:>12.0} {loss:>7.2}% {:>14.3} {rss:>10.1}", used / got as f64 * 1e6);
}

/// Without loss, since the socket makes the sender wait: the most that goes through.
fn unixgram() {
    let path = std::env::temp_dir().join(format!("patterns-bench-{}.sock", std::process::id()));
    let adapter = Adapter::start(&[&format!("--statsd-listen-unixgram={}", path.display())]);
    for (name, length) in [("unixgram, packed, as fast as it goes", 1400), ("unixgram, single", 1)] {
        let packets = packets(&lines(Tags::DogStatsD), length);
        let socket = UnixDatagram::unbound().unwrap();
        socket.connect(&path).unwrap();
        let counter = "patterns_adapt_metrics_lines_total{receiver=\"unixgram\"}";
        let (before, counted_before) = (cpu(adapter.pid()), counted(counter));
        let (start, mut sent) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_secs(3) {
            for (packet, lines) in &packets {
                socket.send(packet).unwrap();
                sent += *lines as u64;
            }
        }
        let took = start.elapsed().as_secs_f64();
        std::thread::sleep(Duration::from_millis(300));
        let got = counted(counter) - counted_before;
        tell(name, (sent, took, 0), got, cpu(adapter.pid()) - before, rss(adapter.pid()));
    }
}

/// 100 000 counters: bytes a series, and the time of a page.
fn series() {
    let adapter = Adapter::start(&[]);
    let idle = rss(adapter.pid());
    let lines: Vec<String> = (0..100_000)
        .map(|i| format!("app.requests.{}:1|c|#host:web-{:05},code:{}", i % 50, i / 50, 200 + i % 5))
        .collect();
    send_all(&lines);
    // Asked for alone, since a whole page would sort the series, which shall be measured.
    let count = || {
        let page = get("/metrics?name[]=patterns_adapt_metrics_series", "").unwrap_or_default();
        let page = String::from_utf8_lossy(&page).into_owned();
        page.lines().find_map(|line| line.strip_prefix("patterns_adapt_metrics_series ")?.parse::<f64>().ok())
    };
    while count() < Some(100_000.0) {
        send_all(&lines);
    }
    let loaded = rss(adapter.pid());
    let (before, start) = (cpu(adapter.pid()), Instant::now());
    get("/metrics", "");
    let (took, used) = (start.elapsed().as_secs_f64(), cpu(adapter.pid()) - before);
    println!("{:<34} {:.1} ms, {:.1} ms CPU", "first page, to be sorted", took * 1e3, used * 1e3);
    println!(
        "{:<34} {:.0} bytes a series (idle {idle:.1} MiB, then {loaded:.1} MiB before a page)",
        "100 000 counters",
        (loaded - idle) * 1_048_576.0 / 100_000.0
    );
    for (name, headers) in [
        ("page, text", ""),
        ("page, gzip", "Accept-Encoding: gzip\r\n"),
        ("page, OpenMetrics", "Accept: application/openmetrics-text\r\n"),
        (
            "page, protobuf",
            "Accept: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited\r\n",
        ),
    ] {
        let mut best = f64::MAX;
        let mut size = 0;
        let before = cpu(adapter.pid());
        for _ in 0..10 {
            let start = Instant::now();
            size = get("/metrics", headers).map_or(0, |page| page.len());
            best = best.min(start.elapsed().as_secs_f64());
        }
        let used = (cpu(adapter.pid()) - before) / 10.0;
        println!("{name:<34} {:.1} ms at best, {:.1} ms CPU, {:.1} MB", best * 1e3, used * 1e3, size as f64 / 1e6);
    }
    println!("{:<34} {:.1} MiB after 40 pages", "100 000 counters", rss(adapter.pid()));
}

fn send_all(lines: &[String]) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (i, (packet, _)) in packets(lines, 1400).iter().enumerate() {
        socket.send_to(packet, ("127.0.0.1", STATSD)).unwrap();
        if i % 50 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    std::thread::sleep(Duration::from_millis(300));
}

/// Ten million distinct names.
fn storm() {
    let adapter = Adapter::start(&[]);
    let (start, mut most) = (Instant::now(), 0f64);
    for chunk in 0..100 {
        let lines: Vec<String> = (0..100_000).map(|i| format!("storm.of.names.{}:1|c", chunk * 100_000 + i)).collect();
        send_all(&lines);
        most = most.max(rss(adapter.pid()));
    }
    println!(
        "{:<34} {most:.1} MiB at most, {} series, {:.0} s",
        "10 M names",
        counted("patterns_adapt_metrics_series"),
        start.elapsed().as_secs_f64()
    );
}

fn write_mapping(dir: &Path) -> PathBuf {
    let mut yaml = "mappings:\n".to_owned();
    for i in 0..83 {
        yaml += &format!("- {{match: 'other.service{i}.*.*', name: other_{i}, labels: {{what: $1}}}}\n");
    }
    for i in 0..17 {
        yaml +=
            &format!("- {{match: 'app.service{i}.requests.*', name: 'app_service{i}_${{1}}', labels: {{what: $1}}}}\n");
    }
    let path = dir.join("mapping.yml");
    std::fs::write(&path, yaml).unwrap();
    path
}

/// Collectd's StatsD plugin, npm's statsd and statsd_exporter, where they are installed.
fn peers(peer: &str) {
    let dir = std::env::temp_dir().join(format!("patterns-bench-{peer}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let port = STATSD + 1;
    let mut command = if peer == "collectd" {
        let path = dir.join("collectd.conf");
        let text = format!(
            "Interval 10\nTypesDB \"/usr/share/collectd/types.db\"\nLoadPlugin statsd\n<Plugin statsd>\nHost \"127.0.0.1\"\nPort \"{port}\"\n</Plugin>\n"
        );
        std::fs::write(&path, text).unwrap();
        let mut command = Command::new("collectd");
        command.args(["-f", "-C"]).arg(&path).arg("-P").arg(dir.join("pid"));
        command
    } else if peer == "statsd_exporter" {
        let mut command = Command::new(std::env::var_os("STATSD_EXPORTER").unwrap_or_else(|| peer.into()));
        command.args([
            format!("--statsd.listen-udp=127.0.0.1:{port}"),
            "--statsd.listen-tcp=".to_owned(),
            format!("--web.listen-address=127.0.0.1:{}", port + 1),
            "--statsd.read-buffer=4194304".to_owned(),
            "--statsd.cache-size=5000".to_owned(),
        ]);
        command
    } else {
        let path = dir.join("config.js");
        std::fs::write(
            &path,
            format!(
                "{{ port: {port}, address: '127.0.0.1', mgmt_port: {}, backends: [], flushInterval: 10000 }}",
                port + 1
            ),
        )
        .unwrap();
        let mut command = Command::new("statsd");
        command.arg(&path);
        command
    };
    let Ok(child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        println!("{peer:<34} is not installed");
        std::fs::remove_dir_all(&dir).unwrap();
        return;
    };
    let running = Adapter(child);
    std::thread::sleep(Duration::from_secs(2));
    for (name, length, rate) in [("packed", 1400, 100_000), ("packed", 1400, 300_000), ("single", 1, 50_000)] {
        let tags = if peer == "statsd_exporter" { Tags::DogStatsD } else { Tags::InName };
        let packets = packets(&lines(tags), length);
        let (before, drops) = (cpu(running.pid()), dropped(port));
        let start = Instant::now();
        let (sent, _) = send(port, &packets, rate, Duration::from_secs(5));
        let took = start.elapsed().as_secs_f64();
        std::thread::sleep(Duration::from_millis(500));
        let lines_a_packet = packets.iter().map(|(_, lines)| lines).sum::<usize>() as u64 / packets.len() as u64;
        let lost = (dropped(port) - drops) * lines_a_packet;
        tell(
            &format!("{peer}, {name}"),
            (sent, took, 0),
            sent.saturating_sub(lost),
            cpu(running.pid()) - before,
            rss(running.pid()),
        );
    }
    drop(running);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// What the kernel dropped at a UDP port.
fn dropped(port: u16) -> u64 {
    let wanted = format!(":{port:04X}");
    let tables = ["/proc/net/udp", "/proc/net/udp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let row = tables
        .iter()
        .flat_map(|table| table.lines())
        .find(|row| row.split_ascii_whitespace().nth(1).is_some_and(|local| local.ends_with(&wanted)));
    row.and_then(|row| row.split_ascii_whitespace().last()?.parse().ok()).unwrap_or(0)
}
