use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::stats::METRICS;

use super::answer::Answer;
use crate::convert::boards;
use crate::engine::Engine;

pub(super) async fn handle(
    _engine: Arc<Engine>,
    _request: pb::ListMetricsRequest,
) -> Result<Answer<pb::ListMetricsResponse>> {
    let metrics = METRICS.iter().map(boards::definition).collect();
    Ok(Answer::new(pb::ListMetricsResponse { metrics }))
}
