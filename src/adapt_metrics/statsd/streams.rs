//! Streams, from TCP and from unix sockets: connections that carry lines, or, as DogStatsD sends them over unix sockets,
//! packets with their length in front (four bytes, little-endian).
//!
//! A connection says which it is by its first four bytes: as a length, four characters of text would be hundreds of
//! megabytes. Refused: a line or a packet longer than [`LONGEST`], which closes the connection; more than
//! `MAX_CONNECTIONS` at once, or more than `MOST_HELD` of half lines: the most silent connection is closed.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::desk::{Desk, Reads};
use super::places::{Cost, Place, Places};
use crate::core::fault::Fault;
use crate::core::lifecycle::Connections;
use crate::core::metrics::{Counter, Registry};

/// The longest line or packet, in bytes.
pub const LONGEST: usize = 64 << 10;
/// The longest pickle, in bytes: some ten thousand points, a hundred times what Carbon's relay sends at once.
const LONGEST_PICKLE: usize = 1 << 20;
/// The most connections of one listener.
const MAX_CONNECTIONS: usize = 1024;
/// The most bytes of half lines and packets that the connections of one listener hold together.
const MOST_HELD: usize = 32 << 20;
/// Room for one read.
const READ: usize = 16 << 10;

/// Where connections come from.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A unix stream socket.
    Unix(UnixListener),
}

/// What connections carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// Lines, or packets of lines with their length in front.
    Lines,
    /// Carbon's pickles with their length in front, big-endian.
    Pickles,
}

/// A listener's receiver.
pub struct Streams {
    /// Where connections come from.
    pub listener: Listener,
    /// What they carry.
    pub carries: Carries,
    /// Where they are read.
    pub desk: Arc<Desk>,
    /// All connections of a listener share what is known of keys.
    pub intake: Arc<Mutex<Box<dyn Reads>>>,
    /// Counts.
    pub counts: StreamCounts,
}

/// What is counted of connections.
#[derive(Clone)]
pub struct StreamCounts {
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections that broke off.
    pub broken: Counter,
    /// Connections closed for a line or a packet that was too long.
    pub too_long: Counter,
    /// Connections closed to make room for others.
    pub evicted: Counter,
}

impl StreamCounts {
    /// The instruments of the receiver of this name.
    pub fn new(registry: &Registry, receiver: &str) -> Self {
        let counter = |name, help| registry.counter(name, help, &[("receiver", receiver)]);
        Self {
            accepted: counter("patterns_adapt_metrics_connections_total", "Connections accepted."),
            broken: counter("patterns_adapt_metrics_connection_errors_total", "Connections that broke off."),
            too_long: counter(
                "patterns_adapt_metrics_too_long_lines_total",
                "Connections closed for a line or a packet that was too long.",
            ),
            evicted: counter(
                "patterns_adapt_metrics_evicted_connections_total",
                "Connections without a whole line for longest, closed because there were too many.",
            ),
        }
    }

    fn place(&self, cost: Cost) {
        if cost == Cost::Eviction {
            self.evicted.increment();
        }
    }
}

