//! A real Redis Cluster: three primaries with a replica each.

use std::process::Command;

use super::redis::Redis;
use super::{Process, free_port, keep, patiently, program, wait_for};

/// How long a primary may be silent before its replica takes over, in milliseconds.
const NODE_TIMEOUT: &str = "1500";

pub struct Cluster {
    pub servers: Vec<Redis>,
}

impl Cluster {
    /// Six servers, joined by `redis-cli --cluster create`.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more arguments for each server.
    pub fn start_with(arguments: &[&str]) -> Self {
        let timeout = ["--cluster-enabled", "yes", "--cluster-node-timeout", NODE_TIMEOUT];
        let arguments = [&timeout, arguments].concat();
        let servers: Vec<Redis> = (0..6).map(|_| Redis::start_on(cluster_port(), &arguments)).collect();
        let mut command = Command::new(program("redis-cli", "redis-tools"));
        command.args(["--cluster", "create"]).args(servers.iter().map(Redis::address));
        command.args(["--cluster-replicas", "1", "--cluster-yes"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let cluster = Self { servers };
        for server in &cluster.servers {
            wait_for("the cluster to agree", || {
                let info = server.ask("CLUSTER INFO").text();
                let replicas = server.ask("CLUSTER NODES").text().matches("slave").count();
                (info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:6") && replicas == 3)
                    .then_some(())
            });
        }
        for replica in cluster.servers.iter().filter(|server| !is_primary(server)) {
            wait_for("a replica to follow", || {
                replica.ask("INFO replication").text().contains("master_link_status:up").then_some(())
            });
        }
        cluster
    }

    /// The configuration of a pool with two of the servers for seeds; for `settings` see [`patiently`].
    pub fn pool(&self, settings: &str) -> String {
        let settings = patiently(settings);
        let seeds: Vec<String> = self.servers[1..3].iter().map(Redis::address).collect();
        format!(
            "pools: {{ main: {{ protocol: redis-cluster, nodes: {seeds:?}, {settings} }} }}\nroutes: [{{ pool: main }}]\n"
        )
    }

    /// The servers that take writes now.
    pub fn primaries(&self) -> Vec<&Redis> {
        self.servers.iter().filter(|server| is_primary(server)).collect()
    }

    /// The primary that has the slot of a key now.
    pub fn owner(&self, key: &str) -> &Redis {
        self.servers
            .iter()
            .find(|server| !server.ask(&format!("INCRBY {key}{{{key}}} 0")).text().starts_with("MOVED"))
            .unwrap()
    }

    /// Ends a server at once.
    pub fn kill(&mut self, port: u16) {
        let server = self.servers.iter_mut().find(|server| server.port == port).unwrap();
        let process: &mut Process = &mut server.process;
        process.kill();
        self.servers.retain(|server| server.port != port);
    }
}

fn is_primary(server: &Redis) -> bool {
    server.ask("ROLE").text().starts_with("master")
}

/// A free port of which the one 10,000 above, where servers talk to each other, is free too.
fn cluster_port() -> u16 {
    wait_for("two free ports", || {
        let port = free_port();
        let bus = port.checked_add(10_000)?;
        keep(bus).ok().map(|_| port)
    })
}
