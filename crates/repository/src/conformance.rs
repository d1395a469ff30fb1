//! The laws of the ports, as tests that every adapter runs.
//!
//! A law is an async function over a [`Fixture`]; it panics where the law is broken. The macro
//! [`conformance_suite!`](crate::conformance_suite) makes a test of each.

#![expect(clippy::unwrap_used, reason = "test code: whatever fails shall panic")]

pub mod append;
pub mod combat;
pub mod durability;
pub mod fence;
pub mod idempotency;
pub mod leases;
pub mod memories;
pub mod model;
pub mod order;
pub mod reading;
pub mod retry;
pub mod sample;
pub mod snapshots;
pub mod stats;
pub mod tables;
pub mod together;

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Cursors, DocumentTables, EventLog, LaneLeases, Snapshots, StateTables, TableWriter};

/// All ports of a store with the tables of the state. The tables of other services have laws of their
/// own, over fixtures of their own.
pub trait Store:
    EventLog + Snapshots + Cursors + TableWriter + DocumentTables + StateTables + LaneLeases
{
}

impl<T> Store for T where
    T: EventLog + Snapshots + Cursors + TableWriter + DocumentTables + StateTables + LaneLeases
{
}

/// A place with one store.
#[async_trait]
pub trait Fixture: Send + Sync + Sized + 'static {
    /// A new place with an empty store.
    async fn fresh() -> Self;

    /// The store, which is open.
    fn store(&self) -> Arc<dyn Store>;

    /// Closes the store and opens it again.
    async fn reopen(&mut self);
}

/// One test for each law of the memory tables; `make` is an async function that answers new ones, and
/// what keeps them.
#[macro_export]
macro_rules! memory_tables_suite {
    ($make:ident) => {
        $crate::memory_tables_suite! { @ $make;
            rows_round_trip a_group_is_all_or_nothing a_key_is_one_row
            pages_tell_what_has_changed accesses_are_no_changes_of_the_memory erased_is_gone
            vectors_wait_in_order collections_are_compared writers_of_one_page_take_turns
            entities_stay_the_newest history_is_appended_once
        }
    };
    (@ $make:ident; $($law:ident)+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $law() {
            let (tables, _kept) = $make().await;
            $crate::conformance::memories::$law(tables).await;
        })+
    };
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
                visible_all_at_once the_tail_follows an_observation_finds_what_was_acknowledged
                what_was_appended_here_is_a_local_run;
            reading: streams_both_ways lanes_in_order heads_and_times
                every_name_and_content numbers_out_of_range;
            snapshots: the_newest_at_or_below a_snapshot_is_replaced forgetting_is_by_stream;
            tables: the_cursor_is_a_fence rows_round_trip lists_go_by_bytes
                deleted_rows each_projection_has_tables_of_its_own;
            fence: the_owner_writes a_paused_owner_that_wakes_is_refused
                a_handed_over_lane_refuses_the_last_owner
                what_is_in_flight_when_a_lane_is_taken_is_before_it_or_refused
                each_of_a_batch_is_fenced_by_itself streams_are_of_the_fenced_lane
                a_stale_retry_is_refused epochs_rise_over_restarts;
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
