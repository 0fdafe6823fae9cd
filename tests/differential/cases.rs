//! The named cases: the edges that real clients and test suites meet, and every difference ever found.
//!
//! A key that begins with `KEYKEY` (`S0VZS0VZ` in base64) is one that nothing else uses.

use super::case::{Burst, Case, Command, Cuts, Ending, PREFIX, Word};

/// Stands for the opening of every key of a case.
pub const KEY: &[u8; PREFIX] = b"KEYKEY";

/// A case with a name.
pub struct Named {
    pub name: &'static str,
    /// Why it is kept.
    pub why: &'static str,
    pub case: Case,
    /// Whether memcached says the same wherever it is cut.
    pub any_cut: bool,
    /// Whether an embedded store answers it alike; where not, `why` has the reason.
    pub embedded: bool,
}

/// What is said in one go, then the next when all of it is answered.
pub fn named(name: &'static str, why: &'static str, bursts: &[&[u8]]) -> Named {
    let burst = |bytes: &&[u8]| Burst { commands: vec![Command::raw(bytes.to_vec())], ending: Ending::Barrier };
    let case = Case { prefix: *KEY, bursts: bursts.iter().map(burst).collect(), cuts: Cuts::Nowhere };
    Named { name, why, case, any_cut: true, embedded: true }
}

impl Named {
    pub fn ending(mut self, ending: Ending) -> Self {
        self.case.bursts.last_mut().expect("a case says something").ending = ending;
        self
    }

    pub fn uncut(mut self) -> Self {
        self.any_cut = false;
        self
    }

    pub fn memcached_only(mut self) -> Self {
        self.embedded = false;
        self
    }

    /// Says one more command, in words.
    pub fn then(mut self, line: &str, token: Option<Word>, body: Option<&str>) -> Self {
        let mut command = Command::new(line);
        if body.is_some() && line.starts_with("ms ") {
            command.words.insert(2, Word::Length);
        } else if body.is_some() {
            command.words.push(Word::Length);
        }
        command.words.extend(token);
        command.body = body.map(|body| body.as_bytes().to_vec());
        self.case.bursts.push(Burst { commands: vec![command], ending: Ending::Barrier });
        self
    }
}

pub fn heard(letter: Option<u8>, offset: i64) -> Option<Word> {
    Some(Word::Cas { letter, nth: 0, offset })
}

/// Every named case.
pub fn all() -> Vec<Named> {
    [lines(), values(), keys(), numbers(), times(), stores(), closes(), others(), super::meta_cases::all()]
        .into_iter()
        .flatten()
        .collect()
}

