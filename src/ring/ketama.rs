//! Points on a circle of 2³² (Richard Jones, libketama, 2007, as twemproxy and libmemcached have it).
//!
//! Each member has some 160 or 100 points; the owner of a key is the member whose point is the first at or behind
//! the key's hash, past the last one the first of all. The points live in a [`HashRing`], once: it is given a hasher
//! that passes a point through unhashed, and it is walked by asking for what is behind the last point.

use std::hash::{BuildHasherDefault, Hash, Hasher};

use hashring::HashRing;

use super::hash::{digest, quarters};
use super::owners::Member;
use super::seen::Seen;
use crate::model::{Compatibility, HashKind, Placement};

/// The circle.
pub(super) struct Ketama {
    points: HashRing<Point, BuildHasherDefault<PassThrough>>,
    /// How many members have a point: one of very small weight may have none.
    placed: usize,
    sectors: Sectors,
}

/// The circle in a power of two of even parts, some [`PER_POINT`] to a point: who owns the whole of each. A key in one
/// of these, as most keys are, need not be searched for.
struct Sectors {
    /// [`SHARED`] where several members own some of it.
    owners: Box<[u16]>,
    /// How far a position is shifted to give its sector.
    shift: u32,
}

const PER_POINT: usize = 8;
const SHARED: u16 = u16::MAX;

impl Ketama {
    /// Places the points of `members`; where two fall together, the first in `order` keeps its own.
    pub(super) fn new(placement: &Placement, members: &[Member], order: &[usize]) -> Self {
        let rule = Rule::of(placement, members);
        let mut points: Vec<Point> = Vec::new();
        for owner in order {
            let positions = rule.positions(&members[*owner]);
            points.extend(positions.into_iter().map(|at| Point { at, owner: *owner }));
        }
        // A stable sort keeps `order` among equals. HashRing finds any one of equal points, so that but one may stay.
        points.sort_by_key(|point| point.at);
        points.dedup_by_key(|point| point.at);
        let mut placed = Seen::new(members.len());
        points.iter().for_each(|point| placed.insert(point.owner));
        let mut ring = HashRing::with_hasher(BuildHasherDefault::default());
        let sectors = Sectors::new(&points);
        ring.batch_add(points);
        Self { points: ring, placed: placed.count(), sectors }
    }

    /// Who owns the keys whose hash is `at`.
    #[inline]
    pub(super) fn owner(&self, at: u32) -> usize {
        self.sectors.owner(at).unwrap_or_else(|| self.find(at).1)
    }

    /// The point at or behind `at`, and its owner. O(log points).
    #[inline]
    pub(super) fn find(&self, at: u32) -> (u32, usize) {
        // There always is one: the heaviest member has its even part of the points or more.
        self.points.get(&Position(at)).map_or((at, 0), |point| (point.at, point.owner))
    }

    /// From `at` on, the first owner who is not in `seen`; moves `at` behind that point.
    pub(super) fn next(&self, at: &mut u32, seen: &Seen) -> Option<usize> {
        if seen.count() >= self.placed {
            return None;
        }
        for _ in 0..self.points.len() {
            let (point, owner) = self.find(*at);
            *at = point.wrapping_add(1);
            if !seen.contains(owner) {
                return Some(owner);
            }
        }
        None
    }

    /// The share of each of `members` for hashes that are uniform over `bits` bits (32 at most count): exact.
    pub(super) fn shares(&self, members: usize, bits: u32) -> Vec<f64> {
        let space = 1_u64 << bits.min(32);
        let mut shares = vec![0.0; members];
        let mut start = 0;
        while start < space {
            let (end, owner) = self.arc(start);
            shares[owner] += (end.min(space) - start) as f64 / space as f64;
            start = end;
        }
        shares
    }

    /// Where the arc ends that `start` (below 2³²) is on, and its owner: behind the last point it runs to the end of
    /// the circle, and its owner is that of the first point.
    pub(super) fn arc(&self, start: u64) -> (u64, usize) {
        let (point, owner) = self.find(start as u32);
        (if u64::from(point) < start { 1 << 32 } else { u64::from(point) + 1 }, owner)
    }
}

