//! twemproxy's nutcracker.yml (0.5: `nc_conf.c`, `conf_add_server`).

use anyhow::{Context, bail};
use serde_yaml::{Mapping, Value};

use super::page::{Page, node, quoted};

/// Writes the only pool of the file, or the one of this name.
///
/// # Errors
/// When the file is not of twemproxy's form, leaves the choice open, or has what ketch cannot carry.
pub(super) fn import(text: &str, pool: Option<&str>) -> anyhow::Result<Page> {
    let pools: Mapping = serde_yaml::from_str(text).context("it is no map of pools")?;
    let names: Vec<&str> = pools.keys().filter_map(Value::as_str).collect();
    let name = match (pool, names.as_slice()) {
        (Some(name), _) => name,
        (None, [name]) => name,
        (None, []) => bail!("it has no pool"),
        (None, names) => bail!(
            "it has the pools {}, and each listens on an address of its own: choose one with --pool, and run a ketch for each",
            names.join(", ")
        ),
    };
    let found = pools.get(name).with_context(|| format!("there is no pool {name}; it has {}", names.join(", ")))?;
    let keys = found.as_mapping().with_context(|| format!("{name} is no map"))?;
    let pool = Pool { keys };
    pool.check().with_context(|| name.to_owned())?;
    pool.page(name).with_context(|| name.to_owned())
}

/// The keys of one pool.
struct Pool<'a> {
    keys: &'a Mapping,
}

