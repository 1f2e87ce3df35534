//! A pack's files in an object store: written under a temporary name, whole and durable before they get their own.
//!
//! In: a pack's bytes, an `objects` directory. Out: `pack-<sha>.pack`, `.idx` and, for a filtered fetch, `.promisor`; nothing when anything fails.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{Odb, OdbLookupFlags, Oid};
use sha1dc::Hasher;

use super::super::files::{FileError, names_in, remove};
use super::error::PackError;
use super::index::{IndexEntry, write_index};
use super::indexer::{Bases, Indexed, Indexer, finish};
use super::input::{Input, Source};
use super::object::{Kind, oid, write_header};
use super::{Limits, Visitor};

/// Whether a pack is on the disk before it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// fsync both files, rename, fsync the directory.
    #[default]
    Synced,
    /// Leave it to the kernel: a crash of the machine (not of the process) may leave a pack that fails verification.
    Cached,
}

/// Whether objects may be missing because they were filtered out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Promise {
    #[default]
    /// None.
    Complete,
    /// Leaves a `.promisor` file, by which git knows that the remote has the rest.
    Partial,
}

/// Where a pack goes, and what it may cost.
#[derive(Clone, Debug)]
pub struct PackStore {
    /// A git `objects` directory.
    pub objects: PathBuf,
    /// What one pack may cost.
    pub limits: Limits,
    /// How safe it must be before it counts.
    pub durability: Durability,
    /// Whether it may be partial.
    pub promise: Promise,
}

/// A pack that is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackReport {
    /// `None`: the pack was empty and nothing was stored.
    pub path: Option<PathBuf>,
    /// Objects that arrived.
    pub objects: u32,
    /// Bytes that arrived.
    pub bytes: u64,
    /// Bases that a thin pack lacked and that were copied into it.
    pub completed: u32,
}

impl PackStore {
    /// A store with default limits.
    pub fn new(objects: impl Into<PathBuf>) -> Self {
        Self {
            objects: objects.into(),
            limits: Limits::default(),
            durability: Durability::default(),
            promise: Promise::default(),
        }
    }

    /// Reads a whole pack from `source`. Blocks.
    pub(super) fn receive(&self, source: impl Source, visitor: &mut impl Visitor) -> Result<PackReport, PackError> {
        let directory = self.objects.join("pack");
        fs::create_dir_all(&directory).map_err(PackError::io("making the pack directory"))?;
        let pack = Temporary::create(&directory, "pack")?;
        let input = Input::new(source, &pack.file, self.limits.pack_bytes);
        let bases = Store { objects: &self.objects, odb: None };
        let indexed = Indexer::new(&pack.file, &self.limits, visitor, bases).run(input)?;
        let mut report = PackReport {
            path: None,
            objects: indexed.entries.len() as u32,
            bytes: indexed.length,
            completed: indexed.missing.len() as u32,
        };
        if indexed.entries.is_empty() {
            return Ok(report);
        }
        let (checksum, mut entries) = complete(&pack.file, indexed)?;
        let index = Temporary::create(&directory, "idx")?;
        let written = write_index(BufWriter::new(&index.file), &mut entries, checksum);
        written.map_err(PackError::io("writing the index"))?;
        report.path = Some(self.publish(&directory, checksum, pack, index)?);
        Ok(report)
    }

    /// Gives the files their names; the index last, for it is what makes the pack visible.
    fn publish(
        &self,
        directory: &Path,
        checksum: Oid,
        pack: Temporary,
        index: Temporary,
    ) -> Result<PathBuf, PackError> {
        if self.durability == Durability::Synced {
            pack.file.sync_data().map_err(PackError::io("syncing the pack"))?;
            index.file.sync_data().map_err(PackError::io("syncing the index"))?;
        }
        let path = directory.join(format!("pack-{checksum}.pack"));
        pack.rename(&path)?;
        if self.promise == Promise::Partial {
            File::create(path.with_extension("promisor")).map_err(PackError::io("marking the pack as partial"))?;
        }
        index.rename(&path.with_extension("idx"))?;
        if self.durability == Durability::Synced {
            let synced = File::open(directory).and_then(|directory| directory.sync_all());
            synced.map_err(PackError::io("syncing the pack directory"))?;
        }
        Ok(path)
    }
}

