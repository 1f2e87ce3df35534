//! Git LFS: large files that a commit holds as pointers only.
//!
//! ```text
//!  draft ──▶ plan: which files are pointers ──▶ transfer: ask the server, download ──▶ place: the contents
//!            (.gitattributes says filter=lfs)    (what is not here yet, proved)        in the pointers' places
//! ```
//!
//! In: a draft whose files are written, the objects that are here. Out: the same draft with the contents in it. No filter
//! program runs: what `git lfs smudge` would do is done here. A tree is published with all of its objects or not at all. Left
//! alone: pointers that no attribute marks, files that are marked and are no pointers, submodules.

mod attributes;
mod batch;
mod endpoint;
mod objects;
mod pointer;
mod transfer;

use std::collections::BTreeSet;

use git2::ObjectType;
use rustix::fs::{Mode, OFlags};

use self::attributes::Attributes;
use self::batch::BatchError;
pub(crate) use self::endpoint::Location;
use self::objects::Objects;
use self::pointer::Pointer;
use super::draft::Draft;
use super::files::{At, FileError};
use super::remote::{Options, RemoteError, Url, UrlError};
use super::store::Store;
use super::tree::{Kind, printable};
use super::volume::Volume;

/// A file of attributes, or of LFS settings, of this size is no file of attributes.
const LARGEST_TEXT: usize = 1 << 20;

/// Why a tree did not get its large files. All of it is safe to try again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LfsError {
    #[error("the LFS object {0} is missing at its source")]
    Missing(String),
    /// The server's, or somebody's on the way.
    #[error("the LFS object {0} is not what its pointer promises, in size or SHA-256")]
    Content(String),
    #[error("the LFS server answered {status} to {url}{}", .words.as_ref().map(|words| format!(": {words}")).unwrap_or_default())]
    Server { status: u16, url: String, words: Option<String> },
    #[error("LFS: {0}")]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error("the location of the LFS server cannot be used: {0}")]
    Url(#[from] UrlError),
    #[error("the location of the LFS server is on this machine, and the repository is not")]
    Local,
    #[error("with its LFS objects the tree is larger than --max-tree-bytes")]
    TooLarge,
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot write {path:?}: {source}")]
    Write { path: String, source: std::io::Error },
    #[error("a defect of ours: {0}")]
    Defect(String),
}

