//! What is answered without a node, byte for byte as memcached 1.6.18 answers it.
//!
//! Each pair was seen at the oracle: `printf REQUEST | nc 127.0.0.1 PORT`.

use super::*;

/// The bytes that answer a stream in which nothing is asked of a node.
fn answer(stream: &[u8]) -> Vec<u8> {
    let mut out = Outbox::new();
    for command in commands([stream]) {
        let line: &[u8] = match command {
            Command::Refuse(line) => line,
            Command::Verbosity => b"OK",
            Command::MetaNoop => b"MN",
            Command::Silence => continue,
            Command::Close(closing) => match closing.line() {
                Some(line) => line,
                None => continue,
            },
            command => panic!("{command:?} of {:?}", stream.escape_ascii().to_string()),
        };
        out.put(line);
        out.put(b"\r\n");
    }
    written(out)
}

fn check(cases: &[(&[u8], &[u8])]) {
    for (request, expected) in cases {
        assert_eq!(
            answer(request).escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{}",
            request.escape_ascii()
        );
    }
}

#[test]
fn a_line_that_is_no_command_is_an_error() {
    check(&[
        (b"\n", b"ERROR\r\n"),
        (b"\r\n", b"ERROR\r\n"),
        (b" \r\n", b"ERROR\r\n"),
        (b"x\r\n", b"ERROR\r\n"),
        (b"GET a\r\n", b"ERROR\r\n"),
        (b"Set a 0 0 1\r\n", b"ERROR\r\n"),
        (b"get\ta\r\n", b"ERROR\r\n"),
        (b"\x00get a\r\n", b"ERROR\r\n"),
        (b"get\r\n", b"ERROR\r\n"),
        (b"gets \r\n", b"ERROR\r\n"),
        (b"gat\r\n", b"ERROR\r\n"),
        (b"set a 0 0\r\n", b"ERROR\r\n"),
        (b"set a 0 0 1 noreply x\r\n", b"ERROR\r\n"),
        (b"cas a 0 0 1\r\n", b"ERROR\r\n"),
        (b"cas a 0 0 1 1 noreply x\r\n", b"ERROR\r\n"),
        (b"incr a\r\n", b"ERROR\r\n"),
        (b"decr a 1 noreply x\r\n", b"ERROR\r\n"),
        (b"touch a\r\n", b"ERROR\r\n"),
        (b"touch a 0 0 0\r\n", b"ERROR\r\n"),
        (b"delete\r\n", b"ERROR\r\n"),
        (b"delete a 0 noreply x\r\n", b"ERROR\r\n"),
        (b"verbosity\r\n", b"ERROR\r\n"),
        (b"verbosity 1 2 3\r\n", b"ERROR\r\n"),
        (b"flush_all 1 noreply x\r\n", b"ERROR\r\n"),
        (b"mg\r\n", b"ERROR\r\n"),
        (b"ms\r\n", b"ERROR\r\n"),
        (b"mx a\r\n", b"ERROR\r\n"),
        (b"shutdown\r\n", b"ERROR: shutdown not enabled\r\n"),
        (b"shutdown graceful now\r\n", b"ERROR: shutdown not enabled\r\n"),
        (b"slabs\r\n", b"ERROR\r\n"),
        (b"lru x\r\n", b"ERROR\r\n"),
        (b"lru_crawler HTTP/1.1\r\n", b"ERROR\r\n"),
        (b"cache_memlimit\r\n", b"ERROR\r\n"),
        (b"get_ / HTTP/1.1\r\n", b"ERROR\r\n"),
    ]);
}

