//! The layer stack and the launcher, over a real socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod auth;
mod basics;
mod bounds;
mod connections;
mod drain;
mod echo;
mod hostile;
mod limits;
mod own;
mod peers;
mod pprof;
mod routes;
mod tls;
mod traces;
mod web;
mod world;
