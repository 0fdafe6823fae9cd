//! The classic commands.

use super::speech::{START, fresh, holds, request, text};
use crate::backend::embedded::Now;

#[test]
fn what_is_stored_is_read() {
    holds(
        "
        get a                     -> END
        set a 5 0 1 | x           -> STORED
        get a                     -> VALUE a 5 1 / x / END
        gets a                    -> VALUE a 5 1 1 / x / END
        set b 4294967295 0 4 | a\\r\\nb -> STORED
        gets b nothing a b        -> VALUE b 4294967295 4 2 / a\\r\\nb / VALUE a 5 1 1 / x / VALUE b 4294967295 4 2 / a\\r\\nb / END
        set a 0 0 0 |             -> STORED
        gets a                    -> VALUE a 0 0 3 /  / END
        delete a                  -> DELETED
        delete a                  -> NOT_FOUND
        get a b                   -> VALUE b 4294967295 4 / a\\r\\nb / END
        ",
    );
}

#[test]
fn each_way_of_storing_has_its_condition() {
    holds(
        "
        replace a 0 0 1 | r       -> NOT_STORED
        append a 0 0 1 | z        -> NOT_STORED
        prepend a 0 0 1 | z       -> NOT_STORED
        cas a 0 0 1 1 | c         -> NOT_FOUND
        add a 7 0 1 | m           -> STORED
        add a 8 0 1 | n           -> NOT_STORED
        append a 9 0 1 | z        -> STORED
        prepend a 9 0 1 | b       -> STORED
        gets a                    -> VALUE a 7 3 3 / bmz / END
        cas a 1 0 1 2 | c         -> EXISTS
        cas a 1 0 1 0 | c         -> EXISTS
        cas a 1 0 1 3 | c         -> STORED
        gets a                    -> VALUE a 1 1 4 / c / END
        replace a 2 0 1 | r       -> STORED
        gets a                    -> VALUE a 2 1 5 / r / END
        ",
    );
}

#[test]
fn numbers_go_up_and_down() {
    holds(
        "
        incr n 1                         -> NOT_FOUND
        set n 3 0 1 | 9                  -> STORED
        incr n 1                         -> 10
        gets n                           -> VALUE n 3 2 2 / 10 / END
        decr n 3                         -> 7
        gets n                           -> VALUE n 3 2 3 / 7  / END
        decr n 8                         -> 0
        incr n 18446744073709551615      -> 18446744073709551615
        incr n 2                         -> 1
        get n                            -> VALUE n 3 20 / 1                    / END
        set n 0 0 3 | abc                -> STORED
        incr n 1                         -> CLIENT_ERROR cannot increment or decrement non-numeric value
        set n 0 0 0 |                    -> STORED
        decr n 1                         -> CLIENT_ERROR cannot increment or decrement non-numeric value
        set n 0 0 20 | 18446744073709551616 -> STORED
        incr n 0                         -> CLIENT_ERROR cannot increment or decrement non-numeric value
        set n 0 0 4 | 12 x               -> STORED
        incr n 0                         -> 12
        get n                            -> VALUE n 0 4 / 12   / END
        ",
    );
}

#[test]
fn an_item_ends_in_its_second() {
    holds(
        "
        set a 0 2 1 | x           -> STORED
        set b 0 @2 1 | x          -> STORED
        set c 0 -1 1 | x          -> STORED
        set d 0 2592001 1 | x     -> STORED
        set e 0 2592000 1 | x     -> STORED
        set f 0 0 1 | x           -> STORED
        get a b c d e f           -> VALUE a 0 1 / x / VALUE b 0 1 / x / VALUE e 0 1 / x / VALUE f 0 1 / x / END
        wait 1
        get a b                   -> VALUE a 0 1 / x / VALUE b 0 1 / x / END
        wait 1
        get a b e f               -> VALUE e 0 1 / x / VALUE f 0 1 / x / END
        add a 0 0 1 | y           -> STORED
        incr b 1                  -> NOT_FOUND
        ",
    );
}

