//! What is asked of a node, and how its reply is to be written.

use bytes::Bytes;

use super::*;

fn asked(stream: &[u8]) -> (Request, Spelling) {
    let mut all = commands([stream]);
    match (all.len(), all.pop()) {
        (1, Some(Command::Ask { request, spelling })) => ((*request).clone(), spelling),
        other => panic!("{other:?} of {:?}", stream.escape_ascii().to_string()),
    }
}

fn read(keys: &[&[u8]], cas: bool, touch: Option<i32>) -> (Request, Spelling) {
    let all: Vec<Key> = keys.iter().map(|text| key(text)).collect();
    let keys = if let [one] = &all[..] { Keys::One(one.clone()) } else { Keys::Many(all.into()) };
    let request = Request::Read(Read { keys, cas, touch: touch.map(Expiry) });
    (request.clone(), Spelling::Read(request.into()))
}

#[test]
fn a_read_keeps_its_keys_in_order_with_repeats() {
    assert_eq!(asked(b"get a\r\n"), read(&[b"a"], false, None));
    assert_eq!(asked(b"get a\n"), read(&[b"a"], false, None));
    assert_eq!(asked(b"bget a\r\n"), read(&[b"a"], false, None));
    assert_eq!(asked(b"  get  a  a b \r\n"), read(&[b"a", b"a", b"b"], false, None));
    assert_eq!(asked(b"gets a\tb \xff\r\r\n"), read(&[b"a\tb", b"\xff\r"], true, None));
    assert_eq!(asked(b"get a\0 b\r\n"), read(&[b"a"], false, None));
    assert_eq!(asked(b"gat -1 a\r\n"), read(&[b"a"], false, Some(-1)));
    assert_eq!(asked(b"gats 4294967297 a b\r\n"), read(&[b"a", b"b"], true, Some(1)));
    let words = vec![&b"k"[..]; 500];
    assert_eq!(asked(&[b"get ", &words.join(&b' ')[..], b"\r\n"].concat()), read(&words, false, None));
}

#[test]
fn a_gat_touches_the_keys_before_one_that_is_too_long() {
    let stream = [b"gat 5 a ", &[b'k'; 251][..], b" b\r\n"].concat();
    let says = Spelling::Says(b"CLIENT_ERROR bad command line format");
    assert_eq!(asked(&stream), (read(&[b"a"], false, Some(5)).0, says));
}

#[test]
fn a_store_takes_any_bytes_and_odd_numbers() {
    let store = |mode, flags, expiry, value: &'static [u8]| {
        let (key, value) = (key(b"a"), Bytes::from_static(value));
        Request::Store(Box::new(Store { mode, key, flags, expiry: Expiry(expiry), value }))
    };
    for (stream, request, spelling) in [
        (&b"set a 0 0 4\r\n\r\n\0\xff\r\n"[..], store(StoreMode::Set, 0, 0, b"\r\n\0\xff"), Spelling::Line),
        (b"add a 4294967295 -1 0 noreply\r\n\r\n", store(StoreMode::Add, u32::MAX, -1, b""), Spelling::Silent),
        (b"replace a 4294967296 1 1 x\r\nv\r\n", store(StoreMode::Replace, 0, 1, b"v"), Spelling::Line),
        (b"append a +1 2592001 4294967297\r\nv\r\n", store(StoreMode::Append, 1, 2_592_001, b"v"), Spelling::Line),
        (b"prepend a \t7\tx -2147483649 001\nv\r\n", store(StoreMode::Prepend, 7, i32::MAX, b"v"), Spelling::Line),
        (
            b"cas a 18446744073709551615 0 1 18446744073709551615\r\nv\r\n",
            store(StoreMode::Cas(u64::MAX), u32::MAX, 0, b"v"),
            Spelling::Line,
        ),
        (b"cas a 0 0 1 -18446744073709551615 noreply\r\nv\r\n", store(StoreMode::Cas(1), 0, 0, b"v"), Spelling::Silent),
    ] {
        assert_eq!(asked(stream), (request, spelling), "{}", stream.escape_ascii());
    }
}

