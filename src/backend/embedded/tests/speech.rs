//! Transcripts: a command, ` -> `, and what memcached 1.6.18 answered to it.
//!
//! ```text
//! set a 5 0 1 | x   ->  STORED
//! get a             ->  VALUE a 5 1 / x / END
//! wait 3
//! ```
//!
//! ` | ` comes before a value, ` / ` stands for a line end in an answer; `@10` is the Unix time ten seconds after the
//! transcript's start. The answers were taken from a memcached that was built with its own
//! `-DMEMCACHED_DEBUG`, whose `debugtime` command stops the clock and moves it; each transcript was said to a fresh
//! one. So the cas tokens count from 1.

use std::sync::atomic::AtomicU64;

use bytes::Bytes;

use super::super::{Now, Options, Store};
use crate::model;
use crate::model::{
    Arithmetic, Expiry, Item, Key, Keys, Meta, MetaReply, MetaStatus, MetaVerb, Read, Reply, Request, StoreMode,
};

pub(super) const START: u32 = 1_700_000_000;

/// A store whose tokens count from 1, as those of a fresh memcached.
pub(super) fn fresh(memory: usize) -> Store {
    let tokens = Box::leak(Box::new(AtomicU64::new(0)));
    let store = Store::counting_from(Options { memory, value_size: 1 << 20 }, tokens);
    // A memcached's time starts with itself.
    store.sweep(Now(START), 1);
    store
}

/// Says the transcript to a fresh store and compares every answer.
pub(super) fn holds(transcript: &str) {
    let store = fresh(64 << 20);
    let mut now = START;
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(seconds) = line.strip_prefix("wait ") {
            now += seconds.parse::<u32>().unwrap();
            continue;
        }
        let (said, heard) = line.split_once("->").unwrap();
        let request = request(said.trim());
        let reply = store.carry_out(&request, Now(now));
        assert_eq!(text(&request, &reply).trim_end(), heard.trim(), "to: {said}");
    }
}

/// The request that a line is.
pub(super) fn request(line: &str) -> Request {
    let (command, value) = line.split_once(" | ").unwrap_or((line, ""));
    let value = Bytes::from(value.replace("\\r\\n", "\r\n"));
    let words: Vec<String> = command.split(' ').map(unix_time).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let key = |at: usize| key(words[at]);
    let expiry = |at: usize| Expiry(seconds(words[at]));
    match words[0] {
        "get" | "gets" => read(&words[1..], words[0] == "gets", None),
        "gat" | "gats" => read(&words[2..], words[0] == "gats", Some(expiry(1))),
        "delete" => Request::Delete(key(1)),
        "incr" | "decr" => Request::Arithmetic(Box::new(Arithmetic {
            key: key(1),
            decrement: words[0] == "decr",
            delta: words[2].parse().unwrap(),
        })),
        "touch" => Request::Touch { key: key(1), expiry: expiry(2) },
        "flush_all" => Request::FlushAll { delay: words.get(1).map(|word| Expiry(seconds(word))) },
        "mg" => meta(MetaVerb::Get, &words[1..], &words[2..], value),
        "ms" => meta(MetaVerb::Set, &words[1..], &words[3..], value),
        "md" => meta(MetaVerb::Delete, &words[1..], &words[2..], value),
        "ma" => meta(MetaVerb::Arithmetic, &words[1..], &words[2..], value),
        "me" => meta(MetaVerb::Debug, &words[1..], &words[2..], value),
        verb => Request::Store(Box::new(model::Store {
            mode: mode(verb, words.last().unwrap()),
            key: key(1),
            flags: words[2].parse().unwrap(),
            expiry: expiry(3),
            value,
        })),
    }
}

fn mode(verb: &str, last: &str) -> StoreMode {
    match verb {
        "set" => StoreMode::Set,
        "add" => StoreMode::Add,
        "replace" => StoreMode::Replace,
        "append" => StoreMode::Append,
        "prepend" => StoreMode::Prepend,
        "cas" => StoreMode::Cas(last.parse().unwrap()),
        other => panic!("no command: {other}"),
    }
}

fn seconds(word: &str) -> i32 {
    word.parse().unwrap()
}

/// The word with its `@10`, if it has one, as a Unix time.
fn unix_time(word: &str) -> String {
    match word.split_once('@') {
        Some((before, ahead)) => format!("{before}{}", START + ahead.parse::<u32>().unwrap()),
        None => word.to_owned(),
    }
}

fn key(word: &str) -> Key {
    Key::new(word.as_bytes()).unwrap()
}

fn read(words: &[&str], cas: bool, touch: Option<Expiry>) -> Request {
    let keys = match words {
        [one] => Keys::One(key(one)),
        many => Keys::Many(many.iter().map(|word| key(word)).collect()),
    };
    Request::Read(Read { keys, cas, touch })
}

fn meta(verb: MetaVerb, words: &[&str], flags: &[&str], value: Bytes) -> Request {
    let token = words[0].to_owned();
    let key = match flags.contains(&"b") {
        true => Key::new(&base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &token).unwrap()),
        false => Key::new(token.as_bytes()),
    };
    let flags = flags.join(" ");
    Request::Meta(Box::new(Meta { verb, key: key.unwrap(), token: token.into(), flags: flags.into(), value }))
}

/// The reply as it would go over the wire, with ` / ` for a line end.
pub(super) fn text(request: &Request, reply: &Reply) -> String {
    match reply {
        Reply::Items(items) => {
            let found = request.keys().iter().zip(items).filter_map(|(key, item)| Some((key, item.as_ref()?)));
            found.map(|(key, item)| item_text(key, item)).collect::<String>() + "END"
        }
        Reply::Stored => "STORED".into(),
        Reply::NotStored => "NOT_STORED".into(),
        Reply::Exists => "EXISTS".into(),
        Reply::NotFound => "NOT_FOUND".into(),
        Reply::Deleted => "DELETED".into(),
        Reply::Touched => "TOUCHED".into(),
        Reply::Ok => "OK".into(),
        Reply::Number(number) => number.to_string(),
        Reply::Meta(reply) => meta_text(reply),
        Reply::Refused(line) => utf8(line),
        Reply::Failed(failure) => format!("{failure:?}"),
    }
}

fn item_text(key: &Key, item: &Item) -> String {
    let cas = item.cas.map(|cas| format!(" {cas}")).unwrap_or_default();
    let (key, value) = (utf8(key.as_bytes()), utf8(&item.value));
    format!("VALUE {key} {} {}{cas} / {value} / ", item.flags, item.value.len())
}

fn meta_text(reply: &MetaReply) -> String {
    let status = match reply.status {
        MetaStatus::Done => "HD".into(),
        MetaStatus::Value => format!("VA {}", reply.value.len()),
        MetaStatus::Miss => "EN".into(),
        MetaStatus::NotFound => "NF".into(),
        MetaStatus::NotStored => "NS".into(),
        MetaStatus::Exists => "EX".into(),
        MetaStatus::Debug => "ME".into(),
    };
    let line = format!("{status} {}", utf8(&reply.flags)).trim_end().to_owned();
    match reply.status {
        MetaStatus::Value => format!("{line} / {}", utf8(&reply.value)),
        _ => line,
    }
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap().replace("\r\n", "\\r\\n")
}
