//! Four nodes under load, one of which goes bad and then well again: no client is closed or kept waiting, and those
//! who ask the other nodes do not notice.
//!
//! The nodes are real; what a real one cannot do, a script before or in place of it does.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use support::fake::{Fake, Talk, echo};
use support::load::{
    Heard, Lag, Load, Sample, count, logged, longest, p99, place, told, unless_the_machine_was_late, wait_for_log,
};
use support::{Ketch, Memcached, pool, wait_for};

const TIMEOUT: Duration = Duration::from_millis(400);
/// How much later than its deadline an answer may come, beside what the machine was late by.
const MARGIN: Duration = Duration::from_millis(50);
const PROBES: Duration = Duration::from_millis(200);
const READMIT_AFTER: u32 = 2;
const CLIENTS: u64 = 6;
/// Below this a p99 is the machine's and not ketch's.
const NOISE: Duration = Duration::from_millis(5);
const CALM: Duration = Duration::from_millis(1000);

#[test]
fn a_node_is_killed_and_started_again() {
    survive(|| {
        let node = Memcached::start();
        let (address, port) = (node.address(), node.port);
        let mut node = Some(node);
        let turn = move |well: bool| {
            drop(node.take());
            node = well.then(|| Memcached::start_on(port, &[]));
        };
        (address, Box::new(turn))
    });
}

#[test]
fn a_node_is_stopped_and_goes_on() {
    survive(|| {
        let node = Memcached::start();
        (node.address(), Box::new(move |well| node.process.signal(if well { "CONT" } else { "STOP" })))
    });
}

#[test]
fn a_node_accepts_and_never_answers() {
    scripted(|talk, _| {
        talk.ignore();
        false
    });
}

#[test]
fn a_node_answers_garbage() {
    scripted(|talk, _| talk.say("VALUE what is this\r\n\0\0"));
}

#[test]
fn a_node_answers_half_a_value_and_stops() {
    scripted(|talk, answer| {
        talk.say(&answer[..answer.len() / 2]);
        talk.ignore();
        false
    });
}

#[test]
fn a_node_resets_every_connection() {
    scripted(|talk, _| {
        talk.reset_at_end();
        false
    });
}

/// Slow is not bad: nobody is put out, nothing is lost, and only its own keys wait.
#[test]
fn a_node_is_slow_by_300_ms() {
    unless_the_machine_was_late(|| {
        let delay = Duration::from_millis(300);
        let slow = Fake::start(move |talk| talk.behave_late(delay));
        let world = World::start(&slow.address(), "request_timeout: 1s, health: { probe_interval: 200ms }");
        let load = world.load();
        let begin = Instant::now();
        load.wait_for_hits(VICTIM, 50);
        let (samples, late) = load.finish();
        let (lag, noise) = (late.of_an_answer(begin), late.p99(begin, Instant::now()));
        let (own, others) = by_owner(&samples);
        let errors = count(&samples, Heard::Error);
        let quickest = own.iter().map(|sample| sample.took).min().unwrap_or_default();
        println!(
            "slow by {delay:?}: {} requests, {errors} errors; own p99 {:?}, longest {:?}; the others' p99 {:?}; \
             the machine late by {lag:?} at the worst, {noise:?} p99",
            samples.len(),
            p99(&own),
            longest(&samples),
            p99(&others)
        );
        let checks = [
            (errors == 0, "errors"),
            (logged(&world.ketch, "node ejected") == 0, "it was put out"),
            (longest(&samples) < Duration::from_secs(1) + MARGIN + lag, "the longest wait"),
            (quickest >= delay, "that node was not slow"),
            (p99(&others) < delay / 10 + noise, "the others waited with it"),
        ];
        hold(&checks);
    });
}

