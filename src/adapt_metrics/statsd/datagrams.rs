//! Datagrams, from UDP and from unix sockets: a thread that reads as many as are there with one system call.
//!
//! When packets trickle in one by one, each would cost a wake-up and a call of its own. A receiver that has emptied its
//! socket while more keep coming therefore naps for up to five milliseconds and lets them pile up in the socket's buffer,
//! but never more than some hundred of them, which still lie in the processor's cache when they are read, and never so long
//! that the buffer could fill in a sudden burst. A lone packet is read at once.
//!
//! At the drain the thread reads on until the socket is empty: what the kernel had taken is not lost.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg};

use super::desk::{Desk, Reads};
use crate::core::fault::Fault;

/// The most datagrams that one call reads.
const BATCH: usize = 64;
/// Room for the largest datagram there is: memory that is not touched until one comes. In one piece, since the kernel reads
/// a second one for each datagram; and not a power of two, so that the beginnings of a batch's datagrams do not all fall
/// into the same lines of the cache.
const SLOT: usize = 65_536 + 64;
/// How long a call may wait, so that a drain and a reload are seen.
pub const WAIT: Duration = Duration::from_millis(200);
/// The longest nap. A page is read every few seconds, so nobody sees these; a wake-up of the thread costs as much as ten
/// packets.
const NAP: Duration = Duration::from_millis(5);
/// How many packets a nap lets pile up. Measured at 30 000 to 200 000 packets a second: with fewer the wake-ups cost more,
/// with a thousand the kernel reads each from memory instead of the cache, which costs a fifth more.
const PILE: usize = 200;
/// What a sudden burst brings, in packets a millisecond, when a client sends as fast as it can: a nap ends before that many
/// could fill the buffer.
const BURST: usize = 500;
/// What a small datagram takes of the socket's buffer, kernel book-keeping included.
const COST: usize = 1024;

/// A socket whose datagrams are read.
pub struct Datagrams {
    socket: OwnedFd,
    /// How many small datagrams the socket holds.
    room: usize,
}

impl Datagrams {
    /// Takes a blocking socket that waits at most [`WAIT`]; `buffer` is the size of its receive buffer in bytes, `queue`
    /// how many datagrams may wait at all.
    pub fn new(socket: OwnedFd, buffer: usize, queue: Option<usize>) -> Self {
        let room = buffer / COST;
        Self { socket, room: queue.map_or(room, |queue| queue.min(room)) }
    }

    /// Reads until the drain, and then what is left.
    ///
    /// # Errors
    /// The socket fails for good.
    pub fn read(self, mut reads: Box<dyn Reads>, desk: &Desk) -> Result<(), Fault> {
        let mut headers = MultiHeaders::<()>::preallocate(BATCH, None);
        let mut room = vec![0u8; BATCH * SLOT];
        let mut pace = Pace::new(self.room);
        loop {
            let is_draining = desk.is_draining();
            let flags = if is_draining { MsgFlags::MSG_DONTWAIT } else { MsgFlags::MSG_WAITFORONE };
            let mut slices: Vec<[IoSliceMut<'_>; 1]> =
                room.chunks_mut(SLOT).map(|slot| [IoSliceMut::new(slot)]).collect();
            let received = recvmmsg(self.socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None);
            desk.beat();
            let count = match received {
                Ok(messages) => {
                    let mut count = 0;
                    let packets =
                        messages.inspect(|_| count += 1).map(|message| message.iovs().next().unwrap_or_default());
                    desk.batch(reads.as_mut(), packets);
                    count
                }
                Err(Errno::EAGAIN) if is_draining => return Ok(()),
                Err(Errno::EAGAIN | Errno::EINTR) => 0,
                Err(error) => {
                    return Err(Fault::failed(anyhow!(io::Error::from(error)).context("cannot read datagrams")));
                }
            };
            if let Some(nap) = pace.nap(count, Instant::now()).filter(|_| !is_draining) {
                std::thread::sleep(nap);
            }
        }
    }
}

/// Decides about naps.
struct Pace {
    longest: Duration,
    /// How many packets may pile up in a nap.
    pile: u32,
    /// The end of the last nap, or the last time when there was none to take.
    since: Instant,
    packets: u32,
}

impl Pace {
    fn new(room: usize) -> Self {
        let pile = u32::try_from(PILE.min(room / 4)).unwrap_or(u32::MAX);
        let burst = Duration::from_micros((room * 1000 / BURST) as u64);
        Self { longest: NAP.min(burst), pile, since: Instant::now(), packets: 0 }
    }

