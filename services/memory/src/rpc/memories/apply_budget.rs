use std::sync::Arc;

use gamemesh_contracts::memory::v1::{ApplyBudgetRequest, ApplyBudgetResponse};
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    request: ApplyBudgetRequest,
) -> Result<ApplyBudgetResponse> {
    let known = engine.collection(&request.collection_id).await?;
    let npc = parse::npc(&request.npc_id)?;
    let budget = match usize::try_from(request.budget) {
        Ok(0) => known.collection.budget as usize,
        Ok(budget) => budget,
        Err(_) => return Err(Error::invalid("budget", "accepts 0 or more")),
    };
    let (evicted, remembered) =
        engine.evict(&known.collection, &npc, budget, request.dry_run).await?;
    Ok(ApplyBudgetResponse {
        evicted: evicted.iter().map(ToString::to_string).collect(),
        remembered: remembered as i64,
    })
}
