//! Service kit: error table, layer stack, auth, limits, health, reflection, telemetry,
//! configuration.

pub mod error;