impl LfsError {
    /// Whether the same question may be answered in a moment.
    fn may_pass(&self) -> bool {
        match self {
            Self::Remote(RemoteError::Network { .. } | RemoteError::Protocol(_)) => true,
            Self::Server { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}

/// Which files of a draft are pointers, and where their contents are said to be.
pub(crate) struct Plan {
    /// Positions in the draft's manifest.
    files: Vec<(usize, Pointer)>,
    /// What is not here yet.
    wanted: Vec<Pointer>,
    location: Option<String>,
}

impl Plan {
    /// Whether the draft is complete as it is.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// Looks for pointers in a draft.
///
/// # Errors
/// The volume's; a tree that would be too large.
pub(crate) fn plan(volume: &Volume, draft: &Draft) -> Result<Plan, LfsError> {
    let store = &volume.store;
    let attributes = attributes(store, draft);
    let location = blob_at(store, draft, b".lfsconfig").and_then(|text| endpoint::configured(&text));
    let mut plan = Plan { files: Vec::new(), wanted: Vec::new(), location };
    if attributes.is_empty() {
        return Ok(plan);
    }
    let mut bytes: u64 = draft.manifest.entries.iter().map(|entry| u64::from(entry.stat.size)).sum();
    let objects = Objects::new(store.dir());
    let mut all = BTreeSet::new();
    let mut wanted = BTreeSet::new();
    for (at, entry) in draft.manifest.entries.iter().enumerate() {
        let is_file = matches!(entry.kind, Kind::File | Kind::Executable);
        if entry.is_skipped || !is_file || !attributes.wants(&entry.path) {
            continue;
        }
        let Some((blob, pointer)) = pointer_at(store, entry.oid) else { continue };
        all.insert(pointer.oid.clone());
        if is_filled(draft, &entry.path, entry.stat.size, &blob, &pointer) {
            continue;
        }
        bytes = bytes.saturating_add(pointer.size);
        if !wanted.contains(&pointer) && !objects.has(&pointer)? {
            wanted.insert(pointer.clone());
        }
        plan.files.push((at, pointer));
    }
    if bytes > volume.limits.bytes {
        return Err(LfsError::TooLarge);
    }
    objects.list(&draft.commit.to_string(), &all.iter().map(String::as_str).collect())?;
    plan.wanted = wanted.into_iter().collect();
    Ok(plan)
}

/// Brings what is wanted; answers with the bytes received.
///
/// # Errors
/// The server's, the network's, the repository's.
pub(crate) async fn bring(
    plan: &mut Plan,
    location: &Location,
    repository: &Url,
    options: &Options,
    store: &std::path::Path,
) -> Result<u64, LfsError> {
    let wanted = std::mem::take(&mut plan.wanted);
    if wanted.is_empty() {
        return Ok(0);
    }
    let endpoint = location.endpoint(plan.location.as_deref(), repository, options).await?;
    transfer::fetch(endpoint, repository, options, wanted, &Objects::new(store)).await
}

/// Puts the contents in the places of their pointers.
///
/// # Errors
/// The volume's.
pub(crate) fn place(volume: &Volume, draft: &mut Draft, plan: &Plan) -> Result<(), LfsError> {
    let objects = Objects::new(volume.store.dir());
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = rustix::fs::open(draft.path(), flags, Mode::empty()).at("open", draft.path())?;
    for (at, pointer) in &plan.files {
        let entry = &mut draft.manifest.entries[*at];
        let placed = objects.place(pointer, &top, &entry.path, entry.kind, volume.sources.published);
        let refused = |error: rustix::io::Errno| LfsError::Write { path: printable(&entry.path), source: error.into() };
        entry.stat = placed.map_err(refused)?;
    }
    Ok(())
}

/// Removes the objects that no tree needs any more.
///
/// # Errors
/// The volume's.
pub(crate) fn prune(store: &Store) -> Result<(), FileError> {
    Objects::new(store.dir()).prune()
}

/// What the commit's `.gitattributes` say, those above before those below.
fn attributes(store: &Store, draft: &Draft) -> Attributes {
    let mut files: Vec<(&[u8], git2::Oid)> = Vec::new();
    for entry in &draft.manifest.entries {
        let directory = match entry.path.strip_suffix(b".gitattributes") {
            Some([]) => &b""[..],
            Some([directory @ .., b'/']) => directory,
            _ => continue,
        };
        if matches!(entry.kind, Kind::File | Kind::Executable) {
            files.push((directory, entry.oid));
        }
    }
    files.sort_by_key(|(directory, _)| (!directory.is_empty(), directory.iter().filter(|byte| **byte == b'/').count()));
    let mut attributes = Attributes::default();
    for (directory, oid) in files {
        if let Some(text) = blob(store, oid, LARGEST_TEXT) {
            attributes.add(directory, &text);
        }
    }
    attributes
}

fn blob_at(store: &Store, draft: &Draft, path: &[u8]) -> Option<Vec<u8>> {
    let entry = draft.manifest.entries.iter().find(|entry| &*entry.path == path)?;
    blob(store, entry.oid, LARGEST_TEXT)
}

fn pointer_at(store: &Store, oid: git2::Oid) -> Option<(Vec<u8>, Pointer)> {
    let blob = blob(store, oid, pointer::LARGEST)?;
    let pointer = Pointer::parse(&blob)?;
    Some((blob, pointer))
}

/// A blob that is not larger than the limit; its header tells before it is read.
fn blob(store: &Store, oid: git2::Oid, limit: usize) -> Option<Vec<u8>> {
    let (size, kind) = store.odb().read_header(oid).ok()?;
    if kind != ObjectType::Blob || size > limit {
        return None;
    }
    Some(store.odb().read(oid).ok()?.data().to_vec())
}

/// Whether the file, which may have been taken over from an earlier tree, is the content already: what we write is either
/// that or the pointer.
fn is_filled(draft: &Draft, path: &[u8], size: u32, blob: &[u8], pointer: &Pointer) -> bool {
    // The size in a manifest is cut to 32 bits.
    if size != pointer.size as u32 {
        return false;
    }
    if size as usize != blob.len() {
        return true;
    }
    use std::os::unix::ffi::OsStrExt;
    let path = draft.path().join(std::ffi::OsStr::from_bytes(path));
    std::fs::read(path).is_ok_and(|content| content != blob)
}
