//! Files that cannot be met half-written, and errors that name the path.
//!
//! In: paths inside the volume. Out: whole files (written beside their place under a name nobody else uses, then renamed) and
//! trees that are gone. No lock files: a name that is unique cannot be left over, so a killed run cannot wedge the next.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

/// An operation on a path that the operating system refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}", path.display())]
pub(crate) struct FileError {
    pub what: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

/// Puts the path and the intention beside an `io::Error`.
pub(crate) trait At<T> {
    /// # Errors
    /// The same error, naming `what` was tried and the `path`.
    fn at(self, what: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError { what, path: path.to_owned(), source: source.into() })
    }
}

/// Ours, and unfinished, by this prefix: recovery removes what carries it.
pub(crate) const UNFINISHED: &str = ".patterns-tmp-";

/// A name in a directory that no other run, of this or another process, uses.
pub(crate) fn unique_name() -> String {
    let mut noise = [0_u8; 8];
    // Without entropy the process id, the clock and the loop counter below still tell runs apart.
    if rustix::rand::getrandom(&mut noise, rustix::rand::GetRandomFlags::NONBLOCK).is_err() {
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        noise = (clock.as_nanos() as u64 ^ (u64::from(std::process::id()) << 32)).to_be_bytes();
    }
    format!("{UNFINISHED}{:016x}", u64::from_be_bytes(noise))
}

/// Where what becomes `path` is made, in a directory that may be somebody else's: the next run for the same path knows it, and
/// takes no other's.
pub(crate) fn unfinished_beside(path: &Path) -> PathBuf {
    let mut name = unfinished_prefix(path);
    name.extend_from_slice(&unique_name().as_bytes()[UNFINISHED.len()..]);
    path.with_file_name(std::ffi::OsStr::from_bytes(&name))
}

fn unfinished_prefix(path: &Path) -> Vec<u8> {
    // A name holds 255 bytes at most; of a longer one its start is enough.
    let name = path.file_name().unwrap_or_default().as_bytes();
    [UNFINISHED.as_bytes(), &name[..name.len().min(150)], b"-"].concat()
}

/// Removes what a killed run left in making `path`.
///
/// # Errors
/// When the directory cannot be read or an entry will not go.
pub(crate) fn sweep_beside(path: &Path) -> Result<(), FileError> {
    let (directory, prefix) = (path.parent().unwrap_or(Path::new("/")), unfinished_prefix(path));
    for name in names_in(directory)? {
        let noise = name.as_bytes().strip_prefix(&*prefix);
        if noise.is_some_and(|noise| noise.len() == 16 && noise.iter().all(u8::is_ascii_hexdigit)) {
            remove(&directory.join(name))?;
        }
    }
    Ok(())
}

/// [`write_whole`] for a directory that may be somebody else's; what a killed run has left of the same file goes.
///
/// # Errors
/// The volume's.
pub(crate) fn write_whole_abroad(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    sweep_beside(path)?;
    write_by(&unfinished_beside(path), path, bytes)
}

/// Replaces or creates `path` with `bytes`, so that a reader sees the old file or the new one.
///
/// # Errors
/// The volume's: no space, no permission, read-only.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_whole_from(path.parent().unwrap_or(Path::new("/")), path, bytes)
}

/// The same, for a place where nobody would sweep an unfinished file, or somebody might see one: it is made in `dir`, on the
/// same file system.
///
/// # Errors
/// As [`write_whole`].
pub(crate) fn write_whole_from(dir: &Path, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_by(&dir.join(unique_name()), path, bytes)
}

fn write_by(beside: &Path, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let written = (|| {
        let mut file = std::fs::File::create_new(beside)?;
        file.write_all(bytes)?;
        drop(file);
        std::fs::rename(beside, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(beside); // best effort: recovery sweeps it otherwise
    }
    written.at("write", path)
}

/// Reads a small file of ours whole; `None` when it does not exist.
///
/// # Errors
/// Anything but "not there"; a file above `limit` bytes, which is not one of ours.
pub(crate) fn read_small(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error).at("open", path),
    };
    // Most are shorter: one read, and one that finds the end.
    let mut bytes = Vec::with_capacity(256);
    io::Read::read_to_end(&mut io::Read::take(file, limit + 1), &mut bytes).at("read", path)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {limit} bytes"))).at("read", path);
    }
    Ok(Some(bytes))
}

/// Makes `path` and its parents with the mode that the umask leaves of 0777.
///
/// # Errors
/// When a part of the path is a file, or may not be written.
pub(crate) fn make_dirs(path: &Path) -> Result<(), FileError> {
    std::fs::create_dir_all(path).at("make the directory", path)
}

