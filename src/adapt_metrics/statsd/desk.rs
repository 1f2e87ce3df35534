//! Where a receiver works: the hub, the sign to stop, the heartbeat, and the tally that others read.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tracing::info;

use super::relay::Relay;
use super::tally::Tally;
use crate::adapt_metrics::hub::Hub;
use crate::adapt_metrics::model::{Table, Tick};
use crate::adapt_metrics::rules::Rules;
use crate::core::health::Heartbeat;

/// The reading half of a receiver: packets in, changes to the table out.
pub trait Reads: Send {
    /// Judges by these rules from now on.
    fn adopt(&mut self, rules: Arc<Rules>);
    /// Reads a packet.
    fn packet(&mut self, packet: &[u8], table: &mut Table, now: Tick);
    /// What was counted since it was taken last.
    fn tally(&mut self) -> &mut Tally;
}

/// One receiver's place.
pub struct Desk {
    /// What it is called in metrics and on the status page: `udp`, `tcp`, …
    pub name: &'static str,
    /// What all sources share.
    pub hub: Arc<Hub>,
    rules: Arc<ArcSwap<Rules>>,
    relay: Option<Arc<Relay>>,
    heartbeat: Heartbeat,
    draining: AtomicBool,
    tally: Mutex<Tally>,
}

impl Desk {
    /// A place for a receiver that promises to beat.
    pub fn new(
        name: &'static str,
        hub: Arc<Hub>,
        rules: Arc<ArcSwap<Rules>>,
        relay: Option<Arc<Relay>>,
        heartbeat: Heartbeat,
    ) -> Arc<Self> {
        let (draining, tally) = (AtomicBool::new(false), Mutex::default());
        Arc::new(Self { name, hub, rules, relay, heartbeat, draining, tally })
    }

    /// Tells the receiver to read what is left, and to end.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Whether the receiver shall end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// The receiver came round.
    pub fn beat(&self) {
        self.heartbeat.beat();
    }

    /// Reads packets into the table as one batch, with the rules of this moment.
    pub fn batch<P: AsRef<[u8]>>(&self, intake: &mut dyn Reads, packets: impl Iterator<Item = P>) {
        intake.adopt(self.rules.load_full());
        let now = self.hub.now();
        let mut table = self.hub.table();
        for packet in packets {
            let packet = packet.as_ref();
            self.hub.tap().see(packet);
            intake.packet(packet, &mut table, now);
            if let Some(relay) = &self.relay {
                relay.packet(packet);
            }
        }
        // Before others get the table: a page never shows a sample that is not counted yet.
        self.settle(intake);
        drop(table);
    }

    /// Takes over what an intake has counted.
    pub fn settle(&self, intake: &mut dyn Reads) {
        let mut tally = std::mem::take(intake.tally());
        tally.batches += 1;
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).absorb(tally);
    }

    /// The receiver has ended: tells what all was received, and lets the relay send what it has.
    pub async fn close(&self) {
        let tally = self.tally();
        let refused: u64 = tally.refused.values().map(|(count, _)| count).sum();
        info!(receiver = self.name, packets = tally.packets, lines = tally.lines, refused, "the receiver has ended");
        if let Some(relay) = &self.relay {
            relay.flush().await;
        }
    }

    /// What was counted so far.
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
