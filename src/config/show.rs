//! A configuration in the words of its file, every default written out and every password masked.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::setting::size;
use super::valid::{Config, NodeConfig, Password, PoolConfig, Protocol};
use super::words::Word;

impl Config {
    /// The configuration as JSON, with the keys of the file.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let texts = |list: &[crate::model::Endpoint]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let limits = &self.limits;
        let pools: Map<String, Value> = self.pools.iter().map(|pool| (pool.name.clone(), pool_json(pool))).collect();
        let route = |route: &super::Route| {
            let pool = self.pools.get(route.pool).map(|pool| pool.name.as_str());
            json!({ "prefix": String::from_utf8_lossy(&route.prefix), "pool": pool })
        };
        json!({
            "workers": self.workers,
            "listeners": { "memcached": texts(&self.listeners.memcached), "http": texts(&self.listeners.http) },
            "admin": self.admin.as_ref().map_or("off".to_owned(), ToString::to_string),
            "limits": {
                "connections": limits.connections,
                "value_size": bytes(limits.value_size),
                "client_buffer": bytes(limits.client_buffer),
                "memory": bytes(limits.memory),
                "client_idle": time(limits.client_idle.unwrap_or_default()),
                "drain": time(limits.drain),
            },
            "pools": pools,
            "routes": self.routes.iter().map(route).collect::<Vec<_>>(),
        })
    }
}

fn pool_json(pool: &PoolConfig) -> Value {
    let placement = &pool.placement;
    let mut json = json!({
        "protocol": pool.protocol.name(),
        "nodes": pool.nodes.iter().map(node_json).collect::<Vec<_>>(),
        "distribution": placement.distribution.name(),
        "hash": placement.hash.name(),
        "compatibility": placement.compatibility.name(),
        "hash_tag": placement.hash_tag.map_or(String::new(), |(open, close)| [open, close].map(char::from).iter().collect()),
        "strip_prefix_for_hash": String::from_utf8_lossy(&placement.strip_prefix),
        "connections": pool.connections,
        "connect_timeout": time(pool.connect_timeout),
        "request_timeout": time(pool.request_timeout),
        "max_inflight": pool.max_inflight,
        "reads_on_error": pool.reads_on_error.name(),
        "coalesce": pool.coalesce,
        "health": {
            "probe_interval": time(pool.health.probe_interval),
            "probe_timeout": time(pool.health.probe_timeout),
            "eject_after": pool.health.eject_after,
            "readmit_after": pool.health.readmit_after,
            "max_ejected": format!("{}%", pool.health.max_ejected * 100.0),
        },
        "on_ejected": pool.on_ejected.name(),
        "readmit": pool.readmit.name(),
        "handover": time(pool.handover.unwrap_or_default()),
    });
    if pool.protocol.places_keys()
        && let Some(json) = json.as_object_mut()
    {
        let placing = ["distribution", "hash", "compatibility", "hash_tag", "strip_prefix_for_hash"];
        json.retain(|key, _| !placing.contains(&key.as_str()));
    }
    match pool.protocol {
        Protocol::Memcached => {}
        Protocol::Embedded => json["memory"] = json!(bytes(pool.memory)),
        Protocol::Redis | Protocol::RedisCluster => {
            let redis = &pool.redis;
            json["user"] = json!(redis.user);
            json["password"] = password(&redis.password);
            json["database"] = json!(redis.database);
            json["flush"] = json!(redis.flush);
            json["reads"] = json!(redis.reads.name());
        }
    }
    json
}

fn node_json(node: &NodeConfig) -> Value {
    json!({
        "address": node.endpoint.as_ref().map(ToString::to_string),
        "name": node.name,
        "weight": node.weight,
    })
}

/// Where a password is may be told; what it is may not.
fn password(password: &Password) -> Value {
    match password {
        Password::Text(text) if text.is_empty() => json!(""),
        Password::Text(_) => json!("***"),
        Password::Env(name) => json!({ "env": name }),
        Password::File(path) => json!({ "file": path.display().to_string() }),
    }
}

fn bytes(bytes: usize) -> String {
    size(bytes as u64)
}

fn time(time: Duration) -> String {
    if time.subsec_millis() > 0 { format!("{}ms", time.as_millis()) } else { format!("{}s", time.as_secs()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_shows_reads_back_but_for_what_is_left_out() {
        let mut json = Config::built_in().to_json();
        json["pools"]["default"]["nodes"] = json!(["a", "b", "c"]);
        let defaults = json["pools"]["default"].as_object_mut().unwrap();
        defaults.retain(|key, _| ["protocol", "nodes", "memory", "distribution", "hash"].contains(&key.as_str()));
        let listeners = json["listeners"].as_object_mut().unwrap();
        listeners.retain(|_, list| list != &json!([]));
        let config = Config::parse(&json.to_string(), "shown").unwrap();
        assert_eq!(config, Config::built_in());
    }

    #[test]
    fn a_password_is_masked_wherever_it_stands() {
        let secret = "hunter2";
        assert_eq!(password(&Password::Text(secret.into())), json!("***"));
        let mut config = Config::built_in();
        config.pools[0].protocol = Protocol::Redis;
        config.pools[0].redis.password = Password::Text(secret.into());
        assert!(!config.to_json().to_string().contains(secret));
    }
}
