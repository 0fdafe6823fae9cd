//! The node lists and the keys.

use std::collections::HashSet;
use std::fmt;

use ketch::model::{Compatibility, Distribution, Endpoint, HashKind, Placement};
use ketch::ring::{Member, Ring, label};

/// Sizes of the node lists: in equal pools of 25 and 47 the single precision of ketama shows.
pub const SIZES: [usize; 6] = [1, 2, 3, 4, 25, 47];

/// The hashes by the names they have in a configuration.
pub const HASHES: [(&str, HashKind); 12] = [
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
];

const KEYS: usize = 2000;

pub struct Case {
    pub compatibility: Compatibility,
    pub distribution: Distribution,
    pub hash: HashKind,
    pub weighted: bool,
    pub nodes: usize,
}

pub struct Node {
    /// twemproxy only.
    pub name: Option<String>,
    pub endpoint: Endpoint,
    pub weight: u32,
}

/// ketama and modula, each hash, with and without weights, each size.
pub fn twemproxy() -> Vec<Case> {
    let every = |distribution| product(Compatibility::Twemproxy, distribution, |_| true);
    [every(Distribution::Ketama), every(Distribution::Modula)].concat()
}

/// The default (modula) and plain ketama with each hash that libmemcached has, and weighted ketama.
pub fn libmemcached() -> Vec<Case> {
    // Debian's build has no hsieh, and crc16 and crc32a are twemproxy's.
    let theirs = |hash| !matches!(hash, HashKind::Crc16 | HashKind::Crc32a | HashKind::Hsieh);
    [
        product(Compatibility::Libmemcached, Distribution::Modula, theirs),
        product(Compatibility::Libmemcached, Distribution::Ketama, theirs),
        product(Compatibility::LibmemcachedWeighted, Distribution::Ketama, theirs),
    ]
    .concat()
}

/// `ArrayModNodeLocator` and `KetamaNodeLocator` with each hash that both have.
pub fn spymemcached() -> Vec<Case> {
    let theirs = |hash| {
        use HashKind::{Crc32, Fnv1_32, Fnv1_64, Fnv1a32, Fnv1a64, Md5};
        matches!(hash, Md5 | Crc32 | Fnv1_32 | Fnv1_64 | Fnv1a32 | Fnv1a64)
    };
    let every = |distribution| product(Compatibility::Spymemcached, distribution, theirs);
    [every(Distribution::Modula), every(Distribution::Ketama)].concat()
}

fn product(compatibility: Compatibility, distribution: Distribution, has: impl Fn(HashKind) -> bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for (_, hash) in HASHES.into_iter().filter(|(_, hash)| has(*hash)) {
        for weighted in [false, true] {
            cases.extend(SIZES.map(|nodes| Case { compatibility, distribution, hash, weighted, nodes }));
        }
    }
    cases
}

impl Case {
    /// The list, in an order that no sorting would give.
    pub fn list(&self) -> Vec<Node> {
        (0..self.nodes).map(|index| self.node(index)).collect()
    }

    fn node(&self, index: usize) -> Node {
        let number = (index * 31 + 7) % 97;
        let weight = if self.weighted { [1, 4, 2, 3, 1, 7][index % 6] } else { 1 };
        let endpoint = match self.compatibility {
            Compatibility::Libmemcached | Compatibility::LibmemcachedWeighted if index % 7 == 6 => {
                Endpoint::Unix(format!("/run/{number}.sock").into())
            }
            _ => Endpoint::Tcp { host: format!("10.0.0.{number}"), port: [11211, 11212][index % 2] },
        };
        let name = (self.compatibility == Compatibility::Twemproxy).then(|| format!("cache-{number}"));
        Node { name, endpoint, weight }
    }

    pub fn ring(&self) -> Ring {
        let member = |node: Node| Member {
            label: label(&node.endpoint, node.name.as_deref(), self.compatibility),
            weight: node.weight,
        };
        let members: Vec<Member> = self.list().into_iter().map(member).collect();
        let placement = Placement {
            distribution: self.distribution,
            hash: self.hash,
            compatibility: self.compatibility,
            ..Placement::default()
        };
        Ring::new(&placement, &members).unwrap()
    }

    /// ketch's owner of each key.
    pub fn owners(&self, keys: &[Vec<u8>]) -> Vec<usize> {
        let ring = self.ring();
        keys.iter().map(|key| ring.owner(ring.hash(key))).collect()
    }

    pub fn hash_name(&self) -> &'static str {
        HASHES.iter().find(|(_, hash)| *hash == self.hash).unwrap().0
    }

    pub fn distribution_name(&self) -> &'static str {
        match (self.compatibility, self.distribution) {
            (Compatibility::LibmemcachedWeighted, _) => "ketama_weighted",
            (_, Distribution::Ketama) => "ketama",
            (_, Distribution::Modula) => "modula",
            (_, Distribution::Jump | Distribution::Rendezvous) => unreachable!("none of the programs has it"),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weights = if self.weighted { "weights" } else { "equal" };
        write!(f, "{} {} {weights} {}", self.distribution_name(), self.hash_name(), self.nodes)
    }
}

impl Clone for Case {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

/// 2,000 different keys of 1 to 250 bytes, a third of them with bytes ≥ 0x80; spymemcached, which hashes Java
/// strings, gets those that are ASCII.
pub fn keys(program: &str) -> Vec<Vec<u8>> {
    let mut random = Random(2);
    let mut seen = HashSet::new();
    let all = std::iter::from_fn(|| Some(key(&mut random))).filter(|key| seen.insert(key.clone()));
    let fit = all.filter(|key| program != "spymemcached" || key.is_ascii());
    fit.take(KEYS).collect()
}

fn key(random: &mut Random) -> Vec<u8> {
    match random.below(6) {
        0 => format!("user:{}:profile", random.below(100_000)).into_bytes(),
        1 => format!("{:x}", random.below(1 << 12)).into_bytes(),
        2 => format!("{:016x}", random.next()).into_bytes(),
        3 => bytes(random, 24, b'!'..=b'~'),
        4 => bytes(random, 250, b'!'..=0xff),
        _ => bytes(random, 24, 0x80..=0xff),
    }
}

fn bytes(random: &mut Random, longest: u64, range: std::ops::RangeInclusive<u8>) -> Vec<u8> {
    let len = 1 + random.below(longest);
    let byte = |random: &mut Random| range.start() + random.below(u64::from(range.end() - range.start()) + 1) as u8;
    (0..len).map(|_| byte(random)).map(|byte| if byte == 0x7f { b'~' } else { byte }).collect()
}

/// splitmix64 (Steele, Lea and Flood, 2014): the keys are the same everywhere and for ever.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
