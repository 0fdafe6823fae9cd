//! Each command and flag, to the byte.

use super::support::redis::{Redis, pool};
use super::support::{Client, Ketch};

fn over_one(settings: &str) -> (Redis, Ketch) {
    let nodes = [Redis::start()];
    let ketch = Ketch::start(&pool(&nodes, settings));
    let [node] = nodes;
    (node, ketch)
}

fn token(client: &mut Client, key: &str) -> u64 {
    client.say(format!("mg {key} c\r\n"));
    client.line().strip_prefix("HD c").unwrap().parse().unwrap()
}

#[test]
fn classic_commands_answer_as_memcacheds() {
    let (_node, ketch) = over_one("flush: true");
    let mut client = ketch.connect();
    for (said, heard) in [
        ("get a", "END\r\n"),
        ("set a 0 0 1\r\n1", "STORED\r\n"),
        ("add a 0 0 1\r\n2", "NOT_STORED\r\n"),
        ("add b 5 0 1\r\n2", "STORED\r\n"),
        ("replace none 0 0 1\r\n3", "NOT_STORED\r\n"),
        ("replace a 7 0 1\r\n3", "STORED\r\n"),
        ("get a b none a", "VALUE a 7 1\r\n3\r\nVALUE b 5 1\r\n2\r\nVALUE a 7 1\r\n3\r\nEND\r\n"),
        ("append a 0 0 2\r\n45", "STORED\r\n"),
        ("prepend a 0 0 2\r\n12", "STORED\r\n"),
        ("append none 0 0 1\r\nx", "NOT_STORED\r\n"),
        ("prepend none 0 0 1\r\nx", "NOT_STORED\r\n"),
        ("get a", "VALUE a 7 5\r\n12345\r\nEND\r\n"),
        ("incr a 5", "12350\r\n"),
        ("decr a 350", "12000\r\n"),
        ("decr a 99999", "0\r\n"),
        ("get a", "VALUE a 7 1\r\n0\r\nEND\r\n"),
        ("incr none 1", "NOT_FOUND\r\n"),
        ("set t 0 0 4\r\ntext", "STORED\r\n"),
        ("incr t 1", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
        ("touch t 100", "TOUCHED\r\n"),
        ("touch t 0", "TOUCHED\r\n"),
        ("touch t 0", "TOUCHED\r\n"),
        ("touch none 0", "NOT_FOUND\r\n"),
        ("touch none 100", "NOT_FOUND\r\n"),
        ("gat 100 t none a", "VALUE t 0 4\r\ntext\r\nVALUE a 7 1\r\n0\r\nEND\r\n"),
        ("gat 0 t", "VALUE t 0 4\r\ntext\r\nEND\r\n"),
        ("cas none 0 0 1 5\r\nx", "NOT_FOUND\r\n"),
        ("cas t 0 0 1 5\r\nx", "EXISTS\r\n"),
        ("delete t", "DELETED\r\n"),
        ("delete t", "NOT_FOUND\r\n"),
        ("set n 0 -1 1\r\nx", "STORED\r\n"),
        ("get n", "END\r\n"),
        ("set n 0 1000000000 1\r\nx", "STORED\r\n"),
        ("get n", "END\r\n"),
        ("set n 0 0 1\r\nx", "STORED\r\n"),
        ("touch n -1", "TOUCHED\r\n"),
        ("get n", "END\r\n"),
        ("set n 0 0 1\r\nx", "STORED\r\n"),
        ("gat -1 n", "VALUE n 0 1\r\nx\r\nEND\r\n"),
        ("get n", "END\r\n"),
        ("flush_all 10", "CLIENT_ERROR unsupported on a redis pool\r\n"),
        ("flush_all", "OK\r\n"),
        ("get a", "END\r\n"),
    ] {
        client.expect(format!("{said}\r\n"), heard);
    }
}

#[test]
fn cas_stores_once_and_a_token_tells_values_apart() {
    let (_node, ketch) = over_one("");
    let mut client = ketch.connect();
    client.expect("set k 3 0 3\r\none\r\n", "STORED\r\n");
    client.say("gets k\r\n");
    let token = client.line().strip_prefix("VALUE k 3 3 ").unwrap().to_owned();
    client.expect("", "one\r\nEND\r\n");
    client.expect(format!("cas k 4 1000 3 {token}\r\ntwo\r\n"), "STORED\r\n");
    client.expect(format!("cas k 5 0 5 {token}\r\nthree\r\n"), "EXISTS\r\n");
    client.expect("mg k t f v\r\n", "VA 3 t1000 f4\r\ntwo\r\n");
    // The documented price of a token that is a hash: the old value has the old token.
    client.expect("set k 3 0 3\r\none\r\n", "STORED\r\n");
    client.expect(format!("cas k 3 0 4 {token}\r\nfour\r\n"), "STORED\r\n");
}

#[test]
fn numbers_are_read_and_counted_as_memcacheds() {
    let (_node, ketch) = over_one("");
    let mut client = ketch.connect();
    for (value, command, heard) in [
        ("18446744073709551615", "incr n 1", "0"),
        ("18446744073709551615", "incr n 2", "1"),
        ("18446744073709551614", "incr n 1", "18446744073709551615"),
        ("9999999999", "incr n 1", "10000000000"),
        ("10000000000", "decr n 1", "9999999999"),
        ("0", "incr n 18446744073709551615", "18446744073709551615"),
        ("9223372036854775807", "incr n 9223372036854775808", "18446744073709551615"),
        ("1", "decr n 18446744073709551615", "0"),
        ("00012", "incr n 1", "13"),
        (" 12 abc", "incr n 1", "13"),
        ("+12", "incr n 0", "12"),
        ("-18446744073709551615", "incr n 0", "1"),
        ("-0", "incr n 0", "0"),
        ("18446744073709551616", "incr n 0", "!"),
        ("100000000000000000000", "incr n 0", "!"),
        ("-1", "incr n 0", "!"),
        ("12abc", "incr n 0", "!"),
        ("1.5", "incr n 0", "!"),
        ("0x10", "incr n 0", "!"),
        ("", "incr n 0", "!"),
    ] {
        let not_a_number = "CLIENT_ERROR cannot increment or decrement non-numeric value";
        let heard = if heard == "!" { not_a_number } else { heard };
        client.expect(format!("set n 0 0 {}\r\n{value}\r\n", value.len()), "STORED\r\n");
        assert_eq!(client.ask(command), heard, "{value}: {command}");
    }
}

#[test]
fn meta_commands_answer_as_memcacheds() {
    let (_node, ketch) = over_one("");
    let mut client = ketch.connect();
    for (said, heard) in [
        ("mg a v", "EN\r\n"),
        ("mg a v k O1", "EN ka O1\r\n"),
        ("mg YQ== b k O1", "EN kYQ== b O1\r\n"),
        ("ms a 3 F7 T100 s\r\none", "HD s3\r\n"),
        ("mg a s t f k Ox v", "VA 3 s3 t100 f7 ka Ox\r\none\r\n"),
        ("mg a", "HD\r\n"),
        ("mg a t", "HD t100\r\n"),
        ("mg a t T200", "HD t100\r\n"),
        ("mg a T300 t v", "VA 3 t300\r\none\r\n"),
        ("mg a T0 t", "HD t-1\r\n"),
        ("mg YQ== b k v", "VA 3 kYQ== b\r\none\r\n"),
        ("ms a 1 ME\r\nx", "NS\r\n"),
        ("ms a 3 MA s\r\ntwo", "HD s6\r\n"),
        ("ms a 4 MP\r\nzero", "HD\r\n"),
        ("ms none 1 MA O9 k\r\nx", "NS O9 knone\r\n"),
        ("ms none 1 MR\r\nx", "NS\r\n"),
        ("mg a v f", "VA 10 f7\r\nzeroonetwo\r\n"),
        ("ms a 1 C5\r\nx", "EX\r\n"),
        ("ms none 1 C5\r\nx", "NF\r\n"),
        ("md a C5 k", "EX ka\r\n"),
        ("md none C5", "NF\r\n"),
        ("md a q", ""),
        ("md a O7", "NF O7\r\n"),
        ("ms n 2\r\n10", "HD\r\n"),
        ("ma n", "HD\r\n"),
        ("ma n v", "VA 2\r\n12\r\n"),
        ("ma n MD D5 t v T60 Oo k", "VA 1 t-1 Oo kn\r\n7\r\n"),
        ("ma n T100 t q", ""),
        ("ma n C5", "EX\r\n"),
        ("ma none O1", "NF O1\r\n"),
        ("ma made N0 J5 v t", "VA 1 t-1\r\n5\r\n"),
        ("ma made N0 J5 v", "VA 1\r\n6\r\n"),
        ("ma lives t N100 J18446744073709551615 v O1 MD", "VA 20 t-1 O1\r\n18446744073709551615\r\n"),
        ("mg lives t v", "VA 20 t100\r\n18446744073709551615\r\n"),
        ("ma lives N200 v t", "VA 1 t100\r\n0\r\n"),
        ("ma both T50 t N100 C7", "HD t50\r\n"),
        ("mg both t v", "VA 1 t100\r\n0\r\n"),
        ("ma both t N100 T0", "HD t100\r\n"),
        ("mg both t v", "VA 1 t-1\r\n1\r\n"),
        ("ma gone N-1 J7 v", "VA 1\r\n7\r\n"),
        ("mg gone v", "EN\r\n"),
        ("ms n 1\r\nx", "HD\r\n"),
        ("ma n N0 J5", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
        ("ma n", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
        ("mn", "MN\r\n"),
    ] {
        client.expect(format!("{said}\r\n"), heard);
    }
}

#[test]
fn tokens_of_meta_commands_are_those_of_what_is_stored() {
    let (_node, ketch) = over_one("");
    let mut client = ketch.connect();
    for said in
        ["ms a 3 c F0\r\none", "ms a 3 c F9\r\none", "ms a 1 MA c\r\n!", "ms a 1 MP c\r\n!", "ms a 1 c\r\n7", "ma a c"]
    {
        client.say(format!("{said}\r\n"));
        let told: u64 = client.line().strip_prefix("HD c").unwrap().parse().unwrap();
        assert_eq!(told, token(&mut client, "a"), "{said}");
        client.say(format!("mg a c\r\nms a 3 C{told} c F1\r\nnew\r\n"));
        assert_eq!(client.line(), format!("HD c{told}"));
        let swapped: u64 = client.line().strip_prefix("HD c").unwrap().parse().unwrap();
        assert_eq!(swapped, token(&mut client, "a"));
        client.expect(format!("md a C{told}\r\n"), "EX\r\n");
        client.expect(format!("md a C{swapped}\r\n"), "HD\r\n");
        client.expect("ms a 1\r\n7\r\n", "HD\r\n");
    }
}

#[test]
fn what_redis_does_not_have_is_refused_in_step() {
    let (_node, ketch) = over_one("");
    let mut client = ketch.connect();
    let unsupported = "CLIENT_ERROR unsupported on a redis pool\r\n";
    for said in [
        "me a",
        "mg a h",
        "mg a l",
        "mg a u",
        "mg a N30 v",
        "mg a R30",
        "mg a E5",
        "ms a 1 E5\r\nx",
        "ms a 1 N5 MA\r\nx",
        "md a I T30",
        "md a E5",
        "md a x",
        "ma a E5",
    ] {
        client.expect(format!("{said}\r\nmn\r\n"), format!("{unsupported}MN\r\n"));
    }
    let disabled = "SERVER_ERROR flush_all is disabled for pool main\r\n";
    client.expect("flush_all\r\nmn\r\n", format!("{disabled}MN\r\n"));
}

#[test]
fn values_have_memcacheds_limits() {
    let (node, ketch) = over_one("");
    let mut client = ketch.connect();
    let most = (1 << 20) - 59 - 1;
    let value = "x".repeat(most);
    client.expect(format!("set k 0 0 {most}\r\n{value}\r\n"), "STORED\r\n");
    client.expect("get k\r\n", format!("VALUE k 0 {most}\r\n{value}\r\nEND\r\n"));
    client.expect("append k 0 0 1\r\nx\r\n", "NOT_STORED\r\n");
    client.expect(format!("set k 0 0 {}\r\n{value}x\r\n", most + 1), "SERVER_ERROR object too large for cache\r\n");
    client.expect("get k\r\n", "END\r\n");
    // Others may store more: it is told, and the connection stays in step.
    node.say([b"SET", b"large", &vec![b'x'; 3 << 20]]);
    client.expect("get large\r\nget k\r\n", "SERVER_ERROR object too large for cache\r\nEND\r\n");
    client.expect("set k 0 0 1\r\nx\r\nget k large none\r\n", "STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n");
}
