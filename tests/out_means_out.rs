//! Promise 9, out means out: an ejected node gets probes and nothing else until it has passed them.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use support::fake::{Fake, echo};
use support::load::{Load, figure, logged, place, unless_the_machine_was_late, wait_for_log};
use support::{Client, Ketch, Memcached, pool, wait_for};

const EJECT_AFTER: usize = 3;
const READMIT_AFTER: usize = 2;

/// A node that closes every connection on which it is asked something, until it is well.
struct Patient {
    fake: Fake,
    well: Arc<AtomicBool>,
}

impl Patient {
    fn start() -> Self {
        let well = Arc::new(AtomicBool::new(true));
        let mood = well.clone();
        let fake = Fake::start(move |talk| {
            while let Some(said) = talk.hear() {
                if !mood.load(SeqCst) {
                    return;
                }
                talk.say(echo(&said));
            }
        });
        Self { fake, well }
    }

    /// What it hears from the `from`th command on.
    fn heard_since(&self, from: usize) -> Vec<String> {
        self.fake.commands().split_off(from)
    }
}

/// Clients keep asking for its keys, and writing them, all the while.
#[test]
fn an_ejected_node_hears_probes_and_nothing_else() {
    unless_the_machine_was_late(|| {
        let (good, patient) = (Memcached::start(), Patient::start());
        let nodes = [good.address(), patient.fake.address()];
        let settings = format!("health: {{ probe_interval: 100ms, readmit_after: {READMIT_AFTER} }}");
        let ketch = Ketch::start(&format!("workers: 2\n{}", pool(&nodes, &settings)));
        let keys = place(&ketch, &nodes, (0..100).map(|number| format!("key{number}")));
        let load = Load::start(ketch.memcached, 4, &keys);
        load.wait_for_hits(1, 20);

        patient.well.store(false, SeqCst);
        wait_for_log(&ketch, "node ejected", 1);
        // What was on its way when the node was put out has arrived by the next probe.
        let first = patient.fake.heard("version");
        wait_for("a probe", || (patient.fake.heard("version") > first).then_some(()));
        let (out, connects) = (patient.fake.commands().len(), patient.fake.connections());
        load.wait_for_hits(1, 200);
        wait_for("probes", || (patient.heard_since(out).len() >= 4).then_some(()));
        let while_bad = patient.heard_since(out);
        let connects = patient.fake.connections() - connects;
        assert!(while_bad.iter().all(|line| line == "version"), "{while_bad:?}");
        assert!(connects <= while_bad.len() + 1, "{connects} connections for {} probes", while_bad.len());

        let well = patient.fake.commands().len();
        patient.well.store(true, SeqCst);
        wait_for_log(&ketch, "node readmitted", 1);
        load.wait_for_hits(1, 20);
        drop(load.finish());
        let since = patient.heard_since(well);
        let probes = since.iter().take_while(|line| *line == "version").count();
        // One may have been heard and refused while the node changed its mind.
        assert!((READMIT_AFTER..=READMIT_AFTER + 1).contains(&probes), "{probes} probes, then {:?}", &since[probes..]);
        println!(
            "{} probes and {connects} connections while out, nothing else; {probes} more, then in again",
            while_bad.len()
        );
    });
}

/// Writes fail for `eject_after` failures and no longer; the next go elsewhere.
#[test]
fn so_many_failures_put_a_node_out_and_no_fewer() {
    unless_the_machine_was_late(|| {
        let (good, patient) = (Memcached::start(), Patient::start());
        let nodes = [good.address(), patient.fake.address()];
        // No probe has a say in it.
        let settings = format!("health: {{ probe_interval: 1h, eject_after: {EJECT_AFTER} }}");
        let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&nodes, &settings)));
        let keys = place(&ketch, &nodes, (0..20).map(|number| format!("key{number}")));
        let own = &keys.iter().find(|placed| placed.owner == 1).unwrap().key;
        let mut client = ketch.connect();
        client.expect(format!("set {own} 0 0 1\r\nx\r\n"), "STORED\r\n");
        patient.well.store(false, SeqCst);
        let sent = patient.fake.heard("set");
        let refused = (0..).take_while(|_| !is_stored(&mut client, own)).count();
        let failures = patient.fake.heard("set") - sent;
        println!(
            "{refused} writes refused, {failures} of them heard by the node, before the next was stored elsewhere"
        );
        assert_eq!(failures, EJECT_AFTER);
        assert_eq!(logged(&ketch, "node ejected"), 1);
        assert_eq!(figure(&ketch, "main:failed_closed"), EJECT_AFTER as u64);
    });
}

fn is_stored(client: &mut Client, key: &str) -> bool {
    let answer = client.ask(&format!("set {key} 0 0 1\r\nx"));
    assert!(answer == "STORED" || answer.starts_with("SERVER_ERROR "), "{answer}");
    answer == "STORED"
}
