//! One worker's way to a Redis Cluster, by the `redis` crate.
//!
//! The crate keeps the slot map and a connection to each server, on which requests are pipelined. It sends nothing
//! again by itself here (`retries(0)`): by its own rules it would send a write twice whose connection broke. What may
//! be sent again is decided in [`insist`]: a server that sends elsewhere (`MOVED`, `ASK`) or says "later" has
//! carried nothing out; after a broken connection only what is idempotent is asked once more.
//!
//! Requests have one key: a get of several is taken apart above, and its parts meet again in the pipeline of each
//! server, since Redis refuses an `MGET` whose keys are in several slots.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use redis::aio::ConnectionLike;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_read_routing::RandomReplicaStrategy;
use redis::cluster_routing::{
    MultipleNodeRoutingInfo, ResponsePolicy, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr,
};
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use super::backoff::Backoff;
use super::dialect::{Dialect, Login};
use super::node::{Node, Seeds};
use crate::memory::Charge;
use crate::model::{Endpoint, Failure, FailureKind, Reply, ReplyTo, Request, Sent};
use crate::wire::Outbox;
use crate::wire::resp::{self, Element, Script};

/// Between two tries of a request that was told to come later: a failover takes seconds, a slot's move milliseconds.
const PAUSE: Duration = Duration::from_millis(20);

/// Between two looks at who is in the cluster.
const REFRESH: Duration = Duration::from_secs(5);

/// The bytes of written values that are under way, even when memory is scarce.
const SHARE: usize = 4 * 1024 * 1024;

/// A worker's connections to a cluster. Belongs to the thread that made it.
pub(super) struct Cluster {
    node: Arc<Node>,
    seeds: Seeds,
    charge: Charge,
    /// Cheap to clone; `None` until the first seed has answered.
    connection: RefCell<Option<ClusterConnection>>,
    /// What the cluster says instead of letting ketch in.
    denied: RefCell<Option<Bytes>>,
    connected: Notify,
    under_way: Cell<usize>,
    departures: Cell<u64>,
}

/// Where a command goes.
enum Way {
    /// To the server that has the slot, as far as is known.
    Slot,
    /// To the server that another named.
    Moved(SingleNodeRoutingInfo),
    /// The same, this once only, since its slot is being moved.
    Ask(SingleNodeRoutingInfo),
}

/// What an error means for the command that met it.
enum Verdict {
    /// It was not carried out: it is to go there.
    Elsewhere(Way),
    /// It was not carried out, and may be later.
    Later,
    /// It was refused for good.
    Refused(Bytes),
    /// Nobody knows.
    Broken(FailureKind),
}

impl Cluster {
    /// Begins to connect, in a task of the running worker.
    pub(super) fn open(node: Arc<Node>, seeds: Seeds, charge: Charge) -> Rc<Self> {
        let cluster = Rc::new(Self {
            node,
            seeds,
            charge,
            connection: RefCell::default(),
            denied: RefCell::default(),
            connected: Notify::new(),
            under_way: Cell::new(0),
            departures: Cell::new(0),
        });
        tokio::task::spawn_local(connect(Rc::downgrade(&cluster)));
        cluster
    }

    /// See [`super::Link::departures`].
    pub(super) fn departures(&self) -> u64 {
        self.departures.get()
    }

    /// Asks the server of the request's key; a flush, every primary.
    pub(super) fn ask(self: &Rc<Self>, request: Request, reply_to: ReplyTo, since: Option<Instant>) {
        let settings = self.node.settings();
        if let Some(line) = self.node.dialect.refusal(&request, &self.node.pool) {
            return reply_to.answer(Reply::Refused(line));
        }
        if self.under_way.get() >= settings.max_inflight {
            return reply_to.answer(Reply::never_sent(FailureKind::Overloaded));
        }
        let weight = request.weight();
        if !self.charge.add_fairly(weight, SHARE) {
            return reply_to.answer(Reply::never_sent(FailureKind::Memory));
        }
        self.under_way.set(self.under_way.get() + 1);
        let deadline = since.unwrap_or_else(Instant::now) + settings.request_timeout;
        let cluster = self.clone();
        tokio::task::spawn_local(async move {
            cluster.departures.set(cluster.departures.get() + 1);
            let sent = Cell::new(Sent::Never);
            let reply = match timeout_at(deadline, cluster.carry_out(&request, &sent)).await {
                Ok(reply) => reply,
                Err(_) => cluster.late(sent.get()),
            };
            cluster.under_way.set(cluster.under_way.get() - 1);
            cluster.charge.free(weight);
            reply_to.answer(reply);
        });
    }

