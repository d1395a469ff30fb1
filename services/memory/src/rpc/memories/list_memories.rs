use std::sync::Arc;

use gamemesh_contracts::memory::v1::{ListMemoriesRequest, ListMemoriesResponse};
use gamemesh_domain::Result;
use gamemesh_domain::memory::MemoryId;
use gamemesh_feed::{Claim, Kind, parameters};
use gamemesh_rpc::caller::Caller;
use prost::Message as _;

use super::super::parse;
use crate::convert::memory::from_filter;
use crate::engine::Engine;

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    request: ListMemoriesRequest,
) -> Result<ListMemoriesResponse> {
    let known = engine.collection(&request.collection_id).await?;
    let collection = &known.collection;
    let npc = parse::npc(&request.npc_id)?;
    let now_us = engine.clock.now_micros();
    let bound = {
        let filter = request.filter.as_ref().map(|filter| filter.encode_to_vec());
        let digest = blake3::hash(&filter.unwrap_or_default()).to_hex();
        parameters(&["list", collection.name.as_str(), npc.as_str(), digest.as_str()], 0)
    };
    let (criteria, own_only) = from_filter(collection, request.filter, now_us)?;
    let size = parse::page_size(request.page_size)?;
    let after = match &*request.page_token {
        "" => None,
        token => {
            let key = engine.tokens.check("pageToken", token, Kind::Page, bound, now_us)?.key;
            place(&key)
        }
    };
    let mut found = engine.matching(collection, &npc, &criteria, own_only).await?;
    // The newest first, of equals by id; a page begins where the last one ended, whatever came since.
    let key = |entry: &crate::engine::Entry| (-entry.memory.created_us, entry.memory.id);
    found.retain(|entry| after.is_none_or(|(time, id)| key(entry) > (-time, id)));
    found.sort_unstable_by_key(key);
    let more = found.len() > size;
    found.truncate(size);
    let next_page_token = match found.last() {
        Some(last) if more => {
            let key = format!("{}:{}", last.memory.created_us, last.memory.id);
            let claim = Claim { parameters: bound, key, ..Claim::default() };
            engine.tokens.issue(Kind::Page, &claim, now_us)
        }
        _ => String::new(),
    };
    let mut memories = Vec::with_capacity(found.len());
    for entry in &found {
        let mut memory = parse::shown(&engine, &known, entry);
        if request.with_vectors
            && let Some(content) = &mut memory.content
        {
            content.vector = engine.vector_of(collection, entry.memory.id).await?;
        }
        memories.push(memory);
    }
    Ok(ListMemoriesResponse { memories, next_page_token })
}

/// Where a page ended. Tokens are signed, so that nothing else stands in one.
fn place(key: &str) -> Option<(i64, MemoryId)> {
    let (time, id) = key.split_once(':')?;
    Some((time.parse().ok()?, id.parse().ok()?))
}
