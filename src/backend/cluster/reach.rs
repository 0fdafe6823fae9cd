//! The way to a cluster: the first connection, and another whenever the cluster has changed.

use std::collections::BTreeSet;
use std::rc::Weak;
use std::time::Duration;

use bytes::Bytes;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_read_routing::RandomReplicaStrategy;
use redis::cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo, SingleNodeRoutingInfo};
use redis::{RedisError, Value};
use tokio::time::sleep;

use super::Cluster;
use crate::backend::backoff::Backoff;
use crate::backend::dialect::{Dialect, Login};
use crate::backend::node::{Node, Seeds};
use crate::model::Endpoint;
use crate::wire::resp::Script;

/// Between two looks at who is in the cluster.
const REFRESH: Duration = Duration::from_secs(5);

/// After a look that found nobody.
const PAUSE: Duration = Duration::from_millis(200);

/// Makes the first connection, as often as it takes, and another whenever the cluster has changed.
///
/// The crate looks for the slots anew when it is sent elsewhere, but not for replicas that came, nor for a cluster all
/// of whose servers it has lost.
pub(super) async fn connect(weak: Weak<Cluster>) {
    let mut backoff = Backoff::default();
    loop {
        sleep(backoff.next()).await;
        let Some(cluster) = weak.upgrade() else { return };
        let (pool, node) = (&cluster.node.pool, &cluster.node.name);
        match reach(&cluster.node, &cluster.seeds).await {
            Ok(connection) => {
                tracing::debug!(pool, node, "cluster connected");
                cluster.denied.replace(None);
                if !cluster.is_connected() {
                    cluster.cells.node.connections.shift(0, 1);
                }
                cluster.connection.replace(Some(connection));
                cluster.connected.notify_waiters();
                drop(cluster);
                backoff.reset();
                change(&weak).await;
            }
            Err(line) => {
                let denied = line.clone().filter(|_| line != *cluster.denied.borrow());
                match &denied {
                    Some(line) => {
                        tracing::warn!(pool, node, answer = %line.escape_ascii(), "the cluster does not let ketch in");
                    }
                    None => tracing::debug!(pool, node, "no seed of the cluster answers"),
                }
                cluster.denied.replace(line);
                cluster.connected.notify_waiters();
            }
        }
    }
}

/// Waits until the servers say that the cluster is another, or none of them says anything.
async fn change(weak: &Weak<Cluster>) {
    let mut known = None;
    loop {
        let Some(mut connection) = weak.upgrade().and_then(|cluster| cluster.connection.borrow().clone()) else {
            return;
        };
        let mut slots = redis::cmd("CLUSTER");
        slots.arg("SLOTS");
        let anyone = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
        let Ok(slots) = connection.route_command(slots, anyone).await else {
            return sleep(PAUSE).await; // never round and round at once
        };
        drop(connection);
        let shape = shape(slots);
        if known.get_or_insert_with(|| shape.clone()) != &shape {
            return;
        }
        sleep(REFRESH).await;
    }
}

/// An answer to `CLUSTER SLOTS`, whichever server gave it: the slots, who has them, and who copies them.
fn shape(slots: Value) -> BTreeSet<String> {
    let address = |server: Value| match server {
        Value::Array(parts) => format!("{:?}", parts.get(..2)),
        other => format!("{other:?}"),
    };
    let Value::Array(ranges) = slots else { return BTreeSet::new() };
    let range = |range: Value| {
        let Value::Array(parts) = range else { return String::new() };
        let mut parts = parts.into_iter().map(address);
        let head: Vec<_> = parts.by_ref().take(3).collect();
        let replicas: BTreeSet<_> = parts.collect();
        format!("{head:?} {replicas:?}")
    };
    ranges.into_iter().map(range).collect()
}

/// A connection; else what the cluster says, or `None` when nobody answers.
async fn reach(node: &Node, seeds: &Seeds) -> Result<ClusterConnection, Option<Bytes>> {
    let Dialect::Redis(login) = &node.dialect else { return Err(None) };
    let client = builder(node, seeds, login)?.build().map_err(refusal)?;
    let mut connection = client.get_async_connection().await.map_err(refusal)?;
    let mut name = redis::cmd("CLIENT");
    name.arg("SETNAME").arg("ketch");
    let load = |script: Script| {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(script.body());
        load
    };
    for command in std::iter::once(name).chain(Script::ALL.map(load)) {
        let every = (MultipleNodeRoutingInfo::AllNodes, Some(ResponsePolicy::AllSucceeded));
        // A user who may not say so serves as well; a server that lacks a script says so when it is called.
        let _ = connection.route_command(command, RoutingInfo::MultiNode(every)).await;
    }
    Ok(connection)
}

fn builder(node: &Node, seeds: &Seeds, login: &Login) -> Result<ClusterClientBuilder, Option<Bytes>> {
    let address = |seed: &Endpoint| match seed {
        Endpoint::Tcp { host, port } => Some((host.clone(), *port)),
        Endpoint::Unix(_) => None,
    };
    let settings = node.settings();
    let mut builder = ClusterClientBuilder::new(seeds.endpoints.iter().filter_map(address))
        .retries(0)
        .connection_timeout(settings.connect_timeout)
        .response_timeout(settings.request_timeout)
        .tcp_settings(redis::io::tcp::TcpSettings::default().set_nodelay(true));
    let password = login.password().map_err(|why| Some(Bytes::from(format!("SERVER_ERROR {why}"))))?;
    if !password.is_empty() {
        builder = builder.password(password);
    }
    if !login.user.is_empty() {
        builder = builder.username(&login.user);
    }
    Ok(match seeds.replicas {
        true => builder.read_routing_strategy(RandomReplicaStrategy),
        false => builder,
    })
}

/// The words of a server that refuses; `None` where none was met.
fn refusal(error: RedisError) -> Option<Bytes> {
    // The crate wraps what a server says into an error of another kind, and leaves out the words to a password.
    let text = error.to_string();
    if text.contains("AuthenticationFailed") {
        return Some(Bytes::from_static(b"SERVER_ERROR WRONGPASS the cluster does not take this user or password"));
    }
    let at = ["WRONGPASS", "NOAUTH", "NOPERM"].iter().find_map(|word| text.find(word))?;
    Some(format!("SERVER_ERROR {}", &text[at..]).into())
}
