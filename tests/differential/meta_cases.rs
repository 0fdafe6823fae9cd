//! The named cases of the meta commands.

use super::case::Word;
use super::cases::Named;
use super::cases::{heard, named};

pub fn all() -> Vec<Named> {
    let mut cases = vec![
        named("meta_hit_and_miss", "the shortest forms", &[
            b"mg KEYKEY\r\nmg KEYKEY v\r\nmd KEYKEY\r\nma KEYKEY\r\nme KEYKEY\r\nms KEYKEY 1\r\n5\r\nmg KEYKEY\r\nmg KEYKEY v\r\nme KEYKEY\r\nmd KEYKEY\r\nmg KEYKEY\r\n",
        ]),
        named("meta_order", "flags come back in the order asked", &[
            b"ms KEYKEY 3 F7 T0\r\nabc\r\nmg KEYKEY s v k f t O1\r\nmg KEYKEY O1 t f k v s\r\nmg KEYKEYx k O1 s v\r\nms KEYKEY 3 k O2\r\nabc\r\nmd KEYKEY O3 k\r\nmd KEYKEY k O3\r\n",
        ]),
        named("opaque", "31 bytes and its O, one more is an error", &[
            b"mg KEYKEY O1234567890123456789012345678901\r\nmg KEYKEY O12345678901234567890123456789012\r\nmg KEYKEY O\r\nma KEYKEY O12345678901234567890123456789012\r\nmd KEYKEY O12345678901234567890123456789012\r\n",
            b"ms KEYKEY 2 O12345678901234567890123456789012\r\nab\r\nms KEYKEY 2 O1234567890123456789012345678901\r\n12\r\nma KEYKEY O12345678901234567890123456789012\r\nmg KEYKEY v\r\n",
        ]),
        named("flag_twice", "CLIENT_ERROR", &[b"mg KEYKEY k k\r\nms KEYKEY 2 k k\r\nab\r\nmd KEYKEY q q\r\nma KEYKEY v v\r\nmg KEYKEY O1 O2\r\nmg KEYKEY P1 P2\r\n"]),
        named("flags_for_a_proxy", "P and L are taken and ignored", &[b"mg KEYKEY P L Pxyz\r\nmg KEYKEY Pabc L1 k\r\nms KEYKEY 1 P L\r\n5\r\nma KEYKEY P1 L2\r\nmd KEYKEY L\r\n"]),
        named("quiet", "mg hides only EN, the others only success", &[
            b"mg KEYKEY q\r\nmg KEYKEY q k v\r\nmd KEYKEY q\r\nma KEYKEY q\r\nms KEYKEY 1 q MR\r\n5\r\nms KEYKEY 1 q\r\n5\r\nmg KEYKEY q v\r\nma KEYKEY q v\r\nms KEYKEY 1 q ME\r\n6\r\n",
            b"ma KEYKEY q Mx\r\nmg KEYKEY q !\r\nms KEYKEY 1 q\r\n67\r\n\r\nms KEYKEY 1 q C1\r\n6\r\nmd KEYKEY q C1\r\nmd KEYKEY q I\r\nmd KEYKEY q\r\nma KEYKEY N0\r\nma KEYKEY q N0\r\nmg KEYKEY v\r\n",
        ]),
        named("barrier", "mn is answered in its turn", &[b"ms KEYKEY 1 q\r\na\r\nmg KEYKEY v\r\nmn\r\nmg KEYKEYx q\r\nmn\r\n"]),
        named("base64", "the same item raw and in base64", &[
            b"ms S0VZS0VZ 2 b k\r\nab\r\nmg KEYKEY v k\r\nmg S0VZS0VZ v k b\r\nget KEYKEY\r\nms KEYKEY 2\r\ncd\r\nmg S0VZS0VZ b k v\r\nma S0VZS0VZ b k N0\r\nmd S0VZS0VZ k b\r\nmd S0VZS0VZ b k O1\r\nmg S0VZS0VZ b k\r\n",
        ]),
        named("base64_binary", "bytes that no plain key has", &[
            b"ms S0VZS0VZACD/ 2 b k\r\nab\r\nmg S0VZS0VZACD/ b k v\r\nme S0VZS0VZACD/ b\r\nma S0VZS0VZACD/ b k\r\nmd S0VZS0VZACD/ b k\r\nmg S0VZS0VZACD/ b k\r\n",
        ]),
        named("base64_bad", "what is not base64", &[
            b"mg KEYKEY! b\r\nmg S0VZS0VZA b\r\nmg S0VZS0VZA=== b\r\nmg S0VZS0VZAA== b k\r\nmg S0VZS0VZAA= b\r\nmd !!!! b\r\nma K b\r\nme KEYKE b\r\nms KEYKE 2 b\r\nab\r\nmg S0VZS0VZ bx k\r\nmg = b\r\n",
        ]),
        named("base64_line_end_missing", "a miss answers with the token, not with the key", &[b"mg S0VZS0VZDQpFTg0K b k v\r\nmd S0VZS0VZDQpFTg0K b k\r\nma S0VZS0VZDQpFTg0K b k\r\n"]),
        named("lease", "one wins, the others hear Z", &[
            b"mg KEYKEY N1000 v t\r\nmg KEYKEY N1000 v t\r\nmg KEYKEY v\r\nms KEYKEY 1\r\na\r\nmg KEYKEY N1000 v\r\n",
        ]),
        named("recache", "R wins once when life is short", &[
            b"ms KEYKEY 1 T1000\r\na\r\nmg KEYKEY R30 v t\r\nmg KEYKEY R5000 v t\r\nmg KEYKEY R5000 v t\r\nms KEYKEY 1 T0\r\na\r\nmg KEYKEY R5000 v t\r\n",
        ]),
        named("stale", "md I keeps the item, marked; the first reader wins", &[
            b"ms KEYKEY 1\r\na\r\nmd KEYKEY I T1000\r\nmg KEYKEY v t\r\nmg KEYKEY v t\r\nget KEYKEY\r\nms KEYKEY 1\r\nb\r\nmg KEYKEY v t\r\nmd KEYKEY I\r\nmg KEYKEY t\r\n",
        ]),
        named("hit_before", "h, l and t without and with u", &[
            b"ms KEYKEY 1\r\na\r\nmg KEYKEY h l t u\r\nmg KEYKEY h l t\r\nmg KEYKEY h l t\r\nms KEYKEY 1\r\na\r\nget KEYKEY\r\nmg KEYKEY h\r\nms KEYKEY 1\r\na\r\ntouch KEYKEY 0\r\nmg KEYKEY h\r\n",
        ]),
        named("modes", "M of ms", &[
            b"ms KEYKEY 1 MR\r\n1\r\nms KEYKEY 1 MA\r\n2\r\nms KEYKEY 1 MP\r\n3\r\nms KEYKEY 1 ME\r\n4\r\nms KEYKEY 1 ME\r\n5\r\nms KEYKEY 1 MA\r\n6\r\nms KEYKEY 1 MP\r\n7\r\nmg KEYKEY v\r\n",
            b"ms KEYKEY 1 MS\r\n8\r\nms KEYKEY 1 MX\r\n9\r\nms KEYKEY 1 M\r\n9\r\nms KEYKEY 1 MSS\r\n9\r\nms KEYKEY 1 Ms\r\n9\r\nms KEYKEY 1 MR\r\n0\r\nmg KEYKEY v\r\n",
        ]),
        named("arithmetic_modes", "M, J, D, N of ma", &[
            b"ma KEYKEY N1000 J13 v t\r\nma KEYKEY N1000 J13 v t\r\nma KEYKEY MD D20 v\r\nma KEYKEY MI v\r\nma KEYKEY M+ D18446744073709551615 v\r\nma KEYKEY M- v\r\nma KEYKEY Md v\r\nma KEYKEY M v\r\n",
            b"ma KEYKEY Mx\r\nma KEYKEY MII\r\nma KEYKEY Dx\r\nma KEYKEY D-1\r\nma KEYKEY Jx\r\nma KEYKEYy Jx N0\r\nma KEYKEY T1000 t v\r\nma KEYKEY t T0 t\r\nma KEYKEY t\r\n",
        ]),
        named("meta_bad_lengths", "what ms takes for a length", &[
            b"ms KEYKEY\r\nms KEYKEY x\r\nms KEYKEY -1\r\nms KEYKEY 2147483646\r\nms KEYKEY S1\r\nms KEYKEY +1\r\na\r\nms KEYKEY 01\r\nb\r\nms KEYKEY 1x\r\nms KEYKEY 4294967297\r\nc\r\nmg KEYKEY v\r\n",
        ]),
        named("meta_bad_values", "the value of a refused ms is swallowed", &[
            b"ms KEYKEY 4 !\r\nmn\r\n\r\nms KEYKEY 4 Fx\r\nmn\r\n\r\nms KEYKEY 4 Tx\r\nmn\r\n\r\nms KEYKEY 4 Cx\r\nmn\r\n\r\nms KEYKEY 3\r\nabcd\r\nms KEYKEY 3 k O1\r\nabcd\r\nmg KEYKEY v\r\n",
        ]),
        named("meta_numbers_wrap", "found: an embedded store refused numbers of which memcached keeps 32 bits", &[
            b"ms KEYKEY 1 F4294967299 T4294967296\r\na\r\nmg KEYKEY f t v\r\nmg KEYKEY T4294967396 t\r\nma KEYKEYn N4294967296 t\r\nms KEYKEY 1 T4102444800\r\nb\r\nmg KEYKEY v\r\n",
        ]),
        named("carriage_return_in_key", "found: an embedded store echoed such a key in base64", &[b"ms KEYKEY\r! 1 k\r\na\r\nmg KEYKEY\r! k v\r\nmd KEYKEY\r!! k\r\n"]),
        named("reads_of_a_lease", "found: two reads shared one answer, and both had won", &[
            b"ms KEYKEY 1\r\na\r\nmd KEYKEY I\r\nmg KEYKEY v\r\nmg KEYKEY v\r\nmg KEYKEY v\r\nms KEYKEY 1\r\na\r\nmg KEYKEY h\r\nmg KEYKEY h\r\nmg KEYKEY h\r\n",
        ]),
        named("newer_flags", "E and x go to the node as they are, to be refused; an embedded store takes them", &[
            b"ms KEYKEY 2 E5\r\nab\r\nmd KEYKEY E5\r\nma KEYKEY E5\r\nmd KEYKEY x\r\nms KEYKEY 2 s\r\nab\r\nmg KEYKEY v\r\n",
        ]).memcached_only(),
        named("debug_forms", "me with and without its b", &[b"me\r\nme KEYKEY\r\nme KEYKEY x\r\nms KEYKEY 1 T1000\r\na\r\nme KEYKEY\r\nme KEYKEY x y z\r\nme S0VZS0VZ b\r\nme S0VZS0VZ x b\r\n"]),
        named("meta_and_classic", "one item whichever way", &[
            b"set KEYKEY 5 1000 2\r\n10\r\nmg KEYKEY v f t s\r\nmn\r\nincr KEYKEY 1\r\nma KEYKEY v\r\nms KEYKEY 2 F9\r\n20\r\nget KEYKEY\r\ndelete KEYKEY\r\nmg KEYKEY\r\n",
        ]),
    ];
    cases.extend(tokens());
    cases.extend(flags());
    cases
}

