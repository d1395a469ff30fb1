use std::sync::Arc;

use gamemesh_contracts::memory::v1::{StoreMemoryRequest, StoreMemoryResponse};
use gamemesh_domain::{Error, Result};
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::convert::content::from_content;
use crate::engine::{Engine, Entry, Store};

pub(super) async fn handle(
    engine: Arc<Engine>,
    caller: Caller,
    request: StoreMemoryRequest,
) -> Result<StoreMemoryResponse> {
    let known = engine.collection(&request.collection_id).await?;
    let key = caller.idempotency("StoreMemory", &request.idempotency_key, &request)?;
    let (idempotency_key, fingerprint) = key.map(|key| (key.key, key.fingerprint)).unzip();
    let npc = parse::npc(&request.npc_id)?;
    let content = request.content.ok_or_else(|| Error::invalid("content", "is required"))?;
    let store = Store {
        npc,
        content: from_content(&known.collection, content)?,
        idempotency_key,
        fingerprint: fingerprint.unwrap_or_default(),
    };
    let stored = engine.store(&known.collection, store).await?;
    let entry = Entry { memory: stored.memory, embedding: stored.embedding };
    Ok(StoreMemoryResponse {
        memory: Some(parse::shown(&engine, &known, &entry)),
        repeated_write: stored.repeated,
        evicted: stored.evicted.iter().map(ToString::to_string).collect(),
    })
}
