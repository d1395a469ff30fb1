//! Typed client for game servers.
