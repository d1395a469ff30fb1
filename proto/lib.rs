//! The contracts as Rust: messages, clients, servers, and the descriptors from which REST,
//! OpenAPI and reflection follow.
