//! A question to a node, and the wait for its answer.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use tokio::time::{Instant, timeout_at};

use crate::backend::Link;
use crate::model::{FailureKind, Receive, Reply, ReplyTo, Request};

/// Takes one reply for a task that waits for it. A task that goes away leaves it to be dropped.
#[derive(Default)]
pub(super) struct Answer {
    reply: Cell<Option<Reply>>,
    task: RefCell<Option<Waker>>,
}

impl Answer {
    /// What `ask` brings about by the address that it is given; late is a failure.
    ///
    /// Who answers late is not to blame: the deadline is that of a client who was elsewhere before.
    pub(super) async fn to(ask: impl FnOnce(ReplyTo), deadline: Instant) -> Reply {
        let answer = Rc::new(Self::default());
        ask(ReplyTo::new(answer.clone(), 0).by(ReplyTo::NOBODY));
        let reply = poll_fn(|cx| match answer.reply.take() {
            Some(reply) => Poll::Ready(reply),
            None => {
                answer.task.replace(Some(cx.waker().clone()));
                Poll::Pending
            }
        });
        timeout_at(deadline, reply).await.unwrap_or_else(|_| Reply::maybe_sent(FailureKind::Timeout))
    }
}

impl Receive for Answer {
    fn receive(&self, _: u64, reply: Reply) {
        self.reply.set(Some(reply));
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }
}

/// Asks a node, beside what clients ask it.
pub(super) async fn ask(link: &Link, hash: u64, request: Request, deadline: Instant) -> Reply {
    Answer::to(|reply_to| link.ask(hash, Rc::new(request), reply_to, None), deadline).await
}
