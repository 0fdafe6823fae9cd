//! The clients of a worker that have replies to be written.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use super::outlet::Outlet;
use super::worker::Station;
use crate::wire::Outbox;

/// So many clients are written to before the others have their turn.
const TURN: usize = 512;

/// How long replies wait for those that the client is still owed. Mostly the other nodes have answered by then, and all
/// leave in one system call; a node that takes longer holds nobody up by more than this and a tick of the clock.
const PATIENCE: Duration = Duration::from_millis(1);

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
        let (due, mut waiting) = (station.due.clone(), Waiting::new());
        let work = poll_fn(|cx| due.poll(&mut waiting, &mut station.desk.borrow_mut().output, cx));
        unconstrained(work).await // what is written is no work of this task's, which should give way for it
    }

    fn poll(&self, waiting: &mut Waiting, desk: &mut Outbox, cx: &mut Context<'_>) -> Poll<()> {
        self.task.borrow_mut().clone_from(cx.waker());
        for _ in 0..TURN {
            let Some(outlet) = self.list.borrow_mut().pop_front() else { break };
            match outlet.may_wait() {
                true => waiting.add(outlet),
                false => outlet.settle(desk, cx),
            }
        }
        waiting.settle(desk, cx);
        if !self.list.borrow().is_empty() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Clients that have replies and are owed more. One that is owed no more goes back on the list by itself.
struct Waiting {
    /// In the order of their times, with those that wait no longer in between.
    line: VecDeque<(Instant, Rc<Outlet>)>,
    /// Goes off at or before the first time.
    alarm: Pin<Box<Sleep>>,
}

impl Waiting {
    fn new() -> Self {
        Self { line: VecDeque::new(), alarm: Box::pin(sleep_until(Instant::now())) }
    }

    fn add(&mut self, outlet: Rc<Outlet>) {
        let until = Instant::now() + PATIENCE;
        if outlet.hold(until) {
            self.line.push_back((until, outlet));
        }
    }

    /// Writes for those who have waited long enough.
    fn settle(&mut self, desk: &mut Outbox, cx: &mut Context<'_>) {
        while !self.line.is_empty() && self.alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let is_over = |(until, outlet): &mut (Instant, Rc<Outlet>)| *until <= now || !outlet.is_held(*until);
            while let Some((until, outlet)) = self.line.pop_front_if(is_over) {
                if outlet.is_held(until) {
                    outlet.hasten();
                    outlet.settle(desk, cx);
                }
            }
            if let Some((until, _)) = self.line.front() {
                self.alarm.as_mut().reset(*until);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use tokio::time::advance;

    use super::super::outlet::Attention;
    use super::*;
    use crate::memory::{Charge, Memory};
    use crate::model::Reply;
    use crate::net::Stream;
    use crate::wire::Spelling;

    struct Bench {
        due: Rc<Due>,
        waiting: Waiting,
        outlet: Rc<Outlet>,
        client: UnixStream,
    }

    impl Bench {
        async fn new() -> Self {
            let (client, ours) = UnixStream::pair().unwrap();
            client.set_nonblocking(true).unwrap();
            ours.set_nonblocking(true).unwrap();
            let ours = tokio::net::UnixStream::from_std(ours).unwrap();
            ours.writable().await.unwrap();
            let (due, charge) = (Rc::<Due>::default(), Charge::new(&Memory::new(1 << 20, Arc::default())));
            let outlet = Outlet::new(Stream::Unix(ours), Arc::default(), due.clone(), charge, 1 << 20);
            outlet.wait(Attention::Reading);
            Self { due, waiting: Waiting::new(), outlet, client }
        }

        /// Asks two things, of which one is answered now.
        fn begin(&self) -> impl FnOnce() + use<> {
            let owe = || self.outlet.replies.owe(Spelling::Line).unwrap();
            let (first, second) = (owe(), owe());
            first.answer(Reply::Stored);
            || second.answer(Reply::Deleted)
        }

        /// What the client has once the list was worked off.
        fn heard(&mut self) -> String {
            let (mut desk, mut cx) = (Outbox::new(), Context::from_waker(Waker::noop()));
            assert!(self.due.poll(&mut self.waiting, &mut desk, &mut cx).is_pending());
            let mut heard = vec![0; 1000];
            match self.client.read(&mut heard) {
                Ok(count) => heard.truncate(count),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    heard.clear();
                }
            }
            String::from_utf8(heard).unwrap()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn replies_wait_for_those_still_owed_and_leave_with_them() {
        let mut bench = Bench::new().await;
        let second = bench.begin();
        assert_eq!((bench.heard(), bench.heard()), (String::new(), String::new()));
        second();
        assert_eq!(bench.heard(), "STORED\r\nDELETED\r\n");
        advance(2 * PATIENCE).await;
        assert_eq!(bench.heard(), "");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_longer_than_a_moment_nor_for_a_slow_node_each_time() {
        let mut bench = Bench::new().await;
        let second = bench.begin();
        assert_eq!(bench.heard(), "");
        advance(2 * PATIENCE).await;
        assert_eq!(bench.heard(), "STORED\r\n");
        second();
        assert_eq!(bench.heard(), "DELETED\r\n");
        let mut at_once = 0;
        loop {
            let second = bench.begin();
            let heard = bench.heard();
            second();
            if heard.is_empty() {
                assert_eq!(bench.heard(), "STORED\r\nDELETED\r\n");
                break;
            }
            assert_eq!((&*heard, &*bench.heard()), ("STORED\r\n", "DELETED\r\n"));
            at_once += 1;
        }
        assert_eq!(at_once, 8);
    }

    #[tokio::test(start_paused = true)]
    async fn replies_do_not_wait_where_their_client_waits_for_them() {
        let mut bench = Bench::new().await;
        bench.outlet.wait(Attention::Watching);
        let second = bench.begin();
        assert_eq!(bench.heard(), "STORED\r\n");
        second();
        assert_eq!(bench.heard(), "DELETED\r\n");
    }
}
