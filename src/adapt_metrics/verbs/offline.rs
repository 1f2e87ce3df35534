//! An adapter without sockets: captured packets in, the page out.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;

use super::By;
use crate::adapt_metrics::model::{Limits, Source, Table, Tick};
use crate::adapt_metrics::naming::Naming;
use crate::adapt_metrics::rules::Rules;
use crate::adapt_metrics::statsd::desk::Reads;
use crate::adapt_metrics::statsd::intake::Intake;
use crate::adapt_metrics::statsd::keys::Room;
use crate::adapt_metrics::statsd::line::Grammar;
use crate::adapt_metrics::statsd::tags::Dialects;
use crate::core::fault::Fault;
use crate::core::metrics::Text;

/// The largest capture that is read, in bytes.
const MAX_CAPTURE: u64 = 1 << 30;

/// The receiving half and the table.
pub(super) struct Offline {
    pub(super) intake: Intake,
    table: Table,
}

impl Offline {
    pub(super) fn new(rules: Rules, grammar: Grammar) -> Self {
        let limits = Limits { total: 1_000_000, family: 1_000_000, source: 1_000_000 };
        let room = Room { keys: 1_000_000, bytes: 256 << 20 };
        let intake = Intake::new(grammar, Arc::new(rules), Source(0), room, DefaultHashBuilder::default());
        Self { intake, table: Table::new(limits, 0.0) }
    }

    /// Reads captured lines.
    pub(super) fn feed(&mut self, capture: &[u8]) {
        self.intake.packet(capture.strip_suffix(b"\n").unwrap_or(capture), &mut self.table, Tick(0));
    }

    /// The page as Prometheus text.
    pub(super) fn page(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut text = Text::new(&mut out);
        for name in self.table.family_names() {
            let ids = self.table.write_head(&name, &mut text);
            self.table.write_series(&ids, Tick(0), &mut text);
        }
        out
    }
}

/// What the lines of a capture are read by.
pub(super) fn grammar(by: &By) -> Grammar {
    Grammar { tags: Dialects::ALL, sets_and_packed_numbers: by.naming() == Naming::Uniform }
}

/// Reads a capture: a file of lines, or `-` for standard input.
pub(super) fn read_capture(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut capture = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MAX_CAPTURE).read_to_end(&mut capture)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_CAPTURE).read_to_end(&mut capture))
    };
    read.map_err(|error| Fault::failed(error).context(format!("cannot read the capture {}", path.display())))?;
    Ok(capture)
}
