//! ketch as the client of a node: what is sent, what is understood, what is garbage.

use bytes::Bytes;

use super::*;

/// The request that a client asks with `stream`.
fn request(stream: &[u8]) -> Request {
    match commands([stream]).pop() {
        Some(Command::Ask { request, .. }) => (*request).clone(),
        other => panic!("{other:?}"),
    }
}

fn sent(request: &Request) -> String {
    let mut out = Outbox::new();
    encode_request(request, &mut out);
    written(out).escape_ascii().to_string()
}

#[test]
fn noreply_and_q_never_reach_a_node() {
    for (stream, line) in [
        (&b"get a b\r\n"[..], r"get a b\r\n"),
        (b"gats -1 a b\r\n", r"gats -1 a b\r\n"),
        (b"set a 1 2 3 noreply\r\nabc\r\n", r"set a 1 2 3\r\nabc\r\n"),
        (b"cas a 1 -2 3 4 noreply\r\nabc\r\n", r"cas a 1 -2 3 4\r\nabc\r\n"),
        (b"delete a 0 noreply\r\n", r"delete a\r\n"),
        (b"incr a 5 noreply\r\n", r"incr a 5\r\n"),
        (b"decr a 5\r\n", r"decr a 5\r\n"),
        (b"touch a 5 noreply\r\n", r"touch a 5\r\n"),
        (b"flush_all noreply\r\n", r"flush_all\r\n"),
        (b"flush_all 0\r\n", r"flush_all 0\r\n"),
        (b"mg Zm9v b q v k\r\n", r"mg Zm9v b v k\r\n"),
        (b"ms a 2 q T0\r\nhi\r\n", r"ms a 2 T0\r\nhi\r\n"),
        (b"md a q\r\n", r"md a\r\n"),
        (b"ma a N0 J5\r\n", r"ma a N0 J5\r\n"),
        (b"me a\r\n", r"me a\r\n"),
    ] {
        assert_eq!(sent(&request(stream)), line);
    }
}

#[test]
fn a_key_that_fits_no_line_is_deleted_by_its_base64_name() {
    let delete = [Request::Delete(key(b"a b\n"))];
    assert_eq!(sent(&delete[0]), r"md YSBiCg== b\r\n");
    assert_eq!(replies(&delete, [&b"HD\r\n"[..]]), Ok(vec![Reply::Deleted]));
    assert_eq!(replies(&delete, [&b"NF\r\n"[..]]), Ok(vec![Reply::NotFound]));
}