/// A node that takes connections and reads nothing: what no socket takes any more is refused in time too.
#[test]
fn a_node_does_not_read() {
    const LARGE: usize = 8 * 1024 * 1024;
    unless_the_machine_was_late(|| {
        let node = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        node.set_recv_buffer_size(8 * 1024).unwrap();
        node.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        node.listen(64).unwrap();
        let address = node.local_addr().unwrap().as_socket().unwrap().to_string();
        // It is never put out, so that the writes go on piling up behind it.
        let settings = format!(
            "request_timeout: {}ms, health: {{ probe_interval: 1h, eject_after: 1000000 }}",
            TIMEOUT.as_millis()
        );
        let ketch = Ketch::start(&format!(
            "workers: 1\nlimits: {{ value_size: 16MiB, client_buffer: 16MiB }}\n{}",
            pool(&[address], &settings)
        ));
        let (late, begin) = (Lag::start(), Instant::now());
        let mut client = ketch.connect();
        // It fills the socket, and more.
        client.say(format!("set key 0 0 {LARGE}\r\n{}\r\n", "x".repeat(LARGE)));
        let mut other = ketch.connect();
        wait_for("ketch to have it", || (told(&mut other, "stats", "bytes_read") > LARGE as u64).then_some(()));
        let waits: Vec<Duration> = std::thread::scope(|scope| {
            let clients: Vec<_> = (1..10_u64)
                .map(|number| {
                    let mut client = ketch.connect();
                    scope.spawn(move || {
                        std::thread::sleep(Duration::from_millis(number * 30)); // one after the other
                        let asked = Instant::now();
                        let answer = client.ask("set key 0 0 1\r\nx");
                        assert!(answer.starts_with("SERVER_ERROR "), "{answer}");
                        asked.elapsed()
                    })
                })
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        let (longest, lag) = (waits.into_iter().max().unwrap(), late.of_an_answer(begin));
        println!("the longest wait behind a full socket {longest:?}; the machine late by {lag:?}");
        hold(&[(longest <= TIMEOUT + MARGIN + lag, "the longest wait")]);
    });
}

/// The node that goes bad.
const VICTIM: usize = 3;

struct World {
    ketch: Ketch,
    keys: Vec<support::load::Placed>,
    _good: Vec<Memcached>,
}

impl World {
    fn start(victim: &str, settings: &str) -> Self {
        let good: Vec<_> = (0..VICTIM).map(|_| Memcached::start()).collect();
        let mut nodes: Vec<_> = good.iter().map(Memcached::address).collect();
        nodes.push(victim.to_owned());
        let ketch = Ketch::start(&format!("workers: 2\n{}", pool(&nodes, settings)));
        let keys = place(&ketch, &nodes, (0..200).map(|number| format!("key{number}")));
        Self { ketch, keys, _good: good }
    }

    /// Starts the clients and waits until every node has had its share.
    fn load(&self) -> Load {
        let load = Load::start(self.ketch.memcached, CLIENTS, &self.keys);
        (0..=VICTIM).for_each(|owner| load.wait_for_hits(owner, 10));
        load
    }
}

/// How to make a node bad (`false`) and well again.
type Turn = Box<dyn FnMut(bool)>;

/// A node that answers well until it is bad: then `bad` takes the place of its answer, and says whether it goes on.
fn scripted(bad: impl Fn(&mut Talk, &[u8]) -> bool + Clone + Send + Sync + 'static) {
    survive(|| {
        let mood = Arc::new(AtomicBool::new(true));
        let (well, bad) = (mood.clone(), bad.clone());
        let fake = Fake::start(move |talk| {
            while let Some(said) = talk.hear() {
                let answer = echo(&said);
                let goes_on = if well.load(SeqCst) { talk.say(answer) } else { bad(talk, &answer) };
                if !goes_on {
                    return;
                }
            }
        });
        let address = fake.address();
        let turn = move |well| {
            let _alive = &fake;
            mood.store(well, SeqCst);
        };
        (address, Box::new(turn))
    });
}

fn survive(victim: impl Fn() -> (String, Turn)) {
    unless_the_machine_was_late(|| {
        let (address, turn) = victim();
        attempt(&address, turn)
    });
}

/// Calm; then the node goes bad, is put out, and its keys are found elsewhere; then it is well and let in again.
fn attempt(victim: &str, mut turn: Turn) {
    let settings = format!(
        "request_timeout: {}ms, connect_timeout: 200ms,
         health: {{ probe_interval: {}ms, probe_timeout: 150ms, readmit_after: {READMIT_AFTER} }}",
        TIMEOUT.as_millis(),
        PROBES.as_millis()
    );
    let world = World::start(victim, &settings);
    let load = world.load();
    let calm = Instant::now();
    std::thread::sleep(CALM); // the length of the calm run, to compare with
    let early = logged(&world.ketch, "node ejected");
    let bad = Instant::now();
    turn(false);
    let ejected = wait_for_log(&world.ketch, "node ejected", 1);
    let out = Instant::now();
    load.wait_for_hits(VICTIM, 50);
    let rehashed = out.elapsed();
    wait_for("as long a run as the calm one", || (out.elapsed() > CALM).then_some(()));
    let too_soon = logged(&world.ketch, "node readmitted");
    let well = Instant::now();
    turn(true);
    let readmitted = wait_for_log(&world.ketch, "node readmitted", 1);
    let back = Instant::now();
    load.wait_for_hits(VICTIM, 50);
    let (samples, late) = load.finish();

    let during = |from, to| samples.iter().filter(|s| s.asked < to && s.asked + s.took > from).copied().collect();
    let (calm_run, bad_run): (Vec<Sample>, Vec<Sample>) = (during(calm, bad), during(bad, well));
    let (own, others) = by_owner(&bad_run);
    let usual = p99(&by_owner(&calm_run).1);
    let after: Vec<Sample> = during(bad, Instant::now());
    let settled: Vec<Sample> = during(back + TIMEOUT, Instant::now());
    let (lag, noise) = (late.of_an_answer(calm), late.p99(bad, well));
    println!(
        "out after {ejected:?}, enough rehashed hits {rehashed:?} later, back after {readmitted:?}\n  \
         {} requests, {} while bad; errors {}, of the other nodes {}; misses {} + {}; longest {:?}\n  \
         the other nodes' p99 {usual:?} calm, {:?} while bad; the machine late by {lag:?} at the worst, {noise:?} p99",
        samples.len(),
        bad_run.len(),
        count(&samples, Heard::Error),
        count(&others, Heard::Error),
        count(&own, Heard::Miss),
        count(&others, Heard::Miss),
        longest(&after),
        p99(&others),
    );
    let round = PROBES.mul_f64(1.1);
    let earliest = PROBES.mul_f64(0.9) * (READMIT_AFTER - 1);
    // The probes of a node that is out come up to four times less often, until one is good.
    let latest = 4 * round + READMIT_AFTER * (round + MARGIN) + MARGIN;
    assert!(!world.ketch.log().contains("panicked"), "{}", world.ketch.log());
    let checks = [
        (early == 0, "put out in the calm"),
        (longest(&after) <= TIMEOUT + MARGIN + lag, "the longest wait"),
        (ejected <= 2 * TIMEOUT + lag, "how soon it was out"),
        (too_soon == 0, "let in while it was bad"),
        (count(&others, Heard::Error) == 0, "errors of the other nodes"),
        (count(&own, Heard::Miss) > 0, "no read was turned into a miss"),
        (p99(&others) <= 2 * usual.max(NOISE) + noise, "the other nodes' p99"),
        (readmitted >= earliest, "back too soon"),
        (readmitted <= latest + lag, "back too late"),
        (count(&settled, Heard::Error) == 0, "errors after it was back"),
        (logged(&world.ketch, "node ejected") == 1, "put out more than once"),
    ];
    hold(&checks);
}

/// All at once, so that a failure shows the whole picture.
fn hold(checks: &[(bool, &str)]) {
    let failed: Vec<_> = checks.iter().filter(|(good, _)| !good).map(|(_, what)| *what).collect();
    assert!(failed.is_empty(), "{}", failed.join(", "));
}

/// The requests for the victim's keys and those for the others'.
fn by_owner(samples: &[Sample]) -> (Vec<Sample>, Vec<Sample>) {
    samples.iter().filter(|sample| sample.owner.is_some()).partition(|sample| sample.owner == Some(VICTIM))
}