/// Cases that say a cas token they heard.
fn tokens() -> Vec<Named> {
    let letter = |offset| heard(Some(b'C'), offset);
    let start = |name, why| named(name, why, &[b"ms KEYKEY 1 F5 c\r\n5\r\n"]);
    vec![
        start("ms_cas", "C stores only over its token")
            .then("ms KEYKEY c", letter(1), Some("6"))
            .then("ms KEYKEY c", letter(0), Some("7"))
            .then("ms KEYKEY c", letter(0), Some("8"))
            .then("mg KEYKEY v c f", None, None),
        start("ms_cas_modes", "C with add, append and replace")
            .then("ms KEYKEY MA", letter(1), Some("6"))
            .then("ms KEYKEY MR", letter(1), Some("6"))
            .then("ms KEYKEY ME", letter(0), Some("6"))
            .then("ms KEYKEY MA c", letter(0), Some("7"))
            .then("mg KEYKEY v c", None, None),
        start("ms_invalidate", "I takes an older token and marks the item stale")
            .then("ms KEYKEY I T1000", letter(-1), Some("6"))
            .then("mg KEYKEY v t c", None, None)
            .then("mg KEYKEY v", None, None)
            .then("ms KEYKEY I", letter(1 << 40), Some("7")),
        start("md_cas", "C deletes only its token")
            .then("md KEYKEY q", letter(1), None)
            .then("md KEYKEY I T1000", letter(0), None)
            .then("mg KEYKEY c t v", None, None)
            .then("md KEYKEY", letter(0), None)
            .then("mg KEYKEY v", None, None),
        start("ma_cas", "C counts only on its token")
            .then("ma KEYKEY v c", letter(1), None)
            .then("ma KEYKEY v c", letter(0), None)
            .then("ma KEYKEY v c", letter(0), None)
            .then("mg KEYKEY v c", None, None),
        start("me_cas", "me shows the token").then("me KEYKEY", None, None).then("mg KEYKEY c", None, None),
        start("cas_of_ms", "the token of ms is that of gets").then("cas KEYKEY 0 0", heard(None, 0), Some("x")).then(
            "gets KEYKEY",
            None,
            None,
        ),
        start("bad_tokens", "what is no token")
            .then("ms KEYKEY", Some(Word::Bytes(b"Cx".to_vec())), Some("1"))
            .then("ma KEYKEY C", None, None)
            .then("md KEYKEY C18446744073709551616", None, None)
            .then("ms KEYKEY C0", None, Some("2")),
    ]
}

