//! The clients of a worker that have replies to be written.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::{unconstrained, yield_now};
use tokio::time::{Instant, Sleep, sleep_until};

use super::outlet::Outlet;
use super::worker::Station;
use crate::wire::Outbox;

/// So many clients are written to before the others have their turn.
const TURN: usize = 512;

/// How long replies wait for those that the client is still owed, up to a tick of tokio's clock more: 2 ms. Mostly the
/// other nodes have answered by then, and all leave in one system call.
const PATIENCE: Duration = Duration::from_millis(2);

/// The list. Whoever goes on it first wakes the task that writes: it runs behind the tasks that are ready by then, so that
/// what several nodes answer to one client leaves in one system call.
pub(super) struct Due {
    list: RefCell<VecDeque<Rc<Outlet>>>,
    task: RefCell<Waker>,
    /// What the clients of the worker are written from in turn; between two turns it is empty.
    pub(super) desk: RefCell<Outbox>,
}

impl Default for Due {
    fn default() -> Self {
        Self { list: RefCell::default(), task: RefCell::new(Waker::noop().clone()), desk: RefCell::default() }
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
        let work = async {
            loop {
                poll_fn(|cx| due.turn(&mut waiting, cx)).await;
                yield_now().await; // to those who have said something meanwhile, too
            }
        };
        unconstrained(work).await; // what is written is no work of this task's, which should give way for it
    }

