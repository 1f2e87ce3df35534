//! What a command was asked for goes to standard output, for pipes; everything else goes to the log, on stderr.

use std::io::{self, Write};

use super::fault::Fault;

/// Prints on standard output. A reader that has left is no fault.
///
/// # Errors
/// Standard output cannot be written: a full disk, a closed descriptor.
pub fn say(text: impl AsRef<[u8]>) -> Result<(), Fault> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Fault::failed(error).context("cannot write to standard output"))
        }
        _ => Ok(()),
    }
}
