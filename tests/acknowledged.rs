//! Promise 10, acknowledged is applied: `STORED`, `DELETED`, `TOUCHED`, a number: the owner said so.
//!
//! Writers count up in keys of their own while the way to the nodes breaks again and again; then the nodes
//! themselves are asked what they have.

mod support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use fastrand::Rng;
use support::fake::{Fake, Way, relay};
use support::{Client, Ketch, Memcached, pool, wait_for};

const WRITERS: usize = 4;
const KEYS: usize = 8;
/// Keys stay with their owner, and only a broken line fails a write: one that ran out of time could still be applied
/// behind a later one, on a connection that was given up.
const SETTINGS: &str = "request_timeout: 10s, health: { max_ejected: 0% }";

/// Lines to the nodes that break in either direction, in the middle of anything, while the nodes live on.
#[test]
fn what_was_acknowledged_over_lines_that_break_is_on_the_nodes() {
    let nodes: [_; 3] = std::array::from_fn(|_| Memcached::start());
    let lines: Vec<_> = nodes.iter().map(|node| fragile(node.port)).collect();
    let addresses: Vec<_> = lines.iter().map(Fake::address).collect();
    let ketch = Ketch::start(&pool(&addresses, SETTINGS));
    let told = write_to(ketch.memcached, |_| {});
    let mut owners: Vec<_> = nodes.iter().map(|node| Client::connect(([127, 0, 0, 1], node.port).into())).collect();
    assert!(told.acknowledged > 1000, "only {} were acknowledged", told.acknowledged);
    assert!(told.failed > 20, "only {} failed", told.failed);
    for (key, told) in &told.keys {
        let found: Vec<_> = owners.iter_mut().filter_map(|owner| value(owner, key)).collect();
        assert!(found.len() <= 1, "{key} is on {} nodes", found.len());
        told.hold(key, found.first().copied());
    }
}

/// A node that is killed takes what it had along; the others have all that was acknowledged, and nobody is told that
/// something was stored when nobody was there to store it.
#[test]
fn what_was_acknowledged_while_a_node_is_killed_is_on_the_others() {
    let mut nodes = [Memcached::start(), Memcached::start(), Memcached::start()];
    let addresses: Vec<_> = nodes.iter().map(Memcached::address).collect();
    let ketch = Ketch::start(&pool(&addresses, SETTINGS));
    let told = write_to(ketch.memcached, |round| {
        if round == ROUNDS / 4 {
            nodes[0].process.kill();
        }
    });
    assert!(told.failed > 20, "only {} failed", told.failed);
    let mut owners: Vec<_> =
        nodes[1..].iter().map(|node| Client::connect(([127, 0, 0, 1], node.port).into())).collect();
    let mut held = 0;
    for (key, told) in &told.keys {
        // The keys of the dead node fail from its death to the end.
        if told.last_failed {
            continue;
        }
        let found: Vec<_> = owners.iter_mut().filter_map(|owner| value(owner, key)).collect();
        told.hold(key, found.first().copied());
        held += 1;
    }
    assert!(held >= WRITERS * KEYS / 4, "only {held} keys lived on");
}

const ROUNDS: usize = 600;

fn fragile(port: u16) -> Fake {
    Fake::start(move |talk| {
        let number = talk.number as u64;
        let random = std::sync::Mutex::new(Rng::with_seed(number));
        relay(talk, port, 200, move |_: Way| random.lock().unwrap().u8(0..60) > 0);
    })
}

/// What a writer was told of one key, which only it writes.
#[derive(Clone, Default)]
struct Told {
    /// What the key must hold if nothing that failed was applied after all: `None` when it must be gone.
    value: Option<u64>,
    /// What failed since: each may have been applied, or not.
    maybe: Vec<Option<u64>>,
    last_failed: bool,
}

impl Told {
    fn hold(&self, key: &str, found: Option<u64>) {
        let fits = found == self.value || self.maybe.contains(&found);
        assert!(fits, "{key} holds {found:?}, but was told {:?}, and then perhaps {:?}", self.value, self.maybe);
    }
}

