//! Deciding a batch of appends in memory, for adapters that write many appends in one commit.
//!
//! An adapter's writer knows where its lanes end ([`LaneHead`]), tells a [`Plan`] what else the appends
//! depend on, has the plan decide them in order, and writes what is [`Planned`]. The plan does no I/O:
//! where an append may be a retry, the adapter reads what the plan asks for.

mod kept;
mod lane_head;
mod plan;
mod retry;

pub use kept::{decode_kept, encode_kept};
pub use lane_head::LaneHead;
pub use plan::{Decision, LanePlan, Outcome, Plan, Planned, PlannedKey};
pub use retry::Claim;
