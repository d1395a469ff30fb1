//! Each defect that can be seeded in this adapter is found by the test that is named with it.

use gamemesh_testkit::defect::is_found;

/// The server says that a commit is done before it is on its disk, and dies. A stream that is lost
/// with it leaves its number to another one: readers that remember its name find the checksums of
/// that one's events wrong.
#[test]
fn an_early_acknowledgement_is_found_by_the_crash_of_the_server() {
    let sayings = ["is lost", "is there twice", "left == right", "no progress", "the checksum of"];
    let test = "faults::a_crash_of_the_server_loses_and_doubles_nothing";
    is_found("postgres.acknowledge_early", test, &[], &sayings).unwrap();
}

/// A standby is read from whatever it has replayed.
#[test]
fn a_standby_that_is_behind_is_found_by_reading_what_was_written() {
    let test = "replicas::what_is_known_is_seen_though_no_standby_replays";
    is_found("postgres.replica_behind", test, &[], &["what was written is not seen"]).unwrap();
}

/// A list comes from a standby whatever is written there.
#[test]
fn a_standby_that_is_behind_is_found_by_lists() {
    let test = "replicas::lists_have_what_is_named_though_no_standby_replays";
    let sayings = ["a written row is not seen", "an append that is named is not seen"];
    is_found("postgres.replica_behind", test, &[], &sayings).unwrap();
}

/// A batch counts as written although its lane has moved on.
#[test]
fn a_missing_fence_is_found_by_three_writers() {
    let test = "instances::three_write_the_same_hot_streams";
    let sayings = ["is lost", "left == right", "DataCorrupted", "Internal"];
    is_found("postgres.fence", test, &[], &sayings).unwrap();
}