fn lines() -> Vec<Named> {
    let many = |count: usize| -> Vec<u8> {
        let keys: String = (0..count).map(|number| format!(" KEYKEY{number}")).collect();
        format!("set KEYKEY1 1 0 1\r\na\r\nset KEYKEY21 2 0 1\r\nb\r\nmn\r\nget{keys}\r\ngets{keys}\r\n").into_bytes()
    };
    let mut cases = vec![
        named("bare_newline", "hand-typed", &[b"set KEYKEY 5 0 1\nx\r\nget KEYKEY\nmg KEYKEY v\ntouch KEYKEY 0\n"]),
        named("empty_lines", "a client's blank line", &[b"\r\n\n \r\n  \n\r\r\n"]),
        named("blanks", "spaces where they do not belong", &[
            b"  set  KEYKEY  0 0  1  \r\na\r\n get   KEYKEY  \r\n  mg  KEYKEY   v  \r\n delete KEYKEY \r\n",
        ]),
        named("tabs", "a tab is no blank", &[b"set\tKEYKEY 0 0 1\r\nget\tKEYKEY\r\nget KEYKEY\ta\r\n\tget KEYKEY\r\n"]),
        named("carriage_returns", "only the last is the line end", &[b"get KEYKEY\r\r\nget KEYKEY\rx\r\nget\rKEYKEY\r\n"]),
        named("wrong_case", "verbs are lower case", &[b"GET KEYKEY\r\nGet KEYKEY\r\nMG KEYKEY\r\nmG KEYKEY\r\nVERSION\r\n"]),
        named("nul_in_line", "a C string ends there", &[b"get KEYKEY\0x\r\nget\0KEYKEY\r\n\0get KEYKEY\r\nmg KEYKEY\0 v\r\n"]),
        named("short_words", "verbs of one letter and prefixes of verbs", &[b"g\r\nm\r\nmx\r\nge KEYKEY\r\ngett KEYKEY\r\nmgg KEYKEY\r\n"]),
        named("no_arguments", "every verb alone", &[
            b"get\r\ngets\r\ngat\r\ngats\r\ngat 0\r\nset\r\nadd\r\nreplace\r\nappend\r\nprepend\r\ncas\r\ndelete\r\nincr\r\n",
            b"decr\r\ntouch\r\nmg\r\nms\r\nmd\r\nma\r\nme\r\nverbosity\r\nbget\r\n",
        ]),
        named("too_many_arguments", "one word more than each verb takes", &[
            b"set KEYKEY 0 0 1 noreply x\r\ncas KEYKEY 0 0 1 1 noreply x\r\nincr KEYKEY 1 noreply x\r\ndelete KEYKEY 0 noreply x\r\n",
            b"touch KEYKEY 0 noreply x\r\nflush_all 0 noreply x\r\nverbosity 0 noreply x\r\nverbosity 0 x y\r\n",
        ]),
        named("high_byte_later", "0x80 is binary only as the first byte of a connection", &[b"get KEYKEY\r\n\x80\x01\r\n\xff\r\n"]),
        named("get_500_keys", "a multi-get over several reads", &[&many(500)]),
    ];
    let around = (21..27).chain(45..50).map(many).collect::<Vec<_>>().concat();
    cases.push(named("get_24_words", "memcached takes its words 24 at a time", &[&around]).uncut());
    cases
}

fn values() -> Vec<Named> {
    let mut cases = vec![
        named(
            "value_one_longer",
            "CLIENT_ERROR bad data chunk, in step",
            &[b"set KEYKEY 0 0 3\r\nabcd\r\nget KEYKEY\r\n"],
        ),
        named("value_one_shorter", "it takes a byte of what follows", &[b"set KEYKEY 0 0 3\r\nab\r\n\nget KEYKEY\r\n"]),
        named(
            "value_without_line_end",
            "the next command is in its place",
            &[b"set KEYKEY 0 0 3\r\nabcget KEYKEY\r\n"],
        ),
        named("value_with_bare_newline", "only CR LF ends a value", &[b"set KEYKEY 0 0 3\r\nabc\n\nget KEYKEY\r\n"]),
        named("bad_value_noreply", "the error is hidden too", &[b"set KEYKEY 0 0 3 noreply\r\nabcd\r\nget KEYKEY\r\n"]),
        named(
            "bad_value_keeps_the_old",
            "a bad chunk changes nothing",
            &[b"set KEYKEY 0 0 1\r\na\r\n", b"set KEYKEY 0 0 3\r\nabcd\r\nms KEYKEY 1 q\r\nxyz\r\nget KEYKEY\r\n"],
        ),
        named(
            "empty_value",
            "no byte is a value",
            &[b"set KEYKEY 0 0 0\r\n\r\nget KEYKEY\r\nmg KEYKEY v s\r\nincr KEYKEY 1\r\n"],
        ),
        named(
            "value_of_replies",
            "a value may look like anything",
            &[b"set KEYKEY 0 0 12\r\nEND\r\nEN\r\nHD\r\n\r\nget KEYKEY KEYKEY\r\nmg KEYKEY v\r\n"],
        ),
        named(
            "negative_length",
            "an error, and the value is read as commands",
            &[b"set KEYKEY 0 0 -1\r\nget KEYKEY\r\n"],
        ),
        named(
            "length_wraps",
            "2 to the 32 and 3 is 3 to memcached",
            &[b"set KEYKEY 0 0 4294967299\r\nabc\r\nget KEYKEY\r\n"],
        ),
        named(
            "length_2_to_the_31",
            "over what memcached adds 2 to",
            &[b"set KEYKEY 0 0 2147483646\r\nset KEYKEY 0 0 2147483647\r\n"],
        ),
        named(
            "odd_lengths",
            "what strtol takes",
            &[b"set KEYKEY 0 0 +3\r\nabc\r\nset KEYKEY 0 0 003\r\nabc\r\nset KEYKEY 0 0 3x\r\nabc\r\n"],
        ),
    ];
    // 48 bytes of header, 8 of cas, the key and a NUL, 4 of flags when there are any, CR LF: up to 1 MiB together.
    for (name, flags, length) in [
        ("value_at_the_limit", "0", 1_048_511),
        ("value_over_the_limit", "0", 1_048_512),
        ("value_with_flags_at_the_limit", "9", 1_048_507),
        ("value_with_flags_over_the_limit", "9", 1_048_508),
        ("value_of_1_mib", "0", 1 << 20),
        ("value_over_1_mib", "0", (1 << 20) + 1),
    ] {
        let value = "v".repeat(length);
        let set = format!("set KEYKEY {flags} 0 {length}\r\n{value}\r\nmn\r\nget KEYKEY\r\n");
        let small = b"set KEYKEY 0 0 1\r\na\r\n";
        cases.push(
            named(name, "SERVER_ERROR object too large for cache; the old item goes", &[small, set.as_bytes()]).uncut(),
        );
    }
    let value = "get KEYKEY\r\n".repeat(100_000);
    let body = format!("{}\r\n{value}\r\n", value.len());
    for (name, line) in [
        ("too_large_add", "add KEYKEY 0 0 "),
        ("too_large_append", "append KEYKEY 0 0 "),
        ("too_large_ms", "ms KEYKEY "),
    ] {
        let said = [b"set KEYKEY 0 0 1\r\na\r\nmn\r\n", line.as_bytes(), body.as_bytes(), b"get KEYKEY\r\n"].concat();
        cases.push(named(name, "the body is swallowed, whatever it looks like", &[&said]).uncut());
    }
    let body = format!("{} noreply\r\n{value}\r\nget KEYKEY\r\n", value.len());
    cases.push(
        named("too_large_noreply", "the error is hidden too", &[format!("set KEYKEY 0 0 {body}").as_bytes()]).uncut(),
    );
    cases
}

