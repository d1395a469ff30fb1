use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_domain::document::Expectation;
use gamemesh_rpc::caller::Caller;
use prost::Message as _;

use crate::convert::time::to_timestamp;
use crate::game::streams::by_ids;
use crate::game::{Game, Order, metadata};

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::AppendEventsRequest,
) -> Result<pb::AppendEventsResponse> {
    let by_key = caller.idempotency("AppendEvents", &request.idempotency_key, &request)?;
    let encoded = request.encode_to_vec();
    let stream = game.events_stream(&request.stream_id)?;
    let expected = match caller.expectation(request.expected_version, false)? {
        Expectation::Version(0) => Expectation::NoEvents,
        expected => expected,
    };
    let (commands, event_ids) = game.notes(request.events)?;
    let count = commands.len() as i64;
    let idempotency = by_key.or_else(|| by_ids(&stream, &event_ids, &encoded));
    let metadata = metadata(&caller)?;
    let order = Order { stream, expected, commands, event_ids, idempotency, metadata };
    let (aggregate, written) = game.write(order).await?;
    let version = aggregate.version as i64;
    Ok(pb::AppendEventsResponse {
        version,
        first_version: version - count + 1,
        repeated_write: written.repeated,
        time: Some(to_timestamp(written.time_us)),
    })
}
