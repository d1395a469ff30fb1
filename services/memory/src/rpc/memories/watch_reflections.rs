use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use gamemesh_contracts::memory::v1::{WatchReflectionsRequest, WatchReflectionsResponse};
use gamemesh_domain::memory::{Name, REFLECTION_THRESHOLD};
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::engine::{Due, Engine};

#[expect(clippy::needless_pass_by_value, reason = "a handler takes the request as it came")]
pub(super) fn handle(
    engine: Arc<Engine>,
    _caller: &Caller,
    request: WatchReflectionsRequest,
) -> Result<impl Stream<Item = Result<WatchReflectionsResponse>> + Send + use<>> {
    let collection = Name::parse("collectionId", &request.collection_id)?;
    let npc = match &*request.npc_id {
        "" => None,
        id => Some(parse::npc(id)?),
    };
    let threshold = match request.threshold {
        0.0 => REFLECTION_THRESHOLD,
        threshold if threshold > 0.0 && threshold.is_finite() => threshold,
        _ => return Err(Error::invalid("threshold", "accepts 0 or more")),
    };
    let due = engine.watch_reflections(collection, npc, threshold);
    Ok(due.map(|due| {
        due.map(|Due { npc, importance, since }| WatchReflectionsResponse {
            npc_id: npc.to_string(),
            importance,
            memory_ids: since.iter().map(ToString::to_string).collect(),
        })
    }))
}
