//! Many clients on one key through two ketches, both on the new ring: what was deleted or overwritten never comes back.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Barrier, Mutex};
use std::time::Instant;

use super::history::{Event, History, What};
use super::relay::relay;
use super::support::redis::Redis;
use super::support::{Client, Ketch, Memcached};

/// How many interleavings a test tries, unless `KETCH_HANDOVER_INTERLEAVINGS` says otherwise.
const INTERLEAVINGS: usize = 2_500;
/// Clients that work on one key at once.
const CLIENTS: usize = 4;
/// What each client does to a key.
const STEPS: usize = 4;

fn interleavings() -> usize {
    std::env::var("KETCH_HANDOVER_INTERLEAVINGS").map_or(INTERLEAVINGS, |count| count.parse().unwrap())
}

/// Two ketches that have changed each from one configuration to another, and the number of keys that were there before: every
/// other one, every fourth a number.
struct Moved {
    ketches: Vec<Ketch>,
    keys: usize,
}

impl Moved {
    fn between(configs: &[[String; 2]], keys: usize) -> Self {
        let ketches: Vec<_> = configs.iter().map(|[before, _]| Ketch::start(before)).collect();
        let mut client = ketches[0].connect();
        for from in (0..keys).step_by(1000) {
            let batch: Vec<usize> = (from..keys.min(from + 1000)).collect();
            let stored: Vec<(usize, String)> = batch.iter().filter_map(|key| Some((*key, before_of(*key)?))).collect();
            let said: String = stored
                .iter()
                .map(|(key, value)| format!("set {} 7 0 {}\r\n{value}\r\n", name(*key), value.len()))
                .collect();
            client.say(said);
            stored.iter().for_each(|_| assert_eq!(client.line(), "STORED"));
        }
        ketches.iter().zip(configs).for_each(|(ketch, [_, after])| ketch.reconfigure(after));
        Self { ketches, keys }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        [self.ketches[0].memcached, self.ketches[self.ketches.len() - 1].memcached]
    }
}

fn name(key: usize) -> String {
    format!("key-{key}")
}

/// What a key has on its old owner.
fn before_of(key: usize) -> Option<String> {
    match key % 4 {
        0 => Some(format!("{}", key + 1)),
        2 => Some(format!("<before-{key}>")),
        _ => None,
    }
}

/// One client of a group: a connection to each ketch.
struct Actor {
    number: usize,
    connections: [Client; 2],
    random: fastrand::Rng,
    written: usize,
}

impl Actor {
    fn new(number: usize, addresses: [SocketAddr; 2]) -> Self {
        let random = fastrand::Rng::with_seed(number as u64);
        Self { number, connections: addresses.map(Client::connect), random, written: 0 }
    }

    fn act(&mut self, key: usize) -> Vec<Event> {
        let mut events = Vec::new();
        if self.random.bool() {
            events.push(self.get(&name(key)));
        }
        events.extend((0..STEPS).flat_map(|_| self.step(key)));
        events
    }

    fn step(&mut self, key: usize) -> Vec<Event> {
        let spin = Instant::now();
        let pause = self.random.u128(0..60);
        while spin.elapsed().as_micros() < pause {
            std::hint::spin_loop();
        }
        self.written += 1;
        let fresh = format!("<{}-{}>", self.number, self.written);
        let is_number = key.is_multiple_of(4);
        let name = name(key);
        match self.random.u8(0..if is_number { 9 } else { 12 }) {
            0..4 => vec![self.get(&name)],
            4 | 5 if is_number => {
                vec![self.ask(format!("incr {name} 1\r\n"), |line| match line {
                    "NOT_FOUND" => What::Incr(None),
                    number => What::Incr(Some(number.to_owned())),
                })]
            }
            6 if is_number => vec![self.store("set", &name, &format!("{}", self.written), |value, _| What::Set(value))],
            4 | 5 => vec![self.store("set", &name, &fresh, |value, _| What::Set(value))],
            6 | 7 => vec![self.delete(&name)],
            8 => self.fill(&name, if is_number { format!("{}", self.written) } else { fresh }),
            9 => vec![self.store("append", &name, &fresh, |value, stored| What::Append(value, stored == "STORED"))],
            10 => self.swap(&name, &fresh),
            _ => match self.random.u8(0..3) {
                0 => vec![self.store("add", &name, &fresh, |value, stored| What::Add(value, stored == "STORED"))],
                1 => {
                    vec![self.store("replace", &name, &fresh, |value, stored| What::Replace(value, stored == "STORED"))]
                }
                _ => vec![self.ask(format!("touch {name} 0\r\n"), |line| What::Touch(line == "TOUCHED"))],
            },
        }
    }

