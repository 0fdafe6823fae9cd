//! Ends the handover of keys when its time is over, and logs when one begins and ends.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::sleep_until;

use crate::route::{Progress, Window};
use crate::topology::{Current, Draft, Topology};

/// Follows the topology and closes each window when its time is over; `look` then tells those who may still look into
/// the topology before. For ever.
pub async fn close_windows(current: Current, look: impl Fn()) {
    let mut changes = current.changes();
    let mut open: Vec<(String, Arc<Window>)> = Vec::new();
    loop {
        changes.borrow_and_update();
        follow(&mut open, &current.topology());
        let next = open.iter().map(|(_, window)| window.until()).min();
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = async { sleep_until(next.unwrap_or_else(Instant::now).into()).await }, if next.is_some() => {
                if let Some(draft) = Draft::without_expired(&current.topology(), Instant::now()) {
                    current.publish(draft);
                    look();
                }
            }
        }
    }
}

/// Notes which windows are open, and logs which were opened and which closed.
fn follow(open: &mut Vec<(String, Arc<Window>)>, topology: &Topology) {
    let is_open = |window: &Arc<Window>| topology.windows().any(|(_, one)| Arc::ptr_eq(one, window));
    open.retain(|(pool, window)| {
        let stays = is_open(window);
        if !stays {
            let why =
                if window.until() <= Instant::now() { "its time is over" } else { "the configuration has changed" };
            let Progress { asked, found, filled } = window.progress();
            tracing::info!(pool, asked, found, filled, why, "handover closed");
        }
        stays
    });
    for (pool, window) in topology.windows() {
        if !open.iter().any(|(_, one)| Arc::ptr_eq(one, window)) {
            let seconds = window.asks_until().saturating_duration_since(Instant::now()).as_secs_f64().round();
            let departed: Vec<_> = window.departed().map(|node| node.name.as_str()).collect();
            tracing::info!(pool = pool.name(), seconds, departed = departed.join(" "), "handover opened");
            open.push((pool.name().to_owned(), window.clone()));
        }
    }
}
