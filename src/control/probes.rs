//! Asks each node of every pool how it is, once per process, and lets it in again when it is well.

use std::sync::{Arc, Weak};

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::readmission;
use crate::backend::{Node, Place, Reason, Service, probe};
use crate::route::Pool;
use crate::topology::{Current, Topology};

/// The probes of a node that is out come at most so many times less often.
const RAREST: u32 = 4;

/// Probes every node that is behind a socket, each in a task of the running thread, and follows the topology: nodes
/// that come are probed, and no more those that have left. For ever.
///
/// # Panics
/// Outside a tokio runtime that runs local tasks.
pub async fn probe_all(current: Current) {
    let mut changes = current.changes();
    let mut watched: Vec<Weak<Node>> = Vec::new();
    loop {
        watched.retain(|node| node.strong_count() > 0);
        for node in nodes(&current.topology()).collect::<Vec<_>>() {
            if matches!(node.place, Place::Remote(_)) && !watched.iter().any(|one| one.as_ptr() == Arc::as_ptr(&node)) {
                watched.push(Arc::downgrade(&node));
                tokio::task::spawn_local(watch(node, current.clone()));
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Probes one node until it leaves the topology.
async fn watch(node: Arc<Node>, current: Current) {
    let mut changes = current.changes();
    let mut rarity = 1;
    while pause(&node, rarity, &current, &mut changes).await {
        match probe(&node).await {
            Err((reason, error)) => {
                node.probe_failed(reason, &error);
                rarity = if node.health.service() == Service::Out { (rarity * 2).min(RAREST) } else { 1 };
            }
            Ok(()) => {
                rarity = 1;
                if node.probe_succeeded()
                    && let Some((pool, index)) = place(&node, &current.topology())
                    && let Err(error) = readmission::readmit(&pool, index).await
                {
                    node.amends_failed(Reason::Closed, &error);
                }
            }
        }
    }
}

/// Waits for the time of the next probe, by the interval that holds then; whether the node is still there.
async fn pause(node: &Arc<Node>, rarity: u32, current: &Current, changes: &mut watch::Receiver<u64>) -> bool {
    let (begun, jitter) = (Instant::now(), jitter());
    loop {
        changes.borrow_and_update();
        if !nodes(&current.topology()).any(|one| Arc::ptr_eq(&one, node)) {
            return false;
        }
        let wait = (node.settings().probe_interval * rarity).mul_f64(jitter);
        tokio::select! {
            () = sleep_until(begun + wait) => return true,
            _ = changes.changed() => {}
        }
    }
}

/// The pool that has the node now, and the node's number in it; none for one that has left, which is not let in again.
fn place(node: &Arc<Node>, topology: &Topology) -> Option<(Arc<Pool>, usize)> {
    let pool = topology.pool(&node.pool)?;
    let index = pool.nodes().iter().position(|one| Arc::ptr_eq(one, node))?;
    Some((pool.clone(), index))
}

/// Those of every pool, and those that have left one and are still asked for what they have.
fn nodes(topology: &Topology) -> impl Iterator<Item = Arc<Node>> {
    let departed = topology.windows().flat_map(|(_, window)| window.departed());
    topology.pools().iter().flat_map(|pool| pool.nodes()).chain(departed).cloned()
}

/// Between nine and eleven tenths, so that a fleet's probes do not come in step.
fn jitter() -> f64 {
    0.9 + fastrand::f64() / 5.0
}