fn keys() -> Vec<Named> {
    let mut cases = Vec::new();
    for (name, length) in [("key_of_250", 250), ("key_of_251", 251)] {
        let key = format!("KEYKEY{}", "z".repeat(length - PREFIX));
        for line in [
            "get KEY",
            "gets KEYKEY KEY",
            "gat 0 KEY",
            "delete KEY",
            "incr KEY 1",
            "touch KEY 0",
            "mg KEY v k",
            "md KEY",
            "ma KEY",
            "me KEY",
            "set KEY 0 0 1 noreply",
            "delete KEY noreply",
            "set KEY 0 0 1\r\nx",
            "add KEY 0 0 x\r\nx",
            "ms KEY 1\r\nx",
            "ms KEY 1 q\r\nx",
        ] {
            let said = format!("{}\r\n", line.replace("KEYKEY", "\0").replace("KEY", &key).replace('\0', "KEYKEY"));
            cases.push(
                named(name, "250 bytes are a key, 251 are not", &[said.as_bytes()]).ending(Ending::Filler).uncut(),
            );
        }
    }
    cases.push(named("odd_keys", "any byte but blank and line end", &[
        "set KEYKEY\u{fc} 0 0 1\r\na\r\nget KEYKEY\u{fc}\r\nset KEYKEY\x01\x7f 0 0 1\r\nb\r\nget KEYKEY\x01\x7f\r\nmg KEYKEY\x01\x7f k v\r\n".as_bytes(),
    ]));
    cases.push(named(
        "keys_twice",
        "a multi-get may name a key twice",
        &[b"set KEYKEY 0 0 1\r\na\r\nget KEYKEY KEYKEYx KEYKEY KEYKEYx\r\n"],
    ));
    cases
}

