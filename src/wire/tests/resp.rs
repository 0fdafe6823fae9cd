//! Both halves of RESP: the commands of a request, and the reply that its replies come to.

use bytes::{Buf, Bytes, BytesMut};
use smallvec::smallvec;

use crate::model::{
    Arithmetic, Expiry, Item, Key, Keys, Meta, MetaReply, MetaStatus, MetaVerb, Read, Reply, Request, Store, StoreMode,
};
use crate::wire::Outbox;
use crate::wire::resp::{Dictation, ReplyDecoder, Script, encode_request, is_supported};

const VALUE_SIZE: usize = 1 << 20;

fn key(text: &str) -> Key {
    Key::new(text.as_bytes()).unwrap()
}

fn read(keys: &[&str], cas: bool, touch: Option<i32>) -> Request {
    let keys: Vec<Key> = keys.iter().map(|text| key(text)).collect();
    let keys = if let [key] = &keys[..] { Keys::One(key.clone()) } else { Keys::Many(keys.into()) };
    Request::Read(Read { keys, cas, touch: touch.map(Expiry) })
}

fn store(mode: StoreMode, flags: u32, expiry: i32, value: &'static [u8]) -> Request {
    let value = Bytes::from_static(value);
    Request::Store(Box::new(Store { mode, key: key("k"), flags, expiry: Expiry(expiry), value }))
}

fn meta(verb: MetaVerb, flags: &'static str, value: &'static str) -> Request {
    let (token, flags) = (Bytes::from_static(b"k"), Bytes::from_static(flags.as_bytes()));
    Request::Meta(Box::new(Meta { verb, key: key("k"), token, flags, value: Bytes::from_static(value.as_bytes()) }))
}

/// The commands that a request is, one a line, scripts by their kind.
fn said(request: &Request) -> String {
    let mut out = Outbox::new();
    encode_request(request, Dictation { value_size: VALUE_SIZE, whole: false }, &mut out);
    let bytes = out.copy_to_bytes(out.remaining());
    let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut commands = Vec::new();
    while let Some(count) = lines.next().and_then(|line| line.strip_prefix(b"*")) {
        let count: usize = std::str::from_utf8(count).unwrap().parse().unwrap();
        let words = (0..count).map(|_| {
            let len = lines.next().unwrap().strip_prefix(b"$").unwrap().to_owned();
            let word = lines.next().unwrap();
            assert_eq!(word.len().to_string().as_bytes(), len);
            let script = Script::ALL.iter().find(|script| script.name().as_bytes() == word);
            script.map_or_else(|| word.escape_ascii().to_string(), |script| format!("{script:?}"))
        });
        commands.push(words.collect::<Vec<_>>().join(" "));
    }
    commands.join("\n")
}

#[test]
fn a_request_is_these_commands() {
    for (request, commands) in [
        (read(&["a"], false, None), "GET a"),
        (read(&["a", "b", "a"], true, None), "MGET a b a"),
        (read(&["a", "b"], false, Some(10)), "GETEX a EX 10\nGETEX b EX 10"),
        (read(&["a"], false, Some(0)), "GETEX a PERSIST"),
        (read(&["a"], false, Some(-1)), "GETEX a EXAT 1"),
        (store(StoreMode::Set, 0, 0, b"v"), "SET k v"),
        (store(StoreMode::Set, 258, 2_592_000, b"v"), "SET k \\x00ketch:1\\x00\\x00\\x01\\x02v EX 2592000"),
        (store(StoreMode::Add, 0, 2_592_001, b"v"), "SET k v EXAT 2592001 NX"),
        (store(StoreMode::Replace, 0, -1, b"v"), "SET k v EXAT 1 XX"),
        (store(StoreMode::Cas(255), 0, 5, b"v"), "EVALSHA Swap 1 k 0000000000000ff v EX 5"),
        (store(StoreMode::Append, 9, 5, b"v"), "EVALSHA Extend 1 k a v 1048516  "),
        (store(StoreMode::Prepend, 9, 5, b"v"), "EVALSHA Extend 1 k p v 1048516  "),
        (Request::Delete(key("k")), "UNLINK k"),
        (Request::Touch { key: key("k"), expiry: Expiry(7) }, "EXPIRE k 7"),
        (Request::Touch { key: key("k"), expiry: Expiry(0) }, "PERSIST k\nEXISTS k"),
        (Request::Touch { key: key("k"), expiry: Expiry(-5) }, "EXPIREAT k 1"),
        (
            Request::Arithmetic(Box::new(Arithmetic { key: key("k"), decrement: true, delta: u64::MAX })),
            "EVALSHA Count 1 k - 18446744073709551615 ",
        ),
        (meta(MetaVerb::Get, "", ""), "TTL k"),
        (meta(MetaVerb::Get, "t v", ""), "GET k\nTTL k"),
        (meta(MetaVerb::Get, "t T9", ""), "TTL k\nGETEX k EX 9"),
        (meta(MetaVerb::Get, "T9 t k", ""), "GETEX k EX 9\nTTL k"),
        (meta(MetaVerb::Set, "F1 T3 MR", "v"), "SET k \\x00ketch:1\\x00\\x00\\x00\\x01v EX 3 XX"),
        (meta(MetaVerb::Set, "C16 MR", "v"), "EVALSHA Swap 1 k 000000000000010 v"),
        (meta(MetaVerb::Set, "MP c C1", "v"), "EVALSHA Extend 1 k p v 1048516 000000000000001 c"),
        (meta(MetaVerb::Delete, "q", ""), "UNLINK k"),
        (meta(MetaVerb::Delete, "C0", ""), "EVALSHA Remove 1 k 000000000000000"),
        (meta(MetaVerb::Arithmetic, "t T0 c", ""), "EVALSHA Count 1 k + 00000000000000000001  c tT PERSIST    0"),
        (
            meta(MetaVerb::Arithmetic, "MD D2 N9 J7 t C16", ""),
            "EVALSHA Count 1 k - 00000000000000000002 000000000000010  Nt   EXPIRE 9 7",
        ),
        (Request::FlushAll { delay: None }, "FLUSHDB"),
    ] {
        assert!(is_supported(&request));
        assert_eq!(said(&request), commands, "{request:?}");
    }
}

