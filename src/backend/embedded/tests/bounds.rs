//! What the store holds at most, and what it lets go.

use super::speech::{START, fresh, request};
use crate::backend::embedded::{Now, Options, Store};
use crate::model::Reply;

fn set(store: &Store, key: &str, value: &str) {
    let reply = store.carry_out(&request(&format!("set {key} 0 0 {} | {value}", value.len())), Now(START));
    assert_eq!(reply, Reply::Stored);
}

fn has(store: &Store, key: &str) -> bool {
    matches!(store.carry_out(&request(&format!("get {key}")), Now(START)), Reply::Items(items) if items[0].is_some())
}

#[test]
fn memory_is_a_bound_and_what_was_just_stored_is_there() {
    let memory = 4 << 20;
    let store = Store::new(Options { memory, value_size: 64 << 10 });
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let key = format!("key:{}", random.u32(..5_000));
        let len = if random.u8(..50) == 0 { random.usize(..65_000) } else { random.usize(..500) };
        set(&store, &key, &"v".repeat(len));
        assert!(has(&store, &key), "{key} of {len} bytes");
    }
    let usage = store.usage();
    assert!(usage.bytes <= memory as u64, "{usage:?}");
    assert!(usage.bytes > memory as u64 / 10 * 8, "{usage:?}");
    assert!(usage.evictions > 0);
    assert_eq!(usage.expired, 0);
}

#[test]
fn items_that_grow_evict_others() {
    let memory = 4 << 20;
    let store = Store::new(Options { memory, value_size: 64 << 10 });
    for len in [1, 60_000, 2, 50_000] {
        for key in 0..200 {
            set(&store, &format!("key:{key}"), &"v".repeat(len));
            assert!(has(&store, &format!("key:{key}")));
            assert!(store.usage().bytes <= memory as u64);
        }
    }
    for _ in 0..3_000 {
        for key in 0..10 {
            let _ = store.carry_out(&request(&format!("append key:{key} 0 0 20 | {}", "a".repeat(20))), Now(START));
        }
    }
    assert!(store.usage().bytes <= memory as u64);
}

#[test]
fn the_largest_item_is_kept_in_the_smallest_store() {
    for memory in [2 << 20, 3 << 20, 8 << 20, 64 << 20] {
        let store = fresh(memory);
        for round in 0..40 {
            let key = format!("{:04}", round % 7);
            set(&store, &key, &"v".repeat(1_048_513));
            assert!(has(&store, &key), "{memory} bytes, round {round}");
        }
        assert!(store.usage().bytes <= memory as u64);
    }
}

#[test]
fn what_is_read_again_outlives_what_is_not() {
    let store = Store::new(Options { memory: 1 << 20, value_size: 16 << 10 });
    for key in 0..100 {
        set(&store, &format!("kept:{key}"), "v");
    }
    for key in 0..50_000 {
        set(&store, &format!("passing:{key}"), "v");
        let _ = has(&store, &format!("kept:{}", key % 100));
    }
    let kept = (0..100).filter(|key| has(&store, &format!("kept:{key}"))).count();
    assert_eq!(kept, 100);
}

#[test]
fn a_sweep_drops_what_is_over() {
    let store = fresh(64 << 20);
    for key in 0..1_000 {
        let ttl = key % 2 * 10;
        let _ = store.carry_out(&request(&format!("set key:{key} 0 {ttl} 1 | v")), Now(START));
    }
    assert_eq!(store.sweep(Now(START + 9), usize::MAX), 0);
    assert_eq!(store.sweep(Now(START + 10), usize::MAX), 500);
    assert_eq!((store.usage().items, store.usage().expired), (500, 500));
    let _ = store.carry_out(&request("flush_all"), Now(START + 11));
    assert_eq!(store.sweep(Now(START + 11), usize::MAX), 500);
    let usage = store.usage();
    assert_eq!((usage.items, usage.bytes, usage.expired), (0, 0, 1_000));
}

#[test]
fn sweeps_with_a_small_budget_come_round() {
    let store = fresh(64 << 20);
    for key in 0..1_000 {
        let _ = store.carry_out(&request(&format!("set key:{key} 0 1 1 | v")), Now(START));
    }
    let first = store.sweep(Now(START + 5), 1);
    assert!((1..1_000).contains(&first), "{first}");
    let rest: usize = (0..20).map(|_| store.sweep(Now(START + 5), 1)).sum();
    assert_eq!(first + rest, 1_000);
}

#[test]
fn a_value_does_not_keep_the_buffer_that_it_came_in() {
    let store = fresh(64 << 20);
    let buffer = bytes::Bytes::from(vec![b'v'; 1 << 20]);
    let crate::model::Request::Store(mut stored) = request("set a 0 0 1 | v") else { panic!("a set is a store") };
    stored.value = buffer.slice(..10);
    let request_of_slice = crate::model::Request::Store(stored);
    assert_eq!(store.carry_out(&request_of_slice, Now(START)), Reply::Stored);
    drop(request_of_slice);
    assert!(buffer.is_unique());
}

#[test]
fn values_are_handed_out_without_a_copy() {
    let store = fresh(64 << 20);
    set(&store, "a", "value");
    let read = || match store.carry_out(&request("get a"), Now(START)) {
        Reply::Items(items) => items[0].as_ref().map(|item| item.value.as_ptr()),
        other => panic!("{other:?}"),
    };
    assert!(read().is_some());
    assert_eq!(read(), read());
}
