use std::sync::Arc;

use gamemesh_contracts::memory::v1::{StoreMemoryRequest, StoreMemoryResponse};
use gamemesh_domain::{Error, Result};

use super::super::parse;
use crate::caller::Caller;
use crate::convert::content::from_content;
use crate::engine::{Engine, Entry, Store};

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: StoreMemoryRequest,
) -> Result<StoreMemoryResponse> {
    caller.may_write()?;
    let known = engine.collection(&request.collection_id).await?;
    let fingerprint = parse::fingerprint(&request);
    let npc = parse::npc(&request.npc_id)?;
    let content = request.content.ok_or_else(|| Error::invalid("content", "is required"))?;
    let store = Store {
        npc,
        content: from_content(&known.collection, content)?,
        idempotency_key: caller.idempotency_key(&request.idempotency_key)?,
        fingerprint,
    };
    let stored = engine.store(&known.collection, store).await?;
    let entry = Entry { memory: stored.memory, embedding: stored.embedding };
    Ok(StoreMemoryResponse {
        memory: Some(parse::shown(&engine, &known, &entry)),
        repeated_write: stored.repeated,
        evicted: stored.evicted.iter().map(ToString::to_string).collect(),
    })
}
