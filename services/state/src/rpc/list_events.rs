use std::sync::Arc;

use gamemesh_contracts::state::v1::{AggregateEvent, ListEventsRequest, ListEventsResponse};
use gamemesh_domain::{Error, Result};
use gamemesh_feed::{Claim, Kind, parameters};
use gamemesh_repository::Direction;
use gamemesh_rpc::caller::Caller;

use super::answer::Answer;
use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 10_000;

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: ListEventsRequest,
) -> Result<Answer<ListEventsResponse>> {
    let (stream, _) = parse::target(&engine, &request.r#type, &request.id)?;
    caller.may_read(&stream)?;
    caller.may_read_many()?;
    let limit = parse::count("limit", request.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let newest = parse::newest_version(&engine, &stream).await?;
    let first = parse::version("fromVersion", request.from_version)?.max(1);
    let last = match parse::version("toVersion", request.to_version)? {
        0 => newest,
        last => parse::within("toVersion", last, newest)?,
    };
    let bounds = format!("{first}/{}/{}", request.to_version, request.descending);
    let bound = parameters(&["events", stream.as_str(), &bounds], 0);
    let offset = u64::try_from(request.offset)
        .map_err(|_| Error::invalid("offset", "accepts 0 and above"))?;

    let start = match (&*request.page_token, request.descending) {
        ("", false) => first.checked_add(offset),
        ("", true) => last.checked_sub(offset),
        (token, _) => {
            let now_us = engine.documents.clock.now_micros();
            let claim =
                engine.documents.tokens.check("pageToken", token, Kind::Page, bound, now_us)?;
            claim.key.parse().ok()
        }
    };
    let start = start.filter(|start| (first..=last).contains(start));
    let Some(start) = start else { return Ok(Answer::new(ListEventsResponse::default())) };
    let (direction, left) = match request.descending {
        false => (Direction::Forward, last - start + 1),
        true => (Direction::Backward, start - first + 1),
    };
    let asked = usize::try_from(left).unwrap_or(limit).min(limit);
    let events = engine.documents.read_part(&stream, start, asked, direction).await?;
    caller.has_read(events.len(), events.iter().map(|event| event.data.len()).sum());
    let reader = caller.reads_as();
    let events = events.iter().map(|event| convert::aggregate::to_event(event, reader));
    let events = events.collect::<Result<_, _>>()?;
    let events = parse::fitting::<AggregateEvent>(events);
    let reached = events.last().and_then(|event| u64::try_from(event.version).ok());
    let next = match (reached, request.descending) {
        (Some(version), false) if version < last => Some(version + 1),
        (Some(version), true) if version > first => Some(version - 1),
        _ => None,
    };
    let page = |version: u64| {
        let claim = Claim { parameters: bound, key: version.to_string(), ..Claim::default() };
        engine.documents.tokens.issue(Kind::Page, &claim, engine.documents.clock.now_micros())
    };
    let next_page_token = next.map(page).unwrap_or_default();
    Ok(Answer::new(ListEventsResponse { events, next_page_token }))
}
