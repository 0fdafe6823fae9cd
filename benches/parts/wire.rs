//! The text protocol, both ways and on both sides.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput};
use ketch::model::{Reply, Request};
use ketch::wire::{Command, CommandDecoder, Inbox, Outbox, ReplyDecoder, Spelling, encode_reply, encode_request};

use crate::sample::{MANY, get, items, key, multi_get, name, value};

/// Commands, or answers, that arrive together.
const TOGETHER: usize = 64;
const VALUE_SIZE: usize = 1 << 20;

/// From bytes to requests and replies.
pub fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let many: Vec<String> = (0..MANY).map(name).collect();
    let value = String::from_utf8_lossy(&value()).into_owned();
    let lines = [
        ("get", format!("get {}\r\n", name(1))),
        ("get of 50", format!("get {}\r\n", many.join(" "))),
        ("set", format!("set {} 0 0 100\r\n{value}\r\n", name(1))),
        ("mg", format!("mg {} v\r\n", name(1))),
    ];
    for (name, line) in lines {
        let bytes = line.repeat(TOGETHER);
        group.throughput(Throughput::Elements(TOGETHER as u64));
        group.bench_function(format!("command, {name}"), |bencher| {
            let setup = || (CommandDecoder::new(VALUE_SIZE), Inbox::from(bytes.as_bytes()));
            bencher.iter_batched_ref(
                setup,
                |(decoder, buffer)| {
                    for _ in 0..TOGETHER {
                        assert!(matches!(black_box(decoder.decode(buffer)), Some(Command::Ask { .. })));
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    let item = |name: String| format!("VALUE {name} 0 100\r\n{value}\r\n");
    let found: String = many.into_iter().map(item).collect();
    let answers = [
        ("get", get(1), item(name(1)) + "END\r\n"),
        ("get of 50", multi_get(), found + "END\r\n"),
        ("set", Request::Delete(key(1)), "DELETED\r\n".to_owned()),
    ];
    for (name, asked, answer) in answers {
        let bytes = answer.repeat(TOGETHER);
        group.throughput(Throughput::Elements(TOGETHER as u64));
        group.bench_function(format!("answer to {name}"), |bencher| {
            let setup = || (ReplyDecoder::new(VALUE_SIZE), BytesMut::from(bytes.as_bytes()));
            bencher.iter_batched_ref(
                setup,
                |(decoder, buffer)| {
                    let mut read = 0;
                    for _ in 0..TOGETHER {
                        assert!(matches!(black_box(decoder.decode_behind(&mut read, &asked, buffer)), Ok(Some(_))));
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
}

/// From requests and replies to bytes.
pub fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    let mut out = Outbox::new();
    for (name, request) in [("get", get(1)), ("get of 50", multi_get()), ("delete", Request::Delete(key(1)))] {
        group.bench_function(format!("command, {name}"), |bencher| {
            bencher.iter(|| {
                encode_request(black_box(&request), &mut out);
                out.clear();
            });
        });
    }
    let spelling = |request: Request| match request {
        read @ Request::Read(_) => Spelling::Read(read.into()),
        _ => Spelling::Line,
    };
    let answers = [
        ("get", spelling(get(1)), items(1)),
        ("get of 50", spelling(multi_get()), items(MANY)),
        ("set", Spelling::Line, Reply::Stored),
    ];
    for (name, spelling, reply) in answers {
        group.bench_function(format!("answer to {name}"), |bencher| {
            bencher.iter_batched(
                || reply.clone(),
                |mut reply| {
                    encode_reply(black_box(&spelling), &mut reply, &mut out);
                    out.clear();
                },
                BatchSize::SmallInput,
            );
        });
    }
}
