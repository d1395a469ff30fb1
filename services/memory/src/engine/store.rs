//! A memory becomes durable.

use gamemesh_domain::memory::{Collection, Forgotten, Kind, Memory, MemoryId, Name};
use gamemesh_domain::{Code, Error, Result};
use gamemesh_repository::{EmbeddingState, MemoryChange, MemoryOutcome, fault_point};
use uuid::{NoContext, Timestamp, Uuid};

use super::{Engine, no_memory};
use crate::convert::collection::model_text;
use crate::convert::content::Content;
use crate::convert::row::{Stored, from_row, readers, to_row, uuid_of};

/// A memory that another takes the place of may be written by others meanwhile.
const TRIES_MAX: usize = 8;

/// What is to be stored.
pub(crate) struct Store {
    pub(crate) npc: Name,
    pub(crate) content: Content,
    pub(crate) idempotency_key: Option<String>,
    /// Digest of the request.
    pub(crate) fingerprint: [u8; 16],
}

/// What became of it.
pub(crate) struct StoredMemory {
    pub(crate) memory: Memory,
    pub(crate) embedding: EmbeddingState,
    pub(crate) repeated: bool,
    pub(crate) evicted: Vec<MemoryId>,
}

impl Engine {
    pub(crate) async fn store(
        &self,
        collection: &Collection,
        store: Store,
    ) -> Result<StoredMemory> {
        self.check_sources(collection, &store).await?;
        let stored = self.new_memory(collection, &store);
        let memory = stored.memory.clone();
        let (mut touched, embedding) = (readers(&memory), stored.embedding);
        let mut tries = 0;
        let outcome = loop {
            let mut changes =
                vec![MemoryChange::Insert(Box::new(to_row(&collection.name, &stored)?))];
            if let Some(old) = store.content.supersedes {
                let (change, pages) =
                    self.superseded(collection, &store.npc, old, memory.id).await?;
                changes.push(change);
                touched.extend(pages);
            }
            fault_point("memory.before_store");
            tries += 1;
            match self.change(collection, changes, &touched).await? {
                MemoryOutcome::Conflict { .. } if tries < TRIES_MAX => {}
                outcome => break outcome,
            }
        };
        fault_point("memory.after_store");
        match outcome {
            MemoryOutcome::Written => {}
            MemoryOutcome::Existing(row) => return repeated(from_row(*row)?, &store),
            MemoryOutcome::Conflict { id, .. } => {
                return Err(Error::new(
                    Code::VersionConflict,
                    format!("memory {id} keeps changing"),
                ));
            }
        }
        self.metrics.stored.inc();
        if embedding == EmbeddingState::Pending {
            self.unembedded.notify_one();
        }
        let evicted = match collection.budget {
            0 => Vec::new(),
            budget => self.evict(collection, &store.npc, budget as usize, false).await?.0,
        };
        // Nobody watching is no fault.
        drop(self.stored.send((collection.name.clone(), store.npc)));
        Ok(StoredMemory { memory, embedding, repeated: false, evicted })
    }

    /// Writes one group, and tells the pages.
    pub(super) async fn change(
        &self,
        collection: &Collection,
        changes: Vec<MemoryChange>,
        touched: &[String],
    ) -> Result<MemoryOutcome> {
        let written = self.tables.change_memories(vec![changes]).await;
        // Also after an error: what became of it is not always known.
        self.pages.touch(&collection.name, touched);
        let outcome = written?.pop();
        outcome.ok_or_else(|| Error::internal("one group was written and none answered"))
    }

    fn new_memory(&self, collection: &Collection, store: &Store) -> Stored {
        let now_us = self.clock.now_micros();
        let content = &store.content;
        let seconds = now_us.div_euclid(1_000_000).max(0) as u64;
        let nanos = now_us.rem_euclid(1_000_000) as u32 * 1_000;
        let id = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos));
        let embedding = match content.vector {
            Some(_) => EmbeddingState::Done,
            None => self.without_vector(collection),
        };
        let memory = Memory {
            id: MemoryId(id.as_u128()),
            npc: store.npc.clone(),
            kind: content.kind,
            text: content.text.clone(),
            metadata: content.metadata.clone(),
            importance: content.importance,
            subjects: content.subjects.clone(),
            witnesses: content.witnesses.clone(),
            visibility: content.visibility,
            sources: content.sources.clone(),
            pinned: content.pinned,
            created_us: content.created_us.unwrap_or(now_us),
            stored_us: now_us,
            accessed_us: content.created_us.unwrap_or(now_us),
            accesses: 0,
            valid_from_us: content.valid_from_us,
            valid_until_us: content.valid_until_us,
            forgotten: None,
            replaced_by: None,
            merged: 0,
            version: 1,
        };
        Stored {
            memory,
            embedding,
            model: model_text(&collection.model),
            vector: content.vector.clone(),
            idempotency_key: store.idempotency_key.clone(),
            fingerprint: store.fingerprint,
        }
    }

    /// A conclusion rests on memories of the same owner.
    async fn check_sources(&self, collection: &Collection, store: &Store) -> Result<()> {
        let sources = &store.content.sources;
        if sources.is_empty() {
            return Ok(());
        }
        if store.content.kind != Kind::Reflection {
            return Err(Error::invalid("content.sources", "are for reflections"));
        }
        let page = self.page(collection, store.npc.as_str()).await?;
        let page = page.read();
        let is_own =
            |id: &&MemoryId| page.get(**id).is_some_and(|entry| entry.memory.npc == store.npc);
        match sources.iter().find(|id| !is_own(id)) {
            Some(id) => Err(Error::invalid("content.sources", format!("{id}: does not exist"))),
            None => Ok(()),
        }
    }

    async fn superseded(
        &self,
        collection: &Collection,
        npc: &Name,
        old: MemoryId,
        by: MemoryId,
    ) -> Result<(MemoryChange, Vec<String>)> {
        let mut stored = self.owned(collection, npc, old).await?;
        let expected = stored.memory.version;
        stored.memory.version += 1;
        stored.memory.forgotten = Some(Forgotten::Superseded);
        stored.memory.replaced_by = Some(by);
        let row = Box::new(to_row(&collection.name, &stored)?);
        let pages = row.readers.clone();
        Ok((MemoryChange::Replace { row, expected, left: Vec::new() }, pages))
    }

    /// A memory of this owner, from the store. Whose else it is does not exist.
    pub(super) async fn owned(
        &self,
        collection: &Collection,
        npc: &Name,
        id: MemoryId,
    ) -> Result<Stored> {
        let row = self.tables.memory(collection.name.as_str(), uuid_of(id)).await?;
        match row {
            Some(row) if row.npc_id == npc.as_str() => from_row(row),
            _ => Err(no_memory(id)),
        }
    }
}

/// The first result, if the request is the same.
fn repeated(stored: Stored, store: &Store) -> Result<StoredMemory> {
    if stored.fingerprint != store.fingerprint {
        let message = "the idempotency key was used with another memory";
        return Err(Error::new(Code::IdempotencyKeyReused, message));
    }
    let Stored { memory, embedding, .. } = stored;
    Ok(StoredMemory { memory, embedding, repeated: true, evicted: Vec::new() })
}
