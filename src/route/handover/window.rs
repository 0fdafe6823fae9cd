//! The time after a change of a pool's ring in which its old ring still counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::backend::{Node, Place, Service};
use crate::metrics::Handover;
use crate::model::Key;
use crate::route::Pool;

/// For so long writes still reach the old owners when reads ask them no more, or for as long as they did. Other ketches
/// may have opened their windows later, and would bring back what was written or deleted meanwhile.
const GRACE: Duration = Duration::from_secs(120);

/// A pool's handover from the ring before to the one that is in force. Shared by all workers.
#[derive(Debug)]
pub struct Window {
    before: Arc<Pool>,
    /// By the number of a node on the old ring.
    former: Vec<Former>,
    opened: SystemTime,
    asks_until: Instant,
    until: Instant,
    closed: AtomicBool,
    progress: [AtomicU64; Handover::COUNT],
}

#[derive(Debug)]
struct Former {
    node: Arc<Node>,
    /// Its number on the new ring, if the same server or store is there.
    stays: Option<usize>,
    /// It was put out meanwhile, and may have missed deletes: it is asked nothing more.
    gone: AtomicBool,
}

/// How many keys came how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The old owner was asked.
    pub asked: u64,
    /// It had the item.
    pub found: u64,
    /// The item was put on the new owner.
    pub filled: u64,
}

impl Window {
    /// Opens from `before` to `after`; the old owners are asked for `life` from now, and told of writes for a while more.
    #[must_use]
    pub fn open(before: Arc<Pool>, after: &Pool, life: Duration) -> Self {
        let former = before.nodes().iter().map(|node| {
            let stays = after.nodes().iter().position(|other| is_same(node, other));
            let node = stays.map_or(node, |stays| &after.nodes()[stays]).clone();
            let gone = AtomicBool::new(node.health.service() != Service::In);
            Former { node, stays, gone }
        });
        Self {
            former: former.collect(),
            before,
            opened: SystemTime::now(),
            asks_until: Instant::now() + life,
            until: Instant::now() + life + life.min(GRACE),
            closed: AtomicBool::new(false),
            progress: Default::default(),
        }
    }

    /// When it was opened.
    #[must_use]
    pub fn opened(&self) -> SystemTime {
        self.opened
    }

    /// Until when a read that misses asks the old owner.
    #[must_use]
    pub fn asks_until(&self) -> Instant {
        self.asks_until
    }

    /// When it closes, if nothing changes before.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Nothing is filled any more. To be said before another topology is in force: what is under way under this one
    /// must not put on its owner what the next gives to another.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// The nodes that have left the pool and are asked until it closes.
    pub fn departed(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.former.iter().filter(|former| former.stays.is_none()).map(|former| &former.node)
    }

