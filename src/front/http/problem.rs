//! What a client hears when it does not get what it asked for: `application/problem+json` (RFC 9457).

use std::borrow::Cow;

use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::content::Content;
use crate::model::{Failure, FailureKind, Sent};

/// Seconds after which a client that was turned away may try again: a probe's interval.
const RETRY: HeaderValue = HeaderValue::from_static("1");

/// A request that was not carried out, or of which nobody knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    failure: Option<Failure>,
    allow: Option<&'static str>,
    closes: bool,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), failure: None, allow: None, closes: false }
    }

    /// The request is not one: 400.
    pub(super) fn bad(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// There is no item of this key: 404.
    pub(super) fn no_item() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no item of this key")
    }

    /// The condition of the request does not hold: 412.
    pub(super) fn condition() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "the item is not as If-Match or If-None-Match wants it")
    }

    /// Another method than the resource has: 405.
    pub(super) fn method(allow: &'static str) -> Self {
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "this resource has other methods: see Allow");
        Self { allow: Some(allow), ..problem }
    }

    /// The same, behind which the connection ends: the rest of the request is not read.
    pub(super) fn closing(self) -> Self {
        Self { closes: true, ..self }
    }

    /// No node answered.
    pub(super) fn failed(failure: Failure) -> Self {
        let status = match failure.kind {
            FailureKind::Unreachable | FailureKind::Closed | FailureKind::Ejected | FailureKind::Memory => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            FailureKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            FailureKind::Garbage => StatusCode::BAD_GATEWAY,
            FailureKind::Overloaded => StatusCode::TOO_MANY_REQUESTS,
            FailureKind::Lost => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { failure: Some(failure), ..Self::new(status, failure.kind.message()) }
    }

    /// The node's own error line.
    pub(super) fn refused(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line).into_owned();
        let status = match line {
            line if line.starts_with(b"SERVER_ERROR object too large") => StatusCode::PAYLOAD_TOO_LARGE,
            line if line.starts_with(b"SERVER_ERROR out of memory") => StatusCode::INSUFFICIENT_STORAGE,
            line if line.starts_with(b"CLIENT_ERROR cannot increment") => StatusCode::CONFLICT,
            line if line.starts_with(b"CLIENT_ERROR") => StatusCode::BAD_REQUEST,
            _ => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, text)
    }

    /// Its members, for an answer that tells of several requests.
    pub(super) fn members(&self) -> serde_json::Value {
        let title = self.status.canonical_reason().unwrap_or_default();
        let mut members = json!({ "title": title, "status": self.status.as_u16(), "detail": self.detail });
        if let Some(Failure { kind, sent }) = self.failure {
            members["reason"] = kind.label().into();
            members["sent"] = if sent == Sent::Never { "never" } else { "maybe" }.into();
        }
        members
    }

    pub(super) fn into_response(self) -> Response<Content> {
        let mut response = Response::new(Content::whole(self.members().to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(RETRY_AFTER, RETRY);
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Whether the request's body stays unread.
    pub(super) fn closes(&self) -> bool {
        self.closes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_status_and_says_whether_it_may_have_happened() {
        for (kind, status, retry) in [
            (FailureKind::Unreachable, 503, true),
            (FailureKind::Closed, 503, true),
            (FailureKind::Timeout, 504, false),
            (FailureKind::Garbage, 502, false),
            (FailureKind::Overloaded, 429, true),
            (FailureKind::Memory, 503, true),
            (FailureKind::Ejected, 503, true),
            (FailureKind::Lost, 500, false),
        ] {
            let problem = Problem::failed(Failure { kind, sent: Sent::Maybe });
            assert_eq!(problem.members()["sent"], "maybe");
            assert_eq!(problem.members()["reason"], kind.label());
            let response = problem.into_response();
            assert_eq!((response.status().as_u16(), response.headers().contains_key(RETRY_AFTER)), (status, retry));
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_node_s_words() {
        for (line, status) in [
            ("SERVER_ERROR object too large for cache", 413),
            ("SERVER_ERROR out of memory storing object", 507),
            ("CLIENT_ERROR cannot increment or decrement non-numeric value", 409),
            ("CLIENT_ERROR bad command line format", 400),
            ("SERVER_ERROR no route has a prefix of this key", 502),
            ("ERROR", 502),
        ] {
            let members = Problem::refused(line.as_bytes()).members();
            assert_eq!((&members["status"], &members["detail"]), (&status.into(), &line.into()));
        }
    }
}