    /// How long to let packets pile up, after a batch of `count` that was read at `now`.
    fn nap(&mut self, count: usize, now: Instant) -> Option<Duration> {
        self.packets = self.packets.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        if count >= BATCH {
            // There is more.
            return None;
        }
        let elapsed = now.saturating_duration_since(self.since);
        let packets = std::mem::take(&mut self.packets);
        self.since = now;
        if count == 0 || elapsed > 2 * NAP {
            return None;
        }
        let until_piled = elapsed.checked_div(packets)?.saturating_mul(self.pile);
        Some(self.longest.min(until_piled)).filter(|nap| *nap >= Duration::from_micros(50))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use hashbrown::DefaultHashBuilder;

    use super::*;
    use crate::adapt_metrics::hub::Hub;
    use crate::adapt_metrics::model::{Limits, Source};
    use crate::adapt_metrics::naming::Naming;
    use crate::adapt_metrics::rules::Rules;
    use crate::adapt_metrics::statsd::intake::Intake;
    use crate::adapt_metrics::statsd::keys::Room;
    use crate::adapt_metrics::statsd::line::Grammar;
    use crate::adapt_metrics::statsd::tags::Dialects;
    use crate::core::health::Health;

    #[test]
    fn a_receiver_that_cannot_go_on_is_told_by_the_probe() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        theirs.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let limits = Limits { total: 10, family: 10, source: 10 };
        let rules = || Rules::none(Naming::Exact, 0);
        let hub = Hub::new(limits, rules(), rules());
        let health = Health::default();
        let beat = health.heartbeat("receiver test", Duration::from_millis(500));
        let desk = Desk::new("test", hub.clone(), hub.rules_place(), None, beat);
        let until = |alive: bool| {
            let start = Instant::now();
            while health.live().passes != alive {
                assert!(start.elapsed() < Duration::from_secs(30), "waited in vain for alive = {alive}");
                std::thread::yield_now();
            }
        };
        let grammar = Grammar { tags: Dialects::ALL, sets_and_packed_numbers: false };
        let room = Room { keys: 10, bytes: 1000 };
        let intake = Intake::new(grammar, hub.rules(), Source(0), room, DefaultHashBuilder::default());
        let receiver = std::thread::spawn({
            let desk = desk.clone();
            move || Datagrams::new(theirs.into(), 1 << 20, None).read(Box::new(intake), &desk)
        });
        {
            let _held = hub.table();
            ours.send(b"a:1|c").unwrap();
            until(false);
        }
        until(true);
        desk.drain();
        receiver.join().unwrap().unwrap();
        assert_eq!((desk.tally().samples, hub.table().len()), (1, 1));
    }

    #[test]
    fn lone_packets_and_full_batches_are_read_at_once() {
        let mut pace = Pace::new(4096);
        let start = pace.since;
        assert_eq!(pace.nap(1, start + Duration::from_millis(50)), None);
        assert_eq!(pace.nap(BATCH, start + Duration::from_millis(51)), None);
        assert_eq!(pace.nap(0, start + Duration::from_millis(52)), None);
    }

    #[test]
    fn trickling_packets_pile_up_but_never_fill_the_buffer() {
        let nap = |room, batches: &[usize], took: Duration| {
            let mut pace = Pace::new(room);
            let now = pace.since + took;
            batches.iter().fold(None, |_, count| pace.nap(*count, now))
        };
        let micros = Duration::from_micros;
        assert_eq!(nap(8192, &[2], micros(100)), Some(NAP));
        assert_eq!(nap(8192, &[BATCH, BATCH, 32], micros(1600)), Some(micros(2000)), "the rate is that of all batches");
        assert_eq!(nap(200, &[2], micros(5000)), Some(micros(400)), "a burst would fill a small buffer");
        assert_eq!(nap(200, &[4], micros(20)), Some(micros(250)));
        assert_eq!(nap(4, &[4], micros(40)), None, "a nap too short to be worth its call");
    }
}
