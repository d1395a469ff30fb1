use std::sync::Arc;

use gamemesh_contracts::state::v1::{DiffAggregateRequest, DiffAggregateResponse};
use gamemesh_domain::Result;
use gamemesh_domain::document::diff;
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: DiffAggregateRequest,
) -> Result<Answer<DiffAggregateResponse>> {
    let (stream, _) = parse::target(&engine, &request.r#type, &request.id)?;
    caller.may_read(&stream)?;
    caller.may_read_many()?;
    let newest = parse::newest_version(&engine, &stream).await?;
    let from = parse::within("from", parse::version("from", request.from)?, newest)?;
    let to = match parse::version("to", request.to)? {
        0 => newest,
        to => parse::within("to", to, newest)?,
    };
    let before = engine.documents.history.state_at(&stream, from).await?;
    let after = engine.documents.history.state_at(&stream, to).await?;
    caller.has_read(2, before.size_bytes() + after.size_bytes());
    let differences = diff(&before.state, &after.state);
    Ok(Answer::new(DiffAggregateResponse {
        differences: differences.iter().map(convert::difference::to_difference).collect(),
        from: from as i64,
        to: to as i64,
    }))
}
