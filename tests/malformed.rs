//! Promise: no input makes ketch panic, hang, grow, or disturb another client.
//!
//! Ten million bytes of malformed input on several connections, beside a good one that must not notice.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use support::load::Lag;
use support::{Client, Ketch, Memcached, PATIENCE, seed};

/// All connections together.
const BYTES: u64 = 10_000_000;
/// Said before memory is first measured, so that buffers and tables have their size.
const WARM_UP: u64 = 1_000_000;
const CONNECTIONS: u64 = 6;
/// How much more memory ketch may hold after than before: what allocators keep, not what input leaves behind.
const GROWTH: u64 = 8 << 20;
/// How long the good connection may wait for two answers, beside what the machine is late by.
const DISTURBED: Duration = Duration::from_secs(2);

#[test]
fn over_memcached_malformed_input_harms_nobody() {
    let node = Memcached::start();
    harms_nobody(&Ketch::over(std::slice::from_ref(&node)));
}

#[test]
fn over_a_store_malformed_input_harms_nobody() {
    // So little memory that what the input happens to store is no growth.
    harms_nobody(&Ketch::start(
        "pools: { main: { protocol: embedded, nodes: [a], memory: 2MiB } }\nroutes: [{ pool: main }]",
    ));
}

fn harms_nobody(ketch: &Ketch) {
    let seed = seed();
    let over = AtomicBool::new(false);
    let answered = std::thread::scope(|scope| {
        let good = scope.spawn(|| good_client(ketch.memcached, &over));
        // The good client must not go on for ever when an assertion here fails.
        let _end = End(&over);
        assail(ketch.memcached, seed, WARM_UP);
        let before = resident(ketch.process.id());
        assail(ketch.memcached, seed + 1, BYTES);
        let after = resident(ketch.process.id());
        assert!(after < before + GROWTH, "grew from {before} to {after} bytes");
        over.store(true, Ordering::Relaxed);
        good.join().unwrap()
    });
    println!("{answered} answers on the good connection");
    assert!(answered > 20, "the good connection had only {answered} answers");
    assert!(!ketch.log().contains("panicked"), "{}", ketch.log());
    ketch.connect().expect("mn\r\n", "MN\r\n");
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sets and gets until it is over; every answer must be its own, and soon.
fn good_client(address: SocketAddr, over: &AtomicBool) -> u64 {
    let mut client = Client::connect(address);
    let (mut answered, lag) = (0, Lag::start());
    while !over.load(Ordering::Relaxed) {
        let value = format!("value {answered}");
        let start = Instant::now();
        client.expect(format!("set untouched 0 0 {}\r\n{value}\r\n", value.len()), "STORED\r\n");
        client.expect("get untouched\r\n", format!("VALUE untouched 0 {}\r\n{value}\r\nEND\r\n", value.len()));
        let waited = start.elapsed();
        assert!(waited < DISTURBED || waited < DISTURBED + 2 * lag.of_an_answer(start), "waited {waited:?}");
        answered += 2;
    }
    answered
}

/// Says `bytes` of malformed input over several connections, each as long as it is let.
fn assail(address: SocketAddr, seed: u64, bytes: u64) {
    let said = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let said = &said;
            scope.spawn(move || {
                let mut random = Rng::with_seed(seed * 1000 + number);
                while said.load(Ordering::Relaxed) < bytes {
                    said.fetch_add(one_connection(address, &mut random), Ordering::Relaxed);
                }
            });
        }
    });
}

/// Talks until the server closes or enough is said, and hears everything to its end.
fn one_connection(address: SocketAddr, random: &mut Rng) -> u64 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut ear = stream.try_clone().unwrap();
    let listener = std::thread::spawn(move || {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            match ear.read(&mut chunk) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => panic!("hangs: {error}"),
                Err(_) => return,
            }
        }
    });
    let mut said = 0;
    for _ in 0..random.usize(1..60) {
        let bytes = malformed(random);
        if stream.write_all(&bytes).is_err() {
            break;
        }
        said += bytes.len() as u64;
    }
    let _ = stream.shutdown(Shutdown::Write);
    listener.join().unwrap();
    said
}

/// A few kilobytes of what no client should say. Never `flush_all`, which the good client would notice.
fn malformed(random: &mut Rng) -> Vec<u8> {
    const WORDS: [&[u8]; 44] = [
        b"get",
        b"gets",
        b"gat",
        b"set",
        b"add",
        b"cas",
        b"append",
        b"delete",
        b"incr",
        b"touch",
        b"mg",
        b"ms",
        b"md",
        b"ma",
        b"me",
        b"mn",
        b"stats",
        b"version",
        b"noreply",
        b"k",
        b"key",
        b"0",
        b"1",
        b"-1",
        b"3",
        b"10",
        b"70000",
        b"1048577",
        b"4294967295",
        b"18446744073709551616",
        b"b",
        b"k",
        b"q",
        b"v",
        b"O1",
        b"T0",
        b"N30",
        b"S0VZ",
        b"=",
        b"\0",
        b"\t",
        b"\x80",
        b"VALUE k 0 3",
        b"HTTP/1.1",
    ];
    let mut bytes = Vec::new();
    let length = random.usize(1..4000);
    match random.u8(0..8) {
        0 => bytes.extend((0..length).map(|_| random.u8(..))),
        1 => bytes.extend((0..length).map(|_| b"\r\n \0mgset10"[random.usize(0..11)])),
        2 => bytes.resize(length * 8, random.u8(..)),
        _ => {
            while bytes.len() < length {
                bytes.extend_from_slice(WORDS[random.usize(0..WORDS.len())]);
                match random.u8(0..12) {
                    0 => bytes.push(b'\n'),
                    1..=3 => bytes.extend_from_slice(b"\r\n"),
                    4 => bytes.push(random.u8(..)),
                    5 => bytes.extend_from_slice(&[b'x'; 251]),
                    _ => bytes.push(b' '),
                }
            }
        }
    }
    bytes
}

/// Resident bytes of a process.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("ketch lives");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a process has memory");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("in kB");
    kilobytes * 1024
}
