use std::sync::Arc;

use gamemesh_contracts::memory::v1::{CountMemoriesRequest, CountMemoriesResponse};
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::convert::memory::from_filter;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    request: CountMemoriesRequest,
) -> Result<CountMemoriesResponse> {
    let known = engine.collection(&request.collection_id).await?;
    let npc = parse::npc(&request.npc_id)?;
    let now_us = engine.clock.now_micros();
    let (criteria, own_only) = from_filter(&known.collection, request.filter, now_us)?;
    let found = engine.matching(&known.collection, &npc, &criteria, own_only).await?;
    Ok(CountMemoriesResponse { count: found.len() as i64 })
}
