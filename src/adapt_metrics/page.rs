//! The page: the table's families and series, written in chunks so that receivers never wait for a scraper.
//!
//! The format is the scraper's choice (`Accept`), `name[]=` in the query chooses families, and the whole is compressed
//! when the scraper takes gzip. A large page is rendered on a thread of its own: it takes tens of milliseconds, in which
//! sources and probes go on. For a small one a thread would cost more than the page.

use std::io::{self, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::StatusCode;
use hyper::header::{CONTENT_ENCODING, HeaderValue, VARY};

use super::hub::Hub;
use crate::core::http::{Reply, Request};
use crate::core::metrics::{Collect, Encoder, Format, Registry};

/// How many series are written while the table is held: about 0.2 ms.
const CHUNK: usize = 2048;
/// Below so many series a page takes less than a millisecond.
const SMALL: usize = 5000;

/// The table as a part of `/metrics`.
pub struct Page(pub Arc<Hub>);

impl Collect for Page {
    fn collect(&self, out: &mut dyn Encoder) {
        let hub = &self.0;
        let names = hub.table().family_names();
        let now = hub.now();
        let mut table = hub.table();
        let mut held = 0;
        for name in names {
            let series = table.write_head(&name, out);
            for chunk in series.chunks(CHUNK) {
                table.write_series(chunk, now, out);
                held += chunk.len();
                if held >= CHUNK {
                    held = 0;
                    // Receivers that wait for the table get it between two chunks.
                    drop(table);
                    out.pause();
                    std::thread::yield_now();
                    table = hub.table();
                }
            }
        }
    }

    fn holds(&self, family: &str) -> bool {
        self.0.table().holds(family)
    }
}

/// Answers a scraper.
pub async fn answer(request: &Request, metrics: Registry, hub: &Hub) -> Reply {
    let negotiated = Format::negotiate(request.header("accept"));
    let names = names(&request.query);
    let packing = Packing::of(request);
    let render = move || {
        let packed = packing.gzip(|out| metrics.write_only(negotiated.format, &names, out));
        packed.unwrap_or_else(|| Packed::plain(metrics.render_only(negotiated.format, &names)))
    };
    let packed = if hub.table().len() < SMALL {
        render()
    } else {
        match tokio::task::spawn_blocking(render).await {
            Ok(rendered) => rendered,
            Err(_) => return Reply::text(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written\n"),
        }
    };
    packed.reply(negotiated.content_type)
}

/// How a page goes to who asked for it.
#[derive(Clone, Copy)]
pub enum Packing {
    /// As it is.
    Plain,
    /// At gzip's lowest level, which makes a page a tenth as large; the higher ones take three times as long for little more.
    Gzip,
}

/// A page, packed.
pub struct Packed {
    packing: Packing,
    page: Vec<u8>,
}

impl Packing {
    /// What a scraper takes.
    pub fn of(request: &Request) -> Self {
        if takes_gzip(request.header("accept-encoding").unwrap_or_default()) { Self::Gzip } else { Self::Plain }
    }

    /// Compresses a page as it is rendered, so that it is never held as a whole; nothing for who does not take that.
    pub fn gzip(self, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Option<Packed> {
        let Self::Gzip = self else { return None };
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
        // Compressing into memory cannot fail; if it did, the page would go out as it is.
        let page = render(&mut encoder).and_then(|()| encoder.finish()).ok()?;
        Some(Packed { packing: self, page })
    }
}

impl Packed {
    /// A page as it is.
    pub fn plain(page: Vec<u8>) -> Self {
        Self { packing: Packing::Plain, page }
    }

    /// The reply that carries it.
    pub fn reply(self, content_type: String) -> Reply {
        // What is echoed are tokens that are known to us, so it is always a header's value.
        let content_type = HeaderValue::try_from(content_type).unwrap_or(HeaderValue::from_static("text/plain"));
        let reply = Reply::typed(StatusCode::OK, content_type, self.page)
            .header(VARY, HeaderValue::from_static("Accept-Encoding"));
        match self.packing {
            Packing::Plain => reply,
            Packing::Gzip => reply.header(CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        }
    }
}

/// The families that a query asks for (`name[]=up&name[]=…`); none is all.
fn names(query: &str) -> Vec<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == "name[]")
        .map(|(_, name)| name.into_owned())
        .collect()
}

fn takes_gzip(accept: &str) -> bool {
    accept.split(',').any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let is_gzip = matches!(parts.next(), Some("gzip" | "*"));
        is_gzip && !parts.any(|part| part.strip_prefix("q=").is_some_and(|quality| quality.parse() == Ok(0.0)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_only_sent_to_who_takes_it() {
        assert!(takes_gzip("gzip") && takes_gzip("deflate, gzip;q=0.5") && takes_gzip("*"));
        assert!(!takes_gzip("") && !takes_gzip("br") && !takes_gzip("gzip;q=0") && !takes_gzip("gzip; q=0.0"));
    }

    #[test]
    fn names_are_taken_from_the_query() {
        assert_eq!(names("name[]=a&x=1&name%5B%5D=b"), ["a", "b"]);
    }
}
