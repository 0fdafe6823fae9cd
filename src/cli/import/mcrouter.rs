//! mcrouter's JSON: pools, `PoolRoute` and `PrefixSelectorRoute`.
//!
//! mcrouter places keys by Ch3 (furc over the server's index), which ketch does not have: pools, prefixes and time
//! limits are carried over, and in a pool of several servers most keys move. The page says so.

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use super::page::{Page, node, quoted};

/// Writes every pool, and the routes to them.
///
/// # Errors
/// When the file is not of this form, or has what ketch cannot carry.
pub(super) fn import(text: &str) -> anyhow::Result<Page> {
    let value: Value = serde_json::from_str(&without_comments(text)).context("it cannot be read as JSON")?;
    let config = value.as_object().context("it is no object")?;
    refuse_others(config, &["pools", "route"], "the file")?;
    let pools = config.get("pools").and_then(Value::as_object).context("it has no pools")?;
    let routes = routes(config.get("route").context("it has no route")?)?;
    if let Some((_, pool)) = routes.iter().find(|(_, pool)| !pools.contains_key(pool)) {
        bail!("there is no pool {pool}");
    }
    let mut page = Page::of("an mcrouter configuration");
    page.remark(0, "KEYS MOVE: mcrouter places them by Ch3, which ketch does not have. In a pool of several servers most\nkeys are on another server than before, and miss until they are written anew.");
    page.line(0, "pools:");
    for (name, pool) in pools {
        write_pool(&mut page, name, pool).with_context(|| format!("pool {name}"))?;
    }
    page.line(0, "routes:");
    for (prefix, pool) in routes {
        match prefix.as_str() {
            "" => page.line(1, format_args!("- pool: {}", quoted(&pool))),
            prefix => page.line(1, format_args!("- {{ prefix: {}, pool: {} }}", quoted(prefix), quoted(&pool))),
        }
    }
    Ok(page)
}

fn write_pool(page: &mut Page, name: &str, pool: &Value) -> anyhow::Result<()> {
    let pool = pool.as_object().context("it is no object; what it inherits or imports has to stand in it")?;
    refuse_others(pool, &["servers", "protocol", "hash", "server_timeout", "connect_timeout"], "a pool")?;
    let protocol = pool.get("protocol").and_then(Value::as_str).unwrap_or("ascii");
    if protocol != "ascii" {
        bail!("protocol {protocol}: ketch speaks ascii to servers");
    }
    page.line(1, format_args!("{}:", quoted(name)));
    page.key(2, "protocol", "memcached");
    if let Some(hash) = pool.get("hash") {
        page.remark(2, format_args!("hash {hash} has no counterpart"));
    }
    for (key, ours) in [("server_timeout", "request_timeout"), ("connect_timeout", "connect_timeout")] {
        if let Some(timeout) = pool.get(key) {
            let timeout = timeout.as_u64().with_context(|| format!("{key} is no number of milliseconds"))?;
            page.key(2, ours, format_args!("{timeout}ms"));
        }
    }
    page.line(2, "nodes:");
    let servers = pool.get("servers").and_then(Value::as_array).context("it has no servers")?;
    for server in servers {
        let server = server.as_str().context("servers: an entry is no text")?;
        page.line(3, node(&address(server)?, 1, None));
    }
    Ok(())
}

/// `host:port`, behind which mcrouter may have the protocol and how the connection is secured.
fn address(server: &str) -> anyhow::Result<String> {
    let host_end = server.find(']').unwrap_or(0);
    let mut parts = server[host_end..].splitn(3, ':');
    let (host, port, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let port = port.with_context(|| format!("server {server} has no port"))?;
    match more {
        None | Some("ascii") | Some("ascii:plain") => Ok(format!("{}{host}:{port}", &server[..host_end])),
        Some(more) => bail!("server {server}: ketch does not speak {more}"),
    }
}

/// Prefixes and their pools, the rest last.
fn routes(route: &Value) -> anyhow::Result<Vec<(String, String)>> {
    let Some(object) = route.as_object() else { return Ok(vec![(String::new(), pool_of(route)?)]) };
    match object.get("type").and_then(Value::as_str) {
        Some("PrefixSelectorRoute") => {
            refuse_others(object, &["type", "policies", "wildcard"], "PrefixSelectorRoute")?;
            let policies = object.get("policies").and_then(Value::as_object).context("it has no policies")?;
            let policy = |(prefix, route): (&String, &Value)| Ok((prefix.clone(), pool_of(route)?));
            let mut routes: Vec<_> = policies.iter().map(policy).collect::<anyhow::Result<_>>()?;
            let rest = object
                .get("wildcard")
                .context("PrefixSelectorRoute has no wildcard: ketch needs a pool for the rest")?;
            routes.push((String::new(), pool_of(rest)?));
            Ok(routes)
        }
        // The older name of OperationSelectorRoute; without operations it is its default.
        Some(kind @ ("PrefixPolicyRoute" | "OperationSelectorRoute")) => {
            refuse_others(object, &["type", "default_policy"], kind)?;
            routes(object.get("default_policy").with_context(|| format!("{kind} has no default_policy"))?)
        }
        _ => Ok(vec![(String::new(), pool_of(route)?)]),
    }
}

/// `"PoolRoute|A"`, or the same as an object.
fn pool_of(route: &Value) -> anyhow::Result<String> {
    match route {
        Value::String(short) => match short.split_once('|') {
            Some(("PoolRoute", pool)) => Ok(pool.to_owned()),
            _ => bail!("ketch has no counterpart to the route \"{short}\""),
        },
        Value::Object(object) if object.get("type").and_then(Value::as_str) == Some("PoolRoute") => {
            refuse_others(object, &["type", "pool", "hash"], "PoolRoute")?;
            object.get("pool").and_then(Value::as_str).map(str::to_owned).context("PoolRoute names no pool")
        }
        Value::Object(object) => match object.get("type").and_then(Value::as_str) {
            Some(kind) => bail!("ketch has no counterpart to the route {kind} here"),
            None => bail!("a route has no type"),
        },
        _ => bail!("a route is no text and no object"),
    }
}

/// What is not carried over is refused by its name.
fn refuse_others(object: &Map<String, Value>, known: &[&str], what: &str) -> anyhow::Result<()> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => bail!("ketch has no counterpart to \"{key}\" of {what}"),
        None => Ok(()),
    }
}

/// mcrouter's files may have comments of C++, and commas behind the last element.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\\', Some(_)) if is_quoted => plain.extend([Some(c), rest.next()].into_iter().flatten()),
            ('/', Some('/')) if !is_quoted => while rest.next_if(|c| *c != '\n').is_some() {},
            ('/', Some('*')) if !is_quoted => {
                let mut before = ' ';
                rest.next();
                while let Some(c) = rest.next()
                    && !(before == '*' && c == '/')
                {
                    before = c;
                }
            }
            (']' | '}', _) if !is_quoted => {
                let end = plain.trim_end().len();
                if plain[..end].ends_with(',') {
                    plain.truncate(end - 1);
                }
                plain.push(c);
            }
            _ => {
                is_quoted ^= c == '"';
                plain.push(c);
            }
        }
    }
    plain
}
