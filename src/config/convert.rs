//! The one conversion: what was typed becomes what is valid, or a list of all that is not.

use std::collections::HashMap;
use std::path::Path;

use super::pool;
use super::problem::{ConfigError, Field, Problem, Report};
use super::setting::{Typed, size};
use super::tree::Tree;
use super::typed::{FileText, LimitsText, ListenersText, RouteText};
use super::valid::{Config, Limits, Listeners, PoolConfig, Route, auto_workers, default_admin};
use super::{schema, shape};
use crate::model::{Endpoint, MAX_KEY};

impl Config {
    /// What `ketch` serves when no file is named.
    #[must_use]
    pub fn built_in() -> Self {
        Self {
            workers: auto_workers(),
            listeners: Listeners::default(),
            admin: default_admin(),
            limits: Limits::default(),
            pools: vec![PoolConfig::embedded()],
            routes: vec![Route { prefix: Vec::new(), pool: 0, content_type: None }],
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`] when it cannot be read, or with all that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable { path: path.to_owned(), error };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads the text of a file that errors name `origin`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all that is wrong with it.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let unwritten = |line: &str| line.trim_start().is_empty() || line.trim_start().starts_with('#');
        if text.lines().all(unwritten) {
            let message = "nothing is written here; without --config, ketch serves its built-in configuration";
            return Err(not_yaml(origin, 1, 1, message));
        }
        let syntax = |error: serde_yaml::Error| syntax(&error, origin);
        let mut tree: Tree = serde_yaml::from_str(text).map_err(syntax)?;
        let report = Report::default();
        let typed: FileText = match shape::check(&report.root(), &mut tree, &schema::schema()) {
            true => serde_yaml::from_str(text).map_err(syntax)?,
            // What is still readable is judged too, so that everything is told at once.
            false => match tree.read() {
                Ok(typed) => typed,
                Err(_) => return Err(report.into_error(text, origin)),
            },
        };
        let config = convert(&report.root(), &typed);
        if report.is_empty() { Ok(config) } else { Err(report.into_error(text, origin)) }
    }
}

/// What the YAML reader says, with its place in front.
fn syntax(error: &serde_yaml::Error, origin: &str) -> ConfigError {
    let (line, column) = error.location().map_or((1, 1), |place| (place.line(), place.column()));
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    not_yaml(origin, line, column, &format!("cannot be read as YAML: {text}"))
}

fn not_yaml(origin: &str, line: usize, column: usize, message: &str) -> ConfigError {
    let (origin, message) = (origin.to_owned(), message.to_owned());
    ConfigError::Invalid { problems: vec![Problem { origin, line, column, field: String::new(), message }] }
}

fn convert(root: &Field<'_>, typed: &FileText) -> Config {
    let workers = root.read("workers", &typed.workers).flatten();
    let listeners = listeners(&root.key("listeners"), &typed.listeners);
    let admin = root.read_or("admin", &typed.admin, default_admin());
    distinct_listeners(root, &listeners, admin.as_ref());
    let limits = limits(&root.key("limits"), &typed.limits);
    let pools = match &typed.pools {
        None => vec![PoolConfig::embedded()],
        Some(pools) => {
            let at = root.key("pools");
            if pools.is_empty() {
                at.refuse("has no pools; name at least one, or take the key out to have the built-in one");
            }
            pools.iter().map(|(name, pool)| pool::convert(&at.key(name), name, pool, &limits)).collect()
        }
    };
    let routes = match &typed.routes {
        Some(routes) => self::routes(&root.key("routes"), routes, &pools),
        None => only_route(root, &pools),
    };
    Config { workers: workers.unwrap_or_else(auto_workers), listeners, admin, limits, pools, routes }
}

fn listeners(at: &Field<'_>, typed: &ListenersText) -> Listeners {
    let read = |name: &str, list: &Option<Vec<Typed<Endpoint>>>, default| match list {
        None => default,
        Some(list) => {
            let at = at.key(name);
            list.iter().enumerate().filter_map(|(index, address)| at.index(index).read_here(address)).collect()
        }
    };
    let defaults = Listeners::default();
    let listeners = Listeners {
        memcached: read("memcached", &typed.memcached, defaults.memcached),
        http: read("http", &typed.http, defaults.http),
    };
    if listeners.memcached.is_empty() && listeners.http.is_empty() && at.is_clean() {
        at.refuse_key("nobody is served; name at least one address to listen on");
    }
    listeners
}

/// Two listeners on one address would be told by the operating system only, and late. Port 0 is a new port each.
fn distinct_listeners(root: &Field<'_>, listeners: &Listeners, admin: Option<&Endpoint>) {
    if !root.key("listeners").is_clean() {
        return;
    }
    let at = root.key("listeners");
    let indexed = |name: &str, index| (format!("listeners.{name}[{index}]"), at.key(name).index(index));
    let memcached = listeners.memcached.iter().enumerate().map(|(i, one)| (indexed("memcached", i), one));
    let http = listeners.http.iter().enumerate().map(|(i, one)| (indexed("http", i), one));
    let admin = admin.map(|one| (("admin".to_owned(), root.key("admin")), one));
    let mut taken: HashMap<&Endpoint, String> = HashMap::new();
    for ((name, field), endpoint) in memcached.chain(http).chain(admin) {
        if matches!(endpoint, Endpoint::Tcp { port: 0, .. }) {
            continue;
        }
        match taken.get(endpoint) {
            Some(first) => field.refuse(format!("{endpoint} is the address of {first} already; give it another")),
            None => drop(taken.insert(endpoint, name)),
        }
    }
}

fn limits(at: &Field<'_>, typed: &LimitsText) -> Limits {
    let default = Limits::default();
    let connections = at.read("connections", &typed.connections).map_or(default.connections, |count| count as usize);
    let idle = at.read("client_idle", &typed.client_idle).filter(|idle| !idle.is_zero());
    let limits = Limits {
        connections,
        value_size: at.read_or("value_size", &typed.value_size, default.value_size),
        client_buffer: at.read_or("client_buffer", &typed.client_buffer, default.client_buffer),
        memory: at.read_or("memory", &typed.memory, default.memory),
        client_idle: idle.or(default.client_idle),
        drain: at.read_or("drain", &typed.drain, default.drain),
    };
    at_least(at, ("client_buffer", limits.client_buffer), ("value_size", limits.value_size));
    at_least(at, ("memory", limits.memory), ("client_buffer", limits.client_buffer));
    limits
}

fn at_least(at: &Field<'_>, (name, bytes): (&str, usize), (other, least): (&str, usize)) {
    if bytes < least && at.key(name).is_clean() && at.key(other).is_clean() {
        let (bytes, least) = (size(bytes as u64), size(least as u64));
        at.key(name).refuse(format!("{bytes} is less than limits.{other}, which is {least}; write at least {least}"));
    }
}

/// The one route that can be left out: to the only pool there is.
fn only_route(root: &Field<'_>, pools: &[PoolConfig]) -> Vec<Route> {
    if pools.len() > 1 {
        root.key("routes")
            .miss(format!("is missing, and there is more than one pool; say which keys go to {}", names(pools)));
    }
    vec![Route { prefix: Vec::new(), pool: 0, content_type: None }]
}

fn routes(list: &Field<'_>, typed: &[RouteText], pools: &[PoolConfig]) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for (index, route) in typed.iter().enumerate() {
        let at = list.index(index);
        let prefix = at.read("prefix", &route.prefix).unwrap_or_default().into_bytes();
        if prefix.len() > MAX_KEY {
            at.key("prefix").refuse(format!("is longer than any key; write at most {MAX_KEY} bytes"));
        }
        let is_same =
            |(first, route): (usize, &Route)| (route.prefix == prefix && list.index(first).is_clean()).then_some(first);
        if let Some(first) = routes.iter().enumerate().find_map(is_same).filter(|_| at.is_clean()) {
            at.key("prefix").refuse(match prefix.as_slice() {
                [] => format!("routes[{first}] takes the rest already; give this route a prefix"),
                _ => format!("routes[{first}] has this prefix already; keep one of the two"),
            });
        }
        let pool = pool_index(&at, route, pools);
        let content_type = at.read("content_type", &route.content_type);
        routes.push(Route { prefix, pool, content_type });
    }
    if routes.iter().all(|route| !route.prefix.is_empty()) {
        let pool = pools.first().map_or("", |pool| &pool.name);
        list.refuse_key(format!(
            "no route takes the keys without one of these prefixes; add, as the last, - pool: {pool}"
        ));
    }
    routes
}

/// The place of a route's pool; 0 when it leads nowhere, which is reported.
fn pool_index(at: &Field<'_>, route: &RouteText, pools: &[PoolConfig]) -> usize {
    let Some(name) = at.read("pool", &route.pool) else {
        at.key("pool").miss(format!("is missing; write one of {}", names(pools)));
        return 0;
    };
    let found = pools.iter().position(|pool| pool.name == name);
    found.unwrap_or_else(|| {
        let known: Vec<_> = pools.iter().map(|pool| pool.name.as_str()).collect();
        let guess = super::words::nearest(&name, &known);
        let hint =
            guess.map_or_else(|| format!("; write one of {}", names(pools)), |one| format!("; did you mean {one}?"));
        at.key("pool").refuse(format!("there is no pool \"{name}\"{hint}"));
        0
    })
}

fn names(pools: &[PoolConfig]) -> String {
    pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>().join(", ")
}
