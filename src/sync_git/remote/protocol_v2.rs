//! Version 2 of the git protocol (gitprotocol-v2(5)): `ls-refs` and `fetch`, each one request and one answer.
//!
//! In: what to ask; the server's packets. Out: requests as bytes; references, shallow boundaries, and the pack into a sink.
//! Refused: pack locations elsewhere (`packfile-uris`), object formats other than SHA-1.
//!
//! A fetch is always one round: all haves and `done` go out together. A sync's haves are the few commits that it published, so that a
//! second round could only confirm what the first one said.

use super::capabilities::{Capabilities, agent};
use super::error::RemoteError;
use super::packets::PacketReader;
use super::pktline::{Packet, printable, write_delimiter, write_flush, write_line};
use super::refs::{Ref, Refs, parse_oid};
use super::request::{FetchOutcome, FetchRequest, FilterUse, MAX_HAVES, MAX_SHALLOW, PackSink};

/// What one listing of references may hold, in bytes of its lines: half a million references of the usual length.
const MAX_LISTING: usize = 32 << 20;

/// Reads the capabilities that follow the `version 2` line, up to the flush.
pub(super) async fn read_capabilities(reader: &mut PacketReader) -> Result<Capabilities, RemoteError> {
    let mut capabilities = Capabilities::default();
    loop {
        match reader.line().await? {
            Ok(line) => capabilities.add(&line)?,
            Err(Packet::Flush) => break,
            Err(other) => {
                return Err(RemoteError::protocol(format!("{other:?} inside the capabilities")));
            }
        }
    }
    capabilities.check_object_format()?;
    for command in ["ls-refs", "fetch"] {
        if !capabilities.has(command) {
            return Err(RemoteError::Unsupported(format!("the server speaks version 2 but does not offer {command}")));
        }
    }
    Ok(capabilities)
}

fn command(name: &str, capabilities: &Capabilities) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write_line(&mut out, &format!("command={name}"));
    if capabilities.has("agent") {
        write_line(&mut out, &format!("agent={}", agent()));
    }
    if capabilities.has("object-format") {
        write_line(&mut out, "object-format=sha1");
    }
    write_delimiter(&mut out);
    out
}

pub(super) fn ls_refs_request(capabilities: &Capabilities, prefixes: &[String]) -> Vec<u8> {
    let mut out = command("ls-refs", capabilities);
    write_line(&mut out, "peel");
    write_line(&mut out, "symrefs");
    if capabilities.has_word("ls-refs", "unborn") {
        write_line(&mut out, "unborn");
    }
    for prefix in prefixes {
        write_line(&mut out, &format!("ref-prefix {prefix}"));
    }
    write_flush(&mut out);
    out
}

pub(super) async fn read_refs(reader: &mut PacketReader) -> Result<Refs, RemoteError> {
    let (mut refs, mut room) = (Refs::default(), Room::default());
    loop {
        match reader.line().await? {
            Ok(line) => {
                room.take(&line)?;
                read_ref(&line, &mut refs)?;
            }
            Err(Packet::Flush) => return Ok(refs),
            Err(other) => return Err(RemoteError::protocol(format!("{other:?} inside the references"))),
        }
    }
}

/// What is left of the bound of a listing.
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_LISTING)
    }
}

impl Room {
    pub(super) fn take(&mut self, line: &[u8]) -> Result<(), RemoteError> {
        let left = self.0.checked_sub(line.len() + LINE_COST);
        self.0 = left.ok_or_else(|| RemoteError::protocol("it lists more references than fit 32 MiB"))?;
        Ok(())
    }
}

/// What a reference takes beside its text.
const LINE_COST: usize = 64;

/// `<oid> <name>[ symref-target:<name>][ peeled:<oid>]`, or `unborn <name> symref-target:<name>`.
fn read_ref(line: &[u8], refs: &mut Refs) -> Result<(), RemoteError> {
    let wrong = || RemoteError::protocol(format!("not a reference: \"{}\"", printable(line)));
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(oid), Some(name)) = (words.next(), words.next()) else {
        return Err(wrong());
    };
    // A name that is no UTF-8 cannot be what we look for.
    let Ok(name) = std::str::from_utf8(name) else {
        return Ok(());
    };
    let (mut symref_target, mut peeled) = (None, None);
    for word in words {
        if let Some(target) = word.strip_prefix(b"symref-target:") {
            symref_target = Some(String::from_utf8_lossy(target).into_owned());
        } else if let Some(oid) = word.strip_prefix(b"peeled:") {
            peeled = Some(parse_oid(oid).ok_or_else(wrong)?);
        }
    }
    if oid == b"unborn" {
        if name == "HEAD" {
            refs.unborn_head = symref_target;
        }
        return Ok(());
    }
    let oid = parse_oid(oid).ok_or_else(wrong)?;
    refs.refs.push(Ref { name: name.to_owned(), oid, peeled, symref_target });
    Ok(())
}

