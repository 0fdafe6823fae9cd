//! `POST …/incr` and `POST …/decr`: `ma`.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use hyper::{Method, Response};

use super::caller::Caller;
use super::content::Content;
use super::life;
use super::precondition::{Guard, Preconditions};
use super::problem::Problem;
use super::query::Query;
use super::read::About;
use super::write::Write;
use crate::model::{Key, MetaStatus};

/// The parameters of both.
pub(super) const PARAMETERS: &[&str] = &["by", "initial", "ttl"];

/// Counts up or down, and answers with what it came to.
///
/// `initial` or `ttl` makes a counter where there is none: at `initial` (0), for `ttl` seconds (for ever). Under
/// `If-Match` there has to be one.
///
/// # Errors
/// 404 when there is none and none is to be made, 409 when the item is no number, 412 when the condition does not hold,
/// and what a node's failure comes to.
pub(super) async fn count(
    caller: &Caller,
    key: &Key,
    decrement: bool,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response<Content>, Problem> {
    let conditions = Preconditions::parse(headers)?;
    if headers.contains_key(IF_NONE_MATCH) {
        return Err(Problem::bad(
            "counting takes If-Match only: no node can judge If-None-Match and count in one step",
        ));
    }
    let by = query.number("by")?.unwrap_or(1);
    let mut flags = format!("v c D{by}");
    if decrement {
        flags += " MD";
    }
    let initial = query.number("initial")?;
    let expiry = life::expiry(query, &HeaderMap::new())?;
    let makes = initial.is_some() || expiry.is_some();
    if makes && !headers.contains_key(IF_MATCH) {
        flags += &format!(" N{} J{}", expiry.unwrap_or(0), initial.unwrap_or(0));
    }
    let write = Write { caller, method: Method::POST, key, flags, value: Bytes::new() };
    match write.under(&conditions).await? {
        (_, reply) if reply.status == MetaStatus::Value => {
            let mut response = Response::new(Content::whole(reply.value.clone()));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            if let Some(tag) = About::read(&reply).etag() {
                response.headers_mut().insert(ETAG, tag);
            }
            Ok(response)
        }
        (Guard::Free, _) => Err(Problem::no_item()),
        _ => Err(Problem::condition()),
    }
}
