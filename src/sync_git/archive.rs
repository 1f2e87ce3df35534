//! The archive: the published tree as one file, for those who cannot mount a volume.
//!
//! In: a tree that was just built, or that was proved. Out: `FILE.tar.gz` (or `.tar`), the same bytes for the same commit and
//! settings, and beside it `FILE.tar.gz.sha256` as sha256sum(1) reads it; each is replaced in one step, the archive first.
//! What the repository brought is in it, submodules and large files too; `.git` is not, nor what a consumer added to the
//! tree. This half blocks.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use flate2::{Compression, GzBuilder};
use ring::digest;

use super::budget::{Budget, Interrupted};
use super::files::{
    At, FileError, make_dirs, names_in, read_small, remove, sweep_beside, unfinished_beside, write_whole_abroad,
};
use super::manifest::Manifest;
use super::tar::{Archive, Entry};
use super::tree::Kind;
use crate::core::fault::Fault;

/// How the archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Gzip,
    Plain,
}

/// Where the archive goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Artefact {
    path: PathBuf,
    form: Form,
}

/// Why there is no archive of a tree. The tree is not published then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error("the archive: {0}")]
    File(#[from] FileError),
}

impl Artefact {
    /// # Errors
    /// A usage fault, when the name does not say which form is wanted.
    pub(crate) fn new(path: PathBuf) -> Result<Self, Fault> {
        let name = path.file_name().unwrap_or_default().as_bytes();
        let form = match () {
            () if name.ends_with(b".tar.gz") || name.ends_with(b".tgz") => Form::Gzip,
            () if name.ends_with(b".tar") => Form::Plain,
            () => return Err(Fault::usage(anyhow!("--archive must end in .tar.gz, .tgz or .tar"))),
        };
        Ok(Self { path, form })
    }

    /// Where it goes.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the archive of the tree at `tree`; an archive that is the same already stays untouched. `time` is the commit's.
    ///
    /// # Errors
    /// See [`ArchiveError`]; the archive before stays.
    pub(crate) fn write(
        &self,
        tree: &Path,
        manifest: &Manifest,
        time: i64,
        budget: &Budget,
    ) -> Result<(), ArchiveError> {
        if let Some(directory) = self.path.parent() {
            make_dirs(directory)?;
        }
        sweep_beside(&self.path)?;
        let beside = unfinished_beside(&self.path);
        let written = self.write_beside(&beside, tree, manifest, time, budget);
        let placed = written.and_then(|hash| Ok(self.place(&beside, &hash)?));
        if placed.is_err() {
            remove(&beside)?;
        }
        placed
    }

    fn write_beside(
        &self,
        beside: &Path,
        tree: &Path,
        manifest: &Manifest,
        time: i64,
        budget: &Budget,
    ) -> Result<String, ArchiveError> {
        let file = File::create_new(beside).at("write", beside)?;
        let hashed = Hashed { file, hash: digest::Context::new(&digest::SHA256) };
        let out = BufWriter::with_capacity(64 << 10, hashed);
        let time = u64::try_from(time).unwrap_or_default();
        let out = match self.form {
            Form::Plain => fill(Archive::new(out, time), tree, manifest, budget)?,
            Form::Gzip => {
                // Without a time and a name of its own, so that the same content makes the same bytes.
                let gzip = GzBuilder::new().mtime(0).write(out, Compression::default());
                fill(Archive::new(gzip, time), tree, manifest, budget)?.finish().at("write", beside)?
            }
        };
        let hashed = out.into_inner().map_err(io::IntoInnerError::into_error).at("write", beside)?;
        Ok(hashed.hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn place(&self, beside: &Path, hash: &str) -> Result<(), FileError> {
        let name = self.path.file_name().unwrap_or_default();
        let text = [hash.as_bytes(), b"  ", name.as_bytes(), b"\n"].concat();
        let mut sums = self.path.clone().into_os_string();
        sums.push(".sha256");
        let sums = PathBuf::from(sums);
        let is_same = read_small(&sums, 8192).is_ok_and(|old| old.as_deref() == Some(&text)) && self.path.is_file();
        if is_same {
            return remove(beside);
        }
        std::fs::rename(beside, &self.path).at("rename to", &self.path)?;
        write_whole_abroad(&sums, &text)
    }
}

/// Adds a tree's entries, in the order of its index, and ends the archive.
fn fill<W: Write>(
    mut archive: Archive<W>,
    tree: &Path,
    manifest: &Manifest,
    budget: &Budget,
) -> Result<W, ArchiveError> {
    for entry in manifest.entries.iter().filter(|entry| !entry.is_skipped) {
        let place = tree.join(std::ffi::OsStr::from_bytes(&entry.path));
        match entry.kind {
            Kind::Submodule | Kind::Directory => add_below(&mut archive, &entry.path, &place, budget)?,
            _ => add(&mut archive, &entry.path, &place, budget)?,
        }
    }
    Ok(archive.finish().at("write the archive of", tree)?)
}

/// Adds a submodule's directory: what is there, by name.
fn add_below<W: Write>(
    archive: &mut Archive<W>,
    path: &[u8],
    place: &Path,
    budget: &Budget,
) -> Result<(), ArchiveError> {
    archive.add(&[path, b"/"].concat(), Entry::Directory, io::empty()).at("archive", place)?;
    let mut names = names_in(place)?;
    names.sort();
    for name in names.into_iter().filter(|name| name != ".git") {
        let below = place.join(&name);
        let path = [path, b"/", &name.into_vec()].concat();
        match std::fs::symlink_metadata(&below).at("look at", &below)?.is_dir() {
            true => add_below(archive, &path, &below, budget)?,
            false => add(archive, &path, &below, budget)?,
        }
    }
    Ok(())
}

/// Adds a file or a link.
fn add<W: Write>(archive: &mut Archive<W>, path: &[u8], place: &Path, budget: &Budget) -> Result<(), ArchiveError> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    budget.check()?;
    let meta = std::fs::symlink_metadata(place).at("look at", place)?;
    if meta.is_symlink() {
        let target = std::fs::read_link(place).at("read", place)?;
        let entry = Entry::Symlink { target: target.as_os_str().as_bytes() };
        return Ok(archive.add(path, entry, io::empty()).at("archive", place)?);
    }
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let file = File::options().read(true).custom_flags(flags.cast_signed()).open(place).at("open", place)?;
    let meta = file.metadata().at("look at", place)?;
    let size = meta.len();
    let entry = if meta.mode() & 0o100 != 0 { Entry::Executable { size } } else { Entry::File { size } };
    Ok(archive.add(path, entry, file).at("archive", place)?)
}

/// A file whose hash is known when it is written.
struct Hashed {
    file: File,
    hash: digest::Context,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
