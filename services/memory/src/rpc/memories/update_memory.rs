use std::sync::Arc;

use gamemesh_contracts::memory::v1::{UpdateMemoryRequest, UpdateMemoryResponse};
use gamemesh_domain::{Error, Result};
use gamemesh_repository::EmbeddingState;
use gamemesh_rpc::caller::Caller;

use super::super::parse;
use crate::convert::collection::model_text;
use crate::convert::content::{Content, from_content};
use crate::convert::row::Stored;
use crate::engine::{Change, Engine};

const FIELDS: [&str; 12] = [
    "text",
    "vector",
    "kind",
    "importance",
    "metadata",
    "subjects",
    "witnesses",
    "visibility",
    "pinned",
    "created_at",
    "valid_from",
    "valid_until",
];

pub(super) async fn handle(
    engine: Arc<Engine>,
    _caller: Caller,
    request: UpdateMemoryRequest,
) -> Result<UpdateMemoryResponse> {
    let known = engine.collection(&request.collection_id).await?;
    let collection = &known.collection;
    let npc = parse::npc(&request.npc_id)?;
    let id = request.memory_id.parse()?;
    let fields = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
    if fields.is_empty() {
        return Err(Error::invalid("updateMask", "names at least one field"));
    }
    if let Some(unknown) = fields.iter().find(|field| !FIELDS.contains(&field.as_str())) {
        let what = format!("{unknown}: accepts {}", FIELDS.join(", "));
        return Err(Error::invalid("updateMask", what));
    }
    let mut content = request.content.ok_or_else(|| Error::invalid("content", "is required"))?;
    let names = |field: &str| fields.iter().any(|one| one == field);
    if names("text") && content.text.trim().is_empty() {
        return Err(Error::invalid("content.text", "accepts at least one character"));
    }
    if names("vector") && content.vector.is_empty() {
        return Err(Error::invalid("content.vector", "accepts a vector"));
    }
    // A content that changes only other fields says nothing of its text.
    if !names("text") {
        content.text = "-".to_owned();
    }
    let content = from_content(collection, content)?;
    let without_vector = engine.without_vector(collection);
    let apply = |stored: &mut Stored| {
        let is_new_text = names("text") && stored.memory.text != content.text;
        fields.iter().for_each(|field| set(stored, field, &content));
        if names("vector") {
            stored.vector.clone_from(&content.vector);
            stored.embedding = EmbeddingState::Done;
            stored.model = model_text(&collection.model);
        } else if is_new_text {
            stored.vector = None;
            stored.embedding = without_vector;
            stored.model = model_text(&collection.model);
        }
        let memory = &stored.memory;
        if let (Some(from), Some(until)) = (memory.valid_from_us, memory.valid_until_us)
            && from >= until
        {
            return Err(Error::invalid("content.validUntil", "lies after validFrom"));
        }
        Ok(true)
    };
    let expected = parse::expected(request.expected_version)?;
    let entry = engine.update(collection, Change { npc, id, expected, apply }).await?;
    Ok(UpdateMemoryResponse { memory: Some(parse::shown(&engine, &known, &entry)) })
}

fn set(stored: &mut Stored, field: &str, content: &Content) {
    let memory = &mut stored.memory;
    match field {
        "text" => memory.text = content.text.clone(),
        "kind" => memory.kind = content.kind,
        "importance" => memory.importance = content.importance,
        "metadata" => memory.metadata = content.metadata.clone(),
        "subjects" => memory.subjects.clone_from(&content.subjects),
        "witnesses" => memory.witnesses.clone_from(&content.witnesses),
        "visibility" => memory.visibility = content.visibility,
        "pinned" => memory.pinned = content.pinned,
        "created_at" => memory.created_us = content.created_us.unwrap_or(memory.created_us),
        "valid_from" => memory.valid_from_us = content.valid_from_us,
        "valid_until" => memory.valid_until_us = content.valid_until_us,
        _ => {}
    }
}
