use std::sync::Arc;

use gamemesh_contracts::state::v1::rollback_aggregate_request::Target;
use gamemesh_contracts::state::v1::{RollbackAggregateRequest, RollbackAggregateResponse};
use gamemesh_documents::Freshness;
use gamemesh_domain::document::{Command, decide, diff};
use gamemesh_domain::{Error, Result};
use gamemesh_repository::{StreamName, Version};
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: RollbackAggregateRequest,
) -> Result<Answer<RollbackAggregateResponse>> {
    let idempotency =
        caller.idempotency("RollbackAggregate", &request.idempotency_key, &request)?;
    let expected = caller.expectation(request.expected_version, request.must_exist)?;
    let metadata = caller.metadata(&engine.region, &request.reason)?;
    let (stream, schema) = parse::target(&engine, &request.r#type, &request.id)?;
    // What another instance has just written can be gone back to here.
    let present = engine.documents.read(&stream, &Freshness::Strong).await?.aggregate;
    if present.version == 0 {
        return Err(parse::not_found(&stream));
    }
    let to_version = version(&engine, &stream, request.target, present.version).await?;
    let past = engine.documents.history.state_at(&stream, to_version).await?;
    let command = Command::RollBack { to_version, state: past.present().cloned() };

    let (aggregate, before, write) = if request.dry_run {
        expected.check(&present)?;
        let decision = decide(&schema, &present, command, engine.documents.clock.now_micros())?;
        (Arc::new(decision.after), present, None)
    } else {
        let part = parse::part((stream.clone(), schema), expected, command);
        let (after, write) = parse::write_one(&engine, part, idempotency, metadata).await?;
        let before = engine.documents.history.state_at(&stream, after.version - 1).await?;
        (after, before, Some(write))
    };
    let differences = diff(&before.state, &aggregate.state);
    let exists = aggregate.exists();
    let message = RollbackAggregateResponse {
        aggregate: exists.then(|| convert::aggregate::to_aggregate(&stream, &aggregate)),
        differences: differences.iter().map(convert::difference::to_difference).collect(),
        write: write.clone(),
    };
    Ok(match write {
        Some(write) => Answer::written(message, &write),
        None => Answer::new(message),
    })
}

async fn version(
    engine: &Engine,
    stream: &StreamName,
    target: Option<Target>,
    newest: Version,
) -> Result<Version> {
    match target {
        None => Err(Error::invalid("target", "accepts one of toVersion, toTime")),
        Some(Target::ToVersion(version)) => {
            parse::within("toVersion", parse::version("toVersion", version)?, newest)
        }
        Some(Target::ToTime(time)) => parse::version_at(engine, stream, "toTime", &time).await,
    }
}
