//! No update is lost between workers.

use std::thread;

use super::speech::{START, fresh, request};
use crate::backend::embedded::{Now, Store};
use crate::model::{Item, MetaStatus, Reply};

const THREADS: usize = 4;
const ROUNDS: usize = 2_000;

fn say(store: &Store, line: &str) -> Reply {
    store.carry_out(&request(line), Now(START))
}

fn read(store: &Store, line: &str) -> Item {
    match say(store, line) {
        Reply::Items(items) => items[0].clone().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn together(work: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
}

#[test]
fn every_increment_counts() {
    let store = fresh(8 << 20);
    say(&store, "set n 0 0 1 | 0");
    together(|_| {
        for _ in 0..ROUNDS {
            assert!(matches!(say(&store, "incr n 1"), Reply::Number(_)));
        }
    });
    assert_eq!(read(&store, "get n").value, (THREADS * ROUNDS).to_string());
}

#[test]
fn every_compare_and_set_that_succeeds_counts() {
    let store = fresh(8 << 20);
    say(&store, "set n 0 0 1 | 0");
    together(|_| {
        let mut done = 0;
        while done < ROUNDS / 4 {
            let item = read(&store, "gets n");
            let next = std::str::from_utf8(&item.value).unwrap().parse::<usize>().unwrap() + 1;
            let line = format!("cas n 0 0 {} {} | {next}", next.to_string().len(), item.cas.unwrap());
            match say(&store, &line) {
                Reply::Stored => done += 1,
                other => assert_eq!(other, Reply::Exists),
            }
        }
    });
    assert_eq!(read(&store, "get n").value, (THREADS * (ROUNDS / 4)).to_string());
}

#[test]
fn every_append_is_there() {
    let store = fresh(8 << 20);
    say(&store, "set a 0 0 0 | ");
    together(|thread| {
        for _ in 0..ROUNDS / 4 {
            assert_eq!(say(&store, &format!("append a 0 0 1 | {thread}")), Reply::Stored);
        }
    });
    let value = read(&store, "get a").value;
    for thread in 0..THREADS {
        let letter = thread.to_string().as_bytes()[0];
        assert_eq!(value.iter().filter(|byte| **byte == letter).count(), ROUNDS / 4);
    }
}

#[test]
fn one_add_wins_and_one_lease_is_won() {
    let store = fresh(8 << 20);
    let wins = std::sync::atomic::AtomicUsize::new(0);
    let leases = std::sync::atomic::AtomicUsize::new(0);
    let count = |total: &std::sync::atomic::AtomicUsize, won: bool| {
        total.fetch_add(won.into(), std::sync::atomic::Ordering::Relaxed);
    };
    together(|_| {
        for round in 0..ROUNDS {
            count(&wins, say(&store, &format!("add a{round} 0 0 1 | x")) == Reply::Stored);
            let Reply::Meta(reply) = say(&store, &format!("mg l{round} N30")) else { panic!("mg is meta") };
            assert_eq!(reply.status, MetaStatus::Done);
            count(&leases, reply.flags == "W");
        }
    });
    assert_eq!((wins.into_inner(), leases.into_inner()), (ROUNDS, ROUNDS));
}

/// A touch that was answered holds, whatever is written to the value at the same time.
#[test]
fn no_touch_is_lost_to_an_increment() {
    let store = fresh(8 << 20);
    together(|thread| {
        if thread == 0 {
            for round in 0..ROUNDS {
                say(&store, "ms n 5 T10 | 00000");
                assert_eq!(say(&store, &format!("touch n {}", 100 + round)), Reply::Touched);
                let Reply::Meta(reply) = say(&store, "mg n t") else { panic!("mg is meta") };
                assert_eq!(reply.flags, format!("t{}", 100 + round));
            }
            return;
        }
        for _ in 0..ROUNDS {
            say(&store, "incr n 1");
        }
    });
}

/// A value that is being replaced is read as the old or the new one, never missed and never mixed.
#[test]
fn a_reader_never_sees_half_a_write() {
    let store = fresh(8 << 20);
    let value = |letter: &str, len: usize| format!("set a 0 0 {len} | {}", letter.repeat(len));
    say(&store, &value("x", 10));
    together(|thread| {
        for round in 0..ROUNDS {
            if thread == 0 {
                say(&store, &value(if round % 2 == 0 { "y" } else { "x" }, 10 + round * 7 % 3_000));
                continue;
            }
            let item = read(&store, "get a").value;
            assert!(item.iter().all(|byte| *byte == item[0]));
        }
    });
}