#[test]
fn what_redis_has_no_answer_to_is_known_before() {
    for request in [
        meta(MetaVerb::Debug, "", ""),
        meta(MetaVerb::Get, "N30 v", ""),
        meta(MetaVerb::Arithmetic, "N0 E5", ""),
        meta(MetaVerb::Set, "E5", "v"),
        Request::FlushAll { delay: Some(Expiry(10)) },
    ] {
        assert!(!is_supported(&request), "{request:?}");
    }
}

/// What a decoder makes of `bytes` that come in pieces of `size`, and whether it wants the script whole.
fn heard(asked: &Request, bytes: &[u8], size: usize) -> Result<(Option<Reply>, bool), crate::wire::Garbage> {
    let (mut decoder, mut buffer) = (ReplyDecoder::new(VALUE_SIZE), BytesMut::new());
    let mut reply = None;
    for piece in bytes.chunks(size) {
        assert!(reply.is_none(), "answered before its end");
        buffer.extend_from_slice(piece);
        let mut read = 0;
        reply = decoder.decode_behind(&mut read, asked, &mut buffer)?;
        buffer.advance(read);
    }
    assert!(buffer.is_empty(), "{}", buffer.escape_ascii());
    Ok((reply, decoder.lacks_script()))
}

fn item(flags: u32, cas: Option<u64>, value: &'static [u8]) -> Option<Item> {
    Some(Item { flags, cas, value: Bytes::from_static(value) })
}

fn line(status: MetaStatus, flags: &'static str, value: &'static str) -> Reply {
    let (flags, value) = (Bytes::from_static(flags.as_bytes()), Bytes::from_static(value.as_bytes()));
    Reply::Meta(MetaReply { status, flags, value })
}

fn refused(line: &'static str) -> Reply {
    Reply::Refused(Bytes::from_static(line.as_bytes()))
}

