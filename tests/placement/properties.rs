//! What holds of every ring: everybody is on the walk, an absence moves only the keys of who is absent, shares tell
//! the truth.

use ketch::model::{Compatibility, Distribution, HashKind, Placement};
use ketch::ring::{Member, Ring};

use super::cases::Random;

const DISTRIBUTIONS: [Distribution; 4] =
    [Distribution::Ketama, Distribution::Modula, Distribution::Jump, Distribution::Rendezvous];

#[test]
fn a_walk_gives_every_member_once_and_the_owner_first() {
    for (ring, name) in rings() {
        let mut random = Random(11);
        for _ in 0..200 {
            let hash = random.next() >> (random.next() % 64);
            let walk: Vec<usize> = ring.walk(hash).collect();
            assert_eq!(walk[0], ring.owner(hash), "{name}");
            let mut sorted = walk.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..ring.len()), "{name}: {walk:?}");
        }
    }
}

#[test]
fn a_member_without_a_point_comes_last() {
    let ring = ring(Distribution::Ketama, HashKind::Xxh3, &[1, 1000, 1000]);
    assert_eq!(ring.shares()[0], 0.0);
    for hash in 0..100 {
        assert_eq!(ring.walk(hash << 25).last(), Some(0));
    }
}

#[test]
fn a_member_that_leaves_moves_only_its_own_keys() {
    // Equal weights for ketama, where a change of the total changes everybody's number of points.
    for (distribution, weights) in [
        (Distribution::Ketama, [1; 9]),
        (Distribution::Rendezvous, [1; 9]),
        (Distribution::Rendezvous, [1, 5, 2, 1, 9, 3, 1, 1, 4]),
    ] {
        let whole = ring(distribution, HashKind::Xxh3, &weights);
        for gone in 0..weights.len() {
            let mut members = members(&weights);
            members.remove(gone);
            let rest = Ring::new(&placement(distribution, HashKind::Xxh3), &members).unwrap();
            for hash in hashes(&whole, 3000) {
                // The walk around it, and the ring without it, agree on who is next.
                let expected = whole.walk(hash).find(|member| *member != gone).unwrap();
                let owner = rest.owner(hash);
                assert_eq!(owner + usize::from(owner >= gone), expected, "{distribution:?} without {gone}");
            }
        }
    }
}

#[test]
fn jump_moves_only_the_keys_of_the_last() {
    for weights in [&[1; 12][..], &[2, 1, 5, 1, 3]] {
        let (last, others) = weights.split_last().unwrap();
        let (whole, rest) =
            (ring(Distribution::Jump, HashKind::Xxh3, weights), ring(Distribution::Jump, HashKind::Xxh3, others));
        let hashes = hashes(&whole, 20_000);
        let moved = hashes.iter().filter(|hash| whole.owner(**hash) != rest.owner(**hash)).count();
        let lasts = hashes.iter().filter(|hash| whole.owner(**hash) == others.len()).count();
        assert_eq!(moved, lasts);
        let expected = f64::from(*last) / f64::from(weights.iter().sum::<u32>());
        near("jump", lasts as f64 / hashes.len() as f64, expected, hashes.len());
    }
}

/// What the members who are left get of the keys of one who is out.
#[test]
fn the_keys_of_a_member_that_is_out_are_spread() {
    let weights = [1, 2, 3, 1, 2, 3, 1, 4];
    let out = 4;
    for distribution in [Distribution::Modula, Distribution::Jump, Distribution::Rendezvous] {
        for hash in [HashKind::Xxh3, HashKind::OneAtATime] {
            let ring = ring(distribution, hash, &weights);
            let hashes: Vec<u64> = hashes(&ring, 60_000).into_iter().filter(|hash| ring.owner(*hash) == out).collect();
            let mut counts = [0; 8];
            hashes.iter().for_each(|hash| counts[ring.walk(*hash).nth(1).unwrap()] += 1);
            assert_eq!(counts[out], 0);
            let total: u32 = weights.iter().sum::<u32>() - weights[out];
            for member in (0..weights.len()).filter(|member| *member != out) {
                let expected = f64::from(weights[member]) / f64::from(total);
                let name = format!("{distribution:?} {hash:?} member {member}");
                near(&name, f64::from(counts[member]) / hashes.len() as f64, expected, hashes.len());
            }
        }
    }
}

#[test]
fn shares_sum_to_one_and_match_a_sample() {
    for (ring, name) in rings() {
        let shares = ring.shares();
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{name}: {shares:?}");
        let hashes = hashes(&ring, 40_000);
        let mut counts = vec![0_u32; ring.len()];
        hashes.iter().for_each(|hash| counts[ring.owner(*hash)] += 1);
        for (count, share) in counts.iter().zip(&shares) {
            near(&name, f64::from(*count) / hashes.len() as f64, *share, hashes.len());
        }
    }
}

/// twemproxy sorts its servers; ketch's own ketama does not hang on the order either.
#[test]
fn the_order_of_the_list_does_not_matter_to_ketama() {
    for compatibility in [Compatibility::None, Compatibility::Twemproxy] {
        let placement = Placement { compatibility, ..placement(Distribution::Ketama, HashKind::Murmur) };
        let forwards = members(&[1, 3, 2, 5, 1, 1, 4]);
        let backwards: Vec<Member> = forwards.iter().cloned().rev().collect();
        let one = Ring::new(&placement, &forwards).unwrap();
        let other = Ring::new(&placement, &backwards).unwrap();
        for hash in hashes(&one, 5000) {
            assert_eq!(one.owner(hash), forwards.len() - 1 - other.owner(hash));
        }
    }
}

/// Every distribution over 2, 5 and 47 members, with and without weights, with a wide, a usual and a narrow hash.
fn rings() -> Vec<(Ring, String)> {
    let mut rings = Vec::new();
    for distribution in DISTRIBUTIONS {
        for hash in [HashKind::Xxh3, HashKind::OneAtATime, HashKind::Crc32] {
            for size in [2, 5, 47] {
                for weights in [vec![2; size], (0..size).map(|index| 1 + (index as u32 * 5) % 7).collect()] {
                    // Jump and rendezvous share by weight when a hash has bits enough.
                    let narrow = hash == HashKind::Crc32 && size == 47;
                    if !narrow || matches!(distribution, Distribution::Ketama | Distribution::Modula) {
                        let name = format!("{distribution:?} {hash:?} {weights:?}");
                        rings.push((ring(distribution, hash, &weights), name));
                    }
                }
            }
        }
    }
    rings
}

fn ring(distribution: Distribution, hash: HashKind, weights: &[u32]) -> Ring {
    Ring::new(&placement(distribution, hash), &members(weights)).unwrap()
}

fn placement(distribution: Distribution, hash: HashKind) -> Placement {
    Placement { distribution, hash, ..Placement::default() }
}

fn members(weights: &[u32]) -> Vec<Member> {
    let member = |(index, weight): (usize, &u32)| Member { label: format!("cache-{index}"), weight: *weight };
    weights.iter().enumerate().map(member).collect()
}

/// The hashes of so many keys.
fn hashes(ring: &Ring, count: usize) -> Vec<u64> {
    let mut random = Random(5);
    (0..count).map(|_| ring.hash(&random.next().to_le_bytes())).collect()
}

/// Whether a share of `count` samples is within five standard deviations of the share that is expected.
fn near(name: &str, sampled: f64, expected: f64, count: usize) {
    let deviation = (expected * (1.0 - expected) / count as f64).sqrt();
    assert!((sampled - expected).abs() <= 5.0 * deviation + 1e-4, "{name}: {sampled} where {expected} is expected");
}
