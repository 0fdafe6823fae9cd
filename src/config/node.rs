//! The nodes of a pool, in each of the ways they can be written.

use std::collections::HashMap;

use super::problem::Field;
use super::setting::Setting;
use super::typed::{NodeMap, NodeText, Weight};
use super::valid::{NodeConfig, Protocol};
use crate::model::Endpoint;

/// The port that a node's string on the ring leaves out, as twemproxy and libmemcached do.
const UNSAID_PORT: &str = ":11211";

/// Converts what was typed under `nodes`.
pub(super) fn convert(at: &Field<'_>, typed: Option<&[NodeText]>, protocol: Protocol) -> Vec<NodeConfig> {
    let Some(typed) = typed else {
        at.miss(format!("is missing; write the nodes of the pool, as in {}", example(protocol)));
        return Vec::new();
    };
    if typed.is_empty() {
        at.refuse(format!("a pool has at least one node; write it, as in {}", example(protocol)));
        return Vec::new();
    }
    let one = |(index, node)| Some((index, one(&at.index(index), node, protocol)?));
    let nodes: Vec<_> = typed.iter().enumerate().filter_map(one).collect();
    distinct(at, &nodes);
    nodes.into_iter().map(|(_, node)| node).collect()
}

fn example(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Embedded => "[a, b, c]",
        Protocol::Memcached => "[\"10.0.0.1:11211\"]",
        Protocol::Redis | Protocol::RedisCluster => "[\"10.0.0.1:6379\"]",
    }
}

fn one(at: &Field<'_>, typed: &NodeText, protocol: Protocol) -> Option<NodeConfig> {
    match (typed, protocol) {
        (NodeText::Short(text), Protocol::Embedded) => {
            let name = text.text().unwrap_or_default();
            let name = embedded_name(name).map_err(|message| at.refuse(message)).ok()?;
            Some(NodeConfig { name: Some(name), endpoint: None, weight: 1 })
        }
        (NodeText::Short(text), _) => short(text.text().unwrap_or_default()).map_err(|message| at.refuse(message)).ok(),
        (NodeText::Map(map), Protocol::Embedded) => embedded_map(at, map),
        (NodeText::Map(map), _) => server_map(at, map),
    }
}

fn embedded_map(at: &Field<'_>, map: &NodeMap) -> Option<NodeConfig> {
    if map.address.text().is_some() {
        at.key("address").refuse_key("an embedded node has no address; write its name, or protocol: memcached");
    }
    let weight = at.read_or("weight", &map.weight, 1);
    let Some(name) = at.read("name", &map.name) else {
        at.key("name").miss("is missing; an embedded node has one, as in {name: a, weight: 2}");
        return None;
    };
    let name = embedded_name(&name).map_err(|message| at.key("name").refuse(message)).ok()?;
    Some(NodeConfig { name: Some(name), endpoint: None, weight })
}

fn server_map(at: &Field<'_>, map: &NodeMap) -> Option<NodeConfig> {
    let weight = at.read_or("weight", &map.weight, 1);
    let name = at.read("name", &map.name);
    if let Some(Err(message)) = name.as_deref().map(legal_name) {
        at.key("name").refuse(message);
    }
    if map.address.text().is_none() {
        at.key("address").miss("is missing; write host:port, [::1]:port or unix:/path");
    }
    let endpoint = at.read("address", &map.address)?;
    if let Err(message) = reachable(&endpoint) {
        at.key("address").refuse(message);
    }
    Some(NodeConfig { name, endpoint: Some(endpoint), weight })
}

/// `host:port`, `host:port:weight` or `unix:/path`, and behind a blank a name: what twemproxy's files have.
fn short(text: &str) -> Result<NodeConfig, String> {
    let (address, name) = match text.split_once(char::is_whitespace) {
        Some((address, name)) => (address, Some(name.trim().to_owned())),
        None => (text, None),
    };
    name.as_deref().map_or(Ok(()), legal_name)?;
    let (address, weight) = match weight_of(address) {
        Some((address, weight)) => (address, Weight::read(weight).map_err(|error| format!("the weight {error}"))?),
        None => (address, 1),
    };
    let endpoint = Endpoint::read(address)?;
    reachable(&endpoint)?;
    Ok(NodeConfig { name, endpoint: Some(endpoint), weight })
}

