//! Where an answer goes: exactly once, whatever becomes of the request.

use std::rc::Rc;

use super::{FailureKind, Reply};

/// Somebody who waits for replies: a client's queue, a multi-get that is being put together, a merged read.
pub trait Receive {
    /// Takes the reply to what was asked under `tag`. Called exactly once a tag.
    fn receive(&self, tag: u64, reply: Reply);
}

/// The return address of one request.
///
/// Whoever holds it owes one reply. Dropping it pays with [`FailureKind::Lost`], so that no client waits for
/// ever on a path that forgot it.
pub struct ReplyTo {
    receiver: Option<Rc<dyn Receive>>,
    tag: u64,
    listener: u8,
}

impl ReplyTo {
    /// The listener of what ketch asks for itself: nobody counts what is answered to it.
    pub const NOBODY: u8 = u8::MAX;

    /// An address that will hand its reply to `receiver` under `tag`.
    #[inline]
    #[must_use]
    pub fn new(receiver: Rc<dyn Receive>, tag: u64) -> Self {
        Self { receiver: Some(receiver), tag, listener: 0 }
    }

    /// The same for a request that came in by the listener of this number.
    #[inline]
    #[must_use]
    pub fn by(mut self, listener: u8) -> Self {
        self.listener = listener;
        self
    }

    /// The number of the listener that the request came in by; 0 when nobody said.
    #[inline]
    #[must_use]
    pub fn listener(&self) -> u8 {
        self.listener
    }

    /// Hands over the reply.
    #[inline]
    pub fn answer(mut self, reply: Reply) {
        if let Some(receiver) = self.receiver.take() {
            receiver.receive(self.tag, reply);
        }
    }
}

impl Drop for ReplyTo {
    fn drop(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            receiver.receive(self.tag, Reply::maybe_sent(FailureKind::Lost));
        }
    }
}

impl std::fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReplyTo({})", self.tag)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[derive(Default)]
    struct Heard(RefCell<Vec<(u64, Reply)>>);

    impl Receive for Heard {
        fn receive(&self, tag: u64, reply: Reply) {
            self.0.borrow_mut().push((tag, reply));
        }
    }

    #[test]
    fn an_answer_arrives_once() {
        let heard = Rc::new(Heard::default());
        ReplyTo::new(heard.clone(), 7).answer(Reply::Stored);
        assert_eq!(*heard.0.borrow(), [(7, Reply::Stored)]);
    }

    #[test]
    fn a_forgotten_request_is_answered_too() {
        let heard = Rc::new(Heard::default());
        drop(ReplyTo::new(heard.clone(), 7));
        assert_eq!(*heard.0.borrow(), [(7, Reply::maybe_sent(FailureKind::Lost))]);
    }
}