#[test]
fn the_other_commands_are_read() {
    let arithmetic = |decrement, delta| Request::Arithmetic(Box::new(Arithmetic { key: key(b"a"), decrement, delta }));
    let touch = |expiry| Request::Touch { key: key(b"a"), expiry: Expiry(expiry) };
    let flush = |delay: Option<i32>| Request::FlushAll { delay: delay.map(Expiry) };
    for (stream, request, spelling) in [
        (&b"delete a\r\n"[..], Request::Delete(key(b"a")), Spelling::Line),
        (b"delete a 0\r\n", Request::Delete(key(b"a")), Spelling::Line),
        (b"delete a noreply\r\n", Request::Delete(key(b"a")), Spelling::Silent),
        (b"delete a 0 noreply\r\n", Request::Delete(key(b"a")), Spelling::Silent),
        (b"delete noreply\r\n", Request::Delete(key(b"noreply")), Spelling::Line),
        (b"incr a 1\r\n", arithmetic(false, 1), Spelling::Line),
        (b"decr a 18446744073709551615 noreply\r\n", arithmetic(true, u64::MAX), Spelling::Silent),
        (b"incr a 1 x\r\n", arithmetic(false, 1), Spelling::Line),
        (b"touch a 0\r\n", touch(0), Spelling::Line),
        (b"touch a -1 noreply\r\n", touch(-1), Spelling::Silent),
        (b"flush_all\r\n", flush(None), Spelling::Line),
        (b"flush_all noreply\r\n", flush(None), Spelling::Silent),
        (b"flush_all 0\r\n", flush(Some(0)), Spelling::Line),
        (b"flush_all -1 x\r\n", flush(Some(-1)), Spelling::Line),
        (b"flush_all 10 noreply\r\n", flush(Some(10)), Spelling::Silent),
    ] {
        assert_eq!(asked(stream), (request, spelling), "{}", stream.escape_ascii());
    }
}

#[test]
fn the_front_answers_the_rest() {
    let stats = |argument: &'static [u8]| Command::Stats(Bytes::from_static(argument));
    for (stream, command) in [
        (&b"version x\r\n"[..], Command::Version),
        (b"verbosity 1 x\r\n", Command::Verbosity),
        (b"quit now\r\n", Command::Quit),
        (b"mn x\r\n", Command::MetaNoop),
        (b"stats\r\n", stats(b"")),
        (b"stats  reset x\r\n", stats(b"reset")),
        (b"stats detail  on x\r\n", stats(b"detail on")),
        (b"stats cachedump 63 1\r\n", stats(b"cachedump")),
    ] {
        assert_eq!(commands([stream]), [command], "{}", stream.escape_ascii());
    }
}

#[test]
fn meta_keeps_what_the_node_needs() {
    use MetaVerb::{Arithmetic, Debug, Delete, Get, Set};
    for (stream, verb, token, decoded, flags, quiet) in [
        (&b"mg a\r\n"[..], Get, &b"a"[..], &b"a"[..], &b""[..], false),
        (b"mg  a  v  q O1 P1 L1 k9 T0\r\n", Get, b"a", b"a", b"v O1 k T0", true),
        (b"mg Zm9v b k\r\n", Get, b"Zm9v", b"foo", b"b k", false),
        (b"mg AAE= b E1\r\n", Get, b"AAE=", b"\0\x01", b"b E1", false),
        (b"md a q I T30 x\r\n", Delete, b"a", b"a", b"I T30 x", true),
        (
            b"ma a MD D18446744073709551615 J-0 N\t1\r\n",
            Arithmetic,
            b"a",
            b"a",
            b"MD D18446744073709551615 J-0 N\t1",
            false,
        ),
        (b"me a k b\r\n", Debug, b"a", b"a", b"", false),
        (b"me Zm9v b q !\r\n", Debug, b"Zm9v", b"foo", b"b", false),
        (b"ms Zm9v 2 MS b c q F5 O12\r\nhi\r\n", Set, b"Zm9v", b"foo", b"MS b c F5 O12", true),
    ] {
        let (request, spelling) = asked(stream);
        let value = if verb == Set { Bytes::from_static(b"hi") } else { Bytes::new() };
        let [token, flags] = [token, flags].map(Bytes::from_static);
        let meta = Meta { verb, key: key(decoded), token, flags, value };
        assert_eq!(request, Request::Meta(Box::new(meta)), "{}", stream.escape_ascii());
        assert_eq!(spelling, Spelling::Meta { verb, quiet });
    }
}

