use std::sync::Arc;

use futures::{StreamExt as _, stream};
use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;
use pb::entity_result::Result as One;

use crate::convert::refusal::to_refusal;
use crate::game::Game;

const IDS_MAX: usize = 1_000;

/// Reads that wait for the store together.
const TOGETHER_MAX: usize = 64;

pub(super) async fn handle(
    game: Arc<Game>,
    _caller: Caller,
    request: pb::BatchGetEntitiesRequest,
) -> Result<pb::BatchGetEntitiesResponse> {
    let pb::BatchGetEntitiesRequest { entity_ids, token } = request;
    if !(1..=IDS_MAX).contains(&entity_ids.len()) {
        return Err(Error::invalid("entityIds", format!("accepts 1 to {IDS_MAX}")));
    }
    let reads = entity_ids.into_iter().map(|id| {
        let (game, token) = (game.clone(), token.clone());
        async move { game.get_entity(&id, &token).await }
    });
    let results = stream::iter(reads).buffered(TOGETHER_MAX).map(|result| pb::EntityResult {
        result: Some(match result {
            Ok(entity) => One::Entity(entity),
            Err(error) => One::Refusal(to_refusal(&error)),
        }),
    });
    Ok(pb::BatchGetEntitiesResponse { results: results.collect().await })
}
