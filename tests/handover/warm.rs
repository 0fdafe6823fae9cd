//! What a change of the ring costs the hit rate of an application that caches beside its store.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::support::{Client, Ketch, Memcached, pool, wait_for};

const KEYS: usize = 5_000;
const CLIENTS: u64 = 4;
/// One read in so many is a write instead.
const WRITES: u32 = 50;
const SLOT: Duration = Duration::from_millis(100);
const SLOTS: usize = 20;

/// The share of reads that missed, by the time since the change.
struct Dip(Vec<f64>);

impl Dip {
    fn deepest(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }
}

fn store(client: &mut Client, key: usize) {
    client.expect(format!("set key-{key} 0 0 5\r\nvalue\r\n"), "STORED\r\n");
}

/// Whether the key was there; if not, it is now.
fn read(client: &mut Client, key: usize) -> bool {
    client.say(format!("get key-{key}\r\n"));
    if client.line() == "END" {
        store(client, key);
        return false;
    }
    assert_eq!((client.line(), client.line()), ("value".to_owned(), "END".to_owned()));
    true
}

/// Reads and writes until it is over: when each read was, and whether it hit.
fn ask(address: SocketAddr, seed: u64, over: &AtomicBool) -> Vec<(Instant, bool)> {
    let (mut client, mut random) = (Client::connect(address), fastrand::Rng::with_seed(seed));
    let mut reads = Vec::new();
    while !over.load(Relaxed) {
        let key = random.usize(0..KEYS);
        match random.u32(0..WRITES) {
            0 => store(&mut client, key),
            _ => reads.push((Instant::now(), read(&mut client, key))),
        }
    }
    reads
}

/// A pool of `before` nodes becomes one of `after` under load.
fn dip(before: usize, after: usize, handover: &str) -> Dip {
    let nodes: Vec<_> = (0..before.max(after)).map(|_| Memcached::start()).collect();
    let addresses: Vec<String> = nodes.iter().map(Memcached::address).collect();
    let config = |count: usize| pool(&addresses[..count], &format!("handover: {handover}"));
    let ketch = Ketch::start(&config(before));
    let mut client = ketch.connect();
    (0..KEYS).for_each(|key| store(&mut client, key));
    let over = AtomicBool::new(false);
    let (mut reads, changed) = std::thread::scope(|scope| {
        let (address, over) = (ketch.memcached, &over);
        let clients: Vec<_> = (0..CLIENTS).map(|seed| scope.spawn(move || ask(address, seed, over))).collect();
        let begun = Instant::now();
        wait_for("the load before the change", || (begun.elapsed() > SLOT).then_some(()));
        ketch.reconfigure(&config(after));
        let changed = Instant::now();
        wait_for("the load after the change", || (changed.elapsed() > SLOT * SLOTS as u32).then_some(()));
        over.store(true, Relaxed);
        (clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>(), changed)
    });
    // What came right before the change was seen is of the first slot.
    let mut slots = vec![(0_u32, 0_u32); SLOTS];
    reads.retain(|(at, _)| *at + SLOT > changed);
    for (at, hit) in reads {
        let slot = at.saturating_duration_since(changed).as_millis() / SLOT.as_millis();
        if let Some((all, missed)) = slots.get_mut(slot as usize) {
            *all += 1;
            *missed += u32::from(!hit);
        }
    }
    assert!(slots.iter().all(|(all, _)| *all > 50), "too few reads: {slots:?}");
    Dip(slots.iter().map(|(all, missed)| f64::from(*missed) / f64::from(*all)).collect())
}

fn side_by_side(before: usize, after: usize) {
    let (off, on) = (dip(before, after, "0s"), dip(before, after, "1m"));
    println!("{before} nodes become {after}: reads that hit, handover off and on");
    for (slot, (off, on)) in off.0.iter().zip(&on.0).enumerate() {
        println!("{:>5} ms {:>7.2} % {:>7.2} %", slot * 100, 100.0 - 100.0 * off, 100.0 - 100.0 * on);
    }
    assert!(off.deepest() > 0.05, "there is no dip to speak of: {:?}", off.0);
    assert!(on.deepest() < off.deepest() / 10.0, "{:?} beside {:?}", on.0, off.0);
}

#[test]
fn a_node_more_costs_less_than_a_tenth_with_a_handover() {
    side_by_side(4, 5);
}

#[test]
fn a_node_less_costs_less_than_a_tenth_with_a_handover() {
    side_by_side(5, 4);
}
