//! `PUT` and `DELETE` of a key: `ms` and `md`, and how a write keeps its conditions.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap};
use hyper::{Method, Response, StatusCode};

use super::caller::Caller;
use super::content::Content;
use super::look::give_back;
use super::precondition::{Guard, Plan, Preconditions};
use super::problem::Problem;
use super::query::{Query, digits};
use super::read::{About, KETCH_FLAGS};
use super::{body, life};
use crate::model::{Key, MetaReply, MetaStatus, MetaVerb};

/// The parameters of a `PUT`.
pub(super) const PARAMETERS: &[&str] = &["ttl"];

/// How often an item is looked at again when others change it between a look and the write.
const TRIES: usize = 10;

/// Stores the body.
///
/// # Errors
/// 4xx when the request is not one, 412 when its condition does not hold, and what a node's failure comes to.
pub(super) async fn put(
    caller: &Caller,
    key: &Key,
    query: &Query,
    headers: &HeaderMap,
    incoming: Incoming,
) -> Result<Response<Content>, Problem> {
    let conditions = Preconditions::parse(headers)?;
    let mut flags = format!("c F{}", client_flags(headers)?);
    if let Some(expiry) = life::expiry(query, headers)? {
        flags += &format!(" T{expiry}");
    }
    refuse_partial(headers)?;
    let charge = caller.charge();
    let value = body::read(incoming, caller.station.limits().value_size, &charge).await?;
    drop(charge); // from here on it is charged where it goes
    let write = Write { caller, method: Method::PUT, key, flags, value };
    let (guard, reply) = write.under(&conditions).await?;
    match reply.status {
        MetaStatus::Done => Ok(stored(guard, &reply)),
        _ => Err(Problem::condition()),
    }
}

/// Deletes the item.
///
/// # Errors
/// 404 when there is none, 412 when the condition does not hold, and what a node's failure comes to.
pub(super) async fn delete(caller: &Caller, key: &Key, headers: &HeaderMap) -> Result<Response<Content>, Problem> {
    let conditions = Preconditions::parse(headers)?;
    let write = Write { caller, method: Method::DELETE, key, flags: String::new(), value: Bytes::new() };
    match write.under(&conditions).await? {
        (_, reply) if reply.status == MetaStatus::Done => Ok(no_content()),
        (Guard::Free | Guard::Absent, _) => Err(Problem::no_item()),
        _ => Err(Problem::condition()),
    }
}

/// A write that may have conditions.
pub(super) struct Write<'a> {
    pub(super) caller: &'a Caller,
    pub(super) method: Method,
    pub(super) key: &'a Key,
    /// The flags that it has in any case.
    pub(super) flags: String,
    pub(super) value: Bytes,
}

impl Write<'_> {
    /// Carries it out under its conditions; under which guard it was, and what the node said.
    ///
    /// What the node cannot judge itself is looked at first, and the write holds the node to what was seen.
    ///
    /// # Errors
    /// 412 when it is seen that the conditions do not hold, and what a node's failure comes to.
    pub(super) async fn under(&self, conditions: &Preconditions) -> Result<(Guard, MetaReply), Problem> {
        let is_put = self.method == Method::PUT;
        match conditions.plan() {
            Plan::Fails => Err(Problem::condition()),
            Plan::Guard(guard) if is_put || matches!(guard, Guard::Free | Guard::Is(_)) => {
                Ok((guard, self.send(guard).await?))
            }
            Plan::Guard(_) | Plan::Look => self.look_and_send(conditions).await,
        }
    }

    async fn look_and_send(&self, conditions: &Preconditions) -> Result<(Guard, MetaReply), Problem> {
        for _ in 0..TRIES {
            let seen = self.send_verb(MetaVerb::Get, "c", Bytes::new()).await?;
            let current = (seen.status == MetaStatus::Done).then(|| About::read(&seen).cas);
            if let Err(problem) = conditions.judge(&self.method, current) {
                if seen.has(b'W') {
                    // Whether that comes about or not, the condition does not hold.
                    let _ = self.send_verb(MetaVerb::Delete, &give_back(&seen), Bytes::new()).await;
                }
                return Err(problem);
            }
            let guard = current.map_or(Guard::Absent, Guard::Is);
            if guard == Guard::Absent && self.method == Method::DELETE {
                return Err(Problem::no_item());
            }
            let reply = self.send(guard).await?;
            if matches!(reply.status, MetaStatus::Done | MetaStatus::Value) {
                return Ok((guard, reply));
            }
        }
        Err(Problem::condition())
    }

    async fn send(&self, guard: Guard) -> Result<MetaReply, Problem> {
        let (verb, guard) = match (&self.method, guard) {
            (&Method::PUT, Guard::Absent) => (MetaVerb::Set, " ME".to_owned()),
            (&Method::PUT, Guard::Present) => (MetaVerb::Set, " MR".to_owned()),
            (&Method::PUT, Guard::Is(cas)) => (MetaVerb::Set, format!(" C{cas}")),
            (&Method::PUT, Guard::Free) => (MetaVerb::Set, String::new()),
            (&Method::DELETE, Guard::Is(cas)) => (MetaVerb::Delete, format!("C{cas}")),
            (&Method::DELETE, _) => (MetaVerb::Delete, String::new()),
            (_, Guard::Is(cas)) => (MetaVerb::Arithmetic, format!(" C{cas}")),
            _ => (MetaVerb::Arithmetic, String::new()),
        };
        self.send_verb(verb, &format!("{}{guard}", self.flags), self.value.clone()).await
    }

    async fn send_verb(&self, verb: MetaVerb, flags: &str, value: Bytes) -> Result<MetaReply, Problem> {
        self.caller.meta(verb, self.key, flags, value, &self.caller.charge()).await
    }
}

/// 201 or 204, with the tag of what is there now.
fn stored(guard: Guard, reply: &MetaReply) -> Response<Content> {
    let mut response = no_content();
    if guard == Guard::Absent {
        *response.status_mut() = StatusCode::CREATED;
    }
    if let Some(tag) = About::read(reply).etag() {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn no_content() -> Response<Content> {
    let mut response = Response::new(Content::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn client_flags(headers: &HeaderMap) -> Result<u32, Problem> {
    let Some(header) = headers.get(KETCH_FLAGS) else { return Ok(0) };
    let number = header.to_str().ok().and_then(digits).and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| Problem::bad(format!("Ketch-Flags is a whole number from 0 to {}", u32::MAX)))
}

/// What is stored is exactly the body, so that a part of something, or something that is packed, cannot be told
/// from a whole again.
fn refuse_partial(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(CONTENT_RANGE) {
        return Err(Problem::bad("Content-Range: a part of a value cannot be stored"));
    }
    match headers.get(CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            let detail = "Content-Encoding would be lost: send the value as it is";
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
        _ => Ok(()),
    }
}
