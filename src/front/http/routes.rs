//! What may be asked, by path and method. `openapi.json` says the same to clients, and a test that it does.

use hyper::body::Incoming;
use hyper::header::{ALLOW, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, StatusCode, Version};

use super::caller::Caller;
use super::content::Content;
use super::problem::Problem;
use super::query::Query;
use super::{batch, count, page, read, stats, target, write};
use crate::model::Key;

/// The longest path and query: any key of 250 bytes, whole in percent-encoding, and every parameter, fit in.
const MAX_TARGET: usize = 4 * 1024;

/// One resource, or one a key.
pub(super) struct Route {
    /// As the description has it.
    pub(super) path: &'static str,
    /// The methods, as `Allow` tells them.
    pub(super) allow: &'static str,
    resource: Resource,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Resource {
    Page,
    Description,
    Stats,
    Key,
    Incr,
    Decr,
    Batch,
}

/// Everything that is served.
pub(super) const ROUTES: &[Route] = &[
    Route { path: "/", allow: "GET, HEAD, OPTIONS", resource: Resource::Page },
    Route { path: "/openapi.json", allow: "GET, HEAD, OPTIONS", resource: Resource::Description },
    Route { path: "/v1/stats", allow: "GET, HEAD, OPTIONS", resource: Resource::Stats },
    Route { path: "/v1/batch/get", allow: "POST, OPTIONS", resource: Resource::Batch },
    Route { path: "/v1/keys/{key}", allow: "GET, HEAD, PUT, DELETE, OPTIONS", resource: Resource::Key },
    Route { path: "/v1/keys/{key}/incr", allow: "POST, OPTIONS", resource: Resource::Incr },
    Route { path: "/v1/keys/{key}/decr", allow: "POST, OPTIONS", resource: Resource::Decr },
];

impl Route {
    /// The route of a path, and the segment that stands for `{key}`.
    fn find(path: &str) -> Option<(&'static Self, &str)> {
        ROUTES.iter().find_map(|route| Some((route, route.matched(path)?)))
    }

    fn matched<'a>(&self, path: &'a str) -> Option<&'a str> {
        let Some((before, behind)) = self.path.split_once("{key}") else {
            return (path == self.path).then_some("");
        };
        let segment = path.strip_prefix(before)?.strip_suffix(behind)?;
        (!segment.contains('/')).then_some(segment)
    }

    fn has(&self, method: &Method) -> bool {
        self.allow.split(", ").any(|allowed| allowed == method.as_str())
    }

    /// The query's parameters, in the order of the alphabet.
    pub(super) fn parameters(&self, method: &Method) -> &'static [&'static str] {
        match (self.resource, method) {
            (Resource::Stats, _) => stats::PARAMETERS,
            (Resource::Key, &Method::GET | &Method::HEAD) => read::PARAMETERS,
            (Resource::Key, &Method::PUT) => write::PARAMETERS,
            (Resource::Incr | Resource::Decr, _) => count::PARAMETERS,
            _ => &[],
        }
    }
}

/// Carries out one request.
///
/// # Errors
/// What the client is told instead.
pub(super) async fn respond(caller: Caller, request: Request<Incoming>) -> Result<Response<Content>, Problem> {
    let (head, incoming) = request.into_parts();
    judge(&head)?;
    if head.method == Method::OPTIONS && head.uri.path() == "*" {
        return Ok(allowed("GET, HEAD, PUT, POST, DELETE, OPTIONS"));
    }
    let Some((route, segment)) = Route::find(head.uri.path()) else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is nothing here: see /openapi.json"));
    };
    if !route.has(&head.method) {
        return Err(Problem::method(route.allow));
    }
    if head.method == Method::OPTIONS {
        return Ok(allowed(route.allow));
    }
    let query = Query::parse(head.uri.query(), route.parameters(&head.method))?;
    let key = || -> Result<Key, Problem> { target::key(segment) };
    let (method, headers) = (&head.method, &head.headers);
    match (route.resource, method) {
        (Resource::Page, _) => Ok(page::page(host(&head))),
        (Resource::Description, _) => Ok(page::description()),
        (Resource::Stats, _) => stats::get(&caller, &query),
        (Resource::Batch, _) => batch::get(caller, headers, incoming).await,
        (Resource::Incr, _) => count::count(&caller, &key()?, false, &query, headers).await,
        (Resource::Decr, _) => count::count(&caller, &key()?, true, &query, headers).await,
        (Resource::Key, &Method::PUT) => write::put(&caller, &key()?, &query, headers, incoming).await,
        (Resource::Key, &Method::DELETE) => write::delete(&caller, &key()?, headers).await,
        (Resource::Key, _) => read::read(&caller, method, &key()?, &query, headers).await,
    }
}

/// The address by which the client came: h2 says it in the target.
fn host(head: &Parts) -> Option<&str> {
    let authority = head.uri.authority().map(Authority::as_str);
    authority.or_else(|| head.headers.get(HOST)?.to_str().ok())
}

/// What holds for every request, whatever it asks for.
fn judge(head: &Parts) -> Result<(), Problem> {
    if head.version == Version::HTTP_11 && head.headers.get_all(HOST).iter().count() != 1 {
        return Err(Problem::bad("an HTTP/1.1 request has one Host header"));
    }
    let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if !head.headers.get_all(TRANSFER_ENCODING).iter().all(is_plain) {
        let detail = "Transfer-Encoding is chunked or nothing: what is packed in another way would be stored so";
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, detail).closing());
    }
    if head.uri.path_and_query().map_or(0, |target| target.as_str().len()) > MAX_TARGET {
        return Err(Problem::new(StatusCode::URI_TOO_LONG, format!("a target has at most {MAX_TARGET} bytes")));
    }
    // A page of another site can have its browser post without asking; browsers say so.
    let is_cross_site = head.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    match is_cross_site && !head.method.is_safe() {
        true => Err(Problem::new(StatusCode::FORBIDDEN, "a page of another site may not do this")),
        false => Ok(()),
    }
}

fn allowed(methods: &'static str) -> Response<Content> {
    let mut response = Response::new(Content::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_one_route() {
        for (path, found) in [
            ("/", Some(("/", ""))),
            ("/v1/keys/a%2Fb", Some(("/v1/keys/{key}", "a%2Fb"))),
            ("/v1/keys/incr", Some(("/v1/keys/{key}", "incr"))),
            ("/v1/keys/", Some(("/v1/keys/{key}", ""))),
            ("/v1/keys/a/incr", Some(("/v1/keys/{key}/incr", "a"))),
            ("/v1/keys/a/decr", Some(("/v1/keys/{key}/decr", "a"))),
            ("/v1/batch/get", Some(("/v1/batch/get", ""))),
            ("/v1/keys/a/b", None),
            ("/v1/keys/a/b/incr", None),
            ("/v1/keys", None),
            ("", None),
        ] {
            assert_eq!(Route::find(path).map(|(route, segment)| (route.path, segment)), found, "{path}");
        }
    }
}
