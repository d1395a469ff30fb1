use std::sync::Arc;

use gamemesh_contracts::memory::v1::{EraseSubjectRequest, EraseSubjectResponse};
use gamemesh_domain::Result;
use gamemesh_domain::memory::Name;
use gamemesh_rpc::caller::Caller;

use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    request: EraseSubjectRequest,
) -> Result<EraseSubjectResponse> {
    let subject = Name::parse("subjectId", &request.subject_id)?;
    let collection = match &*request.collection_id {
        "" => None,
        id => Some(engine.collection(id).await?),
    };
    let within = collection.as_ref().map(|known| &known.collection.name);
    let (memories, history) = engine.erase_subject(&subject, within).await?;
    Ok(EraseSubjectResponse { memories: memories as i64, history: history as i64 })
}