impl Sectors {
    /// Of `points` in their order, of which no two are in one place.
    fn new(points: &[Point]) -> Self {
        let bits = (points.len() * PER_POINT).next_power_of_two().ilog2().clamp(1, 20);
        let shift = u32::BITS - bits;
        let owners = (0..1_u32 << bits).map(|sector| {
            let (first, last) = (sector << shift, (sector << shift) | (u32::MAX >> bits));
            let behind = points.partition_point(|point| point.at < first);
            let owner = points.get(behind).or(points.first()).map_or(0, |point| point.owner);
            // The arc that begins the sector reaches to its end when its point is there, or behind it.
            let is_whole = points.get(behind).is_none_or(|point| point.at >= last);
            u16::try_from(owner).ok().filter(|_| is_whole).unwrap_or(SHARED)
        });
        Self { owners: owners.collect(), shift }
    }

    #[inline]
    fn owner(&self, at: u32) -> Option<usize> {
        let owner = self.owners[(at >> self.shift) as usize];
        (owner != SHARED).then_some(usize::from(owner))
    }
}

/// How a program makes the points of one member.
struct Rule {
    /// Points a member, before weights.
    points: u32,
    /// What makes a point string's points.
    hash: PointHash,
    /// With weights: their sum, and the number of members.
    weighted: Option<(u64, usize)>,
}

enum PointHash {
    /// MD5, which gives four.
    Quarters,
    /// The key's hash, which gives one.
    Key(HashKind),
}

impl Rule {
    /// As twemproxy 0.5 (`ketama_update`), libmemcached 1.1 (`update_continuum`) and spymemcached 2.12
    /// (`KetamaNodeLocator.setKetamaNodes`) do.
    ///
    /// A weight over 1 turns libmemcached's plain ketama into weighted, if it hears of ketama before it hears of the
    /// servers; the other way round it drops the weights. spymemcached has weights only when it is given some.
    fn of(placement: &Placement, members: &[Member]) -> Self {
        let total = members.iter().map(|member| u64::from(member.weight)).sum();
        let weighted = Some((total, members.len()));
        let any_weight = members.iter().any(|member| member.weight > 1);
        match (placement.compatibility, placement.hash) {
            (Compatibility::Libmemcached, hash) if !any_weight => {
                Self { points: 100, hash: PointHash::Key(hash), weighted: None }
            }
            (Compatibility::Spymemcached, HashKind::Md5) if !any_weight => {
                Self { points: 160, hash: PointHash::Quarters, weighted: None }
            }
            (Compatibility::Spymemcached, hash) if !any_weight => {
                Self { points: 160, hash: PointHash::Key(hash), weighted: None }
            }
            _ => Self { points: 160, hash: PointHash::Quarters, weighted },
        }
    }

    fn positions(&self, member: &Member) -> Vec<u32> {
        let strings = |count: u32| (0..count).map(|index| format!("{}-{index}", member.label));
        match self.hash {
            PointHash::Quarters => strings(self.quads(member)).flat_map(|string| quarters(string.as_bytes())).collect(),
            PointHash::Key(hash) => strings(self.points).map(|string| digest(hash, string.as_bytes()) as u32).collect(),
        }
    }

    /// How many strings of four points a member has: `floor(weight / total * points / 4 * members)`.
    ///
    /// In single precision, step by step, since the rounding decides: in equal pools of 25 or 47 members it makes 39 of 40.
    /// (The programs add 1e-10 before they round down, which single precision drops.)
    fn quads(&self, member: &Member) -> u32 {
        let Some((total, members)) = self.weighted else {
            return self.points / 4;
        };
        let part = member.weight as f32 / total as f32;
        (part * self.points as f32 / 4.0 * members as f32).floor() as u32
    }
}

/// A point as the ring keeps it.
struct Point {
    at: u32,
    owner: usize,
}

impl Hash for Point {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Position(self.at).hash(state);
    }
}

/// A place on the circle to look from.
struct Position(u32);

impl Hash for Position {
    /// A single write, which is what [`PassThrough`] keeps.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(self.0);
    }
}

/// The hasher that does not hash: a position on the circle is a hash already.
#[derive(Default)]
struct PassThrough(u64);

impl Hasher for PassThrough {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    #[inline]
    fn write_u32(&mut self, position: u32) {
        self.0 = position.into();
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
