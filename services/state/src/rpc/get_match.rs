use std::sync::Arc;

use gamemesh_contracts::state::v1::{GetMatchRequest, GetMatchResponse};
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: GetMatchRequest,
) -> Result<Answer<GetMatchResponse>> {
    let GetMatchRequest { match_id, consistency, token, max_age } = request;
    let (stream, _) = parse::match_of(&engine, &match_id)?;
    caller.may_read(&stream)?;
    let freshness = parse::freshness(&engine, consistency, &token, max_age.as_ref())?;
    let answered = engine.documents.observed_read(&stream, &freshness).await?;
    if !answered.aggregate.exists() {
        return Err(parse::not_found(&stream));
    }
    let freshness = parse::freshness_of(&engine, &stream, &answered);
    let r#match = Some(convert::matches::to_match(&match_id, &answered.aggregate));
    let message = GetMatchResponse { r#match, freshness: Some(freshness.clone()) };
    Ok(Answer::read(message, &freshness, caller.if_none_match.as_deref()))
}
