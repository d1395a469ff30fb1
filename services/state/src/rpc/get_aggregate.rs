use std::sync::Arc;

use gamemesh_contracts::common::v1::Role;
use gamemesh_contracts::state::v1::{AggregateEvent, GetAggregateRequest, GetAggregateResponse};
use gamemesh_documents::{Answered, Freshness};
use gamemesh_domain::{Error, Result};
use gamemesh_repository::{Direction, StreamName, Version};
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

/// Events that are answered with an aggregate: the last ones.
const EVENTS_MAX: usize = 1_000;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: GetAggregateRequest,
) -> Result<Answer<GetAggregateResponse>> {
    let (stream, _) = parse::target(&engine, &request.r#type, &request.id)?;
    caller.may_read(&stream)?;
    let answered = read(&engine, &stream, &request).await?;
    let aggregate = &answered.aggregate;
    if !aggregate.exists() {
        return Err(parse::not_found(&stream));
    }
    let events = match request.include_events {
        true => last_events(&engine, &stream, aggregate.version, caller.reads_as()).await?,
        false => Vec::new(),
    };
    let freshness = parse::freshness_of(&engine, &stream, &answered);
    let message = GetAggregateResponse {
        aggregate: Some(convert::aggregate::to_aggregate(&stream, aggregate)),
        events_truncated: request.include_events && (events.len() as u64) < aggregate.version,
        events,
        freshness: Some(freshness.clone()),
    };
    Ok(Answer::read(message, &freshness, caller.if_none_match.as_deref()))
}

async fn read(
    engine: &Arc<Engine>,
    stream: &StreamName,
    request: &GetAggregateRequest,
) -> Result<Answered> {
    let GetAggregateRequest { consistency, token, max_age, .. } = request;
    let freshness = parse::freshness(engine, *consistency, token, max_age.as_ref())?;
    let mut newest = engine.documents.observed_read(stream, &freshness).await?;
    let version = match (request.version, &request.at_time) {
        (None, None) => return Ok(newest),
        (Some(_), Some(_)) => {
            return Err(Error::invalid("atTime", "give version or atTime, not both"));
        }
        (Some(version), None) => {
            let version = parse::version("version", version)?;
            if version > newest.aggregate.version {
                // It may have been acknowledged by another instance.
                newest = engine.documents.observed_read(stream, &Freshness::Strong).await?;
            }
            parse::within("version", version, newest.aggregate.version)?
        }
        (None, Some(time)) => parse::version_at(engine, stream, "atTime", time).await?,
    };
    // What the past was is as well known as what the newest is.
    let aggregate = engine.documents.history.state_at(stream, version).await?;
    Ok(newest.past(aggregate))
}

/// The last events up to a version, oldest first.
async fn last_events(
    engine: &Engine,
    stream: &StreamName,
    version: Version,
    reader: Role,
) -> Result<Vec<AggregateEvent>> {
    let events =
        engine.documents.log.read_stream(stream, version, EVENTS_MAX, Direction::Backward).await?;
    let events = events.iter().map(|event| convert::aggregate::to_event(event, reader));
    let events = events.collect::<Result<_, _>>()?;
    let mut events = parse::fitting::<AggregateEvent>(events);
    events.reverse();
    Ok(events)
}
