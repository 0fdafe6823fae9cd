//! Flags of memcached releases after 1.6.18, with the meaning of its doc/protocol.txt.

use super::speech::holds;

#[test]
fn e_chooses_the_token() {
    holds(
        "
        ms a 1 E100 c | x         -> HD c100
        gets a                    -> VALUE a 0 1 100 / x / END
        ms a 1 C100 E101 | y      -> HD
        md a I E102               -> HD
        mg a c                    -> HD c102 X W
        mg b N30 E7 c             -> HD c7 W
        mg b E8 c                 -> HD c7 Z
        ma n N0 E9 c              -> HD c9
        ma n E10 c                -> HD c10
        ma n C10 E11 c            -> HD c11
        ",
    );
}

#[test]
fn x_leaves_an_empty_item() {
    holds(
        "
        md a x                    -> NF
        set a 5 100 1 | x         -> STORED
        md a x                    -> HD
        mg a v f t c              -> VA 0 f0 t-1 c1 /
        md a x C9                 -> EX
        md a x I T30 C1           -> HD
        mg a v t c                -> VA 0 t30 c2 X W /
        md a                      -> HD
        ",
    );
}

#[test]
fn s_tells_the_size_that_was_stored() {
    holds(
        "
        ms a 2 s | xy             -> HD s2
        ms a 3 MA s k | abc       -> HD s5 ka
        ms a 3 ME s | abc         -> NS s3
        ",
    );
}

#[test]
fn n_lets_an_append_begin_the_item() {
    holds(
        "
        ms a 1 MA N30 T90 | x     -> HD
        mg a t v                  -> VA 1 t30 / x
        ms a 1 MA N90 | y         -> HD
        mg a t v                  -> VA 2 t30 / xy
        ms b 1 MP N0 c | z        -> HD c3
        mg b t v                  -> VA 1 t-1 / z
        ms c 1 MR N30 | z         -> NS
        ms c 1 N30 | z            -> HD
        mg c t                    -> HD t-1
        ",
    );
}