#[test]
fn numbers_are_read_as_strtol_reads_them() {
    const BAD: &[u8] = b"CLIENT_ERROR bad command line format\r\n";
    check(&[
        (b"set a -1 0 1\r\n", BAD),
        (b"set a 1x 0 1\r\n", BAD),
        (b"set a 18446744073709551616 0 1\r\n", BAD),
        (b"set a 0 9223372036854775808 1\r\n", BAD),
        (b"set a 0 0 -1\r\n", BAD),
        (b"set a 0 0 2147483646\r\n", BAD),
        (b"set a 0 0 x\r\n", BAD),
        (b"set a 0 0 \t\r\n", BAD),
        (b"cas a 0 0 1 x\r\n", BAD),
        (b"cas a 0 0 1 -1\r\n", BAD),
        (b"verbosity x\r\n", BAD),
        (b"incr a -1\r\n", b"CLIENT_ERROR invalid numeric delta argument\r\n"),
        (b"decr a 18446744073709551616\r\n", b"CLIENT_ERROR invalid numeric delta argument\r\n"),
        (b"touch a 0x1\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
        (b"gat 1.5 a\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
        (b"flush_all x\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
        (b"flush_all x 1\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
        (b"delete a 1\r\n", b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"),
        (b"delete a noreply 0\r\n", b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"),
    ]);
}

#[test]
fn noreply_hides_errors_once_the_words_can_be_counted() {
    check(&[
        (b"set a x 0 1 noreply\r\n", b""),
        (b"set a 0 0 noreply\r\n", b""),
        (b"set a 0 0 1 noreply\r\nxyz", b""),
        (b"cas a 0 0 1 noreply\r\n", b""),
        (b"incr a noreply\r\n", b""),
        (b"touch a noreply\r\n", b""),
        (b"delete a 1 noreply\r\n", b""),
        (b"flush_all x noreply\r\n", b""),
        (b"verbosity 1 noreply\r\n", b""),
        (b"verbosity noreply\r\n", b""),
        (b"set a 0 noreply\r\n", b"ERROR\r\n"),
        (b"ms a 1 q\r\nxyz", b"CLIENT_ERROR bad data chunk\r\n"),
    ]);
}

#[test]
fn a_value_without_its_line_end_is_taken_whole_and_refused() {
    check(&[
        (b"set a 0 0 1\r\nxyz", b"CLIENT_ERROR bad data chunk\r\n"),
        (b"set a 0 0 1\r\nx\n\nmn\r\n", b"CLIENT_ERROR bad data chunk\r\nMN\r\n"),
        (b"set a 0 0 2\r\nx\r\nmn\r\nmn\r\n", b"CLIENT_ERROR bad data chunk\r\nERROR\r\nMN\r\n"),
        (b"add a 0 0 0\r\nabmn\r\n", b"CLIENT_ERROR bad data chunk\r\nMN\r\n"),
        (b"ms a 1\r\nxyzmn\r\n", b"CLIENT_ERROR bad data chunk\r\nMN\r\n"),
    ]);
}

#[test]
fn the_value_behind_a_refused_line_is_read_as_commands() {
    check(&[
        (b"set a x 0 2\r\nmn\r\n", b"CLIENT_ERROR bad command line format\r\nMN\r\n"),
        (b"set a 0 0 -1\r\nmn\r\n", b"CLIENT_ERROR bad command line format\r\nMN\r\n"),
        (b"ms a\r\nmn\r\n", b"CLIENT_ERROR bad command line format\r\nMN\r\n"),
        (b"ms a x\r\nmn\r\n", b"CLIENT_ERROR bad command line format\r\nMN\r\n"),
        (b"ms a -1\r\nmn\r\n", b"CLIENT_ERROR bad command line format\r\nMN\r\n"),
    ]);
}

#[test]
fn meta_swallows_the_value_once_it_knows_the_size() {
    check(&[
        (b"ms a 2 !\r\nmn\r\nmn\r\n", b"CLIENT_ERROR invalid flag\r\nMN\r\n"),
        (b"ms a 2 S2\r\nmn\r\nmn\r\n", b"CLIENT_ERROR invalid flag\r\nMN\r\n"),
        (b"ms a 2 k k\r\nmn\r\nmn\r\n", b"CLIENT_ERROR duplicate flag\r\nMN\r\n"),
        (b"ms a 2 Tx\r\nmn\r\nmn\r\n", b"CLIENT_ERROR bad token in command line format\r\nMN\r\n"),
        (b"ms a 2 Fx\r\nmn\r\nmn\r\n", b"CLIENT_ERROR bad command line format\r\nMN\r\n"),
        (b"ms a 2 Mx\r\nmn\r\nmn\r\n", b"CLIENT_ERROR invalid mode for ms M token\r\nMN\r\n"),
        (b"ms a 2 MSS\r\nmn\r\nmn\r\n", b"CLIENT_ERROR incorrect length for M token\r\nMN\r\n"),
        (b"ms a 2 b\r\nmn\r\nmn\r\n", b"CLIENT_ERROR error decoding key\r\nMN\r\n"),
        (b"ms a 2 O12345678901234567890123456789012\r\nmn\r\nmn\r\n", b"CLIENT_ERROR opaque token too long\r\nMN\r\n"),
        (
            b"ms a 2 O12345678901234567890123456789012 Mx\r\nmn\r\nmn\r\n",
            b"CLIENT_ERROR invalid mode for ms M token\r\nMN\r\n",
        ),
    ]);
}

#[test]
fn flags_are_judged_in_order_and_the_last_number_is_told() {
    check(&[
        (b"mg a !\r\n", b"CLIENT_ERROR invalid flag\r\n"),
        (b"mg a \x7f\r\n", b"CLIENT_ERROR duplicate flag\r\n"),
        (b"mg a \xff\r\n", b"CLIENT_ERROR duplicate flag\r\n"),
        (b"mg a T Jx\r\n", b"CLIENT_ERROR invalid numeric initial value\r\n"),
        (b"mg a Jx Dx\r\n", b"CLIENT_ERROR invalid numeric delta value\r\n"),
        (b"mg a Jx Fx\r\n", b"CLIENT_ERROR invalid numeric initial value\r\n"),
        (b"mg a Fx Jx\r\n", b"CLIENT_ERROR invalid numeric initial value\r\n"),
        (b"mg a Jx !\r\n", b"CLIENT_ERROR invalid flag\r\n"),
        (b"mg a C-1\r\n", b"CLIENT_ERROR bad token in command line format\r\n"),
        (b"mg a b\r\n", b"CLIENT_ERROR error decoding key\r\n"),
        (b"mg ==== b\r\n", b"CLIENT_ERROR error decoding key\r\n"),
        (b"me a b\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"me\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"md a !\r\n", b"CLIENT_ERROR invalid or duplicate flag\r\n"),
        (b"ma a N\r\n", b"CLIENT_ERROR invalid or duplicate flag\r\n"),
        (b"ma a MX\r\n", b"CLIENT_ERROR invalid mode for ma M token\r\n"),
        (b"md a O12345678901234567890123456789012\r\n", b"CLIENT_ERROR opaque token too long\r\n"),
        (b"mg a b N R T l O P L k s t c f v h u q\r\n", b"CLIENT_ERROR bad token in command line format\r\n"),
        (b"mg a b N1 R1 T1 l O P L k s t c f v h u q F1\r\n", b"CLIENT_ERROR options flags are too long\r\n"),
        (b"md a b N1 R1 T1 l O P L k s t c f v h u q F1\r\n", b"CLIENT_ERROR options flags too long\r\n"),
        (b"ms a 1 b N1 R1 T1 l O P L k s t c f v h u q\r\nmn\r\n", b"CLIENT_ERROR options flags too long\r\nMN\r\n"),
    ]);
}

#[test]
fn a_gat_without_keys_finds_nothing() {
    check(&[(b"gat 0\r\n", b"END\r\n"), (b"gats -1 \r\n", b"END\r\n")]);
}

#[test]
fn stats_tells_its_own_errors() {
    check(&[
        (b"stats detail\r\n", b"CLIENT_ERROR usage: stats detail on|off|dump\r\n"),
        (b"stats detail x\r\n", b"CLIENT_ERROR usage: stats detail on|off|dump\r\n"),
        (b"stats cachedump\r\n", b"CLIENT_ERROR bad command line\r\n"),
        (b"stats cachedump 1\r\n", b"CLIENT_ERROR bad command line\r\n"),
        (b"stats cachedump x 1\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"stats cachedump 64 1\r\n", b"CLIENT_ERROR Illegal slab id\r\n"),
    ]);
}

#[test]
fn a_key_of_251_bytes_is_refused_by_every_command() {
    let key = "k".repeat(251);
    let bad = "CLIENT_ERROR bad command line format\r\n";
    for (request, expected) in [
        (format!("get {key}\r\n"), bad),
        (format!("get a {key} b\r\n"), bad),
        (format!("gat 0 {key}\r\n"), bad),
        (format!("set {key} 0 0 2\r\nmn\r\n"), &format!("{bad}MN\r\n")),
        (format!("set {key} 0 0 2 noreply\r\nmn\r\n"), "MN\r\n"),
        (format!("delete {key}\r\n"), bad),
        (format!("incr {key} 1\r\n"), bad),
        (format!("touch {key} 1\r\n"), bad),
        (format!("mg {key}\r\n"), bad),
        (format!("ms {key} 2\r\nmn\r\n"), &format!("{bad}MN\r\n")),
        (format!("md {key}\r\n"), bad),
        (format!("ma {key} !\r\n"), bad),
        (format!("me {key}\r\n"), bad),
        (format!("delete {key} noreply\r\n"), ""),
    ] {
        assert_eq!(String::from_utf8_lossy(&answer(request.as_bytes())), *expected, "{request}");
    }
}

#[test]
fn what_memcached_hangs_up_on_closes() {
    let long = |text: &str, len| [text.as_bytes(), &vec![b'x'; len]].concat();
    for (stream, closing) in [
        (b"\x80\x01".to_vec(), Closing::Binary),
        (b"POST / HTTP/1.1\r\n".to_vec(), Closing::Http),
        (b"HTTP/1.1\r\n".to_vec(), Closing::Http),
        (long("set ", 2045), Closing::LongLine),
        (long("gat ", 2045), Closing::LongLine),
        (long(&" ".repeat(101), 2000), Closing::LongLine),
        (long("get ", MAX_READ_LINE), Closing::LongRead),
    ] {
        let all = commands([&stream[..], b"\r\nmn\r\n"]);
        assert_eq!(all, [Command::Close(closing)], "{}", stream[..10].escape_ascii());
    }
    assert_eq!(answer(b"mn\r\n\x80\r\nmn\r\n"), b"MN\r\nERROR\r\nMN\r\n");
    assert_eq!(commands([&long("set ", 2044)[..]]), []);
    assert_eq!(commands([&long("gets ", 20_000)[..]]), []);
}
