//! `POST /v1/batch/get`: many `mg` at once, which leave for each node in one write.
//!
//! The answer is one JSON document, or with `Accept: application/x-ndjson` a line an item, sent as the nodes answer:
//! only a window of a large batch is ever held.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Write;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body;
use super::caller::{Caller, hold, met};
use super::content::Content;
use super::look::look;
use super::problem::Problem;
use super::read::About;
use super::target::key_of;
use crate::memory::Charge;
use crate::model::{Failure, FailureKind, Key, MetaStatus, Receive, Reply, ReplyTo, Sent};

/// The most keys of one batch.
const MAX_KEYS: usize = 10_000;
/// How many keys of a document are asked for at once: fewer than may wait on one connection to a node.
const AHEAD: usize = 1000;
/// How many keys of a stream are asked for ahead of the line that is written.
const WINDOW: usize = 64;
/// How many of them before any answer has come.
const FIRST: usize = 8;
/// About how many bytes of lines are handed over at once.
const PIECE: usize = 64 * 1024;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// What is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    keys: Vec<Name>,
}

/// A key as text, or as base64 where it is none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Binary(Binary),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Binary {
    base64: String,
}

/// Answers with every item of the batch, in its order; `null` for a miss.
///
/// # Errors
/// 415 and 400 when the body is not what it should be; for the JSON form, what the first failure comes to.
pub(super) async fn get(caller: Caller, headers: &HeaderMap, incoming: Incoming) -> Result<Response<Content>, Problem> {
    if !is_json(headers) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is application/json").closing());
    }
    let charge = caller.charge();
    let body = body::read(incoming, caller.station.limits().value_size, &charge).await?;
    let keys = keys(&body)?;
    let streams = headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|text| text.contains(NDJSON)));
    if streams {
        return Ok(respond(NDJSON, Content::lines(Lines::new(caller, keys))));
    }
    drop(charge);
    document(&caller, &keys).await
}

fn keys(body: &[u8]) -> Result<Vec<Key>, Problem> {
    let batch: Batch = serde_json::from_slice(body).map_err(|error| {
        Problem::bad(format!("the body is no {{\"keys\": [\"a\", {{\"base64\": \"YQ==\"}}]}}: {error}"))
    })?;
    if batch.keys.len() > MAX_KEYS {
        return Err(Problem::bad(format!("a batch has at most {MAX_KEYS} keys")));
    }
    let key = |name: Name| match name {
        Name::Text(text) => key_of(text.as_bytes()),
        Name::Binary(Binary { base64 }) => {
            let bytes = STANDARD.decode(&base64);
            key_of(&bytes.map_err(|_| Problem::bad(format!("\"{base64}\" is no base64")))?)
        }
    };
    batch.keys.into_iter().map(key).collect()
}

/// All items as one document.
async fn document(caller: &Caller, keys: &[Key]) -> Result<Response<Content>, Problem> {
    let (board, charge) = (Board::new(caller), caller.charge());
    let (first, later) = keys.split_at(keys.len().min(AHEAD));
    first.iter().for_each(|key| board.ask(caller, key));
    let mut later = later.iter();
    let mut text = String::from("{\"items\":[");
    for (index, key) in keys.iter().enumerate() {
        let reply = poll_fn(|cx| board.poll(cx)).await;
        later.next().into_iter().for_each(|key| board.ask(caller, key));
        if index > 0 {
            text.push(',');
        }
        let before = text.len();
        write_entry(key, reply, &mut text)?;
        if !charge.add_fairly(text.len() - before, caller.share()) {
            charge.tell();
            return Err(Problem::failed(Failure { kind: FailureKind::Memory, sent: Sent::Never }));
        }
    }
    text += "]}";
    Ok(respond(JSON, Content::held(text, charge)))
}

fn respond(media_type: &'static str, content: Content) -> Response<Content> {
    let mut response = Response::new(content);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Writes what is told of one item. Values may be large: they are encoded in place.
fn write_entry(key: &Key, reply: Reply, text: &mut String) -> Result<(), Problem> {
    let reply = met(reply)?;
    if reply.status != MetaStatus::Value {
        text.push_str("null");
        return Ok(());
    }
    let about = About::read(&reply);
    let tag = about.etag().and_then(|tag| tag.to_str().ok().map(Value::from));
    let (tag, age) = (Value::from(tag), Value::from(about.max_age()));
    let (key, flags) = (name(key), about.flags);
    // Writing to a string does not fail.
    let _ = write!(text, "{{\"key\":{key},\"flags\":{flags},\"etag\":{tag},\"ttl\":{age},\"value\":\"");
    STANDARD.encode_string(&reply.value, text);
    text.push_str("\"}");
    Ok(())
}

/// The key in the form in which it may be asked for.
fn name(key: &Key) -> Value {
    match std::str::from_utf8(key.as_bytes()) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": STANDARD.encode(key.as_bytes()) }),
    }
}

/// Whether the request says that its body is JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let essence = |header: &HeaderValue| {
        let text = header.to_str().unwrap_or_default();
        text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(JSON)
    };
    headers.get(CONTENT_TYPE).is_some_and(essence)
}

