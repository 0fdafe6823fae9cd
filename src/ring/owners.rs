//! The door: from a key to its owner, and to who is next.

use super::hash::{bits, digest};
use super::ketama::Ketama;
use super::rendezvous::Rendezvous;
use super::seen::Seen;
use super::slots::Slots;
use super::subject::Subject;
use crate::model::{Compatibility, Distribution, HashKind, Placement};

/// What a ring knows of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The node string, as [`label`](super::label()) makes it.
    pub label: String,
    /// How much of the keys it gets beside the others: 1 or more.
    pub weight: u32,
}

/// Why there is no ring over some members.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// Nobody to own a key.
    #[error("a pool needs at least one node")]
    NoMembers,
    /// A weight of 0: the node is in the pool and gets no key.
    #[error("the node {label} has weight 0; give it 1 or more, or take it out")]
    ZeroWeight {
        /// Its node string.
        label: String,
    },
    /// Two nodes with one string would have the same points, so that the second got no key.
    #[error("two nodes have the string {label} in their points; give them different names")]
    SameLabel {
        /// The string.
        label: String,
    },
}

/// Who owns which key, over a fixed list of members. Members are their index in that list.
pub struct Ring {
    subject: Subject,
    hash: HashKind,
    members: usize,
    algorithm: Algorithm,
}

enum Algorithm {
    /// One member owns all.
    Only,
    Ketama(Ketama),
    Modula(Slots, Rendezvous),
    Jump(Slots, Rendezvous),
    Rendezvous(Rendezvous, Vec<f64>),
}

impl Ring {
    /// Builds the ring of `members`, whose order decides with modula and jump (but for twemproxy, which sorts them).
    ///
    /// The profiles libmemcached, libmemcached-weighted and spymemcached ignore weights but under ketama,
    /// as those programs do.
    ///
    /// # Errors
    /// [`RingError`] when there is no member, a weight is 0, or two labels are equal under ketama or rendezvous.
    pub fn new(placement: &Placement, members: &[Member]) -> Result<Self, RingError> {
        validate(placement.distribution, members)?;
        let order = order(placement, members);
        let rendezvous = || Rendezvous::new(members.iter().map(|member| (member.label.as_str(), member.weight)));
        let slots = || Slots::new(&order, |member| slot_weight(placement, &members[member]));
        let algorithm = match placement.distribution {
            _ if members.len() == 1 => Algorithm::Only,
            Distribution::Ketama => Algorithm::Ketama(Ketama::new(placement, members, &order)),
            Distribution::Modula => Algorithm::Modula(slots(), rendezvous()),
            Distribution::Jump => Algorithm::Jump(slots(), rendezvous()),
            Distribution::Rendezvous => Algorithm::Rendezvous(rendezvous(), weight_shares(members)),
        };
        Ok(Self { subject: Subject::new(placement), hash: placement.hash, members: members.len(), algorithm })
    }

    /// The number that places `key`, out of what is left of it by the prefix and the hash tag.
    ///
    /// 0 when there is one member, since nothing hangs on it. Allocation-free.
    #[inline]
    #[must_use]
    pub fn hash(&self, key: &[u8]) -> u64 {
        match self.algorithm {
            Algorithm::Only => 0,
            _ => digest(self.hash, self.subject.of(key)),
        }
    }