fn numbers() -> Vec<Named> {
    let mut said = String::new();
    for value in [
        "0",
        "9",
        "10",
        "99",
        "007",
        "5 ",
        " 5",
        "5 x",
        "5x",
        "x",
        "",
        "+3",
        "1.5",
        "18446744073709551615",
        "18446744073709551616",
    ] {
        for line in [
            "incr KEYKEY 1",
            "decr KEYKEY 1",
            "incr KEYKEY 18446744073709551615",
            "decr KEYKEY 100",
            "ma KEYKEY v",
            "ma KEYKEY v MD D3",
        ] {
            said += &format!("set KEYKEY 3 0 {}\r\n{value}\r\n{line}\r\nget KEYKEY\r\n", value.len());
        }
    }
    vec![
        named("arithmetic", "wraps up, stops at 0 down, pads with blanks, refuses text", &[said.as_bytes()]).uncut(),
        named("arithmetic_missing", "NOT_FOUND", &[b"incr KEYKEY 1\r\ndecr KEYKEY 1\r\nma KEYKEY\r\nincr KEYKEY 1 noreply\r\n"]),
        named("odd_deltas", "what strtoull takes", &[
            b"set KEYKEY 0 0 2\r\n50\r\nincr KEYKEY -1\r\nincr KEYKEY x\r\nincr KEYKEY 1x\r\nincr KEYKEY +1\r\nincr KEYKEY 18446744073709551616\r\n",
            b"incr KEYKEY 01\r\nincr KEYKEY 0x10\r\nincr KEYKEY -18446744073709551615\r\ndecr KEYKEY 1.5\r\nget KEYKEY\r\n",
        ]),
        named("flags", "32 bits, as strtoul takes them", &[
            b"set KEYKEY 4294967295 0 1\r\na\r\nget KEYKEY\r\nset KEYKEY 4294967296 0 1\r\nb\r\nget KEYKEY\r\nset KEYKEY 4294967303 0 1\r\nc\r\nget KEYKEY\r\n",
            b"set KEYKEY -1 0 1\r\nget KEYKEY\r\nset KEYKEY x 0 1\r\nset KEYKEY 18446744073709551616 0 1\r\nset KEYKEY +7 0 1\r\nd\r\nget KEYKEY\r\n",
            b"set KEYKEY 007 0 1\r\ne\r\nget KEYKEY\r\nset KEYKEY 1.5 0 1\r\nset KEYKEY -18446744073709551615 0 1\r\nf\r\nget KEYKEY\r\n",
        ]),
    ]
}

fn times() -> Vec<Named> {
    let mut said = String::new();
    let expiries = [
        "0",
        "1000",
        "2592000",
        "2592001",
        "2147483647",
        "4102444800",
        "4294967296",
        "-1",
        "-99",
        "+1000",
        "x",
        "1000x",
        "",
    ];
    for expiry in expiries {
        said += &format!(
            "set KEYKEY 0 0 1\r\na\r\ntouch KEYKEY {expiry}\r\nmg KEYKEY t v\r\nset KEYKEY 0 0 1\r\nb\r\ngat {expiry} KEYKEY\r\n"
        );
        said += &format!("mg KEYKEY t v\r\nset KEYKEY 0 0 1\r\na\r\nmg KEYKEY T{expiry} t\r\nmg KEYKEY t v\r\n");
        said += &format!(
            "ms KEYKEY 1 T{expiry}\r\nc\r\nmg KEYKEY t v\r\nma KEYKEYn N{expiry} t J5\r\nmg KEYKEYn t v\r\nmd KEYKEYn\r\n"
        );
    }
    let sets: String = ["0", "1000", "2592001", "2147483647", "4102444800", "-1", "+1000"]
        .map(|expiry| format!("set KEYKEY 0 {expiry} 1\r\na\r\nmg KEYKEY t v\r\n"))
        .concat();
    vec![
        named("expiries", "never, from now, a date, gone at once, and no number", &[said.as_bytes()]).uncut(),
        named("set_expiries", "the same on set", &[sets.as_bytes()]).uncut(),
        named("append_keeps_life_and_flags", "append ignores its own", &[
            b"set KEYKEY 5 1000 1\r\na\r\nappend KEYKEY 7 0 1\r\nb\r\nprepend KEYKEY 9 -1 1\r\nc\r\nmg KEYKEY t f v\r\nincr KEYKEY 1\r\n",
        ]),
        named("bad_expiry", "an error, and the value is read as commands", &[b"set KEYKEY 0 x 1\r\nget KEYKEY\r\nset KEYKEY 0 9223372036854775808 1\r\n"]),
    ]
}

