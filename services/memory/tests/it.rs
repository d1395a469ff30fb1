//! The memory service as its callers meet it: a real port, a real store, real clients. One test
//! binary, so that it is linked once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod it {
    mod bad_input;
    mod calls;
    mod copies;
    mod embedding;
    mod erasure;
    mod forgetting;
    mod game;
    mod history;
    mod http_embedder;
    mod isolation;
    mod labelled;
    mod oracle;
    mod store;
    mod streams;
    mod world;
}