#[test]
fn replies_come_to_an_answer_however_they_are_cut() {
    let enveloped = "*2\r\n$13\r\n\0ketch:1\0\0\x01\x02v\r\n$-1\r\n";
    let not_a_number = "CLIENT_ERROR cannot increment or decrement non-numeric value";
    let incr = Request::Arithmetic(Box::new(Arithmetic { key: key("k"), decrement: false, delta: 1 }));
    let touch = |expiry| Request::Touch { key: key("k"), expiry: Expiry(expiry) };
    for (asked, bytes, reply) in [
        (read(&["a"], false, None), "$1\r\nv\r\n", Reply::Items(smallvec![item(0, None, b"v")])),
        (
            read(&["a"], true, None),
            "$3\r\nabc\r\n",
            Reply::Items(smallvec![item(0, Some(0xa99_93e3_6470_6816), b"abc")]),
        ),
        (read(&["a", "b"], false, None), enveloped, Reply::Items(smallvec![item(258, None, b"v"), None])),
        (read(&["a", "b"], false, Some(1)), "$-1\r\n$0\r\n\r\n", Reply::Items(smallvec![None, item(0, None, b"")])),
        (read(&["a", "b"], false, Some(1)), "-WRONGTYPE x\r\n$0\r\n\r\n", refused("SERVER_ERROR WRONGTYPE x")),
        (store(StoreMode::Set, 0, 0, b""), "+OK\r\n", Reply::Stored),
        (store(StoreMode::Set, 0, 0, b""), "-OOM a\tb\r\n", refused("SERVER_ERROR OOM a b")),
        (store(StoreMode::Add, 0, 0, b""), "$-1\r\n", Reply::NotStored),
        (store(StoreMode::Cas(1), 0, 0, b""), "*1\r\n:2\r\n", Reply::Exists),
        (store(StoreMode::Cas(1), 0, 0, b""), "*1\r\n:3\r\n", Reply::NotFound),
        (store(StoreMode::Append, 0, 0, b""), "*3\r\n:0\r\n$0\r\n\r\n:5\r\n", Reply::Stored),
        (store(StoreMode::Append, 0, 0, b""), "*1\r\n:1\r\n", Reply::NotStored),
        (Request::Delete(key("k")), ":1\r\n", Reply::Deleted),
        (Request::Delete(key("k")), ":0\r\n", Reply::NotFound),
        (touch(0), ":0\r\n:1\r\n", Reply::Touched),
        (touch(5), ":0\r\n", Reply::NotFound),
        (incr.clone(), "*4\r\n:0\r\n$2\r\n12\r\n:-1\r\n$0\r\n\r\n", Reply::Number(12)),
        (incr.clone(), "*1\r\n:3\r\n", Reply::NotFound),
        (incr, "*1\r\n:4\r\n", refused(not_a_number)),
        (meta(MetaVerb::Get, "O1 k", ""), ":-2\r\n", line(MetaStatus::Miss, "O1 kk", "")),
        (meta(MetaVerb::Get, "t v f s", ""), "$1\r\nx\r\n:9\r\n", line(MetaStatus::Value, "t9 f0 s1", "x")),
        (meta(MetaVerb::Get, "t v", ""), "$-1\r\n:-2\r\n", line(MetaStatus::Miss, "", "")),
        (meta(MetaVerb::Set, "O2", "v"), "+OK\r\n", line(MetaStatus::Done, "O2", "")),
        (meta(MetaVerb::Set, "MA c s", "v"), "*3\r\n:0\r\n$2\r\nff\r\n:7\r\n", line(MetaStatus::Done, "c255 s7", "")),
        (meta(MetaVerb::Delete, "C1", ""), "*1\r\n:2\r\n", line(MetaStatus::Exists, "", "")),
        (
            meta(MetaVerb::Arithmetic, "v t", ""),
            "*4\r\n:0\r\n$1\r\n5\r\n:-1\r\n$0\r\n\r\n",
            line(MetaStatus::Value, "t-1", "5"),
        ),
        (Request::FlushAll { delay: None }, "+OK\r\n", Reply::Ok),
    ] {
        for size in 1..=bytes.len() {
            assert_eq!(heard(&asked, bytes.as_bytes(), size), Ok((Some(reply.clone()), false)), "{asked:?} in {size}");
        }
    }
}

#[test]
fn a_script_that_is_not_known_is_wanted_whole() {
    let asked = store(StoreMode::Append, 0, 0, b"v");
    assert!(heard(&asked, b"-NOSCRIPT No matching script.\r\n", 9).unwrap().1);
    let mut out = Outbox::new();
    encode_request(&asked, Dictation { value_size: VALUE_SIZE, whole: true }, &mut out);
    let bytes = out.copy_to_bytes(out.remaining());
    assert!(bytes.starts_with(b"*9\r\n$4\r\nEVAL\r\n$"));
    assert!(String::from_utf8_lossy(&bytes).contains(Script::Extend.body()));
}

#[test]
fn an_answer_to_something_else_is_garbage() {
    for (asked, bytes) in [
        (read(&["a"], false, None), ":1\r\n"),
        (read(&["a", "b"], false, None), "*3\r\n$-1\r\n$-1\r\n$-1\r\n"),
        (read(&["a"], false, Some(1)), "*1\r\n$-1\r\n"),
        (store(StoreMode::Set, 0, 0, b""), "*9\r\n"),
        (store(StoreMode::Set, 0, 0, b""), "*2\r\n:0\r\n*2\r\n"),
        (read(&["a", "b"], false, None), "*2\r\n$1\r\nv\r\n*2\r\n"),
        (meta(MetaVerb::Get, "v", ""), "*2\r\n$1\r\nv\r\n*2\r\n"),
        (store(StoreMode::Set, 0, 0, b""), "*1\r\n:9\r\n"),
        (Request::Delete(key("k")), "+OK\r\n"),
        (meta(MetaVerb::Get, "v", ""), "+OK\r\n"),
        (meta(MetaVerb::Arithmetic, "v", ""), "*1\r\n:0\r\n"),
    ] {
        assert!(heard(&asked, bytes.as_bytes(), bytes.len()).is_err(), "{asked:?}: {bytes}");
    }
}

#[test]
fn a_value_over_the_limit_is_dropped_and_told() {
    let asked = read(&["a"], false, None);
    let large = [format!("${}\r\n", 3 * VALUE_SIZE).as_bytes(), &vec![b'x'; 3 * VALUE_SIZE], b"\r\n"].concat();
    let reply = heard(&asked, &large, 1 << 16).unwrap().0;
    assert_eq!(reply, Some(refused("SERVER_ERROR object too large for cache")));
    let asked = read(&["a", "b"], false, None);
    let both = [b"*2\r\n", &large[..], b"$1\r\nv\r\n"].concat();
    let reply = heard(&asked, &both, 1 << 16).unwrap().0;
    assert_eq!(reply, Some(Reply::Items(smallvec![None, item(0, None, b"v")])));
}
