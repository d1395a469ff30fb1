//! Each defect that can be seeded is found by the test that is named with it.

use gamemesh_testkit::defect::is_found;

const WAYS: &str =
    "it::ways::two_thousand_matches_by_every_way_in_any_order_are_the_same_to_the_last_byte";

/// A repetition is counted as another event.
#[test]
fn a_missing_deduplication_is_found_by_repetitions() {
    is_found("stats.no_deduplication", WAYS, &[], &["differs"]).unwrap();
}

/// What comes late is folded when it comes.
#[test]
fn a_missing_refold_is_found_by_orders() {
    is_found("stats.no_refold", WAYS, &[], &["differs"]).unwrap();
}

/// A block is written without the owner's fence.
#[test]
fn a_missing_fence_is_found_by_an_owner_that_is_none_any_more() {
    let test = "it::several::an_owner_whose_lane_is_another_s_writes_nothing";
    is_found("stats.no_fence", test, &[], &["it has written a lane that is another's"]).unwrap();
}

/// The bus is read on while there is no room.
#[test]
fn a_missing_pause_is_found_by_what_is_read_meanwhile() {
    let test = "it::paused::the_bus_is_paused_while_there_is_no_room_and_goes_on_when_there_is";
    is_found("stats.no_pause", test, &[], &["the bus is not paused", "it reads on"]).unwrap();
}
