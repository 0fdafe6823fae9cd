//! The meta commands with the flags that memcached 1.6.18 has.

use super::speech::{START, fresh, holds, request, text};
use crate::backend::embedded::Now;

#[test]
fn mg_answers_in_the_order_of_its_flags() {
    holds(
        "
        mg a                      -> EN
        mg a v k O12 c f          -> EN ka O12
        mg YWI= b O1 k            -> EN O1 kYWI= b
        set a 5 100 2 | xy        -> STORED
        mg a                      -> HD
        mg a v                    -> VA 2 / xy
        mg a s v t f c k O1       -> VA 2 s2 t100 f5 c1 ka O1 / xy
        mg a k v                  -> VA 2 ka / xy
        mg YQ== b k               -> HD ka
        set b 0 0 0 |             -> STORED
        mg b t s v                -> VA 0 t-1 s0 /
        ",
    );
}

#[test]
fn mg_knows_reads_before() {
    holds(
        "
        set a 0 0 1 | x           -> STORED
        mg a h l u                -> HD h0 l0
        wait 3
        mg a h l u                -> HD h0 l3
        mg a h l                  -> HD h0 l3
        mg a h u                  -> HD h1
        get a                     -> VALUE a 0 1 / x / END
        ",
    );
}

#[test]
fn mg_changes_the_life_in_the_order_of_its_flags() {
    holds(
        "
        set a 0 100 1 | x         -> STORED
        mg a t T30                -> HD t100
        mg a T0 k t               -> HD ka t-1
        mg a T@50 t               -> HD t50
        wait 10
        mg a t                    -> HD t40
        mg a T-1                  -> HD
        mg a                      -> EN
        ",
    );
}

#[test]
fn a_missing_item_is_won_by_one() {
    holds(
        "
        mg a N30 v t c s          -> VA 0 t30 c1 s0 W /
        mg a N30 v t              -> VA 0 t30 Z /
        mg a                      -> HD Z
        ms a 1 T0 | x             -> HD
        mg a N30 v t              -> VA 1 t-1 / x
        mg b t N30 k              -> HD t-1 kb W
        mg b t                    -> HD t30 Z
        wait 30
        mg b                      -> EN
        mg YWI= b N30 k           -> HD kab W
        ",
    );
}

#[test]
fn an_old_item_is_won_by_one() {
    holds(
        "
        set a 0 100 1 | x         -> STORED
        mg a R30                  -> HD
        mg a R0                   -> HD
        mg a R-1                  -> HD
        wait 71
        mg a R29 t                -> HD t29
        mg a R30 t                -> HD t29 W
        mg a R30 t                -> HD t29 Z
        set b 0 0 1 | x           -> STORED
        mg b R30                  -> HD
        mg c N10 R30              -> HD W
        mg c N10 R30              -> HD Z
        ",
    );
}

#[test]
fn a_stale_item_is_won_by_one() {
    holds(
        "
        set a 0 100 1 | x         -> STORED
        md a I T30                -> HD
        mg a t c v u              -> VA 1 t30 c2 X W / x
        mg a t c                  -> HD t30 c2 Z X
        ms a 1 I C1 T90 c | y     -> HD c3
        mg a t v                  -> VA 1 t30 Z X / y
        ms a 1 I C9 | z           -> EX
        ms a 1 I C3 T90 c | z     -> HD c4
        mg a t v                  -> VA 1 t90 / z
        md a I                    -> HD
        mg a                      -> HD X W
        md a I                    -> HD
        mg a                      -> HD X W
        incr a 1                  -> CLIENT_ERROR cannot increment or decrement non-numeric value
        md a                      -> HD
        md a I                    -> NF
        ",
    );
}

#[test]
fn ms_stores_under_its_mode() {
    holds(
        "
        ms a 1 MR | r             -> NS
        ms a 1 MA | r             -> NS
        ms a 1 MP c k O9 | r      -> NS c0 ka O9
        ms a 1 C5 | r             -> NF
        ms a 1 MR C5 | r          -> NF
        ms a 1 ME F7 T100 c | m   -> HD c1
        ms a 1 ME C1 | n          -> NS
        ms a 1 MA F9 | z          -> HD
        ms a 1 MP C1 | b          -> EX
        ms a 1 MP C2 | b          -> HD
        ms a 1 MP C0 | a          -> HD
        mg a v f t c              -> VA 4 f7 t100 c4 / abmz
        ms a 1 C3 k c | x         -> EX ka c0
        ms a 1 C0 | x             -> EX
        ms a 1 C4 MR | x          -> HD
        ms a 1 MS | x             -> HD
        mg a v f t                -> VA 1 f0 t-1 / x
        ms a 1 Ms | x             -> CLIENT_ERROR invalid mode for ms M token
        ms YWI= 1 b k | x         -> HD kYWI= b
        mg ab k v                 -> VA 1 kYWI= b / x
        ms YWI= 1 b MA | y        -> HD
        mg ab k v                 -> VA 2 kab / xy
        ",
    );
}

