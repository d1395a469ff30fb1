use std::sync::Arc;

use async_stream::try_stream;
use futures::Stream;
use gamemesh_contracts::state::v1::{ReplayAggregateRequest, ReplayAggregateResponse};
use gamemesh_documents::{Filling, encoding};
use gamemesh_domain::Result;
use gamemesh_repository::Direction;
use gamemesh_rpc::caller::Caller;

use super::parse;
use crate::access::StateCaller as _;
use crate::convert;
use crate::engine::Engine;

/// Events that are read at once.
const PAGE_EVENTS_MAX: usize = 256;

pub(super) fn handle(
    engine: Arc<Engine>,
    caller: &Caller,
    request: ReplayAggregateRequest,
) -> Result<impl Stream<Item = Result<ReplayAggregateResponse>> + Send + use<>> {
    let ReplayAggregateRequest { r#type, id, from_version, to_version } = request;
    let (stream, _) = parse::target(&engine, &r#type, &id)?;
    caller.may_read(&stream)?;
    let from = parse::version("fromVersion", from_version)?.max(1);
    let to = parse::version("toVersion", to_version)?;
    let (caller, reader) = (caller.clone(), caller.reads_as());
    Ok(try_stream! {
        let newest = parse::newest_version(&engine, &stream).await?;
        let from = parse::within("fromVersion", from, newest)?;
        let to = if to == 0 { newest } else { parse::within("toVersion", to, newest)? };
        let mut state = engine.documents.history.state_at(&stream, from - 1).await?;
        let mut read = Filling::default();
        while state.version < to {
            caller.when_may_read_many().await;
            let left = usize::try_from(to - state.version).unwrap_or(PAGE_EVENTS_MAX);
            let limit = read.next_read(left.min(PAGE_EVENTS_MAX));
            read = Filling::default();
            let next = state.version + 1;
            let events = engine.documents.log.read_stream(&stream, next, limit, Direction::Forward).await?;
            caller.has_read(events.len(), events.iter().map(|event| event.data.len()).sum());
            for event in events {
                read.add(event.data.len());
                let applied = encoding::apply(state, event)?;
                state = applied.after;
                let exists = state.exists();
                yield ReplayAggregateResponse {
                    event: Some(convert::aggregate::to_event(&applied.event, reader)?),
                    aggregate: exists.then(|| convert::aggregate::to_aggregate(&stream, &state)),
                };
            }
        }
    })
}
