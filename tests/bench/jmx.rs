//! A scrape of a real JVM: wall time, our own CPU time, the JVM's, and memory. `cargo bench --bench jmx`
//!
//! First the platform's beans as they are, then with the `jvm_*` families, then a thousand beans of an application.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use patterns::adapt_metrics::jmx::{JmxSettings, JmxSource, Selection, Target, TlsSettings, TlsUse};

const SCRAPES: u32 = 200;

fn main() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/adapt_metrics/jmx/Beans.java");
    let mut jvm = Command::new("java")
        .arg(format!("-Dcom.sun.management.jmxremote.port={port}"))
        .args(["-Dcom.sun.management.jmxremote.authenticate=false", "-Dcom.sun.management.jmxremote.ssl=false", source])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("java starts");
    let mut commands = jvm.stdin.take().unwrap();
    let mut output = BufReader::new(jvm.stdout.take().unwrap()).lines();
    assert_eq!(output.next().unwrap().unwrap(), "ready");

    let settings = |include: &str| JmxSettings {
        target: Target {
            address: format!("127.0.0.1:{port}").parse().unwrap(),
            login: None,
            tls: TlsUse::AsAsked(TlsSettings::default()),
            rmi_port: None,
        },
        selection: Selection { include: vec![include.parse().unwrap()], ..Selection::default() },
        deadline: Duration::from_secs(30),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        measure("platform", JmxSource::new(settings("java.*:*")), jvm.id()).await;
        measure("platform + jvm_*", JmxSource::new(settings("java.*:*")).with_jvm_families(), jvm.id()).await;
        writeln!(commands, "many 1000").unwrap();
        assert_eq!(output.next().unwrap().unwrap(), "done");
        measure("1000 beans", JmxSource::new(settings("*:*")), jvm.id()).await;
    });
    drop(commands);
    jvm.wait().unwrap();
}

async fn measure(what: &str, mut source: JmxSource, jvm: u32) {
    let start = Instant::now();
    let first = source.scrape().await.unwrap();
    let first_took = start.elapsed();
    // The JVM compiles what it runs often.
    for _ in 0..SCRAPES {
        source.scrape().await.unwrap();
    }
    let (cpu, jvm_cpu) = (own_cpu(), cpu_of(jvm));
    let mut walls = Vec::new();
    for _ in 0..SCRAPES {
        walls.push(source.scrape().await.unwrap().took);
    }
    let cpu = (own_cpu() - cpu) / SCRAPES;
    let jvm_cpu = (cpu_of(jvm) - jvm_cpu) / SCRAPES;
    walls.sort();
    let (median, slow) = (walls[walls.len() / 2], walls[walls.len() * 9 / 10]);
    let (beans, samples, memory) = (first.counts.beans, first.samples.len(), own_memory());
    println!(
        "{what}: {beans} beans, {samples} samples, first {first_took:.1?}, then {median:.2?} (p90 {slow:.2?}), our CPU {cpu:.2?}, the JVM's {jvm_cpu:.1?}, our peak memory {memory}"
    );
    source.close().await;
}

fn own_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn cpu_of(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn own_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().to_owned()
}
