//! What a client was answered and has not read yet: replies come in at the end, and leave at the front as the client takes them.
//!
//! How much may wait is for the owner to say; it takes no further requests beyond [`CLOGGED`].

use std::io;
use std::task::Poll;

/// Unread replies beyond which no further requests are taken in.
pub const CLOGGED: usize = 256 * 1024;
/// A buffer that an idle client may keep.
pub const KEEP: usize = 1024;

/// The replies that wait for one client.
#[derive(Debug, Default)]
pub struct Unread {
    buffer: Vec<u8>,
    written: usize,
}

/// The client is gone: nothing reaches it any more.
#[derive(Debug)]
pub struct Gone;

impl Unread {
    /// The buffer to append to; what is in it must not be touched.
    pub fn end(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.written
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes until the client takes no more.
    ///
    /// # Errors
    /// The client's fault, or the network's: it is gone.
    pub fn flush(&mut self, write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>) -> Result<(), Gone> {
        self.written += taken(&self.buffer[self.written..], write)?;
        if self.is_empty() {
            self.buffer.clear();
            self.buffer.shrink_to(KEEP);
            self.written = 0;
        } else if self.written > CLOGGED {
            self.buffer.drain(..self.written);
            self.written = 0;
        }
        Ok(())
    }
}

/// How many of these bytes the client takes now.
///
/// # Errors
/// It is gone.
pub fn taken(bytes: &[u8], mut write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>) -> Result<usize, Gone> {
    let mut taken = 0;
    while taken < bytes.len() {
        match write(&bytes[taken..]) {
            Poll::Pending => break,
            Poll::Ready(Ok(written)) if written > 0 => taken += written,
            Poll::Ready(_) => return Err(Gone),
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_reads_slowly_gets_every_byte_once() {
        let mut unread = Unread::default();
        let (mut got, mut turn) = (Vec::new(), 0);
        for part in ["+OK\r\n", "$3\r\nabc\r\n", ":1\r\n"] {
            unread.end().extend_from_slice(part.as_bytes());
            let flushed = unread.flush(|bytes| {
                turn += 1;
                if turn % 3 == 0 {
                    return Poll::Pending;
                }
                got.push(bytes[0]);
                Poll::Ready(Ok(1))
            });
            assert!(flushed.is_ok());
        }
        assert!(!unread.is_empty());
        let rest = unread.flush(|bytes| {
            got.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        });
        assert!(rest.is_ok() && unread.is_empty());
        assert_eq!(String::from_utf8_lossy(&got), "+OK\r\n$3\r\nabc\r\n:1\r\n");
        unread.end().push(b'+');
        assert!(unread.flush(|_| Poll::Ready(Ok(0))).is_err());
    }
}
