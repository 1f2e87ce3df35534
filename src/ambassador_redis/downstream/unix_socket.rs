//! A unix socket to listen on: made aside with its mode, then moved to its name, so that nobody meets it half made.
//!
//! Whatever a dead process has left there is replaced; a socket on which somebody listens only if the two may share it; anything that
//! is no socket is refused. The name is taken away at the end, unless another process has taken it over.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::core::net::Sharing;

/// The name of a socket that we listen on; taken away when dropped.
#[derive(Debug)]
pub struct Name {
    path: PathBuf,
    inode: u64,
}

/// Opens it, non-blocking.
///
/// # Errors
/// `AddrInUse`: another process listens there. `AlreadyExists`: something else than a socket has the name. Otherwise the system's.
pub fn listen(path: &Path, mode: u32, sharing: Sharing) -> io::Result<(UnixListener, Name)> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(io::ErrorKind::AlreadyExists.into()),
        Ok(_) if sharing == Sharing::Exclusive && UnixStream::connect(path).is_ok() => {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        _ => {}
    }
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    // Left by a process of the same number, if by anybody.
    let _ = std::fs::remove_file(&aside);
    let made = || {
        let listener = UnixListener::bind(&aside)?;
        std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(mode))?;
        let inode = std::fs::symlink_metadata(&aside)?.ino();
        listener.set_nonblocking(true)?;
        std::fs::rename(&aside, path)?;
        Ok((listener, Name { path: path.to_owned(), inode }))
    };
    made().inspect_err(|_: &io::Error| {
        let _ = std::fs::remove_file(&aside);
    })
}

impl Name {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("redis.sock");
        drop(UnixListener::bind(&path).expect("a socket"));
        let (listener, name) = listen(&path, 0o600, Sharing::Exclusive).expect("the stale one is replaced");
        assert_eq!(std::fs::metadata(&path).expect("a socket").mode() & 0o777, 0o600);
        let taken = listen(&path, 0o600, Sharing::Exclusive).expect_err("it is in use");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        let (_later, kept) = listen(&path, 0o660, Sharing::Shared).expect("taken over");
        drop((listener, name));
        assert!(UnixStream::connect(&path).is_ok(), "the first took the second's name away");
        drop(kept);
        assert!(!path.exists() && std::fs::read_dir(dir.path()).expect("a directory").next().is_none());
    }

    #[test]
    fn a_file_with_that_name_is_not_touched() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notes.txt");
        std::fs::write(&path, "mine").expect("a file");
        let refused = listen(&path, 0o600, Sharing::Shared).expect_err("it is no socket");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).expect("a file"), b"mine");
    }
}