/// Splits off what stands behind the port. A path may have colons of its own, so a unix socket takes the map form.
fn weight_of(address: &str) -> Option<(&str, &str)> {
    let colons = match address.rsplit_once(']') {
        Some((_, port)) => port.matches(':').count(),
        None if address.starts_with("unix:") => 0,
        None => address.matches(':').count(),
    };
    (colons == 2).then(|| address.rsplit_once(':')).flatten().filter(|(address, _)| !address.ends_with(':'))
}

fn reachable(endpoint: &Endpoint) -> Result<(), String> {
    match endpoint {
        Endpoint::Tcp { port: 0, .. } => {
            Err(format!("{endpoint}: nobody can be reached on port 0; write the port of the server"))
        }
        _ => Ok(()),
    }
}

fn embedded_name(name: &str) -> Result<String, String> {
    if name.contains(':') {
        return Err(format!(
            "\"{name}\" looks like an address, and an embedded node has none; write a name, or protocol: memcached"
        ));
    }
    legal_name(name).map(|()| name.to_owned())
}

fn legal_name(name: &str) -> Result<(), String> {
    match name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        true => Err(format!("\"{name}\" is no name for a node; write one without blanks")),
        false => Ok(()),
    }
}

/// Two nodes with one label would be one on the ring.
fn distinct(at: &Field<'_>, nodes: &[(usize, NodeConfig)]) {
    let mut taken: HashMap<String, usize> = HashMap::new();
    for (index, node) in nodes {
        let label = label(node);
        match taken.get(&label) {
            Some(first) => at.index(*index).refuse(format!(
                "is \"{label}\" on the ring, as nodes[{first}] is; take one out, or give it a name of its own"
            )),
            None => drop(taken.insert(label, *index)),
        }
    }
}

fn label(node: &NodeConfig) -> String {
    let address = || node.endpoint.as_ref().map(Endpoint::to_string).unwrap_or_default();
    let label = node.name.clone().unwrap_or_else(address);
    label.strip_suffix(UNSAID_PORT).unwrap_or(&label).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, u32, Option<String>) {
        let node = short(text).unwrap();
        (node.endpoint.unwrap().to_string(), node.weight, node.name)
    }

    #[test]
    fn a_node_is_written_in_one_line() {
        for (text, address, weight, name) in [
            ("10.0.0.1:11211", "10.0.0.1:11211", 1, None),
            ("10.0.0.1:11211:3", "10.0.0.1:11211", 3, None),
            ("10.0.0.1:11211:3 a", "10.0.0.1:11211", 3, Some("a")),
            ("cache:1 a", "cache:1", 1, Some("a")),
            ("[::1]:11211", "[::1]:11211", 1, None),
            ("[::1]:11211:2", "[::1]:11211", 2, None),
            ("unix:/run/m.sock", "unix:/run/m.sock", 1, None),
            ("unix:/run/m:2", "unix:/run/m:2", 1, None),
        ] {
            assert_eq!(read(text), (address.to_owned(), weight, name.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn what_is_no_node_says_why() {
        for (text, why) in [
            ("a", "the port is missing"),
            ("a:b", "the port is not a number"),
            ("a:1:b", "the weight \"b\" is not a whole number from 1 to 1000000"),
            ("a:1:0", "the weight \"0\" is not"),
            ("::1:11211", "an IPv6 address stands in [ ]"),
            ("::1", "is not an address"),
            ("a:0", "nobody can be reached on port 0"),
            ("a:1 b c", "\"b c\" is no name for a node"),
        ] {
            let error = short(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
