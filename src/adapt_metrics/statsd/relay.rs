//! The relay: the lines that came in, sent on over UDP as they were, packed into datagrams.
//!
//! It has a queue of its own and a thread of its own. When the other side is slow or gone, lines are dropped here and
//! counted; receivers never wait for it.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::core::metrics::{Counter, Registry};

/// How many packets may wait.
const QUEUE: usize = 1024;
/// How long a datagram may wait to be filled.
const FLUSH: Duration = Duration::from_secs(1);
/// How long the end of the process waits for the relay.
const LAST: Duration = Duration::from_secs(2);
/// How long a name's address is believed.
const RESOLVE: Duration = Duration::from_secs(60);

/// What is counted of the relay.
#[derive(Clone)]
pub struct RelayCounts {
    /// Lines sent.
    pub lines: Counter,
    /// Datagrams sent.
    pub packets: Counter,
    /// Lines longer than a datagram may be.
    pub too_long: Counter,
    /// Packets of lines that were dropped because the queue was full.
    pub dropped: Counter,
    /// Datagrams that could not be sent.
    pub failed: Counter,
}

impl RelayCounts {
    /// The instruments.
    pub fn new(registry: &Registry) -> Self {
        let counter = |name, help| registry.counter(name, help, &[]);
        Self {
            lines: counter("patterns_adapt_metrics_relay_lines_total", "Lines sent on."),
            packets: counter("patterns_adapt_metrics_relay_packets_total", "Datagrams sent on."),
            too_long: counter(
                "patterns_adapt_metrics_relay_too_long_lines_total",
                "Lines longer than a datagram that is sent on.",
            ),
            dropped: counter(
                "patterns_adapt_metrics_relay_dropped_packets_total",
                "Packets that were not sent on because the queue was full.",
            ),
            failed: counter(
                "patterns_adapt_metrics_relay_failed_packets_total",
                "Datagrams that could not be sent on.",
            ),
        }
    }
}

enum Order {
    Packet(Vec<u8>),
    /// Send what waits, then say so.
    Flush(oneshot::Sender<()>),
}

/// The receivers' end of the relay.
#[derive(Clone)]
pub struct Relay {
    queue: SyncSender<Order>,
    counts: RelayCounts,
}

impl Relay {
    /// Starts the relay to `host:port`; a datagram has at most `length` bytes.
    ///
    /// # Errors
    /// The thread or the socket cannot be made.
    pub fn start(address: String, length: usize, counts: RelayCounts) -> io::Result<Arc<Self>> {
        let (queue, orders) = sync_channel(QUEUE);
        let socket = UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0"))?;
        let sender =
            Sender { socket, address, resolved: None, length, counts: counts.clone(), datagram: Vec::new(), lines: 0 };
        std::thread::Builder::new().name("statsd-relay".to_owned()).spawn(move || sender.run(&orders))?;
        Ok(Arc::new(Self { queue, counts }))
    }

    /// Hands over the lines of a packet; drops them when the queue is full.
    pub fn packet(&self, packet: &[u8]) {
        if self.queue.try_send(Order::Packet(packet.to_vec())).is_err() {
            self.counts.dropped.increment();
        }
    }
}

impl Relay {
    /// Waits until what was handed over has been sent, but not for long: a drain must not hang on a relay.
    pub async fn flush(&self) {
        let (done, sent) = oneshot::channel();
        if self.queue.try_send(Order::Flush(done)).is_ok() {
            let _ = tokio::time::timeout(LAST, sent).await;
        }
    }
}

struct Sender {
    socket: UdpSocket,
    address: String,
    resolved: Option<(SocketAddr, Instant)>,
    length: usize,
    counts: RelayCounts,
    datagram: Vec<u8>,
    lines: u64,
}

impl Sender {
    /// Sends until the receivers have let go of the queue.
    fn run(mut self, orders: &Receiver<Order>) {
        let mut flushed = Instant::now();
        loop {
            match orders.recv_timeout(FLUSH.saturating_sub(flushed.elapsed())) {
                Ok(Order::Flush(done)) => {
                    self.flush();
                    // Who asked may have stopped waiting.
                    let _ = done.send(());
                }
                Ok(Order::Packet(packet)) => packet.split(|byte| *byte == b'\n').for_each(|line| self.line(line)),
                Err(RecvTimeoutError::Timeout) => {
                    self.flush();
                    flushed = Instant::now();
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.flush();
                    return;
                }
            }
        }
    }

    fn line(&mut self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        if line.len() + 1 > self.length {
            self.counts.too_long.increment();
            return;
        }
        if self.datagram.len() + line.len() + 1 > self.length {
            self.flush();
        }
        self.datagram.extend_from_slice(line);
        self.datagram.push(b'\n');
        self.lines += 1;
    }

    fn flush(&mut self) {
        if self.datagram.is_empty() {
            return;
        }
        let sent = self.target().and_then(|target| self.socket.send_to(&self.datagram, target));
        match sent {
            Ok(_) => {
                self.counts.packets.increment();
                self.counts.lines.add(self.lines);
            }
            Err(_) => {
                self.counts.failed.increment();
                self.resolved = None;
            }
        }
        self.datagram.clear();
        self.lines = 0;
    }

    fn target(&mut self) -> io::Result<SocketAddr> {
        if let Some((address, at)) = self.resolved
            && at.elapsed() < RESOLVE
        {
            return Ok(address);
        }
        let is_v6 = self.socket.local_addr()?.is_ipv6();
        let found = self.address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
        let address = match found {
            // A socket for both families takes v4 addresses in their v6 form.
            SocketAddr::V4(v4) if is_v6 => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
            other => other,
        };
        self.resolved = Some((address, Instant::now()));
        Ok(address)
    }
}
