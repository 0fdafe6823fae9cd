//! A stream means the same wherever it is cut.

use super::*;

/// Every state of the decoder, and a value that is split off the buffer rather than copied.
fn client_stream() -> Vec<u8> {
    let large = vec![b'v'; 20_000];
    [
        &b"get a\r\nget a b  c\r\n\r\n\ngat 1 a b\n"[..],
        b"set a 0 0 5\r\nab\r\nc\r\nset a 0 0 1\r\nxyz",
        b"set a 0 0 3 noreply\r\nabc\r\nadd a x 0 2\r\nmn\r\n",
        b"ms a 4 q\r\nabcd\r\nms a 2 !\r\nxy\r\nmg a v k O1\r\n",
        b"ms b 5000 T0 F\r\n",
        &vec![b'z'; 5_000][..],
        b"\r\nset c 1 0 20000\r\n",
        &large,
        b"\r\ncas a 1 2 3 4\r\nabc\r\nincr a 1\r\ndelete a\r\nstats items\r\nquit\r\n",
    ]
    .concat()
}

#[test]
fn a_clients_stream_may_be_cut_anywhere() {
    let stream = client_stream();
    let whole = commands([&stream[..]]);
    assert_eq!(whole.len(), 20);
    // Within the long runs of one byte every thousandth place tells all.
    let dull = |at: usize| stream[at.saturating_sub(30)..(at + 30).min(stream.len())].iter().all(|b| b"zv".contains(b));
    for at in (0..=stream.len()).filter(|at| !dull(*at) || at % 1000 == 0) {
        assert_eq!(commands([&stream[..at], &stream[at..]]), whole, "cut at {at}");
    }
    assert_eq!(commands(stream.chunks(1)), whole);
}

#[test]
fn a_nodes_stream_may_be_cut_anywhere() {
    let large = vec![b'v'; 20_000];
    let asked: Vec<Request> = commands([
        &b"get a b c\r\nset a 0 0 1\r\nx\r\ngets a\r\nmg a v O1\r\nincr a 1\r\nmg a\r\nget a\r\nget b\r\n"[..],
    ])
    .into_iter()
    .map(|command| match command {
        Command::Ask { request, .. } => (*request).clone(),
        other => panic!("{other:?}"),
    })
    .collect();
    let stream = [
        &b"VALUE a 0 3\r\n\r\n1\r\nVALUE c 5 0\r\n\r\nEND\r\nSTORED\r\nVALUE a 0 20000 7\r\n"[..],
        &large,
        b"\r\nEND\r\nVA 5 O1\r\n\r\n\r\n1\r\n18446744073709551615\r\nEN\r\nEND\r\nSERVER_ERROR no\r\n",
    ]
    .concat();
    let whole = replies(&asked, [&stream[..]]).unwrap();
    assert_eq!(whole.len(), asked.len());
    for at in 0..=stream.len() {
        assert_eq!(replies(&asked, [&stream[..at], &stream[at..]]).as_ref(), Ok(&whole), "cut at {at}");
    }
    assert_eq!(replies(&asked, stream.chunks(1)), Ok(whole));
}
