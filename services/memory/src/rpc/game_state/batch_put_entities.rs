use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;
use pb::entity_result::Result as One;

use crate::convert::refusal::to_refusal;
use crate::game::{Game, only_aggregate};

const REQUESTS_MAX: usize = 1_000;

pub(super) async fn handle(
    game: Arc<Game>,
    caller: Caller,
    request: pb::BatchPutEntitiesRequest,
) -> Result<pb::BatchPutEntitiesResponse> {
    if !(1..=REQUESTS_MAX).contains(&request.requests.len()) {
        return Err(Error::invalid("requests", format!("accepts 1 to {REQUESTS_MAX}")));
    }
    let (mut writes, mut parsed) = (Vec::new(), Vec::new());
    for one in request.requests {
        let order = game.put_order(&caller, one).await;
        parsed.push(order.and_then(|order| {
            let stream = order.stream.clone();
            writes.push(game.part(order)?);
            Ok(stream)
        }));
    }
    let mut outcomes = game.documents.write_each(writes).await.into_iter();
    let mut answer = |stream: Result<_>| {
        let stream = stream?;
        let written = outcomes.next().unwrap_or_else(|| Err(Error::internal("a write is lost")))?;
        Ok(game.shown(&stream, &*only_aggregate(&written)?))
    };
    let results = parsed.into_iter().map(|stream| pb::EntityResult {
        result: Some(match answer(stream) {
            Ok(entity) => One::Entity(entity),
            Err(error) => One::Refusal(to_refusal(&error)),
        }),
    });
    Ok(pb::BatchPutEntitiesResponse { results: results.collect() })
}
