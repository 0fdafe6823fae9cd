//! Promise 3, once: every accepted request is answered exactly once, within its deadline, whatever dies.
//!
//! Several clients keep a window of commands in the pipe, over keys that they share, while one of two nodes has a
//! fault. Each answer is read by the grammar of its own command, so one too many or too few breaks the count.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use fastrand::Rng;
use support::fake::{Deaf, Fake, Talk, echo};
use support::{Client, Ketch, Memcached, pool, wait_for};

const TIMEOUT: Duration = Duration::from_millis(300);
/// How much later than its deadline an answer may arrive, beside what the machine kept ketch and the client waiting for
/// a processor (see [`kept_waiting`]).
const MARGIN: Duration = Duration::from_millis(50);
/// The kernel does not tell of all that makes a shared machine late: a run that was too long is made again.
const RUNS: usize = 3;
const CLIENTS: u64 = 4;
/// Commands of one client in the pipe.
const WINDOW: usize = 40;
/// How long the clients go on once the fault is there: longer than several requests in a row may take.
const LOAD: Duration = Duration::from_millis(1000);

#[test]
fn a_node_is_killed() {
    real_node(|node| node.process.kill());
}

#[test]
fn a_node_is_stopped() {
    real_node(|node| node.process.signal("STOP"));
}

#[test]
fn a_node_is_stopped_and_goes_on() {
    real_node(|node| {
        node.process.signal("STOP");
        std::thread::sleep(TIMEOUT + TIMEOUT / 2);
        node.process.signal("CONT");
    });
}

#[test]
fn a_node_cannot_be_connected_to() {
    let deaf = Deaf::start();
    judge(|| answers_once(&deaf.address.to_string(), || {}));
}

#[test]
fn a_node_never_answers() {
    fake_node(Talk::ignore);
}

#[test]
fn a_node_stops_answering_after_a_while() {
    fake_node(|talk| {
        well_for(talk, 100);
        talk.ignore();
    });
}

/// Its connection fills with values, and what is asked behind them cannot even be written.
#[test]
fn a_node_stops_reading() {
    judge(|| {
        let node = Memcached::start();
        let settings = format!("request_timeout: {}ms, health: {{ max_ejected: 0% }}", TIMEOUT.as_millis());
        let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&[node.address()], &settings)));
        ketch.connect().expect("get warm\r\n", "END\r\n");
        node.process.signal("STOP");
        std::thread::scope(|scope| {
            let mut filler = ketch.connect();
            let set = format!("set filler 0 0 1000000\r\n{}\r\n", "v".repeat(1_000_000));
            (0..20).for_each(|_| filler.say(&set));
            let ketch = &ketch;
            let ask = move |number: u32| {
                let mut client = ketch.connect();
                std::thread::sleep(TIMEOUT / 10 * number); // all over the time that the values have
                less_the_machine(ketch, || {
                    let begin = Instant::now();
                    assert!(client.ask("delete other").starts_with("SERVER_ERROR"));
                    begin.elapsed()
                })
            };
            let waits: Vec<_> = (0..8).map(|number| scope.spawn(move || ask(number))).collect();
            let longest = waits.into_iter().map(|wait| wait.join().unwrap()).max().unwrap();
            (0..20).for_each(|_| assert!(filler.line().starts_with("SERVER_ERROR")));
            longest
        })
    });
}

/// A read that came when the same was under way shares the next answer; it has no more time for that than any other.
#[test]
fn a_read_waits_for_the_answer_to_another() {
    judge(|| {
        let node = Fake::start(Talk::ignore);
        let settings = "reads_on_error: error, health: { probe_interval: 1h, max_ejected: 0% }";
        let settings = format!("request_timeout: {}ms, {settings}", TIMEOUT.as_millis());
        let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&[node.address()], &settings)));
        let (mut first, mut second) = (ketch.connect(), ketch.connect());
        first.say("get key\r\n");
        wait_for("the node to hear it", || (node.heard("get key") == 1).then_some(()));
        less_the_machine(&ketch, || {
            let begin = Instant::now();
            assert!(second.ask("get key").starts_with("SERVER_ERROR"));
            begin.elapsed()
        })
    });
}

#[test]
fn a_node_answers_garbage() {
    fake_node(|talk| {
        well_for(talk, 100);
        talk.say("VALUE what is this\r\n\r\n\0\0\0");
        talk.ignore();
    });
}

