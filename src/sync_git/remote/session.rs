//! A conversation with one server: its advertisement, kept, and one request after the other.
//!
//! In: a URL and options. Out: references, packs. Whichever step fails or is dropped, the session is over; [`Remote`](super::Remote) opens the next one.

use std::sync::Arc;

use bytes::Bytes;

use super::capabilities::Capabilities;
use super::error::RemoteError;
use super::http::HttpClient;
use super::options::Options;
use super::packets::PacketReader;
use super::pktline::Packet;
use super::protocol_v0::{self, Advertisement};
use super::protocol_v2;
use super::refs::Refs;
use super::request::{FetchOutcome, FetchRequest, PackSink};
use super::ssh::open_ssh;
use super::stream::{Duplex, open_git};
use super::url::{Scheme, Url};

pub(super) struct Session {
    line: Line,
    dialect: Dialect,
    /// A request was answered on it before, so that a failure may only mean that the server closed it meanwhile.
    pub(super) was_used: bool,
}

enum Line {
    Http(Box<HttpClient>),
    Duplex(Duplex),
}

enum Dialect {
    V2(Capabilities),
    /// The references came with the advertisement, and are as old as it.
    V0(Advertisement),
}

impl Session {
    pub(super) async fn open(url: &Url, options: &Arc<Options>) -> Result<Self, RemoteError> {
        match url.scheme() {
            Scheme::Http | Scheme::Https => {
                let mut client = HttpClient::new(url.clone(), Arc::clone(options));
                let mut reader = client.advertisement().await?;
                let dialect = read_advertisement(&mut reader).await?;
                reader.drain().await?;
                Ok(Self { line: Line::Http(Box::new(client)), dialect, was_used: false })
            }
            Scheme::Git => Self::over(open_git(url, options.protocol.number()).await?).await,
            Scheme::Ssh => Self::over(open_ssh(url, options).await?).await,
            Scheme::File => Err(RemoteError::Unsupported(format!("{url}: no server is asked for a path"))),
        }
    }

    async fn over(mut duplex: Duplex) -> Result<Self, RemoteError> {
        let dialect = read_advertisement(&mut duplex.reader).await?;
        Ok(Self { line: Line::Duplex(duplex), dialect, was_used: false })
    }

    /// Whether a listing on this session would be fresh. Version 0 listed everything when it was opened, and git's upload-pack process
    /// keeps what it read of the references for as long as it lives.
    pub(super) fn can_list(&self) -> bool {
        match (&self.dialect, &self.line) {
            (Dialect::V0(_), _) => !self.was_used,
            (Dialect::V2(_), Line::Http(_)) => true,
            (Dialect::V2(_), Line::Duplex(_)) => !self.was_used,
        }
    }

    /// Whether another fetch can follow. Over a stream it cannot: upload-pack does not forget the shallow boundaries of the last one.
    pub(super) fn can_fetch_again(&self) -> bool {
        matches!(self.line, Line::Http(_))
    }

    /// Whether the server keeps a process for us while the session is open.
    pub(super) fn holds_process(&self) -> bool {
        matches!(self.line, Line::Duplex(_))
    }

    pub(super) async fn ls_refs(&mut self, prefixes: &[String]) -> Result<Refs, RemoteError> {
        let request = match &self.dialect {
            Dialect::V0(advertisement) => {
                self.was_used = true;
                let refs = &advertisement.refs;
                let is_wanted =
                    |name: &str| prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
                let found = refs.refs.iter().filter(|r| is_wanted(&r.name)).cloned().collect();
                return Ok(Refs { refs: found, unborn_head: refs.unborn_head.clone() });
            }
            Dialect::V2(capabilities) => protocol_v2::ls_refs_request(capabilities, prefixes),
        };
        let refs = match &mut self.line {
            Line::Http(client) => {
                let mut reader = client.post(request).await?;
                let refs = protocol_v2::read_refs(&mut reader).await?;
                reader.drain().await?;
                refs
            }
            Line::Duplex(duplex) => {
                duplex.send(&request).await?;
                protocol_v2::read_refs(&mut duplex.reader).await?
            }
        };
        self.was_used = true;
        Ok(refs)
    }

    /// Sends the request for a fetch and waits for the first byte of the answer, which [`receive`](Self::receive) then reads.
    pub(super) async fn request(&mut self, request: &FetchRequest) -> Result<Option<PacketReader>, RemoteError> {
        let body = match &self.dialect {
            Dialect::V2(capabilities) => protocol_v2::fetch_request(capabilities, request)?,
            Dialect::V0(advertisement) => protocol_v0::fetch_request(advertisement, request)?,
        };
        match &mut self.line {
            Line::Http(client) => {
                let mut reader = client.post(body).await?;
                reader.first_byte().await?;
                Ok(Some(reader))
            }
            Line::Duplex(duplex) => {
                duplex.send(&body).await?;
                duplex.reader.first_byte().await?;
                Ok(None)
            }
        }
    }

    pub(super) async fn receive(
        &mut self,
        answer: Option<PacketReader>,
        request: &FetchRequest,
        sink: &mut impl PackSink,
    ) -> Result<FetchOutcome, RemoteError> {
        let is_http = answer.is_some();
        let mut own = answer;
        let reader = match (&mut own, &mut self.line) {
            (Some(reader), _) => reader,
            (None, Line::Duplex(duplex)) => &mut duplex.reader,
            (None, Line::Http(_)) => return Err(RemoteError::protocol("no answer to read")),
        };
        let outcome = match &self.dialect {
            Dialect::V2(capabilities) => {
                let filter = protocol_v2::filter_use(capabilities, request);
                FetchOutcome { filter, ..protocol_v2::read_fetch(reader, sink).await? }
            }
            Dialect::V0(advertisement) => {
                let filter = protocol_v0::filter_use(&advertisement.capabilities, request);
                FetchOutcome { filter, ..protocol_v0::read_fetch(reader, request, sink).await? }
            }
        };
        if is_http {
            reader.drain().await?;
        }
        self.was_used = true;
        Ok(outcome)
    }
}

/// Reads what a server says first, in whichever version it chose to.
async fn read_advertisement(reader: &mut PacketReader) -> Result<Dialect, RemoteError> {
    let mut first = first_line(reader).await?;
    // Smart HTTP announces the service first, unless it speaks version 2.
    if first.as_ref().is_some_and(|line| line.starts_with(b"# service=git-upload-pack")) {
        if let Some(line) = first_line(reader).await? {
            return Err(RemoteError::protocol(format!(
                "expected a flush, found \"{}\"",
                super::pktline::printable(&line)
            )));
        }
        first = first_line(reader).await?;
    }
    if first.as_deref() == Some(b"version 2") {
        return Ok(Dialect::V2(protocol_v2::read_capabilities(reader).await?));
    }
    Ok(Dialect::V0(protocol_v0::read_advertisement(first, reader).await?))
}

async fn first_line(reader: &mut PacketReader) -> Result<Option<Bytes>, RemoteError> {
    match reader.line().await? {
        Ok(line) => Ok(Some(line)),
        Err(Packet::Flush) => Ok(None),
        Err(other) => Err(RemoteError::protocol(format!("{other:?} where the advertisement should start"))),
    }
}