#[test]
fn a_long_opaque_is_found_when_the_item_is_counted_already() {
    let opaque = "O12345678901234567890123456789012";
    let says = Spelling::Says(b"CLIENT_ERROR opaque token too long");
    for (verb, name) in [(MetaVerb::Get, "mg"), (MetaVerb::Arithmetic, "ma")] {
        let (request, spelling) = asked(format!("{name} a q T0 {opaque} k\r\n").as_bytes());
        let Request::Meta(meta) = request else { panic!("{request:?}") };
        assert_eq!((meta.verb, &meta.flags[..], &spelling), (verb, &b"T0 k"[..], &says));
    }
}

#[test]
fn an_item_too_large_is_forgotten_and_swallowed() {
    // 48 + 8 + "a" and its zero + line end: 1,048,516 bytes are left of 1 MiB, 4 less with flags.
    let stream = |head: &str, len: usize| [head.as_bytes(), b"\r\n", &vec![b'v'; len], b"\r\nmn\r\n"].concat();
    let forget = |spelling| Command::Ask { request: Request::Delete(key(b"a")).into(), spelling };
    let line: &[u8] = b"SERVER_ERROR object too large for cache";
    for (head, len, expected) in [
        ("set a 0 0 1048517", 1_048_517, forget(Spelling::Says(line))),
        ("set a 1 0 1048513", 1_048_513, forget(Spelling::Says(line))),
        ("set a 0 0 1048517 noreply", 1_048_517, forget(Spelling::Silent)),
        ("add a 0 0 1048517", 1_048_517, Command::Refuse(line)),
        ("cas a 0 0 1048517 1 noreply", 1_048_517, Command::Silence),
        ("ms YQ== 1048517 b q", 1_048_517, forget(Spelling::Says(line))),
    ] {
        assert_eq!(commands([&stream(head, len)[..]]), [expected, Command::MetaNoop], "{head}");
    }
    for (head, len) in [("set a 0 0 1048516", 1_048_516), ("ms a 1048512 F1", 1_048_512)] {
        let all = commands([&stream(head, len)[..]]);
        assert!(matches!(all[..], [Command::Ask { .. }, Command::MetaNoop]), "{head}");
    }
}

#[test]
fn nothing_is_kept_of_a_value_that_is_only_announced() {
    let mut decoder = CommandDecoder::new(VALUE_SIZE);
    let mut buffer = Inbox::from(&b"set a 0 0 1073741824\r\n"[..]);
    assert!(matches!(decoder.decode(&mut buffer), Some(Command::Ask { spelling: Spelling::Says(_), .. })));
    assert_eq!(decoder.wanted(), 0);
    for _ in 0..100 {
        buffer.end().extend_from_slice(&[b'v'; 10_000]);
        assert_eq!(decoder.decode(&mut buffer), None);
        assert!(buffer.is_empty());
    }
}

#[test]
fn an_awaited_value_says_how_much_it_lacks() {
    let mut decoder = CommandDecoder::new(VALUE_SIZE);
    let mut buffer = Inbox::from(&b"set a 0 0 100\r\nvvv"[..]);
    assert_eq!(decoder.decode(&mut buffer), None);
    assert_eq!(decoder.wanted(), 99);
    buffer.end().extend_from_slice(&[b'v'; 97]);
    assert_eq!(decoder.decode(&mut buffer), None);
    assert_eq!(decoder.wanted(), 2);
    buffer.end().extend_from_slice(b"\r\n");
    assert!(decoder.decode(&mut buffer).is_some());
    assert_eq!(decoder.wanted(), 0);
}
