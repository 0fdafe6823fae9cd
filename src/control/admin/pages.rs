//! Which path gets which answer.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::events::Events;
use super::{origin, query, view};
use crate::control::exposition::{Exposition, MEDIA_TYPE};
use crate::control::{Dial, Scope};
use crate::model::Key;
use crate::topology::explain::explain;

/// The status page, whole.
const PAGE: &str = include_str!("status.html");

/// Nothing that the page needs comes from elsewhere, and nobody may put it into a frame.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What tells nothing of keys or of the configuration is for whoever asks, by any name.
const OPEN: &[&str] = &["/metrics", "/healthz", "/readyz"];
const NOT_BY_NAME: &str = "a name could have any web page read this: ask by address, as localhost, or by the name in admin: \
                           of the configuration; /metrics, /healthz and /readyz are told by any name\n";

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
    /// A clone of it for each connection.
    places: Rc<()>,
}

/// The most connections at once: each has a descriptor, which clients of the cache need too.
const CONNECTIONS: usize = 256;

pub(super) type Answer = Response<Either<Full<Bytes>, Events>>;

impl Pages {
    /// Pages about `scope`, with the log's level on `dial`.
    ///
    /// # Errors
    /// See `Exposition::new`.
    pub fn new(scope: Scope, dial: Dial) -> anyhow::Result<Self> {
        Ok(Self {
            exposition: Exposition::new(scope.clone())?,
            scope,
            dial,
            seats: Rc::default(),
            places: Rc::default(),
        })
    }

    /// A place for one more connection, until it is dropped; `None` when there are too many.
    pub(super) fn place(&self) -> Option<Rc<()>> {
        (Rc::strong_count(&self.places) <= CONNECTIONS).then(|| self.places.clone())
    }

    /// The answer to a request; a body that came with it is not read.
    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Answer {
        let query = request.uri().query().unwrap_or_default();
        let config = self.scope.config();
        match (request.method(), request.uri().path()) {
            (&Method::POST, _) if !origin::is_from_here(request, config.admin.as_ref()) => {
                text(StatusCode::FORBIDDEN, "a page of another site may not do this\n")
            }
            (_, path) if !OPEN.contains(&path) && !origin::is_for(request, config.admin.as_ref()) => {
                text(StatusCode::FORBIDDEN, NOT_BY_NAME)
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
