//! The stats service as its callers meet it: a real port, a real store, real clients. One test binary, so
//! that it is linked once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod it {
    mod bad_input;
    mod bus;
    mod defects;
    mod held;
    mod ingest;
    mod paused;
    mod pressure;
    mod reads;
    mod restart;
    mod room;
    mod sample;
    mod several;
    mod shared;
    mod ways;
    mod windows;
    mod world;
}
