//! The objects of the large file storage that are here, shared by all trees: `<store>/lfs/objects`, as git-lfs has it, and
//! beside them in `lfs/trees` which of them each tree holds.
//!
//! In: pointers. Out: files whose size and SHA-256 are proved, placed in a tree as hard links or copies. An object comes in
//! under another name and gets its own only when it is whole; what was received of it stays for the next attempt. Objects
//! that no standing tree needs are removed. This half blocks.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ring::digest;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::super::files::{At, FileError, make_dirs, names_in, read_small, remove, write_whole};
use super::super::manifest::Stat;
use super::super::reuse::Sharing;
use super::super::tree::Kind;
use super::pointer::{Pointer, is_oid};

/// A list of a tree's objects of this size names a quarter of a million objects.
const LARGEST_LIST: u64 = 16 << 20;

/// The objects beside one store.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    store: PathBuf,
}

impl Objects {
    pub(super) fn new(store: &Path) -> Self {
        Self { store: store.to_owned() }
    }

    fn top(&self) -> PathBuf {
        self.store.join("lfs/objects")
    }

    pub(super) fn path(&self, oid: &str) -> PathBuf {
        self.top().join(&oid[..2]).join(&oid[2..4]).join(oid)
    }

    /// Where an object stands until it is whole.
    pub(super) fn partial(&self, oid: &str) -> PathBuf {
        self.store.join("lfs/incomplete").join(format!("{oid}.part"))
    }

    /// Makes room for what will arrive.
    pub(super) fn prepare(&self) -> Result<(), FileError> {
        make_dirs(&self.store.join("lfs/incomplete"))
    }

    /// Whether the object is here and whole; one that is not is removed. A tree may share its file, and a consumer may have
    /// written into that: so the content is read.
    pub(super) fn has(&self, pointer: &Pointer) -> Result<bool, FileError> {
        let path = self.path(&pointer.oid);
        if !std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()) {
            return Ok(false);
        }
        let mut file = File::open(&path).at("open", &path)?;
        let is_whole = is_content(&mut file, pointer).at("read", &path)?;
        if !is_whole {
            remove(&path)?;
        }
        Ok(is_whole)
    }

    /// Gives a proved file its name.
    pub(super) fn admit(&self, from: &Path, pointer: &Pointer) -> Result<(), FileError> {
        File::options().write(true).open(from).and_then(|file| age(&file)).at("touch", from)?;
        let path = self.path(&pointer.oid);
        make_dirs(path.parent().unwrap_or(&self.store))?;
        std::fs::rename(from, &path).at("rename to", &path)
    }

    /// Takes an object from another directory of objects on this machine.
    ///
    /// # Errors
    /// This volume's. `false`: it is not there, or not what it is called.
    pub(super) fn copy_from(&self, others: &Path, pointer: &Pointer) -> Result<bool, FileError> {
        let oid = &pointer.oid;
        let there = others.join(&oid[..2]).join(&oid[2..4]).join(oid);
        let Ok(mut source) = File::open(&there) else { return Ok(false) };
        let partial = self.partial(oid);
        let mut target = File::create(&partial).at("write", &partial)?;
        io::copy(&mut (&mut source).take(pointer.size.saturating_add(1)), &mut target).at("write", &partial)?;
        let mut copied = File::open(&partial).at("open", &partial)?;
        if !is_content(&mut copied, pointer).at("read", &partial)? {
            remove(&partial)?;
            return Ok(false);
        }
        self.admit(&partial, pointer)?;
        Ok(true)
    }

    /// Puts the object in the place of the pointer at `path` below `top`, and answers with the file's status.
    pub(super) fn place(
        &self,
        pointer: &Pointer,
        top: &impl AsFd,
        path: &[u8],
        kind: Kind,
        sharing: Sharing,
    ) -> Result<Stat, Errno> {
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let slash = memchr::memrchr(b'/', path);
        let (parent, name) = slash.map_or((&b"."[..], path), |at| (&path[..at], &path[at + 1..]));
        let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
        let parent = rustix::fs::openat2(top, parent, flags, Mode::empty(), beneath)?;
        rustix::fs::unlinkat(&parent, name, AtFlags::empty())?;
        let object = self.path(&pointer.oid);
        let may_share = kind == Kind::File && sharing == Sharing::Links;
        if may_share && rustix::fs::linkat(CWD, &object, &parent, name, AtFlags::empty()).is_ok() {
            return rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| Stat::of(&stat));
        }
        let mode = Mode::from_raw_mode(if kind == Kind::Executable { 0o777 } else { 0o666 });
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut target = File::from(rustix::fs::openat(&parent, name, flags, mode)?);
        let io_error = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
        // The kernel copies, or shares extents where the file system can.
        io::copy(&mut File::open(&object).map_err(io_error)?, &mut target).map_err(io_error)?;
        age(&target).map_err(io_error)?;
        rustix::fs::fstat(&target).map(|stat| Stat::of(&stat))
    }

    fn lists(&self) -> PathBuf {
        self.store.join("lfs/trees")
    }

    /// Remembers which objects the tree of the worktree `id` holds.
    pub(super) fn list(&self, id: &str, oids: &BTreeSet<&str>) -> Result<(), FileError> {
        make_dirs(&self.lists())?;
        let text: String = oids.iter().map(|oid| format!("{oid}\n")).collect();
        write_whole(&self.lists().join(id), text.as_bytes())
    }

    /// Removes the objects that no worktree holds, and what never became whole.
    pub(super) fn prune(&self) -> Result<(), FileError> {
        if !self.store.join("lfs").is_dir() {
            return Ok(());
        }
        let worktrees = self.store.join("worktrees");
        let mut kept = BTreeSet::new();
        for id in names_in(&self.lists())? {
            let list = self.lists().join(&id);
            if worktrees.join(&id).is_dir() {
                let text = read_small(&list, LARGEST_LIST)?.unwrap_or_default();
                kept.extend(String::from_utf8_lossy(&text).lines().map(str::to_owned));
            } else {
                remove(&list)?;
            }
        }
        for first in names_in(&self.top())? {
            for second in names_in(&self.top().join(&first))? {
                let directory = self.top().join(&first).join(second);
                for name in names_in(&directory)? {
                    let is_kept = name.to_str().is_some_and(|oid| is_oid(oid) && kept.contains(oid));
                    if !is_kept {
                        remove(&directory.join(name))?;
                    }
                }
            }
        }
        remove(&self.store.join("lfs/incomplete"))
    }
}

/// Moves a file's time a little into the past: of what is as young as its index, git reads the content again, and finds no
/// pointer there.
fn age(file: &File) -> io::Result<()> {
    file.set_modified(SystemTime::now() - Duration::from_secs(2))
}

/// Whether a file holds what the pointer promises.
fn is_content(file: &mut File, pointer: &Pointer) -> io::Result<bool> {
    if file.metadata()?.len() != pointer.size {
        return Ok(false);
    }
    let mut context = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(context.finish().as_ref()) == pointer.oid),
            read => context.update(&buffer[..read]),
        }
    }
}

/// Bytes as lowercase hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