    /// What of `key` is hashed: all of it, but for the prefix that is stripped and what stands around a hash tag.
    #[must_use]
    pub fn subject<'key>(&self, key: &'key [u8]) -> &'key [u8] {
        self.subject.of(key)
    }

    /// Who owns the keys with this [`Ring::hash`]. Allocation-free; at most one binary search for ketama and modula, O(log
    /// slots) for jump, O(members) for rendezvous.
    ///
    /// Ketama and modula look at the whole of a 32-bit hash; of xxh3, ketama takes the low 32 bits and modula all 64. Rendezvous
    /// draws from the key's hash rather than the key, so that two keys with one hash have one owner.
    #[inline]
    #[must_use]
    pub fn owner(&self, hash: u64) -> usize {
        match &self.algorithm {
            Algorithm::Only => 0,
            Algorithm::Ketama(ketama) => ketama.owner(hash as u32),
            Algorithm::Modula(slots, _) => slots.modula(hash),
            Algorithm::Jump(slots, _) => slots.jump(hash),
            Algorithm::Rendezvous(rendezvous, _) => rendezvous.owner(hash),
        }
    }

    /// Every member once: the owner first, then where the key goes next if all before are out.
    ///
    /// Ketama goes on along the circle to the next point of somebody new; a member too light to have a point comes
    /// last. Rendezvous gives the next highest draw. Modula and jump give the rest by highest random weight too: a
    /// member's keys go to all others, in proportion to their weights, and nobody else's key moves.
    ///
    /// The first step costs what [`Ring::owner`] costs; each later one a few binary searches for ketama, O(members) for
    /// the rest. Allocation-free up to 256 members.
    pub fn walk(&self, hash: u64) -> impl Iterator<Item = usize> + '_ {
        Walk { ring: self, hash, at: hash as u32, seen: Seen::new(self.members) }
    }

    /// The share of the key space that each member owns, in the order of the list; the sum is 1.
    ///
    /// Exact for ketama (its arcs) and modula over the values that the hash can take, so that the 15 bits of `crc32`
    /// show. For jump and rendezvous the share of the weights, which is what they tend to.
    #[must_use]
    pub fn shares(&self) -> Vec<f64> {
        match &self.algorithm {
            Algorithm::Only => vec![1.0],
            Algorithm::Ketama(ketama) => ketama.shares(self.members, bits(self.hash)),
            Algorithm::Modula(slots, _) => slots.modula_shares(self.members, bits(self.hash)),
            Algorithm::Jump(slots, _) => slots.jump_shares(self.members),
            Algorithm::Rendezvous(_, shares) => shares.clone(),
        }
    }

    /// The point that owns this hash, where the distribution has points.
    #[must_use]
    pub fn point(&self, hash: u64) -> Option<u32> {
        match &self.algorithm {
            Algorithm::Ketama(ketama) => Some(ketama.find(hash as u32).0),
            _ => None,
        }
    }

    /// How many bits the circle has on which both rings place every key alike; `None` where there is none.
    pub(super) fn common_circle(&self, other: &Self) -> Option<u32> {
        let (one, two) = match (&self.algorithm, &other.algorithm) {
            (Algorithm::Only, Algorithm::Only) => return Some(0),
            (Algorithm::Only, Algorithm::Ketama(_)) => (other, other),
            (Algorithm::Ketama(_), Algorithm::Only) => (self, self),
            (Algorithm::Ketama(_), Algorithm::Ketama(_)) => (self, other),
            _ => return None,
        };
        (one.hash == two.hash && one.subject == two.subject).then(|| bits(one.hash).min(32))
    }

    /// On such a circle: where the arc ends that `start` is on (the next one begins there), and who owns it.
    pub(super) fn arc(&self, start: u64) -> (u64, usize) {
        match &self.algorithm {
            Algorithm::Ketama(ketama) => ketama.arc(start),
            _ => (u64::MAX, 0),
        }
    }

    /// How many members there are: 1 or more.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a ring is never empty")]
    pub fn len(&self) -> usize {
        self.members
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring({} members)", self.members)
    }
}

struct Walk<'ring> {
    ring: &'ring Ring,
    hash: u64,
    /// Ketama: where on the circle to go on.
    at: u32,
    seen: Seen,
}

impl Iterator for Walk<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let next = match &self.ring.algorithm {
            Algorithm::Ketama(ketama) => ketama.next(&mut self.at, &self.seen).or_else(|| self.lowest_unseen()),
            Algorithm::Modula(_, rest) | Algorithm::Jump(_, rest) if self.seen.count() > 0 => {
                rest.next(self.hash, &self.seen)
            }
            Algorithm::Rendezvous(rendezvous, _) => rendezvous.next(self.hash, &self.seen),
            _ => (self.seen.count() == 0).then(|| self.ring.owner(self.hash)),
        }?;
        self.seen.insert(next);
        Some(next)
    }
}

impl Walk<'_> {
    fn lowest_unseen(&self) -> Option<usize> {
        (0..self.ring.members).find(|member| !self.seen.contains(*member))
    }
}

fn validate(distribution: Distribution, members: &[Member]) -> Result<(), RingError> {
    if members.is_empty() {
        return Err(RingError::NoMembers);
    }
    if let Some(Member { label, .. }) = members.iter().find(|member| member.weight == 0) {
        return Err(RingError::ZeroWeight { label: label.clone() });
    }
    if matches!(distribution, Distribution::Modula | Distribution::Jump) {
        return Ok(());
    }
    let mut labels: Vec<&str> = members.iter().map(|member| member.label.as_str()).collect();
    labels.sort_unstable();
    match labels.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(RingError::SameLabel { label: pair[0].to_owned() }),
        None => Ok(()),
    }
}

