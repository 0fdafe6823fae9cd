//! A libmemcached configuration string (1.1: `csl/scanner.l`, `csl/parser.yy`, `hosts.cc`).

use anyhow::{Context, bail};

use super::page::{Page, node, quoted};

/// Writes one pool that places keys as a client with this string does.
///
/// # Errors
/// When it is no such string, or has what ketch cannot carry.
pub(super) fn import(string: &str) -> anyhow::Result<Page> {
    let mut client = Client::default();
    for option in words(string)? {
        client.take(&option)?;
    }
    client.page()
}

/// What the options so far come to.
#[derive(Debug, Default)]
struct Client {
    /// Address and weight, in the order that modula goes by.
    servers: Vec<(String, u32)>,
    is_consistent: bool,
    /// A weight over 1 makes ketama weighted when it is met after the distribution, as the library has it.
    is_weighted: bool,
    hash: Option<&'static str>,
    namespace: Option<String>,
    hashes_namespace: bool,
    connect_timeout: Option<u32>,
    poll_timeout: Option<u32>,
    failures: Option<u32>,
    unsaid: Vec<String>,
}

impl Client {
    fn take(&mut self, option: &str) -> anyhow::Result<()> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name.to_ascii_uppercase().as_str() {
            "--SERVER" => self.server(value, false)?,
            "--SOCKET" => self.server(value, true)?,
            "--DISTRIBUTION" => self.distribution(value)?,
            "--HASH" => self.hash = Some(hash(value)?),
            "--NAMESPACE" => self.namespace = Some(value.to_owned()),
            "--HASH-WITH-NAMESPACE" => self.hashes_namespace = true,
            "--CONNECT-TIMEOUT" => self.connect_timeout = Some(number(option, value)?),
            "--POLL-TIMEOUT" => self.poll_timeout = Some(number(option, value)?),
            "--REMOVE-FAILED-SERVERS" => self.failures = Some(number(option, value)?),
            "--SORT-HOSTS" => {
                bail!("{name}: ketch has no order but that of the list; write the servers in order and leave it out")
            }
            "--NUMBER-OF-REPLICAS" | "--RANDOMIZE-REPLICA-READ" => bail!("{option}: ketch keeps one copy of a key"),
            "--CONFIGURE-FILE" | "INCLUDE" => bail!("{option}: put what that file says into the string"),
            known if UNSAID.contains(&known) => self.unsaid.push(option.to_owned()),
            _ => bail!("{option} is no option of libmemcached"),
        }
        Ok(())
    }

    fn server(&mut self, value: &str, is_socket: bool) -> anyhow::Result<()> {
        let (address, weight) = match value.rsplit_once("/?") {
            Some((address, weight)) => (address, number(value, weight)?.max(1)),
            None => (value, 1),
        };
        if address.is_empty() {
            bail!("--SERVER and --SOCKET have an address");
        }
        let address = match (is_socket, address.contains(':')) {
            (true, _) => format!("unix:{address}"),
            (false, true) => address.to_owned(),
            (false, false) => format!("{address}:11211"),
        };
        self.is_weighted |= weight > 1 && self.is_consistent;
        self.servers.push((address, weight));
        Ok(())
    }

    /// What may stand behind a comma is read by the library and places nothing.
    fn distribution(&mut self, value: &str) -> anyhow::Result<()> {
        match value.split(',').next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "CONSISTENT" => self.is_consistent = true,
            "MODULA" => self.is_consistent = false,
            other => bail!("--DISTRIBUTION={other}: ketch has CONSISTENT and MODULA of libmemcached"),
        }
        self.is_weighted = false;
        Ok(())
    }

    fn page(&self) -> anyhow::Result<Page> {
        if self.servers.is_empty() {
            bail!("there is no --SERVER and no --SOCKET");
        }
        let mut page = Page::of("a libmemcached configuration string: every key stays on the server that has it");
        for option in &self.unsaid {
            page.remark(0, format_args!("{option} is the client's own affair: it has no counterpart"));
        }
        page.line(0, "pools:");
        page.line(1, "main:");
        page.key(2, "protocol", "memcached");
        page.key(2, "compatibility", "libmemcached");
        page.key(2, "distribution", if self.is_consistent { "ketama" } else { "modula" });
        page.key(2, "hash", self.hash.unwrap_or("one_at_a_time"));
        if let Some(namespace) = self.namespace.as_ref().filter(|_| !self.hashes_namespace) {
            page.remark(2, "the client puts this in front of its keys and does not hash it");
            page.key(2, "strip_prefix_for_hash", quoted(namespace));
        }
        if let Some(timeout) = self.connect_timeout {
            page.key(2, "connect_timeout", format_args!("{timeout}ms"));
        }
        if let Some(timeout) = self.poll_timeout {
            page.key(2, "request_timeout", format_args!("{timeout}ms"));
        }
        match self.failures.filter(|failures| *failures > 0) {
            Some(failures) => page.line(2, format_args!("health: {{ eject_after: {failures} }}")),
            None => {
                page.remark(2, "without REMOVE-FAILED-SERVERS, no key ever moves");
                page.key(2, "on_ejected", "miss");
            }
        }
        if !self.is_weighted && self.servers.iter().any(|(_, weight)| *weight > 1) {
            page.remark(
                2,
                "the weights are left out: the library drops them with MODULA, and where CONSISTENT comes behind them",
            );
        }
        page.line(2, "nodes:");
        for (address, weight) in &self.servers {
            page.line(3, node(address, if self.is_weighted { *weight } else { 1 }, None));
        }
        Ok(page)
    }
}

/// Options that are between a client and its sockets.
const UNSAID: [&str; 17] = [
    "--BINARY-PROTOCOL",
    "--BUFFER-REQUESTS",
    "--FETCH-VERSION",
    "--IO-BYTES-WATERMARK",
    "--IO-KEY-PREFETCH",
    "--IO-MSG-WATERMARK",
    "--NOREPLY",
    "--POOL-MAX",
    "--POOL-MIN",
    "--RCV-TIMEOUT",
    "--RETRY-TIMEOUT",
    "--SND-TIMEOUT",
    "--SOCKET-RECV-SIZE",
    "--SOCKET-SEND-SIZE",
    "--SUPPORT-CAS",
    "--TCP-NODELAY",
    "--VERIFY-KEY",
];

fn hash(name: &str) -> anyhow::Result<&'static str> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "MD5" => "md5",
        "CRC" => "crc32",
        "FNV1_64" => "fnv1_64",
        "FNV1A_64" => "fnv1a_64",
        "FNV1_32" => "fnv1_32",
        "FNV1A_32" => "fnv1a_32",
        "HSIEH" => "hsieh",
        "MURMUR" => "murmur",
        "JENKINS" => "jenkins",
        _ => bail!("--HASH={name} is no hash of libmemcached's strings"),
    })
}

fn number(option: &str, text: &str) -> anyhow::Result<u32> {
    text.parse().ok().with_context(|| format!("{option}: \"{text}\" is not a number"))
}

/// The options; a value may stand in double quotes, and blanks in them are its own.
fn words(string: &str) -> anyhow::Result<Vec<String>> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in string.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            c if c.is_whitespace() && !is_quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    if is_quoted {
        bail!("a quotation mark is not closed");
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    Ok(words)
}
