use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::{Error, Result};

use super::answer::Answer;
use crate::engine::Engine;

/// Gaps that an answer tells of.
const MISSING_MAX: usize = 1_000;

pub(super) async fn handle(
    engine: Arc<Engine>,
    request: pb::GetResumePointRequest,
) -> Result<Answer<pb::GetResumePointResponse>> {
    if !(1..=128).contains(&request.producer_id.len()) {
        return Err(Error::invalid("producerId", "accepts 1 to 128 bytes"));
    }
    // A producer that nothing is known of begins at the beginning.
    let producer = engine.producers.get(&request.producer_id).unwrap_or_default();
    let range = |(first, last)| pb::SequenceRange { first, last };
    Ok(Answer::new(pb::GetResumePointResponse {
        epoch: producer.epoch,
        durable_sequence: producer.durable(),
        highest_sequence: producer.highest(),
        missing: producer.missing().take(MISSING_MAX).map(range).collect(),
    }))
}
