//! Expired items of embedded stores do not hold memory for ever.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::embedded::Store;
use crate::backend::{Node, Place, now};
use crate::topology::Current;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many items one look at a store takes in, so that it is short.
const BUDGET: usize = 20_000;

/// Drops expired items from every embedded store there is, a part of it each second, for ever.
pub async fn sweep(current: Current) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        let topology = current.topology();
        let nodes = topology.pools().iter().flat_map(|pool| pool.nodes());
        for store in nodes.filter_map(|node| store(node)) {
            store.sweep(now(), BUDGET);
        }
    }
}

fn store(node: &Node) -> Option<Arc<Store>> {
    match &node.place {
        Place::Embedded(store) => Some(store.clone()),
        Place::Remote(_) | Place::Cluster(_) => None,
    }
}
