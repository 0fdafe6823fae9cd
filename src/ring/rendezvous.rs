//! Highest random weight (Thaler and Ravishankar, 1998): each member draws a number for the key's hash, and
//! the highest wins.

use super::seen::Seen;

/// The seeds and weights of the members.
///
/// A member's draw is `-weight / ln(u)`, `u` uniform in (0, 1) out of the key's 64-bit hash and the member's label: it
/// wins in proportion to its weight (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005, the logarithmic
/// method). Two programs place a key alike unless two draws are within the rounding of their `ln`, some one key in 10¹⁵.
pub(super) struct Rendezvous {
    seeds: Vec<u64>,
    /// Empty when all weights are the same: then the numbers are compared as they are drawn.
    weights: Vec<f64>,
}

impl Rendezvous {
    pub(super) fn new<'member>(members: impl Iterator<Item = (&'member str, u32)>) -> Self {
        let (seeds, mut weights): (Vec<u64>, Vec<f64>) =
            members.map(|(label, weight)| (xxhash_rust::xxh3::xxh3_64(label.as_bytes()), f64::from(weight))).unzip();
        if weights.iter().all(|weight| *weight == weights[0]) {
            weights.clear();
        }
        Self { seeds, weights }
    }

    /// Who wins `hash` among all. O(members).
    #[inline]
    pub(super) fn owner(&self, hash: u64) -> usize {
        self.best(hash, |_| true).unwrap_or(0)
    }

    /// Who wins `hash` among those who are not in `seen`. O(members).
    pub(super) fn next(&self, hash: u64, seen: &Seen) -> Option<usize> {
        self.best(hash, |member| !seen.contains(member))
    }

    fn best(&self, hash: u64, admitted: impl Fn(usize) -> bool) -> Option<usize> {
        let members = (0..self.seeds.len()).filter(|member| admitted(*member));
        let draws = members.map(|member| (member, mix(hash ^ self.seeds[member])));
        match self.weights.is_empty() {
            true => highest(draws),
            false => highest(draws.map(|(member, draw)| (member, score(draw, self.weights[member])))),
        }
    }
}

/// Who has the highest number; of equals, which only equal labels have, the first.
fn highest<N: PartialOrd>(numbers: impl Iterator<Item = (usize, N)>) -> Option<usize> {
    let best = numbers.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(member, _)| member)
}

/// Stafford's mix 13, the finaliser of splitmix64: every bit of the result hangs on every bit of `x`.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn score(draw: u64, weight: f64) -> f64 {
    let uniform = ((draw >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -weight / uniform.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_weights_are_compared_as_the_logarithms_would() {
        let labels = ["a", "b", "c", "d", "e"];
        let plain = Rendezvous::new(labels.iter().map(|label| (*label, 3)));
        for hash in 0..10_000 {
            let scores = plain.seeds.iter().map(|seed| score(mix(hash ^ seed), 3.0)).enumerate();
            assert_eq!(Some(plain.owner(hash)), highest(scores));
        }
    }
}
