#![doc = include_str!("../README.md")]

mod call;
mod endpoint;
mod error;
pub mod events;
mod instances;
mod options;
mod retry;
mod send;
mod session;
mod state;
mod stats;
mod token;
mod watch;

/// The first program of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/clients.md")]
mod guide {}

pub use error::{Error, Field, Result};
pub use options::{ClientOptions, PrivateKeyPem, RetryOptions, TlsOptions};
pub use state::Client;
pub use stats::{StatsCalls, StatsClient};
pub use watch::Watch;

/// The contracts that the calls are written in.
pub use gamemesh_contracts::state::v1;
pub use gamemesh_contracts::stats::v1 as stats_v1;
