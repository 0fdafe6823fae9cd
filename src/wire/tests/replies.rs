//! What a client reads for each reply.

use bytes::Bytes;

use super::*;

fn encoded(spelling: &Spelling, mut reply: Reply) -> String {
    let mut out = Outbox::new();
    encode_reply(spelling, &mut reply, &mut out);
    written(out).escape_ascii().to_string()
}

fn item(flags: u32, cas: Option<u64>, value: &'static [u8]) -> Option<Item> {
    Some(Item { flags, cas, value: Bytes::from_static(value) })
}

#[test]
fn items_stand_in_the_clients_order_and_misses_are_left_out() {
    let keys = Keys::Many([key(b"a"), key(b"b"), key(b"a")].into());
    let spelling = |cas| Spelling::Read(Request::Read(Read { keys: keys.clone(), cas, touch: None }).into());
    let items =
        || Reply::Items([item(0, Some(7), b"x\r\n"), None, item(4_294_967_295, Some(8), b"")].into_iter().collect());
    assert_eq!(encoded(&spelling(false), items()), r"VALUE a 0 3\r\nx\r\n\r\nVALUE a 4294967295 0\r\n\r\nEND\r\n");
    assert_eq!(encoded(&spelling(true), items()), r"VALUE a 0 3 7\r\nx\r\n\r\nVALUE a 4294967295 0 8\r\n\r\nEND\r\n");
}

#[test]
fn every_classic_reply_has_its_line() {
    for (reply, line) in [
        (Reply::Stored, "STORED"),
        (Reply::NotStored, "NOT_STORED"),
        (Reply::Exists, "EXISTS"),
        (Reply::NotFound, "NOT_FOUND"),
        (Reply::Deleted, "DELETED"),
        (Reply::Touched, "TOUCHED"),
        (Reply::Ok, "OK"),
        (Reply::Number(u64::MAX), "18446744073709551615"),
        (Reply::Refused(Bytes::from_static(b"SERVER_ERROR x")), "SERVER_ERROR x"),
        (Reply::never_sent(FailureKind::Timeout), "SERVER_ERROR cache node did not answer in time"),
        (Reply::Items(Items::new()), "SERVER_ERROR cache node answered garbage"),
    ] {
        assert_eq!(encoded(&Spelling::Silent, reply.clone()), "");
        let said = if matches!(reply, Reply::Refused(_)) { line } else { "NO" };
        assert_eq!(encoded(&Spelling::Says(b"NO"), reply.clone()), format!(r"{said}\r\n"));
        assert_eq!(encoded(&Spelling::Line, reply), format!(r"{line}\r\n"));
    }
}

#[test]
fn a_read_that_failed_is_one_line() {
    let read = Read { keys: key(b"a").into(), cas: false, touch: None };
    let spelling = Spelling::Read(Request::Read(read).into());
    let failed = Reply::never_sent(FailureKind::Unreachable);
    assert_eq!(encoded(&spelling, failed), r"SERVER_ERROR cache node unreachable\r\n");
}

#[test]
fn q_hides_the_miss_of_a_read_and_the_success_of_a_write() {
    use MetaStatus::{Debug, Done, Exists, Miss, NotFound, NotStored, Value};
    let letters = |status| match status {
        Done => "HD",
        Value => "VA",
        Miss => "EN",
        NotFound => "NF",
        NotStored => "NS",
        Exists => "EX",
        Debug => "ME",
    };
    for (verb, hidden) in [
        (MetaVerb::Get, &[Miss][..]),
        (MetaVerb::Set, &[Done]),
        (MetaVerb::Delete, &[Done]),
        (MetaVerb::Arithmetic, &[Done, Value]),
        (MetaVerb::Debug, &[]),
    ] {
        for status in [Done, Value, Miss, NotFound, NotStored, Exists, Debug] {
            let reply = || Reply::Meta(MetaReply { status, flags: Bytes::from_static(b"O1 k"), value: Bytes::new() });
            let line = match status {
                Value => r"VA 0 O1 k\r\n\r\n".to_owned(),
                status => format!(r"{} O1 k\r\n", letters(status)),
            };
            let shown = if hidden.contains(&status) { "" } else { &line };
            assert_eq!(encoded(&Spelling::Meta { verb, quiet: false }, reply()), line);
            assert_eq!(encoded(&Spelling::Meta { verb, quiet: true }, reply()), shown, "{verb:?} {status:?}");
        }
        let quiet = Spelling::Meta { verb, quiet: true };
        let failed = Reply::maybe_sent(FailureKind::Closed);
        assert_eq!(encoded(&quiet, failed), r"SERVER_ERROR cache node closed the connection\r\n");
        assert_eq!(encoded(&quiet, Reply::Refused(Bytes::from_static(b"ERROR"))), r"ERROR\r\n");
    }
}

#[test]
fn a_bare_status_has_no_space_behind_it() {
    let reply = |status, value| Reply::Meta(MetaReply { status, flags: Bytes::new(), value });
    let spelling = Spelling::Meta { verb: MetaVerb::Get, quiet: false };
    assert_eq!(encoded(&spelling, reply(MetaStatus::Done, Bytes::new())), r"HD\r\n");
    assert_eq!(encoded(&spelling, reply(MetaStatus::Value, Bytes::from_static(b"hi"))), r"VA 2\r\nhi\r\n");
}
