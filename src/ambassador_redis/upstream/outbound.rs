//! The bytes that go to one upstream, kept until they are answered.
//!
//! Requests come in at the end; the connection sends from the middle; answered requests leave at the front. What was sent but not
//! answered is still here, so that a read can be sent again elsewhere without a copy having been made for it.

/// How many dead bytes at the front are worth moving the rest.
const COMPACT: usize = 64 * 1024;
/// What an empty buffer may keep.
const KEEP: usize = 256 * 1024;

/// A queue of bytes with three regions: answered (gone), sent, unsent.
#[derive(Debug, Default)]
pub struct Outbound {
    buffer: Vec<u8>,
    /// First byte that is not answered.
    head: usize,
    /// First byte that is not sent.
    sent: usize,
}

impl Outbound {
    /// The buffer to append to; bytes before its end must not be touched.
    pub fn end(&mut self) -> &mut Vec<u8> {
        if self.head == self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(KEEP);
            (self.head, self.sent) = (0, 0);
        } else if self.head > COMPACT && self.head > self.buffer.len() / 2 {
            self.buffer.drain(..self.head);
            self.sent -= self.head;
            self.head = 0;
        }
        &mut self.buffer
    }

    pub fn unsent(&self) -> &[u8] {
        &self.buffer[self.sent..]
    }

    /// What is not answered, sent or not.
    pub fn unanswered(&self) -> &[u8] {
        &self.buffer[self.head..]
    }

    /// How many of the unanswered bytes were sent.
    pub fn in_flight(&self) -> usize {
        self.sent - self.head
    }

    pub fn mark_sent(&mut self, bytes: usize) {
        self.sent += bytes;
    }

    pub fn mark_answered(&mut self, bytes: usize) {
        self.head += bytes;
        debug_assert!(self.head <= self.sent, "answered before it was sent");
    }
}

#[cfg(test)]
mod tests {
    use super::Outbound;

    #[test]
    fn bytes_stay_until_they_are_answered() {
        let mut out = Outbound::default();
        out.end().extend_from_slice(b"first second");
        out.mark_sent(8);
        out.mark_answered(6);
        assert_eq!((out.unsent(), out.unanswered(), out.in_flight()), (&b"cond"[..], &b"second"[..], 2));
    }

    #[test]
    fn the_front_is_given_back_while_the_queue_is_never_empty() {
        let mut out = Outbound::default();
        for _ in 0..10_000 {
            out.end().extend_from_slice(&[b'x'; 100]);
            out.mark_sent(out.unsent().len());
            out.mark_answered(out.in_flight() - 50);
        }
        assert!(out.buffer.len() < 200 * 1024, "{}", out.buffer.len());
    }
}
