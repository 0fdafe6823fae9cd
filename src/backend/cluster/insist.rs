//! Sends a request's commands to whoever has their slot, wherever a cluster sends them, as often as may be.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use redis::aio::ConnectionLike;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{
    MultipleNodeRoutingInfo, ResponsePolicy, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr,
};
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::sleep;

use crate::model::{Failure, FailureKind, Request, Sent};
use crate::wire::resp::Element;

/// Between two tries of a request that was told to come later: a failover takes seconds, a slot's move milliseconds.
const PAUSE: Duration = Duration::from_millis(20);

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

/// Sends a request's commands until they were carried out, or may have been; what was heard.
///
/// Several are one pipeline, so that nothing of the same client gets between them. All such may be said twice.
pub(super) async fn insist(
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
