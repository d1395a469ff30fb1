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
