//! The state service as its callers meet it: a real port, a real store, real clients. One test
//! binary, so that it is linked once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod it {
    mod absence;
    mod allowances;
    mod bad_input;
    mod calls;
    mod cold;
    mod defects;
    mod documents;
    mod drain;
    mod feed;
    mod freshness;
    mod idempotency;
    mod large_answers;
    mod linearizable;
    mod masks;
    mod model;
    mod preconditions;
    mod shared_cache;
    mod snapshots;
    mod sync_player;
    mod times;
    mod tokens;
    mod transactions;
    mod types;
    mod updates_together;
    mod watch_resume;
    mod watch_slow;
    mod watcher;
    mod world;
}
