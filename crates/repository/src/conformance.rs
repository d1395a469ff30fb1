//! The laws of the ports, as tests that every adapter runs.
//!
//! A law is an async function over a [`Fixture`]; it panics where the law is broken. The macro
//! [`conformance_suite!`](crate::conformance_suite) makes a test of each.

#![expect(clippy::unwrap_used, reason = "test code: whatever fails shall panic")]

pub mod append;
pub mod durability;
pub mod idempotency;
pub mod leases;
pub mod model;
pub mod order;
pub mod projections;
pub mod reading;
pub mod retry;
pub mod sample;
pub mod snapshots;
pub mod together;

use std::sync::Arc;

use async_trait::async_trait;

use crate::Repository;

/// A place with one store.
#[async_trait]
pub trait Fixture: Send + Sync + Sized + 'static {
    /// A new place with an empty store.
    async fn fresh() -> Self;

    /// The store, which is open.
    fn store(&self) -> Arc<dyn Repository>;

    /// Closes the store and opens it again.
    async fn reopen(&mut self);
}

/// One test for each law, on a fixture.
#[macro_export]
macro_rules! conformance_suite {
    ($fixture:ident) => {
        $crate::conformance_suite! { @ $fixture;
            append: expected_versions what_was_decided_on_an_event_falls_with_it conditions_write_nothing all_streams_or_none
                bounds_are_refused times_never_go_back;
            idempotency: a_key_answers_the_first_result another_request_is_refused
                a_refused_append_keeps_no_key concurrent_tries_are_one_append;
            retry: the_first_result_is_answered another_place_is_a_conflict
                other_content_is_refused several_streams_are_recognised
                tries_in_flight_are_recognised only_exact_appends_are_recognised;
            order: dense_under_concurrency calls_are_decided_in_order each_is_decided_by_itself
                visible_all_at_once the_tail_follows a_look_finds_what_was_acknowledged
                what_was_appended_here_is_own;
            reading: streams_both_ways lanes_in_order heads_and_times
                every_name_and_content numbers_out_of_range;
            snapshots: the_newest_at_or_below a_snapshot_is_replaced forgetting_is_by_stream;
            projections: the_cursor_is_a_fence rows_round_trip lists_go_by_bytes
                deleted_rows a_reset_forgets_its_own;
            together: streams_are_read_as_by_themselves snapshots_are_read_as_by_themselves
                rows_are_read_as_by_themselves;
            durability: reopening_keeps_everything verify_is_clean;
            model: random_operations;
        }
    };
    (@ $fixture:ident; $($family:ident: $($law:ident)+;)+) => {
        $(mod $family {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                $crate::conformance::$family::$law::<super::$fixture>().await;
            })+
        })+
    };
}
