//! Any bytes at all, and any request and reply there and back.

use std::rc::Rc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Bytes that are often nearly a command or a reply.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&[u8]> = vec![
        b"get ",
        b"gets ",
        b"gat ",
        b"set ",
        b"cas ",
        b"mg ",
        b"ms ",
        b"ma ",
        b"me ",
        b"a",
        b"key ",
        b" 0",
        b" 1",
        b" 5",
        b" noreply",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\0",
        b"\t",
        b" b",
        b" q",
        b" O1",
        b" v",
        b"-1 ",
        b"Zm9v ",
        b"stats ",
        b"flush_all",
        b"VALUE a 0 1\r\n",
        b"x\r\n",
        b"END\r\n",
        b"STORED\r\n",
        b"HD",
        b"VA 1",
        b"EN\r\n",
        b"SERVER_ERROR ",
        b"99999999999999999999",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(words).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// `stream` in pieces of the given lengths.
fn cut<'a>(mut stream: &'a [u8], lens: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for len in lens {
        let (piece, rest) = stream.split_at((*len).min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces.push(stream);
    pieces
}

fn text_key() -> impl Strategy<Value = Key> {
    let byte = any::<u8>().prop_filter("ends a word", |byte| !matches!(byte, b' ' | b'\n' | 0));
    prop_oneof![9 => vec(byte.clone(), 1..50), 1 => vec(byte, MAX_KEY)].prop_map(|bytes| key(&bytes))
}

fn value() -> impl Strategy<Value = Bytes> {
    let large = (any::<u8>(), 16_000_usize..17_000).prop_map(|(byte, len)| vec![byte; len]);
    prop_oneof![4 => vec(any::<u8>(), 0..40), 1 => large].prop_map(Bytes::from)
}

fn expiry() -> impl Strategy<Value = Expiry> {
    any::<i32>().prop_map(Expiry)
}

fn keys() -> impl Strategy<Value = Keys> {
    vec(text_key(), 1..8).prop_map(|keys| match &keys[..] {
        [one] => Keys::One(one.clone()),
        _ => Keys::Many(keys.into()),
    })
}

fn read() -> impl Strategy<Value = Read> {
    // A `gat` of many long keys goes out as several, so that it is not one request any more.
    let touching = (text_key(), any::<bool>(), expiry()).prop_map(|(key, cas, expiry)| Read {
        keys: key.into(),
        cas,
        touch: Some(expiry),
    });
    prop_oneof![(keys(), any::<bool>()).prop_map(|(keys, cas)| Read { keys, cas, touch: None }), touching]
}

fn request() -> impl Strategy<Value = Request> {
    let mode = prop_oneof![
        Just(StoreMode::Set),
        Just(StoreMode::Add),
        Just(StoreMode::Replace),
        Just(StoreMode::Append),
        Just(StoreMode::Prepend),
        any::<u64>().prop_map(StoreMode::Cas),
    ];
    let meta = (text_key(), proptest::sample::subsequence(vec!["b", "v", "O1", "T-5", "k", "E7"], 0..6), value());
    prop_oneof![
        read().prop_map(Request::Read),
        (mode, text_key(), any::<u32>(), expiry(), value()).prop_map(|(mode, key, flags, expiry, value)| {
            Request::Store(Box::new(Store { mode, key, flags, expiry, value }))
        }),
        text_key().prop_map(Request::Delete),
        (text_key(), any::<bool>(), any::<u64>())
            .prop_map(|(key, decrement, delta)| Request::Arithmetic(Box::new(Arithmetic { key, decrement, delta }))),
        (text_key(), expiry()).prop_map(|(key, expiry)| Request::Touch { key, expiry }),
        proptest::option::of(expiry()).prop_map(|delay| Request::FlushAll { delay }),
        meta.prop_map(|(key, flags, value)| {
            let flags: Vec<&str> = flags.into_iter().filter(|flag| *flag != "b").collect();
            let token = Bytes::copy_from_slice(key.as_bytes());
            let flags = Bytes::from(flags.join(" "));
            Request::Meta(Box::new(Meta { verb: MetaVerb::Set, key, token, flags, value }))
        }),
    ]
}

proptest! {
    #[test]
    fn a_client_may_say_anything(stream in noise(), lens in vec(0_usize..40, 0..20)) {
        let whole = commands([&stream[..]]);
        prop_assert_eq!(&commands(cut(&stream, &lens)), &whole);
        // Every command takes at least its line end or its close.
        let most = stream.iter().filter(|byte| **byte == b'\n').count() + 1;
        prop_assert!(whole.len() <= most);
    }

    #[test]
    fn what_a_decoder_leaves_is_an_unfinished_command(stream in noise()) {
        let mut decoder = CommandDecoder::new(VALUE_SIZE);
        let mut buffer = Inbox::from(&stream[..]);
        while decoder.decode(&mut buffer).is_some() {}
        prop_assert!(decoder.wanted() > 0 || !buffer.contains(&b'\n'));
        prop_assert!(decoder.wanted() <= VALUE_SIZE);
    }

    #[test]
    fn a_node_may_say_anything(asked in request(), stream in noise(), lens in vec(0_usize..40, 0..20)) {
        let asked = vec![asked; 4];
        let whole = replies(&asked, [&stream[..]]);
        match (replies(&asked, cut(&stream, &lens)), whole) {
            (Ok(cut), Ok(whole)) => prop_assert_eq!(cut, whole),
            (cut, whole) => prop_assert_eq!(cut.is_err(), whole.is_err()),
        }
    }

    #[test]
    fn a_request_reads_back_as_it_was_written(asked in vec(request(), 1..5)) {
        let mut out = Outbox::new();
        asked.iter().for_each(|request| encode_request(request, &mut out));
        let heard: Vec<Request> = commands([&written(out)[..]])
            .into_iter()
            .filter_map(|command| match command {
                Command::Ask { request, .. } => Some((*request).clone()),
                _ => None,
            })
            .collect();
        prop_assert_eq!(heard, asked);
    }

    #[test]
    fn items_read_back_as_they_were_written(read in read(), found in vec((any::<bool>(), any::<u32>(), any::<u64>(), value()), 8)) {
        let (len, cas) = (read.keys.as_slice().len(), read.cas);
        let request = Rc::new(Request::Read(read));
        let item = |(is_there, flags, token, value): &(bool, u32, u64, Bytes)| {
            is_there.then(|| Item { flags: *flags, cas: cas.then_some(*token), value: value.clone() })
        };
        let items: Items = found.iter().map(item).take(len).collect();
        let mut out = Outbox::new();
        encode_reply(&Spelling::Read(request.clone()), &mut Reply::Items(items.clone()), &mut out);
        let heard = replies(&[(*request).clone()], [&written(out)[..]]);
        // Of a key asked for twice and found once, the first place is taken to be the one.
        if let Ok([Reply::Items(heard)]) = heard.as_deref() {
            prop_assert_eq!(heard.len(), items.len());
            prop_assert!(heard.iter().flatten().eq(items.iter().flatten()));
        } else {
            prop_assert!(false, "{:?}", heard);
        }
    }
}
