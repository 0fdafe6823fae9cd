//! Reloads that add, remove, reweight and rename nodes, pools and routes, under load.

use std::time::{Duration, Instant};

use super::load::Load;
use super::support::{Client, Ketch, Memcached, wait_for};

const CLIENTS: usize = 50;

/// Between two reloads: 200 in a minute.
const PACE: Duration = Duration::from_millis(300);

#[test]
fn reloads_under_load_drop_nothing() {
    let reloads = std::env::var("KETCH_TEST_RELOADS").map_or(30, |reloads| reloads.parse().unwrap());
    let nodes: Vec<Memcached> = (0..5).map(|_| Memcached::start()).collect();
    let ketch = Ketch::start(&config(0, &nodes));
    let mut idle: Vec<Client> = (0..10).map(|_| ketch.connect()).collect();

    let quiet = Load::start('q', ketch.memcached, CLIENTS);
    std::thread::sleep(PACE * 10);
    let mut quiet = quiet.end();

    let load = Load::start('b', ketch.memcached, CLIENTS);
    let (first, begun) = (reloads / 3, Instant::now());
    let mut early = 0;
    for number in 1..=reloads {
        match number % 10 {
            9 => ketch.process.signal("HUP"), // the same file again
            _ => ketch.configure(&config(number, &nodes)),
        }
        std::thread::sleep((begun + PACE * number as u32).saturating_duration_since(Instant::now()));
        wait_for("the reload", || (ketch.reloads().0 >= number).then_some(()));
        if number == first {
            early = resident(&ketch);
        }
    }
    let late = resident(&ketch);
    let mut busy = load.end();
    let (busy_p99, quiet_p99) = (busy.p99(), quiet.p99());

    println!(
        "{reloads} reloads in {:.1?}: {} requests, {} hits; p99 {busy_p99:.1?}, without reloads {quiet_p99:.1?}; resident {early} KiB after \
         {first} reloads, {late} KiB at the end",
        begun.elapsed(),
        busy.requests,
        busy.hits,
    );
    for seen in [&quiet, &busy] {
        assert!(seen.wrong.is_empty(), "{} wrong answers, such as {:?}", seen.wrong.len(), seen.wrong[0]);
    }
    assert!(busy.hits > busy.requests / 10, "hardly anything was read");
    assert_eq!(ketch.reloads(), (reloads, 0), "{}", ketch.log());
    assert!(late < early + 2048, "{early} KiB became {late} KiB");
    for client in &mut idle {
        client.expect("version\r\n", format!("VERSION {}\r\n", env!("CARGO_PKG_VERSION")));
    }
}

/// Each number has something else: nodes that come and go, weights, names, a pool under another name, routes, limits.
fn config(number: usize, nodes: &[Memcached]) -> String {
    let address = |node: usize| nodes[node].address();
    let mut main = vec![format!("\"{}\"", address(0))];
    main.extend((1..4).filter(|node| number >> (node - 1) & 1 == 0).map(|node| format!("\"{}\"", address(node))));
    main.push(match number % 3 {
        0 => format!("{{ address: \"{}\", weight: 2 }}", address(4)),
        1 => format!("\"{} named\"", address(4)),
        _ => format!("\"{}:3 renamed\"", address(4)),
    });
    let (main, other) = (main.join(", "), ["other", "another"][number % 2]);
    let route = ["other:", "other:b1"][number / 2 % 2];
    let timeout = 5 + number % 2;
    format!(
        "workers: 2\nlimits: {{ connections: {} }}\npools:\n  main: {{ nodes: [{main}], request_timeout: {timeout}s, \
         reads_on_error: error }}\n  {other}: {{ nodes: [\"{}\", \"{}\"], distribution: modula, reads_on_error: error }}\n\
         routes: [{{ prefix: \"{route}\", pool: {other} }}, {{ pool: main }}]\n",
        1000 + number,
        address(number % 5),
        address((number + 1) % 5),
    )
}

/// Resident memory in KiB.
fn resident(ketch: &Ketch) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", ketch.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
