//! Which path gets which answer.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, ORIGIN};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::events::Events;
use super::{query, view};
use crate::control::exposition::{Exposition, MEDIA_TYPE};
use crate::control::{Dial, Scope};
use crate::model::Key;
use crate::topology::explain::explain;

/// The status page, whole.
const PAGE: &str = include_str!("status.html");

/// Nothing that the page needs comes from elsewhere, and nobody may put it into a frame.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Between two events of the status page.
const EVENTS: Duration = Duration::from_secs(1);

/// The most streams of events at once: each costs the control thread, which probes the nodes.
const WATCHERS: usize = 32;

/// What is served at the admin address.
pub struct Pages {
    scope: Scope,
    exposition: Exposition,
    dial: Dial,
    /// A clone of it for each stream of events.
    seats: Rc<()>,
}

pub(super) type Answer = Response<Either<Full<Bytes>, Events>>;

impl Pages {
    /// Pages about `scope`, with the log's level on `dial`.
    ///
    /// # Errors
    /// See `Exposition::new`.
    pub fn new(scope: Scope, dial: Dial) -> anyhow::Result<Self> {
        Ok(Self { exposition: Exposition::new(scope.clone())?, scope, dial, seats: Rc::default() })
    }

    /// The answer to a request; a body that came with it is not read.
    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Answer {
        let query = request.uri().query().unwrap_or_default();
        match (request.method(), request.uri().path()) {
            (&Method::POST, _) if !is_from_here(request) => {
                text(StatusCode::FORBIDDEN, "a page of another site may not do this\n")
            }
            (&Method::POST, "/debug/log") => self.set_level(query),
            (&Method::POST, "/reload") => self.reload(query == "dry_run").await,
            (&Method::GET | &Method::HEAD, path) => self.look(path, query),
            _ => text(
                StatusCode::METHOD_NOT_ALLOWED,
                "look with GET; POST is for /reload, /reload?dry_run and /debug/log?level=\n",
            ),
        }
    }

    fn look(&self, path: &str, query: &str) -> Answer {
        match path {
            "/" => page(),
            "/metrics" => self.metrics(),
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready(query),
            "/topology" => json_answer(&view::topology(&self.scope)),
            "/explain" => self.explain(query),
            "/config" => json_answer(&self.scope.config().to_json()),
            "/hotkeys" => json_answer(&view::hot_keys(&self.scope)),
            "/events" if Rc::strong_count(&self.seats) > WATCHERS => {
                text(StatusCode::SERVICE_UNAVAILABLE, "too many watch already\n")
            }
            "/events" => {
                let events = Events::new(self.scope.clone(), EVENTS, self.seats.clone());
                with(Response::new(Either::Right(events)), "text/event-stream")
            }
            "/reload" => text(StatusCode::METHOD_NOT_ALLOWED, "a reload takes a POST\n"),
            "/debug/log" if query.is_empty() => text(StatusCode::OK, &format!("{}\n", self.dial.level())),
            "/debug/log" => text(StatusCode::METHOD_NOT_ALLOWED, "changing the level takes a POST\n"),
            _ => text(
                StatusCode::NOT_FOUND,
                "there is /, /metrics, /healthz, /readyz, /topology, /explain?key=, \
                      /config, /hotkeys, /events, /reload and /debug/log\n",
            ),
        }
    }

    fn metrics(&self) -> Answer {
        match self.exposition.text() {
            Ok(metrics) => with(plain(metrics), MEDIA_TYPE),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
        }
    }

    /// Ready is who serves: nodes that are out are told, but a cache that is gone must not take the application
    /// with it. `?strict` says otherwise: then a pool without any node that is in is not ready either.
    fn ready(&self, query: &str) -> Answer {
        let pools = view::out(&self.scope);
        let none_left = pools.iter().any(|pool| pool.is_all());
        let draining = self.scope.is_draining();
        let status = match draining || none_left && query == "strict" {
            true => StatusCode::SERVICE_UNAVAILABLE,
            false => StatusCode::OK,
        };
        let mut words = if draining { "draining\n" } else { "serving\n" }.to_owned();
        pools.iter().for_each(|pool| words += &format!("{pool}\n"));
        text(status, &words)
    }

    fn explain(&self, query: &str) -> Answer {
        let bad = |why: &str| {
            let mut answer = json_answer(&json!({ "error": why }));
            *answer.status_mut() = StatusCode::BAD_REQUEST;
            answer
        };
        let Some(key) = query::value(query, "key") else { return bad("write the key as /explain?key=") };
        let key = match Key::new(&key) {
            Ok(key) => key,
            Err(error) => return bad(&error.to_string()),
        };
        match explain(&self.scope.config(), key.as_bytes()) {
            Ok(explained) => {
                let mut json = json!(explained);
                json["asked"] = view::asked(&self.scope, &key);
                json_answer(&json)
            }
            Err(error) => bad(&format!("{error:#}")),
        }
    }

    /// What has changed, or would; or why nothing has.
    async fn reload(&self, dry_run: bool) -> Answer {
        match self.scope.reloader().reload(dry_run).await {
            Ok(outcome) => json_answer(&json!(outcome)),
            Err(refusal) => {
                let mut answer = json_answer(&json!({ "reason": refusal.label(), "error": refusal.to_string() }));
                *answer.status_mut() = StatusCode::CONFLICT;
                answer
            }
        }
    }

    fn set_level(&self, query: &str) -> Answer {
        let level = query::value(query, "level").and_then(|level| String::from_utf8(level).ok());
        match level.and_then(|level| level.parse().ok()) {
            Some(level) => {
                self.dial.turn(level);
                text(StatusCode::OK, &format!("{}\n", self.dial.level()))
            }
            None => text(StatusCode::BAD_REQUEST, "level is one of off, error, warn, info, debug, trace\n"),
        }
    }
}

/// Browsers say on whose behalf they post; others say nothing. A name proves nothing: whoever owns one can have it
/// lead here, and then his page and this one are of one origin.
fn is_from_here<B>(request: &Request<B>) -> bool {
    let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    match (header(ORIGIN), header(HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            is_address(host) && origin.split_once("://").is_some_and(|(_, from)| from == host)
        }
        (Some(_), None) => false,
    }
}

fn is_address(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
}

fn page() -> Answer {
    let mut answer = with(plain(PAGE), "text/html; charset=utf-8");
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer
}

fn json_answer(value: &Value) -> Answer {
    with(plain(format!("{value:#}\n")), "application/json")
}

fn text(status: StatusCode, words: &str) -> Answer {
    let mut answer = with(plain(words.to_owned()), "text/plain; charset=utf-8");
    *answer.status_mut() = status;
    answer
}

fn plain(body: impl Into<Bytes>) -> Answer {
    Response::new(Either::Left(Full::new(body.into())))
}

fn with(mut answer: Answer, media_type: &'static str) -> Answer {
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_post_only_where_it_came_from_by_address() {
        let ask = |origin: &str, host: &str| {
            is_from_here(&Request::builder().header(ORIGIN, origin).header(HOST, host).body(()).unwrap())
        };
        for host in ["127.0.0.1:11290", "[::1]:11290", "localhost:11290"] {
            assert!(ask(&format!("http://{host}"), host), "{host}");
            assert!(!ask("http://elsewhere.example", host), "{host}");
        }
        assert!(!ask("http://rebound.example:11290", "rebound.example:11290"));
        assert!(is_from_here(&Request::builder().header(HOST, "any").body(()).unwrap()));
    }
}
