//! The end of a lane, as far as a writer must know it.

use super::LanePlan;
use crate::{Chain, Epoch, Heads, Lane, Position};

/// Where a lane ends. For a writer that is not alone all of it is true only as long as the lane has
/// not moved on, which the store compares.
#[derive(Debug)]
pub struct LaneHead {
    pub lane: Lane,
    pub last_position: Position,
    pub last_time_us: i64,
    /// Streams that this lane has had.
    pub last_stream: i64,
    pub chain: Chain,
    /// Counts the owners of the lane: what a fenced append is compared with.
    pub owner_epoch: Epoch,
    /// Heads of the streams that were written lately.
    pub heads: Heads,
}

impl LaneHead {
    /// A batch has become durable.
    pub fn advance(&mut self, plan: &LanePlan) {
        self.last_position = plan.last_position;
        self.last_time_us = plan.last_time_us;
        self.last_stream = plan.last_stream;
        self.chain = plan.chain;
        self.owner_epoch = plan.owner_epoch;
    }
}