#[test]
fn a_node_stops_in_a_value() {
    fake_node(|talk| {
        well_for(talk, 100);
        half_a_value(talk);
        talk.ignore();
    });
}

#[test]
fn a_node_closes_in_a_value() {
    fake_node(|talk| {
        well_for(talk, 100);
        half_a_value(talk);
    });
}

#[test]
fn a_node_resets_the_connection() {
    fake_node(|talk| {
        well_for(talk, 100);
        talk.reset_at_end();
    });
}

#[test]
fn a_node_closes_after_reading_a_request() {
    fake_node(|talk| drop(talk.hear()));
}

#[test]
fn a_node_closes_after_every_answer() {
    fake_node(|talk| well_for(talk, 1));
}

#[test]
fn a_node_closes_without_a_word() {
    fake_node(|_| {});
}

#[test]
fn a_node_answers_later_and_later() {
    fake_node(|talk| {
        while let Some(said) = talk.hear() {
            std::thread::sleep(Duration::from_millis(4)); // slower than the clients ask
            talk.say(echo(&said));
        }
    });
}

#[test]
fn a_node_answers_twice() {
    fake_node(|talk| {
        well_for(talk, 100);
        while let Some(said) = talk.hear() {
            talk.say([echo(&said), echo(&said)].concat());
        }
    });
}

/// Well-behaved for so many commands.
fn well_for(talk: &mut Talk, commands: usize) {
    for _ in 0..commands {
        let Some(said) = talk.hear() else { return };
        talk.say(echo(&said));
    }
}

/// Answers the next read with the half of its value.
fn half_a_value(talk: &mut Talk) {
    while let Some(said) = talk.hear() {
        let answer = echo(&said);
        let is_read = answer.starts_with(b"VA");
        talk.say(if is_read { &answer[..answer.len() / 2 + 2] } else { &answer[..] });
        if is_read {
            return;
        }
    }
}

fn fake_node(script: impl Fn(&mut Talk) + Send + Sync + 'static) {
    let fake = Fake::start(script);
    judge(|| answers_once(&fake.address(), || {}));
    assert!(fake.connections() > 0, "ketch never came by");
}

fn real_node(fault: impl Fn(&mut Memcached)) {
    judge(|| {
        let mut node = Memcached::start();
        answers_once(&node.address(), || fault(&mut node))
    });
}

/// Holds the longest wait that `run` measures against the deadline.
fn judge(run: impl Fn() -> Duration) {
    let mut waits = (0..RUNS).map(|_| run()).inspect(|longest| println!("the longest wait {longest:?}"));
    assert!(waits.any(|longest| longest <= TIMEOUT + MARGIN), "answers take too long, {RUNS} times");
}

fn answers_once(faulty: &str, fault: impl FnOnce()) -> Duration {
    let good = Memcached::start();
    // Nothing is taken out, so that the fault is met again and again.
    let settings = "connect_timeout: 200ms, reads_on_error: error, health: { max_ejected: 0% }";
    let settings = format!("request_timeout: {}ms, {settings}", TIMEOUT.as_millis());
    let ketch = Ketch::start(&format!("workers: 2\n{}", pool(&[good.address(), faulty.to_owned()], &settings)));
    let (over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let longest = std::thread::scope(|scope| {
        let end = End(&over);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (ketch, over, answers) = (&ketch, &over, &answers);
                scope.spawn(move || load(ketch, number, over, answers))
            })
            .collect();
        fault();
        std::thread::sleep(LOAD); // the length of the test, not a condition
        drop(end);
        clients.into_iter().map(|client| client.join().unwrap()).max().unwrap()
    });
    let answers = answers.into_inner();
    println!("{answers} answers");
    assert!(answers >= CLIENTS * WINDOW as u64, "only {answers} answers");
    assert!(!ketch.log().contains("panicked"), "{}", ketch.log());
    ketch.connect().expect("mn\r\n", "MN\r\n");
    longest
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// How long the threads of ketch and the calling thread have stood in line for a processor, all together.
fn kept_waiting(ketch: &Ketch) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", ketch.process.id())).unwrap();
    let threads =
        tasks.map(|task| task.unwrap().path().join("schedstat")).chain(["/proc/thread-self/schedstat".into()]);
    let waited = |path: std::path::PathBuf| std::fs::read_to_string(path).ok()?.split(' ').nth(1)?.parse::<u64>().ok();
    Duration::from_nanos(threads.filter_map(waited).sum())
}

