//! `GET` and `HEAD` of a key: `mg`.

use hyper::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
};
use hyper::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, Response, StatusCode};

use super::caller::Caller;
use super::content::Content;
use super::precondition::Preconditions;
use super::problem::Problem;
use super::query::Query;
use crate::config::is_media_type;
use crate::model::{Key, MetaReply, MetaStatus};

/// The parameters of a read.
pub(super) const PARAMETERS: &[&str] = &["type"];

/// memcached's 32 bits for the client, which HTTP has no word for.
pub(super) const KETCH_FLAGS: HeaderName = HeaderName::from_static("ketch-flags");

/// What is told of an item but its value.
pub(super) const ABOUT: &str = "c f t s";

/// What an `mg` told of an item.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    /// 0 where it is not known.
    pub(super) cas: u64,
    pub(super) flags: u32,
    /// Seconds left; `None` for ever.
    pub(super) ttl: Option<u64>,
    pub(super) size: u64,
    /// Marked as such by whoever knows that it has changed: served until it is recached.
    pub(super) is_stale: bool,
}

impl About {
    /// The token as an entity tag; `None` where it is not known.
    pub(super) fn etag(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&format!("\"{}\"", self.cas)).ok().filter(|_| self.cas > 0)
    }

    /// How long others may keep the item, in seconds: not at all when it is stale.
    pub(super) fn max_age(&self) -> Option<u64> {
        if self.is_stale { Some(0) } else { self.ttl }
    }

    /// Reads the flags `c f t s` of an answer and its `X`, in any order, as far as they are there.
    pub(super) fn read(reply: &MetaReply) -> Self {
        let mut about = Self::default();
        for flag in reply.flags.split(|byte| *byte == b' ') {
            let Some((letter, number)) = flag.split_first() else { continue };
            let number = std::str::from_utf8(number).unwrap_or_default();
            match letter {
                b'X' => about.is_stale = true,
                b'c' => about.cas = number.parse().unwrap_or_default(),
                b'f' => about.flags = number.parse().unwrap_or_default(),
                b't' => about.ttl = number.parse().ok(), // -1 is for ever
                b's' => about.size = number.parse().unwrap_or_default(),
                _ => {}
            }
        }
        about
    }
}

/// Answers with the item.
///
/// # Errors
/// 404 on a miss, 412 where `If-Match` does not hold, and what a node's failure comes to.
pub(super) async fn read(
    caller: &Caller,
    method: &Method,
    key: &Key,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response<Content>, Problem> {
    let conditions = Preconditions::parse(headers)?;
    let media_type = media_type(caller, key, query)?;
    let charge = caller.charge();
    let flags = if *method == Method::HEAD { ABOUT } else { "c f t v" };
    let reply = caller.look(key, flags, &charge).await?;
    if !matches!(reply.status, MetaStatus::Value | MetaStatus::Done) {
        conditions.judge(method, None)?;
        return Err(Problem::no_item());
    }
    let about = About::read(&reply);
    let is_wanted = conditions.judge(method, Some(about.cas))?;

    let mut response = Response::new(Content::empty());
    let headers = response.headers_mut();
    if let Some(tag) = about.etag() {
        headers.insert(ETAG, tag);
    }
    headers.insert(KETCH_FLAGS, about.flags.into());
    if let Some(age) = about.max_age().and_then(|age| HeaderValue::from_str(&format!("max-age={age}")).ok()) {
        headers.insert(CACHE_CONTROL, age);
    }
    if !is_wanted {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Whoever stored a page must not run as ketch's own.
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    if *method == Method::HEAD {
        headers.insert(CONTENT_LENGTH, about.size.into());
    } else {
        *response.body_mut() = Content::held(reply.value, charge);
    }
    Ok(response)
}

/// The type that the request asks for, or the key's route, or bytes.
fn media_type(caller: &Caller, key: &Key, query: &Query) -> Result<HeaderValue, Problem> {
    let Some(text) = query.text("type") else {
        let of_route = caller.view.topology().content_type_of(key).and_then(|text| HeaderValue::from_str(text).ok());
        return Ok(of_route.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    };
    let bad = || Problem::bad(format!("type is a media type such as image/png, not \"{text}\""));
    is_media_type(text).then(|| HeaderValue::from_str(text).ok()).flatten().ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn an_answer_is_read_in_any_order() {
        let about = |flags: &str| {
            About::read(&MetaReply { status: MetaStatus::Done, flags: flags.to_owned().into(), value: Bytes::new() })
        };
        assert_eq!(about("f5 s3 t-1 c7"), About { cas: 7, flags: 5, size: 3, ..About::default() });
        assert_eq!(about("b t60 kYSBi W"), About { ttl: Some(60), ..About::default() });
        let stale = about("t60 Z X");
        assert_eq!((stale.is_stale, stale.max_age(), stale.etag()), (true, Some(0), None));
        assert_eq!(about(""), About::default());
    }
}