impl Streams {
    /// Accepts until the drain; connections then read what is there and end.
    ///
    /// # Errors
    /// None: what fails is one connection.
    pub async fn accept(self, connections: Connections, drain: CancellationToken) -> Result<(), Fault> {
        let places = Places::new(MAX_CONNECTIONS, MOST_HELD);
        loop {
            let stream: std::io::Result<Box<dyn AsyncRead + Send + Unpin>> = tokio::select! {
                () = drain.cancelled() => return Ok(()),
                () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {
                    self.desk.beat();
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            self.desk.beat();
            let stream = match stream {
                Ok(stream) => stream,
                Err(error) => {
                    warn!(%error, receiver = self.desk.name, "cannot accept a connection, pausing");
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                    continue;
                }
            };
            self.counts.accepted.increment();
            let (place, cost) = places.take();
            if cost == Cost::Eviction {
                self.counts.evicted.increment();
                debug!(
                    receiver = self.desk.name,
                    limit = MAX_CONNECTIONS,
                    "a silent connection makes room for another"
                );
            }
            let connection = Connection {
                stream,
                frames: Frames::new(self.carries),
                desk: self.desk.clone(),
                intake: self.intake.clone(),
                counts: self.counts.clone(),
                place,
            };
            connections.spawn(connection.read(drain.clone()));
        }
    }
}

impl Listener {
    async fn accept(&self) -> std::io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        match self {
            Self::Tcp(listener) => Ok(Box::new(listener.accept().await?.0)),
            Self::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

/// What one connection carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Unknown,
    Lines,
    Packets,
    Pickles,
}

/// Bytes of a connection on their way to being whole lines or packets.
#[derive(Debug)]
struct Frames {
    framing: Framing,
    bytes: Vec<u8>,
}

/// A line or a packet that is too long.
#[derive(Debug, PartialEq, Eq)]
struct TooLong;

impl Frames {
    fn new(carries: Carries) -> Self {
        let framing = if carries == Carries::Pickles { Framing::Pickles } else { Framing::Unknown };
        Self { framing, bytes: Vec::new() }
    }

    /// Hands over what is whole, as packets of lines without a line break at the end.
    fn take(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<(), TooLong> {
        if self.framing == Framing::Unknown {
            let Some(start) = self.bytes.first_chunk::<4>() else { return Ok(()) };
            let is_length = u32::from_le_bytes(*start) as usize <= LONGEST;
            self.framing = if is_length { Framing::Packets } else { Framing::Lines };
        }
        let mut done = 0;
        match self.framing {
            Framing::Packets | Framing::Pickles => {
                let is_pickle = self.framing == Framing::Pickles;
                let longest = if is_pickle { LONGEST_PICKLE } else { LONGEST };
                while let Some((length, rest)) = self.bytes[done..].split_first_chunk::<4>() {
                    let length =
                        if is_pickle { u32::from_be_bytes(*length) } else { u32::from_le_bytes(*length) } as usize;
                    if length > longest {
                        return Err(TooLong);
                    }
                    let Some(packet) = rest.get(..length) else { break };
                    each(if is_pickle { packet } else { packet.strip_suffix(b"\n").unwrap_or(packet) });
                    done += 4 + length;
                }
            }
            _ => {
                if let Some(end) = memchr::memrchr(b'\n', &self.bytes) {
                    each(&self.bytes[..end]);
                    done = end + 1;
                }
                if self.bytes.len() - done > LONGEST {
                    return Err(TooLong);
                }
            }
        }
        self.bytes.drain(..done);
        Ok(())
    }

    /// How much memory waits for the end of a line or a packet. The room for a read is not counted; a larger one that is
    /// empty is given back.
    fn held(&mut self) -> usize {
        if self.bytes.is_empty() && self.bytes.capacity() > 2 * READ {
            self.bytes = Vec::new();
        }
        if self.bytes.is_empty() { 0 } else { self.bytes.capacity() }
    }

    /// Hands over what stands at the end of the connection without a line break. A packet cut short is lost.
    fn finish(self, each: &mut dyn FnMut(&[u8])) {
        if matches!(self.framing, Framing::Lines | Framing::Unknown) && !self.bytes.is_empty() {
            each(&self.bytes);
        }
    }
}

/// One connection.
struct Connection {
    stream: Box<dyn AsyncRead + Send + Unpin>,
    frames: Frames,
    desk: Arc<Desk>,
    intake: Arc<Mutex<Box<dyn Reads>>>,
    counts: StreamCounts,
    place: Place,
}

impl Connection {
    /// Reads until the end, the drain, or the loss of its place.
    async fn read(mut self, drain: CancellationToken) {
        let (desk, intake, place) = (&self.desk, &self.intake, &self.place);
        let mut hand_over = |packet: &[u8]| {
            place.hold();
            let mut intake = intake.lock().unwrap_or_else(PoisonError::into_inner);
            desk.batch(intake.as_mut(), std::iter::once(packet));
        };
        loop {
            self.frames.bytes.reserve(READ);
            let read = tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.frames.bytes) => read,
                // What is there has been read: the branch above goes first.
                () = drain.cancelled() => break,
                // What stands there is half a line, which may read like a whole one.
                () = place.lost() => return,
            };
            match read {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    self.counts.broken.increment();
                    debug!(%error, receiver = desk.name, "a connection broke off");
                    break;
                }
            }
            if self.frames.take(&mut hand_over) == Err(TooLong) {
                self.counts.too_long.increment();
                debug!(
                    receiver = desk.name,
                    limit_bytes = LONGEST,
                    "a connection is closed: a line or a packet is too long"
                );
                return;
            }
            self.counts.place(place.holds(self.frames.held()));
        }
        self.frames.finish(&mut hand_over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds bytes in pieces, and tells what was handed over, joined by line breaks.
    fn feed(bytes: &[u8], cuts: &[usize]) -> Result<String, TooLong> {
        let mut frames = Frames::new(Carries::Lines);
        let mut out = Vec::new();
        let mut each = |packet: &[u8]| {
            out.extend_from_slice(packet);
            out.push(b'\n');
        };
        let mut start = 0;
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([bytes.len()]).collect();
        cuts.sort_unstable();
        for cut in cuts {
            frames.bytes.extend_from_slice(&bytes[start..cut]);
            start = cut;
            frames.take(&mut each)?;
        }
        frames.finish(&mut each);
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn lines_without_a_last_break_are_taken() {
        assert_eq!(feed(b"a:1|c\nb:2|c", &[]), Ok("a:1|c\nb:2|c\n".to_owned()));
        assert_eq!(feed(b"a", &[]), Ok("a\n".to_owned()));
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert_eq!(feed(&vec![b'x'; LONGEST + 1], &[]), Err(TooLong));
        let mut packets = b"\x05\0\0\0a:1|c".to_vec();
        packets.extend_from_slice(&(LONGEST as u32 + 1).to_le_bytes());
        assert_eq!(feed(&packets, &[]), Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_split_of_lines_reads_the_same(lines in proptest::collection::vec("[a-z]{4,9}:[0-9]\\|c", 1..9), cuts in proptest::collection::vec(0usize..200, 0..6)) {
            let text = lines.join("\n") + "\n";
            prop_assert_eq!(feed(text.as_bytes(), &cuts), Ok(text));
        }

        #[test]
        fn any_split_of_packets_reads_the_same(packets in proptest::collection::vec("[a-z]{1,9}:[0-9]\\|c", 1..9), cuts in proptest::collection::vec(0usize..200, 0..6)) {
            let mut bytes = Vec::new();
            for packet in &packets {
                bytes.extend_from_slice(&(packet.len() as u32 + 1).to_le_bytes());
                bytes.extend_from_slice(packet.as_bytes());
                bytes.push(b'\n');
            }
            prop_assert_eq!(feed(&bytes, &cuts), Ok(packets.join("\n") + "\n"));
        }
    }
}
