use std::sync::Arc;

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::Result;
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    request: pb::MergeMemoriesRequest,
) -> Result<pb::MergeMemoriesResponse> {
    let known = engine.collection(&request.collection_id).await?;
    let npc = parse::npc(&request.npc_id)?;
    let merged = engine.merge(&known.collection, &npc, request.dry_run).await?;
    let groups = merged.groups.iter().map(|(kept, others)| pb::MergedGroup {
        kept: kept.to_string(),
        merged: others.iter().map(ToString::to_string).collect(),
    });
    let conflicts = merged.conflicts.iter().map(|(one, other)| pb::MemoryConflict {
        memory_id: one.to_string(),
        other_id: other.to_string(),
    });
    Ok(pb::MergeMemoriesResponse { groups: groups.collect(), conflicts: conflicts.collect() })
}