impl Pool<'_> {
    fn text(&self, key: &str) -> Option<String> {
        match self.keys.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }
    }

    fn is_true(&self, key: &str) -> bool {
        self.text(key).is_some_and(|text| text == "true")
    }

    fn number(&self, key: &str) -> anyhow::Result<Option<u32>> {
        let read = |text: String| text.parse().with_context(|| format!("{key}: \"{text}\" is not a number"));
        self.text(key).map(read).transpose()
    }

    /// No key is passed over in silence.
    fn check(&self) -> anyhow::Result<()> {
        const KNOWN: [&str; 17] = [
            "listen",
            "hash",
            "hash_tag",
            "distribution",
            "timeout",
            "backlog",
            "client_connections",
            "redis",
            "tcpkeepalive",
            "redis_auth",
            "redis_db",
            "preconnect",
            "auto_eject_hosts",
            "server_connections",
            "server_retry_timeout",
            "server_failure_limit",
            "servers",
        ];
        let unknown = self.keys.keys().find(|key| key.as_str().is_none_or(|key| !KNOWN.contains(&key)));
        match unknown.map(|key| key.as_str().unwrap_or("a key that is no text")) {
            Some(key) => bail!("{key} is no key of twemproxy 0.5"),
            None => Ok(()),
        }
    }

    fn page(&self, name: &str) -> anyhow::Result<Page> {
        let distribution = self.text("distribution").unwrap_or_else(|| "ketama".to_owned());
        if distribution == "random" {
            bail!("distribution: random puts a key anywhere at each request, and ketch has no such distribution");
        }
        let mut page = Page::of(&format!("twemproxy's pool {name}: every key stays on the server that has it"));
        let listen = self.text("listen").context("listen is missing")?;
        self.front(&mut page, &listen)?;
        page.line(0, "pools:");
        page.line(1, format_args!("{}:", quoted(name)));
        page.key(2, "protocol", if self.is_true("redis") { "redis" } else { "memcached" });
        page.key(2, "compatibility", "twemproxy");
        page.key(2, "distribution", distribution);
        page.key(2, "hash", self.text("hash").unwrap_or_else(|| "fnv1a_64".to_owned()));
        if let Some(tag) = self.text("hash_tag").filter(|tag| !tag.is_empty()) {
            page.key(2, "hash_tag", quoted(&tag));
        }
        self.times(&mut page)?;
        self.failures(&mut page)?;
        self.redis(&mut page)?;
        page.line(2, "nodes:");
        let servers = self.keys.get("servers").and_then(Value::as_sequence).context("servers is missing")?;
        for server in servers {
            page.line(3, self.server(server.as_str().context("servers: an entry is no text")?)?);
        }
        page.line(0, "routes:");
        page.line(1, format_args!("- pool: {}", quoted(name)));
        Ok(page)
    }

    /// What clients meet.
    fn front(&self, page: &mut Page, listen: &str) -> anyhow::Result<()> {
        let endpoint = match listen.strip_prefix('/') {
            // The permissions that may stand behind the path have no counterpart.
            Some(path) => format!("unix:/{}", path.split_whitespace().next().unwrap_or_default()),
            None => with_brackets(listen)?,
        };
        page.line(0, "listeners:");
        page.line(1, format_args!("memcached: [{}]", quoted(&endpoint)));
        page.line(1, "http: []");
        if let Some((_, permissions)) = listen.split_once(char::is_whitespace).filter(|_| listen.starts_with('/')) {
            page.remark(1, format_args!("permissions {permissions} of the socket: ketch leaves them to the umask"));
        }
        if let Some(clients) = self.number("client_connections")?.filter(|clients| *clients > 0) {
            page.line(0, "limits:");
            page.key(1, "connections", clients);
        }
        for (key, instead) in [
            ("backlog", "ketch has 1024 waiting clients at the most"),
            ("preconnect", "ketch always connects at the start"),
            ("tcpkeepalive", "ketch keeps its connections to servers alive always"),
        ] {
            if let Some(value) = self.text(key) {
                page.remark(0, format_args!("{key}: {value} has no counterpart: {instead}"));
            }
        }
        Ok(())
    }

    fn times(&self, page: &mut Page) -> anyhow::Result<()> {
        match self.number("timeout")?.filter(|timeout| *timeout > 0) {
            Some(timeout) => {
                page.remark(2, format_args!("timeout: {timeout} is both of these"));
                page.key(2, "connect_timeout", format_args!("{timeout}ms"));
                page.key(2, "request_timeout", format_args!("{timeout}ms"));
            }
            None => page.remark(2, "without a timeout, twemproxy waits for ever; ketch waits for 1s"),
        }
        if let Some(connections) = self.number("server_connections")?.filter(|connections| *connections != 1) {
            page.remark(2, format_args!("server_connections: {connections} is for the process, this for each worker"));
            page.key(2, "connections", connections);
        }
        Ok(())
    }

    /// What becomes of a server that fails.
    fn failures(&self, page: &mut Page) -> anyhow::Result<()> {
        let limit = self.number("server_failure_limit")?;
        if !self.is_true("auto_eject_hosts") {
            page.remark(2, "auto_eject_hosts: false: no key ever moves, and what a server that is down has fails");
            page.key(2, "on_ejected", "error");
            page.key(2, "reads_on_error", "error");
            return Ok(());
        }
        page.remark(2, "auto_eject_hosts: true: while a server is out, its keys go to the next on the ring; twemproxy makes a\nring without it, which puts more keys elsewhere meanwhile");
        page.key(2, "on_ejected", "rehash");
        page.line(2, "health:");
        page.key(3, "eject_after", limit.unwrap_or(2).max(1));
        page.remark(3, "one server may go, and so may all");
        page.key(3, "max_ejected", "100%");
        let retry = self.text("server_retry_timeout").unwrap_or_else(|| "30000".to_owned());
        page.remark(
            3,
            format_args!(
                "server_retry_timeout: {retry} has no counterpart: a server is let in when probes say it is well"
            ),
        );
        Ok(())
    }

    fn redis(&self, page: &mut Page) -> anyhow::Result<()> {
        if let Some(password) = self.text("redis_auth") {
            page.key(2, "password", quoted(&password));
        }
        if let Some(database) = self.number("redis_db")?.filter(|database| *database > 0) {
            page.key(2, "database", database);
        }
        Ok(())
    }

    /// `host:port:weight name` or `/path:weight name`, the name optional; read from the end, as twemproxy does.
    fn server(&self, text: &str) -> anyhow::Result<String> {
        let form = || format!("servers: \"{text}\" is not host:port:weight or /path:weight, with or without a name");
        let (rest, name) = match text.rsplit_once(' ') {
            Some((rest, name)) => (rest.trim_end(), Some(name)),
            None => (text, None),
        };
        let (address, weight) = rest.rsplit_once(':').with_context(form)?;
        let weight = weight.parse().ok().with_context(form)?;
        let address = match address.starts_with('/') {
            true => format!("unix:{address}"),
            false => with_brackets(address).with_context(form)?,
        };
        Ok(node(&address, weight, name))
    }
}

/// twemproxy writes an IPv6 address without brackets.
fn with_brackets(address: &str) -> anyhow::Result<String> {
    let (host, port) = address.rsplit_once(':').with_context(|| format!("\"{address}\" has no port"))?;
    match host.contains(':') {
        true => Ok(format!("[{host}]:{port}")),
        false => Ok(address.to_owned()),
    }
}
