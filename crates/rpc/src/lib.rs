#![doc = include_str!("../README.md")]

pub mod auth;
pub mod caller;
pub mod clock;
pub mod config;
pub mod deadline;
pub mod edge;
pub mod error;
pub mod forward;
pub mod health;
pub mod http_route;
pub mod lifecycle;
pub mod limit;
pub mod methods;
pub mod metrics;
pub mod peer;
pub mod peers;
pub mod pprof;
pub mod reflection;
mod refusals;
pub mod replaced;
pub mod routes;
pub mod service;
mod service_rate;
pub mod stack;
pub mod stream_cookie;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod websocket;

/// Tells a service that the call came through the gateway, whose callers read headers rather than
/// the parts of the message that `response_body` leaves out.
pub const GATEWAY_HEADER: &str = "x-gamemesh-gateway";
