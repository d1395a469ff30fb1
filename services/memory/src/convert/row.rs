//! Memories as rows.

use gamemesh_domain::memory::{Forgotten, Kind, Memory, MemoryId, Name, Visibility};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{EmbeddingState, MemoryRow};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::json;

/// A memory with what only its row says.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) memory: Memory,
    pub(crate) embedding: EmbeddingState,
    /// Name and version of the model of the vector.
    pub(crate) model: String,
    pub(crate) vector: Option<Vec<f32>>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) fingerprint: [u8; 16],
}

/// What the row keeps beside its columns.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Details {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    witnesses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    merged: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub(crate) fn uuid_of(id: MemoryId) -> Uuid {
    Uuid::from_u128(id.0)
}

pub(crate) fn to_row(collection: &Name, stored: &Stored) -> Result<MemoryRow> {
    let memory = &stored.memory;
    let details = Details {
        witnesses: memory.witnesses.iter().map(ToString::to_string).collect(),
        replaced_by: memory.replaced_by.map(|id| id.to_string()),
        merged: memory.merged,
    };
    Ok(MemoryRow {
        collection: collection.to_string(),
        id: uuid_of(memory.id),
        npc_id: memory.npc.to_string(),
        kind: memory.kind.as_str().to_owned(),
        text: memory.text.to_string(),
        importance: memory.importance,
        pinned: memory.pinned,
        visibility: memory.visibility.as_str().to_owned(),
        created_us: memory.created_us,
        stored_us: memory.stored_us,
        accessed_us: memory.accessed_us,
        accesses: memory.accesses,
        valid_from_us: memory.valid_from_us,
        valid_until_us: memory.valid_until_us,
        forgotten: memory.forgotten.map(|why| why.as_str().to_owned()),
        version: memory.version,
        metadata: json::text(&memory.metadata),
        details: serde_json::to_string(&details).map_err(Error::internal)?,
        idempotency_key: stored.idempotency_key.clone(),
        fingerprint: stored.fingerprint,
        embedding: stored.embedding,
        model: stored.model.clone(),
        vector: stored.vector.clone(),
        readers: readers(memory),
        subjects: memory.subjects.iter().map(ToString::to_string).collect(),
        sources: memory.sources.iter().map(|id| uuid_of(*id)).collect(),
    })
}

/// The pages that a memory lies on; the page of all has the empty name.
pub(crate) fn readers(memory: &Memory) -> Vec<String> {
    let name = |reader: Option<&Name>| reader.map(ToString::to_string).unwrap_or_default();
    memory.readers().into_iter().map(name).collect()
}

pub(crate) fn from_row(row: MemoryRow) -> Result<Stored> {
    let id = row.id;
    let damaged = |what: &str| {
        Error::new(Code::DataCorrupted, "stored bytes are damaged")
            .with_context(format!("{what} of memory {id}"))
    };
    let names = |names: &[String]| {
        names.iter().map(|name| Name::parse("name", name)).collect::<Result<Vec<Name>>>()
    };
    let details: Details =
        serde_json::from_str(&row.details).map_err(|_| damaged("the details"))?;
    let forgotten = match row.forgotten.as_deref() {
        None => None,
        Some(why) => Some(Forgotten::named(why).ok_or_else(|| damaged("the reason"))?),
    };
    let replaced_by = match details.replaced_by.as_deref() {
        None => None,
        Some(id) => Some(id.parse().map_err(|_| damaged("the replacement"))?),
    };
    let memory = Memory {
        id: MemoryId(row.id.as_u128()),
        npc: Name::parse("npcId", &row.npc_id).map_err(|_| damaged("the owner"))?,
        kind: Kind::named(&row.kind).ok_or_else(|| damaged("the kind"))?,
        text: row.text.into(),
        metadata: json::map(&row.metadata)?,
        importance: row.importance,
        subjects: names(&row.subjects).map_err(|_| damaged("the subjects"))?,
        witnesses: names(&details.witnesses).map_err(|_| damaged("the witnesses"))?,
        visibility: Visibility::named(&row.visibility).ok_or_else(|| damaged("the visibility"))?,
        sources: row.sources.iter().map(|source| MemoryId(source.as_u128())).collect(),
        pinned: row.pinned,
        created_us: row.created_us,
        stored_us: row.stored_us,
        accessed_us: row.accessed_us,
        accesses: row.accesses,
        valid_from_us: row.valid_from_us,
        valid_until_us: row.valid_until_us,
        forgotten,
        replaced_by,
        merged: details.merged,
        version: row.version,
    };
    Ok(Stored {
        memory,
        embedding: row.embedding,
        model: row.model,
        vector: row.vector,
        idempotency_key: row.idempotency_key,
        fingerprint: row.fingerprint,
    })
}
