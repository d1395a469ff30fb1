#![doc = include_str!("../README.md")]

mod call_context;
mod forwarder;
mod lease_manager;
mod licence;
mod metrics;
mod ownership;
mod snapshot;
#[cfg(test)]
mod tests;

pub use call_context::CallContext;
pub use forwarder::{
    Delivery, ForwardContext, Forwarded, Forwarder, RetrySafety, is_forwarded, outcome_unknown,
};
pub use lease_manager::LeaseManager;
pub use licence::{LaneOwnership, Licence};
pub use metrics::OwnershipMetrics;
pub use ownership::{LaneGuard, OwnedLanes, Ownership, Route};