    /// Writes for some of the list, or has them wait; pending when nobody is left on it.
    fn turn(&self, waiting: &mut Waiting, cx: &mut Context<'_>) -> Poll<()> {
        self.task.borrow_mut().clone_from(cx.waker());
        let desk = &mut *self.desk.borrow_mut();
        for _ in 0..TURN {
            let Some(outlet) = self.list.borrow_mut().pop_front() else { break };
            match outlet.may_wait() {
                true => waiting.add(&outlet),
                false => outlet.settle(desk),
            }
        }
        let mut list = self.list.borrow_mut();
        waiting.release(&mut list, cx);
        if list.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// Clients that have replies and are owed more. Whoever is owed no more goes back on the list by itself, and leaves its
/// place here to be cleared.
struct Waiting {
    /// Until when each waits, the earliest first.
    line: VecDeque<(Instant, Weak<Outlet>)>,
    /// Goes off at or before the first time.
    alarm: Pin<Box<Sleep>>,
}

impl Waiting {
    fn new() -> Self {
        Self { line: VecDeque::new(), alarm: Box::pin(sleep_until(Instant::now())) }
    }

    fn add(&mut self, outlet: &Rc<Outlet>) {
        let until = Instant::now() + PATIENCE;
        if outlet.hold(until) {
            self.line.push_back((until, Rc::downgrade(outlet)));
        }
    }

    /// Puts those who have waited long enough back on the list.
    fn release(&mut self, list: &mut VecDeque<Rc<Outlet>>, cx: &mut Context<'_>) {
        while !self.line.is_empty() && self.alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            while let Some((until, outlet)) = self.line.front() {
                let until = *until;
                match outlet.upgrade().filter(|outlet| outlet.is_held(until)) {
                    Some(_) if until > now => {
                        self.alarm.as_mut().reset(until);
                        break;
                    }
                    Some(outlet) => {
                        outlet.let_go();
                        list.push_back(outlet);
                    }
                    None => {}
                }
                self.line.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use smallvec::smallvec;
    use tokio::time::advance;

    use super::super::outlet::Attention;
    use super::*;
    use crate::memory::{Charge, LARGE, Memory};
    use crate::model::{Item, Key, Read, Reply, Request};
    use crate::net::Socket;
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
            let (due, charge) = (Rc::<Due>::default(), Charge::new(&Memory::new(1 << 20, Arc::default())));
            let outlet = Outlet::new(Socket::new(ours), Arc::default(), due.clone(), charge, 1 << 20);
            outlet.wait(Attention::Reading);
            Self { due, waiting: Waiting::new(), outlet, client }
        }

        /// Asks two things, of which one is answered now.
        fn begin(&self) -> impl FnOnce() + use<> {
            let owe = || self.outlet.owe(Spelling::Line).unwrap();
            let (first, second) = (owe(), owe());
            first.answer(Reply::Stored);
            || second.answer(Reply::Deleted)
        }

        /// Asks two things; what the client has once one is answered, and what more once both are.
        fn ask(&mut self) -> [String; 2] {
            let second = self.begin();
            let before = self.heard();
            second();
            [before, self.heard()]
        }

        /// Asks for a value of `size` bytes, which then comes.
        fn owe(&self, size: usize) -> impl FnOnce() + use<> {
            let read = Request::Read(Read { keys: Key::new(b"k").unwrap().into(), cas: false, touch: None });
            let owed = self.outlet.owe(Spelling::Read(Rc::new(read))).unwrap();
            move || {
                owed.answer(Reply::Items(smallvec![Some(Item { flags: 0, cas: None, value: vec![0; size].into() })]))
            }
        }

        fn turn(&mut self) -> Poll<()> {
            self.due.turn(&mut self.waiting, &mut Context::from_waker(Waker::noop()))
        }

        /// What the client has once the list was worked off.
        fn heard(&mut self) -> String {
            while self.turn().is_ready() {}
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
        for _ in 0..7 {
            assert_eq!(bench.ask(), ["STORED\r\n", "DELETED\r\n"]);
        }
        assert_eq!(bench.ask(), ["", "STORED\r\nDELETED\r\n"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_heavy_leaves_before_the_list_is_worked_off_unless_the_desk_is_in_use() {
        let mut bench = Bench::new().await;
        let mut heard = [0; 64 * 1024];
        for (size, is_heavy) in [(1000, false), (20_000, true)] {
            bench.owe(size)();
            assert_eq!(bench.client.read(&mut heard).unwrap_or(0) > size, is_heavy, "{size}");
            while bench.turn().is_ready() {}
            assert_eq!(bench.client.read(&mut heard).unwrap_or(0) > size, !is_heavy, "{size}");
        }
        let owed = bench.owe(20_000);
        let desk = bench.due.desk.borrow_mut();
        owed();
        drop(desk);
        assert!(bench.client.read(&mut heard).is_err());
        while bench.turn().is_ready() {}
        assert!(bench.client.read(&mut heard).unwrap() > 20_000);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_heavy_waits_too_for_what_its_client_is_owed_until_it_is_large() {
        let mut bench = Bench::new().await;
        let (first, second, third) = (bench.owe(20_000), bench.owe(LARGE), bench.owe(10));
        let mut heard = vec![0; 2 * LARGE];
        first();
        assert!(bench.client.read(&mut heard).is_err());
        second();
        assert!(bench.client.read(&mut heard).unwrap() > LARGE + 20_000);
        third();
        assert!(bench.client.read(&mut heard).is_err());
        while bench.turn().is_ready() {}
        assert!(bench.client.read(&mut heard).unwrap() > 10);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_who_has_nothing_to_be_written() {
        let mut bench = Bench::new().await;
        let second = bench.begin();
        bench.due.add(bench.outlet.clone()); // once more: its session has written in between, and more has come
        bench.outlet.let_go(); // so the first time, it is written
        assert_eq!(bench.heard(), "STORED\r\n");
        assert!(bench.waiting.line.is_empty());
        second();
        assert_eq!(bench.heard(), "DELETED\r\n");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_what_the_client_does_not_hear() {
        let mut bench = Bench::new().await;
        let owe = |spelling| bench.outlet.owe(spelling).unwrap();
        let (first, second) = (owe(Spelling::Line), owe(Spelling::Silent));
        first.answer(Reply::Stored);
        assert_eq!(bench.heard(), "STORED\r\n");
        second.answer(Reply::Stored);
        assert_eq!(bench.heard(), "");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_leaves_is_not_kept() {
        let mut bench = Bench::new().await;
        let _second = bench.begin();
        assert_eq!(bench.heard(), "");
        bench.outlet.leave();
        assert_eq!(bench.client.read(&mut [0; 8]).unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn after_so_many_the_others_have_their_turn() {
        let mut bench = Bench::new().await;
        (0..=TURN).for_each(|_| bench.due.add(bench.outlet.clone()));
        assert!(bench.turn().is_ready() && bench.turn().is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn replies_do_not_wait_where_their_client_waits_for_them() {
        let mut bench = Bench::new().await;
        bench.outlet.wait(Attention::Watching);
        assert_eq!(bench.ask(), ["STORED\r\n", "DELETED\r\n"]);
    }
}