/// The lines of a stream that are still to come.
pub(super) struct Lines {
    caller: Caller,
    board: Rc<Board>,
    keys: Vec<Key>,
    /// How many are asked for, and how many are written.
    asked: usize,
    written: usize,
}

impl Lines {
    fn new(caller: Caller, keys: Vec<Key>) -> Self {
        let board = Board::new(&caller);
        Self { caller, board, keys, asked: 0, written: 0 }
    }

    /// The next lines, as many as are there; `None` behind the last.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut text = String::new();
        while self.written < self.keys.len() && text.len() < PIECE {
            self.ask();
            let Poll::Ready(reply) = self.board.poll(cx) else { break };
            let key = &self.keys[self.written];
            if let Err(problem) = write_entry(key, reply, &mut text) {
                text += &json!({ "key": name(key), "error": problem.members() }).to_string();
            }
            text.push('\n');
            self.written += 1;
        }
        match text.is_empty() {
            false => Poll::Ready(Some(text.into())),
            true if self.written == self.keys.len() => Poll::Ready(None),
            true => Poll::Pending,
        }
    }

    /// Asks for the keys of the window, while what the answers will come to is no more than the client's share: that is
    /// known when some have come.
    fn ask(&mut self) {
        let ahead = WINDOW.min(FIRST + self.written);
        let end = self.keys.len().min(self.written + ahead);
        while self.asked < end && (self.asked == self.written || self.expected() < self.board.share) {
            self.board.ask(&self.caller, &self.keys[self.asked]);
            self.asked += 1;
        }
    }

    /// About how many bytes the open answers will come to.
    fn expected(&self) -> usize {
        (self.asked - self.written) * self.board.usual.get()
    }
}

/// Where the answers of a batch come in, in any order, and are taken in that of the keys.
struct Board {
    slots: RefCell<Slots>,
    charge: Charge,
    share: usize,
    /// Values are about this large.
    usual: Cell<usize>,
}

#[derive(Default)]
struct Slots {
    replies: VecDeque<Option<Reply>>,
    /// The tag of the first.
    first: u64,
    task: Option<Waker>,
}

impl Board {
    fn new(caller: &Caller) -> Rc<Self> {
        Rc::new(Self { slots: RefCell::default(), charge: caller.charge(), share: caller.share(), usual: Cell::new(0) })
    }

    fn ask(self: &Rc<Self>, caller: &Caller, key: &Key) {
        let tag = {
            let mut slots = self.slots.borrow_mut();
            slots.replies.push_back(None);
            slots.first + slots.replies.len() as u64 - 1
        };
        look(caller, key, "c f t v", ReplyTo::new(self.clone(), tag).by(caller.listener));
    }

    /// The reply whose turn it is.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Reply> {
        let slots = &mut *self.slots.borrow_mut();
        match slots.replies.front_mut().and_then(Option::take) {
            Some(reply) => {
                slots.replies.pop_front();
                slots.first += 1;
                self.charge.free(reply.weight());
                Poll::Ready(reply)
            }
            None => {
                slots.task = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Receive for Board {
    fn receive(&self, tag: u64, reply: Reply) {
        let slots = &mut *self.slots.borrow_mut();
        let place = usize::try_from(tag.wrapping_sub(slots.first)).unwrap_or(usize::MAX);
        let Some(slot) = slots.replies.get_mut(place) else { return };
        self.usual.set((self.usual.get() + reply.weight()) / 2);
        *slot = Some(hold(reply, &self.charge, self.share));
        if let (0, Some(task)) = (place, slots.task.take_if(|_| place == 0)) {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_names_keys_as_text_or_base64() {
        let named = keys(br#"{"keys": ["a", {"base64": "AAE="}, "a b"]}"#).unwrap();
        assert_eq!(named.iter().map(Key::as_bytes).collect::<Vec<_>>(), [&b"a"[..], b"\0\x01", b"a b"]);
        assert_eq!(keys(br#"{"keys": []}"#), Ok(vec![]));
        for body in ["", "[]", "{}", r#"{"keys": "a"}"#, r#"{"keys": [1]}"#, r#"{"keys": [""]}"#] {
            assert!(keys(body.as_bytes()).is_err(), "{body}");
        }
        assert!(keys(br#"{"keys": [{"base64": "!"}]}"#).is_err() && keys(br#"{"keys": [], "x": 1}"#).is_err());
        let many = format!("{{\"keys\": [{}\"a\"]}}", "\"a\",".repeat(MAX_KEYS));
        assert!(keys(many.as_bytes()).is_err());
    }

    #[test]
    fn a_key_is_told_as_it_may_be_asked_for() {
        for bytes in [&b"a"[..], b"a b", b"\xff\0"] {
            let body = json!({ "keys": [name(&Key::new(bytes).unwrap())] }).to_string();
            assert_eq!(keys(body.as_bytes()).unwrap()[0].as_bytes(), bytes);
        }
    }
}