    fn late(&self, sent: Sent) -> Reply {
        match (&*self.denied.borrow(), sent) {
            (Some(line), Sent::Never) => Reply::Refused(line.clone()),
            (None, Sent::Never) => Reply::never_sent(FailureKind::Unreachable),
            (_, Sent::Maybe) => Reply::Failed(Failure { kind: FailureKind::Timeout, sent }),
        }
    }

    async fn carry_out(&self, request: &Request, sent: &Cell<Sent>) -> Reply {
        let connection = match self.connection().await {
            Ok(connection) => connection,
            Err(line) => return Reply::Refused(line),
        };
        for whole in [false, true] {
            let heard = match insist(&connection, request, &self.commands(request, whole), sent).await {
                Ok(heard) => heard,
                Err(failure) => return Reply::Failed(failure),
            };
            match resp::ReplyDecoder::compose(request, heard, self.node.settings().value_size) {
                Ok((_, true)) if !whole => {}
                Ok((reply, _)) => return reply,
                Err(_) => break,
            }
        }
        Reply::maybe_sent(FailureKind::Garbage)
    }

    /// Waits for the first connection, or for the words of a cluster that does not let ketch in.
    async fn connection(&self) -> Result<ClusterConnection, Bytes> {
        loop {
            let connected = self.connected.notified();
            if let Some(connection) = &*self.connection.borrow() {
                return Ok(connection.clone());
            }
            if let Some(line) = &*self.denied.borrow() {
                return Err(line.clone());
            }
            connected.await;
        }
    }

    fn commands(&self, request: &Request, whole: bool) -> Vec<Cmd> {
        let value_size = self.node.settings().value_size;
        let mut out = Outbox::new();
        self.node.dialect.encode(request, value_size, whole, &mut out);
        let command = |words: Vec<Bytes>| {
            let mut command = Cmd::new();
            for word in &words {
                command.arg(&word[..]);
            }
            command
        };
        resp::words_of(out.copy_to_bytes(out.remaining())).into_iter().map(command).collect()
    }
}