pub(super) fn fetch_request(capabilities: &Capabilities, request: &FetchRequest) -> Result<Vec<u8>, RemoteError> {
    let is_shallow = request.depth.deepen().is_some() || !request.shallow.is_empty();
    if is_shallow && !capabilities.has_word("fetch", "shallow") {
        return Err(RemoteError::Unsupported("the server cannot send shallow history; use --depth 0".to_owned()));
    }
    let mut out = command("fetch", capabilities);
    // Who filters may lack the objects that a thin pack's deltas stand on, although they belong to the haves.
    if request.filter.is_none() {
        write_line(&mut out, "thin-pack");
    }
    write_line(&mut out, "no-progress");
    write_line(&mut out, "ofs-delta");
    for oid in &request.wants {
        write_line(&mut out, &format!("want {oid}"));
    }
    for oid in request.haves.iter().take(MAX_HAVES) {
        write_line(&mut out, &format!("have {oid}"));
    }
    for oid in &request.shallow {
        write_line(&mut out, &format!("shallow {oid}"));
    }
    if let Some(commits) = request.depth.deepen() {
        write_line(&mut out, &format!("deepen {commits}"));
    }
    if let (Some(filter), FilterUse::Honoured) = (&request.filter, filter_use(capabilities, request)) {
        write_line(&mut out, &format!("filter {filter}"));
    }
    write_line(&mut out, "done");
    write_flush(&mut out);
    Ok(out)
}

pub(super) fn filter_use(capabilities: &Capabilities, request: &FetchRequest) -> FilterUse {
    match &request.filter {
        None => FilterUse::NotAsked,
        Some(_) if capabilities.has_word("fetch", "filter") => FilterUse::Honoured,
        Some(_) => FilterUse::Ignored,
    }
}

/// Reads the sections of a fetch's answer; the pack goes into `sink` as it comes.
pub(super) async fn read_fetch(
    reader: &mut PacketReader,
    sink: &mut impl PackSink,
) -> Result<FetchOutcome, RemoteError> {
    let mut outcome = FetchOutcome::default();
    loop {
        let section = match reader.line().await? {
            Ok(line) => line,
            Err(Packet::Flush) => {
                return Err(RemoteError::protocol("the answer to a fetch ended without a pack"));
            }
            Err(other) => {
                return Err(RemoteError::protocol(format!("{other:?} where a section should start")));
            }
        };
        match &section[..] {
            b"packfile" => {
                outcome.pack_bytes = reader.pack(sink).await?;
                return Ok(outcome);
            }
            b"shallow-info" => read_section(reader, |line| read_shallow(line, &mut outcome)).await?,
            // Sent only when a request was not `done`, or wanted by name; harmless where a server sends them nonetheless.
            b"acknowledgments" | b"wanted-refs" => read_section(reader, |_| Ok(())).await?,
            b"packfile-uris" => {
                return Err(RemoteError::protocol(
                    "it keeps the pack elsewhere (packfile-uris), which was not asked for",
                ));
            }
            other => {
                return Err(RemoteError::protocol(format!("unknown section \"{}\"", printable(other))));
            }
        }
    }
}

async fn read_section(
    reader: &mut PacketReader,
    mut take: impl FnMut(&[u8]) -> Result<(), RemoteError>,
) -> Result<(), RemoteError> {
    loop {
        match reader.line().await? {
            Ok(line) => take(&line)?,
            Err(Packet::Delimiter) => return Ok(()),
            Err(other) => return Err(RemoteError::protocol(format!("{other:?} inside a section"))),
        }
    }
}

/// `shallow <oid>` or `unshallow <oid>`.
pub(super) fn read_shallow(line: &[u8], outcome: &mut FetchOutcome) -> Result<(), RemoteError> {
    let (list, oid) = match (line.strip_prefix(b"shallow "), line.strip_prefix(b"unshallow ")) {
        (Some(oid), _) => (&mut outcome.shallow, parse_oid(oid)),
        (_, Some(oid)) => (&mut outcome.unshallow, parse_oid(oid)),
        _ => (&mut outcome.shallow, None),
    };
    let oid = oid.ok_or_else(|| RemoteError::protocol(format!("not a shallow boundary: \"{}\"", printable(line))))?;
    if list.len() == MAX_SHALLOW {
        return Err(RemoteError::protocol("more shallow boundaries than the limit of 400,000"));
    }
    list.push(oid);
    Ok(())
}
