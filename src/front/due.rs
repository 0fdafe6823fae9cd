//! The clients of a worker that have replies to be written.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::task::{unconstrained, yield_now};

use super::outlet::Outlet;
use super::worker::Station;

/// So many clients are written to before the others have their turn.
const TURN: usize = 512;

/// The list. Whoever goes on it first wakes the task that writes: it runs behind the tasks that are ready by then, so that
/// what several nodes answer to one client leaves in one system call.
pub(super) struct Due {
    list: RefCell<VecDeque<Rc<Outlet>>>,
    task: RefCell<Waker>,
}

impl Default for Due {
    fn default() -> Self {
        Self { list: RefCell::default(), task: RefCell::new(Waker::noop().clone()) }
    }
}

impl Due {
    #[inline]
    pub(super) fn add(&self, outlet: Rc<Outlet>) {
        let mut list = self.list.borrow_mut();
        if list.is_empty() {
            self.task.borrow().wake_by_ref();
        }
        list.push_back(outlet);
    }

    /// Writes for all who come on the list. Runs until it is dropped.
    ///
    /// A client that is owed more waits until the sockets have been looked at once more: the other nodes that it asked in
    /// the same breath have mostly answered by then.
    pub(super) async fn serve(station: Rc<Station>) {
        let due = station.due.clone();
        let work = async {
            let mut partial = Vec::new();
            loop {
                poll_fn(|cx| due.wait(cx)).await;
                poll_fn(|cx| due.turn(&station, &mut partial, cx)).await;
                if !partial.is_empty() || !due.list.borrow().is_empty() {
                    yield_now().await;
                }
                poll_fn(|cx| settle(partial.drain(..), &station, cx)).await;
            }
        };
        unconstrained(work).await; // what is written is no work of this task's, which should give way for it
    }

    fn wait(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.task.borrow_mut().clone_from(cx.waker());
        if self.list.borrow().is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Writes for those who are owed no more; the others are `partial`.
    fn turn(&self, station: &Station, partial: &mut Vec<Rc<Outlet>>, cx: &mut Context<'_>) -> Poll<()> {
        let desk = &mut *station.desk.borrow_mut();
        for _ in 0..TURN {
            let Some(outlet) = self.list.borrow_mut().pop_front() else { break };
            match outlet.replies.are_whole() {
                true => outlet.settle(&mut desk.output, cx),
                false => partial.push(outlet),
            }
        }
        Poll::Ready(())
    }
}

fn settle(outlets: impl Iterator<Item = Rc<Outlet>>, station: &Station, cx: &mut Context<'_>) -> Poll<()> {
    let desk = &mut *station.desk.borrow_mut();
    outlets.for_each(|outlet| outlet.settle(&mut desk.output, cx));
    Poll::Ready(())
}
