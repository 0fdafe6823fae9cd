//! HTTP over Redis pools: what holds for every pool.

use crate::Served;

macro_rules! over_redis {
    ($($module:ident::$test:ident,)*) => {
        $(#[test] fn $test() { crate::$module::$test(&Served::over_four_redis_servers()); })*
    };
}

over_redis! {
    semantics::an_item_is_stored_read_and_deleted,
    semantics::conditions_are_kept,
    semantics::counters_count,
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