#[test]
fn a_touch_changes_the_life() {
    holds(
        "
        touch a 5                 -> NOT_FOUND
        set a 0 2 1 | x           -> STORED
        touch a 10                -> TOUCHED
        append a 0 1 1 | y        -> STORED
        wait 5
        get a                     -> VALUE a 0 2 / xy / END
        gat 0 a nothing           -> VALUE a 0 2 / xy / END
        wait 20
        gats 3 a                  -> VALUE a 0 2 2 / xy / END
        wait 3
        get a                     -> END
        gat 1 a                   -> END
        set b 0 0 1 | 5           -> STORED
        gat -1 b                  -> VALUE b 0 1 / 5 / END
        get b                     -> END
        set n 0 3 1 | 9           -> STORED
        incr n 1                  -> 10
        wait 3
        get n                     -> END
        ",
    );
}

#[test]
fn a_flush_spares_what_comes_after_it() {
    holds(
        "
        set a 0 0 1 | x           -> STORED
        flush_all                 -> OK
        get a                     -> END
        set a 0 0 1 | y           -> STORED
        gets a                    -> VALUE a 0 1 3 / y / END
        wait 1
        get a                     -> VALUE a 0 1 / y / END
        flush_all 0               -> OK
        get a                     -> END
        set a 0 0 1 | z           -> STORED
        flush_all -1              -> OK
        get a                     -> END
        ",
    );
}

#[test]
fn a_flush_may_come_later() {
    holds(
        "
        set a 0 0 1 | x           -> STORED
        flush_all 3               -> OK
        get a                     -> VALUE a 0 1 / x / END
        wait 1
        set b 0 0 1 | x           -> STORED
        get a b                   -> VALUE a 0 1 / x / VALUE b 0 1 / x / END
        wait 1
        get a b                   -> END
        set c 0 0 1 | x           -> STORED
        get c                     -> END
        wait 1
        set c 0 0 1 | x           -> STORED
        get c                     -> VALUE c 0 1 / x / END
        flush_all @10             -> OK
        get c                     -> VALUE c 0 1 / x / END
        wait 6
        get c                     -> END
        ",
    );
}

/// One second is enough to cover what is stored in the rest of this one.
#[test]
fn a_flush_in_a_second_covers_this_second() {
    holds(
        "
        set a 0 0 1 | x           -> STORED
        flush_all 1               -> OK
        get a                     -> END
        set b 0 0 1 | x           -> STORED
        get b                     -> END
        wait 1
        set b 0 0 1 | x           -> STORED
        get b                     -> VALUE b 0 1 / x / END
        ",
    );
}

#[test]
fn a_value_that_is_too_large_is_refused() {
    let store = fresh(64 << 20);
    let say = |line: &str| {
        let request = request(line);
        text(&request, &store.carry_out(&request, Now(START)))
    };
    let largest = "x".repeat(1_048_516);
    assert_eq!(say(&format!("set k 0 0 1048516 | {largest}")), "STORED");
    assert_eq!(say("append k 0 0 1 | x"), "NOT_STORED");
    assert_eq!(say(&format!("add k 0 0 1048517 | {largest}x")), "SERVER_ERROR object too large for cache");
    assert_eq!(say("mg k s"), "HD s1048516");
    // A set must not leave behind the value that the client wanted gone.
    assert_eq!(say(&format!("set k 0 0 1048517 | {largest}x")), "SERVER_ERROR object too large for cache");
    assert_eq!(say("get k"), "END");
    assert_eq!(say(&format!("set k 1 0 1048513 | {}", &largest[3..])), "SERVER_ERROR object too large for cache");
    assert_eq!(say("ms k 1 | x"), "HD");
    assert_eq!(say(&format!("ms k 1048517 ME | {largest}x")), "SERVER_ERROR object too large for cache");
    assert_eq!(say("mg k"), "EN");
}

/// memcached cuts a large item into chunks, and such an item is no number to it.
#[test]
fn a_number_in_half_a_mebibyte_is_none() {
    let store = fresh(64 << 20);
    for (len, answer) in [(524_228, "6"), (524_229, "CLIENT_ERROR cannot increment or decrement non-numeric value")] {
        let value = format!("5{}", " ".repeat(len - 1));
        let _ = store.carry_out(&request(&format!("set k 0 0 {len} | {value}")), Now(START));
        let incr = request("incr k 1");
        assert_eq!(text(&incr, &store.carry_out(&incr, Now(START))), answer, "{len}");
    }
}
