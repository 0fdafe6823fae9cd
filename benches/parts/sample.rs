//! Keys and values as the other benches have them: 16 bytes and 100.

use bytes::Bytes;
use ketch::model::{Item, Key, Keys, Read, Reply, Request};

/// Keys of a multi-get.
pub const MANY: usize = 50;

pub fn name(number: usize) -> String {
    format!("a-key-of-{number:07}")
}

pub fn key(number: usize) -> Key {
    Key::new(name(number).as_bytes()).expect("16 bytes")
}

pub fn value() -> Bytes {
    Bytes::from(vec![b'v'; 100])
}

/// `get` of one key.
pub fn get(number: usize) -> Request {
    Request::Read(Read { keys: Keys::One(key(number)), cas: false, touch: None })
}

/// `get` of [`MANY`] keys.
pub fn multi_get() -> Request {
    Request::Read(Read { keys: Keys::Many((0..MANY).map(key).collect()), cas: false, touch: None })
}

/// So many items that were found.
pub fn items(count: usize) -> Reply {
    Reply::Items((0..count).map(|_| Some(Item { flags: 0, cas: None, value: value() })).collect())
}