    /// Says one command to either ketch, and hears one line.
    fn ask(&mut self, said: String, what: impl FnOnce(&str) -> What) -> Event {
        let client = self.random.usize(0..2);
        let begun = Instant::now();
        self.connections[client].say(&said);
        let line = self.connections[client].line();
        let ended = Instant::now();
        assert!(!line.contains("ERROR"), "{said:?}: {line}");
        Event { client: 10 * self.number + client, begun, ended, what: what(&line) }
    }

    fn store(&mut self, verb: &str, name: &str, value: &str, what: impl FnOnce(String, &str) -> What) -> Event {
        let said = format!("{verb} {name} 7 0 {}\r\n{value}\r\n", value.len());
        self.ask(said, |line| what(value.to_owned(), line))
    }

    fn delete(&mut self, name: &str) -> Event {
        match self.random.bool() {
            true => self.ask(format!("delete {name}\r\n"), |line| What::Delete(line == "DELETED")),
            false => self.ask(format!("md {name}\r\n"), |line| What::Delete(line == "HD")),
        }
    }

    fn get(&mut self, name: &str) -> Event {
        let (client, form) = (self.random.usize(0..2), self.random.u8(0..4));
        let said = match form {
            0 => format!("get {name}\r\n"),
            1 => format!("gets {name} other\r\n"),
            2 => format!("get nothing {name} none\r\n"),
            _ => format!("mg {name} v f\r\n"),
        };
        let begun = Instant::now();
        self.connections[client].say(&said);
        let heard = match form {
            3 => meta_value(&mut self.connections[client]),
            _ => value(&mut self.connections[client], name).map(|(value, _)| value),
        };
        Event { client: 10 * self.number + client, begun, ended: Instant::now(), what: What::Get(heard) }
    }

    /// What an application does that caches beside its store.
    fn fill(&mut self, name: &str, fresh: String) -> Vec<Event> {
        let read = self.get(name);
        match read.what {
            What::Get(None) => {
                let fill = self.store("add", name, &fresh, |value, stored| What::Add(value, stored == "STORED"));
                vec![read, fill]
            }
            _ => vec![read],
        }
    }

    fn swap(&mut self, name: &str, fresh: &str) -> Vec<Event> {
        let client = self.random.usize(0..2);
        let begun = Instant::now();
        self.connections[client].say(format!("gets {name}\r\n"));
        let heard = value(&mut self.connections[client], name);
        let (client, ended) = (10 * self.number + client, Instant::now());
        let read = |heard: Option<String>| Event { client, begun, ended, what: What::Get(heard) };
        let Some((seen, token)) = heard else { return vec![read(None)] };
        let said = format!("cas {name} 7 0 {} {token}\r\n{fresh}\r\n", fresh.len());
        let swap = self.ask(said, |line| {
            let outcome = match line {
                "STORED" => Some(true),
                "EXISTS" => Some(false),
                _ => None,
            };
            What::Cas(seen.clone(), fresh.to_owned(), outcome)
        });
        vec![read(Some(seen)), swap]
    }
}

/// The item of this name in the answer to a get, and its token where one was asked for.
fn value(client: &mut Client, name: &str) -> Option<(String, String)> {
    let mut found = None;
    loop {
        let line = client.line();
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["END"] => return found,
            ["VALUE", key, "7", size, ref rest @ ..] if key == name => {
                let bytes = client.bytes(size.parse::<usize>().unwrap() + 2);
                let value = String::from_utf8(bytes).unwrap().trim_end().to_owned();
                found = Some((value, rest.first().unwrap_or(&"").to_string()));
            }
            _ => panic!("no item of {name}: {line}"),
        }
    }
}

fn meta_value(client: &mut Client) -> Option<String> {
    let line = client.line();
    match line.split(' ').collect::<Vec<_>>()[..] {
        ["EN"] => None,
        ["VA", size, "f7", ..] => {
            let bytes = client.bytes(size.parse::<usize>().unwrap() + 2);
            Some(String::from_utf8(bytes).unwrap().trim_end().to_owned())
        }
        _ => panic!("no item: {line}"),
    }
}