/// Appends the bases that a thin pack lacks, and its new checksum. Returns that and the entries of the index.
fn complete(file: &File, indexed: Indexed<Store<'_>>) -> Result<(Oid, Vec<IndexEntry>), PackError> {
    let Indexed { checksum, length, mut entries, missing, mut bases } = indexed;
    if missing.is_empty() {
        return Ok((checksum, entries));
    }
    let writing = || PackError::io("completing the pack");
    let mut end = length - 20;
    for oid in missing {
        let (kind, content) = bases.read(oid)?.ok_or(PackError::MissingBase(oid))?;
        let mut bytes = Vec::new();
        write_header(&mut bytes, kind, content.len() as u64);
        let mut encoder = ZlibEncoder::new(bytes, Compression::fast());
        let deflated = encoder.write_all(&content).and_then(|()| encoder.finish());
        let bytes = deflated.map_err(writing())?;
        let mut crc = flate2::Crc::new();
        crc.update(&bytes);
        let mut name = [0; 20];
        name.copy_from_slice(oid.as_bytes());
        entries.push(IndexEntry { name, crc: crc.sum(), offset: end });
        file.write_all_at(&bytes, end).map_err(writing())?;
        end += bytes.len() as u64;
    }
    file.write_all_at(&(entries.len() as u32).to_be_bytes(), 8).map_err(writing())?;
    file.set_len(end).map_err(writing())?;
    let checksum = checksum_of(file).map_err(writing())?;
    let checksum = oid(&finish(checksum)?);
    file.write_all_at(checksum.as_bytes(), end).map_err(writing())?;
    Ok((checksum, entries))
}

fn checksum_of(mut file: &File) -> io::Result<Hasher> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 64 * 1024];
    file.seek(SeekFrom::Start(0))?;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// The objects that the store has already; opened when the first thin delta asks.
struct Store<'a> {
    objects: &'a Path,
    odb: Option<Odb<'static>>,
}

impl Bases for Store<'_> {
    fn read(&mut self, oid: Oid) -> Result<Option<(Kind, Vec<u8>)>, PackError> {
        let odb = match &mut self.odb {
            Some(odb) => odb,
            none => {
                let path =
                    self.objects.to_str().ok_or_else(|| git2::Error::from_str("the store's path is not UTF-8"))?;
                let odb = Odb::new()?;
                odb.add_disk_alternate(path)?;
                none.insert(odb)
            }
        };
        // Without a second look at the directory: nothing else adds objects meanwhile.
        if !odb.exists_ext(oid, OdbLookupFlags::NO_REFRESH) {
            return Ok(None);
        }
        let object = odb.read(oid)?;
        Ok(Kind::from_git2(object.kind()).map(|kind| (kind, object.data().to_vec())))
    }
}

/// Removes the packs that a killed run left unfinished in an `objects` directory.
///
/// # Errors
/// When the directory cannot be read or a file will not go.
pub(in super::super) fn sweep(objects: &Path) -> Result<(), FileError> {
    let directory = objects.join("pack");
    for name in names_in(&directory)? {
        if name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            remove(&directory.join(name))?;
        }
    }
    Ok(())
}

/// What git's own housekeeping removes, too.
const UNFINISHED: &str = "tmp_";

/// A file that goes away unless it gets a name.
struct Temporary {
    file: File,
    path: Option<PathBuf>,
}

/// Tells apart what one process makes; the process's id and start tell apart processes, also across containers that share a volume.
static COUNTER: AtomicU64 = AtomicU64::new(0);

impl Temporary {
    fn create(directory: &Path, what: &str) -> Result<Self, PackError> {
        let doing = "making a temporary file in the pack directory";
        loop {
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let path = directory.join(format!("{UNFINISHED}{what}_{}_{}_{count}", std::process::id(), now.as_nanos()));
            match OpenOptions::new().read(true).write(true).create_new(true).mode(0o444).open(&path) {
                Ok(file) => {
                    return Ok(Self { file, path: Some(path) });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(PackError::io(doing)(error)),
            }
        }
    }

    fn rename(mut self, to: &Path) -> Result<(), PackError> {
        if let Some(path) = &self.path {
            fs::rename(path, to).map_err(PackError::io("naming the pack"))?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // It is only rubbish by now.
            let _ = fs::remove_file(path);
        }
    }
}
