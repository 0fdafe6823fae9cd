//! Fifty clients at once on one key: no update is lost, and one wins.

use std::sync::{Arc, Barrier};
use std::thread;

use super::support::redis::{Redis, pool};
use super::support::{Client, Ketch};

const CLIENTS: usize = 50;
const ROUNDS: usize = 40;

/// Runs `work` in fifty clients at once; what each came to.
pub fn at_once<T: Send + 'static>(ketch: &Ketch, work: fn(usize, &mut Client) -> T) -> Vec<T> {
    let (barrier, address) = (Arc::new(Barrier::new(CLIENTS)), ketch.memcached);
    let begin = |number| {
        let barrier = barrier.clone();
        thread::spawn(move || {
            let mut client = Client::connect(address);
            barrier.wait();
            work(number, &mut client)
        })
    };
    let threads: Vec<_> = (0..CLIENTS).map(begin).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

pub fn nothing_is_lost(ketch: &Ketch) {
    let mut client = ketch.connect();
    client.expect("set n 5 0 1\r\n0\r\nset s 6 0 0\r\n\r\nset c 7 0 1\r\n0\r\n", "STORED\r\nSTORED\r\nSTORED\r\n");

    let mut seen: Vec<u64> =
        at_once(ketch, |_, client| (0..ROUNDS).map(|_| client.ask("incr n 1").parse().unwrap()).collect::<Vec<u64>>())
            .concat();
    seen.sort_unstable();
    assert_eq!(seen, (1..=(CLIENTS * ROUNDS) as u64).collect::<Vec<_>>());

    at_once(ketch, |number, client| {
        for _ in 0..ROUNDS {
            client.expect(format!("append s 0 0 3\r\n{number:02},\r\n"), "STORED\r\n");
        }
    });
    client.say("get s\r\n");
    assert_eq!(client.line(), format!("VALUE s 6 {}", 3 * CLIENTS * ROUNDS));
    let value = client.bytes(3 * CLIENTS * ROUNDS);
    client.expect("", "\r\nEND\r\n");
    for number in 0..CLIENTS {
        let mine = format!("{number:02},");
        assert_eq!(value.chunks(3).filter(|chunk| *chunk == mine.as_bytes()).count(), ROUNDS, "{mine}");
    }

    let tries = at_once(ketch, |_, client| {
        let mut tries = 0;
        for _ in 0..10 {
            loop {
                tries += 1;
                client.say("gets c\r\n");
                let head = client.line();
                let token = head.rsplit(' ').next().unwrap().to_owned();
                let number: u64 = client.line().parse().unwrap();
                assert_eq!(client.line(), "END");
                let next = (number + 1).to_string();
                let stored = client.ask(&format!("cas c 7 0 {} {token}\r\n{next}", next.len()));
                match stored.as_str() {
                    "STORED" => break,
                    "EXISTS" => {}
                    other => panic!("{other}"),
                }
            }
        }
        tries
    });
    client.expect("get c\r\n", "VALUE c 7 3\r\n500\r\nEND\r\n");
    assert!(tries.iter().sum::<usize>() > 500, "nobody ever lost: the clients did not meet");
}

pub fn one_wins(ketch: &Ketch) {
    for round in 0..5 {
        ketch.connect().ask("delete a");
        let won = at_once(ketch, |number, client| client.ask(&format!("add a 0 0 2\r\n{number:02}")) == "STORED");
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "round {round}");
        let winner = won.iter().position(|won| *won).unwrap();
        ketch.connect().expect("get a\r\n", format!("VALUE a 0 2\r\n{winner:02}\r\nEND\r\n"));
    }
}

#[test]
fn fifty_clients_on_one_key() {
    let nodes: [_; 4] = std::array::from_fn(|_| Redis::start());
    let ketch = Ketch::start(&(pool(&nodes, "") + "workers: 2\n"));
    nothing_is_lost(&ketch);
    one_wins(&ketch);
}
