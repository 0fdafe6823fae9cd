//! The clients of a worker that have replies to be written.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

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
    pub(super) async fn serve(station: Rc<Station>) {
        // What is written is no work of this task's, which should give way for it.
        tokio::task::unconstrained(poll_fn(|cx| station.due.turn(&station, cx))).await;
    }

    fn turn(&self, station: &Station, cx: &mut Context<'_>) -> Poll<()> {
        self.task.borrow_mut().clone_from(cx.waker());
        let desk = &mut *station.desk.borrow_mut();
        for _ in 0..TURN {
            let Some(outlet) = self.list.borrow_mut().pop_front() else { return Poll::Pending };
            outlet.settle(&mut desk.output, cx);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
