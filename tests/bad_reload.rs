//! Promise 8, the other half: a bad file changes nothing and says why, with file, line and field.

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use support::{Ketch, Memcached, wait_for};

/// A kind of bad file: the text in the place of the good one, and what is said behind the file's name.
struct Bad {
    kind: &'static str,
    text: String,
    said: &'static str,
}

#[test]
fn ten_kinds_of_bad_files_are_refused_and_disturb_nobody() {
    let node = Memcached::start();
    let good = format!("pools:\n  main:\n    nodes: [\"{}\"]\nroutes:\n  - pool: main\n", node.address());
    let ketch = Ketch::start(&good);
    let file = ketch.folder.path().join("ketch.yaml");
    let written = std::fs::read_to_string(&file).unwrap();
    let (over, turns) = (AtomicBool::new(false), [const { AtomicUsize::new(0) }; 4]);
    std::thread::scope(|scope| {
        let _end = End(&over);
        for (number, turns) in turns.iter().enumerate() {
            let (ketch, over) = (&ketch, &over);
            scope.spawn(move || traffic(ketch, number, over, turns));
        }
        let more_traffic = || {
            let before = turns.each_ref().map(|turns| turns.load(Relaxed));
            let has_more = || turns.iter().zip(before).all(|(turns, before)| turns.load(Relaxed) > before + 5);
            wait_for("traffic of every client", || has_more().then_some(()));
        };
        for (number, bad) in bad_files(&written).iter().enumerate() {
            replace(&file, Some(&bad.text));
            let log = refusal(&ketch, number + 1);
            let said = format!("{}:{}", file.display(), bad.said);
            assert!(log.contains(&said), "{}: {said}\n{log}", bad.kind);
            assert_eq!(ketch.reloads(), (0, number + 1), "{}", bad.kind);
            more_traffic();
        }
        let refused = ketch.reloads().1;
        replace(&file, None);
        let log = refusal(&ketch, refused + 1);
        assert!(log.contains(&format!("cannot read {}: Is a directory", file.display())), "{log}");
        more_traffic();
    });
    // The way back is open.
    ketch.reconfigure(&good.replace("routes:", "limits: { connections: 99 }\nroutes:"));
    ketch.connect().expect("set k 0 0 1\r\nx\r\nget k\r\n", "STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n");
}

#[test]
fn a_ring_or_an_address_that_cannot_be_had_changes_nothing_either() {
    let embedded = "pools: { main: { protocol: embedded, nodes: [a] } }\n";
    let ketch = Ketch::start(embedded);
    let mut client = ketch.connect();
    client.expect("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    let (good, elsewhere) = (ketch.memcached.to_string(), "192.0.2.1:11211");
    ketch.configure(&format!("pools: {{ main: {{ protocol: embedded, nodes: [b] }} }}\nlisteners: {{ memcached: [\"{good}\", \"{elsewhere}\"], http: [] }}\n"));
    let log = refusal(&ketch, 1);
    assert!(log.contains("cannot listen on 192.0.2.1:11211 (listeners.memcached)"), "{log}");
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    ketch.configure(&format!("pools: {{ main: {{ protocol: embedded, nodes: [b] }} }}\nadmin: \"{taken}\"\n"));
    let log = refusal(&ketch, 2);
    assert!(log.contains(&format!("cannot listen on {taken} (admin)")), "{log}");
    assert!(log.contains(&format!("sport = :{}", taken.port())), "it says how to see who has it: {log}");
    assert_eq!(ketch.look("/healthz").0, 200, "the admin address is where it was");
    client.expect("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
    ketch.connect().expect("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
}

/// Nine of the ten; the tenth, which cannot be read at all, is not a text.
fn bad_files(good: &str) -> Vec<Bad> {
    let bad = |kind, text: String, said| Bad { kind, text, said };
    let replaced = |kind, from: &str, to: &str, said| {
        assert!(good.contains(from));
        bad(kind, good.replace(from, to), said)
    };
    vec![
        replaced("syntax", "nodes: [", "nodes: [[", "4:1: cannot be read as YAML"),
        replaced("unknown key", "nodes:", "node:", "3:5: pools.main.node: is not a key"),
        replaced("duplicate key", "routes:", "pools: {}\nroutes:", "4:1: pools: "),
        replaced(
            "dangling pool",
            "pool: main",
            "pool: mian",
            "5:11: routes[0].pool: there is no pool \"mian\"; did you mean main?",
        ),
        bad(
            "zero nodes",
            "pools:\n  main:\n    nodes: []\n".into(),
            "3:12: pools.main.nodes: a pool has at least one node",
        ),
        bad(
            "bad weight",
            "pools:\n  main:\n    nodes: [{address: \"h:1\", weight: 0}]\n".into(),
            "3:38: pools.main.nodes[0].weight: ",
        ),
        replaced(
            "bad duration",
            "routes:",
            "    request_timeout: 5 minutes\nroutes:",
            "4:22: pools.main.request_timeout: ",
        ),
        bad("empty", String::new(), "1:1: nothing is written here"),
        bad("half-written", good[..good.find("routes:").unwrap() - 5].to_owned(), "3:27: cannot be read as YAML"),
    ]
}

/// Ends the traffic, also when the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Puts a text, or with `None` a link to a directory, in the place of the file, in one step.
fn replace(file: &Path, text: Option<&str>) {
    let (new, directory) = (file.with_extension("new"), file.with_extension("d"));
    match text {
        Some(text) => std::fs::write(&new, text).unwrap(),
        None => {
            std::fs::create_dir(&directory).unwrap();
            std::os::unix::fs::symlink(directory, &new).unwrap();
        }
    }
    std::fs::rename(new, file).unwrap();
}

/// What the log has to say once so many files were refused.
fn refusal(ketch: &Ketch, count: usize) -> String {
    wait_for("the refusal", || (ketch.reloads().1 >= count).then(|| ketch.log()))
}

/// Sets and gets until it is over, and counts how often.
fn traffic(ketch: &Ketch, number: usize, over: &AtomicBool, turns: &AtomicUsize) {
    let mut client = ketch.connect();
    while !over.load(Relaxed) {
        client.expect(format!("set k{number} 0 0 1\r\nx\r\n"), "STORED\r\n");
        client.expect(format!("get k{number}\r\n"), format!("VALUE k{number} 0 1\r\nx\r\nEND\r\n"));
        turns.fetch_add(1, Relaxed);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