/// Has the clients of one group work on one key after the other, and looks at what they saw.
fn work(moved: &Moved, group: usize, next: &AtomicUsize, wrong: &Mutex<Vec<String>>) {
    let barrier = Barrier::new(CLIENTS);
    let (turn, seen) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (barrier, turn, seen) = (&barrier, &turn, &seen);
            scope.spawn(move || {
                let mut actor = Actor::new(1 + group * CLIENTS + client, moved.addresses());
                loop {
                    if barrier.wait().is_leader() {
                        turn.store(next.fetch_add(1, Relaxed), Relaxed);
                    }
                    barrier.wait();
                    let key = turn.load(Relaxed);
                    if key >= moved.keys {
                        return;
                    }
                    // Whoever gives up must not leave the others waiting for it.
                    match catch_unwind(AssertUnwindSafe(|| actor.act(key))) {
                        Ok(events) => seen.lock().unwrap().extend(events),
                        Err(_) => {
                            wrong.lock().unwrap().push(format!("{}: a client gave up", name(key)));
                            next.store(usize::MAX / 2, Relaxed);
                        }
                    }
                    if !barrier.wait().is_leader() {
                        continue;
                    }
                    let mut events: Vec<Event> = std::mem::take(&mut *seen.lock().unwrap());
                    if next.load(Relaxed) < usize::MAX / 2 {
                        events.extend([actor.get(&name(key)), actor.get(&name(key))]);
                    }
                    let history = History { before: before_of(key), events };
                    if !history.is_sound() {
                        wrong.lock().unwrap().push(format!("{}:\n{history}", name(key)));
                    }
                }
            });
        }
    });
}

/// Works on `groups` keys at once.
fn race(moved: &Moved, groups: usize) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for group in 0..groups {
            let (next, wrong) = (&next, &wrong);
            scope.spawn(move || work(moved, group, next, wrong));
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let logs = moved.ketches.iter().map(Ketch::log).collect::<Vec<_>>().join("\n");
    let filled = moved.ketches.iter().map(|ketch| {
        let (_, page) = ketch.look("/metrics");
        let filled = page.lines().find(|line| line.starts_with("ketch_handover_total") && line.contains("filled"));
        filled.and_then(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).unwrap()
    });
    let filled: usize = filled.sum();
    println!("{} interleavings in {:?}, {} wrong, {filled} keys filled", moved.keys, begun.elapsed(), wrong.len());
    assert!(filled > moved.keys / 100, "next to nothing was handed over: {filled}");
    let shown = wrong.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} wrong of {}:\n{shown}\n{logs}", wrong.len(), moved.keys);
}

/// A pool of these addresses, whose names on the ring are their numbers.
fn pool(nodes: &[(usize, String)], more: &str) -> String {
    let nodes: Vec<String> = nodes.iter().map(|(number, address)| format!("{address} node-{number}")).collect();
    // A machine that stands still for a second is not to put a node out in one ketch and not in the other.
    let patient =
        "handover: 1h, request_timeout: 30s, connect_timeout: 30s, health: { probe_interval: 1h, eject_after: 1000 }";
    super::support::pool(&nodes, &format!("{patient}, {more}")) + "workers: 2\n"
}

fn numbered(addresses: impl Iterator<Item = String>) -> Vec<(usize, String)> {
    addresses.enumerate().collect()
}

#[test]
fn nothing_that_was_deleted_or_overwritten_comes_back_when_all_nodes_are_others() {
    let servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let nodes = numbered(servers.iter().map(Memcached::address));
    let config = || [pool(&nodes[..2], ""), pool(&nodes[2..], "")];
    race(&Moved::between(&[config(), config()], interleavings()), 3);
}

#[test]
fn nothing_that_was_deleted_or_overwritten_comes_back_when_nodes_stay() {
    let servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let nodes = numbered(servers.iter().map(Memcached::address));
    let config = || [pool(&nodes, ""), pool(&nodes, "hash: crc32a")];
    race(&Moved::between(&[config(), config()], interleavings()), 3);
}

/// Each ketch has lines of its own to the nodes, so that whatever one has begun another may get in between.
#[test]
fn nothing_that_was_deleted_or_overwritten_comes_back_over_slow_lines() {
    let servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let config = || {
        let nodes = numbered(servers.iter().map(|server| relay(server.address().parse().unwrap()).to_string()));
        [pool(&nodes[..3], ""), pool(&nodes[1..], "hash: crc32a")]
    };
    race(&Moved::between(&[config(), config()], interleavings()), 16);
}

#[test]
fn nothing_that_was_deleted_or_overwritten_comes_back_from_redis() {
    let servers: Vec<_> = (0..4).map(|_| Redis::start()).collect();
    let redis = |config: String| config.replace("protocol: memcached", "protocol: redis");
    let config = || {
        let nodes = numbered(servers.iter().map(|server| relay(server.address().parse().unwrap()).to_string()));
        [redis(pool(&nodes[..3], "")), redis(pool(&nodes[1..], "hash: crc32a"))]
    };
    race(&Moved::between(&[config(), config()], interleavings() / 2), 16);
}

#[test]
fn nothing_that_was_deleted_or_overwritten_comes_back_from_embedded_stores() {
    let config = |nodes: &str| {
        format!(
            "pools: {{ main: {{ protocol: embedded, nodes: {nodes}, handover: 10m }} }}\nworkers: 2\nroutes: [{{ pool: main }}]"
        )
    };
    race(&Moved::between(&[[config("[a, b, c]"), config("[c, d]")]], interleavings() / 2), 3);
}
