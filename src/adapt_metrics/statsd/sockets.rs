//! The sockets that StatsD comes in by, with receive buffers as large as the kernel lets us have.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

use super::datagrams::WAIT;
use crate::core::fault::Fault;
use crate::core::net;
use crate::core::values::{Bind, ByteSize};

/// An open datagram socket.
#[derive(Debug)]
pub struct Opened {
    /// The socket, blocking, with a time limit on each call.
    pub socket: OwnedFd,
    /// Where it listens.
    pub address: String,
    /// The receive buffer that the kernel granted, in bytes.
    pub buffer: usize,
    /// How many datagrams may wait in it, whatever their size, where the kernel has such a limit.
    pub queue: Option<usize>,
    /// The inode by which the kernel's tables know it.
    pub inode: u64,
}

/// Opens a UDP socket; `setting` is the option's long name, for the fault. `Bind::Off` opens nothing.
///
/// # Errors
/// A failed fault: the port is taken, needs a privilege, or the address is not one of this machine.
pub fn udp(bind: &Bind, buffer: ByteSize, setting: &str) -> Result<Option<Opened>, Fault> {
    net::open_at(bind, setting, |address| open_udp(address, buffer))
}

fn open_udp(address: SocketAddr, buffer: ByteSize) -> io::Result<Opened> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    let shown = socket.local_addr()?.as_socket().map(|address| address.to_string()).unwrap_or_default();
    finish(socket, buffer, shown)
}

/// How many datagrams wait in a unix socket before their senders do.
fn unix_queue() -> usize {
    let told = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen");
    // Where it is not told, the kernel's own default.
    told.ok().and_then(|told| told.trim().parse().ok()).unwrap_or(10)
}

/// A unix socket's file, which goes when this is dropped.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl std::ops::Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody else may have taken it away; then there is nothing to do.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Makes a unix datagram socket with these permissions. A socket file that nobody listens on is replaced.
///
/// # Errors
/// A failed fault: somebody listens there, the path is something else, or the directory cannot be written.
pub fn unix_datagram(path: &Path, mode: u32, buffer: ByteSize, setting: &str) -> Result<(Opened, SocketFile), Fault> {
    let is_alive = |path: &Path| UnixDatagram::unbound().and_then(|socket| socket.connect(path)).is_ok();
    let open = || -> io::Result<Opened> {
        let socket = Socket::from(OwnedFd::from(UnixDatagram::bind(path)?));
        let opened = finish(socket, buffer, path.display().to_string())?;
        Ok(Opened { queue: Some(unix_queue()), ..opened })
    };
    let opened = make_room(path, is_alive).and_then(|()| open()).map_err(|error| unix_fault(error, path, setting))?;
    Ok((opened, permit(path, mode, setting)?))
}

/// Makes a unix stream socket with these permissions. A socket file that nobody listens on is replaced.
///
/// # Errors
/// As [`unix_datagram`].
pub fn unix_stream(path: &Path, mode: u32, setting: &str) -> Result<(UnixListener, SocketFile), Fault> {
    let is_alive = |path: &Path| UnixStream::connect(path).is_ok();
    let open = || -> io::Result<UnixListener> {
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let listener = make_room(path, is_alive).and_then(|()| open()).map_err(|error| unix_fault(error, path, setting))?;
    Ok((listener, permit(path, mode, setting)?))
}

/// Takes away a socket file that a process left behind.
fn make_room(path: &Path, is_alive: impl Fn(&Path) -> bool) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no socket is there"))
        }
        Ok(_) if is_alive(path) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
        Ok(_) => std::fs::remove_file(path),
    }
}

fn permit(path: &Path, mode: u32, setting: &str) -> Result<SocketFile, Fault> {
    let file = SocketFile(path.to_owned());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|error| unix_fault(error, path, setting))?;
    Ok(file)
}

fn unix_fault(error: io::Error, path: &Path, setting: &str) -> Fault {
    Fault::failed(error)
        .context(format!("cannot listen on {}", path.display()))
        .hint(format!("set --{setting} to a path in a directory that can be written"))
}

fn finish(socket: Socket, buffer: ByteSize, address: String) -> io::Result<Opened> {
    let wanted = buffer.as_usize();
    if wanted > 0 {
        // Past net.core.rmem_max only a privileged process gets what it asks for; others get the maximum.
        if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, wanted).is_err() {
            socket.set_recv_buffer_size(wanted)?;
        }
    }
    socket.set_read_timeout(Some(WAIT))?;
    // The kernel tells twice of what it uses for data.
    let buffer = socket.recv_buffer_size()? / 2;
    let inode = rustix::fs::fstat(&socket)?.st_ino;
    Ok(Opened { socket: socket.into(), address, buffer, queue: None, inode })
}

/// How many datagrams the kernel dropped because a UDP socket's buffer was full, from `/proc/net/udp` and `udp6`.
pub fn kernel_drops(inode: u64) -> Option<u64> {
    ["/proc/net/udp", "/proc/net/udp6"].iter().find_map(|path| drops_in(&std::fs::read_to_string(path).ok()?, inode))
}

/// The last column of the row whose tenth is the inode.
fn drops_in(table: &str, inode: u64) -> Option<u64> {
    let inode = inode.to_string();
    let row = table.lines().skip(1).find(|row| row.split_ascii_whitespace().nth(9) == Some(&inode))?;
    row.split_ascii_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_in_the_kernels_table() {
        let opened = udp(&Bind::Host("127.0.0.1".into(), 0), ByteSize(1 << 20), "statsd-listen").unwrap().unwrap();
        assert!(opened.buffer >= 100_000);
        assert_eq!(kernel_drops(opened.inode), Some(0));
        assert_eq!(kernel_drops(1), None);
    }

    #[test]
    fn a_socket_left_behind_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(UnixDatagram::bind(&path).unwrap());
        let (_opened, file) = unix_datagram(&path, 0o622, ByteSize(0), "x").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o622);
        assert!(
            unix_datagram(&path, 0o622, ByteSize(0), "x").unwrap_err().to_string().contains("another process listens")
        );
        drop(file);
        assert!(!path.exists());
        std::fs::write(&path, "text").unwrap();
        assert!(unix_stream(&path, 0o622, "x").unwrap_err().to_string().contains("no socket"));
    }

    #[test]
    fn a_taken_port_names_the_setting() {
        let opened = udp(&Bind::Any(0), ByteSize(0), "statsd-listen").unwrap().unwrap();
        let port = opened.address.rsplit(':').next().unwrap().parse().unwrap();
        let Err(fault) = udp(&Bind::Any(port), ByteSize(0), "statsd-listen") else { panic!("the port was free") };
        assert!(fault.to_string().contains("set --statsd-listen"), "{fault}");
    }
}
