//! HTTP over Redis pools: what holds for every pool, but for counters that begin by themselves.

use crate::Served;

macro_rules! over_redis {
    ($($module:ident::$test:ident,)*) => {
        $(#[test] fn $test() { crate::$module::$test(&Served::over_four_redis_servers()); })*
    };
}

over_redis! {
    semantics::an_item_is_stored_read_and_deleted,
    semantics::conditions_are_kept,
    semantics::conditions_that_no_node_can_judge_are_kept_too,
    semantics::a_head_is_a_get_without_the_bytes,
    semantics::a_batch_answers_in_its_order,
    semantics::a_value_lives_as_long_as_it_was_given,
    semantics::what_is_wrong_is_told,
    lost_update::no_update_is_lost,
    memcached_clients::what_memcached_clients_store_http_reads,
    memcached_clients::tokens_are_the_same,
    pipeline::answers_keep_the_order_of_the_requests,
    terminal::items_are_stored_read_and_deleted_from_a_terminal,
}

/// Redis pools have no `N`: a counter is stored before it is counted.
#[test]
fn a_counter_counts_once_it_is_there_and_does_not_begin_by_itself() {
    let served = Served::over_four_redis_servers();
    let mut browser = served.browser();
    assert_eq!(browser.ask("POST", "/v1/keys/n/incr?initial=5", &[], b"").status, 400);
    assert_eq!(browser.ask("POST", "/v1/keys/n/incr", &[], b"").status, 404);
    browser.put("/v1/keys/n", "5");
    assert_eq!(browser.ask("POST", "/v1/keys/n/incr?by=2", &[], b"").text(), "7");
    assert_eq!(browser.ask("POST", "/v1/keys/n/decr", &[], b"").text(), "6");
}