    /// How many keys came how far.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let count = |step: Handover| self.progress[step as usize].load(Ordering::Relaxed);
        Progress { asked: count(Handover::Asked), found: count(Handover::Found), filled: count(Handover::Filled) }
    }

    pub(super) fn count(&self, step: Handover) {
        self.progress[step as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The old owner of `key`, by its number on the old ring, where `node` of the new ring is another.
    pub(super) fn former(&self, key: &Key, node: usize) -> Option<usize> {
        let ring = self.before.ring();
        let owner = ring.owner(ring.hash(key.as_bytes()));
        (self.former[owner].stays != Some(node)).then_some(owner)
    }

    /// Every node of the old ring, with its number on the new one.
    pub(in crate::route) fn nodes(&self) -> impl Iterator<Item = (&Arc<Node>, Option<usize>)> {
        self.former.iter().map(|former| (&former.node, former.stays))
    }

    /// Whether an old owner counts: it does until it is put out, and after that never again in this process.
    ///
    /// Where it does not, this must be seen before anything is done without it.
    pub(super) fn counts(&self, former: usize) -> bool {
        let Former { node, gone, .. } = &self.former[former];
        if node.health.service() != Service::In {
            gone.store(true, Ordering::SeqCst);
        }
        !gone.load(Ordering::SeqCst)
    }
}

/// Whether two nodes are one server, under whatever names, or one store.
fn is_same(one: &Arc<Node>, other: &Arc<Node>) -> bool {
    match (&one.place, &other.place) {
        (Place::Remote(one), Place::Remote(other)) => one == other,
        (Place::Embedded(one), Place::Embedded(other)) => Arc::ptr_eq(one, other),
        _ => Arc::ptr_eq(one, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::embedded::{Options, Store};
    use crate::backend::{Dialect, Quota, Readmission, Reason, Settings, Tolerance};
    use crate::model::Placement;
    use crate::ring::{Member, Ring};
    use crate::route::Policy;

    fn node(name: &str, place: Place) -> Arc<Node> {
        let second = Duration::from_secs(1);
        let settings = Settings {
            connections: 1,
            connect_timeout: second,
            request_timeout: second,
            max_inflight: 1,
            value_size: 1 << 20,
            probe_interval: second,
            probe_timeout: second,
            tolerance: Tolerance { eject_after: 1, readmit_after: 1 },
            readmission: Readmission::Keep,
        };
        Arc::new(Node::new("main", name.to_owned(), (place, Dialect::Memcached), settings, Quota::new(2, 0.5)))
    }

    fn store(name: &str) -> Arc<Node> {
        let options = Options { memory: 4 << 20, value_size: 1 << 20 };
        node(name, Place::Embedded(Arc::new(Store::new(options))))
    }

    fn server(name: &str, address: &str) -> Arc<Node> {
        node(name, Place::Remote(address.parse().unwrap()))
    }

    fn pool(nodes: &[&Arc<Node>]) -> Arc<Pool> {
        let members: Vec<_> = nodes.iter().map(|node| Member { label: node.name.clone(), weight: 1 }).collect();
        let ring = Ring::new(&Placement::default(), &members).unwrap();
        let nodes = nodes.iter().map(|node| (*node).clone()).collect();
        Arc::new(Pool::new("main".to_owned(), ring, nodes, Policy::default()))
    }

    fn keys() -> impl Iterator<Item = Key> {
        (0..1000).map(|number: u32| Key::new(format!("k{number}").as_bytes()).unwrap())
    }

    #[test]
    fn keys_that_moved_have_an_old_owner_and_the_others_have_none() {
        let (a, b, c) = (store("a"), store("b"), store("c"));
        let (before, after) = (pool(&[&a, &b]), pool(&[&c, &a]));
        let window = Window::open(before.clone(), &after, Duration::from_secs(1));
        let mut moved = 0;
        for key in keys() {
            let old = &before.nodes()[before.seat(&key).owner];
            let new = after.seat(&key).owner;
            let former = window.former(&key, new).map(|former| window.former[former].node.clone());
            moved += usize::from(former.is_some());
            assert_eq!(
                former.map(|node| node.name.clone()),
                (old.name != after.nodes()[new].name).then(|| old.name.clone())
            );
        }
        assert!((400..1000).contains(&moved), "{moved}");
        assert_eq!(window.departed().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_server_under_another_name_is_the_same() {
        let (before, after) = (pool(&[&server("a", "h:1"), &server("b", "h:2")]), pool(&[&server("c", "h:1")]));
        let window = Window::open(before.clone(), &after, Duration::from_secs(1));
        for key in keys() {
            let is_moved = before.nodes()[before.seat(&key).owner].name == "b";
            assert_eq!(window.former(&key, 0).is_some(), is_moved);
        }
    }

    #[test]
    fn who_was_put_out_once_counts_no_more() {
        let (a, b) = (server("a", "h:1"), server("b", "h:2"));
        let window = Window::open(pool(&[&a, &b]), &pool(&[&b]), Duration::from_secs(1));
        assert!(window.counts(0) && window.counts(1));
        a.probe_failed(Reason::Timeout, &"");
        assert!(!window.counts(0) && window.counts(1));
        while !a.probe_succeeded() {}
        a.readmit().unwrap();
        assert_eq!(a.health.service(), Service::In);
        assert!(!window.counts(0));
        b.probe_failed(Reason::Timeout, &"");
        assert!(!Window::open(pool(&[&b]), &pool(&[&a]), Duration::from_secs(1)).counts(0));
    }
}
