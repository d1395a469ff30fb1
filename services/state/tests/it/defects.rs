//! Each defect that can be seeded here is found by the test that is named with it.

use gamemesh_testkit::defect::is_found;

/// Nobody is told that what the cache holds is too old.
#[test]
fn an_ignored_floor_is_found_by_histories_over_three_instances() {
    let test = "it::linearizable::histories_over_three_instances_are_linearizable";
    is_found("cache.floor", test, &[], &["no order explains aggregate"]).unwrap();
}
