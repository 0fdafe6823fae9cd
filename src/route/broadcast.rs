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
    /// What the only node said, where there is only one: a single memcached is passed through faithfully.
    refusal: Option<Reply>,
    reply_to: Option<ReplyTo>,
}

impl Broadcast {
    /// Waits for `total` nodes; answers at once where there are none.
    #[must_use]
    pub fn new(total: usize, reply_to: ReplyTo) -> Rc<Self> {
        let listener = reply_to.listener();
        let mut state = State { missing: total, failed: 0, refusal: None, reply_to: Some(reply_to) };
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
            state.refusal = Some(reply);
        }
        state.missing -= 1;
        if state.missing > 0 {
            return;
        }
        let failed = state.failed;
        let answer = match (state.refusal.take(), self.total) {
            (None, _) => Reply::Ok,
            (Some(refusal), 1) => refusal,
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