/// The token is `a\nEN` in base64.
#[test]
fn a_key_with_a_line_feed_is_echoed_by_ketch_and_never_by_a_node() {
    for (said, line, heard, flags) in [
        ("mg YQpFTg== b N30 k", r"mg YQpFTg== b N30\r\n", "HD W\r\n", "kYQpFTg== b W"),
        ("mg YQpFTg== b O1 k s v", r"mg YQpFTg== b O1 s v\r\n", "VA 1 O1 s1\r\nx\r\n", "O1 kYQpFTg== b s1"),
        ("mg YQpFTg== t b k O1", r"mg YQpFTg== t b O1\r\n", "EN O1\r\n", "kYQpFTg== b O1"),
    ] {
        let asked = [request(format!("{said}\r\n").as_bytes())];
        assert_eq!(sent(&asked[0]), line);
        match &replies(&asked, [heard.as_bytes()]).unwrap()[..] {
            [Reply::Meta(reply)] => assert_eq!(reply.flags, flags, "{said}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(commands([&b"me YQpFTg== b\r\n"[..]]).pop(), Some(Command::Refuse(_))));
}

#[test]
fn a_gat_of_many_keys_goes_out_in_lines_that_a_node_takes() {
    let keys: Vec<Key> = (0..20).map(|n| key(format!("{n:0>250}").as_bytes())).collect();
    let asked = [Request::Read(Read { keys: Keys::Many(keys.into()), cas: true, touch: Some(Expiry(i32::MIN)) })];
    let twice = [asked[0].clone(), asked[0].clone()];
    let mut out = Outbox::new();
    encode_request(&asked[0], &mut out);
    let sent = written(out);
    let lines: Vec<&[u8]> = sent.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.len() <= 2048 && line.starts_with(b"gats -2147483648 0")));

    // The second line finds one item, of key 9; the others none.
    let item = format!("VALUE {:0>250} 0 1 5\r\nx\r\n", 9);
    let reply = replies(&asked, [b"END\r\n", item.as_bytes(), b"END\r\n", b"END\r\n"]).unwrap();
    let [Reply::Items(items)] = &reply[..] else { panic!("{reply:?}") };
    assert_eq!(items.len(), 20);
    assert_eq!(items.iter().position(Option::is_some), Some(9));
    assert_eq!(items.iter().flatten().count(), 1);

    // A line that fails does not lose step with the next ones, and a key is not looked for in another line.
    let reply = replies(&twice, [&b"SERVER_ERROR x\r\nEND\r\nEND\r\nEND\r\nEND\r\nEND\r\n"[..]]);
    let empty = Reply::Items(Items::from_elem(None, 20));
    assert_eq!(reply, Ok(vec![Reply::Refused(Bytes::from_static(b"SERVER_ERROR x")), empty]));
    let early = replies(&asked, [item.as_bytes()]);
    assert_eq!(early, Err(Garbage("an item that was not asked for")));
}

#[test]
fn items_are_put_beside_the_keys_that_were_asked() {
    let asked = request(b"get a b a c\r\n");
    let stream = b"VALUE b 3 1\r\nx\r\nVALUE a 0 0\r\n\r\nEND\r\n";
    let item = |flags, value| Some(Item { flags, cas: None, value: Bytes::from_static(value) });
    let items = [None, item(3, b"x"), item(0, b""), None].into_iter().collect();
    assert_eq!(replies(&[asked], [&stream[..]]), Ok(vec![Reply::Items(items)]));
}

#[test]
fn a_value_that_is_too_large_is_dropped_as_it_comes() {
    let large = vec![b'v'; VALUE_SIZE + 1];
    let stream = [
        &b"VALUE a 0 1048577\r\n"[..],
        &large,
        b"\r\nEND\r\nVALUE a 0 1048577\r\n",
        &large,
        b"\r\nVALUE b 0 1\r\nx\r\nEND\r\nVA 1048577 s1048577\r\n",
        &large,
        b"\r\nHD\r\n",
    ]
    .concat();
    let asked = [&b"get a\r\n"[..], b"get a b c\r\n", b"mg a v s\r\n", b"mg a\r\n"].map(request);
    let refused = || Reply::Refused(Bytes::from_static(b"SERVER_ERROR object too large for cache"));
    let item = Some(Item { flags: 0, cas: None, value: Bytes::from_static(b"x") });
    let items = Reply::Items([None, item, None].into_iter().collect());
    let done = MetaReply { status: MetaStatus::Done, flags: Bytes::new(), value: Bytes::new() };
    let right = Ok(vec![refused(), items, refused(), Reply::Meta(done)]);
    assert_eq!(replies(&asked, [&stream[..]]), right);
    assert_eq!(replies(&asked, stream.chunks(1000)), right);
    assert_eq!(replies(&asked, stream.chunks(7)), right);
}

#[test]
fn refusals_are_passed_on() {
    for stream in [&b"get a\r\n"[..], b"set a 0 0 1\r\nx\r\n", b"mg a\r\n", b"incr a 1\r\n", b"flush_all\r\n"] {
        for line in ["ERROR", "CLIENT_ERROR x y", "SERVER_ERROR out of memory", "ERROR too many"] {
            let reply = replies(&[request(stream)], [format!("{line}\r\n").as_bytes()]);
            assert_eq!(reply, Ok(vec![Reply::Refused(Bytes::from_static(line.as_bytes()))]));
        }
    }
}

#[test]
fn what_was_not_asked_is_garbage() {
    for (stream, line) in [
        (&b"get a\r\n"[..], &b"STORED\r\n"[..]),
        (b"get a\r\n", b"VALUE b 0 1\r\nx\r\n"),
        (b"get a\r\n", b"VALUE a 0 1\r\nx\r\nVALUE a 0 1\r\nx\r\n"),
        (b"get a\r\n", b"VALUE a 0 1 5\r\n"),
        (b"gets a\r\n", b"VALUE a 0 1\r\n"),
        (b"get a\r\n", b"VALUE a 4294967296 1\r\n"),
        (b"get a\r\n", b"VALUE a 0 -1\r\n"),
        (b"get a\r\n", b"VALUE a 0 1073741825\r\n"),
        (b"get a\r\n", b"VALUE a 0 99999999999999999999\r\n"),
        (b"get a\r\n", b"VALUE a 0 1\r\nxyz"),
        (b"get a\r\n", b"END x\r\n"),
        (b"get a\r\n", b"\r\n"),
        (b"set a 0 0 1\r\nx\r\n", b"END\r\n"),
        (b"set a 0 0 1\r\nx\r\n", b"DELETED\r\n"),
        (b"delete a\r\n", b"STORED\r\n"),
        (b"touch a 0\r\n", b"OK\r\n"),
        (b"incr a 1\r\n", b"1x\r\n"),
        (b"incr a 1\r\n", b"18446744073709551616\r\n"),
        (b"flush_all\r\n", b"STORED\r\n"),
        (b"mg a\r\n", b"MN\r\n"),
        (b"mg a\r\n", b"HDx\r\n"),
        (b"mg a v\r\n", b"VA x\r\n"),
        (b"mg a v\r\n", b"VA 1073741825\r\n"),
        (b"mg a v\r\n", b"VA 1\r\nxyz"),
        (b"mg a v\r\n", b"HD\r\n"),
        (b"mg a\r\n", b"VA 1\r\nx\r\n"),
        (b"ma a v\r\n", b"HD\r\n"),
        (b"ma a\r\n", b"VA 1\r\n5\r\n"),
        (b"mg a O1\r\n", b"EN O2\r\n"),
        (b"mg a O1\r\n", b"HD\r\n"),
        (b"ms a 1 O1\r\nx\r\n", b"EN O1\r\n"),
        (b"md a\r\n", b"VA 0\r\n"),
        (b"me a\r\n", b"HD\r\n"),
    ] {
        assert!(replies(&[request(stream)], [line]).is_err(), "{} {}", stream.escape_ascii(), line.escape_ascii());
    }
    let endless = vec![b'x'; 5000];
    assert!(replies(&[request(b"get a\r\n")], [&endless[..]]).is_err());
}

#[test]
fn meta_answers_keep_their_flags() {
    let meta = |status, flags: &'static [u8], value: &'static [u8]| {
        Reply::Meta(MetaReply { status, flags: Bytes::from_static(flags), value: Bytes::from_static(value) })
    };
    for (stream, answer, reply) in [
        (&b"mg a v t O7\r\n"[..], &b"VA 2 t-1 O7 W\r\nhi\r\n"[..], meta(MetaStatus::Value, b"t-1 O7 W", b"hi")),
        (b"mg a v\r\n", b"VA 0\r\n\r\n", meta(MetaStatus::Value, b"", b"")),
        (b"mg a\r\n", b"EN\r\n", meta(MetaStatus::Miss, b"", b"")),
        (b"mg a\r\n", b"HD\r\n", meta(MetaStatus::Done, b"", b"")),
        (b"md a\r\n", b"NF\r\n", meta(MetaStatus::NotFound, b"", b"")),
        (b"me a\r\n", b"ME a exp=-1 la=0\r\n", meta(MetaStatus::Debug, b"a exp=-1 la=0", b"")),
        (b"ma a v\r\n", b"VA 1\r\n5\r\n", meta(MetaStatus::Value, b"", b"5")),
    ] {
        assert_eq!(replies(&[request(stream)], [answer]), Ok(vec![reply]), "{}", stream.escape_ascii());
    }
}

#[test]
fn a_number_that_old_memcacheds_fill_with_spaces_is_one() {
    assert_eq!(replies(&[request(b"decr a 1\r\n")], [&b"9 \r\n"[..]]), Ok(vec![Reply::Number(9)]));
}

#[test]
fn a_value_that_is_split_off_may_stand_between_others() {
    let asked = [b"get a\r\n", b"get b\r\n", b"get c\r\n"].map(|line| request(line));
    let values = [vec![b'a'; 100], vec![b'b'; 100_000], vec![b'c'; 100]];
    let said = |name, value: &Vec<u8>| {
        [format!("VALUE {name} 0 {}\r\n", value.len()).as_bytes(), value, b"\r\nEND\r\n"].concat()
    };
    let stream: Vec<u8> = ["a", "b", "c"].iter().zip(&values).flat_map(|(name, value)| said(name, value)).collect();
    let item = |value: Vec<u8>| Some(Item { flags: 0, cas: None, value: value.into() });
    let heard = values.map(|value| Reply::Items(smallvec::smallvec![item(value)])).to_vec();
    assert_eq!(replies(&asked, [&stream[..]]), Ok(heard));
}

#[test]
fn a_read_that_is_given_up_is_understood_to_its_end_and_fails() {
    let (read, next) = (request(b"get a b c\r\n"), request(b"get d\r\n"));
    let mut decoder = ReplyDecoder::new(1024 * 1024);
    let mut buffer = BytesMut::from(&b"VALUE a 0 5\r\nfirst\r\nVALUE b 0 6\r\nsec"[..]);
    let mut taken = 0;
    assert_eq!(decoder.decode_behind(&mut taken, &read, &mut buffer).unwrap(), None);
    assert_eq!(decoder.held(), 5);
    decoder.give_up();
    assert_eq!(decoder.held(), 0);
    buffer.extend_from_slice(b"ond\r\nEND\r\nEND\r\n");
    assert_eq!(
        decoder.decode_behind(&mut taken, &read, &mut buffer).unwrap(),
        Some(Reply::never_sent(FailureKind::Memory))
    );
    assert_eq!(
        decoder.decode_behind(&mut taken, &next, &mut buffer).unwrap(),
        Some(Reply::Items(smallvec::smallvec![None]))
    );
}
