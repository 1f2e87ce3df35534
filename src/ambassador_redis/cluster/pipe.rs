//! The way between a client's front and one of its sessions: two buffers in memory, both bounded.
//!
//! ```text
//! front ──push──→ requests ──read──→ session
//!   ↑                                   │
//!   └───take──── replies ←────write─────┘
//! ```
//!
//! Requests stay here until their replies have come, so that they can be sent again to another shard without a copy of their own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::ambassador_redis::upstream::Outbound;

/// Replies that the front has not taken beyond which the session must wait.
const MOST_REPLIES: usize = 256 * 1024;
/// Requests that the session has not read beyond which a large one is not passed on further.
const MOST_UPLOAD: usize = 256 * 1024;

/// Both buffers, as the front sees them.
#[derive(Debug, Default)]
pub struct Pipe {
    requests: RefCell<Outbound>,
    replies: RefCell<Vec<u8>>,
    front: RefCell<Option<Waker>>,
    session: RefCell<Option<Waker>>,
    /// The front sends nothing more.
    closed: Cell<bool>,
    /// The session has ended.
    ended: Cell<bool>,
    /// What is read is not kept: too large to be sent twice.
    is_upload: Cell<bool>,
}

/// The session's end; dropping it tells the front.
#[derive(Debug)]
pub struct Far(Rc<Pipe>);

impl Pipe {
    /// A pipe whose front is woken by `front`, and its other end.
    pub fn new(front: &Waker) -> (Rc<Pipe>, Far) {
        let pipe = Rc::new(Pipe { front: RefCell::new(Some(front.clone())), ..Pipe::default() });
        (pipe.clone(), Far(pipe))
    }

    /// Appends bytes of requests.
    pub fn push(&self, bytes: &[u8]) {
        self.requests.borrow_mut().end().extend_from_slice(bytes);
        wake(&self.session);
    }

    /// A request begins that is not kept, or ends.
    pub fn upload(&self, begins: bool) {
        self.is_upload.set(begins);
    }

    /// Whether so much waits to be read that a large request should pause.
    pub fn is_full(&self) -> bool {
        self.requests.borrow().unsent().len() > MOST_UPLOAD
    }

    /// The oldest `len` bytes that are kept.
    pub fn oldest(&self, len: usize) -> Vec<u8> {
        let requests = self.requests.borrow();
        let kept = requests.unanswered();
        kept[..len.min(kept.len())].to_vec()
    }

    /// Forgets the oldest `len` bytes: they are answered.
    pub fn forget(&self, len: usize) {
        if len > 0 {
            self.requests.borrow_mut().mark_answered(len);
        }
    }

    /// Moves the replies behind what `into` holds already.
    pub fn take(&self, into: &mut Vec<u8>) {
        let mut replies = self.replies.borrow_mut();
        if replies.is_empty() {
            return;
        }
        let was_full = replies.len() >= MOST_REPLIES;
        if into.is_empty() {
            std::mem::swap(into, &mut replies);
        } else {
            into.append(&mut replies);
        }
        if was_full {
            wake(&self.session);
        }
    }

    /// The session has ended, and everything that it wrote was taken.
    pub fn is_over(&self) -> bool {
        self.ended.get() && self.replies.borrow().is_empty()
    }

    /// Sends nothing more; the session ends when it is done, or at once if it waits.
    pub fn close(&self) {
        self.closed.set(true);
        self.front.replace(None);
        wake(&self.session);
    }
}

impl Far {
    /// Reads requests; zero bytes mean that the front sends nothing more.
    pub fn poll_read(&mut self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
        let mut requests = self.0.requests.borrow_mut();
        let there = requests.unsent();
        let len = there.len().min(buffer.len());
        if len == 0 {
            if self.0.closed.get() {
                return Poll::Ready(0);
            }
            self.0.session.replace(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        buffer[..len].copy_from_slice(&there[..len]);
        requests.mark_sent(len);
        if self.0.is_upload.get() {
            requests.mark_answered(len);
            wake(&self.0.front);
        }
        Poll::Ready(len)
    }

    /// Writes as much as the front may be told; zero bytes mean that it is gone.
    pub fn poll_write(&mut self, cx: &Context<'_>, bytes: &[u8]) -> Poll<usize> {
        if self.0.closed.get() {
            return Poll::Ready(0);
        }
        let mut replies = self.0.replies.borrow_mut();
        if replies.len() >= MOST_REPLIES {
            self.0.session.replace(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        if replies.is_empty() {
            wake(&self.0.front);
        }
        replies.extend_from_slice(bytes);
        Poll::Ready(bytes.len())
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.0.ended.set(true);
        wake(&self.0.front);
    }
}

fn wake(waker: &RefCell<Option<Waker>>) {
    if let Some(waker) = &*waker.borrow() {
        waker.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe() -> (Rc<Pipe>, Far) {
        Pipe::new(Waker::noop())
    }

    #[test]
    fn requests_are_kept_until_they_are_forgotten() {
        let (near, mut far) = pipe();
        let cx = Context::from_waker(Waker::noop());
        near.push(b"one two");
        let mut buffer = [0; 16];
        assert_eq!(far.poll_read(&cx, &mut buffer), Poll::Ready(7));
        assert_eq!(near.oldest(3), b"one");
        near.forget(4);
        assert_eq!(near.oldest(99), b"two");
        assert!(far.poll_read(&cx, &mut buffer).is_pending());
        near.close();
        assert_eq!(far.poll_read(&cx, &mut buffer), Poll::Ready(0));
    }

    #[test]
    fn replies_are_bounded_and_the_end_is_told() {
        let (near, mut far) = pipe();
        let cx = Context::from_waker(Waker::noop());
        let piece = vec![b'x'; MOST_REPLIES];
        assert_eq!(far.poll_write(&cx, &piece), Poll::Ready(piece.len()));
        assert!(far.poll_write(&cx, b"more").is_pending());
        let mut taken = Vec::new();
        near.take(&mut taken);
        assert_eq!(taken.len(), piece.len());
        drop(far);
        assert!(near.is_over());
    }
}
