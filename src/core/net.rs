//! Sockets to listen on, with faults that say which setting to change.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};

use anyhow::anyhow;
use socket2::{Domain, Protocol, Socket, Type};

use super::fault::Fault;
use super::values::Bind;

/// How many connections the kernel holds for us between two accepts.
const BACKLOG: i32 = 1024;

/// Whether several sockets of ours may share one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// The port is this socket's alone.
    Exclusive,
    /// The kernel spreads connections over all sockets on the port (`SO_REUSEPORT`).
    Shared,
}

/// Opens a non-blocking TCP listener; `setting` is the option's long name, for the fault. `Bind::Off` opens nothing.
///
/// # Errors
/// A failed fault: the port is taken, needs a privilege, or the address is not one of this machine.
pub fn listen(bind: &Bind, sharing: Sharing, setting: &str) -> Result<Option<std::net::TcpListener>, Fault> {
    open_at(bind, setting, |address| open(address, sharing))
}

/// Opens a socket at the first address of `bind` whose family this machine has; `setting` is the option's long name, for
/// the fault. `Bind::Off` opens nothing.
///
/// # Errors
/// A failed fault: the name has no address, or what `open` told.
pub fn open_at<T>(bind: &Bind, setting: &str, open: impl Fn(SocketAddr) -> io::Result<T>) -> Result<Option<T>, Fault> {
    let addresses = match bind {
        Bind::Off => return Ok(None),
        Bind::Any(port) => {
            vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port)), SocketAddr::from(([0, 0, 0, 0], *port))]
        }
        Bind::Host(host, port) => (host.as_str(), *port)
            .to_socket_addrs()
            .map_err(|error| {
                Fault::failed(error).context(format!("cannot resolve {bind}")).hint(format!("set --{setting}"))
            })?
            .collect(),
    };
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match open(address) {
            Ok(opened) => return Ok(Some(opened)),
            // A machine without IPv6 says so in either way; then IPv4 is tried.
            Err(error) if address.is_ipv6() && is_family_missing(&error) => last = error,
            Err(error) => return Err(fault(error, bind, setting)),
        }
    }
    Err(fault(last, bind, setting))
}

fn open(address: SocketAddr, sharing: Sharing) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    if sharing == Sharing::Shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn is_family_missing(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
        || error.kind() == io::ErrorKind::AddrNotAvailable
}

/// The fault for a socket that could not be bound.
fn fault(error: io::Error, bind: &Bind, setting: &str) -> Fault {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another process (in a Pod: another container) owns this port; set --{setting} to a free one")
        }
        io::ErrorKind::PermissionDenied => {
            format!("ports below 1024 need a privilege; set --{setting} to a higher one")
        }
        io::ErrorKind::AddrNotAvailable => format!("the address is not one of this machine; set --{setting}"),
        _ => format!("see --{setting}"),
    };
    Fault::failed(anyhow!(error).context(format!("cannot listen on {bind}"))).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_the_setting() {
        let first = listen(&Bind::Host("127.0.0.1".into(), 0), Sharing::Exclusive, "listen").unwrap().unwrap();
        let port = first.local_addr().unwrap().port();
        let fault =
            listen(&Bind::Host("127.0.0.1".into(), port), Sharing::Exclusive, "listen").unwrap_err().to_string();
        assert!(
            fault.contains(&format!("cannot listen on 127.0.0.1:{port}")) && fault.contains("set --listen"),
            "{fault}"
        );
    }

    #[test]
    fn every_interface_takes_both_families_and_off_takes_none() {
        let listener = listen(&Bind::Any(0), Sharing::Exclusive, "http-bind").unwrap().unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(listen(&Bind::Off, Sharing::Exclusive, "http-bind").unwrap().is_none());
    }
}
