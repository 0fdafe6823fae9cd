//! One request to many nodes, one answer.

use std::cell::RefCell;
use std::rc::Rc;

use crate::model::{Receive, Reply, ReplyTo};

/// A `flush_all` under way: `OK` when every node said so, else how many did not.
pub struct Broadcast {
    total: usize,
    listener: u8,
    state: RefCell<State>,
}

struct State {
    missing: usize,
    failed: usize,
    /// What the first node said that failed.
    refusal: Option<Reply>,
    /// Whether all that failed said the same.
    agreed: bool,
    reply_to: Option<ReplyTo>,
}

impl Broadcast {
    /// Waits for `total` nodes; answers at once where there are none.
    #[must_use]
    pub fn new(total: usize, reply_to: ReplyTo) -> Rc<Self> {
        let listener = reply_to.listener();
        let mut state = State { missing: total, failed: 0, refusal: None, agreed: true, reply_to: Some(reply_to) };
        if let (0, Some(reply_to)) = (total, state.reply_to.take_if(|_| total == 0)) {
            reply_to.answer(Reply::Ok);
        }
        Rc::new(Self { total, listener, state: RefCell::new(state) })
    }

    /// The return address of one node.
    #[must_use]
    pub fn part(self: &Rc<Self>) -> ReplyTo {
        ReplyTo::new(self.clone(), 0).by(self.listener)
    }
}

impl Receive for Broadcast {
    fn receive(&self, _: u64, reply: Reply) {
        let mut state = self.state.borrow_mut();
        if reply != Reply::Ok {
            state.failed += 1;
            state.agreed &= state.refusal.as_ref().is_none_or(|refusal| *refusal == reply);
            state.refusal.get_or_insert(reply);
        }
        state.missing -= 1;
        if state.missing > 0 {
            return;
        }
        let failed = state.failed;
        let agreed = state.agreed && failed == self.total;
        let answer = match (state.refusal.take(), self.total) {
            (None, _) => Reply::Ok,
            // A single memcached is passed through faithfully, and so is what a whole pool says as one.
            (Some(refusal), 1) => refusal,
            (Some(refusal @ Reply::Refused(_)), _) if agreed => refusal,
            (Some(_), total) => {
                Reply::Refused(format!("SERVER_ERROR flush_all failed on {failed} of {total} nodes").into())
            }
        };
        let reply_to = state.reply_to.take();
        drop(state); // whoever hears the answer may ask again
        if let Some(reply_to) = reply_to {
            reply_to.answer(answer);
        }
    }
}
