//! The page: the table's families and series, written in chunks so that receivers never wait for a scraper.

use std::sync::Arc;

use super::hub::Hub;
use crate::core::metrics::{Collect, Encoder};

/// How many series are written while the table is held: about 0.2 ms.
const CHUNK: usize = 2048;

/// The table as a part of `/metrics`.
pub struct Page(pub Arc<Hub>);

impl Collect for Page {
    fn collect(&self, out: &mut dyn Encoder) {
        let hub = &self.0;
        let names = hub.table().family_names();
        let now = hub.now();
        for some in names.chunks(256) {
            let mut table = hub.table();
            for name in some {
                let series = table.write_head(name, out);
                for chunk in series.chunks(CHUNK) {
                    table.write_series(chunk, now, out);
                    if chunk.len() == CHUNK {
                        // Receivers that wait for the table get it between two chunks.
                        drop(table);
                        std::thread::yield_now();
                        table = hub.table();
                    }
                }
            }
        }
    }
}
