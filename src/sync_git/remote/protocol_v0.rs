//! Versions 0 and 1 of the git protocol (gitprotocol-pack(5)), for servers that have no version 2.
//!
//! In: what to ask; the server's packets. Out: the advertisement (every reference, like it or not), requests, the pack into a sink.
//! Refused: servers without side-band-64k (older than 2007), shallow or filtered requests that the server does not offer.
//!
//! As in version 2 a fetch is one round. Without `multi_ack` the answer to it is exactly one ACK or NAK, then the pack.

use bytes::Bytes;

use super::capabilities::{Capabilities, agent};
use super::error::RemoteError;
use super::packets::PacketReader;
use super::pktline::{Packet, printable, write_flush, write_line};
use super::protocol_v2::{Room, read_shallow};
use super::refs::{Ref, Refs, parse_oid};
use super::request::{FetchOutcome, FetchRequest, FilterUse, MAX_HAVES, PackSink};

/// What a server says first.
#[derive(Clone, Debug, Default)]
pub(super) struct Advertisement {
    pub(super) capabilities: Capabilities,
    pub(super) refs: Refs,
}

/// Reads the advertisement, whose first line was read already (`None`: it was a flush, the repository is empty).
pub(super) async fn read_advertisement(
    first: Option<Bytes>,
    reader: &mut PacketReader,
) -> Result<Advertisement, RemoteError> {
    let mut advertisement = Advertisement::default();
    let Some(first) = first else {
        return Ok(advertisement);
    };
    // Version 1 is version 0 behind a line that says so.
    let mut line = if first == "version 1" { reader.line().await? } else { Ok(first) };
    let (mut is_first, mut room) = (true, Room::default());
    loop {
        let mut text = match line {
            Ok(text) => text,
            Err(Packet::Flush) => break,
            Err(other) => {
                return Err(RemoteError::protocol(format!("{other:?} inside the references")));
            }
        };
        if is_first && let Some(end) = memchr::memchr(0, &text) {
            for capability in text[end + 1..].split(|byte| *byte == b' ').filter(|c| !c.is_empty()) {
                advertisement.capabilities.add(capability)?;
            }
            text.truncate(end);
        }
        is_first = false;
        room.take(&text)?;
        read_ref(&text, &mut advertisement.refs)?;
        line = reader.line().await?;
    }
    advertisement.capabilities.check_object_format()?;
    for symref in advertisement.capabilities.values("symref") {
        let Some((name, target)) = symref.split_once(':') else {
            continue;
        };
        if let Some(found) = advertisement.refs.refs.iter_mut().find(|r| r.name == name) {
            found.symref_target = Some(target.to_owned());
        }
    }
    Ok(advertisement)
}

/// `<oid> <name>`, where `<name>^{}` tells what the tag before it peels to.
fn read_ref(line: &[u8], refs: &mut Refs) -> Result<(), RemoteError> {
    if line.starts_with(b"shallow ") {
        return Ok(());
    }
    let wrong = || RemoteError::protocol(format!("not a reference: \"{}\"", printable(line)));
    let (oid, name) = line.split_first_chunk::<40>().ok_or_else(wrong)?;
    let oid = parse_oid(oid).ok_or_else(wrong)?;
    let Ok(name) = std::str::from_utf8(name.strip_prefix(b" ").ok_or_else(wrong)?) else {
        return Ok(());
    };
    match name.strip_suffix("^{}") {
        // An empty repository still has capabilities to tell; this line only carries them.
        Some("capabilities") => {}
        Some(tag) => {
            if let Some(last) = refs.refs.last_mut().filter(|last| last.name == tag) {
                last.peeled = Some(oid);
            }
        }
        None => refs.refs.push(Ref { name: name.to_owned(), oid, peeled: None, symref_target: None }),
    }
    Ok(())
}

pub(super) fn filter_use(capabilities: &Capabilities, request: &FetchRequest) -> FilterUse {
    match &request.filter {
        None => FilterUse::NotAsked,
        Some(_) if capabilities.has("filter") => FilterUse::Honoured,
        Some(_) => FilterUse::Ignored,
    }
}

pub(super) fn fetch_request(advertisement: &Advertisement, request: &FetchRequest) -> Result<Vec<u8>, RemoteError> {
    let capabilities = &advertisement.capabilities;
    let is_shallow = request.depth.deepen().is_some() || !request.shallow.is_empty();
    if is_shallow && !capabilities.has("shallow") {
        return Err(RemoteError::Unsupported("the server cannot send shallow history; use --depth 0".to_owned()));
    }
    if !capabilities.has("side-band-64k") {
        return Err(RemoteError::Unsupported("the server is too old: it does not offer side-band-64k".to_owned()));
    }
    let filter = match filter_use(capabilities, request) {
        FilterUse::Honoured => request.filter.as_deref(),
        _ => None,
    };
    let mut words = vec!["side-band-64k".to_owned()];
    let optional = [
        ("thin-pack", request.filter.is_none()),
        ("ofs-delta", true),
        ("no-progress", true),
        ("shallow", is_shallow),
        ("filter", filter.is_some()),
    ];
    words.extend(
        optional
            .into_iter()
            .filter(|(name, wanted)| *wanted && capabilities.has(name))
            .map(|(name, _)| name.to_owned()),
    );
    if capabilities.has("object-format") {
        words.push("object-format=sha1".to_owned());
    }
    if capabilities.has("agent") {
        words.push(format!("agent={}", agent()));
    }
    let mut out = Vec::with_capacity(512);
    for (at, oid) in request.wants.iter().enumerate() {
        match at {
            0 => write_line(&mut out, &format!("want {oid} {}", words.join(" "))),
            _ => write_line(&mut out, &format!("want {oid}")),
        }
    }
    for oid in &request.shallow {
        write_line(&mut out, &format!("shallow {oid}"));
    }
    if let Some(commits) = request.depth.deepen() {
        write_line(&mut out, &format!("deepen {commits}"));
    }
    if let Some(filter) = filter {
        write_line(&mut out, &format!("filter {filter}"));
    }
    write_flush(&mut out);
    for oid in request.haves.iter().take(MAX_HAVES) {
        write_line(&mut out, &format!("have {oid}"));
    }
    write_line(&mut out, "done");
    Ok(out)
}

/// Reads the answer to [`fetch_request`]; the pack goes into `sink` as it comes.
pub(super) async fn read_fetch(
    reader: &mut PacketReader,
    request: &FetchRequest,
    sink: &mut impl PackSink,
) -> Result<FetchOutcome, RemoteError> {
    let mut outcome = FetchOutcome::default();
    if request.depth.deepen().is_some() {
        loop {
            match reader.line().await? {
                Ok(line) => read_shallow(&line, &mut outcome)?,
                Err(Packet::Flush) => break,
                Err(other) => {
                    return Err(RemoteError::protocol(format!("{other:?} inside the shallow boundaries")));
                }
            }
        }
    }
    match reader.line().await? {
        Ok(line) if line.starts_with(b"ACK ") || line == "NAK" => {}
        other => {
            return Err(RemoteError::protocol(format!("neither ACK nor NAK but {}", describe(other))));
        }
    }
    outcome.pack_bytes = reader.pack(sink).await?;
    Ok(outcome)
}

fn describe(line: Result<Bytes, Packet>) -> String {
    match line {
        Ok(line) => format!("\"{}\"", printable(&line)),
        Err(packet) => format!("{packet:?}"),
    }
}
