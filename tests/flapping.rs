//! A node that comes and goes every two seconds: no storm of connections to it, no storm of log lines.
//!
//! `KETCH_TEST_FLAPPING=60` (seconds) makes the test as long as you like; 16 s are the default.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use support::fake::{Fake, echo};
use support::load::{Heard, Load, count, longest, place, unless_the_machine_was_late, wait_for_log};
use support::{Ketch, Memcached, pool, wait_for};

const PERIOD: Duration = Duration::from_secs(2);
const WORKERS: usize = 2;

#[test]
fn a_node_that_comes_and_goes_is_not_stormed() {
    unless_the_machine_was_late(|| {
        let seconds = std::env::var("KETCH_TEST_FLAPPING").map_or(16, |seconds| seconds.parse().unwrap());
        let well = Arc::new(AtomicBool::new(true));
        let mood = well.clone();
        let fake = Fake::start(move |talk| {
            while mood.load(SeqCst) {
                let Some(said) = talk.hear() else { return };
                if mood.load(SeqCst) {
                    talk.say(echo(&said));
                }
            }
            talk.reset_at_end();
        });
        let good = Memcached::start();
        let nodes = [good.address(), fake.address()];
        // A node that is put out and let in as quickly as this one comes and goes.
        let settings = "request_timeout: 1s, health: { probe_interval: 200ms, probe_timeout: 100ms }";
        let ketch = Ketch::start(&format!("workers: {WORKERS}\n{}", pool(&nodes, settings)));
        let keys = place(&ketch, &nodes, (0..100).map(|number| format!("key{number}")));
        let load = Load::start(ketch.memcached, 8, &keys);
        load.wait_for_hits(1, 20);

        let (connects, probes) = (fake.connections(), fake.heard("version"));
        let lines = ketch.log().lines().count();
        let begin = Instant::now();
        let rounds = seconds / (2 * PERIOD.as_secs()) as usize;
        for _ in 0..rounds {
            well.store(false, SeqCst);
            std::thread::sleep(PERIOD); // the flapping itself
            well.store(true, SeqCst);
            std::thread::sleep(PERIOD);
        }
        let lasted = begin.elapsed();
        let (connects, lines) = (fake.connections() - connects, ketch.log().lines().count() - lines);
        let lag = load.lag(begin);
        let (samples, _) = load.finish();
        println!(
            "{rounds} flaps in {lasted:?}: {connects} connections ({} probes answered), {lines} lines of log; {} requests, \
         {} errors, {} misses, the longest wait {:?}; the machine late by {lag:?}",
            fake.heard("version") - probes,
            samples.len(),
            count(&samples, Heard::Error),
            count(&samples, Heard::Miss),
            longest(&samples)
        );
        let probes_at_most = (lasted.as_millis() / 180) as usize;
        // Each flap costs a worker three attempts until the node is out and one when it is in; amends take three more.
        let each = 4 * WORKERS + 4;
        assert!(connects <= probes_at_most + rounds * each, "{connects} connections");
        // A machine that stands still may make a flap of its own.
        assert!(lines <= 2 * rounds + 4, "{}", ketch.log());
        assert!(lines >= rounds, "the node was never put out: {}", ketch.log());
        assert!(longest(&samples) <= Duration::from_millis(1050) + lag);
    });
}

/// Its probes are good, and nothing else is: it must not come and go with every second probe.
#[test]
fn a_node_that_answers_nothing_but_probes_comes_back_more_and_more_rarely() {
    unless_the_machine_was_late(|| {
        let well = Arc::new(AtomicBool::new(false));
        let mood = well.clone();
        let fake = Fake::start(move |talk| {
            while let Some(said) = talk.hear() {
                if said.line == "version" || mood.load(SeqCst) {
                    talk.say(echo(&said));
                }
            }
        });
        let good = Memcached::start();
        let nodes = [good.address(), fake.address()];
        let settings = "request_timeout: 50ms, health: { probe_interval: 20ms, eject_after: 2 }";
        let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&nodes, settings)));
        let keys = place(&ketch, &nodes, (0..100).map(|number| format!("key{number}")));
        let load = Load::start(ketch.memcached, 4, &keys);
        let ejected = |times| {
            wait_for_log(&ketch, "node ejected", times);
            let log = ketch.log();
            let line = log.lines().filter(|line| line.contains("node ejected")).nth(times - 1).unwrap();
            let probes = line.split("readmit_after=").nth(1).and_then(|rest| rest.split(' ').next());
            probes.and_then(|probes| probes.parse::<u32>().ok()).unwrap_or_else(|| panic!("{line}"))
        };
        assert_eq!((1..=5).map(ejected).collect::<Vec<_>>(), [2, 4, 8, 16, 32], "{}", ketch.log());

        // Well for long enough, and it begins anew.
        well.store(true, SeqCst);
        wait_for_log(&ketch, "node readmitted", 1);
        let probes = fake.heard("version");
        wait_for("60 good probes", || (fake.heard("version") > probes + 60).then_some(()));
        load.wait_for_hits(1, 1);
        well.store(false, SeqCst);
        assert_eq!(ejected(6), 2);
        load.finish();
    });
}

/// As far as one can see a node that is always there: every connection is accepted, and broken when it is used.
#[test]
fn a_node_that_breaks_every_connection_is_not_stormed() {
    unless_the_machine_was_late(|| {
        let fake = Fake::start(|talk| {
            talk.hear();
            talk.reset_at_end();
        });
        let good = Memcached::start();
        let nodes = [good.address(), fake.address()];
        // It is never put out, so that nothing but the waits between attempts holds the workers back.
        let settings = "request_timeout: 1s, health: { probe_interval: 1h, eject_after: 1000000 }";
        let ketch = Ketch::start(&format!("workers: {WORKERS}\n{}", pool(&nodes, settings)));
        let keys = place(&ketch, &nodes, (0..100).map(|number| format!("key{number}")));
        let load = Load::start(ketch.memcached, 8, &keys);
        load.wait_for_hits(0, 20);
        let (connects, begin) = (fake.connections(), Instant::now());
        std::thread::sleep(2 * PERIOD); // the length of the test
        let lasted = begin.elapsed();
        let connects = fake.connections() - connects;
        let (samples, _) = load.finish();
        let lines = ketch.log().lines().count();
        println!("{connects} connections in {lasted:?} under {} requests, {lines} lines of log", samples.len());
        // The waits double from 50 ms (at least 25) to 2 s (at least 1): some eight to come to a second, then one a second.
        assert!(connects <= WORKERS * (10 + lasted.as_secs() as usize), "{connects} connections");
        assert!(lines <= 3, "{}", ketch.log());
    });
}
