//! From a key to its owner.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ketch::model::{Distribution, HashKind, Placement};
use ketch::ring::{Member, Ring, digest};

use crate::sample::name;

const HASHES: [(&str, HashKind); 13] = [
    ("md5", HashKind::Md5),
    ("fnv1_64", HashKind::Fnv1_64),
    ("fnv1a_64", HashKind::Fnv1a64),
    ("fnv1_32", HashKind::Fnv1_32),
    ("fnv1a_32", HashKind::Fnv1a32),
    ("crc16", HashKind::Crc16),
    ("crc32", HashKind::Crc32),
    ("crc32a", HashKind::Crc32a),
    ("hsieh", HashKind::Hsieh),
    ("murmur", HashKind::Murmur),
    ("jenkins", HashKind::Jenkins),
    ("one_at_a_time", HashKind::OneAtATime),
    ("xxh3", HashKind::Xxh3),
];
const DISTRIBUTIONS: [(&str, Distribution); 4] = [
    ("ketama", Distribution::Ketama),
    ("modula", Distribution::Modula),
    ("jump", Distribution::Jump),
    ("rendezvous", Distribution::Rendezvous),
];
/// More than a branch predictor learns by heart.
const KEYS: usize = 4096;

/// Every hash, of a key of 16 bytes and of one of 200.
pub fn hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash");
    for size in [16usize, 200] {
        let key = name(1).repeat(size.div_ceil(16));
        let key = &key.as_bytes()[..size];
        for (name, kind) in HASHES {
            group.bench_function(format!("{name}, {size} bytes"), |bencher| {
                bencher.iter(|| digest(kind, black_box(key)));
            });
        }
    }
}

/// The owner of a hash under every distribution, and who is next when the owner is out.
pub fn look_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    for (name, distribution) in DISTRIBUTIONS {
        for nodes in [4, 64] {
            let ring = ring(distribution, nodes);
            let hashes: Vec<u64> = (0..KEYS).map(|number| ring.hash(self::name(number).as_bytes())).collect();
            group.throughput(Throughput::Elements(KEYS as u64));
            group.bench_function(format!("{name}, owner among {nodes}"), |bencher| {
                bencher.iter(|| hashes.iter().map(|hash| ring.owner(*hash)).sum::<usize>());
            });
            group.bench_function(format!("{name}, next among {nodes}"), |bencher| {
                bencher.iter(|| hashes.iter().filter_map(|hash| ring.walk(*hash).nth(1)).sum::<usize>());
            });
        }
    }
}

fn ring(distribution: Distribution, nodes: usize) -> Ring {
    let member = |number| Member { label: format!("10.0.0.{number}"), weight: 1 };
    let members: Vec<Member> = (0..nodes).map(member).collect();
    Ring::new(&Placement { distribution, ..Placement::default() }, &members).expect("members differ")
}
