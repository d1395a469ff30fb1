use std::sync::Arc;

use gamemesh_contracts::stats::v1 as pb;
use gamemesh_domain::Result;

use super::answer::Answer;
use super::parse;
use crate::convert::stats;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    request: pb::GetMatchRequest,
) -> Result<Answer<pb::GetMatchResponse>> {
    let pb::GetMatchRequest { match_id, consistency, max_age, as_of_version } = request;
    let view = parse::view(&engine, &match_id, consistency, max_age, as_of_version).await?;
    let message = pb::GetMatchResponse { r#match: Some(stats::match_stats(&view)) };
    Ok(Answer::at(message, view.version()))
}
