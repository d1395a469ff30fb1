use std::sync::Arc;

use gamemesh_contracts::state::v1::{PutMatchRequest, PutMatchResponse};
use gamemesh_domain::document::Command;
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: PutMatchRequest,
) -> Result<Answer<PutMatchResponse>> {
    let idempotency = caller.idempotency("PutMatch", &request.idempotency_key, &request)?;
    let inside = request.r#match.as_ref().map_or(0, |r#match| r#match.version);
    let expected = parse::whole_expectation(
        &caller,
        request.expected_version,
        request.must_exist,
        ("match.version", inside),
    )?;
    let metadata = caller.metadata(&engine.region, &request.reason)?;
    let PutMatchRequest { match_id, r#match, update_mask, .. } = request;
    let target = parse::match_of(&engine, &match_id)?;
    let r#match = r#match.ok_or_else(|| Error::invalid("match", "the body is the state"))?;
    if !r#match.match_id.is_empty() && r#match.match_id != match_id {
        return Err(Error::invalid("match.matchId", "accepts the id of the path, or nothing"));
    }
    let state = convert::matches::from_match(r#match)?;
    let command = match update_mask.filter(|mask| !mask.paths.is_empty()) {
        Some(mask) => Command::Operate {
            operations: convert::matches::masked(&mask, &state, &target.1)?,
            create_missing: true,
        },
        None => Command::Replace { state, create_missing: true },
    };
    let part = parse::part(target, expected, command);
    let (aggregate, write) = parse::write_one(&engine, part, idempotency, metadata).await?;
    let r#match = Some(convert::matches::to_match(&match_id, &aggregate));
    let message = PutMatchResponse { r#match, write: Some(write.clone()) };
    Ok(Answer::written(message, &write))
}