fn stores() -> Vec<Named> {
    let gets = |name, why| named(name, why, &[b"set KEYKEY 5 0 1\r\na\r\n", b"gets KEYKEY\r\n"]);
    vec![
        named("conditions", "add, replace, append, prepend on a miss and on a hit", &[
            b"replace KEYKEY 0 0 1\r\na\r\nappend KEYKEY 0 0 1\r\nb\r\nprepend KEYKEY 0 0 1\r\nc\r\nadd KEYKEY 0 0 1\r\nd\r\nget KEYKEY\r\n",
            b"add KEYKEY 0 0 1\r\ne\r\nreplace KEYKEY 0 0 1\r\nf\r\nappend KEYKEY 0 0 1\r\ng\r\nprepend KEYKEY 0 0 1\r\nh\r\nget KEYKEY\r\n",
        ]),
        named("noreply", "no command with it has an answer", &[
            b"set KEYKEY 0 0 1 noreply\r\n1\r\nadd KEYKEY 0 0 1 noreply\r\n2\r\nincr KEYKEY 5 noreply\r\ntouch KEYKEY 0 noreply\r\nget KEYKEY\r\n",
            b"append KEYKEY 0 0 1 noreply\r\n2\r\ncas KEYKEY 0 0 1 1 noreply\r\n3\r\ndelete KEYKEY noreply\r\nget KEYKEY\r\nverbosity 0 noreply\r\n",
        ]),
        named("delete_forms", "a time of 0 is taken, others are not", &[
            b"delete KEYKEY\r\ndelete KEYKEY 0\r\ndelete KEYKEY 1\r\ndelete KEYKEY noreply\r\ndelete KEYKEY 0 noreply\r\ndelete KEYKEY noreply 0\r\n",
            b"delete KEYKEY 0 0\r\ndelete KEYKEY 5 noreply\r\ndelete KEYKEY x\r\nset KEYKEY 0 0 1\r\na\r\ndelete KEYKEY 0\r\nget KEYKEY\r\n",
        ]),
        named("bad_arguments_noreply", "the error is hidden, the value is read as commands", &[b"set KEYKEY x 0 3 noreply\r\nmn\r\nset KEYKEY 0 0 x noreply\r\n"]),
        gets("cas_matches", "EXISTS the second time").then("cas KEYKEY 7 0", heard(None, 0), Some("b")).then("cas KEYKEY 7 0", heard(None, 0), Some("c")).then("gets KEYKEY", None, None),
        gets("cas_is_another", "EXISTS").then("cas KEYKEY 7 0", heard(None, 1), Some("b")).then("get KEYKEY", None, None),
        gets("touch_keeps_the_token", "touch, gat and reads change no token").then("touch KEYKEY 0", None, None).then("gats 0 KEYKEY", None, None).then("mg KEYKEY c T0", None, None),
        gets("append_changes_the_token", "as incr does").then("append KEYKEY 0 0", None, Some("x")).then("gets KEYKEY", None, None),
        named("cas_missing", "NOT_FOUND, and 0 never matches", &[b"cas KEYKEY 0 0 1 1\r\na\r\nset KEYKEY 0 0 1\r\nb\r\ncas KEYKEY 0 0 1 0\r\nc\r\nget KEYKEY\r\n"]),
        named("cas_bad_token", "an error, and the value is read as commands", &[b"cas KEYKEY 0 0 1 x\r\nmn\r\ncas KEYKEY 0 0 1 18446744073709551616\r\ncas KEYKEY 0 0 2 -1\r\n"]),
    ]
}

