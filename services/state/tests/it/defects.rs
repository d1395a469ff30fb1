//! Each defect that can be seeded here is found by the test that is named with it.

use gamemesh_testkit::defect::is_found;

const SAMPLED: &str = "it::shared_cache::sampled_answers_keep_their_promises";

/// Nobody is told that what the cache holds is too old.
#[test]
fn an_ignored_floor_is_found_by_histories_over_three_instances() {
    let test = "it::linearizable::histories_over_three_instances_are_linearizable";
    is_found("cache.floor", test, &[], &["no order explains aggregate"]).unwrap();
}

/// What another instance has written does not reach the cache.
#[test]
fn a_deaf_cache_is_found_by_the_sampler() {
    is_found("cache.feed", SAMPLED, &[], &["the sampler found a stale answer"]).unwrap();
}

/// Whatever the shared cache holds is taken for the newest.
#[test]
fn a_missing_proof_is_found_by_the_sampler() {
    is_found("cache.proof", SAMPLED, &[], &["the sampler found a stale answer"]).unwrap();
}

/// Whoever can publish in Redis can say what has happened.
#[test]
fn an_unread_seal_is_found_by_forged_news() {
    let test = "it::shared_cache::forged_news_is_not_believed";
    is_found("news.seal", test, &[], &["forged news was believed"]).unwrap();
}
