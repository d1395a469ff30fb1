#![doc = include_str!("../README.md")]

mod applied;
mod batch_loader;
mod config;
mod documents;
pub mod encoding;
mod filling;
mod history;
mod metrics;
mod pending_writes;
mod ports;
mod projector;
mod read;
mod sampler;
mod shared;
mod snapshotter;
mod tokens;
mod types;
mod watch;
mod write;

pub use applied::Applied;
pub use config::DocumentsConfig;
pub use documents::{Documents, Host, Stores};
pub use filling::{ANSWER_BYTES_MAX, Filling};
pub use history::{History, REDUCER};
pub use metrics::DocumentMetrics;
pub use ports::{Observer, Rows, Summary, Tables, Unobserved};
pub use projector::Projector;
pub use read::{Answered, Freshness};
pub use types::{TYPE_CATEGORY, TypeSource, Types, schema_of_types, type_stream};
pub use watch::{SlowWatcher, WatchRequest, Watched};
pub use write::{Action, Part, Write, Written, WrittenPart};