/// What `wait` measures, less what the machine made of it.
fn less_the_machine(ketch: &Ketch, wait: impl FnOnce() -> Duration) -> Duration {
    let before = kept_waiting(ketch);
    wait().saturating_sub(kept_waiting(ketch) - before)
}

/// Asks and counts until it is over; the longest wait for an answer.
fn load(ketch: &Ketch, number: u64, over: &AtomicBool, answers: &AtomicU64) -> Duration {
    let mut client = ketch.connect();
    let mut random = Rng::with_seed(number);
    let mut longest = Duration::ZERO;
    warm_up(&mut client);
    while !over.load(SeqCst) {
        let asked: Vec<_> = (0..WINDOW).map(|_| Asked::any(&mut random)).collect();
        let wait = less_the_machine(ketch, || {
            let begin = Instant::now();
            client.say(asked.iter().map(Asked::spelled).collect::<String>());
            asked.iter().for_each(|asked| asked.hear(&mut client));
            begin.elapsed()
        });
        longest = longest.max(wait);
        answers.fetch_add(WINDOW as u64, SeqCst);
    }
    client.say("mn\r\n");
    assert_eq!(client.line(), "MN", "an answer that nobody asked for");
    longest
}

/// Of a new client, four reads are accepted at once until it has had answers: those behind them would have their time
/// later, where a node says nothing.
fn warm_up(client: &mut Client) {
    client.say((0..4).map(|number| format!("get warm{number}\r\n")).collect::<String>() + "mn\r\n");
    while client.line() != "MN" {}
}

/// A command that waits for its answer.
enum Asked {
    Get(Vec<String>),
    MetaGet(String, u32),
    Line(String, &'static [&'static str]),
}

impl Asked {
    fn any(random: &mut Rng) -> Self {
        let key = |random: &mut Rng| format!("key{}", random.u8(0..30));
        let k = key(random);
        match random.u8(0..12) {
            0..=3 => Self::Get(vec![k]),
            4 => Self::Get((0..6).map(|number| format!("key{number}")).collect()),
            5 | 6 => Self::MetaGet(k, random.u32(..)),
            7 => Self::Line(format!("set {k} 0 0 {}\r\n{k}\r\n", k.len()), &["STORED"]),
            8 => Self::Line(format!("delete {k}\r\n"), &["DELETED", "NOT_FOUND"]),
            9 => Self::Line(format!("incr {k} 1\r\n"), &["1", "NOT_FOUND", "CLIENT_ERROR cannot increment"]),
            10 => Self::Line(format!("touch {k} 100\r\n"), &["TOUCHED", "NOT_FOUND"]),
            _ => Self::Line(format!("add {k} 0 0 {}\r\n{k}\r\n", k.len()), &["STORED", "NOT_STORED"]),
        }
    }

    fn spelled(&self) -> String {
        match self {
            Self::Get(keys) => format!("get {}\r\n", keys.join(" ")),
            Self::MetaGet(key, opaque) => format!("mg {key} O{opaque}\r\n"),
            Self::Line(line, _) => line.clone(),
        }
    }

    /// Reads the whole answer, or the one line that says why there is none.
    fn hear(&self, client: &mut Client) {
        let line = client.line();
        if line.starts_with("SERVER_ERROR ") {
            return;
        }
        match self {
            Self::Get(keys) => {
                let mut line = line;
                while line != "END" {
                    let key = line.split(' ').nth(1).unwrap_or_default().to_owned();
                    assert!(line.starts_with("VALUE ") && keys.contains(&key), "{line} to get {keys:?}");
                    assert_eq!(client.line(), key);
                    line = client.line();
                }
            }
            Self::MetaGet(key, opaque) => {
                let right = [format!("HD O{opaque}"), format!("EN O{opaque}")];
                assert!(right.contains(&line), "{line} to mg {key} O{opaque}");
            }
            Self::Line(said, right) => {
                assert!(right.iter().any(|start| line.starts_with(start)), "{line} to {said}");
            }
        }
    }
}
