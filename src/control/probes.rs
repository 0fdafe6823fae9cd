//! Asks each node of every pool how it is, once per process, and lets it in again when it is well.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::readmission;
use crate::backend::{Place, Reason, Service, probe};
use crate::route::Pool;
use crate::topology::Topology;

/// The probes of a node that is out come at most so many times less often.
const RAREST: u32 = 4;

/// Starts the probing of every node that is behind a socket, in tasks of the running thread.
///
/// They end with the runtime.
///
/// # Panics
/// Outside a tokio runtime that runs local tasks.
pub fn probe_all(topology: &Topology) {
    for pool in topology.pools() {
        for (index, node) in pool.nodes().iter().enumerate() {
            if matches!(node.place, Place::Remote(_)) {
                tokio::task::spawn_local(watch(pool.clone(), index));
            }
        }
    }
}

async fn watch(pool: Arc<Pool>, index: usize) {
    let node = &pool.nodes()[index];
    let mut rarity = 1;
    loop {
        sleep(jittered(node.settings.probe_interval * rarity)).await;
        match probe(node).await {
            Err((reason, error)) => {
                node.probe_failed(reason, &error);
                rarity = if node.health.service() == Service::Out { (rarity * 2).min(RAREST) } else { 1 };
            }
            Ok(()) => {
                rarity = 1;
                if node.probe_succeeded()
                    && let Err(error) = readmission::readmit(&pool, index).await
                {
                    node.probe_failed(Reason::Closed, &error);
                }
            }
        }
    }
}

/// Between nine and eleven tenths of `interval`, so that a fleet's probes do not come in step.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + fastrand::f64() / 5.0)
}
