use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Wake;

use tokio::task::LocalSet;
use tokio::time::advance;

use super::*;
use crate::memory::Charge;

const BODY: usize = 100_000;

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// Room for `bodies` bodies in the half that they get.
fn memory(bodies: usize) -> Rc<Memory> {
    Memory::new(2 * bodies * BODY, Arc::default())
}

fn ask(memory: &Rc<Memory>) -> Place {
    Place::ask(memory, BODY, 0).unwrap()
}

fn is_over(place: &Place) -> bool {
    place.is_over(&Context::from_waker(Waker::noop()))
}

/// Lets the worker's clock go on by so much, as it does when the worker is awake.
async fn pass(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        advance(TICK / 5).await;
        tokio::task::yield_now().await;
    }
}

async fn on_a_worker(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn places_go_in_the_order_of_arrival_as_far_as_half_of_the_memory_goes() {
    on_a_worker(async {
        let memory = memory(2);
        let (first, second, third, fourth) = (ask(&memory), ask(&memory), ask(&memory), ask(&memory));
        let admitted = || [&second, &third, &fourth].map(Place::is_admitted);
        assert!(first.is_admitted());
        assert_eq!(admitted(), [true, false, false]);
        assert_eq!(memory.cells.waiting.value(), 2);
        drop(first);
        assert_eq!(admitted(), [true, true, false]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_admitted_is_woken_and_who_leaves_the_line_is_forgotten() {
    on_a_worker(async {
        let memory = memory(1);
        let (first, second, third) = (ask(&memory), ask(&memory), ask(&memory));
        let woken = Arc::new(Woken::default());
        assert!(!third.is_over(&Context::from_waker(&woken.clone().into())));
        drop(second);
        assert!(!woken.0.load(Relaxed));
        drop(first);
        assert!(woken.0.load(Relaxed) && third.is_admitted() && !memory.is_sought());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_place_is_room_that_nobody_else_gets() {
    on_a_worker(async {
        let memory = memory(2);
        let (body, other) = (Charge::new(&memory), Charge::new(&memory));
        let place = ask(&memory);
        assert!(!other.add(3 * BODY + 1) && other.add(3 * BODY));
        // What has come is charged, and so much less is kept.
        body.keep(BODY);
        place.holds(BODY, BODY);
        assert!(!other.add(1));
        assert!(place.is_whole(BODY));
        // On its way to a node the value is charged there.
        let node = Charge::new(&memory);
        body.free(BODY);
        assert!(!node.add_fairly(BODY, 0) && node.add_admitted(BODY) && !node.add_admitted(BODY));
        drop(place);
        other.free(3 * BODY);
        node.give_back(BODY);
        assert!(other.add(4 * BODY));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_node_is_waited_for() {
    on_a_worker(async {
        let memory = memory(1);
        let (first, node) = (ask(&memory), Charge::new(&memory));
        let second = ask(&memory);
        assert!(node.add(BODY));
        drop(first);
        node.keep(BODY);
        assert!(!second.is_admitted());
        node.give_back(2 * BODY);
        assert!(second.is_admitted());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_is_admitted_though_others_hold_half_of_the_memory() {
    on_a_worker(async {
        let memory = memory(2);
        let others = Charge::new(&memory);
        assert!(others.add(2 * BODY));
        let (first, second) = (ask(&memory), ask(&memory));
        assert!(first.is_admitted() && !second.is_admitted());
        // And what is more than half, alone.
        drop((first, second));
        others.free(2 * BODY);
        let large = Place::ask(&memory, 4 * BODY, 0).unwrap();
        assert!(large.is_admitted());
        assert!(Place::ask(&memory, 4 * BODY + 1, 0).is_none(), "there can never be room");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_too_long_is_over() {
    on_a_worker(async {
        let memory = memory(1);
        let others = Charge::new(&memory);
        assert!(others.add(2 * BODY));
        let waiting = ask(&memory);
        pass(PATIENCE - TICK * 2).await;
        assert!(!is_over(&waiting));
        pass(TICK * 2).await;
        assert!(is_over(&waiting) && !waiting.admitted().await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_over_once_others_wait() {
    on_a_worker(async {
        let memory = memory(1);
        let silent = ask(&memory);
        pass(SILENCE * 10).await;
        assert!(!is_over(&silent), "nobody waits");
        let waiting = ask(&memory);
        silent.holds(BODY / 2, BODY / 2);
        pass(SILENCE / 2).await;
        assert!(is_over(&silent), "its time began long ago, and it has brought half");
        drop(silent);
        assert!(waiting.is_admitted());
        let _another = ask(&memory);
        pass(SILENCE - TICK).await;
        assert!(!is_over(&waiting));
        pass(TICK * 2).await;
        assert!(is_over(&waiting));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_brings_a_byte_at_a_time_is_over_and_who_brings_much_is_not() {
    on_a_worker(async {
        let memory = memory(2);
        let (slow, quick) = (ask(&memory), ask(&memory));
        let _waiting = ask(&memory);
        for come in 1..=60 {
            slow.holds(0, come);
            quick.holds(0, come * 11_000);
            pass(TICK * 2).await;
        }
        assert_eq!((is_over(&slow), is_over(&quick)), (true, false));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn where_many_wait_the_silent_are_over_sooner() {
    on_a_worker(async {
        let memory = memory(1);
        let mut bodies: VecDeque<_> = (0..20).map(|_| ask(&memory)).collect();
        let begin = Instant::now();
        while let Some(first) = bodies.pop_front() {
            assert!(first.is_admitted());
            while !bodies.is_empty() && !is_over(&first) {
                pass(TICK).await;
            }
        }
        let took = begin.elapsed();
        assert!(took > PATIENCE / 4 && took <= PATIENCE / 2 + SILENCE, "{took:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_the_worker_costs_nobody_his_place() {
    on_a_worker(async {
        let memory = memory(1);
        let place = ask(&memory);
        let _waiting = ask(&memory);
        pass(TICK).await;
        advance(SILENCE * 3).await;
        pass(TICK * 3).await;
        assert!(!is_over(&place));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_anybody_gives_back_is_seen() {
    on_a_worker(async {
        let memory = memory(1);
        let others = Charge::new(&memory);
        assert!(others.add(2 * BODY));
        let place = ask(&memory);
        others.free(2 * BODY);
        assert!(!place.is_admitted());
        pass(TICK * 2).await;
        assert!(place.is_admitted());
    })
    .await;
}
