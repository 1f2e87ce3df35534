//! The directories of an index, with the trees that they are: git's cache-tree extension (`gitformat-index`, "TREE").
//!
//! In: the directories of a manifest, in index order. Out: the extension's bytes, by which a consumer's git knows the trees
//! without hashing, and by which the next export knows which directories it need not look into. Refused when read back:
//! counts that do not fit the index; the index then has no directories, which costs time and nothing else.

use git2::Oid;

use super::manifest::{Directory, Entry};

pub(crate) const SIGNATURE: &[u8; 4] = b"TREE";

/// The extension for `directories`, which are in index order, the top first. Those without a file are left out.
pub(crate) fn encode(directories: &[Directory]) -> Vec<u8> {
    let mut out = Vec::with_capacity(directories.len() * 40);
    let mut rest = directories;
    encode_first(&mut rest, &mut out);
    out
}

/// Writes the first directory and all below it.
fn encode_first(rest: &mut &[Directory], out: &mut Vec<u8>) {
    let Some((first, below)) = rest.split_first() else { return };
    let is_below = |directory: &&Directory| is_within(&directory.path, &first.path);
    let (below, after) = below.split_at(below.iter().take_while(is_below).count());
    *rest = after;
    let subtrees = below.iter().filter(|directory| !directory.entries.is_empty() && is_child(directory, first)).count();
    let name = memchr::memrchr(b'/', &first.path).map_or(0, |slash| slash + 1);
    out.extend_from_slice(&first.path[name..]);
    out.extend_from_slice(format!("\0{} {subtrees}\n", first.entries.len()).as_bytes());
    out.extend_from_slice(first.oid.as_bytes());
    let mut below = below;
    while let Some(next) = below.first() {
        if next.entries.is_empty() {
            // Nothing below it holds a file either.
            below = &below[1..];
        } else {
            encode_first(&mut below, out);
        }
    }
}

fn is_within(path: &[u8], top: &[u8]) -> bool {
    top.is_empty() || path.strip_prefix(top).is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn is_child(directory: &Directory, parent: &Directory) -> bool {
    let name = if parent.path.is_empty() { &*directory.path } else { &directory.path[parent.path.len() + 1..] };
    !name.contains(&b'/')
}

/// The directories of an extension, for an index of these `entries`; nothing when the two do not belong together.
pub(crate) fn decode(mut bytes: &[u8], entries: &[Entry]) -> Option<Vec<Directory>> {
    let mut directories = Vec::new();
    decode_one(&mut bytes, &[], entries, 0, &mut directories)?;
    (bytes.is_empty() && directories[0].entries.len() == entries.len()).then_some(directories)
}

/// Deeper than any tree that is written.
const DEEPEST: usize = 1024;

/// Reads one directory and all below it.
fn decode_one(
    bytes: &mut &[u8],
    parent: &[u8],
    entries: &[Entry],
    depth: usize,
    into: &mut Vec<Directory>,
) -> Option<()> {
    let (name, rest) = bytes.split_at_checked(memchr::memchr(0, bytes)?)?;
    let (counts, rest) = rest[1..].split_at_checked(memchr::memchr(b'\n', &rest[1..])?)?;
    let (count, subtrees) = std::str::from_utf8(counts).ok()?.split_once(' ')?;
    // Minus one: git has changed something below, and forgot the tree.
    let (count, subtrees): (usize, usize) = (count.parse().ok()?, subtrees.parse().ok()?);
    let (oid, rest) = rest[1..].split_at_checked(20)?;
    *bytes = rest;
    if depth > DEEPEST || name.is_empty() != (depth == 0) {
        return None;
    }
    let path = joined(parent, name);
    // Where a subtree's files start is not said; the names tell.
    let prefix = if depth == 0 { Vec::new() } else { [&path, &b"/"[..]].concat() };
    let start = entries.partition_point(|entry| *entry.path < *prefix);
    let end = start.checked_add(count)?;
    let is_here = |at: usize| entries.get(at).is_some_and(|entry| entry.path.starts_with(&prefix));
    if end > entries.len() || is_here(end) || (count > 0 && !(is_here(start) && is_here(end - 1))) {
        return None;
    }
    let oid = Oid::from_bytes(oid).ok()?;
    into.push(Directory { path: path.as_slice().into(), oid, entries: start as u32..end as u32 });
    for _ in 0..subtrees {
        decode_one(bytes, &path, entries, depth + 1, into)?;
    }
    Some(())
}

fn joined(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}
