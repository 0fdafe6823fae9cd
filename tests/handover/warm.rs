//! What a change of the ring costs the hit rate of an application that caches beside its store.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use super::support::{Client, Ketch, Memcached, pool, wait_for};

const KEYS: usize = 5_000;
const CLIENTS: u64 = 4;
/// One read in so many is a write instead.
const WRITES: u32 = 50;
/// So many reads in a row are looked at together: counted, since what a second holds depends on the machine.
const SLOT: usize = 500;
const SLOTS: usize = 20;

/// The share of reads that missed, slot by slot since the change.
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

/// Reads, counts the reads, and writes until it is over: when each read was, and whether it hit.
fn ask(address: SocketAddr, seed: u64, over: &AtomicBool, count: &AtomicUsize) -> Vec<(Instant, bool)> {
    let (mut client, mut random) = (Client::connect(address), fastrand::Rng::with_seed(seed));
    let mut reads = Vec::new();
    while !over.load(Relaxed) {
        let key = random.usize(0..KEYS);
        match random.u32(0..WRITES) {
            0 => store(&mut client, key),
            _ => {
                reads.push((Instant::now(), read(&mut client, key)));
                count.fetch_add(1, Relaxed);
            }
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
    let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut reads, changing) = std::thread::scope(|scope| {
        let (address, over, count) = (ketch.memcached, &over, &count);
        let clients: Vec<_> = (0..CLIENTS).map(|seed| scope.spawn(move || ask(address, seed, over, count))).collect();
        let more = |reads: usize| {
            let before = count.load(Relaxed);
            wait_for("reads", || (count.load(Relaxed) >= before + reads).then_some(()));
        };
        more(SLOT);
        let changing = Instant::now();
        ketch.reconfigure(&config(after));
        more(SLOT * SLOTS);
        over.store(true, Relaxed);
        (clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>(), changing)
    });
    reads.retain(|(at, _)| *at > changing);
    reads.sort_unstable();
    let missed = |slot: &[(Instant, bool)]| slot.iter().filter(|(_, hit)| !hit).count() as f64 / SLOT as f64;
    Dip(reads.chunks_exact(SLOT).map(missed).collect())
}

fn side_by_side(before: usize, after: usize) {
    let (off, on) = (dip(before, after, "0s"), dip(before, after, "1m"));
    println!("{before} nodes become {after}: reads that hit, handover off and on");
    for (slot, (off, on)) in off.0.iter().zip(&on.0).enumerate() {
        println!("{:>6} {:>7.2} % {:>7.2} %", slot * SLOT, 100.0 - 100.0 * off, 100.0 - 100.0 * on);
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