/// The order in which a program goes through its nodes: who is first wins a point that two have, and has the first
/// slots of modula.
///
/// twemproxy sorts its servers by the length of their strings, then by bytes (`conf_validate_server`,
/// `string_compare`). spymemcached puts points into a map, so that the last wins. ketch's own ketama takes twemproxy's
/// order, which makes placement a matter of the set of nodes alone.
fn order(placement: &Placement, members: &[Member]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    match (placement.compatibility, placement.distribution) {
        (Compatibility::Twemproxy, _) | (Compatibility::None, Distribution::Ketama) => {
            order.sort_by_key(|member| (members[*member].label.len(), &members[*member].label));
        }
        (Compatibility::Spymemcached, Distribution::Ketama) => order.reverse(),
        _ => {}
    }
    order
}

/// A member's slots under modula and jump. The client libraries' lists know no weights (libmemcached
/// `dispatch_host`, spymemcached `ArrayModNodeLocator`).
fn slot_weight(placement: &Placement, member: &Member) -> u32 {
    match placement.compatibility {
        Compatibility::None | Compatibility::Twemproxy => member.weight,
        Compatibility::Libmemcached | Compatibility::LibmemcachedWeighted | Compatibility::Spymemcached => 1,
    }
}

fn weight_shares(members: &[Member]) -> Vec<f64> {
    let total: f64 = members.iter().map(|member| f64::from(member.weight)).sum();
    members.iter().map(|member| f64::from(member.weight) / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(labels: &[&str]) -> Vec<Member> {
        labels.iter().map(|label| Member { label: (*label).to_owned(), weight: 1 }).collect()
    }

    fn error(distribution: Distribution, members: &[Member]) -> Option<RingError> {
        Ring::new(&Placement { distribution, ..Placement::default() }, members).err()
    }

    #[test]
    fn a_ring_needs_members_with_weights_and_labels_of_their_own() {
        let mut weightless = members(&["a", "b"]);
        weightless[1].weight = 0;
        for distribution in [Distribution::Ketama, Distribution::Modula, Distribution::Jump, Distribution::Rendezvous] {
            assert_eq!(error(distribution, &[]), Some(RingError::NoMembers));
            assert_eq!(error(distribution, &weightless), Some(RingError::ZeroWeight { label: "b".to_owned() }));
        }
        let twice = members(&["a", "b", "a"]);
        let same = Some(RingError::SameLabel { label: "a".to_owned() });
        assert_eq!(error(Distribution::Ketama, &twice), same);
        assert_eq!(error(Distribution::Rendezvous, &twice), same);
        assert_eq!(error(Distribution::Modula, &twice), None);
        assert_eq!(error(Distribution::Jump, &twice), None);
    }

    #[test]
    fn one_member_owns_all_without_work() {
        let ring = Ring::new(&Placement::default(), &members(&["a"])).unwrap();
        assert_eq!(ring.hash(b"key"), 0);
        assert_eq!(ring.walk(7).collect::<Vec<_>>(), [0]);
        assert_eq!((ring.owner(7), ring.point(7), ring.shares(), ring.len()), (0, None, vec![1.0], 1));
    }

    #[test]
    fn the_point_of_a_hash_is_at_or_behind_it_and_has_its_owner() {
        let ring = Ring::new(&Placement::default(), &members(&["a", "b", "c"])).unwrap();
        for hash in [0, 1 << 20, 1 << 31, 0xffff_0000] {
            let point = ring.point(hash).unwrap();
            assert_eq!(ring.owner(point.into()), ring.owner(hash));
            assert_eq!(ring.point(point.into()), Some(point));
            assert!(u64::from(point) >= hash || ring.point(0) == Some(point));
        }
    }

    #[test]
    fn the_owner_of_a_hash_is_that_of_its_point_on_both_sides_of_every_point() {
        for count in [2, 3, 40] {
            let labels: Vec<_> = (0..count).map(|number| format!("node-{number}")).collect();
            let labels: Vec<_> = labels.iter().map(String::as_str).collect();
            let ring = Ring::new(&Placement::default(), &members(&labels)).unwrap();
            let mut at = 0_u32;
            while let Some(point) = ring.point(at.into()).filter(|point| *point >= at && *point < u32::MAX) {
                for hash in [point - 1, point, point + 1] {
                    assert_eq!(ring.walk(hash.into()).next(), Some(ring.owner(hash.into())), "{count}: {hash}");
                }
                at = point + 1;
            }
            for hash in (0..=u32::MAX).step_by(1 << 17).chain([u32::MAX]) {
                assert_eq!(ring.walk(hash.into()).next(), Some(ring.owner(hash.into())), "{count}: {hash}");
            }
        }
    }

    #[test]
    fn a_ring_is_shared_between_threads() {
        fn is_shared<T: Send + Sync>() {}
        is_shared::<Ring>();
    }
}