/// Removes a file, a link (never what it points to) or a whole tree; nothing there is fine.
///
/// # Errors
/// The first thing that would not go away.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path).or_else(|error| {
            // A tree whose directories the consumer made read-only: give ourselves the right, and try once more.
            if error.kind() != io::ErrorKind::PermissionDenied {
                return Err(error);
            }
            make_removable(path);
            std::fs::remove_dir_all(path)
        }),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if is_absent(&error) => Ok(()),
        other => other.at("remove", path),
    }
}

/// Puts the directory `fresh` in the place of `at`, and removes what stood there. The two change places in a single step, so
/// that whoever is killed leaves the one or the other there.
///
/// # Errors
/// The volume's; `fresh` is where it was if the place was not taken.
pub(crate) fn replace(at: &Path, fresh: &Path) -> Result<(), FileError> {
    if std::fs::symlink_metadata(at).is_err() {
        return std::fs::rename(fresh, at).at("move to its place", at);
    }
    match rustix::fs::renameat_with(CWD, fresh, CWD, at, RenameFlags::EXCHANGE) {
        Ok(()) => remove(fresh),
        // A file system that cannot exchange: there is a moment with neither, and no other way.
        Err(Errno::INVAL | Errno::NOSYS) => {
            let aside = at.with_file_name(unique_name());
            std::fs::rename(at, &aside).at("set aside", at)?;
            std::fs::rename(fresh, at).at("move to its place", at)?;
            remove(&aside)
        }
        Err(error) => Err(error).at("exchange the directory at", at),
    }
}

/// Nothing there, or a part of the path is not a directory.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The names in a directory, in no order; a missing directory is empty.
///
/// # Errors
/// When it exists and cannot be read.
pub(crate) fn names_in(dir: &Path) -> Result<Vec<std::ffi::OsString>, FileError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error).at("list", dir),
    };
    entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>().at("list", dir)
}

/// Removes what an earlier, killed run left unfinished in `dir`.
///
/// # Errors
/// When the directory cannot be read or an entry will not go.
pub(crate) fn sweep_unfinished(dir: &Path) -> Result<usize, FileError> {
    let mut swept = 0;
    for name in names_in(dir)? {
        if name.as_bytes().starts_with(UNFINISHED.as_bytes()) {
            remove(&dir.join(name))?;
            swept += 1;
        }
    }
    Ok(swept)
}

fn make_removable(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)); // the removal that follows reports
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_removable(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_leaves_no_unfinished_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("HEAD");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(read_small(&path, 10).unwrap().unwrap(), b"two");
        assert_eq!(names_in(dir.path()).unwrap().len(), 1);
    }

    #[test]
    fn removal_never_follows_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("file"), "x").unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        std::os::unix::fs::symlink(&kept, tree.join("link")).unwrap();
        remove(&tree).unwrap();
        assert!(kept.join("file").exists());
        assert!(!tree.exists());
    }

    #[test]
    fn a_directory_takes_the_place_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let (at, fresh) = (dir.path().join("at"), dir.path().join("fresh"));
        for content in ["one", "two"] {
            std::fs::create_dir(&fresh).unwrap();
            std::fs::write(fresh.join(content), content).unwrap();
            replace(&at, &fresh).unwrap();
            assert_eq!(names_in(&at).unwrap(), [content]);
            assert_eq!(names_in(dir.path()).unwrap(), ["at"]);
        }
        replace(&at, &fresh).unwrap_err();
        assert_eq!(names_in(&at).unwrap(), ["two"]);
    }

    #[test]
    fn only_unfinished_names_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(unique_name()), "x").unwrap();
        std::fs::write(dir.path().join("theirs"), "x").unwrap();
        assert_eq!(sweep_unfinished(dir.path()).unwrap(), 1);
        assert!(dir.path().join("theirs").exists());
    }

    #[test]
    fn abroad_only_what_became_the_same_file_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("error.json");
        std::fs::write(unfinished_beside(&path), "x").unwrap();
        let others = [unfinished_beside(&dir.path().join("error")), dir.path().join(unique_name())];
        others.iter().for_each(|other| std::fs::write(other, "x").unwrap());
        write_whole_abroad(&path, b"new").unwrap();
        assert!(others.iter().all(|other| other.exists()));
        assert_eq!(names_in(dir.path()).unwrap().len(), 3);
        assert_eq!(read_small(&path, 10).unwrap().unwrap(), b"new");
    }

    #[test]
    fn a_file_above_the_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        std::fs::write(&path, [0; 11]).unwrap();
        assert!(read_small(&path, 10).is_err());
        assert_eq!(read_small(&dir.path().join("none"), 10).unwrap(), None);
    }
}
