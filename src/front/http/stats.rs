//! `GET /v1/stats`: what `stats` tells memcached clients, as one JSON object.

use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};

use super::caller::Caller;
use super::content::Content;
use super::problem::Problem;
use super::query::Query;
use crate::front::statistics::statistics;

/// The parameters.
pub(super) const PARAMETERS: &[&str] = &["of"];

/// Answers with the statistics that `of` names: `ketch`, `settings`, or without it the general ones.
///
/// # Errors
/// 400 when there are none of that name.
pub(super) fn get(caller: &Caller, query: &Query) -> Result<Response<Content>, Problem> {
    let of = match query.text("of") {
        None => "",
        Some(name @ ("ketch" | "settings")) => name,
        Some(name) => return Err(Problem::bad(format!("there are no statistics of \"{name}\": ketch or settings"))),
    };
    let lines = statistics(of.as_bytes(), &caller.station);
    let pair = |line: &str| {
        let (name, value) = line.strip_prefix("STAT ")?.split_once(' ')?;
        let number = value.parse().ok().map(|number: u64| number.into());
        Some((name.to_owned(), number.unwrap_or_else(|| Value::from(value))))
    };
    let object: Map<String, Value> = lines.lines().filter_map(pair).collect();
    let mut response = Response::new(Content::whole(Value::from(object).to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