struct Account {
    keys: HashMap<String, Told>,
    acknowledged: u64,
    failed: u64,
}

/// Has several clients write at once; `at` hears the rounds of the first. None of the others gets half way before the first
/// has a quarter behind it, however the machine deals out its time.
fn write_to(address: SocketAddr, mut at: impl FnMut(usize) + Send) -> Account {
    let reached = &AtomicUsize::new(0);
    let mut lead = move |round| {
        at(round);
        reached.store(round, SeqCst);
    };
    let follow = move |round| {
        if round == ROUNDS / 2 {
            wait_for("the first writer", || (reached.load(SeqCst) >= ROUNDS / 4).then_some(()));
        }
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(move || writer(address, 0, &mut lead));
        let others: Vec<_> =
            (1..WRITERS).map(|number| scope.spawn(move || writer(address, number, &mut { follow }))).collect();
        let mut whole = first.join().unwrap();
        for other in others {
            let other = other.join().unwrap();
            whole.keys.extend(other.keys);
            whole.acknowledged += other.acknowledged;
            whole.failed += other.failed;
        }
        whole
    })
}

/// Writes one command to each of its keys, all in the pipe, and takes down what it is told.
fn writer(address: SocketAddr, number: usize, at: &mut dyn FnMut(usize)) -> Account {
    let mut client = Client::connect(address);
    let mut random = Rng::with_seed(number as u64);
    let mut account = Account { keys: HashMap::new(), acknowledged: 0, failed: 0 };
    for round in 0..ROUNDS {
        at(round);
        let writes: Vec<_> = (0..KEYS).map(|key| (format!("w{number}-{key}"), random.u8(0..6))).collect();
        let value = 1_000_000 + round as u64; // never shorter than what stands there
        for (key, kind) in &writes {
            client.say(match kind {
                0 | 1 => format!("set {key} 0 0 7\r\n{value}\r\n"),
                2 | 3 => format!("incr {key} 1000000\r\n"),
                4 => format!("delete {key}\r\n"),
                _ => format!("ms {key} 7\r\n{value}\r\n"),
            });
        }
        for (key, kind) in writes {
            let line = client.line();
            let told = account.keys.entry(key).or_default();
            let possible = std::iter::once(told.value).chain(told.maybe.iter().copied());
            told.last_failed = line.starts_with("SERVER_ERROR");
            if told.last_failed {
                account.failed += 1;
                let outcome: Vec<_> = match kind {
                    2 | 3 => possible.flatten().map(|value| Some(value + 1_000_000)).collect(),
                    4 => vec![None],
                    _ => vec![Some(value)],
                };
                told.maybe.extend(outcome);
                told.maybe.sort();
                told.maybe.dedup();
                continue;
            }
            account.acknowledged += 1;
            let mut possible = possible;
            told.value = match (kind, line.as_str()) {
                (0 | 1, "STORED") | (5, "HD") => Some(value),
                (4, "DELETED") => {
                    assert!(possible.any(|value| value.is_some()), "deleted what was not there");
                    None
                }
                (2..=4, "NOT_FOUND") => {
                    assert!(possible.any(|value| value.is_none()), "not found what was stored");
                    None
                }
                (2 | 3, number) => {
                    let number: u64 = number.parse().unwrap_or_else(|_| panic!("{line} to an incr"));
                    assert!(possible.flatten().any(|value| value + 1_000_000 == number), "counted to {number}");
                    Some(number)
                }
                _ => panic!("{line}"),
            };
            told.maybe.clear();
        }
    }
    account
}

/// The number that a node holds under `key`.
fn value(node: &mut Client, key: &str) -> Option<u64> {
    node.say(format!("get {key}\r\n"));
    if node.line() == "END" {
        return None;
    }
    let value = node.line();
    assert_eq!(node.line(), "END");
    Some(value.trim().parse().unwrap())
}