fn closes() -> Vec<Named> {
    let long = |opening: &str| [opening.as_bytes(), &vec![b'x'; 20_000]].concat();
    let blanks = [vec![b' '; 101], long("get ")].concat();
    vec![
        named("quit", "what is owed is answered first", &[b"set KEYKEY 0 0 1\r\na\r\nget KEYKEY\r\nquit\r\n"])
            .ending(Ending::Close),
        named(
            "nothing_behind_quit",
            "what follows is not carried out",
            &[b"get KEYKEY\r\nquit\r\nset KEYKEY 0 0 1\r\na\r\n"],
        )
        .ending(Ending::Close)
        .uncut(),
        named("long_line", "2,048 bytes without a line end, and no get", &[&long("")]).ending(Ending::Close).uncut(),
        named("long_set_line", "a value without its line", &[&long("set ")]).ending(Ending::Close).uncut(),
        named("long_gat_line", "only get and gets may be long", &[&long("gat 0 ")]).ending(Ending::Close).uncut(),
        named("long_mg_line", "only get and gets may be long", &[&long("mg ")]).ending(Ending::Close).uncut(),
        named("long_blanks", "over 100 blanks before a long get", &[&blanks]).ending(Ending::Close).uncut(),
        named("long_get_key", "long, but a get", &[&[&long("get ")[..], b"\r\n"].concat()])
            .ending(Ending::Filler)
            .uncut(),
        named("http", "a web browser is closed", &[b"GET / HTTP/1.1\r\n"]).ending(Ending::Close).uncut(),
        named("http_post", "a web browser is closed", &[b"POST /x HTTP/1.1\r\n"]).ending(Ending::Close).uncut(),
        named(
            "half_close",
            "what came before the end of the stream is answered",
            &[b"set KEYKEY 0 0 1\r\na\r\nget KEYKEY\r\nmg KEYKEY v\r\nincr KEYKEY 1\r\ntouch KEYKEY 0\r\n"],
        )
        .ending(Ending::Filler),
    ]
}

fn others() -> Vec<Named> {
    vec![
        named("flush_all", "at once, and the forms that are taken", &[
            b"set KEYKEY 0 0 1\r\na\r\nflush_all\r\nget KEYKEY\r\nset KEYKEY 0 0 1\r\nb\r\nflush_all 0\r\nget KEYKEY\r\nset KEYKEY 0 0 1\r\nc\r\n",
            b"flush_all noreply\r\nget KEYKEY\r\nset KEYKEY 0 0 1\r\nd\r\nflush_all 0 noreply\r\nget KEYKEY\r\nflush_all x\r\nflush_all x noreply\r\n",
            b"set KEYKEY 0 0 1\r\ne\r\nflush_all -1\r\nget KEYKEY\r\nflush_all 0 0\r\nflush_all 9223372036854775808\r\n",
        ]),
        named("flush_all_later", "nothing is gone yet, and a later one puts it off", &[
            b"set KEYKEY 0 0 1\r\na\r\nflush_all 1000\r\nget KEYKEY\r\nset KEYKEY 0 0 1\r\nb\r\nget KEYKEY\r\nflush_all\r\nget KEYKEY\r\n",
        ]),
        named("gat", "reads and touches", &[
            b"gat 1000 KEYKEY\r\nset KEYKEY 5 0 1\r\na\r\ngat 1000 KEYKEY KEYKEYx KEYKEY\r\nmg KEYKEY t h\r\ngats 0 KEYKEY\r\ngat x KEYKEY\r\ngat 0\r\n",
        ]),
        named(
            "gat_between_gets",
            "found: only the first key of a gat kept later reads from sharing earlier ones",
            &[b"set KEYKEY 0 0 1\r\na\r\nget KEYKEY\r\ngat -99 KEYKEYx KEYKEY\r\nget KEYKEY\r\nset KEYKEY 0 0 1\r\nb\r\nget KEYKEY\r\n"],
        ),
        named("verbosity", "OK and its errors", &[b"verbosity 0\r\nverbosity 1\r\nverbosity x\r\nverbosity -1\r\nverbosity noreply\r\nverbosity 0 noreply\r\n"]),
        named("shutdown", "refused", &[b"shutdown\r\nshutdown graceful\r\nshutdown x\r\n"]),
        named("stats", "the lists end with END", &[b"stats\r\nstats settings\r\nstats items\r\nstats slabs\r\nstats sizes\r\nstats reset\r\nstats nosuch\r\nstats nosuch x\r\n"]),
        named("version", "one line", &[b"version\r\nversion x\r\n"]),
    ]
}