/// Makes the first connection, as often as it takes, and another whenever the cluster has changed.
///
/// The crate looks for the slots anew when it is sent elsewhere, but not for replicas that came, nor for a cluster all
/// of whose servers it has lost.
async fn connect(weak: Weak<Cluster>) {
    let mut backoff = Backoff::default();
    loop {
        sleep(backoff.next()).await;
        let Some(cluster) = weak.upgrade() else { return };
        let (pool, node) = (&cluster.node.pool, &cluster.node.name);
        match reach(&cluster.node, &cluster.seeds).await {
            Ok(connection) => {
                tracing::debug!(pool, node, "cluster connected");
                cluster.denied.replace(None);
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
            return sleep(PAUSE * 10).await; // never round and round at once
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

/// Sends a request's commands until they were carried out, or may have been; what was heard.
///
/// Several are one pipeline, so that nothing of the same client gets between them. All such may be said twice.
async fn insist(
    connection: &ClusterConnection,
    request: &Request,
    commands: &[Cmd],
    sent: &Cell<Sent>,
) -> Result<Vec<Element>, Failure> {
    let mut way = Way::Slot;
    loop {
        let before = sent.replace(Sent::Maybe);
        let error = match send(connection.clone(), request, commands, way).await {
            Ok(values) => return Ok(values.into_iter().flat_map(elements).collect()),
            Err(error) => error,
        };
        way = match verdict(&error) {
            Verdict::Refused(line) => return Ok(vec![Element::Error(line); commands.len()]),
            Verdict::Broken(kind) if !request.is_idempotent() => return Err(Failure { kind, sent: Sent::Maybe }),
            Verdict::Broken(_) => Way::Slot,
            Verdict::Elsewhere(way) => {
                sent.set(before);
                way
            }
            Verdict::Later => {
                sent.set(before);
                Way::Slot
            }
        };
        if matches!(way, Way::Slot) {
            sleep(PAUSE).await;
        }
    }
}

async fn send(
    mut connection: ClusterConnection,
    request: &Request,
    commands: &[Cmd],
    way: Way,
) -> RedisResult<Vec<Value>> {
    let server = match (way, commands, request.keys().first()) {
        (_, [command], None) => {
            let primaries = (MultipleNodeRoutingInfo::AllMasters, Some(ResponsePolicy::AllSucceeded));
            let answer = connection.route_command(command.clone(), RoutingInfo::MultiNode(primaries)).await?;
            return Ok(vec![answer]);
        }
        (Way::Slot, [command], _) => return Ok(vec![connection.req_packed_command(command).await?]),
        (Way::Slot, _, Some(key)) => {
            let server = if request.is_idempotent() { SlotAddr::ReplicaOptional } else { SlotAddr::Master };
            SingleNodeRoutingInfo::SpecificNode(Route::with_key(key.as_bytes(), server))
        }
        (Way::Ask(server), ..) => {
            let mut pipeline = Pipeline::new();
            for command in commands {
                pipeline.add_command(redis::cmd("ASKING")).add_command(command.clone());
            }
            let answers = connection.route_pipeline(pipeline, 0, 2 * commands.len(), server).await?;
            return answers.into_iter().skip(1).step_by(2).map(Value::extract_error).collect();
        }
        (Way::Moved(server), ..) => server,
        (Way::Slot, _, None) => return Ok(Vec::new()),
    };
    let mut pipeline = Pipeline::new();
    commands.iter().for_each(|command| {
        pipeline.add_command(command.clone());
    });
    connection.route_pipeline(pipeline, 0, commands.len(), server).await
}

fn verdict(error: &RedisError) -> Verdict {
    use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
    match error.kind() {
        ErrorKind::Server(Moved) => Verdict::Elsewhere(named(error).map_or(Way::Slot, Way::Moved)),
        ErrorKind::Server(Ask) => Verdict::Elsewhere(named(error).map_or(Way::Slot, Way::Ask)),
        ErrorKind::Server(TryAgain | ClusterDown | MasterDown | BusyLoading | ReadOnly) => Verdict::Later,
        ErrorKind::Server(_) | ErrorKind::Extension => Verdict::Refused(line_of(error)),
        ErrorKind::ClusterConnectionNotFound => Verdict::Later,
        _ if error.is_connection_refusal() => Verdict::Later,
        _ if error.is_timeout() => Verdict::Broken(FailureKind::Timeout),
        _ if error.is_io_error() || error.is_connection_dropped() => Verdict::Broken(FailureKind::Closed),
        _ => Verdict::Broken(FailureKind::Garbage),
    }
}

/// The server that an error names.
fn named(error: &RedisError) -> Option<SingleNodeRoutingInfo> {
    let (host, port) = error.redirect_node()?.0.rsplit_once(':')?;
    Some(SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port: port.parse().ok()? })
}

fn line_of(error: &RedisError) -> Bytes {
    line(error.code().unwrap_or("ERR"), error.detail())
}

fn line(code: &str, detail: Option<&str>) -> Bytes {
    match detail {
        Some(detail) => format!("{code} {detail}").into(),
        None => code.to_owned().into(),
    }
}

/// The elements of a value, an array before what is in it.
fn elements(value: Value) -> Vec<Element> {
    match value {
        Value::Nil => vec![Element::Bulk(None)],
        Value::Int(number) => vec![Element::Integer(number)],
        Value::BulkString(bytes) => vec![Element::Bulk(Some(bytes.into()))],
        Value::SimpleString(text) => vec![Element::Status(text.into())],
        Value::Okay => vec![Element::Status(Bytes::from_static(b"OK"))],
        Value::ServerError(error) => vec![Element::Error(line(error.code(), error.details()))],
        Value::Array(values) => {
            let head = Element::Array(values.len());
            std::iter::once(head).chain(values.into_iter().flat_map(elements)).collect()
        }
        other => vec![Element::Error(format!("ERR an answer of another kind: {other:?}").into())],
    }
}