/// Every letter as a flag of every verb, alone and with an argument, on a hit and on a miss.
fn flags() -> Vec<Named> {
    let mut cases = Vec::new();
    for (name, verb) in [
        ("every_flag_of_mg", "mg KEYKEY"),
        ("every_flag_of_ms", "ms KEYKEY 2"),
        ("every_flag_of_md", "md KEYKEY"),
        ("every_flag_of_ma", "ma KEYKEY"),
    ] {
        let mut said = String::new();
        let newer =
            |letter: &char| matches!(letter, 'E' | 'x') || verb.starts_with("ms") && matches!(letter, 's' | 'N');
        for letter in (33..127u8).map(char::from).filter(|letter| !newer(letter)) {
            for argument in ["", "77777"] {
                let value = if verb.starts_with("ms") { "12\r\n" } else { "" };
                let command = format!("{verb} {letter}{argument}\r\n{value}");
                said += &format!("{command}set KEYKEY 3 0 2\r\n10\r\n{command}delete KEYKEY\r\nmn\r\n");
            }
        }
        cases.push(named(name, "known or not", &[said.as_bytes()]).uncut());
    }
    let twenty: Vec<String> =
        "b c f h k l q s t u v O1 P L C1 F1 I M1 T99999 N99999 R1".split(' ').map(String::from).collect();
    for (name, count) in [("seventeen_flags", 17), ("eighteen_flags", 18), ("nineteen_flags", 19), ("twenty_flags", 20)]
    {
        for verb in ["mg KEYKEY", "md KEYKEY", "ma KEYKEY", "ms KEYKEY 2"] {
            let line = format!("{verb} {}\r\n", twenty[1..=count].join(" "));
            cases.push(
                named(name, "20 words with the verb, and memcached's own last", &[line.as_bytes()])
                    .ending(super::case::Ending::Filler)
                    .uncut(),
            );
        }
    }
    cases
}
