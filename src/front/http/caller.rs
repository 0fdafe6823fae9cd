//! One request's way down, and the answer that it waits for.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::look::look;
use super::problem::Problem;
use crate::front::worker::Station;
use crate::memory::Charge;
use crate::model::{Failure, FailureKind, Key, Meta, MetaReply, MetaVerb, Receive, Reply, ReplyTo, Request, Sent};
use crate::topology::View;

/// Asks nodes on behalf of one HTTP request, which sees one topology from start to end.
pub(super) struct Caller {
    pub(super) station: Rc<Station>,
    pub(super) view: Rc<View>,
    pub(super) listener: u8,
}

impl Caller {
    /// Who came in by the listener of this number.
    pub(super) fn new(station: &Rc<Station>, listener: u8) -> Self {
        Self { station: station.clone(), view: station.view(), listener }
    }

    /// Carries out one meta command. The value that comes back is held by `charge`.
    ///
    /// # Errors
    /// When the node refuses, no node answers, or there is no room for the value.
    pub(super) async fn meta(
        &self,
        verb: MetaVerb,
        key: &Key,
        flags: &str,
        value: Bytes,
        charge: &Charge,
    ) -> Result<MetaReply, Problem> {
        let answer = Rc::new(Answer::default());
        self.view.dispatch(command(verb, key, flags, value), ReplyTo::new(answer.clone(), 0).by(self.listener));
        met(hold(Wait(answer).await, charge, self.share()))
    }

    /// Reads the item by `mg` with these flags; the right to recache it is left to others.
    ///
    /// # Errors
    /// As those of [`Caller::meta`].
    pub(super) async fn look(&self, key: &Key, flags: &str, charge: &Charge) -> Result<MetaReply, Problem> {
        let answer = Rc::new(Answer::default());
        look(self, key, flags, ReplyTo::new(answer.clone(), 0).by(self.listener));
        met(hold(Wait(answer).await, charge, self.share()))
    }

    /// An account for the values of one answer.
    pub(super) fn charge(&self) -> Charge {
        Charge::new(self.station.memory())
    }

    /// What one answer may hold even when memory is scarce.
    pub(super) fn share(&self) -> usize {
        self.station.limits().client_buffer
    }
}

/// A meta command for a key of any bytes: as base64 where it cannot stand in a line.
pub(super) fn command(verb: MetaVerb, key: &Key, flags: &str, value: Bytes) -> Rc<Request> {
    let (token, flags) = match key.is_text() {
        true => (Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(flags.as_bytes())),
        false => (STANDARD.encode(key.as_bytes()).into(), [b"b ", flags.as_bytes()].concat().into()),
    };
    Rc::new(Request::Meta(Box::new(Meta { verb, key: key.clone(), token, flags, value })))
}

/// The reply, if there is room for its value.
pub(super) fn hold(reply: Reply, charge: &Charge, share: usize) -> Reply {
    match charge.add_fairly(reply.weight(), share) {
        true => reply,
        false => {
            charge.tell();
            Reply::never_sent(FailureKind::Memory)
        }
    }
}

/// What a node said to a meta command.
///
/// # Errors
/// When it refused or did not answer.
pub(super) fn met(reply: Reply) -> Result<MetaReply, Problem> {
    match reply {
        Reply::Meta(reply) => Ok(reply),
        Reply::Refused(line) => Err(Problem::refused(&line)),
        Reply::Failed(failure) => Err(Problem::failed(failure)),
        // A reply of another kind than its request: a defect of a backend, told rather than hidden.
        _ => Err(Problem::failed(Failure { kind: FailureKind::Garbage, sent: Sent::Maybe })),
    }
}

/// Takes one reply for a task that waits for it. A task that goes away leaves it to be dropped.
#[derive(Default)]
struct Answer {
    reply: RefCell<Option<Reply>>,
    task: RefCell<Option<Waker>>,
}

impl Receive for Answer {
    fn receive(&self, _: u64, reply: Reply) {
        self.reply.replace(Some(reply));
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }
}

struct Wait(Rc<Answer>);

impl Future for Wait {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        match self.0.reply.take() {
            Some(reply) => Poll::Ready(reply),
            None => {
                self.0.task.replace(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_any_bytes_has_a_name_for_the_node() {
        for (key, token, flags) in [(&b"a/b"[..], "a/b", "c v"), (b"a b", "YSBi", "b c v"), (b"\0", "AA==", "b c v")] {
            let key = Key::new(key).unwrap();
            let request = command(MetaVerb::Get, &key, "c v", Bytes::new());
            let Request::Meta(meta) = &*request else { panic!("no meta") };
            assert_eq!((&meta.token[..], &meta.flags[..], &meta.key), (token.as_bytes(), flags.as_bytes(), &key));
        }
    }

    #[test]
    fn an_answer_wakes_who_waits_for_it() {
        let answer = Rc::new(Answer::default());
        let mut wait = Wait(answer.clone());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut wait).poll(&mut cx).is_pending());
        ReplyTo::new(answer, 0).answer(Reply::Stored);
        assert_eq!(Pin::new(&mut wait).poll(&mut cx), Poll::Ready(Reply::Stored));
    }
}
