//! What several RPCs read from their requests and put into their answers.

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_domain::memory::Name;
use gamemesh_domain::{Error, Result};

use crate::convert::collection::{Known, model_text, to_collection};
use crate::convert::memory::{Shown, to_memory};
use crate::engine::{Engine, Entry};

pub(super) const PAGE_SIZE_DEFAULT: usize = 50;
pub(super) const PAGE_SIZE_MAX: usize = 1_000;

/// A number of items that a caller asks for: 0 stands for the default, more than `max` is refused.
pub(super) fn page_size(asked: i32) -> Result<usize> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PAGE_SIZE_DEFAULT),
        Ok(asked) if asked <= PAGE_SIZE_MAX => Ok(asked),
        _ => Err(Error::invalid("pageSize", format!("accepts 0 to {PAGE_SIZE_MAX}"))),
    }
}

pub(super) fn expected(version: Option<i64>) -> Result<Option<u64>> {
    let parse = |version: i64| {
        u64::try_from(version).map_err(|_| Error::invalid("expectedVersion", "accepts 0 or more"))
    };
    version.map(parse).transpose()
}

pub(super) fn npc(id: &str) -> Result<Name> {
    crate::convert::memory::npc(id)
}

/// A memory as it is answered.
pub(super) fn shown(engine: &Engine, known: &Known, entry: &Entry) -> pb::Memory {
    let shown = Shown {
        collection: &known.collection,
        embedding: entry.embedding,
        now_us: engine.clock.now_micros(),
    };
    to_memory(&entry.memory, shown, None)
}

/// A collection with how far its vectors are.
pub(super) async fn collection(engine: &Engine, known: &Known) -> Result<pb::Collection> {
    let collection = &known.collection;
    let model = model_text(&collection.model);
    let counts = engine.tables.embedding_counts(collection.name.as_str(), &model).await?;
    let [_, pending, done, failed] = counts.map(|count| count as i64);
    let last_error = match pending + failed {
        0 => String::new(),
        _ => engine.last_embedding_error(),
    };
    Ok(to_collection(known, Some(pb::EmbeddingProgress { done, pending, failed, last_error })))
}