#[test]
fn md_deletes_under_its_token() {
    holds(
        "
        md a k O1                 -> NF ka O1
        set a 0 0 1 | x           -> STORED
        md a C2 O1                -> EX O1
        md a C0                   -> EX
        md YQ== b k C1            -> HD kYQ== b
        get a                     -> END
        ",
    );
}

#[test]
fn ma_counts() {
    holds(
        "
        ma n                      -> NF
        ma n k O1 v               -> NF kn O1
        ma n N0 J13 v t c         -> VA 2 t-1 c1 / 13
        ma n v                    -> VA 2 / 14
        ma n D90 v                -> VA 3 / 104
        ma n MD D5 v c            -> VA 2 c4 / 99
        get n                     -> VALUE n 0 3 / 99  / END
        ma n M- D100 v            -> VA 1 / 0
        ma n MI v                 -> VA 1 / 1
        ma n M+ v                 -> VA 1 / 2
        ma n Mi v                 -> CLIENT_ERROR invalid mode for ma M token
        ma n C99 k                -> EX kn
        ma n C7 k c               -> HD kn c8
        ma n T30 t                -> HD t30
        mg n t                    -> HD t30
        ma m N30 t J9             -> HD t30
        ma m T90 t v              -> VA 2 t90 / 10
        mg m t                    -> HD t30
        set x 0 0 1 | y           -> STORED
        ma x                      -> CLIENT_ERROR cannot increment or decrement non-numeric value
        ",
    );
}

#[test]
fn a_number_keeps_its_marks_while_it_keeps_its_place() {
    holds(
        "
        ms bg== 1 b F5 | 8        -> HD
        md n I                    -> HD
        ma n                      -> HD
        mg n f v k                -> VA 1 f5 kbg== b X W / 9
        ma n                      -> HD
        mg n f v k                -> VA 2 f5 kn / 10
        ",
    );
}

#[test]
fn me_tells_what_memcached_would_tell() {
    holds(
        "
        me a                      -> EN
        set a 0 0 1 | x           -> STORED
        me a                      -> ME a exp=-1 la=0 cas=1 fetch=no cls=1 size=61
        set a 5 100 1 | x         -> STORED
        get a                     -> VALUE a 5 1 / x / END
        me a                      -> ME a exp=-100 la=0 cas=2 fetch=yes cls=1 size=65
        ms YWI= 1 b | x           -> HD
        me YWI= b                 -> ME YWI= exp=-1 la=0 cas=3 fetch=no cls=1 size=62
        me ab                     -> ME YWI= exp=-1 la=0 cas=3 fetch=no cls=1 size=62
        mg c N0                   -> HD W
        wait 5
        me c                      -> ME c exp=-1 la=5 cas=4 fetch=yes cls=1 size=60
        ",
    );
}

/// memcached would echo such a key raw where it forgot that it came as base64, and break its own line.
#[test]
fn a_key_that_no_line_can_carry_is_echoed_as_base64() {
    let store = fresh(64 << 20);
    for (said, heard) in
        [("mg YSBi b N30 k", "HD kYSBi b W"), ("me YSBi b", "ME YSBi exp=-30 la=0 cas=1 fetch=yes cls=1 size=62")]
    {
        let request = request(said);
        assert_eq!(text(&request, &store.carry_out(&request, Now(START))), heard);
    }
}

/// The wire answers such flags before; here they must only not be misread.
#[test]
fn an_argument_that_is_no_number_is_refused() {
    let store = fresh(64 << 20);
    for said in [
        "mg a Tx",
        "mg a N",
        "mg a R9223372036854775808",
        "ms a 0 C-1",
        "ms a 0 F18446744073709551616",
        "md a Cx",
        "ma a Dx",
        "ma a J",
    ] {
        let request = request(said);
        let heard = text(&request, &store.carry_out(&request, Now(START)));
        assert!(heard.starts_with("CLIENT_ERROR "), "{said}: {heard}");
    }
}
